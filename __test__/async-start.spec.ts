import { setImmediate as nextTurn } from 'node:timers/promises'

import test, { type ExecutionContext } from 'ava'

import { Engine, ExitError, LinkError, Linker, Module, type ModuleInstance, Store, TrapError } from '../index.mjs'
import { IDLE, LIMIT, openRuntime } from './support/async.ts'

/** A guest whose start function, and whose export of any name, hand a number to `env.f`. */
function guestText(start: 'section' | 'export', name = ''): string {
  const body = start === 'section' ? '(start $start)' : '(export "_start" (func $start))'
  return `(module ${name} (import "env" "f" (func $f (param i32) (result i32)))
    (memory (export "memory") 1) (global $g (export "g") (mut i32) (i32.const 0))
    (func $start (global.set $g (call $f (i32.const 1))) (drop (call $f (i32.const 2)))) ${body}
    (func (export "first") (drop (call $f (i32.const 11)))) (func (export "second") (drop (call $f (i32.const 12))))
    (func (export "double") (param i32) (result i32) (i32.mul (i32.const 2) (local.get 0)))
    (func (export "g2") (result i32) (global.get $g)))`
}

type Handler = (n: number, module: ModuleInstance) => unknown

function setUp(t: ExecutionContext) {
  const runtime = openRuntime(t)
  const host: { act: Handler; seen: unknown[] } = { act: (n) => nextTurn(n), seen: [] }
  runtime
    .newHostModuleBuilder('env')
    .newFunctionBuilder()
    .withModuleFunc((module, n) => (host.seen.push(n), host.act(n, module) as number), ['i32'], ['i32'])
    .export('f')
    .instantiate()
  return { runtime, host }
}

for (const start of ['section', 'export'] as const) {
  const kind = start === 'section' ? 'the start function of a module' : 'the export _start'

  test(`${kind} may wait for promises, and is over when instantiateAsync resolves`, async (t) => {
    const { runtime, host } = setUp(t)
    host.act = async (n) => (await nextTurn(), host.seen.push(-n), n + 40)
    const guest = await runtime.instantiateAsync(guestText(start))
    t.deepEqual(host.seen, [1, -1, 2, -2])
    t.is(guest.exportedGlobal('g')!.value, 41)
    t.is(await guest.exports['g2'].async(), 41)
    t.deepEqual(runtime.stats().tasks, IDLE)
  })

  test(`host functions of ${kind} use and call the instance, before and after an await`, async (t) => {
    const { runtime, host } = setUp(t)
    const modules = new Set<ModuleInstance>()
    host.act = async (n, module) => {
      modules.add(module)
      t.is(module.exports['double'](n), 2 * n)
      t.true(module.memory!.writeUint32Le(4 * n, n))
      await nextTurn()
      t.is(module.exports['double'](n), 2 * n)
      t.is(await module.exports['double'].async(n), 2 * n)
      t.is(module.memory!.readUint32Le(4 * n), n)
      module.exportedGlobal('g')!.value += 1
      return n
    }
    const guest = await runtime.instantiateAsync(guestText(start))
    t.deepEqual([...modules], [guest])
    // The result of the first call was written after its host function had set the global to 1.
    t.is(guest.exportedGlobal('g')!.value, 2)
  })

  for (const label of ['throws', 'rejects'] as const) {
    test(`what a host function of ${kind} ${label} rejects instantiateAsync, and its name is free again`, async (t) => {
      const { runtime, host } = setUp(t)
      const error = new Error('start')
      const made: ModuleInstance[] = []
      host.act = (_, module) => {
        made.push(module)
        if (label === 'throws') throw error
        return nextTurn().then(() => Promise.reject(error))
      }
      t.is(await t.throwsAsync(runtime.instantiateAsync(guestText(start, '$guest'))), error)
      t.true(made[0]!.closed)
      t.is(runtime.module('guest'), undefined)
      t.like(runtime.stats(), { stores: 0, instances: 0, tasks: IDLE })
      host.act = (n) => n
      const guest = await runtime.instantiateAsync(guestText(start, '$guest'))
      t.is(runtime.module('guest'), guest)
    })
  }

  test(`${kind} may close its own instance after an await: with 0 that is its end, else an ExitError`, async (t) => {
    for (const code of [0, 3]) {
      const { runtime, host } = setUp(t)
      host.act = async (n, module) => (await nextTurn(), module.close(code), n)
      const outcome = await runtime.instantiateAsync(guestText(start)).catch((error: unknown) => error)
      if (code === 0) t.like(outcome, { closed: true, exitCode: 0 })
      else t.like(outcome, { code: 'EXIT', exitCode: code })
      t.like(runtime.stats(), { stores: 0, instances: 0, tasks: IDLE })
    }
  })

  test(`${kind} may close the runtime after an await`, async (t) => {
    const { runtime, host } = setUp(t)
    host.act = async (n) => (await nextTurn(), runtime.close(5), n)
    t.like(await t.throwsAsync(runtime.instantiateAsync(guestText(start))), { code: 'EXIT', exitCode: 5 })
    t.like(runtime.stats(), { stores: 0, instances: 0, tasks: IDLE })
  })
}

