import test from 'ava'

import {
  ArgumentError,
  ArgumentRangeError,
  Engine,
  InterruptedError,
  Linker,
  Module,
  OutOfFuelError,
  Store,
  StoreBusyError,
} from '../index.mjs'
import { openRuntime } from './support/async.js'
import { thrownBy } from './support/wat.js'

const UNBOUNDED = 2n ** 64n - 1n

const guestText = `(module $tank
  (import "host" "call" (func $call))
  (memory (export "memory") 1)
  (func $loop (export "loop") (loop br 0))
  (func $count (export "count") (param $n i32)
    (loop $l (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
  (func (export "callThenCount") (param i32) call $call (call $count (local.get 0)))
  (func (export "callThenLoop") call $call (loop br 0))
  (func (export "trap") (call $count (i32.const 10)) unreachable)
  (func (export "fill") (param i32) (memory.fill (i32.const 0) (i32.const 1) (local.get 0))))`

const empty = { instanceOf: OutOfFuelError }

/** A guest in a store of its own, whose host function does what `host.run` says, and what its calls cost. */
function makeGuest(t: Parameters<typeof openRuntime>[0], config: object = {}) {
  const runtime = openRuntime(t, { fuel: true })
  const host = { run: (): unknown => undefined }
  runtime.newHostModuleBuilder('host').newFunctionBuilder().withFunc(() => host.run()).withName('call').export('call')
    .instantiate() // prettier-ignore
  const guest = runtime.instantiate(guestText, { name: '', ...config })
  const cost = (run: () => unknown): bigint => {
    const before = guest.fuel
    run()
    return before - guest.fuel
  }
  return { runtime, host, guest, cost, func: (name: string) => guest.exportedFunction(name)! }
}

test('without an amount a store has no bound', (t) => {
  const { guest } = makeGuest(t)
  t.is(guest.fuel, UNBOUNDED)
  guest.exports['count'](1000)
  t.true(guest.fuel < UNBOUNDED)
  t.true(guest.fuel > UNBOUNDED - 100_000n)
})

test('what is left is exact, and the same on every run', (t) => {
  const left = Array.from({ length: 5 }, () => {
    const { guest } = makeGuest(t, { fuel: 1_000_000n })
    guest.exports['count'](1000)
    guest.exports['fill'](60_000)
    thrownBy(() => guest.exports['trap']())
    return guest.fuel
  })
  t.is(new Set(left).size, 1)
  t.true(left[0]! > 0n && left[0]! < 1_000_000n)
  const { cost, guest } = makeGuest(t)
  // Each turn of the loop costs the same.
  const [ten, eleven, thousand] = [10, 11, 1000].map((turns) => cost(() => guest.exports['count'](turns)))
  t.is(thousand! - ten!, (eleven! - ten!) * 990n)
})

test('out of fuel is an OutOfFuelError with frames, and nothing is left', (t) => {
  const { guest } = makeGuest(t, { fuel: 10_000n })
  const error = thrownBy(() => guest.exports['loop']()) as OutOfFuelError
  t.true(error instanceof OutOfFuelError)
  t.is(error.code, 'OUT_OF_FUEL')
  t.is(error.frames[0]!.functionName, 'loop')
  t.is(guest.fuel, 0n)
  t.throws(() => guest.exports['count'](1), empty)
  guest.fuel = 1_000n
  guest.exports['count'](1)
  t.true(guest.fuel > 900n)
})

test('exactly as much as it costs is enough, and one less is not', (t) => {
  const { guest, cost, func } = makeGuest(t)
  const price = cost(() => guest.exports['count'](100))
  t.is(
    cost(() => func('count').callWith({ fuel: price }, 100)),
    price,
  )
  // Fuel is looked at where a function begins or a loop turns, so what comes after the last of them may be free.
  t.throws(() => func('count').callWith({ fuel: price - 10n }, 100), empty)
})

test('a budget: the call may use that much, and the store has what it had minus what was used', (t) => {
  const { guest, func, cost } = makeGuest(t, { fuel: 1_000_000n })
  const price = cost(() => guest.exports['count'](100))
  t.is(
    cost(() => func('count').callWith({ fuel: 500_000n }, 100)),
    price,
  )
  t.is(
    cost(() => func('count').callWith({ fuel: UNBOUNDED }, 100)),
    price,
  )
  t.is(
    cost(() => t.throws(() => func('loop').callWith({ fuel: 1000n }), empty)),
    1000n,
  )
  t.is(
    cost(() => t.throws(() => func('loop').callWith({ fuel: 0n }), empty)),
    0n,
  )
  t.is(
    cost(() => thrownBy(() => func('trap').callWith({ fuel: 1000n }))),
    cost(() => thrownBy(() => func('trap').call())),
  )
  // A budget gives nothing that the store does not have.
  guest.fuel = 100n
  t.throws(() => func('loop').callWith({ fuel: 1_000_000n }), empty)
  t.is(guest.fuel, 0n)
})

