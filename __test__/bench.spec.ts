// The benchmark works and reports every row. What it measures is not judged here: that depends on the machine.
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import test from 'ava'

interface Row {
  readonly group: string
  readonly name: string
  readonly side: string
  readonly ns: number
  readonly fastest: number
  readonly slowest: number
  readonly count: number
  readonly toFloor?: number
  readonly toWebAssembly?: number
}

interface Report {
  readonly date: string
  readonly versions: Readonly<Record<string, string>>
  readonly cpu: { readonly model: string; readonly count: number }
  readonly note: string
  readonly quick: boolean
  readonly rows: readonly Row[]
}

/** Every row, by group. */
const expected: Readonly<Record<string, readonly string[]>> = {
  'export call (i32, i32) -> i32': [
    'Node-API alone',
    "Node's WebAssembly",
    'exports.add(a, b)',
    'func.call(a, b)',
    'func.callWithStack(stack)',
  ],
  'host call (i32, i32) -> i32, from a loop in the guest': [
    'Node-API alone, a scope for 128 calls',
    'Node-API alone, a scope for each call',
    "Node's WebAssembly",
    'withFunc((a, b) => ...)',
    'withModuleFunc((module, a, b) => ...)',
    'withStackFunc((stack) => ...)',
    'withModuleStackFunc((module, stack) => ...)',
  ],
  'host call that reads a string of 32 bytes': ["Node's WebAssembly, Buffer.toString", 'module.memory.readString'],
  'copy of 1 MiB out of the memory': [
    "Node's WebAssembly, target.set",
    "Node's WebAssembly, slice (a new array)",
    'memory.readInto',
    'memory.read (a new array)',
  ],
  'copy of 1 MiB into the memory': ["Node's WebAssembly, set", 'memory.write'],
  'instantiate, call once, close': [
    "Node's WebAssembly",
    'runtime.instantiate, a store of its own',
    'instancePre.instantiate in a new Store',
  ],
  'instantiate with a memory of 64 KiB, call once, close': [
    "Node's WebAssembly",
    'runtime.instantiate, a store of its own',
    'instancePre.instantiate in a new Store',
  ],
}

function bench(...args: string[]): Promise<{ code: number | null; signal: string | null; output: string }> {
  const script = fileURLToPath(new URL('../scripts/bench.mjs', import.meta.url))
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'pipe'], timeout: 120_000 })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk))
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (output += chunk))
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, output }))
  })
}

test('a quick benchmark reports every row with numbers that make sense', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'node-wasmtime-bench-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'deeper', 'results.json')
  const { code, signal, output } = await bench('--quick', '--output', file)
  t.is(signal, null, output)
  t.is(code, 0, output)
  const report = JSON.parse(readFileSync(file, 'utf8')) as Report

  t.true(report.quick)
  t.false(Number.isNaN(Date.parse(report.date)))
  for (const name of ['node', 'v8', 'nodeWasmtime', 'wasmtime']) t.regex(report.versions[name] ?? '', /^\d+\./, name)
  t.is(report.versions['node'], process.versions.node)
  t.true(report.cpu.model.length > 0)
  t.regex(report.note, /may be shared/)

  const found: Record<string, string[]> = {}
  for (const { group, name } of report.rows) (found[group] ??= []).push(name)
  t.deepEqual(found, expected)

  for (const row of report.rows) {
    const label = `${row.group}: ${row.name}`
    for (const value of [row.ns, row.fastest, row.slowest, row.count, row.toWebAssembly]) {
      t.true(typeof value === 'number' && Number.isFinite(value) && value > 0, label)
    }
    t.true(row.fastest <= row.ns && row.ns <= row.slowest, label)
    // Each operation that goes through Node-API is compared with Node-API alone, if the addon can measure that.
    t.is(row.toFloor !== undefined, / \(i32, i32\) -> i32/.test(row.group), label)
    t.true(row.toFloor === undefined || (Number.isFinite(row.toFloor) && row.toFloor > 0), label)
    t.true(output.includes(`  ${row.name} `), label)
  }
  for (const side of ['floor', 'webassembly']) {
    const base = report.rows.find((row) => row.side === side)
    t.is(side === 'floor' ? base?.toFloor : base?.toWebAssembly, 1)
  }
})

test('an unknown option of the benchmark is an error', async (t) => {
  const { code, signal, output } = await bench('--quik')
  t.is(signal, null)
  t.is(code, 1)
  t.regex(output, /Unknown option '--quik'/)
})
