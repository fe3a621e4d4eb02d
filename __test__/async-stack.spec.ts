import { setImmediate as nextTurn } from 'node:timers/promises'

import test, { type ExecutionContext } from 'ava'

import { type ModuleInstance, api } from '../index.mjs'
import { openRuntime } from './support/async.ts'

const GUEST = `(module
  (import "env" "f" (func $f (param i64 i32) (result i64)))
  (import "env" "g" (func $g (param v128 f32) (result f64 v128)))
  (func (export "run") (param i64 i32) (result i64) (call $f (local.get 0) (local.get 1)))
  (func (export "wide") (param v128 f32) (result f64 v128) (call $g (local.get 0) (local.get 1))))`

type Handler = (stack: BigUint64Array, module: ModuleInstance | undefined) => void | PromiseLike<void>

async function setUp(t: ExecutionContext, style: 'withStackFunc' | 'withModuleStackFunc', ...handlers: Handler[]) {
  const runtime = openRuntime(t)
  const held: { f: Handler; g: Handler } = { f: handlers[0] ?? (() => {}), g: handlers[1] ?? (() => {}) }
  const builder = runtime.newHostModuleBuilder('env')
  if (style === 'withStackFunc') {
    builder
      .newFunctionBuilder()
      .withStackFunc((stack) => held.f(stack, undefined), ['i64', 'i32'], ['i64'])
      .export('f')
    builder.newFunctionBuilder().withStackFunc((stack) => held.g(stack, undefined), ['v128', 'f32'], ['f64', 'v128']).export('g') // prettier-ignore
  } else {
    builder.newFunctionBuilder().withModuleStackFunc((module, stack) => held.f(stack, module), ['i64', 'i32'], ['i64']).export('f') // prettier-ignore
    builder.newFunctionBuilder().withModuleStackFunc((module, stack) => held.g(stack, module), ['v128', 'f32'], ['f64', 'v128']).export('g') // prettier-ignore
  }
  builder.instantiate()
  const guests = await Promise.all([1, 2, 3].map(() => runtime.instantiateAsync(GUEST, { name: '' })))
  return { runtime, held, guests: guests as [ModuleInstance, ModuleInstance, ModuleInstance] }
}

