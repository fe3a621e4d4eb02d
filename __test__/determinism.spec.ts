import test from 'ava'

import { Engine, Runtime } from '../index.mjs'

/** Operations that make NaNs, of inputs with bits of their own: their results as bits. */
const NANS = `(module
  (func (export "add") (param i64) (result i64)
    (i64.reinterpret_f64 (f64.add (f64.reinterpret_i64 (local.get 0)) (f64.const 1))))
  (func (export "sqrt") (result i64) (i64.reinterpret_f64 (f64.sqrt (f64.const -1))))
  (func (export "min") (param i32) (result i32)
    (i32.reinterpret_f32 (f32.min (f32.reinterpret_i32 (local.get 0)) (f32.const 1))))
  (func (export "lanes") (param v128) (result v128) (f32x4.mul (local.get 0) (v128.const f32x4 1 1 1 1))))`

const CANONICAL_F64 = 0x7ff8000000000000n

test('results that are NaN have the canonical bits', (t) => {
  const runtime = new Runtime({ deterministic: true })
  t.teardown(() => runtime.close())
  const { add, sqrt, min, lanes } = runtime.instantiate(NANS).exports
  for (const bits of [0x7ff8000000000001n, 0xfff8dead0000beefn, 0x7ff4000000000000n]) t.is(add(bits), CANONICAL_F64)
  t.is(sqrt(), CANONICAL_F64)
  for (const bits of [0x7fc00001, 0xffc0dead, 0x7fa00000]) t.is(min(bits), 0x7fc00000)
  const vector = new Uint8Array(new Uint32Array([0x7fc00001, 0xffc0dead, 0x3f800000, 0x7fa00000]).buffer)
  t.deepEqual([...new Uint32Array(lanes(vector).buffer)], [0x7fc00000, 0x7fc00000, 0x3f800000, 0x7fc00000])
})

test('without the option the bits are those of the processor', (t) => {
  const runtime = new Runtime()
  t.teardown(() => runtime.close())
  const { add } = runtime.instantiate(NANS).exports
  t.not(add(0xfff8dead0000beefn), CANONICAL_F64)
})

test('relaxed vector operations give the results of the deterministic profile', (t) => {
  const runtime = new Runtime({ deterministic: true })
  t.teardown(() => runtime.close())
  const { swizzle, madd, min, truncate, laneselect, dot } = runtime.instantiate(`(module
    (func (export "swizzle") (param v128 v128) (result v128) (i8x16.relaxed_swizzle (local.get 0) (local.get 1)))
    (func (export "madd") (param v128 v128 v128) (result v128)
      (f32x4.relaxed_madd (local.get 0) (local.get 1) (local.get 2)))
    (func (export "min") (param v128 v128) (result v128) (f32x4.relaxed_min (local.get 0) (local.get 1)))
    (func (export "truncate") (param v128) (result v128) (i32x4.relaxed_trunc_f32x4_s (local.get 0)))
    (func (export "laneselect") (param v128 v128 v128) (result v128)
      (i8x16.relaxed_laneselect (local.get 0) (local.get 1) (local.get 2)))
    (func (export "dot") (param v128 v128) (result v128)
      (i16x8.relaxed_dot_i8x16_i7x16_s (local.get 0) (local.get 1))))`).exports
  const bytes = (...values: number[]): Uint8Array =>
    Uint8Array.from({ length: 16 }, (_, index) => values[index % values.length] ?? 0)
  const floats = (...values: number[]): Uint8Array => new Uint8Array(new Float32Array(values).buffer)
  // An index beyond the vector gives zero, also from 16 to 127, where processors differ.
  t.deepEqual(swizzle(bytes(...Array(16).keys()), bytes(15, 16, 127, 128)), bytes(15, 0, 0, 0))
  // Rounded once: with an intermediate rounding the result would be 0.
  const one = Math.fround(1 + 2 ** -12)
  const product = Math.fround(one * one)
  t.deepEqual(
    [...new Float32Array(madd(floats(one, 1, 2, 3), floats(one, 1, 2, 3), floats(-product, 1, 1, 1)).buffer)],
    [2 ** -24, 2, 5, 10],
  )
  // -0 is less than 0, and a NaN on either side wins.
  const least = new Uint32Array(min(floats(0, -0, NaN, 1), floats(-0, 0, 1, NaN)).buffer)
  t.deepEqual([...least], [0x80000000, 0x80000000, 0x7fc00000, 0x7fc00000])
  t.deepEqual([...new Int32Array(truncate(floats(NaN, 3e9, -3e9, -1.9)).buffer)], [0, 2 ** 31 - 1, -(2 ** 31), -1])
  t.deepEqual(laneselect(bytes(0xff), bytes(0x00), bytes(0x80, 0x7f, 0xf0, 0x01)), bytes(0x80, 0x7f, 0xf0, 0x01))
  t.deepEqual([...new Int16Array(dot(bytes(0x80), bytes(0x7f)).buffer)], Array(8).fill(-128 * 127 * 2))
})

test('options that contradict it are refused, others may be given', (t) => {
  const needed = { nanCanonicalization: true, relaxedSimdDeterministic: true, sharedMemory: false }
  for (const [name, value] of Object.entries(needed)) {
    t.throws(() => new Engine({ deterministic: true, [name]: !value }), {
      instanceOf: TypeError,
      message: `options.deterministic needs ${name}: ${value}, but options.${name} is ${!value}; leave one of them out`,
    })
    t.notThrows(() => new Engine({ deterministic: true, [name]: value }))
    t.notThrows(() => new Engine({ deterministic: false, [name]: !value }))
  }
  t.throws(() => new Engine({ deterministic: 1 as never }), { instanceOf: TypeError, message: /must be a boolean/ })
})

test('a deterministic guest cannot share its memory with other threads', (t) => {
  const runtime = new Runtime({ deterministic: true })
  t.teardown(() => runtime.close())
  t.throws(() => runtime.instantiate('(module (memory 1 1 shared))'), { message: /shared/ })
})
