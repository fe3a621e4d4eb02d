/**
 * Runs rounds of one part in this process: `run-part.mjs <part> <first seed> <milliseconds> <rounds> [<folder of modules>]`.
 * Ends with a line of JSON; ends with status 1 and a line `{"failed":…}` at the first round that finds something. What it is
 * doing just now stands in the file that HAMMER_STEP names, for who finds the process dead.
 */
import { existsSync, openSync, readFileSync, writeSync } from 'node:fs'
import { devNull } from 'node:os'
import { join } from 'node:path'

import { parts } from './parts.mjs'

const [name, first, milliseconds, most, folder] = process.argv.slice(2)
const { kind, load } = parts[name]
const log = openSync(process.env.HAMMER_STEP ?? devNull, 'w')
const WIDTH = 300
/** Turns of the event loop in which what is unreachable goes. */
const TURNS = 200

let seed = Number(first)
const step = (text) => writeSync(log, `${seed}: ${text}`.slice(0, WIDTH).padEnd(WIDTH), 0)

// Host functions of the hammer reject promises that nobody waits for, as those in a synchronous call are.
process.on('unhandledRejection', (error) => {
  const onPurpose = typeof error !== 'object' || error === null || error.onPurpose === true
  if (!onPurpose) fail(error)
})

function fail(error) {
  const text = typeof error === 'object' && error !== null ? (error.stack ?? String(error)) : String(error)
  console.log(JSON.stringify({ failed: { seed, error: text } }))
  process.exit(1)
}

const isZero = (count) => count === 0
const turn = () => new Promise((resolve) => setImmediate(resolve))

async function settledRss() {
  for (let i = 0; i < 10; i++) {
    globalThis.gc()
    await turn()
  }
  return process.memoryUsage.rss()
}

/** What is alive of the package, which must go to zero when nothing is used any more. */
async function checkLeft(left) {
  step('nothing is left')
  let alive
  for (let i = 0; i < TURNS; i++) {
    alive = left()
    // What has happened stays; all else must go.
    const counts = alive.flatMap(({ tasks, totals: _totals, ...others }) => [
      ...Object.values(others),
      ...Object.values(tasks),
    ])
    if (counts.every(isZero)) return
    globalThis.gc()
    await (i < 20 ? turn() : new Promise((resolve) => setTimeout(resolve, 20)))
  }
  throw new Error(`left at the end: ${JSON.stringify(alive)}`)
}

async function main() {
  const { run, left } = await load()
  const start = performance.now()
  const counts = {}
  const rss = []
  let rounds = 0
  for (; rounds < Number(most); seed++) {
    const time = performance.now() - start
    if (rounds > 0 && time > Number(milliseconds)) break
    if (time > (Number(milliseconds) * (rss.length + 1)) / 4) rss.push(await settledRss())
    let bytes
    if (folder !== undefined) {
      const file = join(folder, `${kind}-${seed}.wasm`)
      if (!existsSync(file)) break
      bytes = readFileSync(file)
    }
    step('begins')
    for (const [what, count] of Object.entries((await run(seed, bytes, step)) ?? {})) {
      counts[what] = (counts[what] ?? 0) + count
    }
    rounds += 1
  }
  await checkLeft(left)
  rss.push(await settledRss())
  console.log(JSON.stringify({ rounds, next: seed, counts, rss, seconds: (performance.now() - start) / 1000 }))
}

main().catch(fail)
