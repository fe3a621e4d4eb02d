import test from 'ava'

import { ClosedError, ExitError, InterruptedError, StoreBusyError } from '../index.mjs'
import { IDLE, openRuntime, until } from './support/async.ts'
import { guest, sleeper } from './support/wasi-guests.ts'

const HOUR = 3_600_000_000_000n
const nap = guest(`(func (export "nap") (param i64) (result i32) (call $sleep (local.get 0)))
  (func (export "spin") (loop $forever (br $forever)))
  (func (export "answer") (result i32) (i32.const 42))`)

// Before the others, of which some block the thread.
test.serial('a guest that sleeps leaves the event loop alone, and many sleep at once', async (t) => {
  const runtime = openRuntime(t)
  const compiled = await runtime.compileModule(nap)
  const all = await Promise.all(Array.from({ length: 100 }, () => runtime.instantiateAsync(compiled, { wasi: {} })))
  const began = performance.now()
  const naps = all.map((instance) => instance.exports['nap'].async(50_000_000n))
  let turns = 0
  const timer = setInterval(() => (turns += 1), 1)
  t.deepEqual(new Set(await Promise.all(naps)), new Set([0]))
  clearInterval(timer)
  t.true(performance.now() - began >= 50)
  t.true(turns > 1)
  t.deepEqual(runtime.stats().tasks, IDLE)
})

test('one that sleeps is parked, its store busy', async (t) => {
  const runtime = openRuntime(t)
  const instance = await runtime.instantiateAsync(nap, { wasi: {} })
  const controller = new AbortController()
  const run = instance.exportedFunction('nap')?.callAsyncWith({ signal: controller.signal }, HOUR)
  const queued = instance.exports['answer'].async()
  await until(() => runtime.stats().tasks.parked === 1)
  t.deepEqual(runtime.stats().tasks, { ...IDLE, parked: 1, queued: 1 })
  t.throws(() => instance.exports['answer'](), { instanceOf: StoreBusyError })
  t.throws(() => instance.memory?.readByte(0), { instanceOf: StoreBusyError })
  controller.abort('wake up')
  t.is(await run?.catch((error: unknown) => error), 'wake up' as never)
  t.is(await queued, 42)
  t.is(instance.exports['answer'](), 42)
  t.deepEqual(runtime.stats().tasks, IDLE)
})

test('timeoutMs, close and the end of the runtime end a sleep', async (t) => {
  const runtime = openRuntime(t)
  await t.throwsAsync(runtime.runCommand(sleeper, { timeoutMs: 20 }), { instanceOf: InterruptedError })
  await t.throwsAsync(runtime.instantiateAsync(sleeper, { wasi: {}, timeoutMs: 20 }), { instanceOf: InterruptedError })
  await t.throwsAsync(runtime.runCommand(sleeper, { signal: AbortSignal.timeout(20) }), {
    any: true,
    name: 'TimeoutError',
  })

  const instance = await runtime.instantiateAsync(nap, { wasi: {} })
  const run = instance.exports['nap'].async(HOUR)
  await until(() => runtime.stats().tasks.parked === 1)
  instance.close(8)
  t.is((await t.throwsAsync(run, { instanceOf: ExitError }))?.exitCode, 8)

  const last = await runtime.instantiateAsync(nap, { wasi: {} })
  const lost = last.exports['nap'].async(HOUR)
  const command = runtime.runCommand(sleeper)
  await until(() => runtime.stats().tasks.parked === 2)
  runtime.close(9)
  t.is((await t.throwsAsync(lost, { instanceOf: ExitError }))?.exitCode, 9)
  await t.throwsAsync(command, { instanceOf: ExitError })
  await t.throwsAsync(runtime.runCommand(sleeper), { instanceOf: ClosedError })
})

test('a call that is stopped before it sleeps does not sleep', async (t) => {
  const runtime = openRuntime(t)
  const instance = await runtime.instantiateAsync(nap, { wasi: {} })
  const nap1 = instance.exportedFunction('nap')
  await t.throwsAsync(async () => await nap1?.callAsyncWith({ timeoutMs: 0 }, HOUR), { instanceOf: InterruptedError })
  await t.throwsAsync(async () => await nap1?.callAsyncWith({ signal: AbortSignal.abort(new Error('no')) }, HOUR), {
    message: 'no',
  })
  t.is(await instance.exports['nap'].async(1000n), 0)
})

test('a guest that sleeps inside a host function of another call', async (t) => {
  const runtime = openRuntime(t)
  runtime
    .newHostModuleBuilder('env')
    .newFunctionBuilder()
    .withModuleFunc(async (mod: any) => await mod.exports['nap'].async(2_000_000n), [], ['i32'])
    .export('call')
    .instantiate()
  const source = guest(
    `(func (export "nap") (param i64) (result i32) (call $sleep (local.get 0)))
     (func (export "outer") (result i32)
       (i32.add (call $call) (i32.add (call $sleep (i64.const 2000000)) (call $call))))`,
    '(import "env" "call" (func $call (result i32)))',
  )
  const instance = await runtime.instantiateAsync(source, { wasi: {} })
  t.is(await instance.exports['outer'].async(), 0)
  const slow = source.replace('(i32.add (call $call)', '(i32.add (i32.const 5)')
  const other = await runtime.instantiateAsync(slow, { wasi: {} })
  t.is(await other.exports['outer'].async(), 5)
})

test('a guest that computes for long and then sleeps', async (t) => {
  const runtime = openRuntime(t)
  const source = guest(`(func (export "run") (param $n i32) (result i32)
    (loop $more
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $more (local.get $n)))
    (call $sleep (i64.const 1000000)))`)
  const instances = await Promise.all([1, 2, 3].map(() => runtime.instantiateAsync(source, { wasi: {} })))
  for (let round = 0; round < 5; round++) {
    t.deepEqual(await Promise.all(instances.map((one) => one.exports['run'].async(20_000_000))), [0, 0, 0])
  }
})

test('a synchronous sleep blocks, in both modes', async (t) => {
  const runtime = openRuntime(t)
  const sync = runtime.instantiate(nap, { wasi: {} })
  const async = await runtime.instantiateAsync(nap, { wasi: {} })
  for (const instance of [sync, async]) {
    const began = performance.now()
    t.is(instance.exports['nap'](20_000_000n), 0)
    t.true(performance.now() - began >= 20)
  }
})

test('deadlines and interruptions end a sleep, in both modes', async (t) => {
  const runtime = openRuntime(t)
  t.throws(() => runtime.runCommandSync(sleeper, { timeoutMs: 20 }), {
    instanceOf: InterruptedError,
    message: /timeoutMs/,
  })
  const sync = runtime.instantiate(nap, { wasi: {} })
  t.throws(() => sync.exportedFunction('nap')?.callWith({ timeoutMs: 20 }, HOUR), { instanceOf: InterruptedError })
  t.is(sync.exports['nap'](1000n), 0)
  const async = await runtime.instantiateAsync(nap, { wasi: {} })
  t.throws(() => async.exportedFunction('nap')?.callWith({ timeoutMs: 20 }, HOUR), { instanceOf: InterruptedError })
  const run = async.exports['nap'].async(HOUR)
  await until(() => runtime.stats().tasks.parked === 1)
  runtime.interrupt()
  await t.throwsAsync(run, { instanceOf: InterruptedError, message: /interrupt\(\)/ })
  t.is(await async.exports['nap'].async(1000n), 0)
})
