import { AsyncLocalStorage } from 'node:async_hooks'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'

import test, { type ExecutionContext } from 'ava'

import type { ModuleInstance } from '../index.mjs'
import { LIMIT, openRuntime } from './support/async.ts'
import { thenable } from './support/odd-values.ts'

const GUEST = `(module
  (import "m" "f" (func $f (param i32) (result i32)))
  (import "m" "stack" (func $stack (param i32) (result i32)))
  (import "m" "note" (func $note (param i32)))
  (func $spin (param i32)
    (loop $again
      (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
      (br_if $again (i32.gt_s (local.get 0) (i32.const 0)))))
  (func (export "run") (param i32) (result i32) (call $f (local.get 0)))
  (func (export "stack") (param i32) (result i32) (call $stack (local.get 0)))
  (func (export "away") (param i32 i32) (result i32)
    (call $spin (local.get 1)) (drop (call $f (local.get 0)))
    (call $spin (local.get 1)) (drop (call $stack (local.get 0)))
    (call $spin (local.get 1)) (call $f (local.get 0)))
  (func (export "notes") (param i32 i32)
    (loop $again
      (call $note (local.get 0)) (call $spin (i32.const 1000))
      (local.set 1 (i32.sub (local.get 1) (i32.const 1)))
      (br_if $again (i32.gt_s (local.get 1) (i32.const 0))))))`

type Handler = (n: number, module: ModuleInstance) => number | Promise<number>

const storage = new AsyncLocalStorage<unknown>()

async function setUp(t: ExecutionContext, config: { context?: unknown; name?: string } = {}) {
  const runtime = openRuntime(t, { poolThreads: 2 })
  const host: { handler: Handler; note: (n: number, module: ModuleInstance) => void } = {
    handler: (n) => n,
    note: () => {},
  }
  runtime
    .newHostModuleBuilder('m')
    .newFunctionBuilder()
    .withModuleFunc((module, n) => host.handler(n, module), ['i32'], ['i32'])
    .export('f')
    .newFunctionBuilder()
    .withModuleStackFunc(
      async (module, stack) => void (stack[0] = BigInt(await host.handler(Number(stack[0]), module))),
      ['i32'],
      ['i32'],
    )
    .export('stack')
    .newFunctionBuilder()
    .withModuleFunc((module, n) => host.note(n, module), ['i32'], [])
    .withNotify()
    .export('note')
    .instantiate()
  return { runtime, host, guest: await runtime.instantiateAsync(GUEST, { name: '', ...config }) }
}

/** A host function that notes what it reads, before, between and after awaits. */
function reader(seen: unknown[], read: (module: ModuleInstance) => unknown): Handler {
  return async (n, module) => {
    seen.push(read(module))
    await Promise.resolve()
    seen.push(read(module))
    await nextTurn()
    seen.push(read(module))
    await sleep(1)
    seen.push(read(module))
    return n
  }
}

const stored = () => storage.getStore()

for (const name of ['run', 'stack'] as const) {
  test(`${name}: host functions see the AsyncLocalStorage of the caller, before and after awaits`, async (t) => {
    const { guest, host } = await setUp(t)
    const seen: unknown[] = []
    host.handler = reader(seen, stored)
    t.is(await storage.run('a', () => guest.exports[name].async(1)), 1)
    t.deepEqual(seen.splice(0), ['a', 'a', 'a', 'a'])
    await storage.run('b', () => guest.exportedFunction(name)!.callAsync(1))
    await storage.run('c', () => guest.exportedFunction(name)!.callAsyncWith({ timeoutMs: LIMIT }, 1))
    t.deepEqual(seen, [...Array.from({ length: 4 }, () => 'b'), ...Array.from({ length: 4 }, () => 'c')])
  })
}

test('synchronous host functions see the AsyncLocalStorage of the caller, in plain calls and others', async (t) => {
  const { guest, host } = await setUp(t)
  const seen: unknown[] = []
  host.handler = (n) => (seen.push(stored()), n)
  await storage.run('a', () => guest.exports['run'].async(1))
  storage.run('b', () => guest.exports['run'](1))
  guest.exports['run'](1)
  t.deepEqual(seen, ['a', 'b', undefined])
})