test('exports that are read in a notification of a start function, or while it computes, are there afterwards', async (t) => {
  const { runtime, host } = setUp(t)
  const early: unknown[] = []
  const read = (module: ModuleInstance) => {
    try {
      return [typeof module.exports['one'], typeof module.exportedFunction('one'), typeof module.memory]
    } catch (error) {
      // The guest has the store to itself.
      return (error as Error).name
    }
  }
  runtime
    .newHostModuleBuilder('notes')
    .newFunctionBuilder()
    .withModuleFunc((module) => void early.push(read(module)), [], [])
    .withNotify()
    .export('note')
    .instantiate()
  const late = new Promise((resolve) => {
    host.act = (n, module) => {
      setTimeout(() => resolve(read(module)), 2)
      return n
    }
  })
  for (const body of [
    '(call $note) (call $note)',
    '(drop (call $f (i32.const 1))) (call $spin (i32.const 100000000))',
  ]) {
    const guest = await runtime.instantiateAsync(
      `(module (import "notes" "note" (func $note)) (import "env" "f" (func $f (param i32) (result i32)))
        (memory (export "memory") 1) (func (export "one") (result i32) (i32.const 1))
        (func $spin (param i32) (loop $again (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
        (func $start ${body}) (start $start))`,
      { name: '' },
    )
    if (body.includes('spin')) early.push(await late)
    t.deepEqual(read(guest), ['function', 'object', 'object'], body)
    t.is(await guest.exports['one'].async(), 1)
  }
  t.is(early.length, 3)
  for (const seen of early) t.true(seen === 'StoreBusyError' || Array.isArray(seen), String(seen))
  for (const seen of early) if (Array.isArray(seen)) t.deepEqual(seen, ['function', 'object', 'object'])
})

test('what a start function that failed has left behind is refused, and never called without an instance', async (t) => {
  for (const name of ['', 'guest']) {
    const { runtime, host } = setUp(t)
    await runtime.instantiateAsync('(module)', { name: 'other' })
    const error = new Error('start')
    const left: Promise<unknown>[] = []
    const modules: unknown[] = []
    host.act = (_, module) => {
      modules.push(module)
      if (modules.length > 1) return 0
      left.push(module.exports['first'].async(), module.exports['double'].async(1))
      throw error
    }
    t.is(await t.throwsAsync(runtime.instantiateAsync(guestText('section'), { name })), error)
    const outcomes = await Promise.allSettled(left)
    t.deepEqual(outcomes.map((outcome) => outcome.status), ['rejected', 'rejected']) // prettier-ignore
    t.is(modules.length, 1)
    t.like(runtime.stats(), { instances: 1, tasks: IDLE })
  }
})

test('an ExitError with 0 out of _start is the end of the instance, any other code a rejection', async (t) => {
  for (const code of [0, 4]) {
    const { runtime, host } = setUp(t)
    const exit = new ExitError(code)
    host.act = () => nextTurn().then(() => Promise.reject(exit))
    const outcome = await runtime.instantiateAsync(guestText('export')).catch((error: unknown) => error)
    if (code === 0) t.like(outcome, { closed: true, exitCode: 0 })
    else t.is(outcome, exit)
  }
})

