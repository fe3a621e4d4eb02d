import test from 'ava'

import { runForJson } from './run-node.ts'

interface Report {
  readonly tasks: Record<string, number>
  readonly stores: number
  readonly notes: boolean
  readonly counts: Record<string, number>
}

// What a seed does depends on time as well: a run that fails may pass the next time, and is a bug all the same. Longer runs:
// node --expose-gc __test__/process/fixtures/async-hammer.cjs <seed> <ms>
for (const seed of [1, 2, 3, 4]) {
  test(`random asynchronous calls, nested, stopped and closed at any moment, all settle (seed ${seed})`, async (t) => {
    const options = { flags: ['--expose-gc'], args: [String(seed), '3000'], timeoutMs: 60_000 }
    const report = await runForJson<Report>(t, { file: 'async-hammer.cjs' }, options)
    t.deepEqual(report.tasks, { queued: 0, home: 0, pool: 0, parked: 0 })
    t.is(report.stores, 0)
    t.true(report.notes)
    for (const outcome of ['fulfilled', 'purpose', 'TRAP', 'INTERRUPTED', 'EXIT']) {
      t.true((report.counts[outcome] ?? 0) > 0, outcome)
    }
  })
}
