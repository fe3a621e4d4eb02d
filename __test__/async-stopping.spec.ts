import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'

import test, { type ExecutionContext } from 'ava'

import { type Func, InterruptedError, type ModuleInstance, wasmFramesOf } from '../index.mjs'
import { runForJson } from './process/run-node.ts'
import { IDLE, openRuntime } from './support/async.ts'

const GUEST = `(module $guest
  (import "m" "wait" (func $wait (param i32) (result i32)))
  (import "m" "quick" (func $quick (param i32) (result i32)))
  (import "m" "note" (func $note (param i32)))
  (func $compute (export "compute") (loop $again (br $again)))
  (func $park (export "park") (param i32) (result i32) (call $wait (local.get 0)))
  (func $burst (export "burst") (loop $again (drop (call $quick (i32.const 1))) (br $again)))
  (func $flood (export "flood") (loop $again (call $note (i32.const 1)) (br $again)))
  (func (export "count") (param i32) (result i32) (local i32)
    (loop $again
      (local.set 1 (i32.add (local.get 1) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get 1) (local.get 0))))
    (call $quick (local.get 1)))
  (func (export "fine") (result i32) (i32.const 5)))`

type Handler = (n: number, module: ModuleInstance) => number | Promise<number>

async function setUp(t: ExecutionContext) {
  const runtime = openRuntime(t)
  const host: { wait: Handler } = { wait: () => new Promise<number>(() => {}) }
  runtime
    .newHostModuleBuilder('m')
    .newFunctionBuilder()
    .withModuleFunc((module, n) => host.wait(n, module), ['i32'], ['i32'])
    .export('wait')
    .newFunctionBuilder()
    .withFunc((n) => n, ['i32'], ['i32'])
    .export('quick')
    .newFunctionBuilder()
    .withFunc(() => {}, ['i32'], [])
    .withNotify()
    .export('note')
    .instantiate()
  return { runtime, host, guest: await runtime.instantiateAsync(GUEST, { name: '' }) }
}

type World = Awaited<ReturnType<typeof setUp>>

type AsyncCallOptions = Parameters<Func['callAsyncWith']>[0]

/** Calls that never end by themselves; each is made with the options. */
const places: { readonly [what: string]: (world: World, options: AsyncCallOptions) => Promise<unknown> } = {
  'that computes': ({ guest }, options) => guest.exportedFunction('compute')!.callAsyncWith(options),
  'that waits for a promise': ({ guest }, options) => guest.exportedFunction('park')!.callAsyncWith(options, 1),
  'that calls host functions without end': ({ guest }, options) =>
    guest.exportedFunction('burst')!.callAsyncWith(options),
  'that notifies without end': ({ guest }, options) => guest.exportedFunction('flood')!.callAsyncWith(options),
  'with a nested call that computes': ({ guest, host }, options) => {
    host.wait = (_, module) => module.exports['compute'].async()
    return guest.exportedFunction('park')!.callAsyncWith(options, 1)
  },
  'with a nested call that waits, at depth 20': ({ guest, host }, options) => {
    host.wait = (n, module) => (n > 0 ? module.exports['park'].async(n - 1) : new Promise(() => {}))
    return guest.exportedFunction('park')!.callAsyncWith(options, 20)
  },
  'whose nested call calls host functions without end': ({ guest, host }, options) => {
    host.wait = (_, module) => module.exports['burst'].async()
    return guest.exportedFunction('park')!.callAsyncWith(options, 1)
  },
}

/** Asserts that nothing is left of a call, and that the next ones work. */
async function assertFine(t: ExecutionContext, { runtime, guest, host }: World, what: string): Promise<void> {
  t.deepEqual(runtime.stats().tasks, IDLE, what)
  t.false(guest.closed)
  t.is(guest.exports['fine'](), 5)
  t.is(await guest.exports['fine'].async(), 5, what)
  host.wait = async (n) => (await nextTurn(), n * 2)
  t.is(await guest.exports['park'].async(4), 8, what)
  t.is(await guest.exports['count'].async(1_000_000), 1_000_000, what)
}

