/**
 * `npm run test:spec`: the official test suite of WebAssembly through the public API, and a table of what came of it.
 *
 *   npm run test:spec [-- --mode sync|async|both] [--group latest,v3,simd]
 *
 * Both modes and all groups are the default. Exits with 1 if a file fails that is not expected to, or passes although it is
 * (`__test__/spec/plan.ts` says which, and why).
 */
import { parseArgs } from 'node:util'
import { runAva } from './lib/ava.mjs'
import { elapsed, root, SetupError } from './lib/project.mjs'
import { forgetResults, prepareSuite, readResults, tables } from './lib/spec-suite.mjs'
import { setup } from './setup.mjs'

const { values } = parseArgs({
  options: { mode: { type: 'string', default: 'both' }, group: { type: 'string' } },
})
const modes = { sync: 'sync', async: 'async', both: 'sync,async' }[values.mode]

async function main() {
  if (modes === undefined) throw new SetupError(`--mode must be sync, async or both, but is ${values.mode}`)
  process.chdir(root)
  await setup()
  const start = performance.now()
  const prepared = await prepareSuite()
  if (prepared.ok !== true) throw new SetupError(prepared.skipped ?? prepared.output)
  console.log(`the suite is ready (${elapsed(start)})`)
  process.env.SPEC_MODES = modes
  if (values.group !== undefined) process.env.SPEC_GROUPS = values.group
  forgetResults()
  const { failed } = await runAva(['__test__/spec/suite.spec.ts'])
  const results = readResults()
  if (results !== undefined) console.log(`\n${tables(results)}`)
  process.exitCode = failed > 0 || results === undefined ? 1 : 0
}

try {
  await main()
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  console.error(`test:spec: ${error.message}`)
  process.exitCode = 1
}