test('host functions see it after their guest has computed on another thread', async (t) => {
  const { runtime, guest, host } = await setUp(t)
  const seen: unknown[] = []
  host.handler = reader(seen, stored)
  let away = 0
  const timer = setInterval(() => (away += runtime.stats().tasks.pool), 1)
  await storage.run('far', () => guest.exports['away'].async(1, 30_000_000))
  clearInterval(timer)
  t.true(away > 0)
  t.deepEqual(
    seen,
    Array.from({ length: 12 }, () => 'far'),
  )
})

test('calls of several callers do not mix, whether they are interleaved, queued or made from each other', async (t) => {
  const [one, two] = await Promise.all([setUp(t), setUp(t)])
  for (const world of [one, two]) {
    world.host.handler = async (n) => {
      const before = stored()
      await sleep(n % 3)
      if (stored() !== before) t.fail()
      return Number(before)
    }
  }
  const calls: Promise<number>[] = []
  for (let n = 0; n < 50; n++) {
    const { guest } = n % 2 === 0 ? one : two
    calls.push(storage.run(n, () => guest.exports[n % 4 < 2 ? 'run' : 'stack'].async(n)))
  }
  t.deepEqual(await Promise.all(calls), [...Array.from({ length: 50 }).keys()])
})

test('a caller finds its own AsyncLocalStorage after the await', async (t) => {
  const { guest, host } = await setUp(t)
  host.handler = async (n) => storage.run('inside', async () => (await nextTurn(), n))
  await storage.run('caller', async () => {
    await guest.exports['run'].async(1)
    t.is(stored(), 'caller')
    await guest.exports['away'].async(1, 1_000_000)
    t.is(stored(), 'caller')
    await t.throwsAsync(guest.exportedFunction('away')!.callAsyncWith({ timeoutMs: 1 }, 1, 2_000_000_000))
    t.is(stored(), 'caller')
  })
  t.is(stored(), undefined)
})

test('nested calls see what their host function has set, and nobody else does', async (t) => {
  const { guest, host } = await setUp(t)
  const seen: unknown[] = []
  host.handler = async (n, module) => {
    seen.push([n, stored()])
    if (n > 0) await storage.run(`level ${n}`, () => module.exports['run'].async(n - 1))
    await nextTurn()
    seen.push([n, stored()])
    return n
  }
  await storage.run('outside', () => guest.exports['run'].async(3))
  const levels = [['outside', 3], ['level 3', 2], ['level 2', 1], ['level 1', 0]].map(([store, n]) => [n, store]) // prettier-ignore
  t.deepEqual(seen, [...levels, ...levels.toReversed()])
})

test('start functions see the AsyncLocalStorage of instantiateAsync', async (t) => {
  const { runtime, host } = await setUp(t)
  const seen: unknown[] = []
  host.handler = reader(seen, stored)
  const text = `(module (import "m" "f" (func $f (param i32) (result i32)))
    (func $start (drop (call $f (i32.const 1)))) (start $start) (func (export "_start") (drop (call $f (i32.const 2)))))`
  await storage.run('start', () => runtime.instantiateAsync(text))
  t.deepEqual(
    seen,
    Array.from({ length: 8 }, () => 'start'),
  )
})

for (const where of ['at home', 'on another thread'] as const) {
  test(`notified functions see the AsyncLocalStorage and the context of the call, with a guest ${where}`, async (t) => {
    const { guest, host } = await setUp(t, { context: 'config' })
    const seen = new Set<string>()
    let count = 0
    host.note = (n, module) => {
      count++
      seen.add(`${n} ${String(stored())} ${String(module.context)}`)
    }
    const rounds = where === 'at home' ? 2 : 20_000
    const calls = [1, 2, 3].map((n) =>
      storage.run(`caller ${n}`, () =>
        guest.exportedFunction('notes')!.callAsyncWith({ context: `context ${n}` }, n, rounds),
      ),
    )
    await Promise.all(calls)
    t.is(count, 3 * rounds)
    t.deepEqual([...seen], [1, 2, 3].map((n) => `${n} caller ${n} context ${n}`)) // prettier-ignore
  })
}

const context = (module: ModuleInstance) => module.context

test('the context of a call is what host functions see on the instance, before and after awaits', async (t) => {
  for (const name of ['run', 'stack'] as const) {
    const { guest, host } = await setUp(t, { context: 'config' })
    const seen: unknown[] = []
    host.handler = reader(seen, context)
    const func = guest.exportedFunction(name)!
    const user = { user: 1 }
    await func.callAsyncWith({ context: user }, 1)
    t.deepEqual(seen.splice(0), [user, user, user, user])
    for (const options of [{}, { timeoutMs: LIMIT }]) await func.callAsyncWith(options, 1)
    await func.callAsync(1)
    t.deepEqual(
      seen.splice(0),
      Array.from({ length: 12 }, () => 'config'),
    )
    await func.callAsyncWith({ context: undefined }, 1)
    t.deepEqual(seen.splice(0), [undefined, undefined, undefined, undefined])
    t.is(guest.context, 'config')
  }
})

