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
import { type SuiteFile, readIndex, suiteFolder } from './script.ts'
import type { Mode } from './script-runner.ts'

const listOf = (name: string): string[] | undefined => process.env[name]?.split(',').filter((item) => item !== '')

const modes = (listOf('SPEC_MODES') ?? ['sync']) as Mode[]
const groups = listOf('SPEC_GROUPS')
const files = readIndex()

/** What `scripts/lib/spec-suite.mjs` makes a table of. */
const results: object[] = []
const pool = new ChildPool(availableParallelism())

function check(file: SuiteFile, answer: Answer): string | undefined {
  if ('error' in answer) return answer.error
  const { failures } = answer
  const known = knownFailureOf(file.group, file.name)
  const lines = [...new Set(failures.map(({ line }) => line))]
  if (known === undefined ? lines.length === 0 : known.lines === 'some' && lines.length > 0) return undefined
  if (known !== undefined && known.lines !== 'some') {
    const passing = known.lines.filter((line) => !lines.includes(line))
    if (passing.length > 0) return `expected to fail, but passes: line ${passing.join(', ')} (${known.reason})`
    if (lines.length === known.lines.length) return undefined
  } else if (known !== undefined) {
    return `expected to fail, but passes: the whole file (${known.reason})`
  }
  const unexpected = failures.filter(({ line }) => known === undefined || !known.lines.includes(line as never))
  const shown = unexpected.slice(0, 10).map(({ line, command, message }) => `line ${line}: ${command}: ${message}`)
  if (unexpected.length > shown.length) shown.push(`and ${unexpected.length - shown.length} more`)
  return shown.join('\n')
}

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
      test(`${mode} ${group}/${name}`, async (t) => {
        const options = optionsFor(group)
        const answer: Answer =
          file.error === undefined ? await pool.run({ group, name, mode, options }) : { error: file.error }
        const wrong = check(file, answer)
        const known = knownFailureOf(group, name) !== undefined
        results.push({ mode, group, name, options, known, wrong, ...answer, failures: undefined })
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
