import test from 'ava'

import wasmtime from '../index.js'

import { resizableBuffer } from './support/odd-values.ts'
import { instantiate, thrownBy } from './support/wat.ts'

const { ArgumentError, ArgumentRangeError, Engine, Func, Store } = wasmtime
const { decodeF32, decodeF64, decodeI32, encodeF32, encodeF64, encodeI32, encodeI64 } = wasmtime.api

const numbers = instantiate(`(module
  (func (export "none"))
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "i32") (param i32) (result i32) (local.get 0))
  (func (export "i64") (param i64) (result i64) (local.get 0))
  (func (export "f32") (param f32) (result f32) (local.get 0))
  (func (export "f64") (param f64) (result f64) (local.get 0))
  (func (export "v128") (param v128) (result v128) (local.get 0))
  (func (export "externref") (param externref) (result externref) (local.get 0))
  (func (export "funcref") (param funcref) (result funcref) (local.get 0))
  (func (export "mixed") (param i32 i64 f32 f64 v128) (result v128 f64 f32 i64 i32)
    (local.get 4) (local.get 3) (local.get 2) (local.get 1) (local.get 0))
  (func (export "grow") (result i32 i32 i32 i32) (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4)))`)
const func = (name: string) => numbers.instance.getFunc(name)!

test('call, callWith and the plain function do the same', (t) => {
  t.is(func('add').call(1, 2), 3)
  t.is(func('add').callWith({}, 1, 2), 3)
  t.is(func('add').callWith(undefined as never, 1, 2), 3)
  t.is(func('add').function(1, 2), 3)
  t.is(func('none').call(), undefined)
})

test('the plain function is the same every time and needs no receiver', (t) => {
  const { function: add } = func('add')
  t.is(add, func('add').function)
  t.is(Reflect.apply(add, undefined, [2, 2]), 4)
  t.is(Reflect.apply(add, Symbol('this'), [2, 3]), 5)
  t.deepEqual([[1, 2]].map(([left, right]) => add(left, right)), [3]) // prettier-ignore
})

test('the plain function has a name and a length, and is no constructor, as in other hosts of wasm', (t) => {
  const names = ['', '__proto__', 'constructor', 'name', '0', 'a b', 'async']
  const params = [
    '',
    ' i32',
    ' i32 i32',
    ' i32 i32 i32',
    ' i32 i32 i32 i32',
    ' i32 i32 i32 i32 i32',
    ' i64 i64 i64 i64 i64 i64',
  ]
  const { instance } = instantiate(
    `(module ${names.map((name, i) => `(func (export "${name}") (param${params[i]}))`).join('')})`,
  )
  for (const [length, name] of names.entries()) {
    const plain: any = instance.getFunc(name)?.function
    t.deepEqual([plain.name, plain.length], [name, length])
    t.false('prototype' in plain)
    t.throws(() => new plain(), { instanceOf: TypeError, message: /not a constructor/ })
    t.throws(() => plain(...Array.from({ length: length + 1 }, () => 0)), { instanceOf: ArgumentError })
    t.throws(() => (plain.name = 'other'))
  }
})

test('what only has the prototype of a Func is no reference to a function', (t) => {
  const [store, index] = Object.getOwnPropertySymbols(Func.prototype)
  t.truthy(store && index)
  const add: any = func('add')
  for (const forged of [
    Object.create(Func.prototype),
    Object.create(add),
    Object.defineProperty({}, store as symbol, { value: add[store as symbol] }),
  ]) {
    t.throws(() => func('funcref').call(forged), { instanceOf: ArgumentError })
  }
  t.is(func('funcref').call(add), add)
  t.is(func('funcref').call(add.function), add)
})

test('the type is frozen and tells parameters and results', (t) => {
  const { type } = func('mixed')
  t.deepEqual(type, { params: ['i32', 'i64', 'f32', 'f64', 'v128'], results: ['v128', 'f64', 'f32', 'i64', 'i32'] })
  t.true(Object.isFrozen(type) && Object.isFrozen(type.params) && Object.isFrozen(type.results))
  t.is(type, func('mixed').type)
})