for (const [place, call] of Object.entries(places)) {
  test(`a signal stops a call ${place}; its reason is the very value`, async (t) => {
    for (const reason of [new Error('why'), { any: 'thing' }, 'text', 0, null, Symbol('reason'), Object.freeze([])]) {
      const world = await setUp(t)
      const controller = new AbortController()
      const stopped = call(world, { signal: controller.signal })
      await sleep(5)
      t.notDeepEqual(world.runtime.stats().tasks, IDLE)
      controller.abort(reason)
      t.is(await t.throwsAsync(stopped, { any: true }), reason as never)
      await assertFine(t, world, String(reason))
    }
  })

  test(`timeoutMs stops a call ${place} with an InterruptedError`, async (t) => {
    const world = await setUp(t)
    for (const timeoutMs of [0, 1, 10.5]) {
      const error = await t.throwsAsync(call(world, { timeoutMs }), { instanceOf: InterruptedError })
      t.is(error.code, 'INTERRUPTED')
      t.regex(error.message, new RegExp(`^the call was stopped after ${timeoutMs} ms`))
      await assertFine(t, world, `${timeoutMs}`)
    }
  })

  test(`a signal and a time of which neither comes do not hinder a call ${place} that is stopped by the other`, async (t) => {
    const world = await setUp(t)
    const controller = new AbortController()
    await t.throwsAsync(call(world, { timeoutMs: 5, signal: controller.signal }), { instanceOf: InterruptedError })
    controller.abort()
    await assertFine(t, world, place)
    const second = new AbortController()
    const stopped = call(world, { timeoutMs: 2 ** 31 - 1, signal: second.signal })
    await sleep(2)
    second.abort('second')
    t.is(await t.throwsAsync(stopped, { any: true }), 'second' as never)
    await assertFine(t, world, place)
  })

  test(`a signal stops a call ${place} in every round, and no interruption reaches the next call`, async (t) => {
    const world = await setUp(t)
    for (let round = 0; round < 200; round++) {
      const { wait } = world.host
      const controller = new AbortController()
      const stopped = call(world, { signal: controller.signal })
      if (round % 2 === 0) await nextTurn()
      if (round % 10 === 0) await sleep(round % 4)
      // One queued behind it, one made right after.
      const queued = world.guest.exports['fine'].async()
      controller.abort(round)
      const count = world.guest.exports['count'].async(100_000)
      if ((await t.throwsAsync(stopped, { any: true })) !== (round as never)) t.fail(`round ${round}`)
      if ((await queued) !== 5 || (await count) !== 100_000) t.fail(`round ${round}`)
      world.host.wait = wait
    }
    await assertFine(t, world, place)
  })
}

test('a call that waits for its turn is stopped without having begun, and those behind it move up', async (t) => {
  const { runtime, guest, host } = await setUp(t)
  const seen: number[] = []
  let go = (): void => {}
  const gate = new Promise<void>((resolve) => (go = resolve))
  host.wait = async (n) => (seen.push(n), await gate, n)
  const park = guest.exportedFunction('park')!
  const controller = new AbortController()
  const first = park.callAsync(1)
  const stopped = [2, 3].map((n) => park.callAsyncWith({ signal: controller.signal }, n))
  const timed = park.callAsyncWith({ timeoutMs: 1 }, 4)
  const last = park.callAsync(5)
  while (seen.length === 0) await nextTurn()
  const waiting = runtime.stats().tasks
  t.is(waiting.parked, 1)
  t.true(waiting.queued >= 3)
  controller.abort('no more')
  for (const call of stopped) t.is(await t.throwsAsync(call, { any: true }), 'no more' as never)
  const error = await t.throwsAsync(timed, { instanceOf: InterruptedError })
  t.deepEqual(error.frames, [])
  t.deepEqual(runtime.stats().tasks, { ...IDLE, parked: 1, queued: 1 })
  go()
  t.deepEqual(await Promise.all([first, last]), [1, 5])
  t.deepEqual(seen, [1, 5])
})

test('a call whose signal is aborted already does not begin', async (t) => {
  const { runtime, guest, host } = await setUp(t)
  let calls = 0
  host.wait = (n) => (calls++, n)
  for (const reason of [undefined, new Error('already'), 0, false, null]) {
    const signal = AbortSignal.abort(reason)
    const call = guest.exportedFunction('park')!.callAsyncWith({ signal, timeoutMs: 0 }, 1)
    t.is(await t.throwsAsync(call, { any: true }), signal.reason)
  }
  t.is(calls, 0)
  t.deepEqual(runtime.stats().tasks, IDLE)
  t.is(await guest.exports['park'].async(1), 1)
})

