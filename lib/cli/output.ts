import type * as Crypto from 'node:crypto'
import {
  accessSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  ftruncateSync,
  lstatSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'

import { printable } from '../wasm-frame'
import { BrokenPipe, CliError, systemReason } from './failure'

/** `-o` of the commands that write a file. */
export const outputOption = (help: string) => ({ type: 'value', short: 'o', placeholder: 'file', help }) as const

export const STDOUT = 1
export const STDERR = 2

/** Is never notified; waiting for it lets time pass. */
const nothing = new Int32Array(new SharedArrayBuffer(4))

/** Lets some time pass until a pipe or terminal, which somebody has made one that does not wait, is ready. */
export function waitABit(): void {
  Atomics.wait(nothing, 0, 0, 2)
}

/**
 * Writes all of it, while everything waits: nothing may be lost when the process ends, and the pieces of standard output and
 * error must stay in their order.
 *
 * @throws {BrokenPipe} If nobody reads it any more.
 */
export function writeAll(descriptor: number, data: string | Uint8Array): void {
  let rest = typeof data === 'string' ? Buffer.from(data) : data
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(descriptor, rest))
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'EPIPE' || code === 'EOF') throw new BrokenPipe()
      if (code !== 'EAGAIN') throw new CliError(`cannot write the output: ${systemReason(error)}`)
      waitABit()
    }
  }
}

/** Writes a line to standard error. What modules and files have put into it cannot steer the terminal. */
export function note(text: string): void {
  writeAll(STDERR, `${printable(text, '\n\t')}\n`)
}

/** A file that is to be written. */
export interface Output {
  /** As it was given. */
  readonly path: string
  /**
   * Writes all of the file, which is there whole then, or as it was before.
   *
   * @throws {CliError} If that cannot be done.
   */
  write(data: string | Uint8Array): void
}

/**
 * Finds out where a file goes, and that it can be written, before the work for it is done; `-` is standard output.
 *
 * What is decided here stays: a guest that runs before the file is written may put links into the directories that it has. A
 * device, a pipe or a link that is there now is opened at once. Anything else is replaced by renaming, which follows no link.
 *
 * @param isPrivate Whether a new file is for its owner alone.
 * @throws {CliError} If it cannot be written.
 */
export function openOutput(path: string, isPrivate = false): Output {
  if (path === '-' || path === '/dev/stdout') return { path, write: (data) => writeAll(STDOUT, data) }
  const write = saying(path, () => plan(path, isPrivate))
  return { path, write: (data) => saying(path, () => write(data)) }
}

function saying<T>(path: string, run: () => T): T {
  try {
    return run()
  } catch (error) {
    if (error instanceof CliError || error instanceof BrokenPipe) throw error
    throw new CliError(`cannot write ${path}: ${systemReason(error)}`)
  }
}

function plan(path: string, isPrivate: boolean): (data: string | Uint8Array) => void {
  const parent = dirname(path)
  const directory = realpathSync(parent)
  const file = join(directory, basename(path))
  const stats = lstatSync(file, { throwIfNoEntry: false })
  if (stats === undefined) {
    accessSync(directory, constants.W_OK)
    return (data) => replace(parent, directory, file, data, isPrivate ? 0o600 : 0o666, undefined)
  }
  if (statSync(file, { throwIfNoEntry: false })?.isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' })
  if (stats.isFile() && canReplaceIn(directory, stats.uid)) {
    accessSync(file, constants.W_OK)
    return (data) => replace(parent, directory, file, data, 0o600, stats.mode & 0o777)
  }
  const descriptor = openSync(file, constants.O_WRONLY | (stats.isFile() ? 0 : constants.O_CREAT))
  return (data) => overwrite(descriptor, data)
}

/** Whether a file in a directory may be replaced: in one such as `/tmp` only its owner may do that. */
function canReplaceIn(directory: string, owner: number): boolean {
  try {
    accessSync(directory, constants.W_OK)
  } catch {
    return false
  }
  const user = process.getuid?.()
  if (user === undefined || user === 0 || user === owner) return true
  const { mode, uid } = statSync(directory)
  return (mode & 0o1000) === 0 || uid === user
}

function overwrite(descriptor: number, data: string | Uint8Array): void {
  try {
    if (fstatSync(descriptor).isFile()) ftruncateSync(descriptor)
    writeAll(descriptor, data)
  } finally {
    closeSync(descriptor)
  }
}

function replace(
  parent: string,
  directory: string,
  file: string,
  data: string | Uint8Array,
  mode: number,
  kept: number | undefined,
): void {
  if (realpathSync(parent) !== directory) {
    throw new CliError(`cannot write ${file}: what ${parent} leads to has been changed meanwhile`)
  }
  // Nobody can guess it, and a long name of the file leaves room for it.
  const { randomBytes } = require('node:crypto') as typeof Crypto
  const temporary = join(directory, `.${randomBytes(12).toString('hex')}.tmp`)
  try {
    const descriptor = openSync(temporary, 'wx', mode)
    try {
      if (kept !== undefined) fchmodSync(descriptor, kept)
      writeFileSync(descriptor, data)
    } finally {
      closeSync(descriptor)
    }
    renameSync(temporary, file)
  } catch (error) {
    try {
      rmSync(temporary, { force: true })
    } catch {
      // The first failure is what counts.
    }
    throw error
  }
}
