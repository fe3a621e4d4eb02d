/** What sends the requests: autocannon, or for a short check without any package a few lines of Node's own. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { once } from 'node:events'
import { Agent, get } from 'node:http'
import { fileURLToPath } from 'node:url'

/**
 * @typedef {object} Load
 * @property {string} url
 * @property {readonly string[]} paths Each is asked for equally often.
 * @property {number} connections Each has one request under way, always.
 * @property {number} seconds
 */

/**
 * @typedef {object} Outcome
 * @property {number} requests Answers.
 * @property {Record<string, number>} statuses Answers by status.
 * @property {number} errors Requests without an answer.
 * @property {number} seconds
 * @property {number} p50 Milliseconds.
 * @property {number} p99 Milliseconds.
 */

/** How often each path is asked for before any order repeats. */
const TURNS = 20

/** @template T @param {T[]} items */
function shuffled(items) {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1))
    ;[items[i], items[j]] = [items[j], items[i]]
  }
  return items
}

const here = fileURLToPath(new URL('.', import.meta.url))

/** Installs autocannon, which is not among the package's own development tools, and gives the generator. */
export async function autocannon() {
  if (!existsSync(`${here}node_modules/.package-lock.json`)) {
    const npm = spawn('npm', ['ci', '--no-audit', '--no-fund'], {
      cwd: here,
      stdio: ['ignore', 'ignore', 'inherit'],
      shell: process.platform === 'win32',
    })
    const [code] = await once(npm, 'exit')
    if (code !== 0) throw new Error('npm ci in bench/load has failed; see above')
  }
  const { default: run } = await import('autocannon')
  /** @type {(load: Load) => Promise<Outcome>} */
  return async ({ url, paths, connections, seconds }) => {
    const requests = paths.map((path) => ({ path }))
    const result = await run({
      url,
      connections,
      duration: seconds,
      requests,
      // In an order of its own, many times as long. Connections that took the same turns would come to ask for the same path at
      // the same time.
      setupClient: (client) => client.setRequests(shuffled(Array.from({ length: TURNS }, () => requests).flat())),
    })
    const statuses = Object.fromEntries(
      Object.entries(result.statusCodeStats).map(([status, { count }]) => [status, Number(count)]),
    )
    return {
      requests: Object.values(statuses).reduce((sum, count) => sum + count, 0),
      statuses,
      errors: result.errors + result.timeouts,
      seconds: result.duration,
      p50: result.latency.p50,
      p99: result.latency.p99,
    }
  }
}

/** @type {(load: Load) => Promise<Outcome>} */
export async function plain({ url, paths, connections, seconds }) {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const statuses = {}
  const times = []
  let errors = 0
  let next = 0
  const start = performance.now()
  const ask = (path) =>
    new Promise((resolve) => {
      get(`${url}${path}`, { agent }, (response) => {
        response.on('end', () => resolve(response.statusCode)).resume()
      }).on('error', () => resolve(undefined))
    })
  const connection = async () => {
    while (performance.now() - start < seconds * 1000) {
      const began = performance.now()
      const status = await ask(paths[next++ % paths.length])
      if (status === undefined) errors++
      else statuses[status] = (statuses[status] ?? 0) + 1
      times.push(performance.now() - began)
    }
  }
  await Promise.all(Array.from({ length: connections }, connection))
  agent.destroy()
  times.sort((a, b) => a - b)
  const at = (share) => times[Math.floor(times.length * share)] ?? 0
  const requests = times.length - errors
  return { requests, statuses, errors, seconds: (performance.now() - start) / 1000, p50: at(0.5), p99: at(0.99) }
}
