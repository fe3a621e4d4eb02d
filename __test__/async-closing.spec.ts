import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'

import test, { type ExecutionContext } from 'ava'

import {
  ClosedError,
  type CompiledModule,
  Engine,
  ExitError,
  Linker,
  Module,
  type ModuleInstance,
  Store,
} from '../index.mjs'
import { runForJson } from './process/run-node.ts'
import { IDLE, LIMIT, never, openRuntime } from './support/async.ts'

/** A shorter one, where a hang would keep a processor busy. */
const HANG = 15_000

const GUEST = `(module
  (import "m" "f" (func $f (param i32) (result i32)))
  (import "m" "note" (func $note (param i32)))
  (memory (export "memory") 1)
  (func (export "compute") (loop $again (br $again)))
  (func (export "burst") (loop $again (drop (call $f (i32.const -1))) (br $again)))
  (func (export "flood") (loop $again (call $note (i32.const 1)) (br $again)))
  (func (export "run") (param i32) (result i32) (call $f (local.get 0)))
  (func (export "ref") (param externref) (result externref) (drop (call $f (i32.const 0))) (local.get 0))
  (func (export "twice") (result i32) (i32.add (call $f (i32.const 1)) (call $f (i32.const 2)))))`

type Handler = (n: number, module: ModuleInstance) => number | Promise<number>

function setUp(t: ExecutionContext) {
  const runtime = openRuntime(t)
  const host: { handler: Handler; note: () => void } = { handler: (n) => n, note: () => {} }
  runtime
    .newHostModuleBuilder('m')
    .newFunctionBuilder()
    .withModuleFunc((module, n) => host.handler(n, module), ['i32'], ['i32'])
    .export('f')
    .newFunctionBuilder()
    .withFunc(() => host.note(), ['i32'], [])
    .withNotify()
    .export('note')
    .instantiate()
  return { runtime, host, compiled: runtime.compileModuleSync(GUEST) as CompiledModule }
}

type World = ReturnType<typeof setUp> & { guest: ModuleInstance }

/** Calls that do not end by themselves. */
const places: { readonly [what: string]: (world: World) => Promise<unknown>[] } = {
  'a parked call': ({ guest, host }) => {
    host.handler = () => never()
    return [guest.exports['run'].async(1), guest.exports['ref'].async({ any: 'thing' })]
  },
  'a computing call': ({ guest }) => [guest.exports['compute'].async()],
  'a call that makes host calls': ({ guest }) => [guest.exports['burst'].async()],
  'a call that notifies': ({ guest }) => [guest.exports['flood'].async()],
  'queued calls': ({ guest }) => [guest.exports['compute'].async(), guest.exports['run'].async(1), guest.exports['ref'].async({})],
  'nested calls': ({ guest, host }) => {
    host.handler = (n, module) => (n > 0 ? module.exports['run'].async(n - 1) : never())
    return [guest.exports['run'].async(20), guest.exports['run'].async(1)]
  },
  'a nested call that computes, with others in its queue': ({ guest, host }) => {
    host.handler = async (_, module) => {
      await Promise.allSettled([module.exports['compute'].async(), module.exports['run'].async(1)])
      return 1
    }
    return [guest.exports['run'].async(0)]
  },
} // prettier-ignore

/** How the calls of a list are settled. */
async function outcomesOf(calls: Promise<unknown>[]): Promise<unknown[]> {
  const settled = await Promise.allSettled(calls)
  return settled.map((outcome) => (outcome.status === 'rejected' ? outcome.reason : 'fulfilled'))
}

