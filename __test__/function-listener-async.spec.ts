// Listeners of calls between host and guest, in async mode.
import { setTimeout } from 'node:timers/promises'

import test, { type ExecutionContext } from 'ava'

import { ExitError, InterruptedError, type ModuleInstance, type Runtime } from '../index.mjs'
import { keep, never, openRuntime, until } from './support/async.ts'
import { Recorder } from './support/listening.ts'

const GUEST = `(module $guest
  (import "env" "wait" (func $wait (param i32) (result i32)))
  (import "env" "note" (func $note (param i32)))
  (memory (export "memory") 1)
  (func (export "call") (param i32) (result i32) (call $wait (local.get 0)))
  (func (export "inner") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
  (func (export "notes") (param $n i32)
    (loop (call $note (local.get $n))
      (local.set $n (i32.sub (local.get $n) (i32.const 1))) (br_if 0 (local.get $n))))
  (func (export "spin") (loop (br 0)))
  (func (export "trap") (drop (call $wait (i32.const 1))) unreachable))`

type Wait = (guest: ModuleInstance, n: number) => unknown

async function world(
  t: ExecutionContext,
  recorder: Recorder,
  wait: Wait,
): Promise<{ runtime: Runtime; guest: ModuleInstance }> {
  const runtime = openRuntime(t, { functionListenerFactory: recorder })
  runtime
    .newHostModuleBuilder('env')
    .newFunctionBuilder()
    .withModuleFunc((guest, n) => wait(guest, n) as number, ['i32'], ['i32'])
    .export('wait')
    .newFunctionBuilder()
    .withFunc(() => {}, ['i32'], [])
    .withNotify()
    .export('note')
    .instantiate()
  return { runtime, guest: await runtime.instantiateAsync(GUEST, { name: '' }) }
}

test('after comes when the promise of the host function is fulfilled', async (t) => {
  const recorder = new Recorder()
  let release: (value: number) => void = () => {}
  const { guest } = await world(t, recorder, () => new Promise((resolve) => (release = resolve)))
  const result = guest.exports['call'].async(1)
  await until(() => recorder.events.length >= 2)
  t.deepEqual(recorder.text, ['0 before call 1', '1 before wait 1'])
  release(7)
  t.is(await result, 7)
  t.deepEqual(recorder.text.slice(2), ['1 after wait 7', '0 after call 7'])
  t.is(recorder.events[1]?.[1].parent, recorder.events[0]?.[1])
})

test('calls that are made in a host function, also after an await, are nested in it', async (t) => {
  const recorder = new Recorder()
  const { guest } = await world(t, recorder, async (instance, n) => {
    const first: number = await instance.exports['inner'].async(n)
    await setTimeout(1)
    return Number(await instance.exportedFunction('inner')!.callAsyncWith({}, first)) + instance.exports['inner'](0)
  })
  t.is(await guest.exports['call'].async(1), 4)
  t.deepEqual(recorder.text, [
    '0 before call 1',
    '1 before wait 1',
    '2 before inner 1',
    '2 after inner 2',
    '2 before inner 2',
    '2 after inner 3',
    '2 before inner 0',
    '2 after inner 1',
    '1 after wait 4',
    '0 after call 4',
  ])
})

test('many calls at once are told apart', async (t) => {
  const recorder = new Recorder()
  const { runtime, guest } = await world(t, recorder, async (_, n) => {
    await setTimeout(n % 3)
    return n
  })
  const compiled = await runtime.compileModule(GUEST)
  const guests = await Promise.all(Array.from({ length: 10 }, () => runtime.instantiateAsync(compiled, { name: '' })))
  const calls = [guest, ...guests].flatMap((one, index) => [
    one.exports['call'].async(index),
    one.exports['call'].async(50),
  ])
  await Promise.all(calls)
  t.is(recorder.events.length, 22 * 4)
  t.deepEqual(recorder.unpaired, [])
  for (const [, call] of recorder.events) {
    t.is(call.depth, call.definition.isHost ? 1 : 0)
    if (call.definition.isHost) {
      t.is(call.parent?.module, call.module)
      t.deepEqual(call.parent?.params, call.params)
    }
  }
})

test('a rejected promise and a trap abort', async (t) => {
  const recorder = new Recorder()
  const reason = new Error('rejected')
  const { guest } = await world(t, recorder, (_, n) => (n === 2 ? Promise.reject(reason) : Promise.resolve(n)))
  t.is(await t.throwsAsync(guest.exports['call'].async(2)), reason)
  t.deepEqual(recorder.text.slice(2), ['1 abort wait Error: rejected', '0 abort call Error: rejected'])
  t.true(recorder.events.slice(2).every((event) => event[2] === reason))
  recorder.events.length = 0
  await t.throwsAsync(guest.exports['trap'].async())
  t.deepEqual(recorder.text, [
    '0 before trap',
    '1 before wait 1',
    '1 after wait 1',
    '0 abort trap TrapError: wasm error: unreachable',
  ])
  recorder.events.length = 0
  await t.throwsAsync(guest.exports['call'].async('x'), { instanceOf: TypeError })
  t.deepEqual(
    recorder.events.map(([kind]) => kind),
    ['before', 'abort'],
  )
})

test('a result of the wrong type aborts, also when it comes by a promise', async (t) => {
  const recorder = new Recorder()
  const { guest } = await world(t, recorder, async () => 'text')
  const error = await t.throwsAsync(guest.exports['call'].async(1), { instanceOf: TypeError })
  t.deepEqual(
    recorder.events.map(([kind]) => kind),
    ['before', 'before', 'abort', 'abort'],
  )
  t.is(recorder.events[2]?.[2], error)
})

