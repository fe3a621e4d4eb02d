import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'

import test, { type ExecutionContext } from 'ava'

import {
  ArgumentError,
  type HostFunctionBuilder,
  type ModuleInstance,
  Runtime,
  TrapError,
  wat2wasm,
} from '../index.mjs'
import { LIMIT, openRuntime } from './support/async.ts'

const styles = ['withFunc', 'withModuleFunc', 'withStackFunc', 'withModuleStackFunc'] as const
type Style = (typeof styles)[number]

const GUEST = `(module
  (import "env" "f" (func $f (param i32) (result i32)))
  (func (export "run") (param i32) (result i32) (call $f (local.get 0)))
  (func (export "twice") (param i32) (result i32) (call $f (call $f (local.get 0))))
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "nothing"))
  (func (export "pair") (param i64) (result i64 i32) (local.get 0) (call $f (i32.const 1)))
  (func (export "five") (param i32 i32 i32 i32 i32) (result i32 i32) (local.get 4) (local.get 0))
  (func (export "trap") unreachable))`

type Handler = (n: number, module: ModuleInstance | undefined) => number | PromiseLike<number>

/** Defines `env.f` in a style; it does what `handler` does. */
function define(f: HostFunctionBuilder, style: Style, handler: Handler): HostFunctionBuilder {
  const onStack = (stack: BigUint64Array, module?: ModuleInstance): void | PromiseLike<void> => {
    const result = handler(Number(stack[0]), module)
    if (typeof result === 'number') stack[0] = BigInt(result)
    else return result.then((value) => void (stack[0] = BigInt(value)))
  }
  switch (style) {
    case 'withFunc':
      return f.withFunc((n) => handler(n, undefined), ['i32'], ['i32'])
    case 'withModuleFunc':
      return f.withModuleFunc((module, n) => handler(n, module), ['i32'], ['i32'])
    case 'withStackFunc':
      return f.withStackFunc((stack) => onStack(stack), ['i32'], ['i32'])
    case 'withModuleStackFunc':
      return f.withModuleStackFunc((module, stack) => onStack(stack, module), ['i32'], ['i32'])
  }
}

async function setUp(t: ExecutionContext, handler: Handler = (n) => n, style: Style = 'withFunc') {
  const runtime = openRuntime(t)
  define(runtime.newHostModuleBuilder('env').newFunctionBuilder(), style, handler).export('f').instantiate()
  return { runtime, guest: await runtime.instantiateAsync(GUEST) }
}

test('instantiateAsync takes WAT text, bytes and a compiled module', async (t) => {
  const { runtime } = await setUp(t, async (n) => n + 1)
  for (const source of [GUEST, wat2wasm(GUEST), runtime.compileModuleSync(GUEST), await runtime.compileModule(GUEST)]) {
    const guest = await runtime.instantiateAsync(source, { name: '' })
    t.is(guest.mode, 'async')
    t.is(guest.name, '')
    t.is(await guest.exports['run'].async(1), 2)
    guest.close()
  }
  t.is(runtime.instantiate(GUEST, { name: 'other' }).mode, 'sync')
})

test('callAsync, callAsyncWith and the async of an export all give a promise of what call gives', async (t) => {
  const { guest } = await setUp(t)
  for (const [name, args, expected] of [
    ['add', [1, 2], 3],
    ['nothing', [], undefined],
    ['pair', [5n], [5n, 1]],
    ['five', [1, 2, 3, 4, 5], [5, 1]],
    ['run', [-7], -7],
  ] as const) {
    const func = guest.exportedFunction(name)!
    for (const promise of [
      func.callAsync(...args),
      func.callAsyncWith({}, ...args),
      func.callAsyncWith({ timeoutMs: LIMIT }, ...args),
      guest.exports[name].async(...args),
    ]) {
      t.true(promise instanceof Promise)
      t.deepEqual(await promise, expected, name)
    }
    t.deepEqual(func.call(...args), expected)
    t.is(guest.exports[name], func.function)
  }
})

test('exports of an instance in sync mode have no async, and its callAsync is rejected with an ArgumentError', async (t) => {
  const { runtime } = await setUp(t)
  const guest = runtime.instantiate(GUEST, { name: 'sync' })
  t.is(guest.exports['add'].async, undefined)
  const add = guest.exportedFunction('add')!
  for (const call of [() => add.callAsync(1, 2), () => add.callAsyncWith({}, 1, 2)]) {
    await t.throwsAsync(call, { instanceOf: ArgumentError, message: /sync mode.*instantiateAsync/ })
  }
  t.is(add.call(1, 2), 3)
})

