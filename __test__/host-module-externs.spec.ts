import test from 'ava'

import { ExitError, Global, LinkError, Memory, Runtime, Table } from '../index.mjs'

const importsAll = `(module
  (import "env" "memory" (memory 1 3))
  (import "env" "counter" (global $counter (mut i64)))
  (import "env" "base" (global $base i32))
  (import "env" "table" (table 2 4 funcref))
  (func (export "poke") (param i32 i32) (i32.store (local.get 0) (local.get 1)))
  (func (export "peek") (param i32) (result i32) (i32.load (local.get 0)))
  (func (export "count") (result i64)
    (global.set $counter (i64.add (global.get $counter) (i64.const 1)))
    (global.get $counter))
  (func (export "base") (result i32) (global.get $base))
  (func $seven (result i32) (i32.const 7))
  (elem declare func $seven)
  (func (export "put") (param i32) (table.set (local.get 0) (ref.func $seven)))
  (func (export "take") (param i32) (result i32) (call_indirect (result i32) (local.get 0))))`

function makeHost(runtime = new Runtime()) {
  const host = runtime
    .newHostModuleBuilder('env')
    .exportMemory('memory', { min: 1, max: 3 })
    .exportGlobal('counter', 'i64', 10n, true)
    .exportGlobal('base', 'i32', 1024)
    .exportTable('table', { min: 2, max: 4 })
    .instantiate()
  return { runtime, host }
}

test('guests that import the memory of a host module share it, with the host too', (t) => {
  const { runtime, host } = makeHost()
  const [one, two] = [runtime.instantiate(importsAll), runtime.instantiate(importsAll)]
  t.true(host.memory instanceof Memory)
  one.exports['poke'](8, 42)
  t.is(two.exports['peek'](8), 42)
  t.is(host.memory?.readUint32Le(8), 42)
  t.true(host.memory?.writeUint32Le(8, 43))
  t.is(one.exports['peek'](8), 43)
})

test('a mutable global of a host module is one variable for all, an immutable one has the value that was given', (t) => {
  const { runtime, host } = makeHost()
  const [one, two] = [runtime.instantiate(importsAll), runtime.instantiate(importsAll)]
  t.is(one.exports['count'](), 11n)
  t.is(two.exports['count'](), 12n)
  const counter = host.exportedGlobal('counter')
  t.true(counter instanceof Global)
  t.is(counter?.value, 12n)
  counter!.value = 20n
  t.is(one.exports['count'](), 21n)
  t.is(one.exports['base'](), 1024)
  t.deepEqual(host.exportedGlobal('base')?.type, { content: 'i32', mutable: false })
  t.throws(() => (host.exportedGlobal('base')!.value = 1), { instanceOf: TypeError, code: 'INVALID_ARGUMENT' })
})

test('a function that one guest puts into the table of a host module can be called by another, and by the host', (t) => {
  const { runtime, host } = makeHost()
  const [one, two] = [runtime.instantiate(importsAll), runtime.instantiate(importsAll)]
  const table = host.exportedTable('table')
  t.true(table instanceof Table)
  t.is(table?.get(1), null)
  one.exports['put'](1)
  t.is(two.exports['take'](1), 7)
  t.is(table?.get(1).call(), 7)
  t.throws(() => two.exports['take'](0), { code: 'TRAP' })
})

test('limits of host memories and tables are kept', (t) => {
  const { host } = makeHost()
  t.is(host.memory?.pages, 1)
  t.is(host.memory?.grow(2), 1)
  t.is(host.memory?.grow(1), undefined)
  const table = host.exportedTable('table')
  t.is(table?.length, 2)
  t.is(table?.grow(2), 2)
  t.is(table?.grow(1), undefined)
})

test('without limits a memory and a table begin empty', (t) => {
  const host = new Runtime()
    .newHostModuleBuilder('env')
    .exportMemory('m')
    .exportTable('t', { element: 'externref' })
    .instantiate()
  t.is(host.memory?.size, 0)
  t.is(host.exportedTable('t')?.length, 0)
  t.is(host.exportedTable('t')?.type.element, 'externref')
})

test('memory of a host module is the one named memory, or else the first; undefined if there is none', (t) => {
  const runtime = new Runtime()
  const named = runtime.newHostModuleBuilder('named').exportMemory('a').exportMemory('memory').instantiate()
  t.is(named.memory, named.exportedMemory('memory'))
  t.not(named.memory, named.exportedMemory('a'))
  const first = runtime.newHostModuleBuilder('first').exportMemory('a').exportMemory('b').instantiate()
  t.is(first.memory, first.exportedMemory('a'))
  t.is(runtime.newHostModuleBuilder('none').instantiate().memory, undefined)
})

test('an export of another kind or name is undefined', (t) => {
  const { host } = makeHost()
  for (const name of ['missing', '', 'counter']) t.is(host.exportedMemory(name), undefined)
  for (const name of ['missing', '', 'memory']) t.is(host.exportedGlobal(name), undefined)
  for (const name of ['missing', '', 'memory']) t.is(host.exportedTable(name), undefined)
})

