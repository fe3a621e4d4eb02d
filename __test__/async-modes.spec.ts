import { setImmediate as nextTurn } from 'node:timers/promises'

import test, { type ExecutionContext } from 'ava'

import {
  ArgumentError,
  Engine,
  Func,
  Global,
  LinkError,
  Linker,
  Memory,
  Module,
  type ModuleInstance,
  Runtime,
  Store,
  StoreBusyError,
  Table,
} from '../index.mjs'
import { IDLE, LIMIT, openRuntime } from './support/async.ts'
import { viewsAllowed } from './support/external-buffers.ts'

const EXPORTER = `(module $exporter
  (import "env" "f" (func $f (param i32) (result i32)))
  (memory (export "memory") 1 2) (global (export "g") (mut i32) (i32.const 1)) (table (export "t") 1 2 funcref)
  (func (export "run") (param i32) (result i32) (call $f (local.get 0)))
  (func (export "compute") (loop $again (br $again)))
  (func (export "unread") (result i32) (i32.const 6)))`

const IMPORTER = `(module
  (import "exporter" "run" (func $run (param i32) (result i32)))
  (import "exporter" "memory" (memory 1)) (import "exporter" "g" (global $g (mut i32))) (import "exporter" "t" (table 1 funcref))
  (func (export "both") (param i32) (result i32)
    (global.set $g (call $run (local.get 0))) (i32.store (i32.const 0) (global.get $g)) (i32.load (i32.const 0))))`

function setUp(t: ExecutionContext) {
  const runtime = openRuntime(t)
  const host: { f: (n: number) => number | Promise<number> } = { f: async (n) => (await nextTurn(), n + 1) }
  runtime.newHostModuleBuilder('env').newFunctionBuilder().withFunc((n) => host.f(n), ['i32'], ['i32']).export('f').instantiate() // prettier-ignore
  return { runtime, host }
}

const WRONG_MODE = /mode, and (this needs one|the module that imports from it) in (a?sync) mode/

test('named instances in async mode import from each other', async (t) => {
  const { runtime } = setUp(t)
  const exporter = await runtime.instantiateAsync(EXPORTER)
  const importers = await Promise.all(['a', 'b', ''].map((name) => runtime.instantiateAsync(IMPORTER, { name })))
  for (const importer of importers) {
    t.is(importer.mode, 'async')
    t.is(await importer.exports['both'].async(4), 5)
    t.is(exporter.memory!.readUint32Le(0), 5)
    t.is(exporter.exportedGlobal('g')!.value, 5)
  }
  t.is(runtime.stats().stores, 1)
})

test('a host function that is reached through two instances gets the one that imports it', async (t) => {
  const { runtime } = setUp(t)
  const seen: ModuleInstance[] = []
  runtime.newHostModuleBuilder('who').newFunctionBuilder().withModuleFunc(async (module) => void seen.push(module), [], []).export('who').instantiate() // prettier-ignore
  const a = await runtime.instantiateAsync('(module $a (import "who" "who" (func $w)) (func (export "run") (call $w)))')
  const b = await runtime.instantiateAsync(
    '(module $b (import "a" "run" (func $a)) (import "who" "who" (func $w)) (func (export "run") (call $a) (call $w)))',
  )
  await b.exports['run'].async()
  t.true(seen[0] === a && seen[1] === b)
})

