import { once } from 'node:events'
import { createRequire } from 'node:module'
import { Worker } from 'node:worker_threads'
import { guests } from './guests.mjs'

/**
 * Calls a function `count` times from a native thread, through a ThreadsafeFunction, waiting for each answer; not part of
 * the public API.
 */
const { benchRoundTrip } = createRequire(import.meta.url)('../binding.js')

const types = [['i32', 'i32'], ['i32']]
const expected = (count) => count

/**
 * @param {import('../index.mjs').Runtime} runtime
 * @param {import('./jspi-process.mjs').Jspi | undefined} jspi
 * @returns {Promise<import('./measure-async.mjs').AsyncGroup[]>}
 */
export const asyncCalls = async (runtime, jspi) => [
  await exportCall(runtime, jspi),
  await burst(runtime),
  await settled(runtime, jspi),
]

async function exportCall(runtime, jspi) {
  const instance = await runtime.instantiateAsync(guests.plain(), { name: '' })
  const add = instance.exports.add.async
  const func = instance.exportedFunction('add')
  const own = async (a, b) => (a + b) | 0
  const variants = [
    {
      name: 'await of an async function, JavaScript alone',
      side: 'floor',
      expected,
      async run(count) {
        let sum = 0
        for (let i = 0; i < count; i++) sum = await own(sum, 1)
        return sum
      },
    },
    { name: 'the same in a worker without async guests', side: 'floor', expected, timed: awaitInWorker() },
    {
      name: 'await exports.add.async(a, b)',
      side: 'node-wasmtime',
      expected,
      async run(count) {
        let sum = 0
        for (let i = 0; i < count; i++) sum = await add(sum, 1)
        return sum
      },
    },
    {
      name: 'await func.callAsync(a, b)',
      side: 'node-wasmtime',
      expected,
      async run(count) {
        let sum = 0
        for (let i = 0; i < count; i++) sum = await func.callAsync(sum, 1)
        return sum
      },
    },
  ]
  if (jspi !== undefined) {
    variants.splice(2, 0, {
      name: "Node's WebAssembly, promising(add)",
      side: 'webassembly',
      expected,
      ...jspi.variant('call'),
    })
  }
  return { name: 'asynchronous export call (i32, i32) -> i32', variants }
}

/** In old versions of Node.js, `AsyncLocalStorage`, which async mode uses, makes every promise of its thread slower. */
function awaitInWorker() {
  const code = `
    const { parentPort } = require('node:worker_threads')
    const own = async (a, b) => (a + b) | 0
    parentPort.on('message', async (count) => {
      const start = process.hrtime.bigint()
      let result = 0
      for (let i = 0; i < count; i++) result = await own(result, 1)
      parentPort.postMessage({ result, ns: Number(process.hrtime.bigint() - start) })
    })`
  const worker = new Worker(code, { eval: true })
  worker.unref()
  return async (count) => {
    worker.ref()
    worker.postMessage(count) // oxlint-disable-line unicorn/require-post-message-target-origin
    const [answer] = await once(worker, 'message')
    worker.unref()
    return answer
  }
}

// None of the host functions is async here: what is measured is the way to JavaScript and back from a suspended guest.
async function burst(runtime) {
  runtime
    .newHostModuleBuilder('burst')
    .newFunctionBuilder()
    .withFunc((sum, one) => (sum + one) | 0, ...types)
    .export('tick')
    .instantiate()
  runtime
    .newHostModuleBuilder('burst-sync')
    .newFunctionBuilder()
    .withFunc((sum, one) => (sum + one) | 0, ...types)
    .export('tick')
    .instantiate()
  const { loop } = (await runtime.instantiateAsync(guests.tick('burst'), { name: '' })).exports
  const { loop: syncLoop } = runtime.instantiate(guests.tick('burst-sync'), { name: '' }).exports
  const [inAsync, inSync] = ['in one callAsync', 'in a call of a sync instance']
  const roundTrip = 'a ThreadsafeFunction round trip for each'
  const variants = [
    { name: inSync, side: 'node-wasmtime', run: syncLoop, expected },
    { name: inAsync, side: 'node-wasmtime', run: loop.async, expected },
  ]
  if (benchRoundTrip !== undefined) {
    variants.unshift({
      name: roundTrip,
      side: 'floor',
      expected,
      share: 0.02,
      async run(count) {
        let calls = 0
        await benchRoundTrip((sum, one) => {
          calls++
          return (sum + one) | 0
        }, count)
        return calls
      },
    })
  }
  return {
    name: 'host calls (i32, i32) -> i32 in one asynchronous call',
    count: 1e6,
    variants,
    ratios: [
      { name: 'callAsync / sync instance', of: inAsync, by: inSync },
      { name: 'callAsync / round trip', of: inAsync, by: roundTrip },
    ],
  }
}

async function settled(runtime, jspi) {
  runtime
    .newHostModuleBuilder('settled')
    .newFunctionBuilder()
    .withFunc(async (sum, one) => (sum + one) | 0, ...types)
    .export('tick')
    .instantiate()
  const { loop } = (await runtime.instantiateAsync(guests.tick('settled'), { name: '' })).exports
  const own = async (sum, one) => (sum + one) | 0
  const variants = [
    {
      name: 'await of an async function, JavaScript alone',
      side: 'floor',
      expected,
      async run(count) {
        let sum = 0
        for (let i = 0; i < count; i++) sum = await own(sum, 1)
        return sum
      },
    },
    { name: 'async host function', side: 'node-wasmtime', run: loop.async, expected },
  ]
  if (jspi !== undefined) {
    variants.splice(1, 0, {
      name: "Node's WebAssembly, Suspending",
      side: 'webassembly',
      expected,
      ...jspi.variant('settled'),
    })
  }
  return { name: 'host call that gives a settled promise', count: 1e5, variants }
}
