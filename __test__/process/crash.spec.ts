import test from 'ava'

import { assertExit, runForJson, runNode } from './run-node.ts'

type Seen = Record<string, 'TrapError' | 'RangeError' | 'LimitError'>

const recursion = { file: 'recursion.cjs' }
const hostCalls = { file: 'host-calls.cjs' }

/** Scenarios that stay small on a large stack: no store, nor a trace, for each level of it. */
const cheap =
  'exports,func,callWith,stackFunc,tuple,getter,proxy,externref,deepGuest,guestOnly,severalStores,linker,sort'

for (const [thread, scenarios, rounds] of [
  ['main', 'all', 3],
  ['worker', 'all', 1],
  ['1', 'all', 2],
  ['2', 'all', 1],
  ['4', cheap, 3],
  ['16', cheap, 2],
  ['64', cheap, 1],
] as const) {
  const where = /^\d/.test(thread) ? `in a Worker with ${thread} MiB of stack` : `on the ${thread} thread`
  test(`recursion without an end is an error that can be caught ${where}`, async (t) => {
    const args = [scenarios, String(rounds), thread]
    const seen = await runForJson<Seen>(t, recursion, { args })
    const names = Object.keys(seen)
    t.true(names.length >= cheap.split(',').length)
    // A guest that calls nothing but itself ends in a trap, wherever it runs.
    t.is(seen['guestOnly'], 'TrapError')
    t.deepEqual(
      names.filter((name) => !['TrapError', 'RangeError'].includes(seen[name] ?? '')),
      [],
    )
  })
}

for (const size of [200, 2000, 6000]) {
  test(`recursion without an end is an error that can be caught with --stack-size=${size}`, async (t) => {
    const scenarios = `${cheap},afterDeepJavaScript,startFunction,hugeFrames,catches`
    const args = [scenarios, '1', 'main']
    const seen = await runForJson<Seen>(t, recursion, { flags: [`--stack-size=${size}`], args })
    t.is(Object.keys(seen).length, scenarios.split(',').length)
  })
}

// Newer versions of V8 end the process when something is thrown far beyond the end of JavaScript's part of the stack, where
// wasm may well be.
const deep = `
  const runtime = new wasmtime.Runtime()
  const builder = runtime.newHostModuleBuilder('m')
  builder.newFunctionBuilder().withFunc(() => [1, 2, 3].map((n) => n * 2).length, [], ['i32']).export('f')
  builder.newFunctionBuilder().withFunc((value) => value, ['externref'], ['externref']).export('ref')
  builder.instantiate()
  const { exports } = runtime.instantiate(\`(module
    (import "m" "f" (func $f (result i32))) (import "m" "ref" (func $ref (param externref) (result externref)))
    (func $run (export "run") (param i32) (result i32)
      (if (i32.eqz (local.get 0)) (then (drop (call $ref (ref.null extern))) (return (call $f))))
      (i32.add (i32.const 1) (call $run (i32.sub (local.get 0) (i32.const 1))))))\`)
  const below = (javaScript, wasm) => (javaScript === 0 ? exports.run(wasm) : below(javaScript - 1, wasm))
  const seen = {}
  for (let javaScript = 0; javaScript < 12_000; javaScript += 1500) {
    for (let wasm = 10; wasm < 25_000; wasm += 1200) {
      let outcome
      try {
        outcome = below(javaScript, wasm) === wasm + 3 ? 'right' : 'wrong'
      } catch (error) {
        outcome = error.name
      }
      seen[outcome] = (seen[outcome] ?? 0) + 1
    }
  }
  console.log(JSON.stringify(seen))`

test('wasm at any depth below JavaScript of any depth calls a host function, or ends in an error', async (t) => {
  for (const flags of [[], ['--stack-size=400']]) {
    const seen = await runForJson<Record<string, number>>(t, deep, { flags })
    t.true(seen['right']! > 0)
    t.true(seen['TrapError']! > 0)
    t.deepEqual(
      Object.keys(seen).filter((outcome) => !['right', 'RangeError', 'TrapError'].includes(outcome)),
      [],
    )
  }
})

