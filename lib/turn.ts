import { Fifo } from './fifo'
import { native } from './native'

// The real one, whatever a program's tests put in its place.
const { setImmediate } = globalThis

const { turnBegin, turnIsOver } = native

/** Those that go on at the next turn, in their order. */
const waiting = new Fifo<() => void>()
let armed = false

/** Continues at the next turn of the event loop, when those that asked before have had theirs. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve)
    arm()
  })
}

function arm(): void {
  if (armed) return
  armed = true
  setImmediate(run)
}

async function run(): Promise<void> {
  turnBegin()
  // Those that come meanwhile wait for the turn after.
  for (let { length } = waiting; length > 0 && !turnIsOver(); length -= 1) {
    waiting.shift()?.()
    // Lets it run: its continuation is before this one in the queue of microtasks.
    await undefined
  }
  armed = false
  if (waiting.length > 0) arm()
}
