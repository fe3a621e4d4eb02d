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

const KEY_BYTES = 32

/** A use is noted only if the one before it was longer ago. */
const NOTED_EVERY = 60 * 60 * 1000

/** After this time nobody is still writing a temporary file. */
const ABANDONED = 60 * 60 * 1000

interface OwnFile {
  /** `entry`, `temporary` or `key`: what `src/module_cache.rs` writes. Nothing else in the directory is touched. */
  readonly kind: string
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
    const kind = native.cacheFileKind(file)
    if (kind === null) continue
    const path = join(directory, file)
    // Another process may have removed it meanwhile.
    const stats = lstatSync(path, { throwIfNoEntry: false })
    if (!stats?.isFile() || (kind === 'key' && stats.size !== KEY_BYTES)) continue
    files.push({ kind, path, file, bytes: stats.size, created: stats.birthtimeMs, used: stats.mtimeMs })
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
    .filter(({ kind }) => kind === 'entry')
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

/** @internal Why nothing in the directory is used, if so: as when it is open to other users. */
export function cacheProblem(directory: string): string | undefined {
  const config = checkCache(directory, 'cache')
  return config === undefined ? undefined : (native.cacheProblem(config) ?? undefined)
}

/** @internal What has been removed. */
export interface Cleaned {
  readonly entries: number
  readonly bytes: number
  /** The file named `key` that stays, as it may be something else. */
  readonly strangeKey?: string
}

/**
 * @internal Removes entries of a cache, and what writers that have crashed left behind.
 *
 * @param unusedFor Only entries that were not used for so many milliseconds.
 * @param everything The key, too: other entries, should there be any, are worth nothing then.
 */
export function cleanCache(directory: string, unusedFor: number | undefined, everything: boolean): Cleaned {
  const now = Date.now()
  const before = unusedFor === undefined ? Infinity : now - unusedFor - NOTED_EVERY
  const files = ownFiles(directory)
  const key = everything ? files.find(({ kind }) => kind === 'key') : undefined
  const strange = key !== undefined && !isCertain(directory, files)
  let entries = 0
  let bytes = 0
  for (const item of files) {
    const { kind, used } = item
    const old = kind === 'entry' ? used < before : kind === 'temporary' && used < now - ABANDONED
    if (!old && (!everything || (kind === 'key' && strange))) continue
    rmSync(item.path, { force: true })
    bytes += item.bytes
    if (kind === 'entry') entries += 1
  }
  return { entries, bytes, ...(strange ? { strangeKey: key.path } : {}) }
}

/** Whether a directory is a cache for certain: many things are called `key`. */
function isCertain(directory: string, files: readonly OwnFile[]): boolean {
  if (files.length === namesIn(directory).length) return true
  return listCache(directory).some(({ name }) => examineEntry(directory, name) !== undefined)
}