for (const [place, begin] of Object.entries(places)) {
  for (const [how, name, close] of [
    ['closing an anonymous instance', '', ({ guest }: World) => guest.close(3)],
    ['closing the only named instance', 'guest', ({ guest }: World) => guest.close(3)],
    ['closing the runtime', '', ({ runtime }: World) => runtime.close(3)],
    ['closing the runtime of a named instance', 'guest', ({ runtime }: World) => runtime.close(3)],
  ] as const) {
    test(`${how} ends ${place} with an ExitError`, async (t) => {
      for (const wait of [0, 1, 5]) {
        const world = { ...setUp(t) } as unknown as World
        world.guest = await world.runtime.instantiateAsync(world.compiled, { name })
        const calls = begin(world)
        const outcomes = outcomesOf(calls)
        if (wait > 0) await sleep(wait)
        close(world)
        t.true(world.guest.closed)
        for (const error of await outcomes) {
          if (!(error instanceof ExitError)) throw error
          t.is(error.exitCode, 3)
          t.is(error.message, 'module closed with exit_code(3)')
        }
        t.like(world.runtime.stats(), { stores: 0, instances: 0, memoryBytes: 0, tasks: IDLE })
        t.like(await t.throwsAsync(calls[0]!), { exitCode: 3 })
      }
    })
  }

  test(`closing one of two named instances ends ${place} of it with an ExitError, and the other one works`, async (t) => {
    const world = { ...setUp(t) } as unknown as World
    world.guest = await world.runtime.instantiateAsync(world.compiled, { name: 'guest' })
    const other = await world.runtime.instantiateAsync(world.compiled, { name: 'other' })
    const outcomes = outcomesOf(begin(world))
    await sleep(2)
    world.guest.close(3)
    // Some of them would go on forever.
    const ended = await Promise.race([outcomes, sleep(HANG, ['hang'])])
    if (ended[0] === 'hang') world.runtime.close()
    for (const error of ended) t.like(error, { code: 'EXIT', exitCode: 3 })
    world.host.handler = async (n) => (await nextTurn(), n)
    t.is(await other.exports['run'].async(9), 9)
    t.deepEqual(world.runtime.stats().tasks, IDLE)
    t.is(world.runtime.stats().instances, 1)
  })

  test(`closing a Store ends ${place} with a ClosedError`, async (t) => {
    t.timeout(LIMIT)
    const engine = new Engine()
    const linker = new Linker(engine)
    const world = { host: { handler: (n: number) => n, note: () => {} } } as unknown as World
    linker.func('m', 'f', { params: ['i32'], results: ['i32'] }, (_, n) => world.host.handler(n, world.guest), { withInstance: true }) // prettier-ignore
    linker.func('m', 'note', { params: ['i32'], results: [] }, () => {}, { notify: true })
    const module = Module.compileSync(engine, GUEST)
    for (const wait of [0, 3]) {
      const store = new Store(engine, { mode: 'async' })
      world.guest = (await linker.instantiateAsync(store, module)) as unknown as ModuleInstance
      const outcomes = outcomesOf(begin(world))
      if (wait > 0) await sleep(wait)
      store.close()
      for (const error of await outcomes) if (!(error instanceof ClosedError)) throw error
      t.like(engine.stats(), { stores: 0, instances: 0, memoryBytes: 0, tasks: IDLE })
    }
  })
}

for (const name of ['', 'guest']) {
  const kind = name === '' ? 'an anonymous instance' : 'a named instance beside another one'

  for (const how of ['at once', 'after an await'] as const) {
    test(`a host function of ${kind} may close it ${how}: its call is an ExitError with the code`, async (t) => {
      const { runtime, host, compiled } = setUp(t)
      const guest = await runtime.instantiateAsync(compiled, { name })
      if (name !== '') await runtime.instantiateAsync(compiled, { name: 'other' })
      host.handler = (n, module) => {
        if (how === 'at once') return (module.close(7), n)
        return nextTurn().then(() => (module.close(7), n))
      }
      t.like(await t.throwsAsync(guest.exports['twice'].async()), { code: 'EXIT', exitCode: 7 })
      t.like(await t.throwsAsync(guest.exports['twice'].async()), { code: 'EXIT', exitCode: 7 })
      t.like(runtime.stats(), { stores: name === '' ? 0 : 1, tasks: IDLE })
    })
  }

  test(`a plain call of ${kind} in async mode that a host function closes is an ExitError with the results`, async (t) => {
    const { runtime, host, compiled } = setUp(t)
    const guest = await runtime.instantiateAsync(compiled, { name })
    if (name !== '') await runtime.instantiateAsync(compiled, { name: 'other' })
    host.handler = (n, module) => (module.close(7), n)
    const error = t.throws(() => guest.exports['twice'](), { instanceOf: ExitError })
    t.like(error, { exitCode: 7, results: 3 })
  })
}

