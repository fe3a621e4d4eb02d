import test from 'ava'

import { ArgumentError, ClosedError, ExitError, type ModuleInstance, Runtime } from '../index.mjs'
import { thrownBy } from './support/wat.ts'

/** A guest that calls the host function `env.f` from exports with different results. */
const guestText = `(module (import "env" "f" (func $f (param i32) (result i32)))
  (memory (export "memory") 1)
  (global (export "g") (mut i32) (i32.const 1))
  (func (export "run") (param i32) (result i32) (call $f (local.get 0)))
  (func (export "pair") (result i32 i64) (call $f (i32.const 1)) (i64.const 2))
  (func (export "none") (drop (call $f (i32.const 1))))
  (func (export "twice") (result i32) (i32.add (call $f (i32.const 1)) (call $f (i32.const 2))))
  (func (export "plain") (result i32) (i32.const 9)))`

/** A runtime whose host function `env.f` does what `on` says and gives back what it gets, and a guest of it. */
function makeGuest(name = '') {
  const runtime = new Runtime()
  let act: (module: ModuleInstance, n: number) => void = () => {}
  const host = runtime
    .newHostModuleBuilder('env')
    .newFunctionBuilder()
    .withModuleFunc((module, n) => (act(module, n), n), ['i32'], ['i32'])
    .export('f')
    .instantiate()
  const guest = runtime.instantiate(guestText, { name })
  return { runtime, host, guest, on: (run: typeof act) => (act = run) }
}

/** The `ExitError` that a function throws. */
function exitOf(run: () => unknown): ExitError {
  const error = thrownBy(run)
  if (error instanceof ExitError) return error
  throw error
}

for (const name of ['', 'guest']) {
  const kind = name === '' ? 'anonymous' : 'named'

  test(`${kind}: close ends an instance with a code, and every later use is an ExitError with it`, (t) => {
    const { guest } = makeGuest(name)
    const { memory, exports } = guest
    const run = guest.exportedFunction('run')!
    const plain = run.function
    t.false(guest.closed)
    t.is(guest.exitCode, undefined)
    guest.close(3)
    t.true(guest.closed)
    t.is(guest.exitCode, 3)
    const uses: (() => unknown)[] = [
      () => run.call(1),
      () => plain(1),
      () => exports['run'](1),
      () => run.callWith({}, 1),
      () => run.callWithStack(new BigUint64Array(1)),
      () => guest.exportedFunction('run'),
      () => guest.exportedMemory('memory'),
      () => guest.exportedGlobal('g'),
    ]
    for (const [index, use] of uses.entries()) {
      const error = exitOf(use)
      t.is(error.message, 'module closed with exit_code(3)', `use ${index}`)
      t.is(error.exitCode, 3)
      t.is(error.code, 'EXIT')
      t.false('results' in error)
    }
    // Only an anonymous instance has its memory for itself alone.
    if (name === '') t.throws(() => memory!.readByte(0))
  })

  test(`${kind}: closing is idempotent, and the first exit code wins`, (t) => {
    const { guest } = makeGuest(name)
    guest.close(5)
    guest.close(6)
    guest.close()
    t.is(guest.exitCode, 5)
    t.is(exitOf(() => guest.exportedFunction('run')).exitCode, 5)
  })

  test(`${kind}: the exit code is 0 unless it is given, and later calls are errors all the same`, (t) => {
    const { guest } = makeGuest(name)
    const run = guest.exportedFunction('run')!
    guest.close()
    t.is(guest.exitCode, 0)
    t.is(exitOf(() => run.call(1)).message, 'module closed with exit_code(0)')
  })

  test(`${kind}: a call during which a host function closes the instance is an ExitError with the results`, (t) => {
    for (const exitCode of [0, 5, 2 ** 32 - 1]) {
      for (const [called, results] of [
        ['pair', [1, 2n]],
        ['none', undefined],
        ['twice', 3],
      ] as const) {
        const { guest, on } = makeGuest(name)
        on((module) => module.close(exitCode))
        const error = exitOf(() => guest.exports[called]())
        t.is(error.exitCode, exitCode)
        t.is(error.message, `module closed with exit_code(${exitCode})`)
        t.deepEqual(error.results, results, called)
        t.is(exitOf(() => guest.exports[called]()).results, undefined)
      }
    }
  })

  test(`${kind}: a call that begins in a host function after the close is refused at once`, (t) => {
    const { guest, on } = makeGuest(name)
    const plain = guest.exportedFunction('plain')!
    const seen: unknown[] = []
    on((module, n) => {
      if (n === 1) module.close(4)
      seen.push(thrownBy(() => plain.call()))
    })
    t.is(exitOf(() => guest.exports['twice']()).exitCode, 4)
    t.is(seen.length, 2)
    for (const error of seen) t.is((error as ExitError).message, 'module closed with exit_code(4)')
  })

  test(`${kind}: what a host function throws after it closed the instance wins over the ExitError`, (t) => {
    const { guest, on } = makeGuest(name)
    const boom = new Error('boom')
    on((module) => {
      module.close(4)
      throw boom
    })
    t.is(
      thrownBy(() => guest.exports['run'](1)),
      boom,
    )
    t.is(exitOf(() => guest.exports['run'](1)).exitCode, 4)
  })

  test(`${kind}: an ExitError that is only thrown comes out unchanged and closes nothing`, (t) => {
    const { guest, on } = makeGuest(name)
    const thrown = new ExitError(3)
    on(() => {
      throw thrown
    })
    t.is(
      thrownBy(() => guest.exports['run'](1)),
      thrown,
    )
    t.is(thrown.message, 'module closed with exit_code(3)')
    t.false(guest.closed)
    on(() => {})
    t.is(guest.exports['run'](8), 8)
  })
}

