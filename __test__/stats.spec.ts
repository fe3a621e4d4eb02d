import test from 'ava'

import { InterruptedError, TrapError } from '../index.mjs'
import { IDLE, openRuntime } from './support/async.ts'

const GUEST = `(module $guest
  (import "env" "host" (func $host))
  (func (export "call") call $host)
  (func (export "trap") unreachable)
  (func (export "hang") (loop (br 0))))`

test('totals count what has happened, also in stores that have ended', async (t) => {
  const runtime = openRuntime(t)
  const builder = runtime.newHostModuleBuilder('env').newFunctionBuilder()
  builder
    .withFunc(() => {}, [], [])
    .export('host')
    .instantiate()
  const zero = { calls: 0, hostCalls: 0, traps: 0, interrupts: 0, compiledModules: 0 }
  t.deepEqual(runtime.stats().totals, zero)
  const compiled = runtime.compileModuleSync(GUEST)
  t.deepEqual(runtime.stats().totals, { ...zero, compiledModules: 1 })
  for (let round = 0; round < 3; round++) {
    const guest = runtime.instantiate(compiled, { name: '' })
    guest.exports['call']()
    guest.exports['call']()
    t.throws(() => guest.exports['trap'](), { instanceOf: TrapError })
    if (round < 2) guest.close()
  }
  t.deepEqual(runtime.stats().totals, { ...zero, compiledModules: 1, calls: 12, hostCalls: 6, traps: 3 })
  const guest = await runtime.instantiateAsync(compiled, { name: '' })
  await guest.exports['call'].async()
  guest.exports['call']()
  await t.throwsAsync(guest.exports['trap'].async(), { instanceOf: TrapError })
  const hang = guest.exportedFunction('hang')!.callAsyncWith({ timeoutMs: 5 })
  await t.throwsAsync(hang, { instanceOf: InterruptedError })
  guest.close()
  const totals = { compiledModules: 1, calls: 17, hostCalls: 8, traps: 4, interrupts: 1 }
  t.deepEqual(runtime.stats().totals, totals)
  t.deepEqual(runtime.stats().tasks, IDLE)
  runtime.close()
  t.deepEqual(runtime.stats().totals, totals)
})

test('a trap that comes through several calls counts once, and what a host function throws not at all', (t) => {
  const runtime = openRuntime(t)
  let run = (): void => {}
  const builder = runtime.newHostModuleBuilder('env').newFunctionBuilder()
  builder
    .withFunc(() => run(), [], [])
    .export('host')
    .instantiate()
  const guest = runtime.instantiate(GUEST)
  run = () => guest.exports['trap']()
  t.throws(() => guest.exports['call'](), { instanceOf: TrapError })
  t.is(runtime.stats().totals.traps, 1)
  run = () => {
    throw new Error('of the host')
  }
  t.throws(() => guest.exports['call'](), { message: 'of the host' })
  t.is(runtime.stats().totals.traps, 1)
  t.is(runtime.stats().totals.hostCalls, 2)
})

test('modules count until they are closed', async (t) => {
  const runtime = openRuntime(t)
  const first = runtime.compileModuleSync('(module (func (export "f") (result i32) i32.const 1))')
  const { codeBytes, compiledModules } = runtime.stats()
  t.is(compiledModules, 1)
  t.true(codeBytes > 0)
  const second = await runtime.compileModule('(module (func (export "f") (result i32) i32.const 2))')
  t.is(runtime.stats().compiledModules, 2)
  t.is(runtime.stats().codeBytes, codeBytes * 2)
  const guest = runtime.instantiate(first, { name: '' })
  first.close()
  t.is(runtime.stats().compiledModules, 1)
  second.close()
  t.is(guest.exports['f'](), 1)
  const { compiledModules: left, codeBytes: rest } = runtime.stats()
  t.deepEqual([left, rest], [0, 0])
})