test('globals of every value type can be exported and imported', (t) => {
  const runtime = new Runtime()
  const object = { any: 'value' }
  const vector = Uint8Array.from({ length: 16 }, (_, index) => index + 240)
  runtime
    .newHostModuleBuilder('env')
    .exportGlobal('i32', 'i32', 0xffffffff)
    .exportGlobal('i64', 'i64', 2n ** 64n - 1n)
    .exportGlobal('f32', 'f32', 3.4028234663852886e38)
    .exportGlobal('f64', 'f64', Number.MIN_VALUE)
    .exportGlobal('v128', 'v128', vector)
    .exportGlobal('externref', 'externref', object)
    .instantiate()
  const expected = { i32: -1, i64: -1n, f32: 3.4028234663852886e38, f64: Number.MIN_VALUE, v128: vector }
  const types = [...Object.keys(expected), 'externref']
  const guest = runtime.instantiate(
    `(module ${types.map((type) => `(import "env" "${type}" (global ${type}))`).join('')}
      ${types.map((type, index) => `(func (export "${type}") (result ${type}) (global.get ${index}))`).join('')})`,
  )
  for (const [type, value] of Object.entries(expected)) t.deepEqual(guest.exports[type](), value, type)
  t.is(guest.exports['externref'](), object)
})

test('what does not fit is refused by compile, not before', (t) => {
  const make = () => new Runtime().newHostModuleBuilder('env')
  const wrong: [builder: { compile(): unknown }, code: string, message: RegExp][] = [
    [make().exportMemory('m', { min: -1 }), 'INVALID_ARGUMENT', /memory "m" min must be an integer from 0 to 65536/],
    [make().exportMemory('m', { min: 65537 }), 'INVALID_ARGUMENT', /memory "m" min/],
    [make().exportMemory('m', { min: 2, max: 1 }), 'INVALID_ARGUMENT', /memory "m" max must be an integer from 2/],
    [make().exportMemory('m', { initial: 2 } as never), 'INVALID_ARGUMENT', /memory "m"\.initial is not an option/],
    [make().exportTable('t', { min: 2, max: 1 }), 'INVALID_ARGUMENT', /table "t" max must be an integer from 2/],
    [
      make().exportTable('t', { element: 'i32' as never }),
      'INVALID_ARGUMENT',
      /table "t" element must be a reference type/,
    ],
    [
      make().exportTable('t', { element: '(ref func)' as never }),
      'INVALID_ARGUMENT',
      /must be a type that can be null/,
    ],
    [make().exportTag('e', ['i31' as never]), 'INVALID_ARGUMENT', /tag "e" params\[0\] must be/],
    [make().exportGlobal('g', 'i31' as never, 1 as never), 'INVALID_ARGUMENT', /global "g" type/],
    [make().exportGlobal('g', 'i32', 1, 1 as never), 'INVALID_ARGUMENT', /global "g" mutable must be a boolean/],
  ]
  for (const [builder, code, message] of wrong) {
    t.throws(() => builder.compile(), { instanceOf: TypeError, code, message })
  }
})

test('a value that is not of the type of its global is refused, and leaves the name free', (t) => {
  const runtime = new Runtime()
  for (const [type, value] of [
    ['i32', 1n],
    ['i64', 1],
    ['v128', new Uint8Array(15)],
    ['f64', '1'],
  ] as const) {
    const builder = runtime.newHostModuleBuilder('env').exportGlobal('g', type, value as never)
    t.throws(() => builder.instantiate(), { instanceOf: TypeError, code: 'INVALID_ARGUMENT' }, type)
    t.is(runtime.module('env'), undefined)
  }
  t.is(runtime.stats().stores, 0)
})

test('two instances of one compiled host module have memories, globals and tables of their own', (t) => {
  const runtime = new Runtime()
  const compiled = runtime
    .newHostModuleBuilder('env')
    .exportMemory('memory', { min: 1 })
    .exportGlobal('counter', 'i64', 0n, true)
    .compile()
  const [one, two] = ['one', 'two'].map((name) => runtime.instantiate(compiled, { name }))
  one!.memory!.writeByte(0, 1)
  one!.exportedGlobal('counter')!.value = 1n
  t.is(two?.memory?.readByte(0), 0)
  t.is(two?.exportedGlobal('counter')?.value, 0n)
})

test('an import whose limits or type do not fit is a LinkError that shows both', (t) => {
  const { runtime } = makeHost()
  for (const [wanted, message] of [
    ['"memory" (memory 2))', /^import memory\[env\.memory\]: type mismatch: memory .*2.* != memory .*1/],
    ['"counter" (global i64))', /^import global\[env\.counter\]: type mismatch: .*i64.* != .*mut i64/],
    ['"table" (table 2 4 externref))', /^import table\[env\.table\]: type mismatch: .*externref.* != .*funcref/],
  ] as const) {
    t.throws(() => runtime.instantiate(`(module (import "env" ${wanted})`), { instanceOf: LinkError, message })
  }
})

test('closing the host module leaves guests their memory; closing the runtime ends it', (t) => {
  const { runtime, host } = makeHost()
  const guest = runtime.instantiate(importsAll)
  const memory = host.memory!
  host.close()
  guest.exports['poke'](0, 5)
  t.is(guest.exports['peek'](0), 5)
  t.is(memory.readByte(0), 5)
  runtime.close(3)
  t.throws(() => guest.exports['peek'](0), { instanceOf: ExitError, message: 'module closed with exit_code(3)' })
  t.throws(() => memory.readByte(0), { instanceOf: ExitError })
})
