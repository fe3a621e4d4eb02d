import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

import type { ExecutionContext } from 'ava'

/** How a process ended, and what it wrote. */
export interface Outcome {
  /** `null` if a signal ended the process. */
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
  /** Whether it was killed because it did not end in time. */
  readonly timedOut: boolean
}

export interface RunOptions {
  /** Arguments of node, such as `--expose-gc`. */
  readonly flags?: readonly string[]
  /** Arguments of the script. */
  readonly args?: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
  /** What it finds on its standard input; nothing by default. */
  readonly input?: string | Uint8Array
  /** Whether its input stays open, as if more might come. */
  readonly holdInput?: boolean
  /** Is told of the process when that has begun. */
  readonly started?: (child: ChildProcess) => void
  /** A bound against hangs only. */
  readonly timeoutMs?: number
}

/** Processes at once: AVA starts all tests of a file together. */
const MAX_RUNNING = 2
const slots = Array.from({ length: MAX_RUNNING }, () => Promise.resolve())
let next = 0

/** The package's root directory, with a separator at the end. */
export const root = fileURLToPath(new URL('../../', import.meta.url))

/** A script: CommonJS text, a file of `fixtures/`, or a file of the package. */
export type Script = string | { readonly file: string } | { readonly path: string }

/** The path of a fixture. */
export function fixture(name: string): string {
  return fileURLToPath(new URL(`fixtures/${name}`, import.meta.url))
}

/**
 * Runs a script in a node process of its own: CommonJS text, in which `wasmtime` is the package, or a file of
 * `fixtures/`.
 */
export async function runNode(script: Script, options: RunOptions = {}): Promise<Outcome> {
  // Each slot is a chain of promises: a process starts when the one before it in its slot has ended.
  const slot = next++ % MAX_RUNNING
  const outcome = (slots[slot] ?? Promise.resolve()).then(() => start(script, options))
  slots[slot] = outcome.then(
    () => {},
    () => {},
  )
  return await outcome
}

function start(script: Script, options: RunOptions): Promise<Outcome> {
  const {
    flags = [],
    args = [],
    env = process.env,
    cwd = root,
    timeoutMs = 120_000,
    input,
    holdInput = false,
  } = options
  const what =
    typeof script === 'string'
      ? ['-e', `const wasmtime = require(${JSON.stringify(`${root}index.js`)});\n${script}`, '--']
      : ['path' in script ? script.path : fixture(script.file)]
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...flags, ...what, ...args], {
      cwd,
      env,
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    })
    // It may end without having read everything.
    child.stdin?.on('error', () => {}).write(input)
    if (!holdInput) child.stdin?.end()
    options.started?.(child)
    let stdout = ''
    let stderr = ''
    let timedOut = false
    const timer = setTimeout(() => {
      timedOut = true
      child.kill('SIGKILL')
    }, timeoutMs)
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk))
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk))
    child.on('error', reject)
    child.on('close', (status, signal) => {
      clearTimeout(timer)
      resolve({ status, signal, stdout, stderr, timedOut })
    })
  })
}

/** Asserts how a process ended, and shows what it wrote if it ended otherwise. */
export function assertExit(t: ExecutionContext, outcome: Outcome, status = 0): void {
  const { status: code, signal, timedOut, stdout, stderr } = outcome
  t.deepEqual({ status: code, signal, timedOut }, { status, signal: null, timedOut: false }, `${stdout}\n${stderr}`)
}

/** Runs a script that must end with status 0, and parses the last line that it wrote as JSON. */
export async function runForJson<T>(
  t: ExecutionContext,
  script: string | { readonly file: string },
  options: RunOptions = {},
): Promise<T> {
  const outcome = await runNode(script, options)
  assertExit(t, outcome)
  const last = outcome.stdout.trimEnd().split('\n').at(-1) ?? ''
  return JSON.parse(last) as T
}
