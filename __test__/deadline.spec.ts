import test from 'ava'

import { ArgumentError, Engine, InterruptedError, Linker, Module, type Runtime, Store, TrapError } from '../index.mjs'
import { openRuntime } from './support/async.js'
import { thrownBy } from './support/wat.js'

const guestText = `(module $clock
  (import "host" "call" (func $call))
  (func $loop (export "loop") (loop br 0))
  (func (export "callThenLoop") call $call (loop br 0))
  (func (export "callTwice") call $call call $call)
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func $fib (export "fib") (param $n i32) (result i32)
    (if (result i32) (i32.lt_u (local.get $n) (i32.const 2)) (then (local.get $n))
      (else (i32.add (call $fib (i32.sub (local.get $n) (i32.const 1))) (call $fib (i32.sub (local.get $n) (i32.const 2)))))))
  (func (export "catchAll")
    (loop $again (block $caught (try_table (catch_all $caught) (call $loop))) (br $again)))
  (func $forever (export "recurse") (return_call $forever))
  (func (export "ref") (param externref) (result externref) (loop br 0) (local.get 0)))`

/** A guest whose host function does what `host.run` says. */
function makeGuest(runtime: Runtime) {
  const host = { run: (): unknown => undefined }
  runtime.newHostModuleBuilder('host').newFunctionBuilder().withFunc(() => void host.run(), [], []).export('call')
    .instantiate() // prettier-ignore
  const guest = runtime.instantiate(guestText, { name: '' })
  return { guest, host, func: (name: string) => guest.exportedFunction(name)! }
}

/** Spends some time on this thread. */
function spend(milliseconds: number): void {
  const end = performance.now() + milliseconds
  while (performance.now() < end) {
    // Only time passes.
  }
}

const interrupted = { instanceOf: InterruptedError }

test('a call that does not end is stopped, and says where it was', (t) => {
  const { func, guest } = makeGuest(openRuntime(t))
  const began = performance.now()
  const error = thrownBy(() => func('loop').callWith({ timeoutMs: 100 })) as InterruptedError
  const took = performance.now() - began
  t.true(error instanceof InterruptedError)
  t.is(error.code, 'INTERRUPTED')
  t.regex(error.message, /^the call was stopped after 100 ms \(timeoutMs\)\nwasm stack trace:\n\tclock\.loop\(\)/)
  t.is(error.frames[0]!.moduleName, 'clock')
  t.is(error.frames[0]!.functionName, 'loop')
  t.true(took >= 100)
  t.is(guest.exports['add'](1, 2), 3)
  t.is(func('add').callWith({ timeoutMs: 60_000 }, 3, 4), 7)
})

for (const name of ['catchAll', 'recurse']) {
  test(`a guest cannot get around it: ${name}`, (t) => {
    const { func, guest } = makeGuest(openRuntime(t))
    t.throws(() => func(name).callWith({ timeoutMs: 20 }), interrupted)
    t.is(guest.exports['add'](1, 2), 3)
  })
}

test('a call with references is stopped as well', (t) => {
  const { func } = makeGuest(openRuntime(t))
  t.throws(() => func('ref').callWith({ timeoutMs: 20 }, {}), interrupted)
})

test('no time at all stops a call before it begins', (t) => {
  const { func, host } = makeGuest(openRuntime(t))
  let ran = false
  host.run = () => (ran = true)
  const error = t.throws(() => func('callTwice').callWith({ timeoutMs: 0 }), interrupted)
  t.deepEqual((error as InterruptedError).frames, [])
  t.false(ran)
})

test('nested: an inner deadline ends the inner call only', (t) => {
  const { func, host } = makeGuest(openRuntime(t))
  let inner: unknown
  host.run = () => {
    inner = thrownBy(() => func('loop').callWith({ timeoutMs: 20 }))
  }
  func('callTwice').callWith({ timeoutMs: 60_000 })
  t.regex((inner as Error).message, /after 20 ms/)
  // The outer one had none, and gets none.
  inner = undefined
  t.is(func('callTwice').call(), undefined)
  t.regex((inner as Error).message, /after 20 ms/)
})

test('nested: the earliest deadline counts, also that of an outer call', (t) => {
  const { func, host, guest } = makeGuest(openRuntime(t))
  const inner: unknown[] = []
  for (const call of [() => func('loop').callWith({ timeoutMs: 60_000 }), () => guest.exports['loop']()]) {
    host.run = () => void inner.push(thrownBy(call))
    t.regex(t.throws(() => func('callThenLoop').callWith({ timeoutMs: 300 }), interrupted)!.message, /after 300 ms/)
  }
  t.is(inner.length, 2)
  for (const error of inner) t.regex((error as Error).message, /after 300 ms/)
  t.is(guest.exports['add'](1, 2), 3)
})

