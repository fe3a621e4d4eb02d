import test from 'ava'

import wasmtime from '../index.js'
import type { ValueTypeName } from '../index.js'

import { oddValues } from './support/odd-values.ts'
import { instantiate } from './support/wat.ts'

const { ArgumentError, Func } = wasmtime

/** A guest that passes a value of every type through itself, and through a host function that passes it on. */
const types: readonly ValueTypeName[] = ['i32', 'i64', 'f32', 'f64', 'v128', 'externref', 'funcref']
const seen: unknown[] = []
const guest = instantiate(
  `(module ${types.map((type) => `(import "m" "${type}" (func $${type} (param ${type}) (result ${type})))`).join('\n')}
  ${types.map((type) => `(func (export "${type}") (param ${type}) (result ${type}) (local.get 0))
    (func (export "host ${type}") (param ${type}) (result ${type}) (call $${type} (local.get 0)))`).join('\n')})`, // prettier-ignore
  (linker) => {
    for (const type of types) {
      linker.func('m', type, { params: [type], results: [type] }, (value: unknown) => {
        seen.push(value)
        return value as never
      })
    }
  },
)

/** What comes back from the guest, and what the host function got; both must be the same. */
function pass(type: ValueTypeName, value: unknown): { direct: unknown; throughHost: unknown; inHost: unknown } {
  seen.length = 0
  const direct: unknown = guest.exports[type](value)
  const throughHost: unknown = guest.exports[`host ${type}`](value)
  return { direct, throughHost, inHost: seen[0] }
}

function same(
  t: { is(left: unknown, right: unknown, message?: string): unknown },
  type: ValueTypeName,
  value: unknown,
  expected: unknown,
) {
  const { direct, throughHost, inHost } = pass(type, value)
  const label = `${type} ${typeof value === 'symbol' ? 'symbol' : typeof value}`
  t.is(direct, expected, label)
  t.is(throughHost, expected, label)
  t.is(inHost, expected, label)
}

test('an i32 is wrapped to 32 bits with a sign, both ways', (t) => {
  const values = [0, 1, -1, 2 ** 31 - 1, 2 ** 31, -(2 ** 31), -(2 ** 31) - 1, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 5, 1.9, -1.9, NaN,
    Infinity, -Infinity, -0, 2 ** 53, 2 ** 53 + 2, 1e20, -1e20, 1e300, 2 ** 63, 2 ** 64, Number.MIN_VALUE] // prettier-ignore
  for (const value of values) same(t, 'i32', value, value | 0)
})

test('an i64 is wrapped to 64 bits with a sign, both ways', (t) => {
  const edge = 2n ** 63n
  const values = [0n, 1n, -1n, edge - 1n, edge, -edge, -edge - 1n, 2n ** 64n - 1n, 2n ** 64n, 2n ** 64n + 7n, -(2n ** 64n), -(2n ** 64n) - 3n,
    2n ** 200n + 9n, -(2n ** 200n) - 9n, 2n ** 1000n - 1n] // prettier-ignore
  for (const value of values) same(t, 'i64', value, BigInt.asIntN(64, value))
})

test('an f32 is rounded to the nearest float', (t) => {
  const values = [0, -0, 1, -1.5, 0.1, 16777217, 1e-45, 1e-46, -1e-46, 3.4028234663852886e38, 3.4028236e38, 1e300, -1e300, NaN,
    Infinity, -Infinity, Number.MAX_SAFE_INTEGER, Math.PI] // prettier-ignore
  for (const value of values) same(t, 'f32', value, Math.fround(value))
})

test('an f64 is the number itself', (t) => {
  const values = [
    0,
    -0,
    0.1,
    Math.PI,
    Number.MAX_VALUE,
    Number.MIN_VALUE,
    Number.EPSILON,
    2 ** 53,
    -(2 ** 53),
    NaN,
    Infinity,
    -Infinity,
  ]
  for (const value of values) same(t, 'f64', value, value)
})

test('a v128 is 16 bytes, copied both ways', (t) => {
  const bytes = Uint8Array.from({ length: 16 }, (_, index) => 255 - index)
  for (const value of [bytes, Buffer.from(bytes), new Uint8Array(32).fill(3).subarray(8, 24), new Uint8Array(16)]) {
    const { direct, throughHost, inHost } = pass('v128', value)
    for (const result of [direct, throughHost, inHost]) {
      t.true(result instanceof Uint8Array)
      t.deepEqual([...(result as Uint8Array)], [...value])
      t.not(result, value)
      t.is((result as Uint8Array).byteLength, 16)
    }
  }
  const shared = new Uint8Array(new SharedArrayBuffer(16)).fill(9)
  t.deepEqual(guest.exports['v128'](shared), new Uint8Array(16).fill(9))
})

test('the lanes of a v128 are little-endian', (t) => {
  const { exports } = instantiate(`(module (func (export "lanes") (param v128) (result i32 i32 i32 i32)
    (i32x4.extract_lane 0 (local.get 0)) (i32x4.extract_lane 1 (local.get 0)) (i32x4.extract_lane 2 (local.get 0)) (i32x4.extract_lane 3 (local.get 0))))`)
  t.deepEqual(exports['lanes'](new Uint8Array(Int32Array.of(1, -2, 3, -4).buffer)), [1, -2, 3, -4])
})

test('an externref is the very value, whatever it is', (t) => {
  for (const [label, make] of oddValues) {
    const value: unknown = make()
    const { direct, throughHost, inHost } = pass('externref', value)
    for (const result of [direct, throughHost, inHost]) t.true(Object.is(result, value), label)
  }
})

