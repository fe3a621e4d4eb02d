import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import test from 'ava'

import wasmtime from '../index.js'

import { everything } from './support/world.ts'

const { ArgumentError, ClosedError, CompileError, Engine, Linker, Module, Store } = wasmtime
const engine = new Engine()
const answer = '(module $named (func (export "f") (result i32) (i32.const 42)))'
const bytes = wasmtime.wat2wasm(answer)

function run(module: InstanceType<typeof Module>): unknown {
  return new Linker(engine).instantiate(new Store(engine), module).exports['f']()
}

test('a module is compiled from bytes in any buffer and from WAT, sync and async', async (t) => {
  const padded = new Uint8Array(bytes.length + 20)
  padded.set(bytes, 7)
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length))
  shared.set(bytes)
  const copy = bytes.slice()
  const sources = [
    answer,
    copy,
    Buffer.from(bytes),
    copy.buffer,
    padded.subarray(7, 7 + bytes.length),
    new DataView(padded.buffer, 7, bytes.length),
    new Uint8ClampedArray(bytes),
    shared,
  ]
  for (const source of sources) {
    t.is(run(Module.compileSync(engine, source)), 42)
    t.is(run(await Module.compile(engine, source)), 42)
    t.notThrows(() => Module.validate(engine, source))
  }
})

test('the bytes are copied at once when a module is compiled off the event loop', async (t) => {
  const mine = bytes.slice()
  const promise = Module.compile(engine, mine)
  mine.fill(0)
  t.is(run(await promise), 42)
})

test('many compilations at once all end', async (t) => {
  const modules = await Promise.all(Array.from({ length: 40 }, (_, value) =>
    Module.compile(engine, `(module (func (export "f") (result i32) (i32.const ${value})))`),
  )) // prettier-ignore
  t.deepEqual(
    modules.map(run),
    Array.from({ length: 40 }, (_, value) => value),
  )
})

