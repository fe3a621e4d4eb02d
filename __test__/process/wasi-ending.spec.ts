import test from 'ava'

import { assertExit, runForJson, runNode } from './run-node.ts'

const file = { file: 'wasi-world.cjs' }

for (const state of ['sleep', 'naps', 'stdin', 'inherit', 'drain', 'flood', 'all']) {
  test(`process.exit() keeps its code with guests of WASI in the state "${state}"`, async (t) => {
    assertExit(t, await runNode(file, { args: ['exit', state] }), 5)
  })
}

test('an uncaught error ends a process whose guests of WASI are in every state', async (t) => {
  const outcome = await runNode(file, { args: ['throw', 'all'] })
  assertExit(t, outcome, 1)
  t.regex(outcome.stderr, /Error: on purpose/)
})

test('a guest that sleeps keeps the process alive', async (t) => {
  const outcome = await runNode(file, { args: ['stays', 'sleep'] })
  assertExit(t, outcome, 6)
  t.is(outcome.stdout, 'still here\n')
})

for (const way of ['terminate', 'workerExit']) {
  test(`Workers that end (${way}) while their guests of WASI are in some state leave the main thread working`, async (t) => {
    t.is(await runForJson<number>(t, file, { args: [way, '30'], timeoutMs: 170_000 }), 30)
  })
}

test('output that is inherited goes to the process, and input comes from it', async (t) => {
  const script = `
    const { Runtime } = wasmtime
    const runtime = new Runtime()
    const source = \`(module
      (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1) (data (i32.const 64) "from the guest\\\\n")
      (func $write (param i32)
        (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 15))
        (drop (call $fd_write (local.get 0) (i32.const 0) (i32.const 1) (i32.const 8))))
      (func (export "_start") (call $write (i32.const 1)) (call $write (i32.const 2))))\`
    const wasi = { stdout: 'inherit', stderr: 'inherit' }
    runtime.runCommandSync(source, { wasi })
    runtime.runCommand(source, { wasi }).then(({ exitCode, stdout }) => console.log(exitCode, stdout.length))`
  const outcome = await runNode(script)
  assertExit(t, outcome)
  t.is(outcome.stdout, 'from the guest\nfrom the guest\n0 0\n')
  t.is(outcome.stderr, 'from the guest\nfrom the guest\n')
})
