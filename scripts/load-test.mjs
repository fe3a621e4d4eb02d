/**
 * Puts load on the example plugin server, and on a bare server of Node's own beside it: `npm run test:load`. Prints requests
 * a second, latencies, the server's processor time for each request, and what is alive and resident between the rounds.
 *
 * `-- --quick` is a check of some seconds that needs no package: that no request fails, and that nothing is left.
 * `-- --rounds N --seconds N --connections N` change the effort; `--output FILE` writes the numbers as JSON.
 *
 * It judges what must hold on every machine: each request has the answer that is due, and afterwards no instance, memory or
 * call is left. Times and resident memory are for people to read.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { autocannon, plain } from '../bench/load/generators.mjs'
import { at, writeJson } from './lib/project.mjs'

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    connections: { type: 'string' },
    output: { type: 'string' },
  },
})
const rounds = Number(values.rounds ?? (values.quick ? 1 : 5))
const seconds = Number(values.seconds ?? (values.quick ? 0.5 : 5))
const connections = Number(values.connections ?? 16)

/** One request in twenty traps: that is below what opens the circuit breaker. */
const trapping = [...Array.from({ length: 19 }, () => '/hostile/nothing'), '/hostile/trap']

const scenarios = [
  { name: 'bare server of Node', kind: 'bare', paths: ['/'], failing: 0 },
  { name: 'plugin "hello"', kind: 'plugins', paths: ['/hello'], failing: 0 },
  { name: 'plugin that computes', kind: 'plugins', paths: ['/primes'], failing: 0 },
  { name: '5 % of requests trap', kind: 'plugins', paths: trapping, failing: 1 / 20 },
]

const problems = []

/** @param {string} kind */
async function start(kind) {
  const file = fileURLToPath(new URL('../bench/load/server-process.mjs', import.meta.url))
  const child = fork(file, [kind, at('examples', 'plugin-server', 'build')], { execArgv: ['--expose-gc'] })
  child.on('exit', (code, signal) => {
    if (code !== 0) problems.push(`the server has ended with ${signal ?? code}`)
  })
  const [{ url }] = await once(child, 'message')
  const ask = async (message) => {
    child.send(message)
    const [answer] = await once(child, 'message')
    return answer
  }
  return {
    url,
    measure: () => ask('measure'),
    async stop() {
      child.send('stop')
      await once(child, 'exit')
    },
  }
}

/** What must hold, whatever the machine. */
function check({ name, failing }, { requests, statuses, errors }, { stats }) {
  const expect = (holds, what) => {
    if (!holds) problems.push(`${name}: ${what}`)
  }
  const { 200: good = 0, 500: bad = 0, ...others } = statuses
  expect(requests > 0, 'no request was answered')
  expect(errors === 0, `${errors} requests had no answer`)
  expect(Object.keys(others).length === 0, `answers that are not due: ${JSON.stringify(others)}`)
  // Nobody knows in what order, so that it is a matter of chance how many of the last ones were to fail.
  const due = (good + bad) * failing
  expect(Math.abs(bad - due) <= 6 * Math.sqrt(due), `${bad} failed, and about ${due.toFixed(0)} were to`)
  if (stats === undefined) return
  const { stores, instances, memoryBytes, tasks } = stats
  const calls = tasks.queued + tasks.home + tasks.pool + tasks.parked
  expect(stores === 0 && instances === 0, `${stores} stores and ${instances} instances are left`)
  expect(memoryBytes === 0, `${memoryBytes} bytes of memories are left`)
  expect(calls === 0, `${calls} calls are left`)
}

/** autocannon counts whole milliseconds. */
const ms = (value) => (value < 1 ? '<1' : value.toFixed(0))
const mib = (bytes) => (bytes / 2 ** 20).toFixed(1)

async function run(scenario, generate) {
  const server = await start(scenario.kind)
  const load = { url: server.url, paths: scenario.paths, connections }
  // Code is compiled and caches are filled before anything is measured.
  await generate({ ...load, seconds: Math.min(2, seconds) })
  let before = await server.measure()
  const measured = [{ rss: before.rss }]
  console.log(`${scenario.name}\n  warm: ${mib(before.rss)} MiB resident`)
  for (let round = 1; round <= rounds; round++) {
    const outcome = await generate({ ...load, seconds })
    const after = await server.measure()
    check(scenario, outcome, after)
    const rate = outcome.requests / outcome.seconds
    const cpuMs = (after.cpuMs - before.cpuMs) / outcome.requests
    const { rss, heapUsed, stats } = after
    measured.push({ ...outcome, rate, cpuMs, rss, heapUsed })
    console.log(
      `  ${round}: ${rate.toFixed(0)} requests/s, p50 ${ms(outcome.p50)} ms, p99 ${ms(outcome.p99)} ms, ` +
        `${(cpuMs * 1000).toFixed(0)} µs of processor each; afterwards ${mib(rss)} MiB resident, ` +
        `${mib(heapUsed)} MiB heap, ${stats?.instances ?? 0} instances`,
    )
    before = after
  }
  await server.stop()
  return { name: scenario.name, measured }
}

const generate = values.quick ? plain : await autocannon()
console.log(
  `${connections} connections, ${rounds} rounds of ${seconds} s each, after a warm-up; Node.js ${process.version}`,
)
const results = []
for (const scenario of scenarios) results.push(await run(scenario, generate))
if (values.output !== undefined) writeJson(values.output, { node: process.version, connections, seconds, results })
for (const problem of problems) console.error(`✗ ${problem}`)
console.log(problems.length === 0 ? 'no request has failed, and nothing is left' : `${problems.length} problems`)
process.exitCode = problems.length === 0 ? 0 : 1