for (const style of styles) {
  test(`${style}: results may come at once, in a promise, or now so and now so`, async (t) => {
    const handlers: Handler[] = [
      (n) => n + 1,
      async (n) => n + 1,
      async (n) => (await nextTurn(), n + 1),
      async (n) => (await sleep(1), n + 1),
      (n) => (n % 2 === 0 ? n + 1 : Promise.resolve(n + 1)),
      (n) => (n % 2 === 0 ? sleep(1, n + 1) : n + 1),
    ]
    for (const [index, handler] of handlers.entries()) {
      const { guest } = await setUp(t, handler, style)
      t.is(await guest.exports['run'].async(1), 2, `handler ${index}`)
      t.is(await guest.exports['twice'].async(1), 3)
      t.deepEqual(await guest.exports['pair'].async(9n), [9n, 2])
    }
  })

  test(`${style}: a host function is called with the right arguments, also after one that has waited`, async (t) => {
    const seen: unknown[] = []
    const { guest } = await setUp(t, async (n, module) => (seen.push(n, module), await nextTurn(), n * 2), style)
    t.is(await guest.exports['twice'].async(10), 40)
    const module = style.includes('Module') ? guest : undefined
    t.deepEqual([seen[0], seen[2]], [10, 20])
    t.true(seen[1] === module && seen[3] === module)
  })

  test(`${style}: a plain call works as long as no promise appears, which is a TypeError that names the function`, async (t) => {
    const { guest } = await setUp(t, (n) => (n === 0 ? Promise.resolve(0) : n + 1), style)
    t.is(guest.exports['run'](1), 2)
    t.deepEqual(guest.exports['pair'](1n), [1n, 2])
    for (const call of [() => guest.exports['run'](0), () => guest.exportedFunction('run')!.call(0)]) {
      const error = t.throws(call, { instanceOf: TypeError, message: /env\.f\(i32\) i32: .*promise.*synchronous/ })
      t.is((error as TypeError & { code?: string }).code, 'INVALID_ARGUMENT')
    }
    t.is(guest.exports['run'](2), 3)
    t.is(await guest.exports['run'].async(0), 0)
  })

  test(`${style}: callWithStack works on an instance in async mode as long as no promise appears`, async (t) => {
    const { guest } = await setUp(t, (n) => (n === 0 ? Promise.resolve(0) : n + 1), style)
    const stack = new BigUint64Array([4n, 77n])
    guest.exportedFunction('run')!.callWithStack(stack)
    t.deepEqual([...stack], [5n, 77n])
    stack[0] = 0n
    t.throws(() => guest.exportedFunction('run')!.callWithStack(stack), { message: /env\.f/ })
    stack[0] = 6n
    guest.exportedFunction('pair')!.callWithStack(stack)
    t.deepEqual([...stack], [6n, 2n])
  })
}

test('calls that are made together are answered in their order', async (t) => {
  for (const handler of [(n: number) => n, async (n: number) => n, (n: number) => sleep(n % 3, n)]) {
    const { guest } = await setUp(t, handler)
    const order: number[] = []
    const calls = Array.from({ length: 20 }, (_, n) =>
      guest.exports['run'].async(n).then((value: number) => (order.push(n), value)),
    )
    t.deepEqual(await Promise.all(calls), [...Array.from({ length: 20 }).keys()])
    t.deepEqual(
      order,
      [...order].sort((a, b) => a - b),
    )
  }
})

test('a call begins before callAsync returns if nothing else runs, and the turn of the event loop has time left', async (t) => {
  const seen: number[] = []
  const { guest } = await setUp(t, (n) => (seen.push(n), n))
  // The other tests of this file use up turns as well.
  for (let attempt = 0; ; attempt++) {
    const call = guest.exports['run'].async(attempt)
    const began = seen.includes(attempt)
    t.is(await call, attempt)
    if (began) break
  }
  t.pass()
})

test('wrong arguments are a rejection with an ArgumentError, never thrown', async (t) => {
  const { guest } = await setUp(t)
  const add = guest.exportedFunction('add')!
  for (const args of [[], [1], [1, 2, 3], ['1', 2], [1, 2n], [1, undefined], [{}, 1], [Symbol('s'), 1]]) {
    for (const call of [
      () => add.callAsync(...args),
      () => add.callAsyncWith({}, ...args),
      () => guest.exports['add'].async(...args),
    ]) {
      let promise: Promise<unknown> | undefined
      t.notThrows(() => (promise = call()))
      await t.throwsAsync(promise!, { instanceOf: ArgumentError, message: /add\(i32,i32\) i32: / })
    }
  }
  for (const options of [null, 1, 'x', { context: 1, other: 2 }, { signal: 1 }, { timeoutMs: '1' }] as any[]) {
    let promise: Promise<unknown> | undefined
    t.notThrows(() => (promise = add.callAsyncWith(options, 1, 2)))
    await t.throwsAsync(promise!, { instanceOf: ArgumentError })
  }
  t.is(await add.callAsync(1, 2), 3)
  t.like(guest, { closed: false })
})

test('arguments are converted before callAsync returns', async (t) => {
  const runtime = new Runtime()
  t.timeout(LIMIT)
  const guest = await runtime.instantiateAsync(
    '(module (func (export "f") (param v128) (result v128) (local.get 0)) (func (export "slow") (loop $l (br_if $l (i32.const 0)))))',
  )
  const bytes = new Uint8Array(16).fill(1)
  const calls = [guest.exports['f'].async(bytes), guest.exports['f'].async(bytes)]
  bytes.fill(2)
  for (const result of await Promise.all(calls)) t.deepEqual(result, new Uint8Array(16).fill(1))
})

test('a trap is a rejection with a TrapError, and the next call works', async (t) => {
  const { guest } = await setUp(t)
  const error = await t.throwsAsync(guest.exports['trap'].async(), { instanceOf: TrapError })
  t.like(error, { code: 'TRAP', trapCode: 'unreachable' })
  t.is(await guest.exports['add'].async(1, 2), 3)
})

test('a closed instance rejects calls, and those of its exports that were read before', async (t) => {
  const { guest } = await setUp(t)
  const { add } = guest.exports
  const func = guest.exportedFunction('add')!
  guest.close(3)
  for (const call of [() => add.async(1, 2), () => func.callAsync(1, 2), () => func.callAsyncWith({}, 1, 2)]) {
    t.like(await t.throwsAsync(call), { code: 'EXIT', exitCode: 3 })
  }
})

test('an instance in async mode and one in sync mode use one host module', async (t) => {
  const { runtime, guest } = await setUp(t, (n) => (n < 0 ? sleep(1, n) : n * 2))
  const other = runtime.instantiate(GUEST, { name: '' })
  const waiting = guest.exports['run'].async(-5)
  t.is(other.exports['run'](4), 8)
  t.is(await waiting, -5)
  t.throws(() => other.exports['run'](-1), { instanceOf: TypeError, message: /env\.f/ })
})
