import { resolve } from 'node:path'

import { checkInteger, checkOptions, checkString } from './call-options'
import { describe } from './describe'
import { ArgumentError } from './errors'
import type { Binding } from './native'
import { usableDirectory } from './permission'

/** A directory of compiled modules, which any number of processes may share. */
export interface CacheOptions {
  /**
   * The directory. It is made if it is not there, readable by its owner only. It must belong to the user of this process, and
   * nobody else may be allowed to write to it.
   */
  readonly directory: string
  /** Bytes that all entries may take together; default 1 GiB. The ones that were not used for longest are removed. */
  readonly maxBytes?: number
  /** Milliseconds after which an entry that was not used is removed; default 30 days. */
  readonly maxAgeMs?: number
}

/** What a cache has done since the engine was made. */
export interface CacheStats {
  /** Modules that came from the cache. */
  readonly hits: number
  /** Modules that were compiled, since the cache did not have them. */
  readonly misses: number
  /** Entries that were damaged, or made by somebody else; they were compiled again, and never run. */
  readonly rejected: number
  /** Entries that were written. */
  readonly written: number
  /** Entries that were removed, because they were too old or too many. */
  readonly removed: number
  /** How often the directory could not be used; there is a warning of the process each time that the reason is a new one. */
  readonly failures: number
}

const DAY = 24 * 60 * 60 * 1000

/** @internal */
export function checkCache(value: unknown, what: string): Binding.CacheConfig | undefined {
  if (value === undefined || value === false) return undefined
  if (typeof value !== 'string' && (typeof value !== 'object' || value === null)) {
    throw new ArgumentError(`${what} must be a directory, an object { directory } or false, but got ${describe(value)}`)
  }
  const given = checkOptions(typeof value === 'string' ? { directory: value } : value, what, [
    'directory',
    'maxBytes',
    'maxAgeMs',
  ])
  const directory = checkString(given.directory, `${what}.directory`)
  if (directory === undefined || directory === '' || directory.includes('\0')) {
    throw new ArgumentError(`${what}.directory must be the path of a directory, but got ${describe(given.directory)}`)
  }
  const owner = process.geteuid?.()
  return {
    // The process may go to another directory later.
    directory: usableDirectory(resolve(directory), true),
    maxBytes: checkInteger(given.maxBytes, `${what}.maxBytes`, 0, Number.MAX_SAFE_INTEGER) ?? 2 ** 30,
    maxAgeMs: checkInteger(given.maxAgeMs, `${what}.maxAgeMs`, 0, Number.MAX_SAFE_INTEGER) ?? 30 * DAY,
    ...(owner === undefined ? {} : { owner }),
  }
}

/** The last reason that each engine has warned of. */
const warned = new WeakMap<Binding.Engine, string>()

/** @internal Warns if the cache could not be used; what was asked of it has been done without it. */
export function warnOfCache(engine: Binding.Engine): void {
  const reason = engine.takeCacheFailure()
  if (reason === null || warned.get(engine) === reason) return
  warned.set(engine, reason)
  process.emitWarning(`the cache of compiled modules cannot be used: ${reason}`, {
    code: 'NODE_WASMTIME_CACHE',
    detail: 'Modules are compiled each time instead.',
  })
}
