// wazero checks its engines with a list of programs that once went wrong somewhere. Here are those with host functions, anew.
import test from 'ava'

import { type Memory, type ModuleInstance, Runtime, renderTrace, wasmFramesOf } from '../index.mjs'
import { thrownBy } from './support/wat.ts'

test('a host function writes to the memory of its caller, also at an unaligned offset', (t) => {
  const runtime = new Runtime()
  runtime
    .newHostModuleBuilder('host')
    .newFunctionBuilder()
    .withModuleFunc(
      (module, offset, value) => (module.memory!.writeUint64Le(offset, value) ? 0 : 1),
      ['i32', 'i64'],
      ['i32'],
    )
    .export('store_int')
    .instantiate()
  const guest = runtime.instantiate(`(module (import "host" "store_int" (func $store (param i32 i64) (result i32)))
    (memory (export "memory") 1 1) (export "store_int" (func $store)))`)
  t.is(guest.exports['store_int'](1, 2n ** 64n - 1n), 0)
  t.deepEqual(guest.memory!.read(0, 10), Uint8Array.of(0, 255, 255, 255, 255, 255, 255, 255, 255, 0))
  t.is(guest.exports['store_int'](65529, -1n), 1)
  t.is(guest.memory!.readByte(65529), 0)
})

test('a host function can call back into the module that called it', (t) => {
  const runtime = new Runtime()
  let calls = 0
  runtime
    .newHostModuleBuilder('env')
    .newFunctionBuilder()
    .withModuleFunc((module) => module.exportedFunction('called_by_host_func')!.call(), [], [])
    .export('host_func')
    .newFunctionBuilder()
    .withFunc(() => void calls++, [], [])
    .export('done')
    .instantiate()
  const guest = runtime.instantiate(`(module (import "env" "host_func" (func $host)) (import "env" "done" (func $done))
    (func (export "main") (param i32) (call $host)) (func (export "called_by_host_func") (call $done)))`)
  guest.exports['main'](1)
  t.is(calls, 1)
})

test('guest and host can recurse into each other, in every style', (t) => {
  const back = (module: ModuleInstance, n: number): number =>
    n === 0 ? 0 : (module.exportedFunction('sum')!.call(n - 1) as number)
  for (const style of ['withModuleFunc', 'withModuleStackFunc'] as const) {
    const runtime = new Runtime()
    const f = runtime.newHostModuleBuilder('env').newFunctionBuilder()
    if (style === 'withModuleFunc') f.withModuleFunc(back, ['i32'], ['i32']).export('back').instantiate()
    else {
      f.withModuleStackFunc((m, stack) => void (stack[0] = BigInt(back(m, Number(stack[0])))), ['i32'], ['i32'])
        .export('back')
        .instantiate()
    }
    const guest = runtime.instantiate(`(module (import "env" "back" (func $back (param i32) (result i32)))
      (func (export "sum") (param i32) (result i32) (i32.add (local.get 0) (call $back (local.get 0)))))`)
    t.is(guest.exports['sum'](100), 5050, style)
  }
})

test('call_indirect reaches a host function in a table, which gets the module that imports it', (t) => {
  const runtime = new Runtime()
  const seen: unknown[] = []
  runtime
    .newHostModuleBuilder('env')
    .newFunctionBuilder()
    .withModuleFunc((module, n) => (seen.push(module), n * 2), ['i32'], ['i32'])
    .export('double')
    .instantiate()
  const guest = runtime.instantiate(`(module (import "env" "double" (func $double (param i32) (result i32)))
    (type $unary (func (param i32) (result i32))) (type $other (func (param i64)))
    (table (export "table") 2 funcref) (elem (i32.const 0) $double)
    (func (export "run") (param i32 i32) (result i32) (call_indirect (type $unary) (local.get 0) (local.get 1)))
    (func (export "wrong") (call_indirect (type $other) (i64.const 0) (i32.const 0))))`)
  t.is(guest.exports['run'](21, 0), 42)
  t.is(guest.exportedTable('table')!.get(0).call(4), 8)
  t.deepEqual(
    seen.map((module) => module === guest),
    [true, true],
  )
  t.like(
    thrownBy(() => guest.exports['run'](1, 1)),
    { code: 'TRAP', trapCode: 'indirect-call-to-null' },
  )
  t.like(
    thrownBy(() => guest.exports['run'](1, 2)),
    { code: 'TRAP', trapCode: 'table-out-of-bounds' },
  )
  t.like(
    thrownBy(() => guest.exports['wrong']()),
    { code: 'TRAP', trapCode: 'bad-signature' },
  )
})

test('through two indirections a host function sees its importer, and the trace has every function on the way', (t) => {
  const runtime = new Runtime()
  const seen: string[] = []
  const boom = new Error('host-function panic')
  runtime
    .newHostModuleBuilder('host')
    .newFunctionBuilder()
    .withModuleFunc(
      (module, n) => {
        seen.push(module.name)
        if (n === -1) throw boom
        return 1 / n
      },
      ['i32'],
      ['i32'],
    )
    .export('div')
    .instantiate()
  runtime.instantiate(`(module $host_importer (import "host" "div" (func $div (param i32) (result i32)))
    (func $call_host_div (export "call_host_div") (param i32) (result i32) (call $div (local.get 0))))`)
  const main = runtime.instantiate(`(module $main
    (import "host_importer" "call_host_div" (func $call (param i32) (result i32)))
    (func $main (export "main") (param i32) (result i32) (call $call (local.get 0))))`)
  t.is(main.exports['main'](1), 1)
  t.is(main.exports['main'](2), 0)
  t.is(
    thrownBy(() => main.exports['main'](-1)),
    boom,
  )
  t.deepEqual(seen, ['host_importer', 'host_importer', 'host_importer'])
  t.deepEqual(
    renderTrace(wasmFramesOf(boom))
      .replaceAll(/ \(at 0x\w+\)/g, '')
      .split('\n'),
    ['', 'wasm stack trace:', '\thost.div(i32) i32', '\thost_importer.call_host_div(i32) i32', '\tmain.main(i32) i32'],
  )
})