test('nested: after an inner call with a deadline the outer deadline still holds', (t) => {
  const { func, host } = makeGuest(openRuntime(t))
  host.run = () => func('add').callWith({ timeoutMs: 60_000 }, 1, 2)
  t.regex(t.throws(() => func('callThenLoop').callWith({ timeoutMs: 300 }), interrupted)!.message, /after 300 ms/)
})

test('time in host functions counts, and the guest stops as soon as it goes on', (t) => {
  const { func, host } = makeGuest(openRuntime(t))
  let calls = 0
  host.run = () => {
    calls += 1
    spend(400)
  }
  t.throws(() => func('callTwice').callWith({ timeoutMs: 300 }), interrupted)
  t.is(calls, 1)
})

test('what a host function throws after the deadline comes out all the same', (t) => {
  const { func, host } = makeGuest(openRuntime(t))
  const thrown = new Error('mine')
  host.run = () => {
    spend(400)
    throw thrown
  }
  t.is(
    thrownBy(() => func('callTwice').callWith({ timeoutMs: 300 })),
    thrown,
  )
})

test('a host function that swallows the interruption of an inner call does not rescue the outer one', (t) => {
  const { func, host } = makeGuest(openRuntime(t))
  host.run = () => {
    try {
      func('loop').call()
    } catch {
      // Swallowed.
    }
  }
  t.throws(() => func('callThenLoop').callWith({ timeoutMs: 20 }), interrupted)
})

test('a deadline that has passed touches no later call, in this store or another', (t) => {
  const { func, guest } = makeGuest(openRuntime(t))
  for (let round = 0; round < 20; round++) {
    t.throws(() => func('loop').callWith({ timeoutMs: 2 }), interrupted)
    t.is(guest.exports['fib'](18), 2584)
  }
})

test('a long call without a deadline is not interrupted by those of others', (t) => {
  const runtime = openRuntime(t)
  const { func, host, guest } = makeGuest(runtime)
  const other = runtime.instantiate(guestText, { name: '' })
  // The clock runs for the other store, and goes on for a while after it.
  host.run = () => t.throws(() => other.exportedFunction('loop')!.callWith({ timeoutMs: 5 }), interrupted)
  func('callTwice').call()
  t.is(guest.exports['fib'](27), 196418)
  t.is(func('fib').callWith({ timeoutMs: 60_000 }, 27), 196418)
})

test('1,000 calls that do not end leave no residue', (t) => {
  const runtime = openRuntime(t)
  const { func, guest } = makeGuest(runtime)
  const { totals, ...before } = runtime.stats()
  for (let round = 0; round < 1000; round++) {
    if (!(thrownBy(() => func('loop').callWith({ timeoutMs: 1 })) instanceof InterruptedError)) t.fail()
  }
  const { totals: after, ...rest } = runtime.stats()
  t.deepEqual(rest, before)
  t.is(after.interrupts - totals.interrupts, 1000)
  t.is(after.calls - totals.calls, 1000)
  t.is(guest.exports['fib'](20), 6765)
})

test('context and deadline go together', (t) => {
  const runtime = openRuntime(t)
  let seen: unknown
  runtime.newHostModuleBuilder('host').newFunctionBuilder()
    .withModuleFunc((guest) => void (seen = guest.context), [], []).export('call').instantiate() // prettier-ignore
  const guest = runtime.instantiate(guestText, { name: '', context: 'outer' })
  t.throws(() => guest.exportedFunction('callThenLoop')!.callWith({ timeoutMs: 300, context: 'inner' }), interrupted)
  t.is(seen, 'inner')
  t.is(guest.context, 'outer')
})

test('start functions: the start section and _start are stopped, and the instance is closed', (t) => {
  const runtime = openRuntime(t)
  const texts = ['(module (func $s (loop br 0)) (start $s))', '(module (func (export "_start") (loop br 0)))']
  for (const text of texts) {
    for (const name of ['', 'named']) {
      t.throws(() => runtime.instantiate(text, { name, timeoutMs: 20 }), interrupted)
      t.is(runtime.stats().instances, 0)
      t.is(runtime.module('named'), undefined)
    }
  }
  const guest = runtime.instantiate('(module (func (export "f") (result i32) i32.const 1))', { timeoutMs: 300 })
  spend(400)
  t.is(guest.exports['f'](), 1)
})

