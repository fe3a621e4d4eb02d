import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { guests } from './guests.mjs'
import { figure } from './measure-async.mjs'

const PERIOD = 10

/**
 * How late the ticks of an interval of 10 ms are while guests run, while nothing does, and under a load like that of the
 * guests.
 *
 * @param {import('../index.mjs').Runtime} runtime
 * @param {{ loopMs: number, loopRounds: number }} effort
 * @returns {Promise<import('./measure-async.mjs').Figure[]>}
 */
export async function eventLoop(runtime, { loopMs, loopRounds }) {
  runtime
    .newHostModuleBuilder('event-loop')
    .newFunctionBuilder()
    .withFunc((sum, one) => (sum + one) | 0, ['i32', 'i32'], ['i32'])
    .export('tick')
    .instantiate()
  const endless = await runtime.compileModule(guests.endless())
  const calling = await runtime.compileModule(guests.endlessTick('event-loop'))
  const late = () => lateness(loopMs)
  /** @type {{ name: string, run: () => Promise<number[]>, runs: number[][] }[]} */
  const states = [
    { name: 'no guest', run: late, runs: [] },
    { name: 'such a load without guests', run: () => duringLoad(late), runs: [] },
    {
      name: '2 compute, 1 calls the host',
      run: () => duringGuests(runtime, [endless, endless, calling], late),
      runs: [],
    },
  ]
  for (let round = 0; round < loopRounds; round++) {
    for (const { run, runs } of states) runs.push(await run())
  }
  const group = `event loop: how late an interval of ${PERIOD} ms is`
  return states.flatMap(({ name, runs }) => [
    figure(
      group,
      `${name}: ticks over ${PERIOD} ms late`,
      '%',
      runs.map((late) => (late.filter((ms) => ms > PERIOD).length / late.length) * 100),
    ),
    figure(
      group,
      `${name}: the latest tick`,
      'ms',
      runs.map((late) => Math.max(...late)),
    ),
  ])
}

/** Does something while guests run that do not end, and stops them. */
async function duringGuests(runtime, modules, action) {
  const instances = await Promise.all(modules.map((module) => runtime.instantiateAsync(module, { name: '' })))
  const controller = new AbortController()
  const { signal } = controller
  const calls = instances.map((instance) => instance.exportedFunction('run').callAsyncWith({ signal }))
  const ends = Promise.allSettled(calls)
  const result = await action()
  controller.abort()
  for (const { reason } of await ends) {
    if (reason !== signal.reason) throw new Error('a guest was not stopped, but ended', { cause: reason })
  }
  for (const instance of instances) instance.close()
  return result
}

/**
 * Does something while JavaScript uses 4 ms of each turn, which is what guests may use of it, and as many other threads
 * are busy as guests would have: what the machine makes of such a load.
 */
async function duringLoad(action) {
  const threads = Math.min(2, Math.max(1, availableParallelism() - 1))
  const workers = Array.from({ length: threads }, () => new Worker('for (;;);', { eval: true }))
  await Promise.all(workers.map((worker) => once(worker, 'online')))
  let ended = false
  const turn = () => {
    const start = performance.now()
    while (performance.now() - start < 4);
    if (!ended) setImmediate(turn)
  }
  turn()
  const result = await action()
  ended = true
  await Promise.all(workers.map((worker) => worker.terminate()))
  return result
}

/** How much later than after 10 ms each tick came, in milliseconds. */
function lateness(ms) {
  return new Promise((resolve) => {
    const late = []
    const start = performance.now()
    let last = start
    const interval = setInterval(() => {
      const now = performance.now()
      late.push(Math.max(0, now - last - PERIOD))
      last = now
      if (now - start < ms) return
      clearInterval(interval)
      resolve(late)
    }, PERIOD)
  })
}
