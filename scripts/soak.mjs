/**
 * Runs the same thing over and over, and reports how the memory of the process changes.
 *
 *   node --expose-gc scripts/soak.mjs [--rounds 100000] [--variant name,name]
 *
 * Every variant runs in a process of its own, and prints a line of JSON: resident memory after 1,000 rounds (or a tenth),
 * after a fifth of all rounds, and at the end, each after a collection, and what of the package is alive at the end.
 * Exits with 1 if a variant has grown by more than a tenth, or leaves something alive. `close`, `drop` and `asyncClose` are
 * measured from round 1,000 on; the others from a fifth on, because V8 widens its young generation at first, by up to 48 MiB.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'

import { asyncVariants } from './lib/async-soak.mjs'
import { referenceVariants } from './lib/reference-soak.mjs'
import { Engine, Func, Global, Linker, Module, Runtime, Store, Table } from '../index.mjs'

const GUEST = `(module
  (import "m" "f" (func $f (param i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (param i32) (result i32) (call $f (local.get 0))))`

const REFS = `(module
  (import "m" "f" (func $f (param externref) (result externref)))
  (global $last (mut externref) (ref.null extern))
  (func (export "run") (param externref) (result externref)
    (global.set $last (call $f (local.get 0))) (global.get $last)))`

function expect(actual, wanted) {
  if (actual !== wanted) throw new Error(`expected ${wanted}, got ${actual}`)
}

/** One instance whose host function captures it, by the Wasmtime-style classes. */
function linked(engine, module, round) {
  const store = new Store(engine)
  const linker = new Linker(engine)
  const captured = {}
  linker.func('m', 'f', { params: ['i32'], results: ['i32'] }, (n) => n + captured.instance.exports.memory.pages)
  captured.instance = linker.instantiate(store, module)
  expect(captured.instance.exports.run(round), round + 1)
  return store
}

/** The same by a runtime, with a host module for each instance. */
function built(runtime, compiled, round) {
  const captured = {}
  const host = runtime
    .newHostModuleBuilder('m')
    .newFunctionBuilder()
    .withFunc((n) => n + captured.instance.memory.pages, ['i32'], ['i32'])
    .export('f')
    .instantiate()
  captured.instance = runtime.instantiate(compiled, { name: '' })
  expect(captured.instance.exports.run(round), round + 1)
  // Its name is needed for the next round; the guest keeps what it is linked to.
  host.close()
  return captured.instance
}

/** A guest with one host function. */
function guest(runtime, callback, type = 'i32', wat = GUEST) {
  runtime.newHostModuleBuilder('m').newFunctionBuilder().withFunc(callback, [type], [type]).export('f').instantiate()
  return runtime.instantiate(wat, { name: '' })
}

/**
 * Each variant gives `round`, what is done over and over, and `stats`, what is alive. `yields` says after how many rounds
 * the event loop has a turn (default: never), `per` how many rounds of the command line make one of it.
 */
