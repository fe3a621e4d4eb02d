/**
 * `npm test`: the setup, then every gate, then the tests. `npm test -- --only <arguments of ava>` leaves the gates out.
 * Ends with a line of its own, `<n> passed, <n> failed`, which counts gates and tests alike.
 */
import { runAva } from './lib/ava.mjs'
import { gates, generatedHash } from './lib/gates.mjs'
import { buildModuleSmith } from './lib/module-smith.mjs'
import { elapsed, root, SetupError } from './lib/project.mjs'
import { forgetResults, readResults, summary } from './lib/spec-suite.mjs'
import { surroundings } from './lib/surroundings.mjs'
import { setup } from './setup.mjs'

const total = { passed: 0, failed: 0, skipped: 0 }

/** Adds what a run of ava has counted. */
function add(tests) {
  for (const key of Object.keys(total)) total[key] += tests[key]
}

function indent(text) {
  return text.replaceAll(/^/gm, '    ')
}

async function trySetup() {
  try {
    await setup()
    return true
  } catch (error) {
    total.failed += 1
    console.log(`✗ setup\n${indent(error instanceof SetupError ? error.message : error.stack)}`)
    return false
  }
}

/** The hammer's tests leave out what needs the tool when it is not there. */
async function trySmith() {
  try {
    if (!(await buildModuleSmith((text) => console.log(`setup: ${text}`)))) {
      console.log('- module-smith: not built, because there is no cargo')
    }
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    total.failed += 1
    console.log(`✗ module-smith\n${indent(error.message)}`)
  }
}

async function runGate({ name, note, check }) {
  if (note !== undefined) console.log(`  ${name}: ${note}`)
  const start = performance.now()
  let result
  try {
    result = await check()
  } catch (error) {
    result = { ok: false, output: error instanceof SetupError ? error.message : error.stack }
  }
  if (result.skipped !== undefined) {
    total.skipped += 1
    console.log(`- ${name}: skipped, ${result.skipped}`)
  } else if (result.ok) {
    total.passed += 1
    console.log(`✓ ${name} (${elapsed(start)})`)
  } else {
    total.failed += 1
    console.log(`✗ ${name} (${elapsed(start)})`)
    if (result.output) console.log(indent(result.output))
  }
}

async function main(args) {
  const only = args.indexOf('--only')
  const unknown = only === -1 ? args : args.slice(0, only)
  if (unknown.length > 0) {
    console.error(`unknown argument: ${unknown[0]}\nusage: npm test [-- --only <arguments of ava>]`)
    process.exitCode = 2
    return
  }
  process.chdir(root)
  const before = generatedHash()
  const ready = await trySetup()
  if (only === -1) for (const gate of gates(before)) await runGate(gate)

  let ran = 0
  if (ready) {
    forgetResults()
    await trySmith()
    const tests = await runAva(only === -1 ? [] : args.slice(only + 1))
    ran = tests.passed
    if (only === -1) {
      for (const [name, { args, options, short }] of Object.entries(surroundings)) {
        add(await runAva([...args, ...short], { ...options, name }))
      }
    }
    const suite = readResults()
    if (suite !== undefined) console.log(summary(suite))
    add(tests)
  } else {
    console.log('- ava: not run, because the setup failed')
  }

  const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : ''
  console.log(`\n${total.passed} passed, ${total.failed} failed${skipped}`)
  process.exitCode = total.failed > 0 || ran === 0 ? 1 : 0
}

await main(process.argv.slice(2))
