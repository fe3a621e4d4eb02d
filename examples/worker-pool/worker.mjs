// One Worker of the pool: it has the engine and the compiled code of the main thread, and host functions of its own.

import { inspect } from 'node:util'
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
  const end = timeoutMs === undefined ? undefined : performance.now() + timeoutMs
  const limits = () => (end === undefined ? {} : { timeoutMs: Math.max(0, Math.ceil(end - performance.now())) })
  let guest
  try {
    // A fresh instance for each job, so that none sees what another has left behind. Its start functions are guests too.
    guest = runtime.instantiate(compiled, { name: '', ...limits() })
    const func = guest.exportedFunction(name)
    if (func === undefined) throw new TypeError(`the guest exports no function called ${JSON.stringify(name)}`)
    return { value: func.callWith(limits(), ...args) }
  } catch (error) {
    return { failure: failureOf(error) }
  } finally {
    guest?.close()
  }
}

/**
 * Errors lose their class on their way to another thread, so what matters is posted as plain data; and host functions can
 * throw whatever they like.
 *
 * @param {unknown} error
 */
function failureOf(error) {
  if (!(error instanceof Error)) return { name: 'Error', message: `this was thrown: ${inspect(error)}` }
  const { name, code, message } = /** @type {Error & { code?: unknown }} */ (error)
  return { name: String(name), ...(typeof code === 'string' && { code }), message: String(message) }
}

/** @param {{ ready: true } | { value: unknown } | { failure: ReturnType<typeof failureOf> }} answer */
function post(answer) {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port has no origin
  port.postMessage(answer)
}

port.on('message', (job) => {
  const answer = run(job)
  try {
    post(answer)
  } catch (error) {
    // The guest has returned what cannot be posted, such as a reference to a function.
    post({ failure: failureOf(error) })
  }
})
port.on('messageerror', (error) => post({ failure: failureOf(error) }))
post({ ready: true })