test('a trap of the start function after an await rejects instantiateAsync with its frames', async (t) => {
  const { runtime } = setUp(t)
  const text = `(module $m (import "env" "f" (func $f (param i32) (result i32)))
    (func $start (drop (call $f (i32.const 1))) unreachable) (start $start))`
  const error = await t.throwsAsync(runtime.instantiateAsync(text), { instanceOf: TrapError })
  t.is(error.trapCode, 'unreachable')
  t.like(error.frames[0], { moduleName: 'm', functionName: 'start' })
  t.like(runtime.stats(), { stores: 0, instances: 0, tasks: IDLE })
})

test('startFunctions are called one after the other, each when the one before has settled', async (t) => {
  const { runtime, host } = setUp(t)
  host.act = async (n) => (await nextTurn(), host.seen.push(-n), n)
  await runtime.instantiateAsync(guestText('export'), { startFunctions: ['first', 'none', 'second', 'second'] })
  t.deepEqual(host.seen, [11, -11, 12, -12, 12, -12])
})

test('a name is taken from the beginning of instantiateAsync, for both modes and for host modules', async (t) => {
  const { runtime, host } = setUp(t)
  const taken = { instanceOf: LinkError, message: 'module[guest] has already been instantiated' }
  const outcomes = await Promise.allSettled([
    runtime.instantiateAsync(runtime.compileModuleSync(guestText('section', '$guest'))),
    runtime.instantiateAsync(runtime.compileModuleSync('(module $guest)')),
  ])
  t.is(outcomes[0].status, 'fulfilled')
  t.like(outcomes[1], { status: 'rejected', reason: { code: 'LINK_ERROR', message: taken.message } })
  runtime.module('guest')!.close()

  host.act = async (n) => {
    t.is(runtime.module('guest'), undefined, 'nobody can import from it yet')
    t.throws(() => runtime.instantiate('(module $guest)'), taken)
    await t.throwsAsync(runtime.instantiateAsync('(module $guest)'), taken)
    t.throws(() => runtime.newHostModuleBuilder('guest').instantiate(), taken)
    return n
  }
  const guest = await runtime.instantiateAsync(guestText('section', '$guest'))
  t.is(runtime.module('guest'), guest)
  t.is(host.seen.length, 4)
})

test('an instance that imports from one whose start function still runs cannot be linked', async (t) => {
  const { runtime, host } = setUp(t)
  host.act = async (n) => {
    await t.throwsAsync(
      runtime.instantiateAsync('(module (import "guest" "double" (func (param i32) (result i32))))'),
      {
        instanceOf: LinkError,
        message: /module\[guest\] not instantiated/,
      },
    )
    return n
  }
  await runtime.instantiateAsync(guestText('section', '$guest'))
})

test('many instances start at once, in stores of their own and in the shared one', async (t) => {
  const { runtime } = setUp(t)
  const compiled = await runtime.compileModule(guestText('section'))
  for (const name of [() => '', (n: number) => `guest${n}`]) {
    const guests = await Promise.all(
      Array.from({ length: 50 }, (_, n) => runtime.instantiateAsync(compiled, { name: name(n) })),
    )
    t.is(new Set(guests).size, 50)
    for (const guest of guests) t.is(await guest.exports['g2'].async(), 1)
    for (const guest of guests) guest.close()
    t.like(runtime.stats(), { stores: 0, instances: 0, memoryBytes: 0, tasks: IDLE })
  }
})

test('start functions that wait also work with linkers, stores and InstancePre', async (t) => {
  t.timeout(LIMIT)
  const engine = new Engine()
  const linker = new Linker(engine)
  const seen: number[] = []
  linker.func(
    'env',
    'f',
    { params: ['i32'], results: ['i32'] },
    async (n) => (await nextTurn(), seen.push(n), n + 5),
    {},
  )
  const module = Module.compileSync(engine, guestText('section'))
  const store = new Store(engine)
  const instance = await linker.instantiateAsync(store, module)
  t.is(store.mode, 'async')
  t.is(instance.exports['g2'](), 6)
  const pre = linker.instantiatePre(module)
  const more = await Promise.all([
    pre.instantiateAsync(store),
    pre.instantiateAsync(store),
    pre.instantiateAsync(store),
  ])
  for (const one of more) t.is(await one.getFunc('g2')!.callAsync(), 6)
  t.deepEqual(seen, [1, 2, 1, 2, 1, 2, 1, 2])
  t.like(engine.stats(), { stores: 1, instances: 4, tasks: IDLE })
  store.close()
})
