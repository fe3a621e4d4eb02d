// A memory that guests of several threads use at once.
import { isMainThread, workerData } from 'node:worker_threads'

import { assert, messageOf, pass, post, startWorker, wasmtime } from './check.mjs'

const { Engine, Linker, Module, SharedMemory, Store } = wasmtime
const ROUNDS = 20_000
const SOURCE = `(module (import "host" "memory" (memory 1 2 shared))
  (func (export "count") (param $n i32)
    (loop $again
      (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))`

function count(engine, memory, module) {
  const linker = new Linker(engine).define('host', 'memory', memory)
  linker.instantiate(new Store(engine), module).exports.count(ROUNDS)
}

if (isMainThread) {
  const engine = new Engine({ sharedMemory: true })
  const memory = new SharedMemory(engine, { minimum: 1, maximum: 2 })
  const module = Module.compileSync(engine, SOURCE)
  const handles = { engine: engine.share(), memory: memory.share(), module: module.share() }
  const workers = [1, 2].map(() => startWorker(import.meta.url, handles))
  const messages = workers.map(messageOf)
  count(engine, memory, module)
  await Promise.all(messages)
  assert.equal(memory.readUint32Le(0), 3 * ROUNDS)
  assert.equal(memory.atomicAdd(8, 5n), 2n)
  assert.equal(memory.readString(16, 5), 'hello')
  pass()
} else {
  const engine = Engine.attach(workerData.engine)
  const memory = SharedMemory.attach(workerData.memory)
  count(engine, memory, Module.attach(engine, workerData.module))
  memory.atomicAdd(8, 1n)
  memory.writeString(16, 'hello')
  post('done')
}
