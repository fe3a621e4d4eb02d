import test from 'ava'

import { assertExit, runNode } from './run-node.ts'

test('two Workers and the main thread count to millions together in one memory', async (t) => {
  const outcome = await runNode({ file: 'shared-memory.cjs' }, { args: ['1000000'] })
  assertExit(t, outcome)
  t.deepEqual(JSON.parse(outcome.stdout), [3_300_000, 3, 'grown'])
})

test('shared memories are freed by close, by the collector, and with their Workers', async (t) => {
  const outcome = await runNode(
    `const { Engine, Linker, Module, SharedMemory, Store } = wasmtime
    const { Worker, isMainThread } = require('node:worker_threads')
    const engine = new Engine({ sharedMemory: true })
    const turn = () => new Promise((resolve) => setImmediate(resolve))
    const limits = { minimum: 16, maximum: 64 }
    const fill = (memory) => memory.write(0, new Uint8Array(2 ** 20))
    ;(async () => {
      for (let i = 0; i < 1000; i++) {
        const memory = new SharedMemory(engine, limits)
        fill(memory)
        if (i % 2) memory.close()
        if (i % 20 === 0) { gc(); await turn() }
      }
      const script = 'const { workerData } = require("node:worker_threads"); const { SharedMemory } = require(' + JSON.stringify(require.resolve('./index.js')) + '); const memory = SharedMemory.attach(workerData); memory.atomicAdd(0, 1); if (workerData.forever) setInterval(() => {}, 1000)'
      const memory = new SharedMemory(engine, limits)
      for (let i = 0; i < 6; i++) {
        const worker = new Worker(script, { eval: true, workerData: { ...memory.share(), forever: i % 2 } })
        while (memory.atomicLoadInt32(0) <= i) await turn()
        await worker.terminate()
      }
      gc(); await turn(); gc(); await turn()
      console.log(JSON.stringify([memory.atomicLoadInt32(0), process.memoryUsage.rss() < 600 * 2 ** 20]))
    })()`,
    { flags: ['--expose-gc'] },
  )
  assertExit(t, outcome)
  t.deepEqual(JSON.parse(outcome.stdout), [6, true])
})