test('a wrong number of arguments is refused with the number expected', (t) => {
  const { call } = Func.prototype
  for (const args of [[], [1], [1, 2, 3], [1, 2, undefined], Array.from({ length: 20 }, () => 1)]) {
    const error = t.throws(() => Reflect.apply(call, func('add'), args), { instanceOf: ArgumentError })
    t.true(error?.message.includes('add'), error?.message)
    t.true(error?.message.includes(`expected 2 params, but passed ${args.length}`), error?.message)
  }
})

test('an argument of a wrong type is refused with its place, for every value type', (t) => {
  const object = { valueOf: () => 1, toString: () => '1', [Symbol.toPrimitive]: () => 1 }
  const wrong: Record<string, unknown[]> = {
    i32: [undefined, null, true, '1', 1n, {}, object, [1], Symbol('s'), () => 1, new Number(1)], // oxlint-disable-line no-new-wrappers
    i64: [undefined, null, true, '1', 1, {}, object, Symbol('s'), Object(1n)],
    f32: [undefined, null, true, '1', 1n, object],
    f64: [undefined, null, true, '1', 1n, object],
    v128: [undefined, null, 1, 1n, new Uint8Array(15), new Uint8Array(17), new Uint16Array(8), Array.from({ length: 16 }, () => 0),
      new DataView(new ArrayBuffer(16)), new ArrayBuffer(16), 'x'.repeat(16)], // prettier-ignore
    funcref: [undefined, 1, 'x', {}, () => 1, Symbol('s'), 1n],
  }
  for (const [type, values] of Object.entries(wrong)) {
    for (const value of values) {
      const error = t.throws(() => func(type).call(value), { instanceOf: ArgumentError, code: 'INVALID_ARGUMENT' })
      t.regex(
        error?.message ?? '',
        new RegExp(`${type}.*param\\[0\\].*expected .*${type}.*, got `),
        `${type} ${String(value)}`,
      )
    }
  }
  t.throws(() => func('add').call(1, '2'), { message: /param\[1\]/ })
})

test('a value from another store is no function here', (t) => {
  const other = instantiate('(module (func (export "f")))')
  t.throws(() => func('funcref').call(other.instance.getFunc('f')), {
    instanceOf: ArgumentError,
    message: /same store/,
  })
  t.throws(() => func('funcref').call(other.exports['f']), { instanceOf: ArgumentError })
})

test('callWith checks its options, and refuses a context where there is none', (t) => {
  for (const bad of [null, 1, 'x', () => 1]) {
    t.throws(() => func('add').callWith(bad as never, 1, 2), { message: /^options must be an object/ })
  }
  t.throws(() => func('add').callWith({ timeout: 1 } as never, 1, 2), { message: /^options\.timeout is not an option/ })
  t.throws(() => func('add').callWith({ context: 1 }, 1, 2), {
    instanceOf: ArgumentError,
    message: /^options\.context/,
  })
})

test('callWith sets the context of a module instance for one call, also when it throws', (t) => {
  const runtime = new wasmtime.Runtime()
  const seen: unknown[] = []
  runtime
    .newHostModuleBuilder('m')
    .newFunctionBuilder()
    .withModuleFunc((module) => void seen.push(module.context), [], [])
    .export('f')
    .instantiate()
  const guest = runtime.instantiate(
    '(module (import "m" "f" (func)) (export "f" (func 0)) (func (export "bad") (call 0) unreachable) (func (export "g") (call 0)))',
    { context: 'outer' },
  )
  const g = guest.exportedFunction('g')!
  g.call()
  g.callWith({ context: 'inner' })
  g.callWith({ context: undefined })
  t.throws(() => guest.exportedFunction('bad')!.callWith({ context: 'bad' }), { instanceOf: wasmtime.TrapError })
  g.callWith({})
  t.deepEqual(seen, ['outer', 'inner', undefined, 'bad', 'outer'])
  runtime.close()
})

