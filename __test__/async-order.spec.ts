import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'

import test, { type ExecutionContext } from 'ava'

import type { ModuleInstance } from '../index.mjs'
import { IDLE, openRuntime } from './support/async.ts'

const GUEST = `(module
  (import "m" "f" (func $f (param i32) (result i32)))
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "f") (param i32) (result i32) (call $f (local.get 0)))
  (func (export "twice") (param i32 i32) (result i32) (i32.add (call $f (local.get 0)) (call $f (local.get 1))))
  (func (export "spin") (param i32) (result i32)
    (loop $again
      (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
      (br_if $again (i32.gt_s (local.get 0) (i32.const 0))))
    (i32.const 7)))`

type Handler = (module: ModuleInstance, n: number) => number | Promise<number>

async function setUp(t: ExecutionContext, handler: Handler = (_, n) => n) {
  const runtime = openRuntime(t)
  const host = { handler }
  runtime
    .newHostModuleBuilder('m')
    .newFunctionBuilder()
    .withModuleFunc((module, n) => host.handler(module, n), ['i32'], ['i32'])
    .export('f')
    .instantiate()
  return { runtime, host, guest: await runtime.instantiateAsync(GUEST, { name: '' }) }
}

test('calls that are made while another runs in their store run after it, first in, first out', async (t) => {
  const log: string[] = []
  const { guest } = await setUp(t, async (_, n) => {
    log.push(`begin ${n}`)
    await sleep(n % 2)
    log.push(`end ${n}`)
    return n
  })
  const calls = [1, 2, 3, 4].map((n) => guest.exports['f'].async(n).then((value: unknown) => log.push(`done ${value}`)))
  await Promise.all(calls)
  // Whether a call is reported before the next one begins does not matter.
  const begins = log.filter((entry) => !entry.startsWith('done'))
  t.deepEqual(begins, [1, 2, 3, 4].flatMap((n) => [`begin ${n}`, `end ${n}`])) // prettier-ignore
  t.deepEqual(log.filter((entry) => entry.startsWith('done')), ['done 1', 'done 2', 'done 3', 'done 4']) // prettier-ignore
})

test('two nested calls that are made together run one after the other, within the call that has made them', async (t) => {
  const log: string[] = []
  const { guest, host } = await setUp(t)
  host.handler = async (module, n) => {
    log.push(`begin ${n}`)
    let result = n
    if (n === 0) {
      const results = await Promise.all([1, 2, 3].map((m) => module.exports['f'].async(m)))
      result = results.reduce((a: number, b: number) => a + b, 0)
    } else await nextTurn()
    log.push(`end ${n}`)
    return result
  }
  const outer = guest.exports['f'].async(0)
  const next = guest.exports['f'].async(4)
  t.is(await outer, 6)
  t.is(await next, 4)
  t.deepEqual(log, [
    'begin 0', 'begin 1', 'end 1', 'begin 2', 'end 2', 'begin 3', 'end 3', 'end 0', 'begin 4', 'end 4',
  ]) // prettier-ignore
})

test('a call that a host function makes without waiting for it runs when that one waits, or after its call', async (t) => {
  const log: string[] = []
  const { guest, host } = await setUp(t)
  const calls: Promise<unknown>[] = []
  host.handler = (module, n) => {
    log.push(`begin ${n}`)
    if (n === 1) calls.push(module.exports['f'].async(10))
    // It waits for what the one before has begun.
    if (n === 2) return calls[1]!.then(() => (log.push('end 2'), n))
    log.push(`end ${n}`)
    return n
  }
  t.is(await guest.exports['twice'].async(1, 3), 4)
  t.is(await calls[0], 10)
  t.deepEqual(log.splice(0), ['begin 1', 'end 1', 'begin 3', 'end 3', 'begin 10', 'end 10'])
  t.is(await guest.exports['twice'].async(1, 2), 3)
  t.deepEqual(log, ['begin 1', 'end 1', 'begin 2', 'begin 10', 'end 10', 'end 2'])
})

test('a promise that settles while a nested call runs is taken up when that has ended', async (t) => {
  const log: string[] = []
  const { guest, host } = await setUp(t)
  let inner: Promise<unknown> | undefined
  let go = (): void => {}
  const gate = new Promise<void>((resolve) => (go = resolve))
  host.handler = async (module, n) => {
    if (n === 0) {
      inner = module.exports['f'].async(1).then(() => log.push('inner settled'))
      await nextTurn()
      log.push('outer returns')
      setImmediate(go)
      return 5
    }
    await gate
    log.push('inner returns')
    return n
  }
  t.is(await guest.exports['f'].async(0), 5)
  log.push('outer settled')
  await inner
  t.deepEqual(log, ['outer returns', 'inner returns', 'inner settled', 'outer settled'])
})

for (const how of ['waits', 'computes', 'calls on'] as const) {
  test(`what a host function has left running may call while its guest ${how}`, async (t) => {
    const { guest, host } = await setUp(t)
    let left: Promise<number> | undefined
    host.handler = (module, n) => {
      if (n === 1) {
        left = (async () => {
          await nextTurn()
          const first = (await module.exports['add'].async(1, 2)) as number
          await nextTurn()
          return first + ((await module.exports['add'].async(3, 4)) as number)
        })()
        return n
      }
      // The guest's second host call waits for what the first one has left running.
      if (n === 2) return left!
      return n
    }
    if (how === 'waits') t.is(await guest.exports['twice'].async(1, 2), 11)
    else {
      await guest.exports['f'].async(1)
      const calls = Array.from({ length: 20 }, () =>
        how === 'computes' ? guest.exports['spin'].async(10_000_000) : guest.exports['twice'].async(3, 4),
      )
      for (const result of await Promise.all(calls)) t.is(result, 7)
      t.is(await left, 10)
    }
  })
}

test('what a host function has left running after its call calls as anyone else', async (t) => {
  const { guest, host } = await setUp(t)
  let go = (): void => {}
  const late = { call: undefined as Promise<unknown> | undefined }
  const gate = new Promise<void>((resolve) => (go = resolve))
  host.handler = (module, n) => {
    if (n === 1) late.call = gate.then(() => module.exports['add'].async(20, 1))
    if (n === 2) return late.call!.then(() => n)
    return n
  }
  t.is(await guest.exports['f'].async(1), 1)
  go()
  t.is(await late.call, 21)
  t.is(await guest.exports['f'].async(3), 3)
})

for (const kind of ['at once', 'in a promise'] as const) {
  test(`100,000 calls that wait for their turn all settle, in order, with host functions that answer ${kind}`, async (t) => {
    const { runtime, guest, host } = await setUp(t)
    let go = (): void => {}
    const gate = new Promise<number>((resolve) => (go = () => resolve(-1)))
    host.handler = (_, n) => (n === -1 ? gate : kind === 'at once' ? n : Promise.resolve(n))
    const first = guest.exports['f'].async(-1)
    let last = -1
    let inOrder = true
    const calls = Array.from({ length: 100_000 }, (_, n) =>
      guest.exports['f'].async(n).then((value: number) => {
        inOrder &&= value === n && last === n - 1
        last = n
      }),
    )
    t.true(runtime.stats().tasks.queued >= 100_000)
    go()
    t.is(await first, -1)
    await Promise.all(calls)
    t.true(inOrder)
    t.is(last, 99_999)
    t.deepEqual(runtime.stats().tasks, IDLE)
  })
}
