// One Worker of the pool: it has the engine and the compiled code of the main thread, and host functions of its own.

import { parentPort, workerData } from 'node:worker_threads'

// In a project of your own: import { Runtime } from 'node-wasmtime'
import { Runtime } from '../../index.mjs'

const port = /** @type {import('node:worker_threads').MessagePort} */ (parentPort)
const runtime = Runtime.attach(workerData.engine)

// Host functions cannot be shared: each thread defines its own.
runtime
  .newHostModuleBuilder('host')
  .newFunctionBuilder()
  .withFunc((n) => n.toString(2).replaceAll('0', '').length, ['i32'], ['i32'])
  .export('countBits')
  .newFunctionBuilder()
  .withFunc(() => process.exit(3), [], [])
  .export('exit')
  .instantiate()

const compiled = runtime.attachModule(workerData.module)

/** @param {{ name: string, args: unknown[], timeoutMs?: number }} job */
function run({ name, args, timeoutMs }) {
  // A fresh instance for each job, so that none sees what another has left behind.
  const guest = runtime.instantiate(compiled, { name: '' })
  try {
    const options = timeoutMs === undefined ? {} : { timeoutMs }
    const value = guest.exportedFunction(name)?.callWith(options, ...args)
    return { value }
  } catch (error) {
    // Errors lose their class on their way to another thread, so what matters is posted as plain data.
    const { name, code, message } = /** @type {Error & { code?: string }} */ (error)
    return { failure: { name, code, message } }
  } finally {
    guest.close()
  }
}

port.on('message', (job) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port has no origin
  port.postMessage(run(job))
})
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port has no origin
port.postMessage({ ready: true })
