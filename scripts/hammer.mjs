/**
 * `npm run test:hammer`: random use of the whole package, in child processes, so that a crash is seen.
 *
 *   npm run test:hammer -- [--minutes 2] [--seed n] [--only part,part] [--rounds n] [--without-modules]
 *
 * Each part runs in processes of its own, one after the other. A process that crashes, hangs, grows or finds something that
 * is not as it should be is reported with the command that does the same again, and the exit code is 1. What the parts are
 * is said in `hammer/parts.mjs`.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

import { parts } from './hammer/parts.mjs'
import { buildModuleSmith, makeModules } from './lib/module-smith.mjs'
import { elapsed, root, SetupError } from './lib/project.mjs'

/** Modules that are made at once; a process ends with them. More of them than any part works through in its time. */
const BATCH = 5000
const MODULES_A_SECOND = 50
/** The longest time of one process. Long enough for a heap to get as large as it gets, so that growth can be told from that. */
const PROCESS_MS = 180_000
/** A process may take so much longer than it should before it hangs. */
const HANG_MS = 180_000
/** What a heap may gain between the middle of a process and its end: V8 gives memory back when it likes. */
const GROWTH = { factor: 1.25, bytes: 48 * 2 ** 20, fromMs: 60_000 }
const MAX_FAILURES = 20
/** For who says how many rounds: as long as they take. */
const MAX_MS = 2 ** 30

const folder = mkdtempSync(join(tmpdir(), 'node-wasmtime-hammer-'))

function start(name, seed, ms, rounds, modules) {
  const stepFile = join(folder, 'step')
  // A process that dies before its first step must not be taken for the one before.
  writeFileSync(stepFile, '')
  const args = ['--expose-gc', fileURLToPath(new URL('hammer/run-part.mjs', import.meta.url)), name, seed, ms, rounds]
  if (modules !== undefined) args.push(modules)
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args.map(String), {
      cwd: root,
      env: { ...process.env, HAMMER_STEP: stepFile },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let [stdout, stderr, hangs] = ['', '', false]
    const timer = setTimeout(() => {
      hangs = true
      child.kill('SIGKILL')
    }, ms + HANG_MS)
    child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text) => (stderr = (stderr + text).slice(-20_000)))
    child.on('error', reject)
    child.on('close', (status, signal) => {
      clearTimeout(timer)
      resolve({ status, signal, hangs, stdout, stderr, step: readFileSync(stepFile, 'utf8').trim() })
    })
  })
}

/** What became of a process that began with the seed `first`: its report, or what is wrong and the seed of the round. */
function judge({ status, signal, hangs, stdout, stderr, step }, first, ms) {
  const last = stdout.trimEnd().split('\n').at(-1) ?? ''
  let report
  try {
    report = JSON.parse(last)
  } catch {
    report = {}
  }
  const doing = Number.parseInt(step, 10)
  const seed = Number.isNaN(doing) ? first : doing
  if (report.failed !== undefined) return { ...report.failed, step }
  if (hangs) return { seed, step, error: `hangs\n${stderr}` }
  if (status !== 0 || signal !== null || report.rounds === undefined) {
    return { seed, step, error: `ended with ${signal ?? status}\n${stderr}` }
  }
  const [middle, end] = [report.rss.at(-3), report.rss.at(-1)]
  if (ms >= GROWTH.fromMs && middle !== undefined && end > middle * GROWTH.factor && end > middle + GROWTH.bytes) {
    return {
      ...report,
      seed,
      step,
      error: `grows: ${report.rss.map((bytes) => `${Math.round(bytes / 2 ** 20)} MiB`).join(', ')}`,
    }
  }
  return report
}

