// What bounds compiling has and has not: docs/security.md tells users.
import test from 'ava'

import { CompileError, InterruptedError, Runtime, wat2wasm } from '../index.mjs'

import { LIMIT, openRuntime, until } from './support/async.ts'

/** A module whose compiling takes a time that grows with the square of the number of loops: a second or more here. */
const slow = wat2wasm(`(module (func (export "f") (local i32) ${'(loop (br_if 0 (local.get 0)))'.repeat(3000)}))`)

test('an instantiation that is stopped does not wait for the end of the compiling, which goes on for nobody', async (t) => {
  t.timeout(LIMIT)
  const runtime = new Runtime()
  const error = await t.throwsAsync(runtime.instantiateAsync(slow, { timeoutMs: 10 }), { instanceOf: InterruptedError })
  t.regex(error.message, /after 10 ms/)
  const stopped = runtime.stats()
  t.is(stopped.totals.compiledModules, 0, 'it is not done yet')
  const controller = new AbortController()
  const reason = new Error('enough')
  const waiting = runtime.instantiateAsync(slow, { signal: controller.signal })
  controller.abort(reason)
  t.is(await t.throwsAsync(waiting), reason)
  t.is(runtime.stats().totals.compiledModules, 0)
  // What came too late was closed.
  await until(() => runtime.stats().totals.compiledModules === 2)
  await until(() => runtime.stats().compiledModules === 0)
  runtime.close()
})

test('a program that is stopped does not wait for the end of the compiling', async (t) => {
  t.timeout(LIMIT)
  const runtime = new Runtime()
  await t.throwsAsync(runtime.runCommand(slow, { timeoutMs: 10 }), { instanceOf: InterruptedError })
  t.is(runtime.stats().totals.compiledModules, 0)
  await until(() => runtime.stats().totals.compiledModules === 1)
  runtime.close()
})

test('an instantiation that has time enough for compiling is not disturbed, and errors come out', async (t) => {
  const runtime = openRuntime(t)
  const guest = await runtime.instantiateAsync('(module (func (export "f") (result i32) (i32.const 7)))', {
    name: '',
    timeoutMs: LIMIT,
    signal: new AbortController().signal,
  })
  t.is(await guest.exports['f'].async(), 7)
  await t.throwsAsync(runtime.instantiateAsync('(module', { timeoutMs: LIMIT }), { instanceOf: CompileError })
  await t.throwsAsync(runtime.instantiateAsync(slow, { signal: AbortSignal.abort(new Error('before')) }), {
    message: 'before',
  })
})

test('a body of a function has a greatest size, and a module as many functions and locals', async (t) => {
  const runtime = openRuntime(t)
  const refuses = async (source: string, message: RegExp): Promise<void> => {
    await t.throwsAsync(runtime.compileModule(wat2wasm(source)), { instanceOf: CompileError, message })
  }
  await refuses(`(module (func ${'nop '.repeat(7_700_000)}))`, /body size.*exceeds/)
  await refuses(`(module (func (local ${'i32 '.repeat(50_001)})))`, /locals/)
})