for (const mode of ['sync', 'async'] as const) {
  const make = (runtime: Runtime, text: string) =>
    mode === 'sync' ? runtime.instantiate(text) : runtime.instantiateAsync(text)
  const other = mode === 'sync' ? 'async' : 'sync'

  test(`importing from an instance in ${mode} mode into ${other} mode is a LinkError that says how to mend it`, async (t) => {
    const { runtime } = setUp(t)
    await make(runtime, EXPORTER)
    const link = async () =>
      mode === 'sync' ? await runtime.instantiateAsync(IMPORTER) : runtime.instantiate(IMPORTER)
    const error = await t.throwsAsync(link, { instanceOf: LinkError })
    t.is(
      error.message,
      `module[exporter] is in ${mode} mode, and the module that imports from it in ${other} mode: ` +
        'make both with instantiate(), or both with instantiateAsync()',
    )
    t.like(runtime.stats(), { instances: 1, modules: 2 })
    t.false((await make(runtime, IMPORTER)).closed)
  })

  test(`memories, globals and tables of a host module in ${mode} mode are for guests in that mode`, async (t) => {
    const { runtime } = setUp(t)
    const builder = runtime.newHostModuleBuilder('shared')
      .newFunctionBuilder().withFunc(async (n) => n * 3, ['i32'], ['i32']).export('f')
      .exportMemory('memory', { min: 1, max: 2 }).exportGlobal('g', 'i32', 7, true).exportTable('t', { min: 2 }) // prettier-ignore
    const host = mode === 'sync' ? builder.instantiate() : await builder.instantiateAsync()
    const text = `(module (import "shared" "memory" (memory 1)) (import "shared" "g" (global $g (mut i32)))
      (import "shared" "t" (table 1 funcref)) (import "shared" "f" (func $f (param i32) (result i32)))
      (func (export "run") (result i32) (i32.store (i32.const 4) (i32.const 8))
        (global.set $g (i32.add (global.get $g) (i32.const 1))) (global.get $g))
      (func (export "f") (param i32) (result i32) (call $f (local.get 0))))`
    const guest = await make(runtime, text)
    t.is(guest.exports['run'](), 8)
    t.is(host.memory!.readUint32Le(4), 8)
    t.is(host.exportedGlobal('g')!.value, 8)
    t.is(host.exportedTable('t')!.get(1), null)
    if (mode === 'async') t.is(await guest.exports['f'].async(5), 15)
    const elsewhere = async () => (mode === 'sync' ? await runtime.instantiateAsync(text) : runtime.instantiate(text))
    const error = await t.throwsAsync(elsewhere, { instanceOf: LinkError })
    t.regex(error.message, new RegExp(`^module\\[shared\\] is in ${mode} mode, and .* in ${other} mode`))
    // Its functions are for both.
    const functions = '(module (import "shared" "f" (func $f (param i32) (result i32))) (func (export "f") (param i32) (result i32) (call $f (local.get 0))))' // prettier-ignore
    const both = await runtime.instantiateAsync(functions, { name: '' })
    t.is(await both.exports['f'].async(2), 6)
    t.throws(() => runtime.instantiate(functions, { name: '' }).exports['f'](2), { message: /shared\.f/ })
  })
}

test('a runtime has one shared store for each mode, and each ends with the last of its instances', async (t) => {
  const { runtime } = setUp(t)
  const text = '(module (func (export "f") (result i32) (i32.const 3)))'
  const names = ['a', 'b', 'c']
  const all = [
    ...names.map((name) => runtime.instantiate(text, { name: `sync ${name}` })),
    ...(await Promise.all(names.map((name) => runtime.instantiateAsync(text, { name: `async ${name}` })))),
  ]
  t.is(runtime.stats().stores, 2)
  for (const instance of all.slice(0, 3)) instance.close()
  t.is(runtime.stats().stores, 1)
  t.is(await all[5]!.exports['f'].async(), 3)
  for (const instance of all.slice(3)) instance.close()
  t.is(runtime.stats().stores, 0)
  t.is(await (await runtime.instantiateAsync(text, { name: 'again' })).exports['f'].async(), 3)
})

test('the first use decides the mode of a Store, unless an option does', async (t) => {
  t.timeout(LIMIT)
  const engine = new Engine()
  const linker = new Linker(engine)
  const module = Module.compileSync(engine, '(module (func (export "f") (result i32) (i32.const 3)))')
  const sync = new Store(engine)
  t.is(sync.mode, undefined)
  linker.instantiate(sync, module)
  t.is(sync.mode, 'sync')
  const async = new Store(engine)
  t.is(await (await linker.instantiateAsync(async, module)).getFunc('f')!.callAsync(), 3)
  t.is(async.mode, 'async')
  for (const mode of ['sync', 'async'] as const) t.is(new Store(engine, { mode }).mode, mode)
  t.is(new Store(engine, { mode: undefined } as object).mode, undefined)
  for (const options of [{ mode: 'x' }, { mode: null }, { mode: 1 }, { modes: 'sync' }, null, 'async'] as any[]) {
    t.throws(() => new Store(engine, options), { instanceOf: ArgumentError })
  }
  const wrong = { instanceOf: LinkError, message: WRONG_MODE }
  for (const store of [sync, new Store(engine, { mode: 'sync' })]) {
    await t.throwsAsync(linker.instantiateAsync(store, module), wrong)
    await t.throwsAsync(linker.instantiatePre(module).instantiateAsync(store), wrong)
  }
  for (const store of [async, new Store(engine, { mode: 'async' })]) {
    t.throws(() => linker.instantiate(store, module), wrong)
    t.throws(() => linker.instantiatePre(module).instantiate(store), wrong)
  }
})

