import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'

import test, { type ExecutionContext } from 'ava'

import { ArgumentError, Engine, InterruptedError, Linker, Module, type ModuleInstance, Store } from '../index.mjs'
import { IDLE, LIMIT, never, openRuntime } from './support/async.ts'

const GUEST = `(module $guest
  (import "m" "f" (func $f (param i32) (result i32)))
  (func (export "compute") (loop $again (br $again)))
  (func (export "run") (param i32) (result i32) (call $f (local.get 0)))
  (func (export "twice") (param i32 i32) (result i32) (call $f (local.get 0)) (call $f (local.get 1)) (i32.add))
  (func (export "count") (param i32) (result i32) (local i32)
    (loop $again
      (local.set 1 (i32.add (local.get 1) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get 1) (local.get 0))))
    (call $f (local.get 1))))`

type Handler = (n: number, module: ModuleInstance) => number | Promise<number>

async function setUp(t: ExecutionContext, handler: Handler = (n) => n) {
  const runtime = openRuntime(t)
  const host = { handler }
  runtime
    .newHostModuleBuilder('m')
    .newFunctionBuilder()
    .withModuleFunc((module, n) => host.handler(n, module), ['i32'], ['i32'])
    .export('f')
    .instantiate()
  const guest = await runtime.instantiateAsync(GUEST, { name: '' })
  return { runtime, host, guest, run: guest.exportedFunction('run')! }
}

/** What a promise is rejected with. */
async function reasonOf(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    (value) => Promise.reject(new Error(`it resolved to ${String(value)}`)),
    (reason: unknown) => reason,
  )
}

test('stopping an outer call stops those that are nested in it, all with its reason', async (t) => {
  const { runtime, guest, host, run } = await setUp(t)
  const reasons: unknown[] = []
  host.handler = async (n, module) => {
    if (n === 0) return await never()
    return await module.exports['run'].async(n - 1).catch((reason: unknown) => {
      reasons.push(reason)
      return 100
    })
  }
  const controller = new AbortController()
  const stopped = run.callAsyncWith({ signal: controller.signal }, 5)
  while (runtime.stats().tasks.parked < 6) await nextTurn()
  controller.abort('outer')
  t.is(await reasonOf(stopped), 'outer')
  await nextTurn()
  t.deepEqual(
    reasons,
    Array.from({ length: 5 }, () => 'outer'),
  )
  t.deepEqual(runtime.stats().tasks, IDLE)
  host.handler = (n) => n
  t.is(await guest.exports['run'].async(1), 1)
})

test('stopping a nested call does not stop the one that it is nested in', async (t) => {
  const { runtime, guest, host, run } = await setUp(t)
  for (const inner of ['compute', 'run']) {
    for (const how of ['signal', 'time']) {
      host.handler = async (n, module) => {
        if (n === 0) return await never()
        const options = how === 'time' ? { timeoutMs: 2 } : { signal: AbortSignal.timeout(2) }
        const call = module.exportedFunction(inner)!.callAsyncWith(options, ...(inner === 'run' ? [0] : []))
        const reason = await reasonOf(call)
        t.is((reason as Error).name, how === 'time' ? 'InterruptedError' : 'TimeoutError')
        return n + 1
      }
      t.is(await run.callAsync(1), 2)
      t.deepEqual(runtime.stats().tasks, IDLE)
      host.handler = (n) => n
      t.is(await guest.exports['count'].async(1_000_000), 1_000_000)
    }
  }
})