const closes = {
  closeInstance: 'its instance',
  closeRuntime: 'its runtime',
  closeNamed: 'a named instance, and the runtime of one',
  closeHostModule: 'its host module',
  closeStore: 'its store',
}
for (const [scenario, what] of Object.entries(closes)) {
  test(`a host function may close ${what} at any depth and go on using everything`, async (t) => {
    const outcome = await runNode(hostCalls, { flags: ['--expose-gc'], args: [scenario] })
    assertExit(t, outcome)
    t.is(outcome.stdout, 'done\n')
  })
}

test('a getter in the results of a host function may close the instance and the runtime', async (t) => {
  const outcome = await runNode(hostCalls, { flags: ['--expose-gc'], args: ['closeInGetter'] })
  assertExit(t, outcome)
  t.is(outcome.stdout, 'done\n')
})

test('a host function may close the instance and the runtime while the start function runs', async (t) => {
  const outcome = await runNode(hostCalls, { flags: ['--expose-gc'], args: ['closeInStart'] })
  assertExit(t, outcome)
  t.is(outcome.stdout, 'done\n')
})

// Newer versions of V8 have no flag any more that has everything optimised at once.
const eager = Number.parseInt(process.versions.v8, 10) < 14 ? '--always-turbofan' : '--always-sparkplug'
for (const flags of [[], [eager], ['--stress-compaction'], ['--gc-interval=200']]) {
  test(`collecting garbage at any point of a call takes nothing away that the call needs (${flags.join()})`, async (t) => {
    const outcome = await runNode(hostCalls, { flags: ['--expose-gc', ...flags], args: ['gcEverywhere'] })
    assertExit(t, outcome)
    t.is(outcome.stdout, 'done\n')
  })
}

const exits = {
  exitInHostFunction: 'inside a host function',
  exitAtDepth: 'below fifty calls from store to store',
  exitAfterClose: 'inside a host function that has closed its runtime',
  exitInStart: 'while the start function runs',
  exitInGetter: 'inside a getter of the results',
}
for (const [scenario, where] of Object.entries(exits)) {
  test(`process.exit() ${where} ends the process with its code, and exit handlers run`, async (t) => {
    const outcome = await runNode(hostCalls, { flags: ['--expose-gc'], args: [scenario] })
    assertExit(t, outcome, 7)
    t.is(outcome.stdout, 'exiting\n')
    t.is(outcome.stderr, '')
  })
}

test('process.exit() inside a host function that an exit handler has called gives its code', async (t) => {
  const outcome = await runNode(hostCalls, { flags: ['--expose-gc'], args: ['exitInCallOnExit'] })
  assertExit(t, outcome, 7)
  t.is(outcome.stdout, 'done\nexiting\n')
})

test('an exception of a host function that nobody catches ends the process as any other does', async (t) => {
  const outcome = await runNode(hostCalls, { flags: ['--expose-gc'], args: ['uncaught'] })
  assertExit(t, outcome, 1)
  t.regex(outcome.stderr, /RangeError: from the host function/)
})

test('a trap that nobody catches ends the process as any other error does, with the wasm frames', async (t) => {
  const outcome = await runNode(hostCalls, { flags: ['--expose-gc'], args: ['uncaughtTrap'] })
  assertExit(t, outcome, 1)
  t.regex(outcome.stderr, /TrapError: .*out of bounds/)
  t.regex(outcome.stderr, /trapCode: 'memory-out-of-bounds'/)
})

test('an uncaughtException handler gets the very value that a host function threw, and everything goes on', async (t) => {
  const outcome = await runNode(hostCalls, { flags: ['--expose-gc'], args: ['uncaughtHandled'] })
  assertExit(t, outcome)
  t.is(outcome.stdout, 'done\nhandled\nhandled\n')
})
