import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'

import { Runtime } from '../../index.mjs'
import { guests } from './guests.mjs'
import { Random } from './random.mjs'

const WORKERS = 4
const HANG_MS = 60_000

/** What this thread shares with all Workers. */
const runtime = new Runtime({ poolThreads: 2 })
const module = runtime.compileModuleSync(guests.main)

/** A few Workers at once, each of which works through a sequence, and ends by itself, or is ended in the middle of it. */
export async function workers(seed, _bytes, step) {
  const random = new Random(seed)
  const counts = {}
  step('workers')
  const all = Array.from({ length: WORKERS }, async (_, index) => {
    const way = await one(random, seed * WORKERS + index)
    counts[way] = (counts[way] ?? 0) + 1
  })
  await Promise.all(all)
  return counts
}

async function one(random, seed) {
  const way = random.pick(['to the end', 'terminated', 'terminated', 'terminated at once', 'exits'])
  const worker = new Worker(new URL('worker.mjs', import.meta.url), {
    workerData: { seed, way, engine: runtime.share(), module: module.share() },
    execArgv: [],
    stdout: false,
  })
  let failure
  worker.on('error', (error) => (failure = error))
  const ended = new Promise((resolve) => worker.on('exit', resolve))
  const begun = new Promise((resolve) => worker.on('message', resolve))
  const delay = random.below(60)
  if (way === 'terminated') {
    await Promise.race([begun, ended])
    await sleep(delay)
    await worker.terminate()
  } else if (way === 'terminated at once') {
    await sleep(delay)
    await worker.terminate()
  }
  const inTime = await Promise.race([ended.then(() => true), sleep(HANG_MS, false, { ref: false })])
  if (!inTime) throw new Error(`a Worker (${way}, seed ${seed}) does not end`)
  if (failure !== undefined) throw failure
  return way
}
