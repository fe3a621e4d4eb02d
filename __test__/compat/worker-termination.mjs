// Workers are terminated while their guests compute, wait, or call host functions.
import { isMainThread, workerData } from 'node:worker_threads'

import { messageOf, pass, post, sleep, startWorker, withHost } from './check.mjs'

const SOURCE = `(module (import "host" "call" (func $call (param i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "forever") (loop $again (br $again)))
  (func (export "call") (param i32) (result i32) (call $call (local.get 0))))`

if (isMainThread) {
  for (let round = 0; round < 12; round++) {
    const worker = startWorker(import.meta.url, ['computing', 'waiting', 'calling'][round % 3])
    await messageOf(worker)
    await sleep(round * 2)
    await worker.terminate()
  }
  pass()
} else if (workerData === 'calling') {
  const runtime = withHost((n) => n, ['i32'], ['i32'])
  const guest = runtime.instantiate(SOURCE)
  post('going')
  for (;;) guest.exports.call(1)
} else {
  const runtime = withHost(() => new Promise(() => {}), ['i32'], ['i32'])
  const guest = await runtime.instantiateAsync(SOURCE)
  if (workerData === 'computing') void guest.exports.forever.async()
  else void guest.exports.call.async(1)
  setInterval(() => {}, 1000)
  post('going')
}
