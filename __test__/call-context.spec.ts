import test from 'ava'

import { ArgumentError, type ModuleInstance, Runtime } from '../index.mjs'
import { thrownBy } from './support/wat.ts'

/** A guest whose `outer` and `inner` call the host functions of these names, which keep the context that they see. */
function makeGuest(config: { context?: unknown; name?: string } = {}) {
  const runtime = new Runtime()
  const seen: unknown[] = []
  let act: (module: ModuleInstance) => void = () => {}
  runtime
    .newHostModuleBuilder('env')
    .newFunctionBuilder()
    .withModuleFunc(
      (module) => {
        seen.push(module.context)
        act(module)
        seen.push(module.context)
      },
      [],
      [],
    )
    .export('outer')
    .newFunctionBuilder()
    .withModuleStackFunc((module) => void seen.push(module.context), [], [])
    .export('inner')
    .instantiate()
  const text = `(module (import "env" "outer" (func $outer)) (import "env" "inner" (func $inner))
    (func (export "outer") (call $outer)) (func (export "inner") (call $inner))
    (func (export "both") (call $outer) (call $inner)) (func (export "identity") (param i32) (result i32) (local.get 0)))`
  const guest = runtime.instantiate(text, config)
  return { runtime, guest, seen, on: (run: typeof act) => (act = run) }
}

test('the context of the config is what host functions see on the instance, undefined if there is none', (t) => {
  const context = { user: 'a' }
  const { guest, seen } = makeGuest({ context })
  t.is(guest.context, context)
  guest.exports['both']()
  guest.exportedFunction('inner')!.callWith({})
  t.deepEqual(seen, [context, context, context, context])
  t.is(seen[0], context)
  const without = makeGuest()
  without.guest.exports['inner']()
  t.deepEqual(without.seen, [undefined])
})

test('callWith replaces the context during its call, in every style of host function', (t) => {
  const { guest, seen } = makeGuest({ context: 'config' })
  guest.exportedFunction('both')!.callWith({ context: 'call' })
  t.deepEqual(seen, ['call', 'call', 'call'])
  t.is(guest.context, 'config')
  guest.exports['inner']()
  t.is(seen.at(-1), 'config')
})

test('a nested call with a context of its own replaces the outer one, which is back when it returns', (t) => {
  const { guest, seen, on } = makeGuest({ context: 'config' })
  on((module) => module.exportedFunction('inner')!.callWith({ context: 'nested' }))
  guest.exportedFunction('both')!.callWith({ context: 'outer' })
  t.deepEqual(seen, ['outer', 'nested', 'outer', 'outer'])
  t.is(guest.context, 'config')
})

test('a nested call without a context sees that of the outer call', (t) => {
  const { guest, seen, on } = makeGuest()
  on((module) => module.exportedFunction('inner')!.call())
  guest.exportedFunction('outer')!.callWith({ context: 'outer' })
  t.deepEqual(seen, ['outer', 'outer', 'outer'])
})

test('a context may be given as undefined, which is not the same as not giving it', (t) => {
  const { guest, seen } = makeGuest({ context: 'config' })
  guest.exportedFunction('inner')!.callWith({ context: undefined })
  guest.exportedFunction('inner')!.callWith({})
  t.deepEqual(seen, [undefined, 'config'])
})

test('the context is back after a call that throws or that is refused', (t) => {
  const { guest, on } = makeGuest({ context: 'config' })
  const boom = new Error('boom')
  on(() => {
    throw boom
  })
  t.is(
    thrownBy(() => guest.exportedFunction('outer')!.callWith({ context: 'call' })),
    boom,
  )
  t.is(guest.context, 'config')
  const identity = guest.exportedFunction('identity')!
  t.throws(() => identity.callWith({ context: 'call' }, 'x' as never), { instanceOf: TypeError })
  t.is(guest.context, 'config')
  t.is(identity.callWith({ context: 'call' }, 5), 5)
})

test('the context can be set on the instance', (t) => {
  const { guest, seen } = makeGuest({ context: 'config' })
  guest.context = 'set'
  guest.exports['inner']()
  t.deepEqual(seen, ['set'])
})

test('instances of one module have contexts of their own', (t) => {
  const { runtime, guest, seen } = makeGuest({ context: 'one' })
  const other = runtime.instantiate('(module (import "env" "inner" (func $f)) (func (export "inner") (call $f)))', {
    context: 'two',
  })
  guest.exports['inner']()
  other.exports['inner']()
  guest.exportedFunction('inner')!.callWith({ context: 'three' })
  other.exports['inner']()
  t.deepEqual(seen, ['one', 'two', 'three', 'two'])
})

test('options come first and must be known ones', (t) => {
  const { guest } = makeGuest()
  const identity = guest.exportedFunction('identity')!
  t.is(identity.callWith({}, 7), 7)
  for (const bad of [7, null, 'x', { contexts: 1 }, { signal: undefined }, { timeoutMs: -5 }, { fuel: 5 }]) {
    t.throws(() => identity.callWith(bad as never, 7), { instanceOf: ArgumentError })
  }
})
