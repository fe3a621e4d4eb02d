import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { Runtime } from '../index.mjs'
import { guests } from './guests.mjs'

const MILLION = 1e6

/**
 * Two guests that compute at once on two compute threads, against one; and, for what the machine can do at all, the same
 * with Node's WebAssembly in two workers.
 *
 * @returns {Promise<{ groups: import('./measure-async.mjs').AsyncGroup[], close: () => Promise<void> }>}
 */
export async function parallel() {
  const bytes = guests.compute()
  const runtime = new Runtime({ poolThreads: 2 })
  const compiled = await runtime.compileModule(bytes)
  const guest = async () => (await runtime.instantiateAsync(compiled, { name: '' })).exports.compute.async
  const computes = [await guest(), await guest()]
  const workers = [computeWorker(bytes), computeWorker(bytes)]
  const works = workers.map((worker) => async (count) => {
    worker.postMessage(count) // oxlint-disable-line unicorn/require-post-message-target-origin
    const [result] = await once(worker, 'message')
    return result
  })

  const expected = (count) => {
    let state = 0
    for (let i = 0; i < count * MILLION; i++) state = (Math.imul(state, 1664525) + 1013904223) | 0
    return state
  }
  const one =
    ([compute]) =>
    (count) =>
      compute(count * MILLION)
  const both = (computes) => async (count) => {
    const [left, right] = await Promise.all(computes.map((compute) => compute(count * MILLION)))
    return left === right ? left : undefined
  }
  const names = ['one guest', 'two guests at once', "Node's WebAssembly in a worker", 'in two workers at once']
  const group = {
    name: 'a million rounds of a loop, two compute threads',
    count: 200,
    variants: [
      { name: names[2], side: 'webassembly', expected, run: one(works) },
      { name: names[3], side: 'webassembly', expected, run: both(works) },
      { name: names[0], side: 'node-wasmtime', expected, run: one(computes) },
      { name: names[1], side: 'node-wasmtime', expected, run: both(computes) },
    ],
    ratios: [
      { name: 'two workers / one', of: names[3], by: names[2] },
      { name: 'two guests / one', of: names[1], by: names[0] },
    ],
  }
  return {
    groups: [group],
    async close() {
      runtime.close()
      await Promise.all(workers.map((worker) => worker.terminate()))
    },
  }
}

/** Answers each message, a number of rounds, with what the guest gives. */
function computeWorker(bytes) {
  const code = `
    const { parentPort, workerData } = require('node:worker_threads')
    const { compute } = new WebAssembly.Instance(new WebAssembly.Module(workerData)).exports
    parentPort.on('message', (count) => parentPort.postMessage(compute(count)))`
  return new Worker(code, { eval: true, workerData: bytes })
}
