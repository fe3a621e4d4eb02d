/**
 * The official test suite of WebAssembly, through the public API: `npm run test:spec`, and as a part of `npm test`. One test
 * is one file in one mode. The environment can say which: `SPEC_MODES=sync,async` (default `sync`), `SPEC_GROUPS=v3,simd`
 * (default all).
 */
import { writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'

import test from 'ava'

import { type Answer, ChildPool } from './child-pool.ts'
import { filesWithKnownFailures, knownFailureOf, optionsFor } from './plan.ts'
import { readIndex, suiteFolder } from './script.ts'
import type { Mode } from './script-runner.ts'
import { verdict } from './verdict.ts'

const listOf = (name: string): string[] | undefined => process.env[name]?.split(',').filter((item) => item !== '')

const modes = (listOf('SPEC_MODES') ?? ['sync']) as Mode[]
const groups = listOf('SPEC_GROUPS')
const files = readIndex()

/** What `scripts/lib/spec-suite.mjs` makes a table of. */
const results: object[] = []
const pool = new ChildPool(availableParallelism())

if (files === undefined) {
  test.skip('the official test suite is not there: `npm run test:spec` makes it, and needs cargo', () => {})
} else {
  test('every file with known failures is one of the suite', (t) => {
    const all = new Set(files.map(({ group, name }) => `${group}/${name}`))
    t.deepEqual(
      filesWithKnownFailures.filter((file) => !all.has(file)),
      [],
    )
  })

  for (const mode of modes) {
    for (const file of files) {
      const { group, name } = file
      if (groups !== undefined && !groups.includes(group)) continue
      // In the order of the suite, not of their ends.
      const place = results.push({}) - 1
      test(`${mode} ${group}/${name}`, async (t) => {
        const options = optionsFor(group)
        const answer: Answer =
          file.error === undefined ? await pool.run({ group, name, mode, options }) : { error: file.error }
        const known = knownFailureOf(group, name)
        const wrong = verdict(answer, known)
        results[place] = {
          mode,
          group,
          name,
          options,
          known: known !== undefined,
          wrong,
          ...answer,
          failures: undefined,
        }
        if (wrong === undefined) t.pass()
        else t.fail(wrong)
      })
    }
  }

  test.after.always(() => {
    pool.close()
    writeFileSync(join(suiteFolder, '..', 'results.json'), JSON.stringify(results))
  })
}
