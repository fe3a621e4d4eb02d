// A Worker uses the engine and the compiled module of the main thread.
import { isMainThread, workerData } from 'node:worker_threads'

import { assert, messageOf, pass, post, startWorker, thrownBy, wasmtime } from './check.mjs'

const { ClosedError, Runtime } = wasmtime
if (isMainThread) {
  const runtime = new Runtime()
  const compiled = await runtime.compileModule(`(module $shared (func (export "square") (param i32) (result i32)
    (i32.mul (local.get 0) (local.get 0))))`)
  const handles = { engine: runtime.share(), module: compiled.share() }
  const workers = [3, 4, 5].map((n) => startWorker(import.meta.url, { ...handles, n }))
  assert.deepEqual(
    await Promise.all(workers.map(messageOf)),
    [9, 16, 25].map((square) => ['shared', square, square, 1]),
  )
  assert.equal(runtime.instantiate(compiled).exports.square(6), 36)
  compiled.close()
  runtime.close()
  assert.ok(thrownBy(() => Runtime.attach({ ...handles.engine, id: 'no such id' })) instanceof ClosedError)
  pass()
} else {
  const runtime = Runtime.attach(workerData.engine)
  const compiled = runtime.attachModule(workerData.module)
  const sync = runtime.instantiate(compiled, { name: '' }).exports.square(workerData.n)
  const guest = await runtime.instantiateAsync(compiled, { name: '' })
  const async = await guest.exports.square.async(workerData.n)
  const { compiledModules } = runtime.stats().totals
  const { name } = compiled
  compiled.close()
  runtime.close()
  post([name, sync, async, compiledModules])
}
