import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { ExecutionContext } from 'ava'

import { wat2wasm } from '../../index.mjs'
import { type Outcome, type RunOptions, assertExit, root, runNode } from '../process/run-node.ts'

const bin = join(root, 'bin', 'node-wasmtime.js')

/** What the command line says of a trap, a timeout and the end of fuel, as Wasmtime's own does. */
export const TRAPPED = process.platform === 'win32' ? 3 : 134

/** Runs the command line. */
export function cli(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  return runNode({ path: bin }, { ...options, args })
}

/** Runs the command line, which must end with 0 and say nothing on standard error; gives its output. */
export async function cliOutput(
  t: ExecutionContext,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const outcome = await cli(args, options)
  assertExit(t, outcome)
  t.is(outcome.stderr, '')
  return outcome.stdout
}

/** Runs the command line, which must fail with a status and a short message of which a part is given. */
export async function cliFailure(
  t: ExecutionContext,
  args: readonly string[],
  status: number,
  message: RegExp,
  options: RunOptions = {},
): Promise<void> {
  const outcome = await cli(args, options)
  assertExit(t, outcome, status)
  t.is(outcome.stdout, '')
  t.regex(outcome.stderr, message)
  t.regex(outcome.stderr, /^node-wasmtime: /)
  t.notRegex(outcome.stderr, /\n\s+at /, 'it has a stack of JavaScript')
}

/** A folder that is removed after the test. */
export function folder(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'node-wasmtime-cli-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** Compiles text to a file in a folder of its own; gives the path. */
export function wasmFile(t: ExecutionContext, text: string, name = 'guest.wasm'): string {
  const path = join(folder(t), name)
  writeFileSync(path, name.endsWith('.wat') ? text : wat2wasm(text))
  return path
}
