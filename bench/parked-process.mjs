/**
 * Parks guests in host functions whose promises never settle, and prints what they take as JSON. A process of its own, so
 * that nothing else is in the figures: `node --expose-gc bench/parked-process.mjs 10000`.
 */
import { readFileSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { LimitError, Runtime } from '../index.mjs'
import { guests } from './guests.mjs'

const wanted = Number(process.argv[2])
const runtime = new Runtime()
runtime
  .newHostModuleBuilder('parked')
  .newFunctionBuilder()
  .withFunc(() => new Promise(() => {}), [], ['i32'])
  .export('wait')
  .instantiate()
const compiled = await runtime.compileModule(guests.wait('parked'))

// What the first guests need once, such as optimised code and heaps that have grown.
await park(Math.min(100, wanted))
console.log(JSON.stringify(await park(wanted)))
runtime.close()

/** @param {number} wanted */
async function park(wanted) {
  const before = rss()
  /** @type {import('../index.mjs').ModuleInstance[]} */
  const instances = []
  while (instances.length < wanted) instances.push(await runtime.instantiateAsync(compiled, { name: '' }))
  const made = rss()

  /** @type {string[]} */
  const failures = []
  const calls = []
  while (calls.length < wanted && failures.length === 0) {
    const instance = instances[calls.length]
    calls.push(
      instance.exports.run.async().catch((error) => {
        if (!instance.closed) failures.push(limit(error))
      }),
    )
    if (calls.length % 50 !== 0 && calls.length < wanted) continue
    while (runtime.stats().tasks.parked + failures.length < calls.length) await turn()
  }
  const reached = runtime.stats().tasks.parked
  // At a limit of the system nothing else has room, either.
  if (failures.length > 0) for (const instance of instances.splice(Math.trunc(reached * 0.9))) instance.close()

  const { parked } = runtime.stats().tasks
  const report = {
    parked: reached,
    failure: failures[0],
    instanceKib: (made - before) / wanted / 1024,
    parkedKib: (rss() - before) / parked / 1024,
    threads: processStatus('Threads'),
    maps: linuxFile('/proc/self/maps')?.trimEnd().split('\n').length,
  }
  for (const instance of instances) instance.close()
  await Promise.all(calls)
  return report
}

/** Bytes of memory that the process has, when all garbage is collected. */
function rss() {
  globalThis.gc?.()
  globalThis.gc?.()
  return process.memoryUsage.rss()
}

/** @param {unknown} error */
function limit(error) {
  if (error instanceof LimitError) return error.message
  throw error
}

/** @param {string} name */
function processStatus(name) {
  const value = linuxFile('/proc/self/status')?.match(new RegExp(`^${name}:\\s*(\\d+)`, 'm'))?.[1]
  return value === undefined ? undefined : Number(value)
}

/** @param {string} path */
function linuxFile(path) {
  return process.platform === 'linux' ? readFileSync(path, 'utf8') : undefined
}