test('nested budgets: the smallest counts, and each call pays what it used', (t) => {
  const { guest, func, host, cost } = makeGuest(t, { fuel: 1_000_000n })
  let inner: unknown
  // An inner budget that is smaller ends the inner call only.
  host.run = () => {
    inner = thrownBy(() => func('loop').callWith({ fuel: 500n }))
  }
  const plain = cost(() => func('callThenCount').callWith({ fuel: 100_000n }, 10)) - 500n
  t.true(inner instanceof OutOfFuelError)
  host.run = () => undefined
  t.is(
    cost(() => func('callThenCount').call(10)),
    plain,
  )
  // One that is larger does not help against the outer one.
  host.run = () => {
    inner = thrownBy(() => func('loop').callWith({ fuel: 900_000n }))
  }
  inner = undefined
  t.is(
    cost(() => t.throws(() => func('callThenCount').callWith({ fuel: 2000n }, 1000), empty)),
    2000n,
  )
  t.true(inner instanceof OutOfFuelError)
  // After an inner budget the outer one is what it was, minus what was used.
  host.run = () => func('count').callWith({ fuel: 700n }, 10)
  t.is(
    cost(() => t.throws(() => func('callThenLoop').callWith({ fuel: 3000n }), empty)),
    3000n,
  )
  t.true(guest.fuel > 0n)
})

test('fuel that a host function reads is what the store has; what it sets leaves the budget in force', (t) => {
  const { guest, func, host } = makeGuest(t, { fuel: 1_000_000n })
  let seen = 0n
  host.run = () => (seen = guest.fuel)
  func('callThenCount').callWith({ fuel: 5000n }, 1)
  t.true(seen > 999_000n && seen < 1_000_000n)
  // More for the store is nothing for the call.
  host.run = () => void (guest.fuel = 5_000_000n)
  t.throws(() => func('callThenLoop').callWith({ fuel: 2000n }), empty)
  t.true(guest.fuel > 4_998_000n - 10n && guest.fuel < 5_000_000n)
  // Less for the store is less for the call.
  host.run = () => void (guest.fuel = 50n)
  t.throws(() => func('callThenCount').callWith({ fuel: 2000n }, 100), empty)
  t.is(guest.fuel, 0n)
  // And in two budgets at once.
  guest.fuel = 1_000_000n
  host.run = () => {
    host.run = () => void (guest.fuel = 9_000_000n)
    t.throws(() => func('callThenLoop').callWith({ fuel: 100n }), empty)
  }
  t.throws(() => func('callThenLoop').callWith({ fuel: 3000n }), empty)
  t.true(guest.fuel > 8_990_000n && guest.fuel < 9_000_000n)
})

test('fuel and a deadline go together: whichever is over first', (t) => {
  const { func } = makeGuest(t)
  t.throws(() => func('loop').callWith({ fuel: 1000n, timeoutMs: 60_000 }), empty)
  t.throws(() => func('loop').callWith({ fuel: UNBOUNDED, timeoutMs: 20 }), { instanceOf: InterruptedError })
})

test('start functions use the fuel of the config', (t) => {
  const { runtime } = makeGuest(t)
  for (const text of ['(module (func $s (loop br 0)) (start $s))', '(module (func (export "_start") (loop br 0)))']) {
    t.throws(() => runtime.instantiate(text, { name: '', fuel: 10_000n }), empty)
  }
})

test('the lower layer: store.fuel and addFuel', (t) => {
  const engine = new Engine({ fuel: true })
  const store = new Store(engine)
  const linker = new Linker(engine).defineUnknownImportsAsTraps()
  const { exports } = linker.instantiate(store, Module.compileSync(engine, guestText))
  t.is(store.fuel, UNBOUNDED)
  store.fuel = 100n
  store.addFuel(20n)
  t.is(store.fuel, 120n)
  t.throws(() => exports['loop'](), empty)
  t.is(store.fuel, 0n)
  store.addFuel(UNBOUNDED)
  store.addFuel(UNBOUNDED)
  t.is(store.fuel, UNBOUNDED)
  store.fuel = 0n
  t.throws(() => exports['count'](1), empty)
  for (const bad of [5, '5', null, undefined, true]) {
    t.throws(() => (store.fuel = bad as never), { instanceOf: ArgumentError })
    t.throws(() => store.addFuel(bad as never), { instanceOf: ArgumentError })
  }
  for (const bad of [-1n, 2n ** 64n]) {
    t.throws(() => (store.fuel = bad), { instanceOf: ArgumentRangeError })
    t.throws(() => store.addFuel(bad), { instanceOf: ArgumentRangeError })
  }
  store.close()
  t.throws(() => store.fuel, { code: 'CLOSED' })
})

