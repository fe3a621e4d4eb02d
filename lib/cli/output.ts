import { accessSync, constants, lstatSync, renameSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

import { BrokenPipe, CliError, systemReason } from './failure'

export const STDOUT = 1
export const STDERR = 2

/** Is never notified; waiting for it lets time pass. */
const nothing = new Int32Array(new SharedArrayBuffer(4))

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
      // Whoever shares the pipe or terminal has made it one that does not wait.
      if (code !== 'EAGAIN') throw new CliError(`cannot write the output: ${systemReason(error)}`)
      Atomics.wait(nothing, 0, 0, 2)
    }
  }
}

/** Writes a line to standard error. */
export function note(text: string): void {
  writeAll(STDERR, `${text}\n`)
}

/** Writes a file, `-` being standard output; a file is there whole, or as it was before. */
export function writeOutput(path: string, data: string | Uint8Array): void {
  if (path === '-') return writeAll(STDOUT, data)
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`)
  try {
    // Only an ordinary file is replaced, not a link, a device or a pipe.
    const special = lstatSync(path, { throwIfNoEntry: false })?.isFile() === false
    writeFileSync(special ? path : temporary, data)
    if (!special) renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw new CliError(`cannot write ${path}: ${systemReason(error)}`)
  }
}

/** Makes sure that a file can be written, before the work for it is done. */
export function checkWritable(path: string): void {
  if (path === '-') return
  try {
    const stats = statSync(path, { throwIfNoEntry: false })
    if (stats === undefined) accessSync(dirname(path), constants.W_OK)
    else if (stats.isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' })
    else accessSync(path, constants.W_OK)
  } catch (error) {
    throw new CliError(`cannot write ${path}: ${systemReason(error)}`)
  }
}