const variants = {
  ...asyncVariants,
  ...referenceVariants,
  /** Instances by Linker and Store, closed: the figure that counts. */
  close() {
    const engine = new Engine()
    const module = Module.compileSync(engine, GUEST)
    return { strict: true, yields: 100, round: (n) => linked(engine, module, n).close(), stats: () => engine.stats() }
  },
  /** Instances by Linker and Store, never closed, but the collector can run. */
  drop() {
    const engine = new Engine()
    const module = Module.compileSync(engine, GUEST)
    return { strict: true, yields: 100, round: (n) => void linked(engine, module, n), stats: () => engine.stats() }
  },
  closeWithoutYielding: () => ({ ...variants.close(), yields: Infinity, strict: false }),
  dropWithoutYielding: () => ({ ...variants.drop(), yields: Infinity, strict: false }),
  closeRuntime() {
    const runtime = new Runtime()
    const compiled = runtime.compileModuleSync(GUEST)
    return { yields: 100, round: (n) => built(runtime, compiled, n).close(), stats: () => runtime.stats() }
  },
  dropRuntime() {
    const runtime = new Runtime()
    const compiled = runtime.compileModuleSync(GUEST)
    return { yields: 100, round: (n) => void built(runtime, compiled, n), stats: () => runtime.stats() }
  },
  closeRuntimeWithoutYielding: () => ({ ...variants.closeRuntime(), yields: Infinity }),
  dropRuntimeWithoutYielding: () => ({ ...variants.dropRuntime(), yields: Infinity }),
  /** Values through wasm and a host function, ten in each round. */
  externrefs() {
    const runtime = new Runtime()
    const { run } = guest(runtime, (value) => ({ inner: value }), 'externref', REFS).exports
    const round = (n) => {
      for (let i = 0; i < 10; i++) expect(run({ n, text: `value ${i}` }).inner.n, n)
    }
    return { round, stats: () => (runtime.close(), runtime.stats()) }
  },
  /** Ten errors of host functions, traps and refused arguments in each round. */
  throws() {
    const runtime = new Runtime()
    const { run } = guest(runtime, (n) => {
      throw n % 2 === 0 ? new Error(`thrown ${n}`) : n
    }).exports
    const { trap } = runtime.instantiate('(module (func (export "trap") unreachable))', { name: '' }).exports
    const round = (n) => {
      for (let i = 0; i < 10; i++) {
        try {
          if (i < 8) run(i + n)
          else if (i === 8) trap()
          else run('no number')
          expect('a result', 'an error')
        } catch (error) {
          if (i < 8 && (i + n) % 2 === 1) expect(error, i + n)
        }
      }
    }
    return { round, stats: () => (runtime.close(), runtime.stats()) }
  },
  /** Ten calls with options in each round. */
  callWith() {
    const runtime = new Runtime()
    const run = guest(runtime, (n) => n + 1).exportedFunction('run')
    const stack = new BigUint64Array(1)
    const round = (n) => {
      for (let i = 0; i < 10; i++) {
        expect(run.callWith({ context: { n } }, n), n + 1)
        stack[0] = 1n
        run.callWithStack(stack)
        expect(stack[0], 2n)
      }
    }
    return { round, stats: () => (runtime.close(), runtime.stats()) }
  },
  /** Functions, globals and tables of stores that come and go, every second one closed. */
  externs() {
    const engine = new Engine()
    const round = (n) => {
      const store = new Store(engine)
      for (let i = 0; i < 10; i++) {
        const func = new Func(store, { params: ['i32'], results: ['i32'] }, (a) => a + i)
        const table = new Table(store, { element: 'funcref', minimum: 2 }, func)
        const global = new Global(store, { content: 'externref', mutable: true }, { store, table })
        expect(table.get(1).call(n), n + i)
        expect(global.value.table, table)
      }
      if (n % 2 === 0) store.close()
    }
    return { per: 10, yields: 10, round, stats: () => engine.stats() }
  },
  /** Memories that grow. */
  grow() {
    const runtime = new Runtime()
    const compiled = runtime.compileModuleSync('(module (memory (export "memory") 1))')
    const round = (n) => {
      const instance = runtime.instantiate(compiled, { name: '' })
      for (let i = 0; i < 8; i++) {
        instance.memory.grow(16)
        instance.memory.writeUint32Le(instance.memory.size - 4, n)
      }
      if (n % 2 === 0) instance.close()
    }
    return { per: 10, yields: 10, round, stats: () => runtime.stats() }
  },
  /** Modules, every second one closed. */
  compile() {
    const runtime = new Runtime()
    const round = async (n) => {
      const wat = `(module (func (export "f") (result i32) (i32.const ${n})))`
      const compiled = n % 4 < 2 ? runtime.compileModuleSync(wat) : await runtime.compileModule(wat)
      expect(runtime.instantiate(compiled, { name: '' }).exports.f(), n)
      if (n % 2 === 0) compiled.close()
    }
    return { per: 10, yields: 10, round, stats: () => runtime.stats() }
  },
  /** Runtimes, every second one closed. */
  runtimes() {
    const round = (n) => {
      const runtime = new Runtime()
      expect(guest(runtime, (value) => value + runtime.versions.napi).exports.run(n), n + 8)
      if (n % 2 === 0) runtime.close()
    }
    return { per: 20, yields: 10, round, stats: () => ({}) }
  },
  /** Workers that are terminated while wasm calls a host function. */
  workers() {
    const script = `const { Runtime } = require(${JSON.stringify(fileURLToPath(new URL('../index.js', import.meta.url)))})
      const { parentPort } = require('node:worker_threads')
      const runtime = new Runtime()
      const told = []
      runtime.newHostModuleBuilder('m').newFunctionBuilder()
        .withFunc(() => { if (told.push(1) === 1) parentPort.postMessage(1); told.length = 1 }, [], []).export('f').instantiate()
      runtime.instantiate('(module (import "m" "f" (func $f)) (func $run (loop call $f br 0)) (start $run))')`
    const round = () =>
      new Promise((resolve, reject) => {
        const worker = new Worker(script, { eval: true })
        worker.on('message', () => worker.terminate()).on('error', reject)
        worker.on('exit', resolve)
      })
    return { per: 100, yields: 10, round, stats: () => ({}) }
  },
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

async function settledRss() {
  for (let i = 0; i < 10; i++) {
    globalThis.gc()
    await turn()
  }
  return process.memoryUsage.rss()
}

async function soak(name, asked) {
  const { per = 1, yields = Infinity, strict = false, round, stats } = variants[name]()
  const rounds = Math.ceil(asked / per)
  const [early, later] = [Math.min(1000, Math.ceil(rounds / 10)), Math.ceil(rounds / 5)]
  const rss = { early: 0, later: 0, end: 0, maximum: 0 }
  const start = performance.now()
  for (let n = 1; n <= rounds; n++) {
    const pending = round(n)
    if (pending !== undefined) await pending
    if (n % yields === 0) await turn()
    if (n % 1000 === 0) rss.maximum = Math.max(rss.maximum, process.memoryUsage.rss())
    if (n === early) rss.early = await settledRss()
    if (n === later) rss.later = await settledRss()
  }
  rss.end = await settledRss()
  // What has happened is no leak, and the code of modules waits for its finalisers.
  const { tasks, totals: _totals, compiledModules: _modules, codeBytes: _bytes, ...counts } = stats()
  const alive = Object.fromEntries(Object.entries({ ...counts, ...tasks }).filter(([, count]) => count !== 0))
  const growthSinceEarly = Number((rss.end / rss.early - 1).toFixed(4))
  const growthSinceLater = Number((rss.end / rss.later - 1).toFixed(4))
  const ok = (strict ? growthSinceEarly : growthSinceLater) <= 0.1 && Object.keys(alive).length === 0
  const seconds = Number(((performance.now() - start) / 1000).toFixed(1))
  return { variant: name, ok, rounds, early, later, rss, growthSinceEarly, growthSinceLater, alive, seconds }
}

async function main() {
  const { values } = parseArgs({
    options: { rounds: { type: 'string', default: '100000' }, variant: { type: 'string', default: 'all' } },
  })
  const rounds = Number(values.rounds)
  const names = values.variant === 'all' ? Object.keys(variants) : values.variant.split(',')
  const unknown = names.find((name) => !Object.hasOwn(variants, name))
  if (unknown !== undefined || !Number.isInteger(rounds) || rounds < 1) {
    console.error(`usage: soak.mjs [--rounds n] [--variant ${Object.keys(variants).join('|')}]`)
    process.exitCode = 2
    return
  }
  if (names.length > 1 || globalThis.gc === undefined) {
    for (const name of names) {
      const args = ['--expose-gc', fileURLToPath(import.meta.url), '--rounds', String(rounds), '--variant', name]
      if (spawnSync(process.execPath, args, { stdio: 'inherit' }).status !== 0) process.exitCode = 1
    }
    return
  }
  const report = await soak(names[0], rounds)
  console.log(JSON.stringify(report))
  if (!report.ok) process.exitCode = 1
}

await main()
