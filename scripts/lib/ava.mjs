import { spawn } from 'node:child_process'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { elapsed, foreignAddon, root, tool, toolEnv } from './project.mjs'

const RESULT = /^(not ok|ok) \d+ - (.*?)( # (?:SKIP|TODO).*)?$/
const PLAN = /^1\.\.\d+$/

/** Time between two lines of progress, in milliseconds. */
const PROGRESS_EVERY = 5000

/**
 * Reads the lines of ava's TAP output: counts, and hands each failed test with the lines of its diagnostics to
 * `onFailure`. Call `end` after the last line.
 */
export function tapReader(onFailure) {
  const counts = { passed: 0, failed: 0, skipped: 0, planned: false, last: '' }
  let failure

  function flush() {
    if (failure !== undefined) onFailure(failure.title, failure.lines)
    failure = undefined
  }

  function line(text) {
    const result = RESULT.exec(text)
    if (result !== null) {
      flush()
      const [, status, title, directive] = result
      counts.last = title
      if (directive !== undefined) counts.skipped += 1
      else if (status === 'ok') counts.passed += 1
      else {
        counts.failed += 1
        failure = { title, lines: [] }
      }
    } else if (PLAN.test(text)) {
      flush()
      counts.planned = true
    } else if (failure !== undefined && !/^ {2}(?:---|\.\.\.)$/.test(text)) {
      failure.lines.push(text)
    }
  }

  return { counts, line, end: flush }
}

// The TypeScript hook of the tests is an addon of napi-rs as well: see toolEnv. So the path goes in under another name,
// and foreign-addon.mjs puts it back once the hook is loaded.
function testEnv() {
  const path = foreignAddon()
  return path === undefined ? process.env : { ...toolEnv(), NODE_WASMTIME_TEST_ADDON: resolve(path) }
}

/**
 * Runs ava with the given arguments and reports as it goes. Gives `{ passed, failed, skipped, failures }`, the last one the
 * names of the tests that have failed.
 *
 * @param options.node The Node.js that runs ava and the tests; default: this one.
 * @param options.nodeArgs Arguments of it.
 * @param options.env Variables of the environment, besides those of this process.
 * @param options.name What the lines of the report begin with.
 */
export async function runAva(args, { node = process.execPath, nodeArgs = [], env = {}, name = 'ava' } = {}) {
  const start = performance.now()
  const failures = []
  const reader = tapReader((title, lines) => {
    failures.push(title)
    console.log(`✗ ${title}`)
    console.log(
      lines
        .map((text) => `  ${text}`)
        .join('\n')
        .trimEnd(),
    )
  })
  const { counts } = reader
  const progress = setInterval(() => {
    const failed = counts.failed > 0 ? `, ${counts.failed} failed` : ''
    console.log(`  ${name}: ${counts.passed} passed${failed} (${elapsed(start)}) … ${counts.last}`)
  }, PROGRESS_EVERY)

  const child = spawn(node, [...nodeArgs, tool('ava'), '--tap', ...args], {
    cwd: root,
    env: { ...testEnv(), ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exit = new Promise((done) => {
    child.on('error', (error) => done(error.message))
    child.on('close', (code, signal) => done(signal ?? code))
  })
  for await (const text of createInterface({ input: child.stdout })) reader.line(text)
  reader.end()
  const status = await exit
  clearInterval(progress)

  const { passed, skipped, planned } = counts
  let { failed } = counts
  const cutShort = !planned || (status !== 0 && failed === 0)
  if (cutShort) {
    failed += 1
    console.log(
      `✗ ${name} ended with ${status} and did not report every test; the last one reported: ${counts.last || 'none'}`,
    )
    if (counts.last) {
      console.log('  Its TAP reporter breaks off at a test that times out or calls process.exit(): `npm run test:only`')
      console.log('  shows which one that is.')
    }
  } else if (passed + failed === 0) {
    failed += 1
    console.log(`✗ ${name} ran no test`)
  }
  console.log(`${failed === 0 ? '✓' : '✗'} ${name}: ${passed} passed, ${failed} failed (${elapsed(start)})`)
  return { passed, failed, skipped, failures, cutShort }
}
