import { lstatSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'

import { checkCache } from './module-cache'
import { native } from './native'

/** @internal An entry of a directory of compiled modules. */
export interface CacheEntry {
  /** A hash of all that decides what it holds. */
  readonly name: string
  readonly bytes: number
  /** When it was written, in milliseconds since 1970. */
  readonly created: number
  /** When it was used last; up to an hour earlier, since not every use is noted. */
  readonly used: number
}

/** What `src/module_cache.rs` writes. Nothing else in the directory is touched. */
const ENTRY = /^[\da-f]{64}\.cwasm$/
const TEMPORARY = /^\d+-\d+-[\da-f]{16}\.tmp$/
const KEY = 'key'
const KEY_BYTES = 32

/** After this time nobody is still writing a temporary file. */
const ABANDONED = 60 * 60 * 1000

interface OwnFile {
  readonly path: string
  readonly file: string
  readonly bytes: number
  readonly created: number
  readonly used: number
}

/** The files in a directory that are the cache's own, by their names and kinds; none if there is no such directory. */
function ownFiles(directory: string): OwnFile[] {
  const files: OwnFile[] = []
  for (const file of namesIn(directory)) {
    if (!ENTRY.test(file) && !TEMPORARY.test(file) && file !== KEY) continue
    const path = join(directory, file)
    // Another process may have removed it meanwhile.
    const stats = lstatSync(path, { throwIfNoEntry: false })
    if (!stats?.isFile() || (file === KEY && stats.size !== KEY_BYTES)) continue
    files.push({ path, file, bytes: stats.size, created: stats.birthtimeMs, used: stats.mtimeMs })
  }
  return files
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/** @internal The entries of a cache, the one that was used last first. */
export function listCache(directory: string): CacheEntry[] {
  return ownFiles(directory)
    .filter(({ file }) => ENTRY.test(file))
    .map(({ file, bytes, created, used }) => ({
      name: file.slice(0, -'.cwasm'.length),
      bytes,
      // Some file systems do not know when a file was made.
      created: Math.min(created || used, used),
      used,
    }))
    .sort((a, b) => b.used - a.used)
}

/** @internal The name of the module in an entry, empty if it has none; `undefined` if the entry is not authentic. */
export function examineEntry(directory: string, name: string): string | undefined {
  const config = checkCache(directory, 'cache')
  return config === undefined ? undefined : (native.examineCacheEntry(config, name) ?? undefined)
}

/** @internal What has been removed. */
export interface Cleaned {
  readonly entries: number
  readonly bytes: number
}

/**
 * @internal Removes entries of a cache, and what writers that have crashed left behind.
 *
 * @param usedBefore Only entries that were not used since, in milliseconds since 1970.
 * @param everything The key, too: other entries, should there be any, are worth nothing then.
 */
export function cleanCache(directory: string, usedBefore: number, everything: boolean): Cleaned {
  let entries = 0
  let bytes = 0
  for (const item of ownFiles(directory)) {
    const isEntry = ENTRY.test(item.file)
    const old = isEntry ? item.used < usedBefore : item.file !== KEY && item.used < Date.now() - ABANDONED
    if (!old && !everything) continue
    rmSync(item.path, { force: true })
    bytes += item.bytes
    if (isEntry) entries += 1
  }
  return { entries, bytes }
}
