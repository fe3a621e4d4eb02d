// Host functions of async mode that answer at once are called in the middle of their guest's poll (src/tasks/direct_call.rs).
import test, { type ExecutionContext } from 'ava'

import { Engine, type Instance, Linker, Module, Store } from '../index.mjs'
import { LIMIT } from './support/async.ts'

/** `nest` keeps a struct, an externref and a number on its stack while it is called again by `deeper`, to a depth of `$n`. */
const text = `(module
  (type $s (struct (field i32)))
  (type $a (array (mut i32)))
  (import "h" "deeper" (func $deeper (param i32) (result i32)))
  (import "h" "make" (func $make (param i32) (result externref)))
  (import "h" "check" (func $check (param i32 externref) (result i32)))
  (import "h" "notify" (func $notify (param i32)))
  (import "h" "last" (func $last (param i32)))
  (func (export "garbage") (param i32)
    (loop $more
      (drop (array.new $a (i32.const 1) (i32.const 1000)))
      (br_if $more (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
  (func (export "nest") (param $n i32) (result i32)
    (local $kept (ref null $s)) (local $value externref) (local $below i32)
    (local.set $kept (struct.new $s (local.get $n)))
    (local.set $value (call $make (local.get $n)))
    (local.set $below (call $deeper (local.get $n)))
    (drop (call $check (local.get $n) (local.get $value)))
    (if (i32.ne (struct.get $s 0 (local.get $kept)) (local.get $n)) (then unreachable))
    (i32.add (local.get $below) (i32.const 1)))
  (func (export "order") (param i32)
    (loop $more
      (call $notify (local.get 0))
      (call $last (local.get 0))
      (br_if $more (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))`

type Answer = (guest: Instance['exports'], store: Store, n: number) => unknown

async function open(t: ExecutionContext, answer: Answer) {
  t.timeout(LIMIT)
  const engine = new Engine()
  const store = new Store(engine, { mode: 'async' })
  t.teardown(() => store.close())
  const made = new Map<number, object>()
  const seen: number[] = []
  const module = Module.compileSync(engine, text)
  const linker = new Linker(engine)
    .func('h', 'deeper', undefined, (n: number) => answer(instance.exports, store, n))
    .func('h', 'make', undefined, (n: number) => {
      const value = { n }
      made.set(n, value)
      return value
    })
    .func('h', 'check', undefined, (n: number, value: unknown) => {
      t.is(value, made.get(n))
      return n
    })
    .func('h', 'notify', { params: ['i32'], results: [] }, (n: number) => void seen.push(n), { notify: true })
    .func('h', 'last', undefined, (n: number) => void seen.push(-n))
  const instance: Instance = await linker.instantiateAsync(store, module)
  return { store, exports: instance.exports as any, engine, seen, linker, module }
}

for (const depth of [1, 3, 4, 5, 12]) {
  test(`what a guest holds is kept while its host function collects garbage, at depth ${depth}`, async (t) => {
    const { exports } = await open(t, (guest: any, store, n) => {
      store.gc()
      guest.garbage(300)
      const below: number = n > 1 ? guest.nest(n - 1) : 0
      store.gc()
      return below
    })
    for (let round = 0; round < 20; round++) {
      t.is(await exports.nest.async(depth), depth)
      t.is(exports.nest(depth), depth)
    }
  })
}

test('plain calls in host functions and awaited ones take turns, and each sees the results of its own', async (t) => {
  const { exports } = await open(t, (guest: any, store, n) => {
    store.gc()
    if (n === 0) return 0
    return n % 3 === 0 ? (async () => (await guest.nest.async(n - 1)) as number)() : guest.nest(n - 1)
  })
  // Within a plain call nothing can wait: so the outermost levels are those that await.
  const { exports: both } = await open(t, (guest: any, _, n) =>
    n > 5 ? (async () => (await guest.nest.async(n - 1)) as number)() : n > 0 ? guest.nest(n - 1) : 0,
  )
  t.is(await both.nest.async(15), 16)
  await t.throwsAsync(exports.nest.async(4), { message: /promise/ })
  t.is(await exports.nest.async(2), 3)
})