test('a raw stack has parameters from index 0, then results from index 0', (t) => {
  const stack = new BigUint64Array([encodeI32(-5), encodeI32(7), 99n])
  func('add').callWithStack(stack)
  t.deepEqual([...stack], [2n, 7n, 99n])
  stack[0] = encodeI32(-5)
  stack[1] = encodeI32(3)
  func('add').callWithStack(stack)
  t.is(stack[0], 0xfffffffen, 'an i32 is zero-extended')
  t.is(decodeI32(stack[0]), -2)
})

test('a raw stack holds every numeric type, a v128 in two elements', (t) => {
  const stack = new BigUint64Array(8).fill(77n)
  stack.set([encodeI32(-1), encodeI64(-2n), encodeF32(0.5), encodeF64(-0.25), 0x0123n, 0xfedcn])
  func('mixed').callWithStack(stack)
  t.deepEqual([stack[0], stack[1]], [0x0123n, 0xfedcn])
  t.is(decodeF64(stack[2]!), -0.25)
  t.is(decodeF32(stack[3]!), 0.5)
  t.is(stack[4], 2n ** 64n - 2n)
  t.is(stack[5], 0xffffffffn)
  t.deepEqual([stack[6], stack[7]], [77n, 77n])
})

test('above the low half of a 32-bit value, bits are ignored', (t) => {
  const stack = new BigUint64Array([0xdeadbeef_00000001n, 0xffffffff_00000002n])
  func('add').callWithStack(stack)
  t.is(stack[0], 3n)
})

test('a raw stack that is too short is refused before the call', (t) => {
  for (const length of [0, 1]) {
    const stack = new BigUint64Array(length)
    t.throws(() => func('add').callWithStack(stack), {
      instanceOf: ArgumentRangeError,
      message: /2 params.*stack size is/,
    })
  }
  t.throws(() => func('grow').callWithStack(new BigUint64Array(3)), {
    instanceOf: RangeError,
    message: /4 results.*size is 3/,
  })
  t.throws(() => func('v128').callWithStack(new BigUint64Array(1)), { instanceOf: RangeError })
  t.notThrows(() => func('none').callWithStack(new BigUint64Array(0)))
  t.notThrows(() => func('v128').callWithStack(new BigUint64Array(2)))
})

test('a part of a buffer serves as a stack, and nothing around it is touched', (t) => {
  const whole = new BigUint64Array(6).fill(5n)
  const stack = whole.subarray(2, 4)
  stack.set([1n, 2n])
  func('add').callWithStack(stack)
  t.deepEqual([...whole], [5n, 5n, 3n, 2n, 5n, 5n])
  const shared = new BigUint64Array(new SharedArrayBuffer(16))
  shared.set([4n, 5n])
  func('add').callWithStack(shared)
  t.is(shared[0], 9n)
})

test('a stack that is no BigUint64Array, or a function with references, is refused', (t) => {
  const bad = [
    undefined,
    null,
    1,
    [1n, 2n],
    new BigInt64Array(2),
    new Float64Array(2),
    new Uint8Array(16),
    new ArrayBuffer(16),
    {},
  ]
  for (const stack of bad) t.throws(() => func('add').callWithStack(stack as never), { instanceOf: ArgumentError })
  for (const name of ['externref', 'funcref']) {
    t.throws(() => func(name).callWithStack(new BigUint64Array(4)), {
      instanceOf: ArgumentError,
      message: /references/,
    })
  }
})

