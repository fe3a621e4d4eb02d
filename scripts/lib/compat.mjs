/**
 * The compatibility suite: `__test__/compat/*.mjs`, plain programs, one for each area of what the package does. Each runs in
 * a process of its own, so that a crash or a hang ends one of them only.
 */
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { at, root } from './project.mjs'

/** A bound against hangs only. */
const TIMEOUT_MS = 120_000

/** How many run at once. */
const MAX_RUNNING = 2

/** The names of the checks, in their order. */
export function checkNames() {
  return readdirSync(at('__test__', 'compat'))
    .filter((file) => file.endsWith('.mjs') && file !== 'check.mjs')
    .map((file) => file.slice(0, -'.mjs'.length))
    .toSorted()
}

/** Runs one check. Gives `{ name, ok, why, output }`. */
export function runCheck(name, binary, flags, timeoutMs = TIMEOUT_MS) {
  return runProgram(name, at('__test__', 'compat', `${name}.mjs`), binary, flags, timeoutMs)
}

/** Runs a program that prints `ok` as its last line, and is ended after some milliseconds. */
export function runProgram(name, file, binary, flags, timeoutMs) {
  return new Promise((resolve) => {
    const env = { ...process.env, NO_COLOR: '1' }
    const child = spawn(binary, [...flags, file], { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] })
    let [stdout, stderr] = ['', '']
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      // What the program has started may live on and hold its pipes, so 'close' need not come.
      child.stdout.destroy()
      child.stderr.destroy()
      end('did not end')
    }, timeoutMs)
    child.stdout.setEncoding('utf8').on('data', (chunk) => (stdout += chunk))
    child.stderr.setEncoding('utf8').on('data', (chunk) => (stderr += chunk))
    const end = (why) => {
      clearTimeout(timer)
      resolve({ name, ok: why === undefined, why, output: `${stdout}${stderr}`.trim() })
    }
    child.on('error', (error) => end(error.message))
    child.on('close', (code, signal) => {
      if (signal !== null) end(`was ended by ${signal}`)
      else if (code !== 0) end(`ended with status ${code}`)
      else if (!/(?:^|\n)ok\n$/.test(stdout)) end('ended before it had checked everything')
      else end(undefined)
    })
  })
}

/** Prints what came of a check. */
export function printResult({ name, ok, why, output }) {
  console.log(ok ? `  ✓ ${name}` : `  ✗ ${name}: ${why}`)
  if (!ok) console.log(output.replaceAll(/^/gm, '      '))
}

/** Runs all checks on a runtime, each for as long as it may take; gives their results in order. */
export async function runChecks(binary, flags, onResult = () => {}, timeoutMs = TIMEOUT_MS) {
  const names = checkNames()
  const results = []
  let next = 0
  async function work() {
    while (next < names.length) {
      const index = next++
      results[index] = await runCheck(names[index], binary, flags, timeoutMs)
      onResult(results[index])
    }
  }
  await Promise.all(Array.from({ length: MAX_RUNNING }, work))
  return results
}