test('memory grown in a nested call is there for the outer one, and for an object that was got before', (t) => {
  const runtime = new Runtime()
  let memory: Memory | undefined
  runtime
    .newHostModuleBuilder('env')
    .newFunctionBuilder()
    .withModuleFunc(
      (module) => {
        memory = module.memory!
        t.is(memory.pages, 0)
        module.exportedFunction('grow')!.call()
        t.is(memory.pages, 1)
        t.true(memory.writeUint32Le(65532, 77))
      },
      [],
      [],
    )
    .export('grow_memory')
    .instantiate()
  const guest = runtime.instantiate(`(module (import "env" "grow_memory" (func $host)) (memory (export "memory") 0 1000)
    (func (export "main") (result i32) (call $host) (i32.load (i32.const 65532)))
    (func (export "grow") (drop (memory.grow (i32.const 1)))))`)
  t.is(guest.exports['main'](), 77)
  t.is(memory, guest.memory)
})

test('many parameters of every kind come back as as many results', (t) => {
  const types = Array.from({ length: 20 }, () => ['i32', 'i64', 'f32', 'f64']).flat()
  const values = types.map((type, index) =>
    type === 'i64' ? BigInt(index * 10) : type === 'i32' ? index : index + 0.5,
  )
  const type = `(param ${types.join(' ')}) (result ${types.toReversed().join(' ')})`
  const runtime = new Runtime()
  runtime
    .newHostModuleBuilder('env')
    .newFunctionBuilder()
    .withFunc((...args) => args.toReversed())
    .export('swap')
    .instantiate()
  const guest = runtime.instantiate(`(module (import "env" "swap" (func $swap ${type}))
    (func (export "guest") ${type} ${types.map((_, index) => `(local.get ${types.length - 1 - index})`).join('')})
    (func (export "host") ${type} ${types.map((_, index) => `(local.get ${index})`).join('')} (call $swap)))`)
  t.deepEqual(guest.exports['guest'](...values), values.toReversed())
  t.deepEqual(guest.exports['host'](...values), values.toReversed())
})

test('a host error shows the functions that it came through, the host function first', (t) => {
  const runtime = new Runtime()
  const boom = new Error('panic in host function')
  runtime
    .newHostModuleBuilder('host')
    .newFunctionBuilder()
    .withFunc(
      () => {
        throw boom
      },
      [],
      [],
    )
    .export('cause_unreachable')
    .instantiate()
  const guest = runtime.instantiate(`(module (import "host" "cause_unreachable" (func $cause))
    (func $two (call $cause)) (func $one (call $two)) (func $main (export "main") (call $one)))`)
  t.is(
    thrownBy(() => guest.exports['main']()),
    boom,
  )
  const names = wasmFramesOf(boom).map(
    ({ moduleName = '', functionName, signature }) => `${moduleName}.${functionName}${signature}`,
  )
  t.deepEqual(names, ['host.cause_unreachable()', '.two()', '.one()', '.main()'])
  t.is(boom.message, 'panic in host function')
})

test('a trace is cut after 30 frames, and a call stack of any height unwinds', (t) => {
  const runtime = new Runtime()
  const boom = new Error('deepest')
  runtime
    .newHostModuleBuilder('env')
    .newFunctionBuilder()
    .withFunc(
      () => {
        throw boom
      },
      [],
      [],
    )
    .export('fail')
    .instantiate()
  const guest = runtime.instantiate(`(module (import "env" "fail" (func $fail))
    (func $deep (export "deep") (param i32)
      (if (i32.eqz (local.get 0)) (then (call $fail)) (else (call $deep (i32.sub (local.get 0) (i32.const 1))))))
    (func $trap (export "trap") (param i32)
      (if (i32.eqz (local.get 0)) (then (unreachable)) (else (call $trap (i32.sub (local.get 0) (i32.const 1))))))
    (func $endless (export "endless") (call $endless)))`)
  for (let round = 0; round < 3; round++) {
    t.is(
      thrownBy(() => guest.exports['deep'](2000)),
      boom,
    )
    const lines = (thrownBy(() => guest.exports['trap'](2000)) as Error).message.split('\n')
    t.is(lines.length, 33)
    t.is(lines.at(-1), '\t... maybe followed by omitted frames')
    t.like(
      thrownBy(() => guest.exports['endless']()),
      { code: 'TRAP', trapCode: 'stack-overflow' },
    )
  }
})

test('a host object goes through a guest as an externref and back unchanged; the null reference is null', (t) => {
  const runtime = new Runtime()
  const dog = { name: 'hello' }
  const seen: unknown[] = []
  runtime
    .newHostModuleBuilder('host')
    .newFunctionBuilder()
    .withFunc((ref) => (seen.push(ref), dog), ['externref'], ['externref'])
    .export('externref')
    .instantiate()
  const guest = runtime.instantiate(`(module (import "host" "externref" (func $f (param externref) (result externref)))
    (func (export "get") (result externref) (call $f (ref.null extern))))`)
  t.is(guest.exports['get'](), dog)
  t.deepEqual(seen, [null])
})
