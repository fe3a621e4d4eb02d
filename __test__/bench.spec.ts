// The benchmark works and reports every row. What it measures is not judged here: that depends on the machine.
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
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

interface Figure {
  readonly group: string
  readonly name: string
  readonly unit: string
  readonly value: number
  readonly least: number
  readonly greatest: number
  readonly samples: number
}

interface Report {
  readonly date: string
  readonly versions: Readonly<Record<string, string>>
  readonly cpu: { readonly model: string; readonly count: number }
  readonly note: string
  readonly quick: boolean
  readonly rows: readonly Row[]
  readonly figures: readonly Figure[]
}

/** Rows or figures by group, in their order. */
type Names = Readonly<Record<string, readonly string[]>>

/** Every row of what is synchronous. */
const expectedRows: Names = {
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

// Node.js 20 has no JSPI, and an addon need not have the round trip.
const jspi = (...names: string[]): string[] =>
  Reflect.has(Reflect.get(globalThis, 'WebAssembly') as object, 'Suspending') ? names : []
const roundTrip = (...names: string[]): string[] => {
  const binding = createRequire(import.meta.url)('../binding.js') as object
  return 'benchRoundTrip' in binding ? names : []
}

const BURST = 'host calls (i32, i32) -> i32 in one asynchronous call'
const LOOP = 'a million rounds of a loop, two compute threads'

/** Every row of what is asynchronous. */
const expectedAsyncRows: Names = {
  'asynchronous export call (i32, i32) -> i32': [
    'await of an async function, JavaScript alone',
    'the same in a worker without async guests',
    ...jspi("Node's WebAssembly, promising(add)"),
    'await exports.add.async(a, b)',
    'await func.callAsync(a, b)',
  ],
  [BURST]: [
    ...roundTrip('a ThreadsafeFunction round trip for each'),
    'in a call of a sync instance',
    'in one callAsync',
  ],
  'host call that gives a settled promise': [
    'await of an async function, JavaScript alone',
    ...jspi("Node's WebAssembly, Suspending"),
    'async host function',
  ],
  '1000 instances, each awaits 10 ms: all of them': [
    'promises and timers, JavaScript alone',
    ...jspi("Node's WebAssembly, Suspending"),
    'instantiateAsync, callAsync, close',
  ],
  [LOOP]: ["Node's WebAssembly in a worker", 'in two workers at once', 'one guest', 'two guests at once'],
}

/** Every figure. */
const expectedFigures: Names = {
  [BURST]: ['callAsync / sync instance', ...roundTrip('callAsync / round trip')],
  [LOOP]: ['two workers / one', 'two guests / one'],
  'a module of 0.3 MB': [
    'compileModule',
    'compileModule with a warm cache',
    "Node's WebAssembly.Module",
    "Node's WebAssembly.compile",
    'compiling against the cache',
    "the cache against Node's WebAssembly.Module",
  ],
  'event loop while a module of 0.3 MB is compiled': ['the longest delay', 'the longest delay when nothing happens'],
  'event loop: how late an interval of 10 ms is': [
    'no guest: ticks over 10 ms late',
    'no guest: the latest tick',
    'such a load without guests: ticks over 10 ms late',
    'such a load without guests: the latest tick',
    '2 compute, 1 calls the host: ticks over 10 ms late',
    '2 compute, 1 calls the host: the latest tick',
  ],
  'guests without memory, parked in a host call': [
    'parked at once',
    'memory for each, before it is called',
    'memory for each, parked',
    ...(process.platform === 'linux' ? ['threads of the process', 'memory maps of the process'] : []),
  ],
  'the command line: processes, from start to end': [
    'node -e 0',
    "node with require('node-wasmtime')",
    'node-wasmtime run of a hello program, cached',
    'node-wasmtime run / node -e 0',
  ],
  'interruptible: true against false (processor time)': [
    'fib(27)',
    '  without checks, against V8',
    'a sieve of 1,000,000',
    '  without checks, against V8',
    'Mandelbrot, 120 x 120',
    '  without checks, against V8',
  ],
}

function namesOf(lines: readonly { readonly group: string; readonly name: string }[]): Names {
  const names: Record<string, string[]> = {}
  for (const { group, name } of lines) (names[group] ??= []).push(name)
  return names
}

function bench(...args: string[]): Promise<{ code: number | null; signal: string | null; output: string }> {
  const script = fileURLToPath(new URL('../scripts/bench.mjs', import.meta.url))
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [script, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 120_000,
      env: { ...process.env, JSPI_NODE: '' },
    })
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

  t.deepEqual(namesOf(report.rows), { ...expectedRows, ...expectedAsyncRows })
  t.deepEqual(namesOf(report.figures), expectedFigures)

  for (const row of report.rows) {
    const label = `${row.group}: ${row.name}`
    for (const value of [row.ns, row.fastest, row.slowest, row.count, row.toFloor ?? 1, row.toWebAssembly ?? 1]) {
      t.true(typeof value === 'number' && Number.isFinite(value) && value > 0, label)
    }
    t.true(row.fastest <= row.ns && row.ns <= row.slowest, label)
    t.true(output.includes(`  ${row.name} `), label)
    if (!(row.group in expectedRows)) continue
    // Each operation that goes through Node-API is compared with Node-API alone, if the addon can measure that.
    t.is(row.toFloor !== undefined, / \(i32, i32\) -> i32/.test(row.group), label)
    t.true(row.toWebAssembly !== undefined, label)
  }
  for (const { group, name, unit, value, least, greatest, samples } of report.figures) {
    const label = `${group}: ${name}`
    t.true(Number.isFinite(value) && least <= value && value <= greatest && samples > 0, label)
    t.true(['x', '%', 'ms', 'KiB', ''].includes(unit), label)
    t.true(output.includes(`  ${name} `), label)
  }
  t.is(report.figures.find(({ name }) => name === 'parked at once')?.value, 500)
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
