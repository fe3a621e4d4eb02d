import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { wat2wasm } from '../index.mjs'
import { figure } from './measure-async.mjs'

const hello = `(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\\08\\00\\00\\00\\06\\00\\00\\00hello\\n")
  (func (export "_start")
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))))`

const root = fileURLToPath(new URL('..', import.meta.url))

/**
 * How long a program takes on the command line from its start to its end, compiled before, beside a Node.js that does
 * nothing. The processes take turns, so that what else the machine does meets all of them.
 *
 * @param {{ startRounds: number }} effort
 * @returns {Promise<import('./measure-async.mjs').Figure[]>}
 */
export async function commandLine({ startRounds }) {
  const folder = mkdtempSync(join(tmpdir(), 'node-wasmtime-bench-'))
  try {
    const module = join(folder, 'hello.wasm')
    writeFileSync(module, wat2wasm(hello))
    const run = [join(root, 'bin', 'node-wasmtime.js'), 'run', `--cache=${join(folder, 'cache')}`, module]
    // Compiles it.
    await time(run, 'hello\n')
    const [nothing, library, program] = [[], [], []]
    for (let round = 0; round < startRounds; round++) {
      nothing.push(await time(['-e', '0'], ''))
      library.push(await time(['-e', `require(${JSON.stringify(root)})`], ''))
      program.push(await time(run, 'hello\n'))
    }
    const group = 'the command line: processes, from start to end'
    const base = figure(group, 'node -e 0', 'ms', nothing)
    const whole = figure(group, 'node-wasmtime run of a hello program, cached', 'ms', program)
    return [
      base,
      figure(group, "node with require('node-wasmtime')", 'ms', library),
      whole,
      figure(group, 'node-wasmtime run / node -e 0', 'x', [whole.value / base.value]),
    ]
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/**
 * Milliseconds that a process takes.
 *
 * @param {string[]} args Of node.
 * @param {string} expected What it must write.
 */
function time(args, expected) {
  return new Promise((resolve, reject) => {
    const began = performance.now()
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (chunk) => (output += chunk))
    child.on('error', reject)
    child.on('close', (code) => {
      const elapsed = performance.now() - began
      if (code === 0 && output === expected) resolve(elapsed)
      else reject(new Error(`node ${args.join(' ')} ended with ${code} and wrote ${JSON.stringify(output)}`))
    })
  })
}