test("what a plain call in a host function throws is the host function's to catch, and the guest goes on", async (t) => {
  const intended = new Error('intended')
  const { exports } = await open(t, (guest: any, _, n) => {
    if (n === 0) throw intended
    if (n % 2 === 0) return guest.nest(n - 1)
    try {
      return guest.nest(n - 1)
    } catch (error) {
      t.is(error, intended)
      return 100
    }
  })
  t.is(await exports.nest.async(1), 101)
  t.is(await exports.nest.async(6), 106)
  t.is(await t.throwsAsync(exports.nest.async(0)), intended)
  t.is(exports.nest(6), 106)
})

for (const depth of [0, 1, 4, 7]) {
  test(`a store that is closed at depth ${depth} of plain calls ends with all of them`, async (t) => {
    let after = 0
    const { exports, store } = await open(t, (guest: any, own, n) => {
      if (n > 0) {
        const below: unknown = guest.nest(n - 1)
        after += 1
        return below
      }
      own.close()
      return 1
    })
    const call = exports.nest.async(depth)
    await t.throwsAsync(call, { code: 'CLOSED' })
    // A plain call goes on to its end, and its caller learns of the close.
    t.true(after <= depth)
    t.throws(() => store.gc(), { code: 'CLOSED' })
  })
}

test('calls without an answer come before those that are made after them', async (t) => {
  const { exports, seen } = await open(t, () => 0)
  await exports.order.async(1000)
  t.deepEqual(seen, Array.from({ length: 1000 }, (_, i) => [1000 - i, i - 1000]).flat())
})

test('a host function may drive other stores, which wait, compute and are closed meanwhile', async (t) => {
  const others: Promise<unknown>[] = []
  const inner = await open(t, async () => 1)
  const { exports, engine, linker, module } = await open(t, (_, __, n) => {
    others.push(inner.exports.nest.async(1), inner.exports.garbage.async(2000))
    if (n % 10 === 0) {
      const store = new Store(engine, { mode: 'async' })
      others.push(linker.instantiateAsync(store, module).then(() => store.close()))
    }
    return 1
  })
  for (let n = 1; n <= 50; n++) t.is(await exports.nest.async(n), 2)
  t.is((await Promise.allSettled(others)).filter(({ status }) => status === 'rejected').length, 0)
})

/** A guest without a loop that calls `f`, which keeps the thread for 30 ms, eight times. */
async function slow(t: ExecutionContext, called: () => void) {
  t.timeout(LIMIT)
  const engine = new Engine()
  const store = new Store(engine, { mode: 'async' })
  t.teardown(() => store.close())
  const text = `(module (import "h" "f" (func $f)) (func (export "run") ${'(call $f)'.repeat(8)}))`
  const linker = new Linker(engine).func('h', 'f', { params: [], results: [] }, () => {
    called()
    const end = performance.now() + 30
    while (performance.now() < end);
  })
  const instance = await linker.instantiateAsync(store, Module.compileSync(engine, text))
  return instance.getFunc('run')!
}

test.serial('host functions that take long leave the event loop its turn after each call', async (t) => {
  const state = { turn: 0, ended: false }
  const turns: number[] = []
  const run = await slow(t, () => turns.push(state.turn))
  const next = (): void => {
    state.turn += 1
    if (!state.ended) setImmediate(next)
  }
  setImmediate(next)
  await run.callAsync().finally(() => (state.ended = true))
  t.is(new Set(turns).size, 8)
})

test.serial('no host function is called after the time is over', async (t) => {
  let calls = 0
  const run = await slow(t, () => (calls += 1))
  await t.throwsAsync(run.callAsyncWith({ timeoutMs: 20 }), { code: 'INTERRUPTED' })
  t.is(calls, 1)
})