test('host functions that are made in a Store of async mode may wait, and those of one in sync mode may not', async (t) => {
  t.timeout(LIMIT)
  const engine = new Engine()
  const type = { params: ['i32'], results: ['i32'] } as const
  const callback = async (n: number) => (await nextTurn(), n * 2)
  const waiting = new Func(new Store(engine, { mode: 'async' }), type, callback)
  t.is(await waiting.callAsync(4), 8)
  t.throws(() => waiting.call(4), { instanceOf: TypeError, message: /callback.*promise/ })
  const store = new Store(engine)
  const plain = new Func(store, type, callback)
  t.is(store.mode, 'sync')
  t.throws(() => plain.call(4), { instanceOf: TypeError, message: /callback.*promise/ })
  await t.throwsAsync(plain.callAsync(4), { instanceOf: ArgumentError, message: /sync mode/ })
})

test('externs of a Store in async mode can be linked into it, and used while nothing runs', async (t) => {
  t.timeout(LIMIT)
  const engine = new Engine()
  const store = new Store(engine, { mode: 'async' })
  const linker = new Linker(engine)
  const memory = new Memory(store, { minimum: 1, maximum: 2 })
  const global = new Global(store, { content: 'i64', mutable: true }, 5n)
  const table = new Table(store, { element: 'externref', minimum: 1 })
  linker.define('m', 'memory', memory).define('m', 'g', global).define('m', 't', table)
  linker.func('m', 'f', { params: [], results: ['i64'] }, async () => (await nextTurn(), global.value + 1n), {})
  const module = Module.compileSync(engine, `(module (import "m" "memory" (memory 1)) (import "m" "g" (global $g (mut i64)))
    (import "m" "t" (table 1 externref)) (import "m" "f" (func $f (result i64)))
    (func (export "run") (param externref) (global.set $g (call $f)) (table.set (i32.const 0) (local.get 0))
      (i64.store (i32.const 8) (global.get $g)) (drop (memory.grow (i32.const 1)))))`) // prettier-ignore
  const instance = await linker.instantiateAsync(store, module)
  const value = { any: 'thing' }
  await instance.getFunc('run')!.callAsync(value)
  t.is(global.value, 6n)
  t.is(memory.readUint64Le(8), 6n)
  t.is(memory.pages, 2)
  t.is(table.get(0), value)
  linker.instance('again', instance)
  const second = Module.compileSync(engine, '(module (import "again" "run" (func $r (param externref))) (func (export "run") (call $r (ref.null extern))))') // prettier-ignore
  await (await linker.instantiateAsync(store, second)).getFunc('run')!.callAsync()
  t.is(global.value, 7n)
})

test('an engine that was made with interruptible: false refuses async mode, and says why', async (t) => {
  t.timeout(LIMIT)
  const refused = { instanceOf: ArgumentError, message: /async mode.*interruptible: false/s }
  const engine = new Engine({ interruptible: false })
  const module = Module.compileSync(engine, '(module (func (export "f")))')
  t.throws(() => new Store(engine, { mode: 'async' }), refused)
  const store = new Store(engine)
  await t.throwsAsync(new Linker(engine).instantiateAsync(store, module), refused)
  await t.throwsAsync(new Linker(engine).instantiatePre(module).instantiateAsync(store), refused)
  t.is(store.mode, undefined)
  t.notThrows(() => new Linker(engine).instantiate(store, module))
  const runtime = new Runtime({ interruptible: false })
  for (const name of ['', 'a']) {
    await t.throwsAsync(runtime.instantiateAsync('(module)', { name }), refused)
    t.false(runtime.instantiate('(module)', { name }).closed)
  }
  await t.throwsAsync(runtime.newHostModuleBuilder('m').exportMemory('memory', { min: 1 }).instantiateAsync(), refused)
  t.false((await runtime.newHostModuleBuilder('n').newFunctionBuilder().withFunc(() => 1).export('f').instantiateAsync()).closed) // prettier-ignore
})

