import test from 'ava'

import { assertExit, runNode } from './run-node.ts'

/** Generous against a slow machine, and far less than for ever. */
const timeoutMs = 60_000

/** What stays open and idle when the script ends, each held by the global object. */
const idle: Record<string, string> = {
  'that only loads the package': '',
  'with an idle runtime': 'globalThis.kept = new wasmtime.Runtime()',
  'with an idle engine, store and linker': `const engine = new wasmtime.Engine()
    globalThis.kept = [engine, new wasmtime.Store(engine), new wasmtime.Linker(engine)]`,
  'with a host function that nobody has called': `const runtime = new wasmtime.Runtime()
    globalThis.kept = [runtime, runtime.newHostModuleBuilder('m').newFunctionBuilder()
      .withModuleFunc(() => 1, [], ['i32']).export('f').instantiate()]`,
  'with an open instance whose host function has been called': `const runtime = new wasmtime.Runtime()
    runtime.newHostModuleBuilder('m').newFunctionBuilder().withFunc(() => {}, [], []).export('f').instantiate()
    globalThis.kept = runtime.instantiate('(module (import "m" "f" (func $f)) (func (export "run") call $f))')
    kept.exports.run()`,
  'that has compiled off the event loop': `globalThis.kept = new wasmtime.Runtime().compileModule('(module)')
    kept.then(() => console.log('compiled'))`,
  'with an asynchronous host function that a synchronous call has refused': `const runtime = new wasmtime.Runtime()
    runtime.newHostModuleBuilder('m').newFunctionBuilder().withFunc(async () => {}, [], []).export('f').instantiate()
    globalThis.kept = runtime.instantiate('(module (import "m" "f" (func $f)) (func (export "run") call $f))')
    try { kept.exports.run(); process.exitCode = 1 } catch (error) { if (!(error instanceof TypeError)) throw error }`,
  'with a pooling allocator': 'globalThis.kept = new wasmtime.Runtime({ pooling: true }).instantiate("(module)")',
}

for (const [what, script] of Object.entries(idle)) {
  test(`a process ${what} ends by itself`, async (t) => {
    const outcome = await runNode(script, { timeoutMs })
    assertExit(t, outcome)
    t.is(outcome.stderr, '')
    t.is(outcome.stdout, script.includes('compiled') ? 'compiled\n' : '')
  })

  test(`a Worker ${what} ends by itself`, async (t) => {
    const body = `const wasmtime = require(process.argv[2]);\n${script}`
    const outcome = await runNode(
      `const { Worker } = require('node:worker_threads')
      new Worker(${JSON.stringify(body)}, { eval: true, argv: [process.cwd() + '/index.js'] })
        .on('exit', (code) => console.log('code', code))`,
      { timeoutMs },
    )
    assertExit(t, outcome)
    t.is(outcome.stderr, '')
    t.regex(outcome.stdout, /^(?:compiled\n)?code 0\n$/)
  })
}

test('a compilation under way keeps the process alive until it has settled', async (t) => {
  const outcome = await runNode(
    `const body = '(func (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))'.repeat(5000)
    new wasmtime.Runtime().compileModule('(module ' + body + ')').then((module) => console.log(module.name === ''))`,
    { timeoutMs },
  )
  assertExit(t, outcome)
  t.is(outcome.stdout, 'true\n')
})