test('an engine that does not count fuel says how to switch it on', async (t) => {
  const runtime = openRuntime(t)
  const guest = runtime.instantiate('(module (func (export "f")))', { name: '' })
  const refused = { instanceOf: ArgumentError, message: /fuel: true/ }
  t.throws(() => guest.fuel, refused)
  t.throws(() => (guest.fuel = 5n), refused)
  t.throws(() => guest.exportedFunction('f')!.callWith({ fuel: 5n }), refused)
  t.throws(() => runtime.instantiate('(module)', { name: '', fuel: 5n }), refused)
  await t.throwsAsync(runtime.instantiateAsync('(module)', { name: '', fuel: 5n }), refused)
  const async = await runtime.instantiateAsync('(module (func (export "f")))', { name: '' })
  await t.throwsAsync(async.exportedFunction('f')!.callAsyncWith({ fuel: 5n }), refused)
  t.deepEqual(runtime.stats().tasks, { queued: 0, home: 0, pool: 0, parked: 0 })
  const store = new Store(new Engine())
  t.throws(() => store.fuel, refused)
  t.throws(() => store.addFuel(1n), refused)
})

test('an instance that shares a store has no fuel of its own, but its calls can have budgets', (t) => {
  const { runtime } = makeGuest(t)
  const shared = { instanceOf: ArgumentError, message: /shares the store of all named instances.*name: ''/ }
  t.throws(() => runtime.instantiate('(module)', { name: 'n', fuel: 5n }), shared)
  const named = runtime.instantiate(guestText)
  t.is(named.name, 'tank')
  t.throws(() => (named.fuel = 5n), shared)
  const before = named.fuel
  t.throws(() => named.exportedFunction('loop')!.callWith({ fuel: 500n }), empty)
  t.is(before - named.fuel, 500n)
})

test('async mode: budgets, nested ones, and what is left', async (t) => {
  const { runtime, host } = makeGuest(t)
  const guest = await runtime.instantiateAsync(guestText, { name: '', fuel: 10_000_000n })
  const func = (name: string) => guest.exportedFunction(name)!
  const cost = async (run: () => unknown): Promise<bigint> => {
    const before = guest.fuel
    await run()
    return before - guest.fuel
  }
  const price = await cost(() => func('count').callAsync(100))
  t.is(await cost(() => func('count').callAsyncWith({ fuel: 100_000n }, 100)), price)
  t.is(await cost(() => func('count').callWith({ fuel: 100_000n }, 100)), price)
  t.is(await cost(() => t.throwsAsync(func('loop').callAsyncWith({ fuel: 1000n }), empty)), 1000n)
  t.is(await cost(() => t.throws(() => func('loop').callWith({ fuel: 1000n }), empty)), 1000n)
  // Long enough to go to another thread.
  t.is(await cost(() => t.throwsAsync(func('loop').callAsyncWith({ fuel: 5_000_000n }), empty)), 5_000_000n)
  let inner: unknown
  host.run = async () => {
    await Promise.resolve()
    inner = await t.throwsAsync(func('loop').callAsyncWith({ fuel: 900_000n }))
  }
  t.is(await cost(() => t.throwsAsync(func('callThenCount').callAsyncWith({ fuel: 2000n }, 1000), empty)), 2000n)
  t.true(inner instanceof OutOfFuelError)
  host.run = async () => {
    await Promise.resolve()
    inner = await t.throwsAsync(func('loop').callAsyncWith({ fuel: 300n }))
  }
  inner = undefined
  await func('callThenCount').callAsyncWith({ fuel: 2000n }, 10)
  t.true(inner instanceof OutOfFuelError)
  guest.fuel = 100n
  await t.throwsAsync(func('loop').callAsync(), empty)
  t.is(guest.fuel, 0n)
})

test('async mode: a call that is no part of a waiting one does not use its budget', async (t) => {
  const { runtime, host } = makeGuest(t)
  let settle = (): void => {}
  host.run = () => new Promise<void>((resolve) => (settle = resolve))
  const guest = await runtime.instantiateAsync(guestText, { name: '', fuel: 1_000_000n })
  const func = (name: string) => guest.exportedFunction(name)!
  const waiting = func('callThenCount').callAsyncWith({ fuel: 1000n }, 10)
  while (runtime.stats().tasks.parked === 0) await new Promise(setImmediate)
  func('count').call(10_000)
  t.throws(() => func('loop').callWith({ fuel: 500n }), empty)
  const left = guest.fuel
  settle()
  await waiting
  t.true(left - guest.fuel > 0n && left - guest.fuel < 1000n)
})

test('async mode: while a guest computes on another thread its fuel cannot be read', async (t) => {
  const { runtime } = makeGuest(t)
  const guest = await runtime.instantiateAsync(guestText, { name: '' })
  const controller = new AbortController()
  const call = guest.exportedFunction('loop')!.callAsyncWith({ signal: controller.signal })
  while (runtime.stats().tasks.pool === 0) await new Promise(setImmediate)
  t.throws(() => guest.fuel, { instanceOf: StoreBusyError })
  controller.abort(new Error('enough'))
  await t.throwsAsync(call, { message: 'enough' })
  t.notThrows(() => guest.fuel)
})
