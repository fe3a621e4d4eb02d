/**
 * `npm run test:runtimes`: the tests on every runtime, and a table of what came of it.
 *
 *   npm run test:runtimes [-- --only node22,workers,cage,bun] [<files of tests>]
 *
 * `node20` to `node26` are the whole suite on that Node.js; `workers` is the suite in Workers and `cage` is the suite as under
 * V8's memory cage, both on the Node.js that runs this; `bun` and `deno` run the compatibility suite of `__test__/compat/`.
 * Files are for ava; without any, all are run. Ends with a line of its own, `<n> passed, <n> failed`. What is known to fail is
 * listed in `scripts/lib/known-failures.mjs`; it is no failure, but if it passes that is one.
 */
import { parseArgs } from 'node:util'
import { runAva } from './lib/ava.mjs'
import { checkNames, printResult, runChecks } from './lib/compat.mjs'
import { knownFailure, knownFailures } from './lib/known-failures.mjs'
import { buildModuleSmith } from './lib/module-smith.mjs'
import { elapsed, root, SetupError } from './lib/project.mjs'
import { installRuntime, runtimes } from './lib/runtimes.mjs'
import { prepareSuite } from './lib/spec-suite.mjs'
import { surroundings } from './lib/surroundings.mjs'
import { setup } from './setup.mjs'

/** What `--only` can name, in the order in which they run. */
const names = [
  ...Object.keys(runtimes).filter((name) => runtimes[name].kind === 'node'),
  ...Object.keys(surroundings),
  ...Object.keys(runtimes).filter((name) => runtimes[name].kind !== 'node'),
]

/** What has failed without being known to, and what is known to fail and has not. */
function judge(name, failures, ran) {
  const known = Object.keys(knownFailures[name] ?? {})
  const failed = failures.filter((test) => knownFailure(name, test) === undefined)
  const expected = failures.filter((test) => knownFailure(name, test) !== undefined)
  const unexpected = known.filter((test) => ran(test) && !failures.includes(test))
  for (const test of expected) console.log(`- ${test}: known to fail, ${knownFailure(name, test)}`)
  for (const test of unexpected) console.log(`✗ ${test}: passes, but is listed in scripts/lib/known-failures.mjs`)
  return { failed: failed.length + unexpected.length, known: expected.length }
}

async function runSuite(name, files, { args = [], options }, version) {
  const { passed, skipped, failures, cutShort } = await runAva([...args, ...files], { ...options, name })
  // Only when all files are run it is certain that a test that has not failed has passed.
  const { failed, known } = judge(name, failures, () => files.length === 0 && !cutShort)
  return { version, passed, failed: failed + (cutShort ? 1 : 0), known, skipped }
}

async function runCompat(name, binary, version) {
  const results = await runChecks(binary, runtimes[name].flags, printResult)
  const failures = results.filter(({ ok }) => !ok).map((result) => result.name)
  const { failed, known } = judge(name, failures, () => true)
  return { version, passed: results.length - failures.length, failed, known, skipped: 0, results }
}

async function runOne(name, files) {
  const surrounding = surroundings[name]
  if (surrounding !== undefined) return runSuite(name, files, surrounding, process.versions.node)
  const { binary, version } = await installRuntime(name, (text) => console.log(`${name}: ${text}`))
  return runtimes[name].kind === 'node'
    ? runSuite(name, files, { options: { node: binary } }, version)
    : runCompat(name, binary, version)
}

function table(rows) {
  const widths = rows[0].map((_, index) => Math.max(...rows.map((row) => String(row[index]).length)))
  const pad = (cell, index) => String(cell)[index < 2 ? 'padEnd' : 'padStart'](widths[index])
  return rows.map((row) => row.map(pad).join('  ').trimEnd()).join('\n')
}

/** What works where, for the runtimes that the compatibility suite was run on. */
function areas(outcomes) {
  const compat = outcomes.filter(({ results }) => results !== undefined)
  if (compat.length === 0) return ''
  const works = (check) => (results) => (results.find(({ name }) => name === check)?.ok === true ? 'works' : 'fails')
  const columns = compat.map(({ results }) => results)
  const rows = checkNames().map((check) => [check, '', columns.map(works(check))].flat())
  return `\n\n${table([['area', '', ...compat.map(({ name }) => name)], ...rows])}`
}

async function main() {
  const { values, positionals } = parseArgs({ options: { only: { type: 'string' } }, allowPositionals: true })
  const only = values.only?.split(',') ?? names
  const unknown = only.find((name) => !names.includes(name))
  if (unknown !== undefined) throw new SetupError(`--only takes ${names.join(', ')}, but got ${unknown}`)
  process.chdir(root)
  await setup()
  await buildModuleSmith((text) => console.log(`setup: ${text}`))
  const suite = await prepareSuite()
  if (suite.ok !== true) console.log(`- official test suite: not run, ${suite.skipped ?? suite.output}`)

  const outcomes = []
  for (const name of names.filter((one) => only.includes(one))) {
    console.log(`\n${name}`)
    const start = performance.now()
    try {
      const outcome = await runOne(name, positionals)
      outcomes.push({ name, ...outcome, time: elapsed(start) })
    } catch (error) {
      if (!(error instanceof SetupError)) throw error
      console.log(`✗ ${name}: ${error.message}`)
      outcomes.push({ name, version: '-', passed: 0, failed: 1, known: 0, skipped: 0, time: elapsed(start) })
    }
  }

  const header = ['runtime', 'version', 'passed', 'failed', 'known failures', 'skipped', 'time']
  const rows = outcomes.map((one) => [one.name, one.version, one.passed, one.failed, one.known, one.skipped, one.time])
  console.log(`\n${table([header, ...rows])}${areas(outcomes)}`)
  const sum = (key) => outcomes.reduce((total, outcome) => total + outcome[key], 0)
  const skipped = sum('skipped') > 0 ? `, ${sum('skipped')} skipped` : ''
  console.log(`\n${sum('passed')} passed, ${sum('failed')} failed${skipped}`)
  process.exitCode = sum('failed') > 0 || sum('passed') === 0 ? 1 : 0
}

try {
  await main()
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  console.error(`test:runtimes: ${error.message}`)
  process.exitCode = 1
}
