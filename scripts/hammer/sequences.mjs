import { setTimeout as sleep } from 'node:timers/promises'

import { Engine, Runtime } from '../../index.mjs'
import { codeOf } from './expected.mjs'
import { guests, hostModule } from './guests.mjs'
import { operations } from './operations.mjs'
import { Random } from './random.mjs'

const settings = [
  {},
  { memoryReservation: 2 ** 18, memoryGuardSize: 2 ** 16, poolThreads: 2 },
  { pooling: { totalCoreInstances: 60, totalMemories: 60, totalTables: 60, totalStacks: 40, maxMemorySize: 2 ** 23 } },
  { signalsBasedTraps: false, optLevel: 'none', memoryReservation: 2 ** 20, memoryGuardSize: 0 },
  { memoryMayMove: true, memoryReservation: 0, memoryGuardSize: 0, parallelCompilation: false },
]

/** A hang of the machine is not one of the package. */
const SETTLE_MS = 20_000
const STEPS = 120

/** What operations work on; see `operations.mjs`. */
export class World {
  /** Live and closed ones alike: use after close is a part of the game. */
  instances = []
  compiled = []
  functions = []
  memories = []
  globals = []
  tables = []
  views = []
  stores = []
  /** Promises that must settle before the end, and how they did. */
  pending = new Map()
  counts = {}
  /** Runtimes that were closed before the end. */
  ends = []
  /** Instances that nobody works with any more, but whose calls may still be under way. */
  put = []
  /** How deep calls are nested in host functions. */
  depth = 0
  /** Names given so far. */
  names = 0
  ended = false

  constructor(random, bytes) {
    this.random = random
    this.bytes = bytes
    this.options = random.pick(settings)
    this.runtime = new Runtime(this.options)
    this.engine = new Engine(this.options)
    this.sources = guests
  }

  count(what) {
    this.counts[what] = (this.counts[what] ?? 0) + 1
  }

  /** One of a list, now and then one that was closed long ago; the list is kept short. */
  pick(list) {
    while (list.length > 24) this.put.push(...list.splice(this.random.below(list.length), 1))
    return this.random.pick(list)
  }

  /** Notes a promise that has to settle, with nothing but what the API documents. */
  track(what, promise, check = () => {}) {
    const settled = promise
      .then(
        (value) => (check(value), 'fulfilled'),
        (error) => this.codeOf(error),
      )
      .then(
        (outcome) => this.count(outcome),
        (error) => (this.failure ??= error),
      )
      .finally(() => this.pending.delete(settled))
    this.pending.set(settled, what)
  }

  /** As `codeOf`, with what the hammer itself has thrown. */
  codeOf(error) {
    if (this.onPurpose(error)) return 'on purpose'
    if (error instanceof TypeError && /returned a promise/.test(error.message)) return 'promise'
    return codeOf(error)
  }

  onPurpose(error) {
    return purposes.has(error) || (typeof error === 'object' && error !== null && error.onPurpose === true)
  }

  /** A value to throw; which one came out at the other end is known by identity. */
  purpose() {
    return this.random.oneIn(2)
      ? Object.assign(new Error('on purpose'), { onPurpose: true })
      : this.random.pick(primitives)
  }

  /** Something that a host function does: an operation that is synchronous. */
  inside() {
    const { name, run } = this.random.pick(insideTable)
    try {
      run(this)
    } catch (error) {
      this.count(`inside ${name}: ${this.codeOf(error)}`)
    }
  }

  /** Runs one random operation. */
  async operate(step) {
    const { name, run } = this.random.pick(table)
    step(name)
    try {
      await run(this)
      this.count(name)
    } catch (error) {
      this.count(`${name}: ${this.codeOf(error)}`)
    }
    if (this.failure !== undefined) throw this.failure
  }
}

const primitives = ['on purpose', Symbol('on purpose'), 12345, null, undefined, 77n, true]
const purposes = new Set(primitives)

/** Each operation as often as its weight. */
const table = operations.flatMap((operation) => Array.from({ length: operation.weight ?? 1 }, () => operation))

const insideTable = table.filter((operation) => operation.inside)

/** A random sequence of operations over the API in one runtime, at whose end nothing may be left. */
export async function sequences(seed, bytes, step) {
  const world = new World(new Random(seed), bytes)
  hostModule(world)
  for (let i = 0; i < STEPS; i++) {
    await world.operate(step)
    if (world.random.oneIn(6)) await new Promise((resolve) => setImmediate(resolve))
    if (world.random.oneIn(25)) globalThis.gc?.()
  }
  await finish(world, step)
  return world.counts
}

async function finish(world, step) {
  const { runtime, engine, ends } = world
  world.ended = true
  step('the end: calls settle')
  for (const item of [...world.put, ...world.instances, ...world.stores]) item.close?.()
  // Ends what is still being made, too.
  runtime.close(2)
  const waiting = new AbortController()
  const settled = Promise.all(world.pending.keys()).then(() => true)
  const inTime = await Promise.race([settled, sleep(SETTLE_MS, false, { signal: waiting.signal })])
  waiting.abort()
  if (!inTime) {
    const what = [...world.pending.values()].join(', ')
    throw new Error(`did not settle: ${what}; ${JSON.stringify(runtime.stats())}`)
  }
  if (world.failure !== undefined) throw world.failure
  const owners = [runtime, engine, ...ends]
  for (const list of Object.values(world)) if (Array.isArray(list)) list.length = 0
  for (const owner of owners) await nothingLeft(owner, step)
}

/** Collects until nothing is alive; a few turns, since finalisers have turns of their own. */
async function nothingLeft(owner, step) {
  step('the end: nothing is left')
  let left
  for (let turn = 0; turn < 200; turn++) {
    const { tasks, modules = 0, stores, instances, hostFunctions, memoryBytes } = owner.stats()
    left = { ...tasks, modules, stores, instances, hostFunctions, memoryBytes }
    if (Object.values(left).every((count) => count === 0)) return
    globalThis.gc?.()
    await sleep(turn < 20 ? 0 : 20)
  }
  throw new Error(`left at the end: ${JSON.stringify(left)}`)
}
