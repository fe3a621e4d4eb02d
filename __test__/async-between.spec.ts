// What happens between the steps of an asynchronous call: between two turns, between a promise and what it settles to.
import { setTimeout as sleep } from 'node:timers/promises'

import test from 'ava'

import wasmtime from '../index.js'

const { Runtime } = wasmtime

/** A runtime with host functions `tick`, `wait` (a settled promise), `pause` (10 ms) and `never`, which are counted. */
function makeRuntime() {
  const runtime = new Runtime()
  const seen = { ticks: 0, pauses: 0 }
  runtime.newHostModuleBuilder('env')
    .newFunctionBuilder().withFunc(() => void seen.ticks++, [], []).export('tick')
    .newFunctionBuilder().withFunc(async () => {}, [], []).export('wait')
    .newFunctionBuilder().withFunc(() => (seen.pauses++, sleep(10)), [], []).export('pause')
    .newFunctionBuilder().withFunc(() => (seen.pauses++, new Promise<void>(() => {})), [], []).export('never')
    .instantiate() // prettier-ignore
  return { runtime, seen }
}

const wat = `(module
  (import "env" "tick" (func $tick))
  (import "env" "wait" (func $wait))
  (import "env" "pause" (func $pause))
  (import "env" "never" (func $never))
  (func (export "ticks") (param $n i32) (result i32)
    (loop $l (call $tick) (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (call $wait)
    (i32.const 7))
  (func (export "waits") (param $n i32) (result i32)
    (loop $l (call $wait) (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i32.const 8))
  (func (export "pause") (call $pause))
  (func (export "never") (call $never))
  (func (export "answer") (result i32) (call $tick) (i32.const 42)))`

for (const name of ['ticks', 'waits'] as const) {
  test(`a synchronous call between two turns of an asynchronous one (${name}) runs by itself`, async (t) => {
    const { runtime, seen } = makeRuntime()
    const guest = await runtime.instantiateAsync<any>(wat, { name: '' })
    const state = { settled: false }
    const call = guest.exports[name].async(100_000).finally(() => (state.settled = true))
    let calls = 0
    while (!state.settled && calls < 1000) {
      await new Promise((resolve) => setImmediate(resolve))
      const before = seen.ticks
      try {
        t.is(guest.exports.answer(), 42)
        t.is(seen.ticks, before + 1)
        calls += 1
      } catch (error) {
        // It may just be computing on another thread.
        t.true(error instanceof wasmtime.StoreBusyError)
      }
    }
    t.true(calls > 0)
    t.is(await call, name === 'ticks' ? 7 : 8)
    t.is(await guest.exports.answer.async(), 42)
    runtime.close()
  })
}

test('a stopped call that waits does not stop a synchronous one', async (t) => {
  const { runtime, seen } = makeRuntime()
  const guest = await runtime.instantiateAsync<any>(wat, { name: '' })
  const controller = new AbortController()
  const reason = new Error('enough')
  const call = guest.exportedFunction('never')?.callAsyncWith({ signal: controller.signal })
  // On a busy machine its first slice may be over before the host call.
  while (seen.pauses === 0) await new Promise((resolve) => setImmediate(resolve))
  controller.abort(reason)
  t.is(guest.exports.answer(), 42)
  t.is(await t.throwsAsync(call ?? Promise.resolve()), reason)
  t.is(guest.exports.answer(), 42)
  runtime.close()
})

test('a promise whose constructor throws rejects the call, and the next one runs', async (t) => {
  const runtime = new Runtime()
  const thrown = new Error('no constructor')
  const promises = [
    Object.defineProperty(Promise.resolve(1), 'constructor', { get() { throw thrown } }), // prettier-ignore
  ]
  runtime.newHostModuleBuilder('env').newFunctionBuilder().withFunc(() => promises.shift() ?? 5, [], ['i32']).export('f').instantiate() // prettier-ignore
  const guest = await runtime.instantiateAsync<any>(
    '(module (import "env" "f" (func $f (result i32))) (func (export "f") (result i32) (call $f)))',
  )
  t.is(await t.throwsAsync(guest.exports.f.async()), thrown)
  t.is(await guest.exports.f.async(), 5)
  runtime.close()
})

