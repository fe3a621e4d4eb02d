import type { Writable } from 'node:stream'
import type { WritableStream } from 'node:stream/web'
import { types } from 'node:util'
import { fileURLToPath } from 'node:url'

import { checkBoolean, checkInteger, checkList, checkOptions } from './call-options'
import { describe } from './describe'
import { ArgumentError } from './errors'
import type { Binding } from './native'
import { usableDirectory } from './permission'
import type { Mode } from './store-core'

/** Pieces of what a guest reads: a `Readable`, a `ReadableStream`, or anything else to iterate asynchronously. */
export type WasiInputPieces = AsyncIterable<string | Uint8Array>

/**
 * What a guest finds on its standard input: `'empty'`, the process's own (`'inherit'`), any other text, bytes, or pieces
 * that come in time. The two words are no text; give them as bytes if a guest shall read them.
 */
export type WasiInput = 'empty' | 'inherit' | (string & {}) | Uint8Array | ArrayBuffer | WasiInputPieces

/**
 * Where what a guest writes goes: `'buffer'` keeps it, `'inherit'` writes to the process's own stream, `'ignore'` drops it.
 * A stream or a callback gets it at once, before the guest goes on.
 */
export type WasiOutput = 'buffer' | 'inherit' | 'ignore' | Writable | WritableStream | ((chunk: Buffer) => unknown)

/** A directory of the host that a guest sees. */
export interface WasiPreopen {
  /** The directory of the host. */
  readonly path: string | URL
  /** Whether the guest may change what is in it; default false. */
  readonly write?: boolean
}

/** What a guest finds of WASI preview 1. It has nothing that is not given here. */
export interface WasiOptions {
  /** Arguments, the program's own name first. Default: none. */
  readonly args?: readonly string[]
  /** Environment variables; `'inherit'` gives those of the process. Default: none. */
  readonly env?: 'inherit' | { readonly [name: string]: string | undefined }
  /**
   * Directories by the path that the guest sees. A path alone is a directory to read from. Default: none. Under Node's
   * permission model the program must be allowed to read, or write to, all that is in them (`ERR_ACCESS_DENIED`).
   */
  readonly preopens?: { readonly [guestPath: string]: string | URL | WasiPreopen }
  /**
   * Default `'empty'`. Pieces (a `Readable`, say) need async mode: the guest waits for them, and the event loop goes on.
   */
  readonly stdin?: WasiInput
  /**
   * Default `'ignore'`; that of `runCommand` is `'buffer'`. In async mode a guest waits for a stream that is full, and for
   * the promise that a callback returns; in sync mode a stream's own buffer takes everything.
   */
  readonly stdout?: WasiOutput
  /** As `stdout`. */
  readonly stderr?: WasiOutput
  /**
   * Bytes that a `'buffer'` keeps before it is taken; a guest that writes more is ended with a {@link LimitError}. Default
   * 16 MiB.
   */
  readonly stdoutLimit?: number
  /** As `stdoutLimit`. */
  readonly stderrLimit?: number
  /**
   * Default `'system'`. With `fixed` the guest's wall clock always shows that time, in nanoseconds since 1970, and the
   * monotonic clock begins at 0 and goes on by a millisecond whenever it is read. Sleeping takes real time.
   */
  readonly clock?: 'system' | { readonly fixed: number | bigint }
  /** Default `'system'`. With a seed, an integer from 0 to 2^64 - 1, a guest gets the same random bytes in every run. */
  readonly random?: 'system' | { readonly seed: number | bigint }
  /** There are no sockets in what is here of WASI; only `false`, the default, can be said. */
  readonly network?: false
}

/** @internal Options, checked. */
export interface CheckedWasi {
  readonly args: readonly string[]
  readonly env: readonly string[]
  readonly preopens: readonly Binding.PreopenConfig[]
  readonly stdin: 'empty' | 'inherit' | Uint8Array | WasiInputPieces
  readonly stdout: WasiOutput
  readonly stderr: WasiOutput
  readonly stdoutLimit: number
  readonly stderrLimit: number
  readonly fixedClock: [seconds: number, nanoseconds: number] | undefined
  readonly seed: [low: number, high: number] | undefined
}

