import { statSync } from 'node:fs'
import { resolve } from 'node:path'

import { type CacheEntry, cacheProblem, cleanCache, examineEntry, listCache } from '../cache-directory'
import { printable, renderName } from '../wasm-frame'
import { cacheDirectory } from './cache-directory'
import { defineCommand } from './command'
import { CliError, UsageError, systemReason } from './failure'
import { jsonText } from './json'
import { STDOUT, note, writeAll } from './output'
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
      help: 'as JSON: { directory, problem, entries: [{ name, bytes, created, used, authentic, module }] }',
    },
  },
  run({ verify = false, json = false }, [given]) {
    const directory = directoryOf(given)
    const listed = using(directory, () => listCache(directory))
    const entries = verify ? listed.map((entry) => examined(directory, entry)) : listed
    const problem = verify ? cacheProblem(directory) : undefined
    writeAll(STDOUT, json ? reportText(directory, entries, problem) : tableText(directory, entries, problem))
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
    const { entries, bytes, strangeKey } = using(directory, () => cleanCache(directory, age, all))
    if (strangeKey !== undefined) {
      note(`node-wasmtime: ${strangeKey} stays: there are other files beside it, and no entry that was made with it`)
    }
    writeAll(STDOUT, `${shown(directory)}: ${countText(entries)} removed, ${sizeText(bytes)}\n`)
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
  if (given === '') throw new UsageError('the directory of the cache has an empty name')
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

/** A path, safe to print. */
const shown = (path: string): string => printable(path)

const countText = (count: number): string => (count === 1 ? '1 entry' : `${count} entries`)

function reportText(directory: string, entries: readonly Examined[], problem: string | undefined): string {
  const time = (milliseconds: number): string => new Date(milliseconds).toISOString()
  const plain = entries.map(({ name, bytes, created, used, authentic, module }) => {
    return { name, bytes, created: time(created), used: time(used), authentic, module }
  })
  return jsonText({ directory, problem, entries: plain })
}

function tableText(directory: string, entries: readonly Examined[], problem: string | undefined): string {
  const total = entries.reduce((sum, { bytes }) => sum + bytes, 0)
  const warning = problem === undefined ? '' : `nothing in it is used: ${printable(problem)}\n`
  const head = `${shown(directory)}: ${countText(entries.length)}, ${sizeText(total)}\n${warning}`
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
