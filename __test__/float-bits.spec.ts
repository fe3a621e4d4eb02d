import test from 'ava'

import wasmtime from '../index.js'

import { instantiate } from './support/wat.ts'

const { ArgumentError, ClosedError, Engine, Global, Linker, Module, Store, TrapError } = wasmtime
const engine = new Engine()

/** NaNs that a JavaScript number does not tell apart, or makes quiet. */
const f32s = [0x7fc0_0000n, 0xffc0_0000n, 0x7fa0_0001n, 0xff80_0001n, 0x7fff_ffffn, 0x8000_0000n, 0n, 0x3f80_0000n]
const f64s = [0x7ff8_0000_0000_0000n, 0xfff4_0000_0000_0001n, 0x7ff0_0000_0000_0001n, 1n << 63n, 0x3ff0_0000_0000_0000n]

const GUEST = `(module
  (import "m" "pass" (func $pass (param f32 f64 externref) (result externref f64 f32)))
  (func (export "f32") (param f32) (result f32) (local.get 0))
  (func (export "f64") (param f64) (result f64) (local.get 0))
  (func (export "mixed") (param f32 externref f64 i32 i64 v128) (result v128 i64 i32 f64 externref f32)
    (local.get 5) (local.get 4) (local.get 3) (local.get 2) (local.get 1) (local.get 0))
  (func (export "host") (param f32 f64 externref) (result externref f64 f32)
    (call $pass (local.get 0) (local.get 1) (local.get 2)))
  (func (export "trap") (param f32) unreachable)
  (func (export "none"))
  (func (export "func") (param f64 funcref) (result funcref f64) (local.get 1) (local.get 0))
  (memory (export "memory") 1))`

const VECTOR = Uint8Array.from({ length: 16 }, (_, index) => index * 17)

function makeSync() {
  return instantiate(GUEST, (linker) =>
    linker.func(
      'm',
      'pass',
      { params: ['f32', 'f64', 'externref'], results: ['externref', 'f64', 'f32'] },
      (f, d, e) => [e, d, f],
    ),
  ).instance
}

async function makeAsync() {
  const store = new Store(engine)
  const linker = new Linker(engine)
  linker.func(
    'm',
    'pass',
    { params: ['f32', 'f64', 'externref'], results: ['externref', 'f64', 'f32'] },
    async (f, d, e) => [e, d, f],
  )
  return linker.instantiateAsync(store, Module.compileSync(engine, GUEST))
}

for (const mode of ['sync', 'async'] as const) {
  const make = async () => (mode === 'sync' ? makeSync() : makeAsync())

  test(`callBits keeps every bit of a float, in ${mode} mode`, async (t) => {
    const instance = await make()
    for (const bits of f32s) t.is(instance.getFunc('f32')?.callBits(bits), bits)
    for (const bits of f64s) t.is(instance.getFunc('f64')?.callBits(bits), bits)
  })

  test(`callWithStack keeps every bit of a float, in ${mode} mode`, async (t) => {
    const instance = await make()
    for (const [name, values] of [
      ['f32', f32s],
      ['f64', f64s],
    ] as const) {
      for (const bits of values) {
        const stack = new BigUint64Array([bits])
        instance.getFunc(name)?.callWithStack(stack)
        t.is(stack[0], bits)
      }
    }
  })

  test(`callBits passes all other types as call does, in ${mode} mode`, async (t) => {
    const instance = await make()
    const reference = { a: 1 }
    const results = instance
      .getFunc('mixed')
      ?.callBits(0xffa0_0001n, reference, 0xfff4_0000_0000_0001n, -1, -2n, VECTOR)
    t.deepEqual(results, [VECTOR, -2n, -1, 0xfff4_0000_0000_0001n, reference, 0xffa0_0001n])
    t.is(results[4], reference)
    const f = instance.getFunc('f32')
    const [func, nan] = instance.getFunc('func')?.callBits(0x7ff0_0000_0000_0001n, f) ?? []
    t.is(func, f)
    t.is(nan, 0x7ff0_0000_0000_0001n)
    t.is(instance.getFunc('none')?.callBits(), undefined)
  })

  test(`callBits ignores what lies above the bits of the type, in ${mode} mode`, async (t) => {
    const instance = await make()
    t.is(instance.getFunc('f32')?.callBits(-1n), 0xffff_ffffn)
    t.is(instance.getFunc('f32')?.callBits((1n << 40n) | 5n), 5n)
    t.is(instance.getFunc('f64')?.callBits((1n << 64n) | 6n), 6n)
  })

  test(`callBits refuses what is no bigint, and a wrong number of arguments, in ${mode} mode`, async (t) => {
    const func = (await make()).getFunc('mixed')
    const message = /param\[0\] expected a bigint, the bits of an f32, got the number 1/
    t.throws(() => func?.callBits(1, null, 0n, 0, 0n, VECTOR), { instanceOf: ArgumentError, message })
    t.throws(() => func?.callBits(0n, null, 0, 0, 0n, VECTOR), { instanceOf: ArgumentError, message: /bits of an f64/ })
    t.throws(() => func?.callBits(0n, null, 0n, 0n, 0n, VECTOR), {
      instanceOf: ArgumentError,
      message: /a number \(i32\)/,
    })
    t.throws(() => func?.callBits(0n), { instanceOf: ArgumentError, message: /expected 6 params, but passed 1/ })
  })

  test(`callBits throws what call throws, in ${mode} mode`, async (t) => {
    const instance = await make()
    const error = t.throws(() => instance.getFunc('trap')?.callBits(0n), { instanceOf: TrapError })
    t.is(error.trapCode, 'unreachable')
    const func = instance.getFunc('f32')
    instance.store.close()
    t.throws(() => func?.callBits(0n), { instanceOf: ClosedError })
  })
}

