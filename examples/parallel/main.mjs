// Guests that compute on all cores: node examples/parallel/main.mjs, once the plugin is compiled (`npm start` does it).

import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'

// In a project of your own: import { Runtime } from 'node-wasmtime'
import { Runtime } from '../../index.mjs'

/** Blocks of 1000 numbers in which the guests count the primes. */
const BLOCKS = 2000

/** Primes below 2,000,000. */
const PRIMES = 148_933

/** Ticks of a timer, which shows whether the event loop is live. */
let ticks = 0

/** What a guest has told. It is the `context` of the guest. */
class Progress {
  /** @type {number[]} */
  percents = []
  /** Tick at which the first and the latest came. */
  first = -1
  latest = -1

  /** @param {number} percent */
  note(percent) {
    this.percents.push(percent)
    if (this.first === -1) this.first = ticks
    this.latest = ticks
  }
}

const cores = availableParallelism()

// By default one core is left to JavaScript, which has hardly anything to do here.
const runtime = new Runtime({ poolThreads: cores })

// With `withNotify`, a guest on another thread makes a note and goes on at once. An ordinary host function would take it
// to the JavaScript thread and back each time.
runtime
  .newHostModuleBuilder('host')
  .newFunctionBuilder()
  .withModuleFunc((guest, percent) => /** @type {Progress} */ (guest.context).note(percent), ['i32'], [])
  .withParameterNames('percent')
  .withNotify()
  .export('progress')
  .instantiate()

const compiled = await runtime.compileModuleFile(fileURLToPath(new URL('build/primes.wasm', import.meta.url)))

/**
 * Runs guests at once.
 *
 * @param {number} guests
 * @param {(index: number) => [first: number, step: number]} blocks Which blocks each guest looks at.
 */
async function compute(guests, blocks) {
  const progress = Array.from({ length: guests }, () => new Progress())
  // A store of its own for each: calls in one store run one after the other.
  const instances = await Promise.all(
    progress.map((context) => runtime.instantiateAsync(compiled, { name: '', context })),
  )
  const begin = performance.now()
  const tick = ticks
  /** @type {number[]} */
  const counts = await Promise.all(
    instances.map((guest, index) => guest.exportedFunction('countPrimes')?.callAsync(...blocks(index), BLOCKS)),
  )
  const time = performance.now() - begin
  const ticked = ticks - tick
  for (const guest of instances) guest.close()
  return { counts, progress, ticked, time }
}

/** @param {number} guests */
const counted = (guests) => (guests === 1 ? 'one guest' : `${guests} guests`)

const timer = setInterval(() => (ticks += 1), 10)
try {
  console.log('1. One guest, so that there is something to compare with')
  const alone = await compute(1, () => [0, 1])
  console.log(`   primes below 2,000,000: ${alone.counts[0]}; as many as there are: ${alone.counts[0] === PRIMES}`)
  console.log(`   a timer of 10 ms ticked more than 3 times meanwhile: ${alone.ticked > 3}`)

  console.log('2. A guest for each core, all of them with the same work')
  const same = await compute(cores, () => [0, 1])
  console.log(`   ${counted(cores)} at once took ${compare(same.time, alone.time)} as long as one`)
  console.log(`   all have counted the same: ${same.counts.every((count) => count === PRIMES)}`)
  console.log(
    `   what each has told: ${[...new Set(same.progress.map(({ percents }) => percents.join(' ')))].join(' or ')}`,
  )
  console.log(`   and not only at its end: ${same.progress.every(({ first, latest }) => first < latest)}`)

  console.log('3. The work of one, divided among as many')
  const divided = await compute(cores, (index) => [index, cores])
  const sum = divided.counts.reduce((total, count) => total + count, 0)
  console.log(`   ${counted(cores)} took ${compare(divided.time, alone.time)} as long as one`)
  console.log(`   together they have counted as many: ${sum === PRIMES}`)
} finally {
  clearInterval(timer)
  runtime.close()
}

/**
 * @param {number} time
 * @param {number} other
 */
function compare(time, other) {
  return `${(time / other).toFixed(1)} times`
}