test('the context of a call is seen after its guest has computed on another thread, and by no other call', async (t) => {
  const { guest, host } = await setUp(t, { context: 'config' })
  const seen: unknown[] = []
  host.handler = reader(seen, context)
  const away = guest.exportedFunction('away')!
  const calls = ['a', 'b', undefined].map((value) => away.callAsyncWith({ context: value }, 1, 5_000_000))
  calls.push(away.callAsync(1, 5_000_000))
  t.is(guest.context, 'config')
  await Promise.all(calls)
  t.deepEqual(seen, ['a', 'b', undefined, 'config'].flatMap((value) => Array.from({ length: 12 }, () => value))) // prettier-ignore
})

test('a thenable sees the AsyncLocalStorage and the context of the call when it is waited for', async (t) => {
  const { guest, host } = await setUp(t, { context: 'config' })
  const seen: unknown[] = []
  host.handler = (n, module) =>
    thenable((resolve) => {
      seen.push(stored(), module.context)
      resolve(n)
    }) as Promise<number>
  await storage.run('caller', () => guest.exportedFunction('run')!.callAsyncWith({ context: 'call' }, 1))
  t.deepEqual(seen, ['caller', 'call'])
})

test('a nested call has its own context, or else that of the call around it, which is back afterwards', async (t) => {
  const { guest, host } = await setUp(t, { context: 'config' })
  const seen: unknown[] = []
  host.handler = async (n, module) => {
    await nextTurn()
    seen.push([n, module.context])
    const run = module.exportedFunction('run')!
    if (n === 1) await Promise.all([run.callAsyncWith({ context: 'own' }, 2), run.callAsync(3)])
    else if (n === 2) await run.callAsync(4)
    await nextTurn()
    seen.push([n, module.context])
    return n
  }
  await guest.exportedFunction('run')!.callAsyncWith({ context: 'outer' }, 1)
  t.deepEqual(seen, [
    [1, 'outer'], [2, 'own'], [4, 'own'], [4, 'own'], [2, 'own'], [3, 'outer'], [3, 'outer'], [1, 'outer'],
  ]) // prettier-ignore
  t.is(guest.context, 'config')
})

test('plain calls in a host function see the context of its call, and callWith gives them one of their own', async (t) => {
  const { guest, host } = await setUp(t, { context: 'config' })
  const seen: unknown[] = []
  host.handler = (n, module) => {
    seen.push(module.context)
    if (n !== 1) return n
    return (async () => {
      await nextTurn()
      module.exports['run'](2)
      module.exportedFunction('run')!.callWith({ context: 'plain' }, 3)
      seen.push(module.context)
      return n
    })()
  }
  await guest.exportedFunction('run')!.callAsyncWith({ context: 'call' }, 1)
  t.deepEqual(seen, ['call', 'call', 'plain', 'call'])
})

test('the context of one instance is not that of another in the same store, or of one that is called on the way', async (t) => {
  const { runtime, guest, host } = await setUp(t, { context: 'config a', name: 'a' })
  const other = await runtime.instantiateAsync(GUEST, { name: 'b', context: 'config b' })
  const seen: unknown[] = []
  host.handler = async (n, module) => {
    seen.push([module.name, guest.context, other.context])
    await nextTurn()
    if (n > 0) await (module === guest ? other : guest).exports['run'].async(n - 1)
    return n
  }
  await guest.exportedFunction('run')!.callAsyncWith({ context: 'call' }, 2)
  t.deepEqual(seen, [['a', 'call', 'config b'], ['b', 'call', 'config b'], ['a', 'call', 'config b']]) // prettier-ignore
})

test('what is set on the instance is for calls that have no context of their own', async (t) => {
  const { guest, host } = await setUp(t)
  const seen: unknown[] = []
  host.handler = async (n, module) => {
    seen.push(module.context)
    module.context = `set by ${n}`
    await nextTurn()
    seen.push(module.context)
    return n
  }
  await guest.exports['run'].async(1)
  t.deepEqual(seen, [undefined, 'set by 1'])
  t.is(guest.context, 'set by 1')
})