test('a nested call that waits for its turn in a call that is stopped is stopped with it', async (t) => {
  const { runtime, host, run } = await setUp(t)
  const outcomes: unknown[] = []
  const begun: number[] = []
  host.handler = async (n, module) => {
    begun.push(n)
    if (n > 0) return await never()
    const calls = [1, 2, 3].map((m) => reasonOf(module.exports['run'].async(m)).then((reason) => outcomes.push(reason)))
    await Promise.all(calls)
    return n
  }
  const controller = new AbortController()
  const stopped = run.callAsyncWith({ signal: controller.signal }, 0)
  while (begun.length < 2) await nextTurn()
  controller.abort('outer')
  t.is(await reasonOf(stopped), 'outer')
  for (let turn = 0; turn < 5; turn++) await nextTurn()
  t.deepEqual(outcomes, ['outer', 'outer', 'outer'])
  t.deepEqual(begun, [0, 1])
  t.deepEqual(runtime.stats().tasks, IDLE)
})

test('a host function may stop the call that it is called by, before and after an await', async (t) => {
  const { runtime, guest, host } = await setUp(t)
  for (const late of [false, true]) {
    const controller = new AbortController()
    const called: number[] = []
    host.handler = (n) => {
      called.push(n)
      if (!late) {
        controller.abort('self')
        return n
      }
      return nextTurn().then(() => (controller.abort('self'), n))
    }
    const call = guest.exportedFunction('twice')!.callAsyncWith({ signal: controller.signal }, 1, 2)
    t.is(await reasonOf(call), 'self')
    t.deepEqual(called, [1], 'its guest does not go on')
    t.deepEqual(runtime.stats().tasks, IDLE)
    host.handler = (n) => n
    t.is(await guest.exports['count'].async(100_000), 100_000)
  }
})

test('plain calls right after a stop are not interrupted by it', async (t) => {
  const { guest, host, run } = await setUp(t)
  for (const [label, call] of [
    ['a host call', () => guest.exports['run'](5)],
    ['a long loop', () => guest.exports['count'](20_000_000) === 20_000_000 && 5],
  ] as const) {
    const begun: number[] = []
    host.handler = (n) => (begun.push(n), never())
    const controller = new AbortController()
    const stopped = reasonOf(run.callAsyncWith({ signal: controller.signal }, 0))
    while (begun.length === 0) await nextTurn()
    host.handler = (n) => n
    controller.abort('stop')
    t.notThrows(() => t.is(call(), 5), label)
    t.is(await stopped, 'stop')
    t.is(call(), 5, label)
  }
})

for (const outcome of ['resolves', 'rejects'] as const) {
  test(`a promise that ${outcome} after its call was stopped is ignored`, async (t) => {
    const { runtime, guest, host, run } = await setUp(t)
    const unhandled: unknown[] = []
    const listener = (reason: unknown) => unhandled.push(reason)
    process.on('unhandledRejection', listener)
    try {
      const settles: (() => void)[] = []
      host.handler = () =>
        new Promise((resolve, reject) => {
          settles.push(() => (outcome === 'resolves' ? resolve(9) : reject(new Error('late'))))
        })
      const controller = new AbortController()
      const stopped = run.callAsyncWith({ signal: controller.signal }, 0)
      while (settles.length < 1) await nextTurn()
      controller.abort('stop')
      t.is(await reasonOf(stopped), 'stop')
      // The next call waits in the same place, and must not get what the first one was to get.
      const second = run.callAsync(1)
      while (settles.length < 2) await nextTurn()
      settles[0]!()
      for (let turn = 0; turn < 5; turn++) await nextTurn()
      t.deepEqual(runtime.stats().tasks, { ...IDLE, parked: 1 })
      host.handler = (n) => n
      settles[1]!()
      if (outcome === 'resolves') t.is(await second, 9)
      else t.is(((await reasonOf(second)) as Error).message, 'late')
      t.is(await guest.exports['run'].async(1), 1)
      t.deepEqual(unhandled, [])
    } finally {
      process.off('unhandledRejection', listener)
    }
  })
}

