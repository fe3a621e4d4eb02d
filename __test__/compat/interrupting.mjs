// A Worker that shares the engine rescues the main thread from an endless synchronous call.
import { isMainThread, parentPort, workerData } from 'node:worker_threads'

import { assert, exitOf, messageOf, pass, post, startWorker, thrownBy, wasmtime } from './check.mjs'

const { InterruptedError, Runtime } = wasmtime
if (isMainThread) {
  const runtime = new Runtime()
  const guest = runtime.instantiate('(module (func (export "forever") (loop $again (br $again))))')
  const worker = startWorker(import.meta.url, runtime.share())
  const exit = exitOf(worker)
  assert.equal(await messageOf(worker), 'attached')
  assert.ok(thrownBy(() => guest.exports.forever()) instanceof InterruptedError)
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a Worker has no origin
  worker.postMessage('enough')
  assert.equal(await exit, 0)
  runtime.close()
  pass()
} else {
  const runtime = Runtime.attach(workerData)
  const timer = setInterval(() => runtime.interrupt(), 50)
  parentPort.once('message', () => {
    clearInterval(timer)
    runtime.close()
  })
  post('attached')
}