test('start functions: the time is for all of them together', (t) => {
  const runtime = openRuntime(t)
  runtime.newHostModuleBuilder('host').newFunctionBuilder().withFunc(() => spend(15), [], []).export('call')
    .instantiate() // prettier-ignore
  const text = `(module (import "host" "call" (func $call)) (func (export "a") call $call) (func (export "b") call $call)
    (func (export "c") call $call) (func (export "d") call $call))`
  const error = thrownBy(() => runtime.instantiate(text, { startFunctions: ['a', 'b', 'c', 'd'], timeoutMs: 40 }))
  t.regex((error as Error).message, /after 40 ms/)
})

test('the lower layer: linker.instantiate and instancePre.instantiate take a time for the start function', (t) => {
  const engine = new Engine()
  const linker = new Linker(engine)
  const store = new Store(engine)
  const module = Module.compileSync(engine, '(module (func $s (loop br 0)) (start $s))')
  t.throws(() => linker.instantiate(store, module, { timeoutMs: 20 }), interrupted)
  t.throws(() => linker.instantiatePre(module).instantiate(store, { timeoutMs: 20 }), interrupted)
  t.throws(() => linker.instantiate(store, module, { timeout: 20 } as never), { instanceOf: ArgumentError })
  t.throws(() => linker.instantiate(store, module, { timeoutMs: -1 }), { instanceOf: ArgumentError })
})

test('Store.setDeadline is one deadline for all later calls', (t) => {
  const engine = new Engine()
  const linker = new Linker(engine)
  const store = new Store(engine)
  let inside = (): void => {}
  linker.func('host', 'call', { params: [], results: [] }, () => inside())
  const module = Module.compileSync(engine, guestText)
  const { exports } = linker.instantiate(store, module)
  store.setDeadline(30)
  t.regex(t.throws(() => exports['loop'](), interrupted)!.message, /setDeadline/)
  // The time is over, whatever a call does.
  t.throws(() => exports['add'](1, 2), interrupted)
  t.throws(() => linker.instantiate(store, module), interrupted)
  store.setDeadline(undefined)
  t.is(exports['add'](1, 2), 3)
  store.setDeadline(60_000)
  t.is(exports['add'](1, 2), 3)
  t.throws(() => linker.instantiate(store, module).getFunc('loop')!.callWith({ timeoutMs: 20 }), {
    ...interrupted,
    message: /after 20 ms/,
  })
  store.setDeadline(undefined)
  // Calls under way are not concerned, those in their host functions are.
  let inner: unknown
  inside = () => {
    store.setDeadline(0)
    inner = thrownBy(() => exports['add'](1, 2))
    inside = () => {}
  }
  exports['callTwice']()
  t.true(inner instanceof InterruptedError)
  for (const bad of [-1, NaN, '5', 2 ** 31]) {
    t.throws(() => store.setDeadline(bad as never), { instanceOf: ArgumentError })
  }
})

test('without checks in the code, deadlines are refused with the reason', (t) => {
  const runtime = openRuntime(t, { interruptible: false })
  const guest = runtime.instantiate('(module (func (export "f")))')
  const refused = { instanceOf: ArgumentError, message: /interruptible: false.*nothing can stop its guests/s }
  t.throws(() => guest.exportedFunction('f')!.callWith({ timeoutMs: 5 }), refused)
  t.throws(() => runtime.instantiate('(module)', { timeoutMs: 5, name: '' }), refused)
  t.throws(() => runtime.interrupt(), refused)
  const engine = new Engine({ interruptible: false })
  const store = new Store(engine)
  t.throws(() => store.setDeadline(5), refused)
  t.notThrows(() => store.setDeadline(undefined))
  t.throws(() => engine.interrupt(), refused)
  guest.exports['f']()
})

test('a time must be a number of milliseconds', (t) => {
  const { func } = makeGuest(openRuntime(t))
  for (const bad of [-1, NaN, Infinity, 2 ** 31, '5', 5n, null]) {
    t.throws(() => func('add').callWith({ timeoutMs: bad as never }, 1, 2), {
      instanceOf: ArgumentError,
      message: /timeoutMs must be a number of milliseconds/,
    })
  }
  t.is(func('add').callWith({ timeoutMs: 2 ** 31 - 1 }, 1, 2), 3)
})

test('wrong arguments, traps and closed instances are what they are without a deadline', (t) => {
  const { func, guest } = makeGuest(openRuntime(t))
  t.throws(() => func('add').callWith({ timeoutMs: 60_000 }, 1), { message: /expected 2 params, but passed 1/ })
  t.throws(() => func('add').callWith({ timeoutMs: 60_000 }, 1, 'x'), { instanceOf: TypeError })
  const trapping = openRuntime(t).instantiate('(module (func (export "f") unreachable))')
  t.throws(() => trapping.exportedFunction('f')!.callWith({ timeoutMs: 60_000 }), { instanceOf: TrapError })
  const add = func('add')
  guest.close(3)
  t.throws(() => add.callWith({ timeoutMs: 60_000 }, 1, 2), { code: 'EXIT' })
})

