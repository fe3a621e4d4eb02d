import test from 'ava'

import {
  ArgumentError,
  ClosedError,
  CompileError,
  LinkError,
  ModuleInstance,
  Runtime,
  versions,
  wat2wasm,
} from '../index.mjs'

const answer = '(module $answer (func (export "get") (result i32) (i32.const 42)))'
const usesAnswer = `(module $user (import "answer" "get" (func $get (result i32)))
  (func (export "twice") (result i32) (i32.add (call $get) (call $get))))`

test('an instance is called as its module calls itself, unless the config says otherwise', (t) => {
  const runtime = new Runtime()
  const own = runtime.instantiate(answer)
  const other = runtime.instantiate(answer, { name: 'other' })
  const anonymous = runtime.instantiate(answer, { name: '' })
  const nameless = runtime.instantiate('(module)')
  t.deepEqual(
    [own, other, anonymous, nameless].map(({ name }) => name),
    ['answer', 'other', '', ''],
  )
  t.is(runtime.module('answer'), own)
  t.is(runtime.module('other'), other)
  t.is(runtime.module(''), undefined)
  t.is(runtime.module('missing'), undefined)
  t.is(runtime.module('__proto__'), undefined)
})

test('anonymous instances of one module are as many as wanted, each with its own state', (t) => {
  const runtime = new Runtime()
  const compiled = runtime.compileModuleSync(`(module (global $n (mut i32) (i32.const 0))
    (func (export "count") (result i32) (global.set $n (i32.add (global.get $n) (i32.const 1))) (global.get $n)))`)
  const instances = Array.from({ length: 20 }, () => runtime.instantiate(compiled))
  for (const [index, instance] of instances.entries()) {
    for (let count = 1; count <= index; count++) t.is(instance.exports['count'](), count)
  }
  t.is(new Set(instances).size, 20)
})

test('a name that is taken is a LinkError, and leaves the instance that has it alone', (t) => {
  const runtime = new Runtime()
  const first = runtime.instantiate(answer)
  const message = 'module[answer] has already been instantiated'
  t.throws(() => runtime.instantiate(answer), { instanceOf: LinkError, code: 'LINK_ERROR', message })
  t.throws(() => runtime.instantiate('(module)', { name: 'answer' }), { instanceOf: LinkError, message })
  t.throws(() => runtime.newHostModuleBuilder('answer').instantiate(), { instanceOf: LinkError, message })
  t.is(runtime.module('answer'), first)
  t.is(first.exports['get'](), 42)
})

test('closing frees the name, but not of an instance that has taken it since', (t) => {
  const runtime = new Runtime()
  const first = runtime.instantiate(answer)
  first.close()
  t.is(runtime.module('answer'), undefined)
  const second = runtime.instantiate(answer)
  first.close()
  t.is(runtime.module('answer'), second)
  t.is(second.exports['get'](), 42)
})

test('two runtimes have names of their own', (t) => {
  const [one, two] = [new Runtime(), new Runtime()]
  one.instantiate(answer)
  t.is(two.module('answer'), undefined)
  t.throws(() => two.instantiate(usesAnswer), { instanceOf: LinkError, message: 'module[answer] not instantiated' })
  t.is(one.instantiate(usesAnswer).exports['twice'](), 84)
})

test('a module compiled by one runtime is refused by another', (t) => {
  const compiled = new Runtime().compileModuleSync(answer)
  t.throws(() => new Runtime().instantiate(compiled), { instanceOf: ArgumentError, message: /by another Runtime/ })
})

test('a guest imports from what has the name when it is instantiated, and keeps that', (t) => {
  const runtime = new Runtime()
  const first = runtime.instantiate(answer)
  const compiled = runtime.compileModuleSync(usesAnswer)
  const old = runtime.instantiate(compiled, { name: 'old' })
  first.close()
  runtime.instantiate('(module $answer (func (export "get") (result i32) (i32.const 1)))')
  const young = runtime.instantiate(compiled, { name: 'young' })
  t.is(young.exports['twice'](), 2)
  t.is(old.exports['twice'](), 84)
})

test('a module can be given as bytes in any buffer, as WAT text, and compiled in three ways', async (t) => {
  const runtime = new Runtime()
  const bytes = wat2wasm('(module (func (export "get") (result i32) (i32.const 42)))')
  const { buffer } = new Uint8Array(bytes)
  for (const source of [
    bytes,
    buffer,
    new DataView(buffer),
    Buffer.from(bytes),
    '(module (func (export "get") (result i32) (i32.const 42)))',
    runtime.compileModuleSync(bytes),
    await runtime.compileModule(bytes),
  ]) {
    t.is(runtime.instantiate(source).exports['get'](), 42)
  }
  t.throws(() => runtime.instantiate(new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8])), {
    instanceOf: CompileError,
    message: /^invalid magic number/,
  })
  await t.throwsAsync(runtime.compileModule(new Uint8Array(8)), { instanceOf: CompileError })
})

