/**
 * What V8's own way of waiting for promises costs (JSPI: `WebAssembly.Suspending` and `WebAssembly.promising`).
 *
 * By itself it prints the figures as JSON, under a Node.js that has JSPI (26; `--experimental-wasm-jspi` for older ones).
 * The benchmark uses the operations in its own process if that can, and else starts this file under the binary that the
 * environment variable JSPI_NODE names.
 */
import { fileURLToPath } from 'node:url'
import { guests } from './guests.mjs'
import { measureAsync } from './measure-async.mjs'

/** Whether this process has JSPI. */
export const hasJspi = 'Suspending' in WebAssembly

/**
 * What can be measured. Each gives the number of operations that were done.
 *
 * @returns {Record<string, (count: number) => Promise<number>>}
 */
export function jspiOperations() {
  const { Suspending, promising } = /** @type {any} */ (WebAssembly)
  const tick = new WebAssembly.Module(guests.tick('env'))
  const wait = new WebAssembly.Module(guests.wait('env'))
  const { exports } = new WebAssembly.Instance(tick, {
    env: { tick: new Suspending(async (sum, one) => (sum + one) | 0) },
  })
  const [loop, add] = [promising(exports.loop), promising(exports.add)]

  const waiting = async () => {
    const env = { wait: new Suspending(() => new Promise((resolve) => setTimeout(resolve, 10, 1))) }
    return await promising(new WebAssembly.Instance(wait, { env }).exports.run)()
  }
  return {
    call: async (count) => {
      let sum = 0
      for (let i = 0; i < count; i++) sum = await add(sum, 1)
      return sum
    },
    settled: loop,
    timers: async (count) => {
      const all = []
      for (let i = 0; i < count; i++) all.push(waiting())
      return (await Promise.all(all)).length
    },
  }
}

/** @param {string} operation @param {number} count */
async function timed(operation, count) {
  const run = operations[operation]
  const start = process.hrtime.bigint()
  const result = await run(count)
  return { result, ns: Number(process.hrtime.bigint() - start) }
}

const isMain = process.argv[1] === fileURLToPath(import.meta.url)
const operations = isMain && hasJspi ? jspiOperations() : {}

if (isMain && process.send !== undefined) {
  process.send({ versions: hasJspi ? { node: process.versions.node, v8: process.versions.v8 } : undefined })
  process.on('message', async (/** @type {any} */ { operation, count }) => {
    process.send?.(await timed(operation, count))
  })
} else if (isMain) {
  if (!hasJspi) throw new Error(`Node.js ${process.versions.node} has no JSPI here: ${process.execPath}`)
  const effort = { rounds: 11, sampleMs: 50, scale: 1 }
  const rows = []
  for (const [name, count, operation] of /** @type {const} */ ([
    ['export called through promising', 1e5, 'call'],
    ['suspending import, settled promise', 1e5, 'settled'],
    ['1,000 instances, each awaits 10 ms', 1e3, 'timers'],
  ])) {
    const run = operations[operation]
    rows.push(...(await measureAsync({ name, count, variants: [{ name, side: 'webassembly', run }] }, effort)).rows)
  }
  console.log(JSON.stringify({ versions: process.versions, rows }, undefined, 2))
}
