import { stat } from 'node:fs/promises'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'

import test, { type ExecutionContext } from 'ava'

import { type ModuleInstance, Runtime } from '../index.mjs'
import { IDLE, openRuntime } from './support/async.ts'

const GUEST = `(module
  (import "m" "f" (func $f (param i32) (result i32)))
  (import "m" "note" (func $note (param i32)))
  (func $spin (param i32)
    (loop $again
      (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
      (br_if $again (i32.gt_s (local.get 0) (i32.const 0)))))
  (func (export "compute") (loop $again (br $again)))
  (func (export "burst") (loop $again (drop (call $f (i32.const 1))) (br $again)))
  (func (export "flood") (loop $again (call $note (i32.const 1)) (br $again)))
  (func (export "turns") (loop $again (call $spin (i32.const 1000000)) (drop (call $f (i32.const 1))) (br $again)))
  (func (export "spin") (param i32) (result i32) (call $spin (local.get 0)) (i32.const 7))
  (func (export "run") (param i32) (result i32) (call $f (local.get 0)))
  (func (export "many") (param i32) (result i32)
    (loop $again
      (drop (call $f (local.get 0)))
      (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
      (br_if $again (i32.gt_s (local.get 0) (i32.const 0))))
    (i32.const 8)))`

type Handler = (n: number, module: ModuleInstance) => number | Promise<number>

async function setUp(t: ExecutionContext, handler: Handler = (n) => n, options: object = {}) {
  const runtime = openRuntime(t, options)
  const host = { handler }
  runtime
    .newHostModuleBuilder('m')
    .newFunctionBuilder()
    .withModuleFunc((module, n) => host.handler(n, module), ['i32'], ['i32'])
    .export('f')
    .newFunctionBuilder()
    .withFunc(() => {}, ['i32'], [])
    .withNotify()
    .export('note')
    .instantiate()
  const compiled = await runtime.compileModule(GUEST)
  const make = () => runtime.instantiateAsync(compiled, { name: '' })
  return { runtime, host, make, guest: await make() }
}

/** Counts what the event loop gets done until `stop` is called. */
function observe() {
  const counts = { timers: 0, immediates: 0, io: 0 }
  const state = { on: true }
  const timer = setInterval(() => counts.timers++, 1)
  const again = () => void (state.on && (counts.immediates++, setImmediate(again)))
  setImmediate(again)
  const poll = async () => {
    while (state.on) {
      await stat('.')
      counts.io++
    }
  }
  const polling = poll()
  return {
    counts,
    stop: async () => {
      state.on = false
      clearInterval(timer)
      await polling
    },
  }
}

/** Guests that would keep the event loop for themselves if they could. */
const hogs: { readonly [what: string]: (world: Awaited<ReturnType<typeof setUp>>) => readonly [string, ...unknown[]] } =
  {
    'computes without end': () => ['compute'],
    'calls a host function without end': () => ['burst'],
    'notifies without end': () => ['flood'],
    'computes and calls a host function in turn': () => ['turns'],
    'waits without end for promises that are settled already': ({ host }) => {
      host.handler = async (n) => n
      return ['burst']
    },
    'waits without end for thenables that settle at once': ({ host }) => {
      host.handler = (n) => ({ then: (resolve: (value: number) => void) => resolve(n) }) as any // oxlint-disable-line unicorn/no-thenable
      return ['burst']
    },
    'is called again without end by its own host function': ({ host }) => {
      host.handler = async (_, module) => {
        for (;;) await module.exports['spin'].async(10)
      }
      return ['run', 1]
    },
  }

for (const [what, prepare] of Object.entries(hogs)) {
  for (const guests of [1, 5]) {
    test(`timers, setImmediate and I/O get their turns while ${guests === 1 ? 'a guest' : 'each of five guests'} ${what}`, async (t) => {
      const world = await setUp(t)
      const [name, ...args] = prepare(world)
      const controller = new AbortController()
      const { signal } = controller
      const others = await Promise.all(Array.from({ length: guests - 1 }, world.make))
      const calls = [world.guest, ...others].map((guest) =>
        guest.exportedFunction(name)!.callAsyncWith({ signal }, ...args).catch((reason: unknown) => reason),
      ) // prettier-ignore
      const { counts, stop } = observe()
      // No time decides: it goes on until the event loop has done enough.
      while (counts.timers < 20 || counts.immediates < 20 || counts.io < 20) await sleep(5)
      // And an ordinary call of somebody else still gets through.
      const guest = await world.make()
      // Of a guest that has gone to another thread nobody knows when it calls its host function: its handler stays.
      const hog = world.host.handler
      world.host.handler = (n, module) => (n === 3 ? n : hog(n, module))
      t.is(await guest.exports['spin'].async(1000), 7)
      t.is(await guest.exports['run'].async(3), 3)
      await stop()
      controller.abort('enough')
      t.deepEqual(await Promise.all(calls), Array.from({ length: guests }, () => 'enough')) // prettier-ignore
      t.deepEqual(world.runtime.stats().tasks, IDLE)
    })
  }
}