const DEFAULT_LIMIT = 16 * 1024 * 1024
const MAX_LIMIT = 2 ** 32 - 1

const names = [
  'args', 'env', 'preopens', 'stdin', 'stdout', 'stderr', 'stdoutLimit', 'stderrLimit', 'clock', 'random', 'network',
] as const // prettier-ignore

/** @internal Reads the options once, and refuses what is not known. `fallback` is where output goes by default. */
export function checkWasiOptions(options: unknown, what: string, fallback: WasiOutput): CheckedWasi {
  const given = checkOptions(options, what, names)
  if (given.network !== undefined && given.network !== false) {
    throw new ArgumentError(
      `${what}.network must be false, but got ${describe(given.network)}: there are no sockets in WASI preview 1 as it is here`,
    )
  }
  const stdout = checkOutput(given.stdout, `${what}.stdout`) ?? fallback
  const stderr = checkOutput(given.stderr, `${what}.stderr`) ?? fallback
  return {
    args: checkArgs(given.args, `${what}.args`),
    env: checkEnv(given.env, `${what}.env`),
    preopens: checkPreopens(given.preopens, `${what}.preopens`),
    stdin: checkInput(given.stdin, `${what}.stdin`),
    stdout,
    stderr,
    stdoutLimit: checkLimit(given.stdoutLimit, `${what}.stdoutLimit`, stdout),
    stderrLimit: checkLimit(given.stderrLimit, `${what}.stderrLimit`, stderr),
    fixedClock: checkClock(given.clock, `${what}.clock`),
    seed: checkRandom(given.random, `${what}.random`),
  }
}

/** @internal Pieces can only be waited for in async mode. */
export function isPieces(stdin: CheckedWasi['stdin'], mode: Mode): stdin is WasiInputPieces {
  if (typeof stdin === 'string' || stdin instanceof Uint8Array) return false
  if (mode === 'async') return true
  throw new ArgumentError(
    'wasi.stdin must be text, bytes, "inherit" or "empty" in sync mode, where nothing can wait for a stream: ' +
      'use instantiateAsync() or runCommand(), or read the stream first',
  )
}

/** Text that a guest gets as one that ends with NUL. */
function checkText(value: unknown, what: string): string {
  if (typeof value !== 'string') throw new ArgumentError(`${what} must be a string, but got ${describe(value)}`)
  if (value.includes('\0')) {
    throw new ArgumentError(`${what} must not contain NUL characters, but got ${describe(value)}`)
  }
  return value
}

function checkArgs(args: unknown, what: string): readonly string[] {
  if (args === undefined) return []
  return checkList(args, what, 'strings', MAX_ITEMS, checkText)
}

/** More than any system takes. */
const MAX_ITEMS = 100_000

function entriesOf(value: unknown, what: string): [string, unknown][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ArgumentError(`${what} must be an object, but got ${describe(value)}`)
  }
  const entries: [string, unknown][] = []
  for (const name of Object.keys(value)) entries.push([name, (value as Record<string, unknown>)[name]])
  return entries
}

function checkEnv(env: unknown, what: string): readonly string[] {
  if (env === undefined) return []
  if (typeof env === 'string' && env !== 'inherit') {
    throw new ArgumentError(`${what} must be 'inherit' or an object of strings, but got ${describe(env)}`)
  }
  const checked: string[] = []
  for (const [name, value] of entriesOf(env === 'inherit' ? process.env : env, what)) {
    if (value === undefined) continue
    if (name === '' || /[=\0]/.test(name)) {
      throw new ArgumentError(`${what} must have names without "=" and NUL characters, but has ${describe(name)}`)
    }
    checked.push(name, checkText(value, `${what}.${name}`))
  }
  return checked
}

function checkPreopens(preopens: unknown, what: string): readonly Binding.PreopenConfig[] {
  if (preopens === undefined) return []
  return entriesOf(preopens, what).map(([guest, value]) => {
    const name = `${what}[${JSON.stringify(guest)}]`
    if (checkText(guest, name) === '') {
      throw new ArgumentError(`${what} must have paths that the guest can name, but one is empty; use "/" or "."`)
    }
    if (typeof value === 'string' || value instanceof URL) {
      return { guest, host: usableDirectory(checkHost(value, name), false), write: false }
    }
    const given = checkOptions(value, name, ['path', 'write'])
    const write = checkBoolean(given.write, `${name}.write`) ?? false
    return { guest, host: usableDirectory(checkHost(given.path, `${name}.path`), write), write }
  })
}