test('bytes are copied before compileModule returns', async (t) => {
  const runtime = new Runtime()
  const bytes = wat2wasm(answer)
  const compiling = runtime.compileModule(bytes)
  bytes.fill(0)
  t.is(runtime.instantiate(await compiling).exports['get'](), 42)
})

test('a compiled module that is closed cannot be instantiated; its instances go on', (t) => {
  const runtime = new Runtime()
  const compiled = runtime.compileModuleSync(answer)
  const instance = runtime.instantiate(compiled)
  compiled.close()
  compiled.close()
  t.true(compiled.closed)
  t.is(instance.exports['get'](), 42)
  const message = /^source module must be compiled before instantiation/
  t.throws(() => runtime.instantiate(compiled, { name: 'again' }), { instanceOf: ClosedError, message })
  const unused = runtime.compileModuleSync('(module)')
  unused.close()
  t.throws(() => runtime.instantiate(unused), { instanceOf: ClosedError, message })
})

test('definitions of a compiled module have names, types and indexes', (t) => {
  const compiled = new Runtime().compileModuleSync(`(module $m (import "env" "f" (func $imported (param i64)))
    (func $add (export "add") (export "plus") (param $a i32) (param $b i32) (result i32) (i32.const 0))
    (func (export "bare") (param f32) (result f64 i32) unreachable))`)
  const [imported] = compiled.importedFunctions
  t.like(imported, { moduleName: 'm', index: 0, name: 'imported', paramTypes: ['i64'], paramNames: [] })
  t.deepEqual(imported?.import, { module: 'env', name: 'f' })
  const [add, bare] = compiled.exportedFunctions
  t.like(add, { index: 1, name: 'add', debugName: 'm.add', exportNames: ['add', 'plus'], paramNames: ['a', 'b'] })
  t.like(bare, { index: 2, name: '', debugName: 'm.$2', resultTypes: ['f64', 'i32'], paramNames: [] })
})

test('the definition of a function of an instance is that of its module', (t) => {
  const runtime = new Runtime()
  const compiled = runtime.compileModuleSync(answer)
  const instance = runtime.instantiate(compiled, { name: 'renamed' })
  t.is(instance.exportedFunction('get')?.definition, compiled.exportedFunctions[0])
  t.is(instance.exportedDefinition('get'), compiled.exportedFunctions[0])
  t.is(instance.exportedDefinition('missing'), undefined)
})

test('options and configs that do not exist are errors', (t) => {
  const runtime = new Runtime()
  t.throws(() => new Runtime({ closeOnContextDone: true } as never), { instanceOf: ArgumentError })
  t.throws(() => runtime.instantiate(answer, { names: 'x' } as never), { message: /config\.names is not an option/ })
  t.throws(() => runtime.instantiate(answer, { name: 1 } as never), { instanceOf: ArgumentError })
  t.throws(() => runtime.instantiate(answer, { startFunctions: '_start' } as never), { instanceOf: ArgumentError })
  t.throws(() => runtime.instantiate(answer, { startFunctions: [1] } as never), { instanceOf: ArgumentError })
  t.is(runtime.module('answer'), undefined)
})

test('instances cannot be constructed directly', (t) => {
  t.throws(() => Reflect.construct(ModuleInstance, []), { instanceOf: ArgumentError })
})

test('stats count modules that have a name, and stores', (t) => {
  const runtime = new Runtime()
  t.like(runtime.stats(), { modules: 0, stores: 0 })
  const host = runtime.newHostModuleBuilder('env').instantiate()
  const named = [runtime.instantiate(answer), runtime.instantiate(usesAnswer)]
  const anonymous = runtime.instantiate('(module)')
  t.like(runtime.stats(), { modules: 3, stores: 2 })
  for (const instance of [host, ...named, anonymous]) instance.close()
  t.like(runtime.stats(), { modules: 0, stores: 0 })
})

test('the versions name Wasmtime, this package and Node-API', (t) => {
  const { wasmtime, nodeWasmtime, napi } = new Runtime().versions
  t.regex(wasmtime, /^\d+\.\d+\.\d+$/)
  t.regex(nodeWasmtime, /^\d+\.\d+\.\d+/)
  t.true(napi >= 8)
  t.deepEqual(versions(), { wasmtime, nodeWasmtime, napi })
})
