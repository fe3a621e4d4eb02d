import test from 'ava'

import { type Outcome, assertExit, root, runNode } from './run-node.ts'

/** What `scripts/soak.mjs` reports. */
interface Report {
  readonly variant: string
  readonly rounds: number
  readonly rss: { readonly early: number; readonly later: number; readonly end: number; readonly maximum: number }
  readonly alive: Record<string, number>
}

const MIB = 2 ** 20

/** Runs a variant in its short form; the process may end with 1, which says that it missed the script's strict bound. */
async function soak(variant: string, rounds: number): Promise<{ outcome: Outcome; report: Report | undefined }> {
  const script = `import(process.argv.at(-1))`
  const outcome = await runNode(script, {
    flags: ['--expose-gc'],
    args: ['--rounds', String(rounds), '--variant', variant, '--', new URL('../../scripts/soak.mjs', import.meta.url).href],
    cwd: root,
  })
  const line = outcome.stdout.trimEnd().split('\n').at(-1) ?? ''
  return { outcome, report: line.startsWith('{') ? (JSON.parse(line) as Report) : undefined }
}

/**
 * The variants, their rounds, and how much the process may grow from a fifth of the rounds to the end. A leak of one
 * store, function or value per round is several times as much.
 */
const variants: [variant: string, rounds: number, mebibytes: number, name: string][] = [
  ['close', 20_000, 10, 'instances whose host function captures them are freed by close'],
  ['drop', 20_000, 15, 'instances whose host function captures them are freed by the collector without a close'],
]

for (const [variant, rounds, mebibytes, name] of variants) {
  test(name, async (t) => {
    const { outcome, report } = await soak(variant, rounds)
    t.log(outcome.stdout.trim())
    if (report === undefined) return assertExit(t, outcome)
    t.is(report.rounds > 0, true)
    t.deepEqual(report.alive, {})
    t.true((report.rss.end - report.rss.later) / MIB <= mebibytes, outcome.stdout)
  })
}
