/** What it costs that guests can be interrupted: the same programs with `interruptible` true and false, and in V8. */
import { fork, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { loops, realPrograms } from './real-programs.mjs'

/** @typedef {import('./measure-async.mjs').Figure} Figure */

const here = (name) => fileURLToPath(new URL(name, import.meta.url))

/** Installs the programs, which are not among the package's own development tools. */
async function install() {
  if (existsSync(here('real/node_modules/.package-lock.json'))) return
  const npm = spawn('npm', ['ci', '--no-audit', '--no-fund'], { cwd: here('real'), stdio: ['ignore', 'ignore', 'inherit'], shell: process.platform === 'win32' }) // prettier-ignore
  const [code] = await once(npm, 'exit')
  if (code !== 0) throw new Error('npm ci in bench/real has failed; see above')
}

/**
 * @param {{ rounds: number, sampleMs: number, real: boolean }} effort `real`: with the programs of others, too.
 * @returns {Promise<Figure[]>}
 */
export async function interruption({ rounds, sampleMs, real }) {
  if (real) await install()
  const engines = ['on', 'off', 'v8']
  const children = engines.map((engine) => fork(here('interruption-process.mjs'), [engine, real ? 'real' : ''], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })) // prettier-ignore
  try {
    await Promise.all(children.map(answerOf))
    const programs = real ? [...loops, ...realPrograms] : loops
    const figures = []
    const medians = []
    for (const [index, { name }] of programs.entries()) {
      const ratios = { checks: [], v8: [] }
      // V8 compiles anew what has run for a while.
      for (const child of children) {
        child.send({ index, atLeastMs: sampleMs * 5 })
        await answerOf(child)
      }
      for (let round = 0; round < rounds; round++) {
        const times = {}
        const results = new Set()
        for (let turn = 0; turn < engines.length; turn++) {
          const place = (turn + round) % engines.length
          children[place].send({ index, atLeastMs: sampleMs })
          const { ns, result } = await answerOf(children[place])
          times[engines[place]] = ns
          results.add(result)
        }
        if (results.size !== 1) throw new Error(`${name}: the engines differ: ${[...results].join(' / ')}`)
        ratios.checks.push(times.on / times.off)
        ratios.v8.push(times.off / times.v8)
      }
      const checks = figure(name, ratios.checks)
      figures.push(checks, figure('  without checks, against V8', ratios.v8))
      if (index >= loops.length) medians.push(checks.value)
    }
    if (medians.length === 0) return figures
    const mean = Math.exp(medians.reduce((sum, value) => sum + Math.log(value), 0) / medians.length)
    const name = `the ${medians.length} real programs, geometric mean`
    return [...figures, { ...figure(name, medians), value: mean }]
  } finally {
    for (const child of children) child.kill()
  }
}

/** The next message of a child; fails if it ends before. */
async function answerOf(child) {
  const controller = new AbortController()
  const { signal } = controller
  const ended = once(child, 'exit', { signal }).then(([code, name]) => {
    throw new Error(`the process of the programs has ended (${name ?? code})`)
  })
  try {
    const [message] = await Promise.race([once(child, 'message', { signal }), ended])
    return message
  } finally {
    ended.catch(() => {})
    controller.abort()
  }
}

/**
 * @param {string} name
 * @param {number[]} ratios
 * @returns {Figure}
 */
function figure(name, ratios) {
  const sorted = ratios.toSorted((a, b) => a - b)
  return {
    group: 'interruptible: true against false (processor time)',
    name,
    unit: 'x',
    value: sorted[sorted.length >> 1],
    least: sorted[0],
    greatest: sorted.at(-1),
    samples: sorted.length,
  }
}
