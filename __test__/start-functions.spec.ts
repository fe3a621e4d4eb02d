import test from 'ava'

import { ExitError, type HostModuleInstance, type ModuleInstance, Runtime, TrapError } from '../index.mjs'

/** A runtime whose host function `env.log` keeps the numbers that guests give it. */
function makeRuntime() {
  const runtime = new Runtime()
  const log: number[] = []
  const modules: ModuleInstance[] = []
  let act: (module: ModuleInstance, n: number) => void = () => {}
  const host: HostModuleInstance = runtime
    .newHostModuleBuilder('env')
    .newFunctionBuilder()
    .withModuleFunc(
      (module, n) => {
        log.push(n)
        modules.push(module)
        act(module, n)
      },
      ['i32'],
      [],
    )
    .export('log')
    .instantiate()
  return { runtime, host, log, modules, on: (run: typeof act) => (act = run) }
}

/** A guest whose exports log their position; the wasm start function logs 0. */
const logs = (...names: string[]) => `(module $guest (import "env" "log" (func $log (param i32)))
  (func $begin (call $log (i32.const 0))) (start $begin)
  ${names.map((name, index) => `(func (export "${name}") (call $log (i32.const ${index + 1})))`).join('\n')})`

test('_start is called by default, after the start function of the module', (t) => {
  const { runtime, log, modules } = makeRuntime()
  const guest = runtime.instantiate(logs('_start', '_initialize', 'main'))
  t.deepEqual(log, [0, 1])
  t.deepEqual(modules, [guest, guest])
})

test('startFunctions are called in their order instead, those that are missing skipped', (t) => {
  const { runtime, log } = makeRuntime()
  runtime.instantiate(logs('_start', 'b', 'a'), { startFunctions: ['a', 'missing', 'b', 'a'] })
  t.deepEqual(log, [0, 3, 2, 3])
})

test('without start functions only that of the module is called', (t) => {
  const { runtime, log } = makeRuntime()
  runtime.instantiate(logs('_start'), { startFunctions: [] })
  t.deepEqual(log, [0])
})

test('an export of that name that is no function is skipped', (t) => {
  const guest = new Runtime().instantiate('(module (memory (export "_start") 1))')
  t.false(guest.closed)
})

test('the instance has its name already while a start function runs, but not in that of the module', (t) => {
  const { runtime, on } = makeRuntime()
  const found: unknown[] = []
  on(() => found.push(runtime.module('guest')))
  const guest = runtime.instantiate(logs('_start'))
  t.deepEqual(found, [undefined, guest])
})

test('an error in a start function comes out unchanged, closes the instance and frees its name', (t) => {
  for (const failing of [0, 1, 2]) {
    const { runtime, log, modules, on } = makeRuntime()
    const boom = new Error('boom')
    on((_module, n) => {
      if (n === failing) throw boom
    })
    const error = t.throws(() => runtime.instantiate(logs('a', 'b', 'c'), { startFunctions: ['a', 'b', 'c'] }))
    t.is(error, boom)
    t.deepEqual(log, [0, 1, 2].slice(0, failing + 1))
    t.true(modules[0]?.closed)
    t.is(runtime.module('guest'), undefined)
    t.is(runtime.stats().stores, 0)
    on(() => {})
    t.notThrows(() => runtime.instantiate(logs('a')))
  }
})

test('a trap in a start function is a TrapError with the frames of the guest', (t) => {
  const text = (body: string) => `(module $guest (func $begin unreachable) ${body})`
  for (const body of ['(start $begin)', '(export "_start" (func $begin))']) {
    const runtime = new Runtime()
    const error = t.throws(() => runtime.instantiate(text(body)), { instanceOf: TrapError, code: 'TRAP' })
    t.regex(error.message, /^wasm error: unreachable\nwasm stack trace:\n\tguest\.begin\(\)/)
    t.is(runtime.module('guest'), undefined)
  }
})

test('a start function that wants parameters cannot be called', (t) => {
  const runtime = new Runtime()
  t.throws(() => runtime.instantiate('(module $guest (func (export "_start") (param i32)))'), {
    instanceOf: TypeError,
    message: /expected 1 params, but passed 0/,
  })
  t.is(runtime.module('guest'), undefined)
})

test('a start function that closes the instance with 0 ends it well: it is returned, closed', (t) => {
  const { runtime, log, on } = makeRuntime()
  on((module, n) => {
    if (n === 1) module.close()
  })
  const guest = runtime.instantiate(logs('_start', 'next'), { startFunctions: ['_start', 'next'] })
  t.true(guest.closed)
  t.is(guest.exitCode, 0)
  t.deepEqual(log, [0, 1])
  t.is(runtime.module('guest'), undefined)
  t.throws(() => guest.exportedFunction('next'), { instanceOf: ExitError, message: 'module closed with exit_code(0)' })
})