test('a stack that is detached or shrinks during the call is an error, not a write into freed memory', (t) => {
  let during = () => {}
  const { instance } = instantiate(
    `(module (import "m" "f" (func $f)) (func (export "run") (param i64 i64) (result i64 i64) (call $f) (local.get 1) (local.get 0)))`,
    (linker) => linker.func('m', 'f', { params: [], results: [] }, () => during()),
  )
  const run = instance.getFunc('run')!
  const detached = new BigUint64Array([1n, 2n])
  during = () => structuredClone(detached.buffer, { transfer: [detached.buffer] })
  t.throws(() => run.callWithStack(detached), { instanceOf: RangeError })
  t.throws(() => run.callWithStack(detached), { instanceOf: RangeError })

  const buffer = resizableBuffer(32, 1024)
  const tracking = new BigUint64Array(buffer)
  if (buffer.resize !== undefined) {
    during = () => buffer.resize?.(8)
    tracking.set([1n, 2n])
    t.throws(() => run.callWithStack(tracking), { instanceOf: RangeError })
    t.is(tracking[0], 1n)
    during = () => buffer.resize?.(1024)
    buffer.resize(16)
    tracking.set([1n, 2n])
    run.callWithStack(tracking)
    t.deepEqual([...tracking.subarray(0, 3)], [2n, 1n, 0n])
  }
  during = () => {}
  const fine = new BigUint64Array([1n, 2n])
  run.callWithStack(fine)
  t.deepEqual([...fine], [2n, 1n])
})

test('a function is made from a JavaScript function and can be called from both sides', (t) => {
  const store = new Store(numbers.engine)
  const add = new Func(
    store,
    { params: ['i32', wasmtime.ValueType.I64], results: ['i64'] },
    (left: any, right: any) => BigInt(left) + right,
  )
  t.deepEqual(add.type, { params: ['i32', 'i64'], results: ['i64'] })
  t.is(add.call(1, 2n), 3n)
  t.is(add.function(2, 2n), 4n)
  t.is(add.function, add.function)
  const stack = new BigUint64Array([encodeI32(-1), encodeI64(-1n)])
  add.callWithStack(stack)
  t.is(stack[0], 2n ** 64n - 2n)
  t.throws(() => add.call(1), { instanceOf: ArgumentError })
})

test('what a new function needs is checked', (t) => {
  const store = new Store(new Engine())
  const type = { params: [], results: [] }
  for (const bad of [undefined, null, {}, 1, Store]) {
    t.throws(() => new Func(bad as never, type, () => {}), { message: /^store must be a Store/ })
  }
  for (const bad of [undefined, null, 1, 'i32']) {
    t.throws(() => new Func(store, bad as never, () => {}), { message: /^type must be an object/ })
  }
  t.throws(() => new Func(store, { params: ['x' as never], results: [] }, () => {}), { message: /^type\.params\[0\]/ })
  t.throws(
    () => new Func(store, { params: Array.from({ length: 1001 }, () => 'i32' as const), results: [] }, () => {}),
    {
      instanceOf: RangeError,
    },
  )
  for (const bad of [undefined, null, {}, 'f']) {
    t.throws(() => new Func(store, type, bad as never), { message: /^callback must be a function/ })
  }
})

test('a function that goes through wasm is the same Func afterwards', (t) => {
  const own = new Func(numbers.store, { params: [], results: ['i32'] }, () => 9)
  t.is(func('funcref').call(own), own)
  t.is(func('funcref').call(own.function), own, 'a plain function stands for its Func')
  t.is(func('funcref').call(func('add')), func('add'))
  t.is(func('funcref').call(numbers.exports['add']), func('add'))
  t.is(func('funcref').call(null), null)
})

test('methods with a wrong receiver throw a TypeError', (t) => {
  const { call, callWith, callWithStack } = Func.prototype
  for (const receiver of [undefined, null, {}, numbers.exports['add'], Object.create(func('add'))]) {
    for (const method of [call, callWith, callWithStack] as ((...args: any[]) => unknown)[]) {
      t.true(thrownBy(() => Reflect.apply(method, receiver, [{}, 1])) instanceof TypeError)
    }
  }
})