test('what a host function throws after it has closed its instance comes out as it is', async (t) => {
  for (const late of [false, true]) {
    for (const name of ['', 'guest']) {
      const { runtime, host, compiled } = setUp(t)
      const guest = await runtime.instantiateAsync(compiled, { name })
      await runtime.instantiateAsync(compiled, { name: 'other' })
      const boom = new Error('boom')
      host.handler = async (_, module) => {
        if (late) await nextTurn()
        module.close(4)
        throw boom
      }
      // It may have ended before its promise was rejected.
      const error = await guest.exports['run'].async(1).catch((reason: unknown) => reason)
      t.true(error === boom || (error instanceof ExitError && error.exitCode === 4), String(error))
      t.like(await t.throwsAsync(guest.exports['run'].async(1)), { exitCode: 4 })
    }
  }
})

test('what a host function rejects with after it has closed what it belongs to is no unhandled rejection', async (t) => {
  const seen = await runForJson<string[]>(
    t,
    `const seen = []
    process.on('unhandledRejection', (reason) => seen.push('unhandled ' + reason.message))
    const main = async () => {
      for (const what of ['instance', 'runtime']) {
        for (const wait of [false, true]) {
          const runtime = new wasmtime.Runtime()
          const act = async (module) => {
            if (wait) await new Promise(setImmediate)
            if (what === 'instance') module.close(4)
            else runtime.close(4)
            throw new Error('late')
          }
          runtime.newHostModuleBuilder('m').newFunctionBuilder().withModuleFunc(act, [], []).export('f').instantiate()
          const guest = await runtime.instantiateAsync('(module (import "m" "f" (func $f)) (func (export "run") (call $f)))')
          await guest.exports.run.async().catch((error) => seen.push(error.message))
          for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate)
        }
      }
      console.log(JSON.stringify(seen))
    }
    main()`,
  )
  t.deepEqual(
    seen.filter((text) => text.startsWith('unhandled')),
    [],
  )
  t.is(seen.length, 4)
})

test('a notification may close the instance, the runtime and the store, also while its guest computes elsewhere', async (t) => {
  for (const name of ['', 'guest']) {
    for (const what of ['instance', 'runtime'] as const) {
      const { runtime, host, compiled } = setUp(t)
      const guest = await runtime.instantiateAsync(compiled, { name })
      let notes = 0
      host.note = () => {
        if (++notes === 10_000) (what === 'instance' ? guest : runtime).close(6)
      }
      t.like(await t.throwsAsync(guest.exports['flood'].async()), { code: 'EXIT', exitCode: 6 })
      t.like(runtime.stats(), { stores: 0, instances: 0, tasks: IDLE })
    }
  }
})

test('host functions that go on after the close find everything closed, and their late results are ignored', async (t) => {
  const { runtime, host, compiled } = setUp(t)
  const guest = await runtime.instantiateAsync(compiled, { name: '' })
  let go = (): void => {}
  const gate = new Promise<void>((resolve) => (go = resolve))
  let after: Promise<void> | undefined
  const seen: number[] = []
  host.handler = (n, module) => {
    const memory = module.memory!
    const { run } = module.exports
    seen.push(n)
    after = (async () => {
      await gate
      t.throws(() => memory.readByte(0), { code: 'EXIT' })
      t.throws(() => run(1), { code: 'EXIT' })
      await t.throwsAsync(run.async(1), { code: 'EXIT' })
    })()
    return after.then(() => n)
  }
  const call = guest.exports['run'].async(1)
  while (seen.length === 0) await nextTurn()
  guest.close(2)
  t.like(await t.throwsAsync(call), { code: 'EXIT', exitCode: 2 })
  go()
  await after
  t.like(runtime.stats(), { stores: 0, tasks: IDLE })
})

test('calls that nothing can ever continue are collected with their stores', async (t) => {
  const { runtime, host, compiled } = setUp(t)
  const seen: number[] = []
  host.handler = (n) => (seen.push(n), never())
  await (async () => {
    for (let n = 0; n < 50; n++) {
      const guest = await runtime.instantiateAsync(compiled, { name: '' })
      void guest.exports['run'].async(1)
      void guest.exports['run'].async(2)
    }
    // Also those that have had no turn yet.
    while (seen.length < 50) await nextTurn()
  })()
  for (let round = 0; round < 100 && runtime.stats().stores > 0; round++) {
    globalThis.gc?.()
    await sleep(10)
  }
  t.like(runtime.stats(), { stores: 0, instances: 0, tasks: IDLE })
  t.is(seen.length, 50)
})
