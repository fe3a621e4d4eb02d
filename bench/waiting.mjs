import { guests } from './guests.mjs'

const INSTANCES = 1000
const DELAY = 10

/**
 * @param {import('../index.mjs').Runtime} runtime
 * @param {import('./jspi-process.mjs').Jspi | undefined} jspi
 * @returns {import('./measure-async.mjs').AsyncGroup[]}
 */
export function waiting(runtime, jspi) {
  runtime
    .newHostModuleBuilder('waiting')
    .newFunctionBuilder()
    .withFunc(() => new Promise((resolve) => setTimeout(resolve, DELAY, 1)), [], ['i32'])
    .export('wait')
    .instantiate()
  const compiled = runtime.compileModuleSync(guests.wait('waiting'))

  const guest = async () => {
    const instance = await runtime.instantiateAsync(compiled, { name: '' })
    try {
      return await instance.exports.run.async()
    } finally {
      instance.close()
    }
  }
  const own = async () => await new Promise((resolve) => setTimeout(resolve, DELAY, 1))

  const expected = (count) => count * INSTANCES
  const variants = [
    { name: 'promises and timers, JavaScript alone', side: 'floor', expected, run: together(own) },
    { name: 'instantiateAsync, callAsync, close', side: 'node-wasmtime', expected, run: together(guest) },
  ]
  if (jspi !== undefined) {
    const { run, timed } = jspi.variant('timers')
    variants.splice(1, 0, {
      name: "Node's WebAssembly, Suspending",
      side: 'webassembly',
      expected,
      ...(run === undefined ? {} : { run: (count) => run(count * INSTANCES) }),
      ...(timed === undefined ? {} : { timed: (count) => timed(count * INSTANCES) }),
    })
  }
  return [{ name: `${INSTANCES} instances, each awaits ${DELAY} ms: all of them`, count: 1, whole: true, variants }]
}

/** Does something `INSTANCES` times, all at once. */
function together(one) {
  return async (count) => {
    let sum = 0
    for (let i = 0; i < count; i++) {
      const results = await Promise.all(Array.from({ length: INSTANCES }, one))
      for (const result of results) sum += result
    }
    return sum
  }
}