async function runPart(name, { seed, ms, rounds, withModules }) {
  const { kind, needed } = parts[name]
  const total = { rounds: 0, counts: {}, failures: 0, peak: 0 }
  const begin = performance.now()
  let next = seed
  if (needed && !withModules) return { ...total, skipped: 'it needs tools/module-smith, and cargo is not there' }
  for (;;) {
    const left = ms - (performance.now() - begin)
    const wanted = rounds === undefined ? BATCH : rounds - total.rounds
    const over = rounds === undefined && total.rounds > 0 && left < Math.min(1000, ms / 4)
    if (wanted <= 0 || over || total.failures >= MAX_FAILURES) return total
    const time = rounds === undefined ? Math.max(500, Math.min(left, PROCESS_MS)) : MAX_MS
    const count = Math.min(wanted, BATCH, rounds ?? Math.ceil((time / 1000) * MODULES_A_SECOND))
    const modules = withModules && kind !== undefined ? await makeModules(kind, next, count) : undefined
    const outcome = judge(await start(name, next, time, wanted, modules), next, rounds === undefined ? time : 0)
    if (modules !== undefined) rmSync(modules, { recursive: true, force: true })
    if (outcome.error === undefined) {
      total.rounds += outcome.rounds
      next = outcome.next
      total.peak = Math.max(total.peak, ...outcome.rss)
      for (const [what, count] of Object.entries(outcome.counts)) total.counts[what] = (total.counts[what] ?? 0) + count
    } else {
      total.failures += 1
      const again = `npm run test:hammer -- --only ${name} --seed ${outcome.seed} --rounds 1${withModules ? '' : ' --without-modules'}`
      console.log(`✗ ${name}, at ${outcome.step}: ${outcome.error}\n  again: ${again}`)
      total.rounds += Math.max(1, outcome.seed - next + 1)
      next = outcome.seed + 1
    }
  }
}

function readArguments() {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '2' },
      seed: { type: 'string', default: '1' },
      only: { type: 'string', default: Object.keys(parts).join(',') },
      rounds: { type: 'string' },
      'without-modules': { type: 'boolean', default: false },
      verbose: { type: 'boolean', default: false },
    },
  })
  const [minutes, seed] = [Number(values.minutes), Number(values.seed)]
  const rounds = values.rounds === undefined ? undefined : Number(values.rounds)
  const names = values.only.split(',')
  const unknown = names.find((name) => !Object.hasOwn(parts, name))
  if (unknown !== undefined) {
    throw new SetupError(`--only: expected ${Object.keys(parts).join(', ')}, but got ${unknown}`)
  }
  if (!(minutes > 0)) throw new SetupError('--minutes must be a number above 0')
  if (!Number.isSafeInteger(seed) || seed < 0) throw new SetupError('--seed must be a whole number from 0 on')
  if (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0)) {
    throw new SetupError('--rounds must be a whole number from 1 on')
  }
  return { ms: minutes * 60_000, seed, names, rounds, without: values['without-modules'], verbose: values.verbose }
}

async function main() {
  const { ms, seed, names, rounds, without, verbose } = readArguments()
  const withModules = !without && (await buildModuleSmith((text) => console.log(`hammer: ${text}`)))
  let failures = 0
  for (const name of names) {
    const start = performance.now()
    const result = await runPart(name, { seed, ms: ms / names.length, rounds, withModules })
    failures += result.failures
    if (result.skipped !== undefined) {
      console.log(`- ${name}: skipped, ${result.skipped}`)
      continue
    }
    const peak = `${Math.round(result.peak / 2 ** 20)} MiB at most`
    const sign = result.failures === 0 ? '✓' : '✗'
    console.log(
      `${sign} ${name}: ${result.rounds} rounds from seed ${seed}, ${result.failures} failed, ${peak} (${elapsed(start)})`,
    )
    if (verbose) console.log(result.counts)
  }
  process.exitCode = failures === 0 ? 0 : 1
}

try {
  await main()
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  console.error(`hammer: ${error.message}`)
  process.exitCode = 2
} finally {
  rmSync(folder, { recursive: true, force: true })
}