test('a host function may close the instance whose call has a deadline', (t) => {
  const { func, guest, host } = makeGuest(openRuntime(t))
  const loop = func('callThenLoop')
  host.run = () => guest.close(5)
  t.throws(() => loop.callWith({ timeoutMs: 300 }), interrupted)
  t.is(guest.exitCode, 5)
})

test('async mode: a plain call with a deadline, whatever the length of a slice', async (t) => {
  for (const sliceMs of [1, 1000]) {
    const runtime = openRuntime(t, { sliceMs })
    const { host } = makeGuest(runtime)
    const guest = await runtime.instantiateAsync(guestText, { name: '' })
    const func = (name: string) => guest.exportedFunction(name)!
    // A busy machine may take its time now and then; a deadline that waits for the slice takes it always.
    let least = Infinity
    for (let attempt = 0; attempt < 5 && least >= 900; attempt++) {
      const began = performance.now()
      t.regex(t.throws(() => func('loop').callWith({ timeoutMs: 20 }), interrupted)!.message, /after 20 ms/)
      least = Math.min(least, performance.now() - began)
    }
    if (sliceMs === 1000) t.true(least < 900)
    let calls = 0
    host.run = () => {
      calls += 1
      spend(400)
    }
    t.throws(() => func('callTwice').callWith({ timeoutMs: 300 }), interrupted)
    t.is(calls, 1)
    let inner: unknown
    host.run = () => {
      inner = thrownBy(() => func('loop').call())
    }
    t.throws(() => func('callTwice').callWith({ timeoutMs: 300 }), interrupted)
    t.true(inner instanceof InterruptedError)
    host.run = () => undefined
    t.is(func('add').callWith({ timeoutMs: 60_000 }, 1, 2), 3)
    t.is(await func('add').callAsync(1, 2), 3)
  }
})

test('async mode: a plain call with a deadline while another call waits does not touch that one', async (t) => {
  const runtime = openRuntime(t)
  let settle = (): void => {}
  const promise = new Promise<void>((resolve) => (settle = resolve))
  runtime
    .newHostModuleBuilder('host')
    .newFunctionBuilder()
    .withFunc(() => promise)
    .export('call')
    .instantiate()
  const guest = await runtime.instantiateAsync(guestText, { name: '' })
  const waiting = guest.exportedFunction('callTwice')!.callAsync()
  while (runtime.stats().tasks.parked === 0) await new Promise(setImmediate)
  t.throws(() => guest.exportedFunction('loop')!.callWith({ timeoutMs: 10 }), interrupted)
  settle()
  await waiting
  t.pass()
})

test('async mode: Store.setDeadline ends calls that wait or compute, and lets none begin later', async (t) => {
  const engine = new Engine()
  const linker = new Linker(engine)
  const store = new Store(engine)
  linker.func('host', 'call', undefined, () => new Promise(() => {}))
  const module = Module.compileSync(engine, guestText)
  const instance = await linker.instantiateAsync(store, module)
  const past = { ...interrupted, message: /setDeadline/ }
  for (const name of ['callTwice', 'loop']) {
    store.setDeadline(20)
    await t.throwsAsync(instance.getFunc(name)!.callAsync(), past)
  }
  await t.throwsAsync(instance.getFunc('add')!.callAsync(1, 2), past)
  await t.throwsAsync(linker.instantiateAsync(store, module), past)
  store.setDeadline(60_000)
  await t.throwsAsync(instance.getFunc('loop')!.callAsyncWith({ timeoutMs: 10 }), {
    ...interrupted,
    message: /after 10 ms/,
  })
  store.setDeadline(undefined)
  t.is(await instance.getFunc('add')!.callAsync(1, 2), 3)
  store.close()
})

test('async mode: what is called as soon as a call was stopped by the deadline of the store does not begin', async (t) => {
  const engine = new Engine()
  const linker = new Linker(engine)
  const store = new Store(engine)
  linker.func('host', 'call', undefined, () => new Promise(() => {}))
  const instance = await linker.instantiateAsync(store, Module.compileSync(engine, guestText))
  for (let round = 0; round < 100; round++) {
    // Fractions, so that a timer of whole milliseconds could come early.
    store.setDeadline(1 + (round % 7) * 0.3)
    await t.throwsAsync(instance.getFunc('callTwice')!.callAsync(), interrupted)
    await t.throwsAsync(instance.getFunc('add')!.callAsync(1, 2), interrupted)
  }
  store.close()
})