test('a file is compiled, be it binary or WAT', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'module-spec-'))
  try {
    writeFileSync(join(folder, 'ä b.wasm'), bytes)
    writeFileSync(join(folder, 'a.wat'), answer)
    writeFileSync(join(folder, 'bad.wasm'), bytes.subarray(0, bytes.length - 3))
    writeFileSync(join(folder, 'empty.wasm'), '')
    t.is(run(await Module.fromFile(engine, join(folder, 'ä b.wasm'))), 42)
    t.is(run(await Module.fromFile(engine, join(folder, 'a.wat'))), 42)
    await t.throwsAsync(Module.fromFile(engine, join(folder, 'bad.wasm')), { instanceOf: CompileError })
    await t.throwsAsync(Module.fromFile(engine, folder), { instanceOf: CompileError })
    const missing = join(folder, 'missing.wasm')
    const error = await t.throwsAsync(Module.fromFile(engine, missing), { instanceOf: CompileError })
    t.true(error?.message.includes('missing.wasm'), error?.message)
    await t.throwsAsync(Module.fromFile(engine, 7 as never), { instanceOf: ArgumentError })
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('what is no module source is an ArgumentError', async (t) => {
  for (const bad of [undefined, null, 1, {}, [0, 97, 115, 109], () => bytes, Symbol('s'), 1n]) {
    t.throws(() => Module.compileSync(engine, bad as never), { instanceOf: TypeError, code: 'INVALID_ARGUMENT' })
    t.throws(() => Module.validate(engine, bad as never), { instanceOf: TypeError, code: 'INVALID_ARGUMENT' })
    await t.throwsAsync(Module.compile(engine, bad as never), { instanceOf: TypeError, code: 'INVALID_ARGUMENT' })
  }
  for (const bad of [undefined, null, {}, Engine, Object.create(Engine.prototype)]) {
    t.throws(() => Module.compileSync(bad as never, bytes), { message: /^engine must be an Engine, but got / })
    await t.throwsAsync(Module.compile(bad as never, bytes), { message: /^engine must be an Engine, but got / })
  }
})

test('a module cannot be constructed', (t) => {
  for (const bad of [undefined, {}, bytes, Module.compileSync(engine, bytes)]) {
    t.throws(() => new (Module as new (compiled: unknown) => unknown)(bad), {
      instanceOf: ArgumentError,
      message: /use Module\.compile/,
    })
  }
})

test('validation tells what compilation tells', (t) => {
  const invalid = wasmtime.wat2wasm('(module (func (result i32) (i64.const 1)))')
  const [left, right] = [Module.validate, Module.compileSync].map((check) =>
    t.throws(() => check(engine, invalid), { instanceOf: CompileError, message: /type mismatch/ }),
  ) as InstanceType<typeof CompileError>[]
  t.is(typeof left?.offset, 'number')
  t.is(left?.offset, right?.offset)
  t.true((left?.offset ?? 0) < invalid.length)
})

test('WAT that is wrong is a CompileError that points at the place', (t) => {
  const error = t.throws(() => Module.compileSync(engine, '(module\n  (func (i32.cons 1)))'), {
    instanceOf: CompileError,
  })
  t.regex(error?.message ?? '', /i32\.cons/)
  t.regex(error?.message ?? '', /2:/)
  t.throws(() => wasmtime.wat2wasm('(modul)'), { instanceOf: CompileError })
  t.throws(() => wasmtime.wat2wasm(bytes as never), { instanceOf: ArgumentError })
})

test('text that nests deep is no danger', (t) => {
  const blocks = `(module (func (export "f") (result i32) ${'(block '.repeat(50_000)}${')'.repeat(50_000)} (i32.const 42)))`
  t.is(run(Module.compileSync(engine, blocks)), 42)
  for (const text of ['('.repeat(500_000), `(module ${'('.repeat(500_000)}`, '(;'.repeat(500_000)]) {
    t.throws(() => Module.compileSync(engine, text), { instanceOf: CompileError })
  }
})

test('a component is refused with a message that says so', async (t) => {
  const component = Uint8Array.from([0, 97, 115, 109, 13, 0, 1, 0])
  const expected = { instanceOf: CompileError, message: /this is a WebAssembly component/ }
  t.throws(() => Module.compileSync(engine, component), expected)
  t.throws(() => Module.validate(engine, component), expected)
  await t.throwsAsync(Module.compile(engine, component), expected)
  t.throws(() => Module.compileSync(engine, '(component)'), expected)
})

test('imports and exports are described in full, in their order', (t) => {
  const module = Module.compileSync(engine, `(module
    (import "a" "f" (func (param i32 i64 f32 f64 v128 externref funcref) (result i32 i64)))
    (import "a" "m" (memory 1 2))
    (import "b" "m64" (memory i64 3))
    (import "b" "shared" (memory 1 4 shared))
    (import "" "g" (global (mut f32)))
    (import "" "" (global externref))
    (import "t" "t" (table 1 funcref))
    (import "t" "t64" (table i64 1 5 externref))
    (import "e" "tag" (tag (param i32)))
    (export "f2" (func 0)) (export "m2" (memory 0)) (export "g2" (global 1)) (export "t2" (table 0)) (export "e2" (tag 0))
    (export "" (func 0)))`) // prettier-ignore
  const f = {
    kind: 'func',
    params: ['i32', 'i64', 'f32', 'f64', 'v128', 'externref', 'funcref'],
    results: ['i32', 'i64'],
  }
  const m = { kind: 'memory', minimum: 1, maximum: 2, is64: false, shared: false, pageSize: 65536 }
  const tag = { kind: 'tag', params: ['i32'], results: [] }
  const global = { kind: 'global', content: 'externref', mutable: false }
  const table = { kind: 'table', element: 'funcref', minimum: 1, is64: false }
  t.deepEqual(module.imports.map(({ module: from, name, type }) => [from, name, type as object]), [
    ['a', 'f', f],
    ['a', 'm', m],
    ['b', 'm64', { kind: 'memory', minimum: 3, is64: true, shared: false, pageSize: 65536 }],
    ['b', 'shared', { kind: 'memory', minimum: 1, maximum: 4, is64: false, shared: true, pageSize: 65536 }],
    ['', 'g', { kind: 'global', content: 'f32', mutable: true }],
    ['', '', global],
    ['t', 't', table],
    ['t', 't64', { kind: 'table', element: 'externref', minimum: 1, maximum: 5, is64: true }],
    ['e', 'tag', tag],
  ]) // prettier-ignore
  t.deepEqual(module.exports.map(({ name, type }) => [name, type as object]), [
    ['f2', f], ['m2', m], ['g2', global], ['t2', table], ['e2', tag], ['', f],
  ]) // prettier-ignore
})

test('descriptions are frozen, and the same every time', (t) => {
  const module = Module.compileSync(engine, everything)
  t.is(module.imports, module.imports)
  t.is(module.exports, module.exports)
  for (const list of [module.imports, module.exports]) {
    t.true(Object.isFrozen(list))
    for (const item of list) t.true(Object.isFrozen(item) && Object.isFrozen(item.type))
  }
})

test('a module has the name of its name section', (t) => {
  t.is(Module.compileSync(engine, bytes).name, 'named')
  t.is(Module.compileSync(engine, '(module)').name, undefined)
  t.is(Module.compileSync(engine, '(module $"ünïcode \\f0\\9f\\a6\\80")').name, 'ünïcode 🦀')
})

test('custom sections come with their bytes, in order and by name', (t) => {
  const module = Module.compileSync(
    engine,
    `(module (@custom "a" "first") (@custom "b" "\\00\\ff") (@custom "a" "second") (@custom "" ""))`,
  )
  const sections = module.customSections()
  t.deepEqual(sections.map(({ name, data }) => [name, [...data]]), [
    ['a', [...Buffer.from('first')]], ['b', [0, 255]], ['a', [...Buffer.from('second')]], ['', []],
  ]) // prettier-ignore
  t.deepEqual(module.customSections('a').map(({ data }) => Buffer.from(data).toString()), ['first', 'second']) // prettier-ignore
  t.deepEqual(module.customSections('none'), [])
  t.throws(() => module.customSections(1 as never), { instanceOf: ArgumentError })
  sections[0]?.data.fill(0)
  t.is(Buffer.from(module.customSections('a')[0]!.data).toString(), 'first')
})

test('a closed module cannot be instantiated, and what was made from it goes on', (t) => {
  const module = Module.compileSync(engine, bytes)
  const linker = new Linker(engine)
  const instance = linker.instantiate(new Store(engine), module)
  const pre = linker.instantiatePre(module)
  const { exports } = module
  t.false(module.closed)
  module.close()
  module.close()
  t.true(module.closed)
  t.is(instance.exports['f'](), 42)
  t.is(pre.instantiate(new Store(engine)).exports['f'](), 42)
  t.is(module.exports, exports)
  t.throws(() => linker.instantiate(new Store(engine), module), { instanceOf: ClosedError, code: 'CLOSED' })
  t.throws(() => linker.instantiatePre(module), { instanceOf: ClosedError })
  t.throws(() => new Linker(engine).module(new Store(engine), 'm', module), { instanceOf: ClosedError })
})

test('a module of another engine is refused', (t) => {
  const module = Module.compileSync(new Engine(), bytes)
  t.throws(() => new Linker(engine).instantiatePre(module), { instanceOf: ArgumentError, message: /another engine/ })
})