test('callBitsAsync keeps every bit, and waits for the promises of host functions', async (t) => {
  const instance = await makeAsync()
  for (const bits of f32s) t.is(await instance.getFunc('f32')?.callBitsAsync(bits), bits)
  for (const bits of f64s) t.is(await instance.getFunc('f64')?.callBitsAsync(bits), bits)
  const reference = {}
  const mixed = instance.getFunc('mixed')?.callBitsAsync(0x7fa0_0001n, reference, 0x7ff0_0000_0000_0001n, 1, 2n, VECTOR)
  t.deepEqual(await mixed, [VECTOR, 2n, 1, 0x7ff0_0000_0000_0001n, reference, 0x7fa0_0001n])
  // The host function sees numbers, so 1.5 and 0.25 it is.
  const results = await instance.getFunc('host')?.callBitsAsync(0x3fc0_0000n, 0x3fd0_0000_0000_0000n, reference)
  t.deepEqual(results, [reference, 0x3fd0_0000_0000_0000n, 0x3fc0_0000n])
})

test('callBitsAsync is rejected for wrong arguments, and in sync mode', async (t) => {
  const instance = await makeAsync()
  await t.throwsAsync(async () => instance.getFunc('f32')?.callBitsAsync(1), {
    instanceOf: ArgumentError,
    message: /bits of an f32/,
  })
  await t.throwsAsync(async () => instance.getFunc('trap')?.callBitsAsync(0n), { instanceOf: TrapError })
  await t.throwsAsync(async () => makeSync().getFunc('f32')?.callBitsAsync(0n), {
    instanceOf: ArgumentError,
    message: /sync mode/,
  })
})

test('the bits of a global are exact, and can be set', (t) => {
  const store = new Store(engine)
  const f32 = new Global(store, { content: 'f32', mutable: true }, 1)
  t.is(f32.bits, 0x3f80_0000n)
  for (const bits of f32s) {
    f32.bits = bits
    t.is(f32.bits, bits)
  }
  f32.bits = -1n
  t.is(f32.bits, 0xffff_ffffn)
  const f64 = new Global(store, { content: 'f64', mutable: true }, 1)
  for (const bits of f64s) {
    f64.bits = bits
    t.is(f64.bits, bits)
  }
  const i32 = new Global(store, { content: 'i32', mutable: true }, -1)
  t.is(i32.bits, 0xffff_ffffn)
  i32.bits = 0x1_8000_0000n
  t.is(i32.value, -(2 ** 31))
  const i64 = new Global(store, { content: 'i64', mutable: true }, -1n)
  t.is(i64.bits, 2n ** 64n - 1n)
  i64.bits = 2n ** 63n
  t.is(i64.value, -(2n ** 63n))
  const v128 = new Global(store, { content: 'v128', mutable: true }, VECTOR)
  t.is(v128.bits, 0xffee_ddcc_bbaa_9988_7766_5544_3322_1100n)
  v128.bits = 0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10n
  t.deepEqual(
    v128.value,
    Uint8Array.from({ length: 16 }, (_, index) => 16 - index),
  )
})

test('the bits of a guest global are those that the guest sees', (t) => {
  const { exports } = instantiate(`(module
    (global $f (export "f") (mut f32) (f32.const nan:0x200001))
    (func (export "get") (result i32) (i32.reinterpret_f32 (global.get $f))))`)
  t.is(exports['f'].bits, 0x7fa0_0001n)
  exports['f'].bits = 0xffa0_0002n
  t.is(exports['get']() >>> 0, 0xffa0_0002)
})

test('the bits of a global are refused where there are none, where it is immutable, and to what is no bigint', (t) => {
  const store = new Store(engine)
  const reference = new Global(store, { content: 'externref', mutable: true }, null)
  t.throws(() => reference.bits, { instanceOf: ArgumentError, message: /externref has no bits/ })
  t.throws(() => (reference.bits = 0n), { instanceOf: ArgumentError, message: /externref has no bits/ })
  for (const content of ['i32', 'i64', 'f32', 'f64', 'v128'] as const) {
    const value = content === 'i64' ? 0n : content === 'v128' ? VECTOR : 0
    const constant = new Global<any>(store, { content }, value)
    t.throws(() => (constant.bits = 0n), { instanceOf: ArgumentError, message: /immutable/ }, content)
    const variable = new Global<any>(store, { content, mutable: true }, value)
    t.throws(() => ((variable as any).bits = 1), { instanceOf: ArgumentError, message: /must be a bigint/ }, content)
  }
  const closed = new Global(store, { content: 'f32', mutable: true }, 1)
  store.close()
  t.throws(() => closed.bits, { instanceOf: ClosedError })
  t.throws(() => (closed.bits = 1n), { instanceOf: ClosedError })
})