test('null and undefined stay apart in an externref', (t) => {
  const { exports } = instantiate(
    '(module (func (export "isNull") (param externref) (result i32) (ref.is_null (local.get 0))) (func (export "null") (result externref) (ref.null extern)))',
  )
  t.is(exports['isNull'](null), 1)
  t.is(exports['isNull'](undefined), 0)
  t.is(exports['isNull'](0), 0)
  t.is(exports['null'](), null)
})

test('ten thousand values in flight keep their identity', (t) => {
  for (let index = 0; index < 10_000; index++) {
    const value = { index }
    if (guest.exports['externref'](value) !== value) t.fail(String(index))
    if (guest.exports['host externref'](value) !== value) t.fail(String(index))
  }
  guest.store.gc()
  const value = Symbol('after')
  t.is(guest.exports['externref'](value), value)
})

test('a funcref is the Func itself; one of another store is refused', (t) => {
  const own = new Func(guest.store, { params: [], results: [] }, () => {})
  same(t, 'funcref', own, own)
  same(t, 'funcref', own.function, own)
  same(t, 'funcref', guest.exports['i32'], guest.instance.getFunc('i32'))
  same(t, 'funcref', null, null)
  const foreign = instantiate('(module (func (export "f")))').instance.getFunc('f')!
  for (const bad of [foreign, foreign.function, () => 1, undefined, {}, new Proxy(own, {}), 1]) {
    if (bad instanceof Func && bad !== foreign) continue
    t.throws(() => guest.exports['funcref'](bad), { instanceOf: ArgumentError, message: /a Func of the same store/ })
  }
})

test('a host function that returns a function of another store is a TypeError', (t) => {
  const foreign = instantiate('(module (func (export "f")))').instance.getFunc('f')
  const { exports } = instantiate('(module (import "m" "f" (func (result funcref))) (export "f" (func 0)))', (linker) =>
    linker.func('m', 'f', undefined, () => foreign),
  )
  t.throws(() => exports['f'](), { instanceOf: ArgumentError, message: /m\.f.*a Func of the same store/ })
})

test('several results are an array, both ways, in the order of the type', (t) => {
  const value = Symbol('value')
  const { exports } = instantiate(
    `(module (import "m" "f" (func $f (param i32 i64 f32 f64 externref) (result externref f64 f32 i64 i32)))
      (func (export "f") (param i32 i64 f32 f64 externref) (result externref f64 f32 i64 i32)
        (call $f (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4))))`,
    (linker) => linker.func('m', 'f', undefined, (...args: unknown[]) => args.toReversed()),
  )
  t.deepEqual(exports['f'](1, 2n, 0.5, 0.25, value), [value, 0.25, 0.5, 2n, 1])
})

test('a number beside a reference is right after a host call without arguments', (t) => {
  const { exports } = instantiate(
    `(module (import "m" "f" (func $f)) (func (export "run") (param externref) (result i32 f64 externref)
      (call $f) (i32.const 4) (f64.const 2.5) (local.get 0)))`,
    (linker) => linker.func('m', 'f', { params: [], results: [] }, () => {}),
  )
  for (let round = 0; round < 10; round++) t.deepEqual(exports['run']('x'), [4, 2.5, 'x'])
})

test('results beside a reference are right after several host calls', (t) => {
  const value = { some: 'value' }
  const { exports } = instantiate(
    `(module (import "m" "f" (func $f)) (import "m" "g" (func $g (param externref) (result externref)))
      (func (export "run") (param externref) (result i32 i64 f64 v128 externref funcref)
        (call $f) (drop (call $g (local.get 0))) (i32.const 4) (i64.const 5) (f64.const 2.5) (v128.const i32x4 1 0 0 0)
        (call $g (local.get 0)) (ref.null func)))`,
    (linker) => {
      linker.func('m', 'f', { params: [], results: [] }, () => {})
      linker.func('m', 'g', { params: ['externref'], results: ['externref'] }, (given: unknown) => given)
    },
  )
  for (let round = 0; round < 100; round++) {
    t.deepEqual(exports['run'](value), [
      4,
      5n,
      2.5,
      Uint8Array.from({ length: 16 }, (_, index) => (index === 0 ? 1 : 0)),
      value,
      null,
    ])
  }
})

for (const type of ['i32', 'i64', 'f64', 'externref'] as const) {
  test(`a thousand parameters and results of type ${type} arrive in order`, (t) => {
    const list = Array.from({ length: 1000 }, () => type)
    const value = (index: number) => (type === 'i64' ? BigInt(index) : type === 'externref' ? `value ${index}` : index)
    const values = list.map((_, index) => value(index))
    const text = list.join(' ')
    const { exports, instance } = instantiate(
      `(module (import "m" "f" (func $f (param ${text}) (result ${text})))
        (func (export "f") (param ${text}) (result ${text}) ${list.map((_, index) => `(local.get ${index})`).join('')} (call $f)))`,
      (linker) => linker.func('m', 'f', { params: list, results: list }, (...args: any[]) => args as any),
    )
    t.deepEqual(exports['f'](...values), values)
    if (type === 'i64') {
      const stack = BigUint64Array.from(values as bigint[])
      instance.getFunc('f')!.callWithStack(stack)
      t.deepEqual([...stack], values)
    }
    t.throws(() => exports['f'](...values.slice(1)), {
      instanceOf: ArgumentError,
      message: /expected 1000 params, but passed 999/,
    })
  })
}

test('NaN payloads survive on a raw stack', (t) => {
  const { instance } = instantiate(
    '(module (func (export "f") (param f32 f64) (result f32 f64) (local.get 0) (local.get 1)))',
  )
  const stack = BigUint64Array.of(0x7fa00001n, 0x7ff4000000000123n)
  instance.getFunc('f')!.callWithStack(stack)
  t.deepEqual([...stack], [0x7fa00001n, 0x7ff4000000000123n])
})