test('an exit code is an integer from 0 to 2^32 - 1', (t) => {
  const { runtime, guest, host } = makeGuest()
  for (const bad of [-1, 1.5, 2 ** 32, NaN, '1', null, 1n]) {
    for (const closable of [guest, host, runtime]) {
      t.throws(() => closable.close(bad as never), { instanceOf: ArgumentError })
      t.false(closable.closed)
    }
  }
})

test('closing the host module does not disturb guests that import from it already', (t) => {
  const { runtime, host, guest, on } = makeGuest()
  host.close(3)
  host.close()
  t.true(host.closed)
  t.is(runtime.module('env'), undefined)
  t.is(guest.exports['run'](7), 7)
  runtime
    .newHostModuleBuilder('env')
    .newFunctionBuilder()
    .withFunc((n) => n * 100, ['i32'], ['i32'])
    .export('f')
    .instantiate()
  on((_module, n) => t.is(n, 7))
  t.is(guest.exports['run'](7), 7)
  t.is(runtime.instantiate(guestText).exports['run'](7), 700)
})

test('in flight, closing the importing module decides the exit code, whether the host module is closed too or not', (t) => {
  for (const [closeImporting, closeImported] of [
    [1, undefined],
    [1, 2],
    [undefined, 2],
  ] as const) {
    for (const compiledToo of [false, true]) {
      const runtime = new Runtime()
      const hostCode = runtime
        .newHostModuleBuilder('env')
        .newFunctionBuilder()
        .withFunc(
          (n) => {
            if (closeImporting !== undefined) guest.close(closeImporting)
            if (closeImported !== undefined) host.close(closeImported)
            if (compiledToo) for (const code of [hostCode, guestCode]) code.close()
            return n
          },
          ['i32'],
          ['i32'],
        )
        .export('f')
        .compile()
      const host = runtime.instantiate(hostCode)
      const guestCode = runtime.compileModuleSync(guestText)
      const guest = runtime.instantiate(guestCode, { name: 'importing' })
      const { exports } = guest
      if (closeImporting === undefined) {
        t.is(exports['run'](5), 5)
      } else {
        const error = exitOf(() => exports['run'](5))
        t.like(error, { exitCode: closeImporting, results: 5 })
      }
      t.is(runtime.module('env') === undefined, closeImported !== undefined)
    }
  }
})

