// The package in several Workers at once, each with a runtime of its own, which end by themselves.
import { isMainThread, workerData } from 'node:worker_threads'

import { assert, exitOf, messageOf, pass, post, sleep, startWorker, withHost } from './check.mjs'

const SOURCE = `(module (import "host" "call" (func $call (param i32) (result i32)))
  (func (export "run") (param i32) (result i32) (i32.add (i32.const 1) (call $call (local.get 0)))))`

async function use(factor) {
  const runtime = withHost((n) => n * factor, ['i32'], ['i32'])
  const sync = runtime.instantiate(SOURCE, { name: '' }).exports.run(10)
  const waiting = withHost((n) => sleep(5, n * factor), ['i32'], ['i32'])
  const guest = await waiting.instantiateAsync(SOURCE, { name: '' })
  const answers = [sync, await guest.exports.run.async(20)]
  runtime.close()
  waiting.close()
  return answers
}

if (isMainThread) {
  for (let round = 0; round < 3; round++) {
    const workers = [2, 3, 4].map((factor) => ({ factor, worker: startWorker(import.meta.url, factor) }))
    const exits = workers.map(({ worker }) => exitOf(worker))
    const answers = await Promise.all([use(1), ...workers.map(({ worker }) => messageOf(worker))])
    assert.deepEqual(
      answers,
      [1, 2, 3, 4].map((factor) => [10 * factor + 1, 20 * factor + 1]),
    )
    assert.deepEqual(await Promise.all(exits), [0, 0, 0])
  }
  pass()
} else {
  use(workerData).then((answers) => post(answers))
}
