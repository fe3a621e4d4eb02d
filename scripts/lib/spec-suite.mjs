import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { at, foreignAddon, hashOf, readJson, run, writeJson } from './project.mjs'

const tool = at('tools', 'spec-suite')
const suite = at(tool, 'target', 'suite')
const results = at(tool, 'target', 'results.json')
const stamp = at('.setup', 'spec-suite.json')

/**
 * Compiles the tool and lets it write the suite, unless that is up to date. Gives `{ ok, output }`, or `{ skipped }` where
 * there is no cargo, as a gate does.
 */
export async function prepareSuite() {
  const state = { sources: hashOf(['src', 'Cargo.toml', 'Cargo.lock'].map((path) => at(tool, path))) }
  if (existsSync(at(suite, 'index.json')) && readJson(stamp)?.sources === state.sources) return { ok: true }
  // Made beside the old one, so that what is there is always whole.
  const fresh = `${suite}.new`
  rmSync(fresh, { recursive: true, force: true })
  const result = await run('cargo', ['run', '--locked', '--quiet', '--', fresh], { capture: true, cwd: tool })
  if (result.missing && foreignAddon() !== undefined) return { skipped: 'cargo is not installed' }
  if (result.code !== 0) return { ok: false, output: result.output.trim() }
  rmSync(suite, { recursive: true, force: true })
  renameSync(fresh, suite)
  writeJson(stamp, state)
  return { ok: true }
}

/** Forgets the results of an earlier run. */
export const forgetResults = () => rmSync(results, { force: true })

/** What the last run found, one entry for each file and mode; `undefined` if there was none. */
export function readResults() {
  return existsSync(results) ? JSON.parse(readFileSync(results, 'utf8')) : undefined
}

function sum(files) {
  const total = { files: files.length, assertions: 0, passed: 0, known: 0, failed: 0, ms: 0 }
  for (const file of files) {
    total.assertions += file.assertions ?? 0
    total.passed += file.passed ?? 0
    total.ms += file.ms ?? 0
    if (file.wrong !== undefined) total.failed += 1
    else if (file.known) total.known += 1
  }
  return total
}

const columns = ['', 'files', 'known failures', 'failed', 'assertions', 'passed', 'seconds', 'engine options']

/** A table with a line for each version of the specification and each proposal, and a total, for one mode. */
function tableOf(mode, files) {
  const groups = groupBy(files)
  const rows = [...groups].map(([group, members]) => row(group, members, members[0].options))
  const lines = [[mode, ...columns.slice(1)], ...rows, row('all', files, {})]
  const widths = columns.map((_, index) => Math.max(...lines.map((line) => line[index].length)))
  return lines
    .map((line) => line.map((cell, index) => cell[index === 0 || index === 7 ? 'padEnd' : 'padStart'](widths[index])))
    .map((line) => line.join('  ').trimEnd())
    .join('\n')
}

function row(name, files, options) {
  const total = sum(files)
  const numbers = [total.files, total.known, total.failed, total.assertions, total.passed].map((n) =>
    n.toLocaleString('en'),
  )
  const engine = Object.entries(options).map(([option, value]) => `${option}: ${value}`)
  return [name, ...numbers, (total.ms / 1000).toFixed(1), engine.join(', ')]
}

// As Map.groupBy, which Node.js 20 does not have.
function groupBy(files) {
  const groups = new Map()
  for (const file of files) groups.set(file.group, [...(groups.get(file.group) ?? []), file])
  return groups
}

/** Everything about the last run: a table for each mode. */
export function tables(files) {
  const modes = [...new Set(files.map(({ mode }) => mode))].toSorted().toReversed()
  return modes
    .map((mode) =>
      tableOf(
        mode,
        files.filter((file) => file.mode === mode),
      ),
    )
    .join('\n\n')
}

/** The last run in a line. */
export function summary(files) {
  const { files: count, assertions, passed, known, failed, ms } = sum(files)
  const number = (n) => n.toLocaleString('en')
  return (
    `official test suite: ${number(count)} files, ${failed} failed, ${known} with known failures; ` +
    `${number(passed)} of ${number(assertions)} assertions passed (${(ms / 1000).toFixed(1)} s of computing)`
  )
}