test('many guests that burst, compute and wait all come to their ends, with the event loop in between', async (t) => {
  const world = await setUp(t, (n) => (n % 7 === 0 ? nextTurn(n) : n % 3 === 0 ? Promise.resolve(n) : n))
  const guests = await Promise.all(Array.from({ length: 30 }, world.make))
  const { counts, stop } = observe()
  const calls = guests.flatMap((guest) => [
    guest.exports['many'].async(2000),
    guest.exports['spin'].async(1_000_000),
    guest.exports['run'].async(7),
  ])
  const results = await Promise.all(calls)
  await stop()
  t.deepEqual(results, guests.flatMap(() => [8, 7, 7])) // prettier-ignore
  t.true(counts.timers > 0 && counts.immediates > 0 && counts.io > 0, JSON.stringify(counts))
  t.deepEqual(world.runtime.stats().tasks, IDLE)
})

test('a short call is not kept waiting by guests that compute, with one thread for all of them', async (t) => {
  const world = await setUp(t, undefined, { poolThreads: 1 })
  const controller = new AbortController()
  const hogs = await Promise.all(Array.from({ length: 10 }, world.make))
  const calls = hogs.map((hog) =>
    hog.exportedFunction('compute')!.callAsyncWith({ signal: controller.signal }).catch((reason: unknown) => reason),
  ) // prettier-ignore
  // Both those that stay on this thread, and those that need the other one, which its owners have to share.
  for (let round = 0; round < 5; round++) {
    t.is(await world.guest.exports['run'].async(round), round)
    t.is(await world.guest.exports['spin'].async(10_000_000), 7)
  }
  controller.abort(1)
  t.deepEqual(await Promise.all(calls), Array.from({ length: 10 }, () => 1)) // prettier-ignore
})

test('stats().tasks says where the calls are', async (t) => {
  const { runtime, host, guest, make } = await setUp(t)
  t.deepEqual(runtime.stats().tasks, IDLE)
  const go: (() => void)[] = []
  const until = async (done: () => boolean) => {
    while (!done()) await nextTurn()
  }
  host.handler = (n, module) => {
    const wait = new Promise<void>((resolve) => go.push(resolve))
    return wait.then(() => (n > 1 ? module.exports['run'].async(n - 1) : n))
  }
  // One that waits for a promise, and two behind it.
  const calls = [1, 2, 3].map((n) => guest.exports['run'].async(n))
  await until(() => go.length === 1)
  t.deepEqual(runtime.stats().tasks, { ...IDLE, parked: 1, queued: 2 })
  go.pop()!()
  t.is(await calls[0], 1)
  // The second one, with one nested in it.
  await until(() => go.length === 1)
  go.pop()!()
  await until(() => go.length === 1)
  t.deepEqual(runtime.stats().tasks, { ...IDLE, parked: 2, queued: 1 })
  go.pop()!()
  t.is(await calls[1], 1)
  for (let level = 0; level < 3; level++) {
    await until(() => go.length === 1)
    go.pop()!()
  }
  t.is(await calls[2], 1)
  t.deepEqual(runtime.stats().tasks, IDLE)

  // One that computes elsewhere, and one that is being run right now.
  const controller = new AbortController()
  const { signal } = controller
  const far = guest.exportedFunction('compute')!.callAsyncWith({ signal }).catch(() => {}) // prettier-ignore
  await until(() => runtime.stats().tasks.pool === 1)
  let inside: unknown
  host.handler = (n) => ((inside = runtime.stats().tasks), n)
  await (await make()).exports['run'].async(1)
  t.deepEqual(inside, { ...IDLE, pool: 1, home: 1 })
  controller.abort()
  await far
  t.deepEqual(runtime.stats().tasks, IDLE)
})

test('sliceMs and poolThreads are checked, and calls work with any of them', async (t) => {
  for (const options of [{ poolThreads: 1 }, { poolThreads: 8 }, { sliceMs: 1 }, { sliceMs: 50, poolThreads: 2 }]) {
    const { guest, make } = await setUp(t, (n) => nextTurn(n), options)
    const guests = [guest, ...(await Promise.all([make(), make(), make()]))]
    const results = await Promise.all(guests.flatMap((one) => [one.exports['spin'].async(20_000_000), one.exports['run'].async(4)])) // prettier-ignore
    t.deepEqual(results, guests.flatMap(() => [7, 4])) // prettier-ignore
  }
  for (const value of [0, -1, 1.5, NaN, '1', null, 2 ** 32] as any[]) {
    t.throws(() => new Runtime({ poolThreads: value }), { code: 'INVALID_ARGUMENT', message: /options\.poolThreads/ })
    t.throws(() => new Runtime({ sliceMs: value }), { code: 'INVALID_ARGUMENT', message: /options\.sliceMs/ })
  }
})
