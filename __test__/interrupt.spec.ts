import { Worker } from 'node:worker_threads'

import test, { type ExecutionContext } from 'ava'

import { Engine, InterruptedError, Linker, Module, Store } from '../index.mjs'
import { IDLE, LIMIT, keep, never, openRuntime } from './support/async.js'
import { root } from './process/run-node.js'
import { thrownBy } from './support/wat.js'

const guestText = `(module $clock
  (import "host" "call" (func $call))
  (func (export "loop") (loop br 0))
  (func (export "callThenLoop") call $call (loop br 0))
  (func (export "callTwice") call $call call $call)
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))`

const interrupted = { instanceOf: InterruptedError, message: /^the call was interrupted \(interrupt\(\)\)/ }

/** A Worker that runs CommonJS text, in which `wasmtime` is the package and `flag` a shared number. */
function startWorker(t: ExecutionContext, script: string, workerData: object): Worker {
  const index = `${root}index.js`
  const worker = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads')
    const wasmtime = require(${JSON.stringify(index)})
    const flag = new Int32Array(workerData.shared)
    ${script}`,
    { eval: true, workerData },
  )
  worker.on('error', (error) => t.fail(String(error)))
  return worker
}

function nextMessage(worker: Worker): Promise<any> {
  return new Promise((resolve) => worker.once('message', resolve))
}

test('interrupt() in a host function ends the call when its guest goes on, and no later one', (t) => {
  const runtime = openRuntime(t)
  let calls = 0
  runtime.newHostModuleBuilder('host').newFunctionBuilder()
    .withFunc(() => void (calls++, runtime.interrupt()), [], []).export('call').instantiate() // prettier-ignore
  const guest = runtime.instantiate(guestText, { name: '' })
  t.throws(() => guest.exports['callThenLoop'](), interrupted)
  t.throws(() => guest.exports['callTwice'](), interrupted)
  t.is(calls, 2)
  t.is(guest.exports['add'](1, 2), 3)
})

test('interrupt() while nothing runs touches nothing', async (t) => {
  const runtime = openRuntime(t)
  runtime
    .newHostModuleBuilder('host')
    .newFunctionBuilder()
    .withFunc(() => {})
    .export('call')
    .instantiate()
  const sync = runtime.instantiate(guestText, { name: '' })
  const async = await runtime.instantiateAsync(guestText, { name: '' })
  for (let round = 0; round < 10; round++) {
    runtime.interrupt()
    t.is(sync.exports['callTwice'](), undefined)
    t.is(async.exports['add'](1, 2), 3)
    t.is(async.exports['callTwice'](), undefined)
    t.is(await async.exports['callTwice'].async(), undefined)
  }
})

test('a call in the host function of an interrupted call is part of it', (t) => {
  const runtime = openRuntime(t)
  let inner: unknown
  const run = (): void => {
    runtime.interrupt()
    inner = thrownBy(() => guest.exports['add'](1, 2))
  }
  runtime.newHostModuleBuilder('host').newFunctionBuilder().withFunc(run, [], []).export('call').instantiate()
  const guest = runtime.instantiate(guestText, { name: '' })
  t.throws(() => guest.exports['callTwice'](), interrupted)
  t.true(inner instanceof InterruptedError)
})

test('interrupt() ends asynchronous calls that compute, and those that wait', async (t) => {
  const runtime = openRuntime(t)
  runtime.newHostModuleBuilder('host').newFunctionBuilder()
    .withFunc(() => never()).export('call').instantiate() // prettier-ignore
  const waiting = await runtime.instantiateAsync(guestText, { name: '' })
  const computing = await runtime.instantiateAsync(guestText, { name: '' })
  keep(t, waiting, computing)
  const calls = [waiting.exports['callTwice'].async(), computing.exports['loop'].async()]
  while (runtime.stats().tasks.parked === 0 || runtime.stats().tasks.queued > 0) await new Promise(setImmediate)
  runtime.interrupt()
  for (const call of calls) await t.throwsAsync(call, interrupted)
  t.is(await waiting.exports['add'].async(1, 2), 3)
  t.is(await computing.exports['add'].async(3, 4), 7)
  t.deepEqual(runtime.stats().tasks, IDLE)
})

test('interrupt() from the host function of an asynchronous call ends that call', async (t) => {
  const runtime = openRuntime(t)
  for (const [name, answer] of [
    ['at-once', undefined],
    ['promise', never()],
  ] as const) {
    runtime.newHostModuleBuilder('host').newFunctionBuilder()
      .withFunc(() => (runtime.interrupt(), answer)).export('call').instantiate() // prettier-ignore
    const guest = await runtime.instantiateAsync(guestText, { name: '' })
    keep(t, guest)
    await t.throwsAsync(guest.exports['callThenLoop'].async(), interrupted, name)
    t.is(await guest.exports['add'].async(1, 2), 3)
    runtime.module('host')?.close()
  }
})

test('only the engine that is interrupted is concerned', (t) => {
  const other = new Engine()
  const engine = new Engine()
  const linker = new Linker(engine)
  linker.func('host', 'call', { params: [], results: [] }, () => other.interrupt())
  const { exports } = linker.instantiate(new Store(engine), Module.compileSync(engine, guestText))
  t.is(exports['callTwice'](), undefined)
  t.is(exports['add'](1, 2), 3)
})

test('a Worker interrupts an endless loop of the main thread, and nothing afterwards', async (t) => {
  const runtime = openRuntime(t)
  const shared = new SharedArrayBuffer(8)
  const flag = new Int32Array(shared)
  runtime.newHostModuleBuilder('host').newFunctionBuilder()
    .withFunc(() => void (Atomics.add(flag, 0, 1), Atomics.notify(flag, 0)), [], []).export('call').instantiate() // prettier-ignore
  const guest = runtime.instantiate(guestText, { name: '' })
  const worker = startWorker(
    t,
    `const runtime = wasmtime.Runtime.attach(workerData.engine)
    parentPort.postMessage('ready')
    for (let round = 0; round < 20; round++) {
      Atomics.wait(flag, 0, round)
      runtime.interrupt()
    }
    parentPort.postMessage('done')`,
    { engine: runtime.share(), shared },
  )
  await nextMessage(worker)
  for (let round = 0; round < 20; round++) {
    // With a bound, for nothing else could end it if the Worker did not; its error has another text.
    t.throws(() => guest.exportedFunction('callThenLoop')!.callWith({ timeoutMs: LIMIT }), interrupted)
    t.is(guest.exports['add'](1, round), 1 + round)
  }
  await worker.terminate()
})

test('the main thread interrupts the loop of a Worker, which can then be terminated', async (t) => {
  const runtime = openRuntime(t)
  const shared = new SharedArrayBuffer(8)
  const flag = new Int32Array(shared)
  const worker = startWorker(
    t,
    `const runtime = wasmtime.Runtime.attach(workerData.engine)
    runtime.newHostModuleBuilder('host').newFunctionBuilder()
      .withFunc(() => void (Atomics.add(flag, 0, 1), Atomics.notify(flag, 0)), [], []).export('call').instantiate()
    const guest = runtime.instantiate(workerData.guestText, { name: '' })
    for (let round = 0; ; round++) {
      try {
        guest.exports.callThenLoop()
      } catch (error) {
        parentPort.postMessage(error.name + ' ' + guest.exports.add(1, round))
      }
    }`,
    { engine: runtime.share(), shared, guestText },
  )
  for (let round = 0; round < 5; round++) {
    const message = nextMessage(worker)
    while (Atomics.load(flag, 0) <= round) await new Promise(setImmediate)
    runtime.interrupt()
    t.is(await message, `InterruptedError ${round + 1}`)
  }
  while (Atomics.load(flag, 0) <= 5) await new Promise(setImmediate)
  // The Worker computes, so it sees the termination only when it is interrupted.
  const ended = worker.terminate()
  runtime.interrupt()
  t.is(await ended, 1)
})

test('interrupt() from another thread ends asynchronous calls that wait for a promise', async (t) => {
  const runtime = openRuntime(t)
  const shared = new SharedArrayBuffer(8)
  runtime
    .newHostModuleBuilder('host')
    .newFunctionBuilder()
    .withFunc(() => never())
    .export('call')
    .instantiate()
  const guest = await runtime.instantiateAsync(guestText, { name: '' })
  keep(t, guest)
  const call = guest.exports['callTwice'].async()
  while (runtime.stats().tasks.parked === 0) await new Promise(setImmediate)
  const worker = startWorker(t, `wasmtime.Engine.attach(workerData.engine).interrupt()`, {
    engine: runtime.share(),
    shared,
  })
  const alive = setInterval(() => {}, LIMIT)
  await t.throwsAsync(call, interrupted)
  clearInterval(alive)
  t.is(await guest.exports['add'].async(1, 2), 3)
  await worker.terminate()
})

test('calls with deadlines on one thread do not disturb long calls on another that shares the engine', async (t) => {
  const runtime = openRuntime(t)
  const shared = new SharedArrayBuffer(8)
  const worker = startWorker(
    t,
    `const runtime = wasmtime.Runtime.attach(workerData.engine)
    runtime.newHostModuleBuilder('host').newFunctionBuilder().withFunc(() => {}, [], []).export('call').instantiate()
    const guest = runtime.instantiate(workerData.guestText, { name: '' })
    parentPort.postMessage('ready')
    let count = 0
    while (Atomics.load(flag, 0) === 0) {
      try {
        guest.exportedFunction('loop').callWith({ timeoutMs: 1 })
      } catch {
        count++
      }
    }
    parentPort.postMessage(count)`,
    { engine: runtime.share(), shared, guestText },
  )
  await nextMessage(worker)
  const counter = runtime.instantiate(
    `(module (func (export "count") (param i64) (result i64) (local i64)
      (loop $l (local.set 1 (i64.add (local.get 1) (i64.const 1))) (br_if $l (i64.lt_u (local.get 1) (local.get 0))))
      (local.get 1)))`,
    { name: '' },
  )
  t.is(counter.exports['count'](200_000_000n), 200_000_000n)
  const count = nextMessage(worker)
  Atomics.store(new Int32Array(shared), 0, 1)
  t.true((await count) > 0)
  await worker.terminate()
})