test('signal and timeoutMs of a wrong kind are rejected with an ArgumentError, and nothing begins', async (t) => {
  const { runtime, guest, host, run } = await setUp(t)
  let calls = 0
  host.handler = (n) => (calls++, n)
  const broken = { aborted: false, addEventListener: () => { throw new Error('no') }, removeEventListener: () => {} } // prettier-ignore
  for (const options of [
    ...[null, 1, 'x', {}, [], () => {}, new EventTarget(), { aborted: true }].map((signal) => ({ signal })),
    ...[null, '1', 1n, NaN, -1, Infinity, 2 ** 31, {}].map((timeoutMs) => ({ timeoutMs })),
    { timeout: 5 },
    { signal: broken },
  ] as any[]) {
    const expected = options.signal === broken ? { message: 'no' } : { instanceOf: ArgumentError }
    await t.throwsAsync(run.callAsyncWith(options, 1), expected)
    t.deepEqual(runtime.stats().tasks, IDLE)
    await t.throwsAsync(runtime.instantiateAsync(GUEST, { name: '', ...options }), expected)
  }
  t.is(calls, 0)
  t.like(runtime.stats(), { stores: 1, instances: 1, tasks: IDLE })
  t.is(await guest.exports['run'].async(1), 1)
})

const starts = {
  'a start section that computes': '(func $start (loop $again (br $again))) (start $start)',
  'a start section that waits': '(func $start (drop (call $f (i32.const 1)))) (start $start)',
  'a _start that computes': '(func (export "_start") (loop $again (br $again)))',
  'a _start that waits': '(func (export "_start") (drop (call $f (i32.const 1))))',
} as const

for (const [what, body] of Object.entries(starts)) {
  for (const name of ['', 'guest']) {
    test(`instantiateAsync ${name && 'of a named instance '}is stopped in ${what}, and leaves nothing`, async (t) => {
      const { runtime, host, guest } = await setUp(t, () => never())
      const alive = () => ({ ...runtime.stats(), totals: undefined, compiledModules: 0, codeBytes: 0 })
      const before = alive()
      const text = `(module (import "m" "f" (func $f (param i32) (result i32))) ${body})`
      const error = await t.throwsAsync(runtime.instantiateAsync(text, { name, timeoutMs: 20 }), {
        instanceOf: InterruptedError,
      })
      t.regex(error.message, /stopped after 20 ms/)
      const controller = new AbortController()
      const starting = runtime.instantiateAsync(text, { name, signal: controller.signal })
      await sleep(5)
      controller.abort('start')
      t.is(await reasonOf(starting), 'start')
      t.is(await reasonOf(runtime.instantiateAsync(text, { name, signal: AbortSignal.abort(7) })), 7)
      t.deepEqual(alive(), before)
      host.handler = (n) => n
      t.is(await guest.exports['run'].async(3), 3)
      if (what.includes('waits')) t.false((await runtime.instantiateAsync(text, { name })).closed)
    })
  }

  // Only runtimes call `_start`.
  if (!body.includes('(start ')) continue
  test(`linker.instantiateAsync is stopped in ${what}, and the store can be used afterwards`, async (t) => {
    t.timeout(LIMIT)
    const engine = new Engine()
    const store = new Store(engine)
    const linker = new Linker(engine)
    linker.func('m', 'f', { params: ['i32'], results: ['i32'] }, () => never())
    const module = Module.compileSync(engine, `(module (import "m" "f" (func $f (param i32) (result i32))) ${body})`)
    await t.throwsAsync(linker.instantiateAsync(store, module, { timeoutMs: 10 }), { instanceOf: InterruptedError })
    const pre = linker.instantiatePre(module)
    t.is(await reasonOf(pre.instantiateAsync(store, { signal: AbortSignal.abort('now') })), 'now')
    const fine = Module.compileSync(engine, '(module (func (export "fine") (result i32) (i32.const 5)))')
    const instance = await linker.instantiateAsync(store, fine)
    t.is(await instance.getFunc('fine')!.callAsync(), 5)
    t.like(engine.stats(), { stores: 1, instances: 1, tasks: IDLE })
  })
}
