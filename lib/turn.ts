import { native } from './native'

// The real one, whatever a program's tests put in its place.
const { setImmediate } = globalThis

const { turnBegin, turnIsOver } = native

/** Those that go on at the next turn, in their order; the first ones are gone already. */
let waiting: (() => void)[] = []
let gone = 0
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
  const end = waiting.length
  while (gone < end && !turnIsOver()) {
    waiting[gone++]?.()
    // Lets it run: its continuation is before this one in the queue of microtasks.
    await undefined
  }
  waiting = waiting.slice(gone)
  gone = 0
  armed = false
  if (waiting.length > 0) arm()
}
