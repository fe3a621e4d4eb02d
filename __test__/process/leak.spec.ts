import test, { type ExecutionContext } from 'ava'

import { assertExit, runNode } from './run-node.ts'

/** What `scripts/soak.mjs` reports. */
interface Report {
  readonly variant: string
  readonly rounds: number
  readonly rss: { readonly early: number; readonly later: number; readonly end: number; readonly maximum: number }
  readonly alive: Record<string, number>
}

/** The script itself, in a process with node's flag for it; 1 says that the strict bound of the script was missed. */
async function soak(t: ExecutionContext, variant: string, rounds: number): Promise<Report> {
  const script = new URL('../../scripts/soak.mjs', import.meta.url).href
  const outcome = await runNode(`import(${JSON.stringify(script)})`, {
    // V8's young generation is kept small, for its growth is larger than what is looked for here.
    flags: ['--expose-gc', '--max-semi-space-size=1'],
    args: ['--rounds', String(rounds), '--variant', variant],
  })
  if (!outcome.stdout.startsWith('{')) assertExit(t, outcome)
  return JSON.parse(outcome.stdout) as Report
}

/**
 * The variants, their rounds, and how many MiB the process may grow by from a fifth of the rounds to the end. A store that
 * leaks in each round costs hundreds; what is smaller and counted shows in `alive`.
 */
const variants: readonly (readonly [variant: string, rounds: number, mebibytes: number, name: string])[] = [
  ['close', 20_000, 12, 'instances whose host function captures them are freed by close'],
  ['drop', 20_000, 16, 'instances whose host function captures them are freed by the collector without a close'],
  ['closeRuntime', 20_000, 32, 'so are instances and host modules of a runtime that are closed'],
  ['dropRuntime', 20_000, 32, 'so are instances of a runtime that are dropped'],
  // Node runs the finalisers of linkers only when the event loop turns: about 1 KiB and 2 KiB a round wait for it here.
  ['closeWithoutYielding', 40_000, 64, 'closed instances leave little behind in a loop that never yields'],
  ['dropWithoutYielding', 60_000, 140, 'so do dropped ones, and the address space suffices'],
  ['externrefs', 20_000, 12, '200,000 values that pass through wasm as externref are let go'],
  ['objects', 20_000, 16, '200,000 structs and arrays that JavaScript had are let go'],
  ['asyncObjects', 20_000, 16, 'so are those of asynchronous calls'],
  ['exceptions', 20_000, 16, '40,000 exceptions, caught on either side, are let go'],
  ['asyncExceptions', 20_000, 16, 'so are those of asynchronous calls, also out of promises'],
  ['objectStores', 20_000, 16, 'stores that are closed while JavaScript has handles of theirs are freed'],
  ['objectStoresDropped', 20_000, 24, 'so are those that are dropped together with such handles'],
  ['throws', 20_000, 12, '200,000 errors of host functions and traps are let go'],
  ['callWith', 20_000, 12, '200,000 calls with options and with a stack leave nothing behind'],
  ['externs', 20_000, 12, 'functions, globals and tables of stores that come and go are freed'],
  ['grow', 20_000, 12, 'memories that have grown are freed'],
  ['asyncClose', 10_000, 16, 'instances of async mode are freed by close'],
  ['asyncCloseParked', 10_000, 16, 'so are those that are closed in the middle of a call'],
  ['asyncDropParked', 10_000, 24, 'those that are lost in the middle of a call are freed by the collector'],
  ['asyncCloseAway', 10_000, 16, 'those that are closed while they compute on another thread are freed'],
  ['asyncCalls', 20_000, 16, '100,000 asynchronous calls, some of them stopped, leave nothing behind'],
  ['compile', 20_000, 24, 'modules are freed'],
  ['runtimes', 20_000, 24, 'runtimes are freed'],
  ['workers', 5_000, 24, 'Workers that are terminated while wasm calls a host function leave nothing behind'],
]

/** Newer versions of V8 let their heap grow further before it stays as it is; the rounds here end before that. */
const allowance = Number.parseInt(process.versions.v8, 10) >= 12 ? 16 : 0

for (const [variant, rounds, mebibytes, name] of variants) {
  test(name, async (t) => {
    const report = await soak(t, variant, rounds)
    t.true(report.rounds > 0)
    t.deepEqual(report.alive, {})
    t.true((report.rss.end - report.rss.later) / 2 ** 20 <= mebibytes + allowance, JSON.stringify(report))
  })
}

test('the script refuses a variant that it does not know', async (t) => {
  const script = new URL('../../scripts/soak.mjs', import.meta.url).href
  const outcome = await runNode(`import(${JSON.stringify(script)})`, { args: ['--variant', 'none'] })
  assertExit(t, outcome, 2)
  t.regex(outcome.stderr, /^usage: /)
})
