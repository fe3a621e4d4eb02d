/** What a Worker of the part `workers` does: see there. */
import { parentPort, workerData } from 'node:worker_threads'

import { Runtime } from '../../index.mjs'
import { Random } from './random.mjs'
import { sequences } from './sequences.mjs'

const { seed, way, engine, module } = workerData
const random = new Random(seed)

process.on('unhandledRejection', (error) => {
  if (error?.onPurpose === true || typeof error !== 'object' || error === null) return
  throw error
})

function hostModule(runtime) {
  const builder = runtime.newHostModuleBuilder('hammer')
  const define = (name, params, results, callback) =>
    builder.newFunctionBuilder().withFunc(callback, params, results).export(name)
  define('step', ['i32'], ['i32'], (n) => n)
  define('stack', ['i64', 'f64'], ['i64'], (a) => a)
  define('ref', ['externref'], ['externref'], (value) => value)
  define('many', ['i32', 'i64'], ['i64', 'i32'], (a, b) => [b, a])
  define('note', ['i32'], [], () => {})
  builder.instantiate()
}

/** Code that other threads run at the same time. */
async function shared() {
  const runtime = Runtime.attach(engine)
  hostModule(runtime)
  const compiled = runtime.attachModule(module)
  for (let i = 0; i < 20; i++) {
    const guest = runtime.instantiate(compiled, { name: '' })
    if (guest.exports.run(10) !== 55) throw new Error('the sum to 10 is another one')
    const other = await runtime.instantiateAsync(compiled, { name: '' })
    const computing = other.exports.compute.async(1 + random.below(3_000_000))
    if ((await other.exports.run.async(4)) !== 10) throw new Error('the sum to 4 is another one')
    if (random.oneIn(2)) await computing
    else computing.catch(() => {})
    guest.close()
    other.close()
  }
  if (random.oneIn(2)) runtime.close()
}

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port, not a window
parentPort.postMessage('begun')
const work = Promise.all([sequences(seed, undefined, () => {}), shared()])
if (way === 'exits') setTimeout(() => process.exit(), random.below(60))
await work
