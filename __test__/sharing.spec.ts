import { Worker } from 'node:worker_threads'

import test, { type ExecutionContext } from 'ava'

import {
  ArgumentError,
  ClosedError,
  CompileError,
  Engine,
  Linker,
  Module,
  Runtime,
  SharedMemory,
  Store,
} from '../index.mjs'

const GUEST = `(module $shared
  (import "env" "add" (func $add (param i32 i32) (result i32)))
  (global $calls (mut i32) (i32.const 0))
  (func (export "run") (param i32) (result i32)
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (call $add (local.get 0) (global.get $calls))))`

/** Runs the body of a function in a Worker, and gives what it posts. */
async function inWorker(workerData: unknown, body: string): Promise<any> {
  const code = `const { parentPort, workerData } = require('node:worker_threads')
    const { Engine, Module, Runtime } = require(${JSON.stringify(new URL('../index.js', import.meta.url).pathname)})
    ;(async () => { ${body} })().then(
      (value) => parentPort.postMessage({ value }),
      (error) => parentPort.postMessage({ name: error.name, code: error.code, message: error.message }))`
  const worker = new Worker(code, { eval: true, workerData })
  return new Promise((resolve, reject) => {
    worker.once('message', resolve).once('error', reject)
  })
}

function open(t: ExecutionContext, make: () => Runtime = () => new Runtime()): Runtime {
  const runtime = make()
  t.teardown(() => runtime.close())
  return runtime
}

function defineAdd(runtime: Runtime): void {
  runtime
    .newHostModuleBuilder('env')
    .newFunctionBuilder()
    .withFunc((a, b) => a + b, ['i32', 'i32'], ['i32'])
    .export('add')
    .instantiate()
}

test('a Worker attaches to the engine and the module of the main thread, and its instances are its own', async (t) => {
  const runtime = open(t)
  defineAdd(runtime)
  const compiled = await runtime.compileModule(GUEST)
  const guest = runtime.instantiate(compiled, { name: '' })
  t.is(guest.exports['run'](10), 11)
  const body = `
    const runtime = Runtime.attach(workerData.engine)
    runtime.newHostModuleBuilder('env').newFunctionBuilder().withFunc((a, b) => a * b, ['i32', 'i32'], ['i32']).export('add').instantiate()
    const compiled = runtime.attachModule(workerData.module)
    const guest = runtime.instantiate(compiled, { name: '' })
    const other = await runtime.instantiateAsync(compiled, { name: '' })
    const values = [guest.exports.run(10), guest.exports.run(10), await other.exports.run.async(10)]
    compiled.close()
    runtime.close()
    return [compiled.name, ...values]`
  const handles = { engine: runtime.share(), module: compiled.share() }
  const answers = await Promise.all([1, 2, 3].map(() => inWorker(handles, body)))
  for (const answer of answers) t.deepEqual(answer, { value: ['shared', 10, 20, 10] })
  // What the Workers have closed goes on here.
  t.is(guest.exports['run'](10), 12)
  t.is(runtime.instantiate(compiled, { name: '' }).exports['run'](10), 11)
})

test('a handle is plain data, and the same one every time', (t) => {
  const runtime = open(t)
  const compiled = runtime.compileModuleSync('(module)')
  t.is(runtime.share(), runtime.share())
  t.is(compiled.share(), compiled.share())
  t.deepEqual(structuredClone(runtime.share()), runtime.share())
  const engine = new Engine()
  t.is(engine.share(), engine.share())
  t.not(engine.share().id, runtime.share().id)
})