function checkHost(path: unknown, what: string): string {
  if (path instanceof URL) {
    if (path.protocol !== 'file:') {
      throw new ArgumentError(`${what} must be a file: URL, but got ${describe(path.href)}`)
    }
    return fileURLToPath(path)
  }
  if (typeof path !== 'string' || path === '') {
    throw new ArgumentError(`${what} must be the path of a directory or a file: URL, but got ${describe(path)}`)
  }
  return checkText(path, what)
}

function checkInput(stdin: unknown, what: string): CheckedWasi['stdin'] {
  if (stdin === undefined) return 'empty'
  if (stdin === 'empty' || stdin === 'inherit') return stdin
  if (typeof stdin === 'string') return Buffer.from(stdin)
  if (types.isUint8Array(stdin)) return stdin
  if (types.isArrayBuffer(stdin)) return new Uint8Array(stdin)
  if (typeof stdin === 'object' && stdin !== null && Symbol.asyncIterator in stdin) return stdin as WasiInputPieces
  throw new ArgumentError(
    `${what} must be 'empty', 'inherit', text, a Uint8Array, an ArrayBuffer, a Readable or a ReadableStream, but got ${describe(stdin)}`,
  )
}

/** @internal Whether it is a stream of Node.js. */
export function isWritable(output: object): output is Writable {
  const { write, on, removeListener } = output as Partial<Writable>
  return typeof write === 'function' && typeof on === 'function' && typeof removeListener === 'function'
}

/** @internal Whether it is a stream as browsers have them. */
export function isWritableStream(output: object): output is WritableStream {
  return typeof (output as Partial<WritableStream>).getWriter === 'function'
}

function checkOutput(output: unknown, what: string): WasiOutput | undefined {
  if (output === undefined) return undefined
  if (output === 'buffer' || output === 'inherit' || output === 'ignore') return output
  if (typeof output === 'function') return output as (chunk: Buffer) => unknown
  if (typeof output === 'object' && output !== null && (isWritable(output) || isWritableStream(output))) return output
  throw new ArgumentError(
    `${what} must be 'buffer', 'inherit', 'ignore', a Writable, a WritableStream or a function, but got ${describe(output)}`,
  )
}

function checkLimit(limit: unknown, what: string, output: WasiOutput): number {
  const checked = checkInteger(limit, what, 0, MAX_LIMIT)
  if (checked !== undefined && output !== 'buffer') {
    throw new ArgumentError(`${what} is for what is kept in a 'buffer'; leave it out`)
  }
  return checked ?? DEFAULT_LIMIT
}

const MAX_UINT64 = 2n ** 64n - 1n

function checkUint64(value: unknown, what: string): bigint {
  const whole = typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value))
  const number = whole ? BigInt(value as number | bigint) : -1n
  if (number < 0n || number > MAX_UINT64) {
    throw new ArgumentError(`${what} must be an integer from 0 to 2^64 - 1, but got ${describe(value)}`)
  }
  return number
}

function checkClock(clock: unknown, what: string): CheckedWasi['fixedClock'] {
  if (clock === undefined || clock === 'system') return undefined
  if (typeof clock !== 'object') {
    throw new ArgumentError(`${what} must be 'system' or { fixed: nanoseconds }, but got ${describe(clock)}`)
  }
  const { fixed } = checkOptions(clock, what, ['fixed'])
  const time = checkUint64(fixed, `${what}.fixed`)
  return [Number(time / 1_000_000_000n), Number(time % 1_000_000_000n)]
}

function checkRandom(random: unknown, what: string): CheckedWasi['seed'] {
  if (random === undefined || random === 'system') return undefined
  if (typeof random !== 'object') {
    throw new ArgumentError(`${what} must be 'system' or { seed: integer }, but got ${describe(random)}`)
  }
  const { seed } = checkOptions(random, what, ['seed'])
  const number = checkUint64(seed, `${what}.seed`)
  return [Number(number & 0xffff_ffffn), Number(number >> 32n)]
}
