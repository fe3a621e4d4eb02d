import { statSync } from 'node:fs'
import { resolve } from 'node:path'

import { type CacheEntry, cleanCache, examineEntry, listCache } from '../cache-directory'
import { renderName } from '../wasm-frame'
import { cacheDirectory } from './cache-directory'
import { defineCommand } from './command'
import { CliError, UsageError, systemReason } from './failure'
import { STDOUT, writeAll } from './output'
import { ageOption, ageText, sizeText } from './quantity'
import { alignRows } from './table'

const USAGE = '[options] [directory]'
const DETAILS = 'Without a directory it is the one of node-wasmtime run --cache.'

export const cacheList = defineCommand({
  name: 'cache list',
  summary: 'Lists the compiled modules of a cache',
  usage: USAGE,
  details: DETAILS,
  positionals: [0, 1],
  options: {
    verify: { type: 'flag', help: 'also tell which are authentic, and the names of their modules; reads all of them' },
    json: {
      type: 'flag',
      help: 'as JSON: { directory, entries: [{ name, bytes, created, used, authentic, module }] }',
    },
  },
  run({ verify = false, json = false }, [given]) {
    const directory = directoryOf(given)
    const listed = using(directory, () => listCache(directory))
    const entries = verify ? listed.map((entry) => examined(directory, entry)) : listed
    writeAll(STDOUT, json ? jsonText(directory, entries) : tableText(directory, entries))
    return 0
  },
})

export const cacheClean = defineCommand({
  name: 'cache clean',
  summary: 'Removes the compiled modules of a cache',
  usage: USAGE,
  details: `${DETAILS} Only files of the cache are removed, whatever else is there.`,
  positionals: [0, 1],
  options: {
    'older-than': { type: 'value', placeholder: 'time', help: 'only those that were not used for 12h, 7d or so' },
    all: { type: 'flag', help: 'also the key, and what other processes are writing at this moment' },
  },
  run({ 'older-than': olderThan, all = false }, [given]) {
    const age = ageOption('--older-than', olderThan)
    if (all && age !== undefined) throw new UsageError('--all leaves nothing for --older-than; use one of them')
    const directory = directoryOf(given)
    const before = age === undefined ? Infinity : Date.now() - age
    const { entries, bytes } = using(directory, () => cleanCache(directory, before, all))
    writeAll(STDOUT, `${directory}: ${countText(entries)} removed, ${sizeText(bytes)}\n`)
    return 0
  },
})

interface Examined extends CacheEntry {
  readonly authentic?: boolean
  /** Name of the module, if it is authentic. */
  readonly module?: string
}

function examined(directory: string, entry: CacheEntry): Examined {
  const module = examineEntry(directory, entry.name)
  return module === undefined ? { ...entry, authentic: false } : { ...entry, authentic: true, module }
}

/** The default need not be there before it is used; a directory that somebody names is there. */
function directoryOf(given: string | undefined): string {
  if (given === undefined) return cacheDirectory()
  const directory = resolve(given)
  const stats = using(directory, () => statSync(directory))
  if (!stats.isDirectory()) throw new CliError(`${directory} is no directory`)
  return directory
}

function using<T>(directory: string, run: () => T): T {
  try {
    return run()
  } catch (error) {
    throw new CliError(`cannot use the cache ${directory}: ${systemReason(error)}`)
  }
}

const countText = (count: number): string => (count === 1 ? '1 entry' : `${count} entries`)

function jsonText(directory: string, entries: readonly Examined[]): string {
  const time = (milliseconds: number): string => new Date(milliseconds).toISOString()
  const plain = entries.map(({ name, bytes, created, used, authentic, module }) => {
    return { name, bytes, created: time(created), used: time(used), authentic, module }
  })
  return `${JSON.stringify({ directory, entries: plain }, null, 2)}\n`
}

function tableText(directory: string, entries: readonly Examined[]): string {
  const total = entries.reduce((sum, { bytes }) => sum + bytes, 0)
  const head = `${directory}: ${countText(entries.length)}, ${sizeText(total)}\n`
  if (entries.length === 0) return head
  const verified = entries.some(({ authentic }) => authentic !== undefined)
  const now = Date.now()
  const rows = entries.map(({ name, bytes, created, used, authentic, module }) => [
    `${name.slice(0, 16)}…`,
    sizeText(bytes),
    ageText(now - created),
    ageText(now - used),
    ...(verified ? [authentic ? 'yes' : 'NO', renderName(module ?? '')] : []),
  ])
  const titles = ['entry', 'size', 'age', 'last use', ...(verified ? ['authentic', 'module'] : [])]
  return `${head}\n${alignRows([titles, ...rows]).join('\n')}\n`
}