for (const style of ['withStackFunc', 'withModuleStackFunc'] as const) {
  test(`${style}: parameters are on the stack, and results are read from it when the promise settles`, async (t) => {
    const vector = Uint8Array.from({ length: 16 }, (_, index) => index)
    const { guests } = await setUp(
      t,
      style,
      async (stack) => {
        t.is(stack.length, 2)
        const [a, n] = [stack[0]!, stack[1]!]
        await nextTurn()
        t.deepEqual([...stack], [a, n])
        stack[0] = a * n
        await nextTurn()
      },
      async (stack) => {
        t.is(stack.length, 3)
        const [low, high, float] = [...stack] as [bigint, bigint, bigint]
        await nextTurn()
        t.deepEqual([...stack], [low, high, float])
        stack[0] = api.encodeF64(api.decodeF32(float) * 2)
        stack[1] = high
        stack[2] = low
      },
    )
    t.is(await guests[0].exports['run'].async(7n, 6), 42n)
    t.is(await guests[0].exports['run'].async(-7n, 6), -42n)
    const swapped = Uint8Array.from([...vector.subarray(8), ...vector.subarray(0, 8)])
    t.deepEqual(await guests[0].exports['wide'].async(vector, 1.5), [3, swapped])
  })

  test(`${style}: calls of several instances that overlap have a stack each until their promises settle`, async (t) => {
    const waiting: (() => void)[] = []
    const { guests } = await setUp(t, style, async (stack) => {
      const [a, n] = [stack[0]!, stack[1]!]
      for (let round = 0; round < 3; round++) {
        await new Promise<void>((resolve) => waiting.push(resolve))
        t.deepEqual([...stack], [a, n])
        stack.fill(a * 100n + n + BigInt(round))
        t.deepEqual([...stack], [a * 100n + n + BigInt(round), a * 100n + n + BigInt(round)])
        stack.set([a, n])
      }
      stack[0] = a * n
    })
    const calls = guests.map((guest, index) => guest.exports['run'].async(BigInt(index + 1), 10))
    // In the reverse order, so that none finds the stack as it happens to have left it.
    for (let round = 0; round < 3; round++) {
      while (waiting.length < 3) await nextTurn()
      const now = waiting.splice(0)
      t.is(now.length, 3)
      for (const resume of now.toReversed()) {
        resume()
        await nextTurn()
      }
    }
    t.deepEqual(await Promise.all(calls), [10n, 20n, 30n])
  })

  test(`${style}: a call nested in itself has a stack of its own, to depth 20`, async (t) => {
    const { held, guests } = await setUp(t, style)
    held.f = async (stack) => {
      const [a, n] = [stack[0]!, Number(stack[1])]
      const inner = n === 0 ? 0n : ((await guests[0].exports['run'].async(a + 1n, n - 1)) as bigint)
      t.deepEqual([stack[0], stack[1]], [a, BigInt(n)])
      stack[0] = a + inner
    }
    t.is(await guests[0].exports['run'].async(1n, 20), 231n)
  })

  test(`${style}: plain calls do not disturb the stack of one that waits`, async (t) => {
    const { runtime, held, guests } = await setUp(t, style)
    const other = runtime.instantiate(GUEST, { name: '' })
    const waiting: (() => void)[] = []
    held.f = (stack) => {
      const [a, n] = [stack[0]!, stack[1]!]
      if (n !== 0n) {
        stack.fill(99n)
        stack[0] = a + n
        return
      }
      return new Promise<void>((resolve) => waiting.push(resolve)).then(() => {
        for (const guest of [guests[0], guests[1], other]) t.is(guest.exports['run'](5n, 6), 11n)
        t.deepEqual([...stack], [a, n])
        stack[0] = a * 2n
      })
    }
    const call = guests[0].exports['run'].async(21n, 0)
    while (waiting.length === 0) await nextTurn()
    for (const guest of [guests[0], guests[1], other]) t.is(guest.exports['run'](5n, 6), 11n)
    waiting[0]!()
    t.is(await call, 42n)
  })

  test(`${style}: the stack of a call that was stopped is nobody else's as long as its host function runs`, async (t) => {
    const { held, guests } = await setUp(t, style)
    const resumes: (() => void)[] = []
    let left: Promise<void> | undefined
    held.f = (stack) => {
      left = (async () => {
        const [a, n] = [stack[0]!, stack[1]!]
        await new Promise<void>((resolve) => resumes.push(resolve))
        t.deepEqual([...stack], [a, n], 'it finds its own parameters')
        stack.fill(999n)
      })()
      return left
    }
    const controller = new AbortController()
    const stopped = guests[0].exportedFunction('run')!.callAsyncWith({ signal: controller.signal }, 1n, 2)
    while (resumes.length === 0) await nextTurn()
    controller.abort('stop')
    t.is(await t.throwsAsync(stopped, { any: true }), 'stop' as never)

    held.f = async (stack) => {
      const [a, n] = [stack[0]!, stack[1]!]
      await nextTurn()
      resumes[0]!()
      await left
      t.deepEqual([...stack], [a, n], 'nobody has written to it')
      stack[0] = a + n
    }
    t.is(await guests[1].exports['run'].async(30n, 4), 34n)
  })
}

test('the stack of a call that no other overlaps is the same array every time, also after waits, errors and stops', async (t) => {
  const stacks = new Set<BigUint64Array>()
  const { held, guests } = await setUp(t, 'withStackFunc')
  const run = guests[0].exportedFunction('run')!
  held.f = async (stack) => void (stacks.add(stack), await nextTurn())
  t.is(await run.callAsync(1n, 1), 1n)
  held.f = (stack) => void stacks.add(stack)
  t.is(await run.callAsync(1n, 1), 1n)
  t.is(run.call(1n, 1), 1n)
  held.f = async (stack) => {
    stacks.add(stack)
    throw new Error('x')
  }
  await t.throwsAsync(run.callAsync(1n, 1), { message: 'x' })
  t.is(stacks.size, 1)
})
