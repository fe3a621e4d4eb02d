// Guests that wait for HTTP: node examples/async-fetch/main.mjs, once the plugin is compiled (`npm start` does it).

// In a project of your own: import { InterruptedError } from 'node-wasmtime'
import { InterruptedError } from '../../index.mjs'
import { Guests, caller, countWords } from './guests.mjs'
import { TextServer } from './server.mjs'

const GUESTS = 50

const server = new TextServer()
const guests = await Guests.load()

/** Many guests in the middle of a call, on one thread. */
async function waitAtOnce() {
  console.log(`1. ${GUESTS} guests ask the host for a text each`)
  const numbers = Array.from({ length: GUESTS }, (_, index) => index + 1)
  const instances = await Promise.all(numbers.map(() => guests.create()))
  const counts = Promise.all(
    instances.map((guest, index) =>
      caller.run(`user ${index + 1}`, () => countWords(guest, server.url(`/words/${index + 1}`))),
    ),
  )

  await server.until(() => server.open === GUESTS)
  const ticks = await tick(10)
  console.log(`   requests that the server holds: ${server.open}; guests that wait: ${guests.stats.tasks.parked}`)
  console.log(`   ticks of a timer meanwhile: ${ticks}; so nothing blocks`)

  server.answer()
  const sum = (await counts).reduce((total, count) => total + count, 0)
  console.log(`   words that they have counted, from 1 to ${GUESTS} each: ${sum} together`)
  const own = numbers.filter((number) => server.callers.get(`/words/${number}`) === `user ${number}`)
  console.log(`   host calls that saw the AsyncLocalStorage of their own caller: ${own.length}`)
  for (const guest of instances) guest.close()
}

/** Calls that end early; all of them are calls of one guest. */
async function stop() {
  console.log('2. One guest, and calls that come to nothing')
  const guest = await guests.create()

  const controller = new AbortController()
  const reason = new Error('the user has left')
  const aborted = countWords(guest, server.url('/never'), { signal: controller.signal })
  await server.until(() => server.open === 1)
  controller.abort(reason)
  console.log(`   aborted: rejected with the reason itself: ${(await failureOf(aborted)) === reason}`)
  await server.until(() => server.hungUp.length === 1)
  console.log('   and the server saw its client hang up')

  const late = await failureOf(countWords(guest, server.url('/never'), { timeoutMs: 100 }))
  console.log(`   no answer within 100 ms: ${late instanceof InterruptedError ? `${late.name}, ${late.code}` : late}`)

  const missing = await failureOf(countWords(guest, server.url('/nothing')))
  console.log(`   an error of the host function: ${missing instanceof Error ? missing.message : missing}`)

  console.log(`   the same guest, afterwards: ${await countWords(guest, server.url('/words/7'))} words`)
  guest.close()
}

/** Lets a timer tick. @param {number} times */
function tick(times) {
  return new Promise((resolve) => {
    let ticks = 0
    const timer = setInterval(() => {
      ticks += 1
      if (ticks < times) return
      clearInterval(timer)
      resolve(ticks)
    }, 1)
  })
}

/** What a promise is rejected with. @param {Promise<unknown>} promise */
async function failureOf(promise) {
  try {
    return `no error, but ${await promise}`
  } catch (error) {
    return error
  }
}

try {
  await server.listen()
  await waitAtOnce()
  await stop()
} finally {
  guests.close()
  server.close()
}
const { stores, tasks } = guests.stats
console.log(`left: ${stores} stores, ${tasks.parked} waiting calls`)