test('a host function that closes its instance and then waits for ever does not keep the call', async (t) => {
  const runtime = new Runtime()
  const guests: wasmtime.ModuleInstance<any>[] = []
  const close = async () => {
    guests[0]?.close(3)
    await new Promise(() => {})
  }
  runtime.newHostModuleBuilder('env').newFunctionBuilder().withFunc(close, [], []).export('close').instantiate()
  guests.push(
    await runtime.instantiateAsync<any>('(module (import "env" "close" (func $f)) (func (export "f") (call $f)))', {
      name: '',
    }),
  )
  const error = await t.throwsAsync(guests[0]?.exports.f.async(), { instanceOf: wasmtime.ExitError })
  t.is(error.exitCode, 3)
  runtime.close()
})

test('closing an instance of the shared store ends its calls, and leaves those of the others', async (t) => {
  const { runtime } = makeRuntime()
  const other = await runtime.instantiateAsync<any>(wat, { name: 'other' })
  const guest = await runtime.instantiateAsync<any>(wat, { name: 'guest' })
  const call = guest.exports.never.async()
  const queued = other.exports.answer.async()
  await sleep(5)
  guest.close(5)
  const error = await t.throwsAsync(call, { instanceOf: wasmtime.ExitError })
  t.is(error.exitCode, 5)
  t.is(await queued, 42)
  t.deepEqual(runtime.stats().tasks, { queued: 0, home: 0, pool: 0, parked: 0 })
  runtime.close()
})

test('a start function that throws a LimitError of the program runs once', async (t) => {
  const runtime = new Runtime()
  let starts = 0
  const thrown = new wasmtime.LimitError('a limit of the program')
  const start = () => {
    starts += 1
    throw thrown
  }
  runtime.newHostModuleBuilder('env').newFunctionBuilder().withFunc(start, [], []).export('start').instantiate()
  t.is(
    await t.throwsAsync(runtime.instantiateAsync<any>('(module (import "env" "start" (func $f)) (start $f))')),
    thrown,
  )
  t.is(starts, 1)
  t.like(runtime.stats(), { stores: 0, instances: 0 })
  runtime.close()
})

test('a guest that collects its garbage while it runs goes on', async (t) => {
  const runtime = new Runtime()
  const guest = await runtime.instantiateAsync<any>(`(module
    (type $a (array (mut i32)))
    (func (export "run") (param $n i32) (result i32) (local $i i32)
      (loop $l
        (drop (array.new $a (i32.const 1) (i32.const 100)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $l (i32.lt_s (local.get $i) (local.get $n))))
      (local.get $i)))`)
  t.is(await guest.exports.run.async(100_000), 100_000)
  t.is(guest.exports.run(100_000), 100_000)
  runtime.close()
})

test('what a guest holds is not collected when a host function fills tables and globals with values', async (t) => {
  const runtime = new Runtime()
  const kept = { kept: true }
  let last: unknown
  const fill = (guest: wasmtime.ModuleInstance) => {
    const [table, global] = [guest.exportedTable('table'), guest.exportedGlobal('global')]
    for (let i = 0; i < 5000; i++) {
      table?.set(0, { i })
      if (global !== undefined) global.value = { i }
    }
    table?.fill(0, { filled: true }, 1)
    table?.grow(1, { grown: true })
  }
  runtime.newHostModuleBuilder('env')
    .newFunctionBuilder().withFunc(() => kept, [], ['externref']).export('make')
    .newFunctionBuilder().withModuleFunc(fill, [], []).export('fill')
    .newFunctionBuilder().withFunc((value) => void (last = value), ['externref'], []).export('use')
    .instantiate() // prettier-ignore
  const guest = await runtime.instantiateAsync<any>(`(module
    (import "env" "make" (func $make (result externref)))
    (import "env" "fill" (func $fill))
    (import "env" "use" (func $use (param externref)))
    (table (export "table") 1 2 externref)
    (global (export "global") (mut externref) (ref.null extern))
    (func (export "run") (local $k externref)
      (local.set $k (call $make))
      (call $fill)
      (call $use (local.get $k))))`)
  await guest.exports.run.async()
  t.is(last, kept)
  t.deepEqual(guest.exportedTable('table')?.get(0), { filled: true })
  t.deepEqual(guest.exportedTable('table')?.get(1), { grown: true })
  runtime.close()
})