test('runtimes of one thread may share an engine, and closing one leaves the other alone', (t) => {
  const first = open(t)
  const second = open(t, () => Runtime.attach(first.share()))
  const compiled = first.compileModuleSync('(module (func (export "f") (result i32) (i32.const 7)))')
  const here = first.instantiate(compiled, { name: '' })
  const there = second.instantiate(second.attachModule(compiled.share()), { name: '' })
  t.is(first.stats().stores, 1)
  t.is(second.stats().instances, 1)
  first.close()
  t.throws(() => here.exports['f'](), { code: 'EXIT' })
  t.is(there.exports['f'](), 7)
  t.throws(() => second.attachModule({ ...compiled.share(), id: 'x' }), { instanceOf: ClosedError })
})

test('the engine of the lower layer can be shared, too', (t) => {
  const engine = new Engine({ multiValue: false })
  const module = Module.compileSync(engine, '(module (func (export "f") (result i32) (i32.const 8)))')
  const other = Engine.attach(engine.share())
  const attached = Module.attach(other, module.share())
  module.close()
  const instance = new Linker(other).instantiate(new Store(other), attached)
  t.is(instance.exports['f'](), 8)
  const message = { instanceOf: CompileError, message: /multi-value/ }
  const builder = Runtime.attach(engine.share()).newHostModuleBuilder('m').newFunctionBuilder()
  t.throws(
    () =>
      builder
        .withFunc(() => [1, 2], [], ['i32', 'i32'])
        .export('f')
        .compile(),
    message,
  )
})

test('a module cannot be attached to another engine than its own', (t) => {
  const [first, second] = [open(t), open(t)]
  const compiled = first.compileModuleSync('(module)')
  t.throws(() => second.attachModule(compiled.share()), { instanceOf: ArgumentError, message: /another engine/ })
})

test('what is closed, unknown or no handle is refused with words that help', (t) => {
  const runtime = open(t)
  const compiled = runtime.compileModuleSync('(module)')
  const handle = compiled.share()
  const closed = { instanceOf: ClosedError, message: /closed or collected, or it belongs to another process/ }
  compiled.close()
  t.throws(() => runtime.attachModule(handle), closed)
  t.throws(() => compiled.share(), { instanceOf: ClosedError })
  t.throws(() => Runtime.attach({ kind: 'engine', id: 'nonsense' }), closed)
  t.throws(() => Runtime.attach(handle as never), { instanceOf: ArgumentError, message: /one of kind "module"/ })
  t.throws(() => runtime.attachModule(runtime.share() as never), { instanceOf: ArgumentError, message: /"engine"/ })
  for (const odd of [
    undefined,
    null,
    7,
    'x',
    {},
    { kind: 'engine' },
    { kind: 'engine', id: 7 },
    Symbol('s'),
    () => {},
  ]) {
    t.throws(() => Runtime.attach(odd as never), {
      instanceOf: ArgumentError,
      message: /handle must be what share\(\)/,
    })
    t.throws(() => Engine.attach(odd as never), { instanceOf: ArgumentError })
    t.throws(() => runtime.attachModule(odd as never), { instanceOf: ArgumentError })
  }
  runtime.close()
  t.throws(() => runtime.share(), { instanceOf: ClosedError })
  t.throws(() => runtime.attachModule(handle), { instanceOf: ClosedError })
})

test('an engine can be attached to as long as anything of it is alive', async (t) => {
  // What keeps it, and nothing else, is what these give.
  const keepers: { [what: string]: (engine: Engine) => object } = {
    'a module': (engine) => Module.compileSync(engine, '(module)'),
    'an instance': (engine) =>
      new Linker(engine).instantiate(new Store(engine), Module.compileSync(engine, '(module)')),
    'a shared memory': (engine) => new SharedMemory(engine, { minimum: 1, maximum: 1 }),
  }
  for (const [what, make] of Object.entries(keepers)) {
    const begin = () => {
      const engine = new Engine({ sharedMemory: true })
      return { handle: engine.share(), kept: make(engine) }
    }
    const { handle, kept } = begin()
    for (let round = 0; round < 5; round++) {
      globalThis.gc?.()
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    t.notThrows(() => Engine.attach(handle), what)
    t.truthy(kept)
  }
})
