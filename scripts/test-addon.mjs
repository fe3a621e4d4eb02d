/**
 * `npm run test:addon -- --addon <file> [--minutes <n>] -- <command of a Node.js>`: the compatibility suite with an addon that
 * was built for another platform, on a Node.js of that platform, which an emulator or another loader can run here. It ends
 * with a line of its own, `<n> passed, <n> failed`. CONTRIBUTING.md has the commands for ARM64 and for musl.
 */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { printResult, runChecks } from './lib/compat.mjs'
import { elapsed, run } from './lib/project.mjs'

const { values, positionals } = parseArgs({
  options: { addon: { type: 'string' }, minutes: { type: 'string', default: '10' } },
  allowPositionals: true,
})
const [program, ...flags] = positionals
const patience = Number(values.minutes) * 60_000
if (values.addon === undefined || !existsSync(values.addon) || program === undefined || !(patience > 0)) {
  console.error(
    'npm run test:addon -- --addon <file that exists> [--minutes <for each check>] -- <program> [<arguments>]',
  )
  process.exit(2)
}
process.env.NAPI_RS_NATIVE_LIBRARY_PATH = resolve(values.addon)

const identity = 'process.version + " " + process.platform + " " + process.arch'
const { code, output } = await run(program, [...flags, '-p', identity], { capture: true })
if (code !== 0) {
  console.error(`${[program, ...flags].join(' ')} is no Node.js that runs here:\n${output.trim()}`)
  process.exit(1)
}
console.log(output.trim())
const start = performance.now()
const results = await runChecks(program, [...flags, '--expose-gc'], printResult, patience)
const passed = results.filter(({ ok }) => ok).length
console.log(`\n${elapsed(start)}\n\n${passed} passed, ${results.length - passed} failed`)
process.exitCode = passed === results.length ? 0 : 1