test('a guest goes on calling functions of another one that is closed', (t) => {
  const runtime = new Runtime()
  const library = runtime.instantiate('(module $library (func (export "get") (result i32) (i32.const 42)))')
  const user = runtime.instantiate(
    '(module $user (import "library" "get" (func (result i32))) (func (export "run") (result i32) (call 0)))',
  )
  library.close(2)
  t.is(user.exports['run'](), 42)
  t.is(exitOf(() => library.exportedFunction('get')).exitCode, 2)
})

test('closing the runtime closes everything with its code, and is idempotent', (t) => {
  const { runtime, host, guest } = makeGuest()
  const named = runtime.instantiate(guestText, { name: 'named' })
  const closedBefore = runtime.instantiate(guestText, { name: 'before' })
  const compiled = runtime.compileModuleSync('(module)')
  const runs = [guest, named].map((instance) => instance.exportedFunction('run')!)
  closedBefore.close(1)
  runtime.close(2)
  runtime.close(3)
  t.true(runtime.closed)
  for (const instance of [guest, named, host]) t.true(instance.closed)
  for (const run of runs) t.is(exitOf(() => run.call(1)).message, 'module closed with exit_code(2)')
  t.is(closedBefore.exitCode, 1)
  for (const name of ['env', 'named']) t.is(runtime.module(name), undefined)
  const closed = { instanceOf: ClosedError, code: 'CLOSED', message: 'runtime closed with exit_code(2)' }
  t.throws(() => runtime.compileModuleSync('(module)'), closed)
  t.throws(() => runtime.instantiate('(module)'), closed)
  t.throws(() => runtime.instantiate(compiled), closed)
  t.throws(() => runtime.newHostModuleBuilder('late').compile(), closed)
})

test('compiling is refused asynchronously too once the runtime is closed', async (t) => {
  const runtime = new Runtime()
  runtime.close()
  const closed = { instanceOf: ClosedError, message: 'runtime closed with exit_code(0)' }
  await t.throwsAsync(runtime.compileModule('(module)'), closed)
  await t.throwsAsync(runtime.compileModuleFile('nowhere.wasm'), closed)
})

test('closing the runtime in a host function lets the running call end, as an ExitError with its results', (t) => {
  const { runtime, guest, on } = makeGuest()
  on((_module, n) => {
    if (n === 1) runtime.close(6)
  })
  const error = exitOf(() => guest.exports['twice']())
  t.is(error.exitCode, 6)
  t.is(error.results, 3)
  t.is(exitOf(() => guest.exports['twice']()).results, undefined)
})

test('instances, host modules and runtimes are disposable', async (t) => {
  const { runtime, host, guest } = makeGuest()
  guest[Symbol.dispose]()
  t.is(guest.exitCode, 0)
  await host[Symbol.asyncDispose]()
  t.true(host.closed)
  const other = runtime.instantiate('(module)')
  await other[Symbol.asyncDispose]()
  t.true(other.closed)
  runtime[Symbol.dispose]()
  t.true(runtime.closed)
})

test('instances of a shared store keep the exit codes of their own after its end', (t) => {
  const runtime = new Runtime()
  const wat = '(module (func (export "f") (result i32) i32.const 1))'
  const [first, second] = [runtime.instantiate(wat, { name: 'first' }), runtime.instantiate(wat, { name: 'second' })]
  const user = runtime.instantiate('(module (import "first" "f" (func (result i32))) (export "g" (func 0)))', {
    name: '',
  })
  first.close(4)
  second.close(1)
  // Ends the store, and the one instance in it that is open.
  runtime.close(7)
  const codeOf = (run: () => unknown): number => {
    const error = t.throws(run, { instanceOf: ExitError })
    return error.exitCode
  }
  t.deepEqual([first.exitCode, second.exitCode, user.exitCode], [4, 1, 7])
  t.deepEqual(
    [codeOf(() => first.exports['f']()), codeOf(() => second.exports['f']()), codeOf(() => user.exports['g']())],
    [4, 1, 7],
  )
})