test('a signal that is aborted after the call has settled has no effect, and is not listened to any more', async (t) => {
  const { guest, host } = await setUp(t)
  host.wait = async (n) => n
  const listeners = new Set<unknown>()
  const { signal } = new AbortController()
  const { addEventListener, removeEventListener } = signal
  Object.defineProperty(signal, 'addEventListener', { value: (type: 'abort', listener: () => void) => { listeners.add(listener); addEventListener.call(signal, type, listener) } }) // prettier-ignore
  Object.defineProperty(signal, 'removeEventListener', { value: (type: 'abort', listener: () => void) => { listeners.delete(listener); removeEventListener.call(signal, type, listener) } }) // prettier-ignore
  const calls = [1, 2, 3].map((n) => guest.exportedFunction('park')!.callAsyncWith({ signal }, n))
  t.is(listeners.size, 1)
  t.deepEqual(await Promise.all(calls), [1, 2, 3])
  t.is(listeners.size, 0)
})

test('a guest can catch neither an interruption nor what a host function is rejected with', async (t) => {
  const { runtime, host } = await setUp(t)
  const guest = await runtime.instantiateAsync(
    `(module (import "m" "wait" (func $wait (param i32) (result i32)))
      (func (export "park") (result i32)
        (block $caught (try_table (catch_all $caught) (drop (call $wait (i32.const 1)))) (return (i32.const 1))) (i32.const 2))
      (func (export "compute") (result i32)
        (block $caught (try_table (catch_all $caught) (loop $again (br $again))) (return (i32.const 1))) (i32.const 2)))`,
    { name: '' },
  )
  for (const name of ['park', 'compute']) {
    const call = guest.exportedFunction(name)!.callAsyncWith({ timeoutMs: 5 })
    await t.throwsAsync(call, { instanceOf: InterruptedError })
  }
  const error = new Error('not for guests')
  host.wait = () => nextTurn().then(() => Promise.reject(error))
  t.is(await t.throwsAsync(guest.exports['park'].async()), error)
  host.wait = (n) => nextTurn(n)
  t.is(await guest.exports['park'].async(), 1)
})

test('one signal can stop a hundred calls, and Node.js does not warn of a leak', async (t) => {
  const seen = await runForJson<string[]>(
    t,
    `const seen = []
    process.on('warning', (warning) => seen.push(warning.name))
    const main = async () => {
      const runtime = new wasmtime.Runtime()
      const guest = await runtime.instantiateAsync('(module (func (export "compute") (loop $again (br $again))))')
      const controller = new AbortController()
      const { signal } = controller
      const call = () => guest.exportedFunction('compute').callAsyncWith({ signal }).catch((reason) => reason)
      const calls = Array.from({ length: 100 }, call)
      setTimeout(() => controller.abort('all'), 5)
      seen.push(...new Set(await Promise.all(calls)))
      await new Promise(setImmediate)
      console.log(JSON.stringify(seen))
    }
    main()`,
    { flags: ['--no-warnings'] },
  )
  t.deepEqual(seen, ['all'])
})

test('the frames of an InterruptedError say where the guest was', async (t) => {
  const world = await setUp(t)
  for (const [place, names] of [
    ['that computes', ['compute']],
    ['that waits for a promise', ['wait', 'park']],
    ['that calls host functions without end', ['burst']],
  ] as const) {
    let error: InterruptedError
    // The first times it may not even have begun.
    let timeoutMs = 20
    do {
      error = (await t.throwsAsync(places[place]!(world, { timeoutMs }), { instanceOf: InterruptedError }))!
      timeoutMs *= 2
    } while (error.frames.length === 0)
    const functions = wasmFramesOf(error).filter((frame) => !frame.host).map((frame) => frame.functionName) // prettier-ignore
    t.deepEqual(functions, names.filter((name) => name !== 'wait'), place) // prettier-ignore
    t.deepEqual(error.frames, wasmFramesOf(error))
    t.regex(error.message, new RegExp(`\\n\\tguest\\.${names.at(-1)}`))
  }
})
