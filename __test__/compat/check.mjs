/**
 * What the checks of this folder share. Each is a plain program without a test runner, so that it runs on any runtime
 * that can load the package: it ends by itself, with status 0, and `ok` is the last line that it has written.
 */
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { Worker, parentPort } from 'node:worker_threads'

export { assert }

/** The package, as `require` gives it. */
export const wasmtime = createRequire(import.meta.url)('../../index.js')

/** Says that a check has passed; what throws before that, or keeps the program from ending, has failed it. */
export function pass() {
  console.log('ok')
}

/** What a function throws. */
export function thrownBy(run) {
  try {
    run()
  } catch (error) {
    return error
  }
  return assert.fail('nothing was thrown')
}

/** Defines one host function, and gives the runtime. */
export function withHost(run, params, results, options = {}) {
  const runtime = new wasmtime.Runtime(options)
  runtime.newHostModuleBuilder('host').newFunctionBuilder().withFunc(run, params, results).export('call').instantiate()
  return runtime
}

export function sleep(ms, value) {
  return new Promise((resolve) => {
    setTimeout(resolve, ms, value)
  })
}

/** Collects garbage, in the way of each runtime, and gives finalisers their turn. */
export async function collect() {
  const { Bun, gc } = globalThis
  if (Bun === undefined) assert.equal(typeof gc, 'function', 'the check needs --expose-gc')
  for (let round = 0; round < 5; round++) {
    if (Bun === undefined) gc()
    else Bun.gc(true)
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  }
}

/** Starts a Worker that runs the calling module again. */
export function startWorker(url, workerData) {
  return new Worker(new URL(url), { workerData })
}

/** Posts a message to the thread that has started this Worker. */
export function post(value) {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port has no origin
  parentPort.postMessage(value)
}

/** The next message of a Worker; rejects if it fails or ends before. */
export function messageOf(worker) {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
    worker.once('exit', (code) => reject(new Error(`the Worker has ended with ${code}, without a message`)))
  })
}

/** Waits until a Worker has ended; gives its status. */
export function exitOf(worker) {
  return new Promise((resolve, reject) => {
    worker.once('error', reject)
    worker.once('exit', resolve)
  })
}
