import test from 'ava'

import { wat2wasm } from '../../index.mjs'
import { assertExit, runForJson, runNode } from './run-node.ts'

const file = { file: 'signals.cjs' }

/** The guest of the fixture, for those that trap before the addon is loaded. */
const bytes = wat2wasm(`(module (memory 1)
  (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
  (func (export "divide") (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1)))
  (func (export "unreachable") unreachable)
  (func $r (export "recurse") (call $r)))`)
const env = { ...process.env, OOB_BYTES: Buffer.from(bytes).toString('base64') }

const spin = `const { Runtime } = wasmtime
const { exports } = new Runtime().instantiate('(module (func (export "spin") (loop br 0)) (func (export "f") unreachable))')
try { exports.f() } catch (error) { if (error.name !== 'TrapError') throw error }
`

for (const [scenario, rounds, name] of [
  ['wasmtimeFirst', 50, 'traps of V8 and of Wasmtime alternate in one thread'],
  ['v8First', 50, 'they do so too if V8 has trapped before the addon is loaded'],
  ['mixed', 50, 'they do so too beside an engine with signalsBasedTraps: false'],
  ['nested', 50, 'a trap passes through calls of V8 and Wasmtime in turn'],
  ['workers', 5, 'V8 traps on the main thread while Workers load the addon, trap and exit, and afterwards'],
] as const) {
  test(name, async (t) => {
    const count = await runForJson<number>(t, file, { args: [scenario, String(rounds)], env })
    t.true(count >= rounds)
  })
}

const noHandler = '--disable-wasm-trap-handler'
const testNoHandler = process.allowedNodeEnvironmentFlags.has(noHandler) ? test : test.skip

testNoHandler(`the traps of V8 and Wasmtime keep apart with ${noHandler}`, async (t) => {
  t.true((await runForJson<number>(t, file, { flags: [noHandler], args: ['v8First', '10'], env })) > 0)
})

// Windows ends a process at once, whatever the signal.
const testSignals = process.platform === 'win32' ? test.skip : test

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
  testSignals(`${signal} still ends the process while wasm runs`, async (t) => {
    // A child of its own sends it, because the loop never comes back to JavaScript.
    const outcome = await runNode(
      `${spin}
      const script = 'setTimeout(() => process.kill(' + process.pid + ', "${signal}"), 300)'
      require('node:child_process').spawn(process.execPath, ['-e', script], { stdio: 'ignore' })
      exports.spin()`,
    )
    t.is(outcome.signal, signal, outcome.stderr)
    t.false(outcome.timedOut)
  })
}

testSignals('handlers of process.on for signals run after wasm has returned', async (t) => {
  const outcome = await runNode(`${spin}
    process.once('SIGUSR2', () => console.log('handled'))
    process.kill(process.pid, 'SIGUSR2')
    try { exports.f() } catch (error) { console.log(error.name) }
    setTimeout(() => {}, 100)`)
  assertExit(t, outcome)
  t.is(outcome.stdout, 'TrapError\nhandled\n')
})

for (const signal of ['SIGSEGV', 'SIGILL', 'SIGFPE', 'SIGBUS', 'SIGABRT'] as const) {
  testSignals(`a ${signal} that is no trap ends the process by that signal, and does not hang it`, async (t) => {
    // Wasmtime's handler takes itself out and returns, for a faulting instruction to fault again; a signal that was sent
    // has none, so the second one does it.
    const outcome = await runNode(`${spin} setInterval(() => process.kill(process.pid, '${signal}'), 10)`)
    t.is(outcome.signal, signal, outcome.stderr)
    t.false(outcome.timedOut)
  })
}

testSignals('process.abort() inside a host function ends the process by SIGABRT', async (t) => {
  const outcome = await runNode(`const runtime = new wasmtime.Runtime()
    runtime.newHostModuleBuilder('m').newFunctionBuilder().withFunc(() => process.abort(), [], []).export('f').instantiate()
    runtime.instantiate('(module (import "m" "f" (func $f)) (start $f))')`)
  t.is(outcome.signal, 'SIGABRT')
})