test('memory.view() is refused in async mode, and says what to use', async (t) => {
  const { runtime } = setUp(t)
  const guest = await runtime.instantiateAsync(EXPORTER)
  t.throws(() => guest.memory!.view(), { instanceOf: ArgumentError, message: /async mode.*read\(\)/ })
  const store = new Store(new Engine(), { mode: 'async' })
  t.throws(() => new Memory(store, { minimum: 1, maximum: 1 }).view(), { instanceOf: ArgumentError })
})

test('a memory that has been viewed is in sync mode for good', async (t) => {
  t.timeout(LIMIT)
  const engine = new Engine()
  const store = new Store(engine)
  const memory = new Memory(store, { minimum: 1, maximum: 1 })
  if (viewsAllowed) t.is(memory.view().length, 65536)
  else t.throws(() => memory.view(), { instanceOf: ArgumentError, message: /external buffers are not allowed/ })
  t.is(store.mode, 'sync')
  const module = Module.compileSync(engine, '(module)')
  await t.throwsAsync(new Linker(engine).instantiateAsync(store, module), { instanceOf: LinkError })
})

test('while a guest computes on another thread its store is busy, but for what waits for its turn', async (t) => {
  const { runtime } = setUp(t)
  const guest = await runtime.instantiateAsync(EXPORTER, { name: '' })
  const { memory } = guest
  const global = guest.exportedGlobal('g')!
  const table = guest.exportedTable('t')!
  const run = guest.exportedFunction('run')!
  const controller = new AbortController()
  const computing = guest.exportedFunction('compute')!.callAsyncWith({ signal: controller.signal })
  while (runtime.stats().tasks.pool === 0) await nextTurn()
  const busy = { instanceOf: StoreBusyError, code: 'STORE_BUSY' }
  const uses: { readonly [label: string]: () => unknown } = {
    read: () => memory!.readByte(0),
    write: () => memory!.write(0, new Uint8Array(1)),
    grow: () => memory!.grow(1),
    size: () => memory!.size,
    'global.value': () => global.value,
    'global.value =': () => void (global.value = 1),
    'table.get': () => table.get(0),
    'table.set': () => table.set(0, null),
    call: () => run.call(1),
    callWith: () => run.callWith({}, 1),
    callWithStack: () => run.callWithStack(new BigUint64Array(1)),
    exports: () => guest.exports['run'](1),
  }
  for (const [label, use] of Object.entries(uses)) {
    const error = t.throws(use, busy, label)
    t.regex(error?.message ?? '', /asynchronous|another operation|computes|running/, label)
  }
  // What needs nothing of the store goes on: types, and calls that wait.
  t.deepEqual(guest.exportedDefinition('unread')!.exportNames, ['unread'])
  t.deepEqual(run.type.params, ['i32'])
  const queued = [run.callAsync(1), guest.exports['unread'].async()]
  t.is(runtime.stats().tasks.queued, 2)
  controller.abort('enough')
  t.is(await t.throwsAsync(computing, { any: true }), 'enough' as never)
  t.deepEqual(await Promise.all(queued), [2, 6])
  t.is(memory!.readByte(0), 0)
  t.deepEqual(runtime.stats().tasks, IDLE)
})

test('linker.module refuses a Store in async mode, and leaves it usable', async (t) => {
  t.timeout(LIMIT)
  const engine = new Engine()
  const store = new Store(engine, { mode: 'async' })
  for (const text of ['(module (func (export "_start")))', '(module (func (export "f")))']) {
    const linker = new Linker(engine)
    t.throws(() => linker.module(store, 'm', Module.compileSync(engine, text)), { instanceOf: LinkError, message: WRONG_MODE }) // prettier-ignore
  }
  const module = Module.compileSync(engine, '(module (func (export "f") (result i32) (i32.const 3)))')
  t.is(await (await new Linker(engine).instantiateAsync(store, module)).getFunc('f')!.callAsync(), 3)
})
