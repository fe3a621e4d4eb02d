import test from 'ava'

import { assertExit, root, runForJson, runNode } from './run-node.ts'

const file = { file: 'async-exit.cjs' }
const states = ['never', 'forever', 'burst', 'settled', 'notes', 'mixed', 'nest', 'all']

test('a process ends by itself when all that is left waits for promises that nothing can settle', async (t) => {
  const outcome = await runNode(file, { args: ['natural', 'never'], timeoutMs: 30_000 })
  assertExit(t, outcome)
  t.is(outcome.stderr, '')
})

test('a process stays as long as guests compute, wait for timers or for their turn', async (t) => {
  const outcome = await runNode(file, { args: ['work'], timeoutMs: 60_000 })
  assertExit(t, outcome)
  t.deepEqual(outcome.stdout.trim().split('\n').sort(), ['computed', 'queued', 'slept'])
})

for (const state of states) {
  test(`process.exit() keeps its code with guests in the state "${state}"`, async (t) => {
    assertExit(t, await runNode(file, { args: ['exit', state], timeoutMs: 30_000 }), 5)
  })
}

test('an uncaught error ends a process whose guests are in every state', async (t) => {
  const outcome = await runNode(file, { args: ['throw', 'all'], timeoutMs: 30_000 })
  assertExit(t, outcome, 1)
  t.regex(outcome.stderr, /Error: on purpose/)
})

test('process.exit() inside a host function of an asynchronous call works beside others in every state', async (t) => {
  assertExit(t, await runNode(file, { args: ['exitInHost', 'all'], timeoutMs: 30_000 }), 6)
})

test('so does process.exit() after its await', async (t) => {
  assertExit(t, await runNode(file, { args: ['exitAfterAwait', 'all'], timeoutMs: 30_000 }), 7)
})

test('a handler of exit can close a runtime whose guests are in every state', async (t) => {
  const outcome = await runNode(file, { args: ['exitHandler', 'all'], timeoutMs: 30_000 })
  assertExit(t, outcome, 8)
})

for (const [way, rounds] of [
  ['terminate', 120],
  ['exit', 60],
  ['natural', 20],
] as const) {
  const how = { terminate: 'are terminated', exit: 'call process.exit()', natural: 'end by themselves' }[way]
  test(`${rounds} Workers that ${how} while their guests are in some state leave the main thread working`, async (t) => {
    const options = { args: [way, String(rounds)], timeoutMs: 150_000 }
    t.is(await runForJson<number>(t, { file: 'async-worker.cjs' }, options), rounds)
  })
}

const endless = `
  const { Worker } = require('node:worker_threads')
  const code = \`
    const { parentPort, workerData: { path, way } } = require('node:worker_threads')
    const { Runtime } = require(path)
    async function main() {
      const runtime = new Runtime()
      let guest
      runtime.newHostModuleBuilder('m')
        .newFunctionBuilder().withFunc(() => {
          parentPort.postMessage('in')
          if (way === 'loops') for (;;);
          if (way === 'nested') guest.exports.further()
        }, [], []).export('f')
        .newFunctionBuilder().withFunc(() => { for (;;); }, [], []).export('loop')
        .instantiate()
      guest = await runtime.instantiateAsync(\\\`(module
        (import "m" "f" (func $f))
        (import "m" "loop" (func $loop))
        (func (export "loops") (call $f))
        (func (export "nested") (call $f))
        (func (export "further") (call $loop))
        (func (export "often") (loop (call $f) (br 0))))\\\`, { name: '' })
      await guest.exports[way].async()
    }
    main()\`
  async function main() {
    const path = require.resolve(process.cwd())
    for (let round = 0; round < 60; round++) {
      const worker = new Worker(code, { eval: true, workerData: { path, way: ['loops', 'nested', 'often'][round % 3] } })
      await new Promise((resolve) => worker.once('message', resolve))
      if (round % 2) await new Promise((resolve) => setTimeout(resolve, 5))
      await worker.terminate()
    }
    console.log('alive')
  }
  main()`

test('a Worker is terminated inside of a host function that an asynchronous call is in the middle of', async (t) => {
  const outcome = await runNode(endless, { cwd: root, timeoutMs: 120_000 })
  assertExit(t, outcome)
  t.is(outcome.stdout, 'alive\n')
})