test('an interruption aborts the host function that is waited for, and then its caller; nothing comes later', async (t) => {
  const recorder = new Recorder()
  let release: (value: number) => void = () => {}
  const { guest } = await world(t, recorder, () => new Promise((resolve) => (release = resolve)))
  const call = guest.exportedFunction('call')
  const error = await t.throwsAsync(call!.callAsyncWith({ timeoutMs: 300 }, 1), { instanceOf: InterruptedError })
  t.deepEqual(
    recorder.text.slice(2).map((text) => text.slice(0, 12)),
    ['1 abort wait', '0 abort call'],
  )
  t.true(recorder.events.slice(2).every((event) => event[2] === error))
  release(1)
  await setTimeout(5)
  t.is(recorder.events.length, 4)
  const spin = await t.throwsAsync(guest.exportedFunction('spin')!.callAsyncWith({ timeoutMs: 5 }), {
    instanceOf: InterruptedError,
  })
  t.is(recorder.events.at(-1)?.[2], spin)
  t.deepEqual(recorder.unpaired, [])
})

test('a host function that is waited for is closed with its guest even if nobody listens to that', async (t) => {
  const recorder = new Recorder((definition) => definition.isHost)
  const { guest } = await world(t, recorder, never)
  const call = guest.exports['call'].async(1)
  await until(() => recorder.events.length >= 1)
  t.deepEqual(recorder.text, ['0 before wait 1'])
  guest.close(4)
  await t.throwsAsync(call, { instanceOf: ExitError })
  t.deepEqual(recorder.text, ['0 before wait 1', '0 abort wait ExitError: module closed with exit_code(4)'])
})

test('close ends calls that compute, wait or are queued, each once', async (t) => {
  const recorder = new Recorder()
  const { runtime, guest } = await world(t, recorder, never)
  const other = await runtime.instantiateAsync(GUEST, { name: '' })
  const calls = [
    guest.exports['call'].async(1),
    guest.exports['call'].async(2),
    other.exports['spin'].async(),
    other.exports['inner'].async(3),
  ]
  keep(t, guest, other)
  await until(() => recorder.events.length >= 5)
  runtime.close(5)
  for (const call of calls) await t.throwsAsync(call)
  t.deepEqual(recorder.unpaired, [])
  t.is(recorder.events.filter(([kind]) => kind === 'before').length, 5)
  t.is(recorder.events.filter(([kind]) => kind === 'abort').length, 5)
})

test('a plain call refuses a promise, and aborts', async (t) => {
  const recorder = new Recorder()
  const { guest } = await world(t, recorder, async () => 1)
  const error = t.throws(() => guest.exports['call'](1), { instanceOf: TypeError, message: /it returned a promise/ })
  t.deepEqual(
    recorder.events.map(([kind]) => kind),
    ['before', 'before', 'abort', 'abort'],
  )
  t.is(recorder.events[2]?.[2], error)
})

test('a promise cannot be waited for by a sync instance, not even within an asynchronous call of another', async (t) => {
  const recorder = new Recorder((definition) => definition.isHost)
  const other: { sync?: ModuleInstance } = {}
  const { runtime, guest } = await world(t, recorder, (_, n) =>
    n === 0 ? Promise.resolve(1) : other.sync?.exports['call'](0),
  )
  other.sync = runtime.instantiate(GUEST, { name: '' })
  await t.throwsAsync(guest.exports['call'].async(1), { instanceOf: TypeError, message: /it returned a promise/ })
  t.deepEqual(recorder.unpaired, [])
})

test('notes are heard, inside the call that has left them', async (t) => {
  const recorder = new Recorder()
  const { guest } = await world(t, recorder, () => 0)
  await guest.exports['notes'].async(3)
  const notes = recorder.events.filter(([, call]) => call.definition.name === 'note')
  t.deepEqual(
    notes.map(([kind, call]) => [kind, call.depth, call.params[0]]),
    [
      ['before', 1, 3],
      ['after', 1, 3],
      ['before', 1, 2],
      ['after', 1, 2],
      ['before', 1, 1],
      ['after', 1, 1],
    ],
  )
})

test('start functions of an asynchronous instantiation are heard', async (t) => {
  const recorder = new Recorder()
  const { runtime } = await world(t, recorder, async (_, n) => n)
  await runtime.instantiateAsync(`(module $starts
    (import "env" "wait" (func $wait (param i32) (result i32)))
    (func $first (drop (call $wait (i32.const 1)))) (start $first)
    (func (export "_start") (drop (call $wait (i32.const 2)))))`)
  t.deepEqual(recorder.text, [
    '0 before first',
    '1 before wait 1',
    '1 after wait 1',
    '0 after first',
    '0 before _start',
    '1 before wait 2',
    '1 after wait 2',
    '0 after _start',
  ])
})

test('what a listener throws comes out of the asynchronous call', async (t) => {
  const recorder = new Recorder()
  const { guest } = await world(t, recorder, async (_, n) => n)
  const thrown = { thrown: true }
  for (const kind of ['before', 'after'] as const) {
    for (const isHost of [true, false]) {
      recorder.events.length = 0
      recorder.react = ([event, call]) => {
        if (event === kind && call.definition.isHost === isHost) throw thrown
      }
      t.is(await t.throwsAsync(guest.exports['call'].async(1), { any: true }), thrown as never)
    }
  }
  recorder.react = () => {}
  t.is(await guest.exports['call'].async(9), 9)
})