test('an exit like that of proc_exit, closing and throwing, is the same', (t) => {
  for (const exitCode of [0, 7]) {
    const { runtime, modules, on } = makeRuntime()
    on((module, n) => {
      if (n === 0) return
      module.close(exitCode)
      throw new ExitError(exitCode)
    })
    if (exitCode === 0) {
      const guest = runtime.instantiate(logs('_start'))
      t.true(guest.closed)
    } else {
      t.throws(() => runtime.instantiate(logs('_start')), { instanceOf: ExitError, message: /exit_code\(7\)/ })
    }
    t.is(modules[0]?.exitCode, exitCode)
    t.is(runtime.module('guest'), undefined)
  }
})

test('another exit code is an ExitError that carries it', (t) => {
  const { runtime, modules, log, on } = makeRuntime()
  on((module, n) => {
    if (n === 1) module.close(7)
  })
  const error = t.throws(() => runtime.instantiate(logs('a', 'b'), { startFunctions: ['a', 'b'] }), {
    instanceOf: ExitError,
    code: 'EXIT',
    message: 'module closed with exit_code(7)',
  })
  t.is((error as ExitError).exitCode, 7)
  t.is(modules[0]?.exitCode, 7)
  t.deepEqual(log, [0, 1])
  t.is(runtime.module('guest'), undefined)
})

test('an exit in the start function of the module itself is the same as in _start', (t) => {
  for (const exitCode of [0, 7]) {
    const { runtime, modules, log, on } = makeRuntime()
    on((module) => module.close(exitCode))
    if (exitCode === 0) {
      const guest = runtime.instantiate(logs('_start'))
      t.true(guest.closed)
      t.is(modules[0], guest)
    } else {
      t.throws(() => runtime.instantiate(logs('_start')), { instanceOf: ExitError, message: /exit_code\(7\)/ })
    }
    t.deepEqual(log, [0])
    t.is(modules[0]?.exitCode, exitCode)
    t.is(runtime.module('guest'), undefined)
  }
})

test('an instance that ends itself in the start function of the module leaves the other named ones alone', (t) => {
  for (const how of ['returns', 'throws'] as const) {
    const { runtime, on } = makeRuntime()
    const [one, two] = ['one', 'two'].map((name) =>
      runtime.instantiate('(module (func (export "get") (result i32) (i32.const 5)))', { name }),
    )
    on((module) => {
      module.close(7)
      if (how === 'throws') throw new Error('gone')
    })
    t.throws(() => runtime.instantiate(logs()), { message: how === 'throws' ? 'gone' : /exit_code\(7\)/ })
    two?.close()
    t.is(one?.exports['get'](), 5, how)
    t.notThrows(() => runtime.instantiate('(module $guest)'), how)
    one?.close()
  }
})

test('a start function can call exports of the very instance', (t) => {
  const { runtime, log, on } = makeRuntime()
  on((module, n) => {
    if (n === 1) module.exportedFunction('b')?.call()
  })
  runtime.instantiate(logs('_start', 'b'))
  t.deepEqual(log, [0, 1, 2])
})

test('the context of the config is there while start functions run', (t) => {
  const { runtime, on } = makeRuntime()
  const seen: unknown[] = []
  const context = { request: 1 }
  on((module) => seen.push(module.context))
  runtime.instantiate(logs('_start'), { context })
  t.deepEqual(seen, [context, context])
  t.is(seen[0], context)
})

for (const mode of ['sync', 'async'] as const) {
  test(`an instance whose start function has failed is closed, and ends nobody else's store, in ${mode} mode`, async (t) => {
    const { runtime, modules } = makeRuntime()
    t.teardown(() => runtime.close())
    const make = async (text: string): Promise<ModuleInstance> =>
      mode === 'sync' ? runtime.instantiate(text) : await runtime.instantiateAsync(text)
    const a = await make('(module $a (func (export "f") (result i32) i32.const 7))')
    const failing = `(module $b (import "a" "f" (func (result i32))) (import "env" "log" (func $log (param i32)))
      (func $start (call $log (i32.const 1)) unreachable) (start $start))`
    await t.throwsAsync(() => make(failing), { instanceOf: TrapError })
    const [failed] = modules
    t.true(failed?.closed)
    failed?.close()
    failed?.close(3)
    t.is(await (mode === 'sync' ? a.exports['f']() : a.exports['f'].async()), 7)
    t.is(runtime.module('a'), a)
  })
}

test('an asynchronous instantiation is rejected when the runtime is closed meanwhile', async (t) => {
  for (const start of ['(start $wait)', '(export "_start" (func $wait))']) {
    const runtime = new Runtime()
    let reached: () => void = () => {}
    const waits = new Promise<void>((resolve) => (reached = resolve))
    let settle: () => void = () => {}
    runtime
      .newHostModuleBuilder('env')
      .newFunctionBuilder()
      .withFunc(() => new Promise<void>((resolve) => ((settle = resolve), reached())), [], [])
      .export('wait')
      .instantiate()
    const making = runtime.instantiateAsync(`(module (import "env" "wait" (func $w)) (func $wait (call $w)) ${start})`)
    await waits
    runtime.close()
    await t.throwsAsync(making, { message: /closed/ })
    settle()
  }
})
