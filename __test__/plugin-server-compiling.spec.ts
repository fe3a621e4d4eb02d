// How the example plugin server compiles in a process of its own, and what becomes of that process.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import test, { type ExecutionContext } from 'ava'

import { compileApart } from '../examples/plugin-server/compile-apart.mjs'
import { configure } from '../examples/plugin-server/config.mjs'
import { CompileError, wat2wasm } from '../index.mjs'

import { until } from './support/async.ts'
import { slowToCompile, startWorld } from './support/plugin-service.ts'

/** The URL of a file of the example. */
const part = (name: string): string => new URL(`../examples/plugin-server/${name}`, import.meta.url).href

const onUnix = process.platform === 'win32' ? test.skip : test

onUnix('the server outlives that no process can be started because too many files are open', (t) => {
  t.timeout(60_000)
  const script = `
    import { openSync, closeSync } from 'node:fs'
    import { compileApart } from ${JSON.stringify(part('compile-apart.mjs'))}
    import { configure } from ${JSON.stringify(part('config.mjs'))}
    const files = []
    try {
      for (;;) files.push(openSync(process.execPath))
    } catch {}
    const failed = compileApart(new Uint8Array(8), configure({ folder: '', cache: '', compileTimeoutMs: 1000 })).catch((error) => error)
    const { code } = await failed
    // Whatever comes later comes now.
    await new Promise((resolve) => setTimeout(resolve, 20))
    files.forEach((file) => closeSync(file))
    console.log(code)`
  const node = [process.execPath, '--input-type=module', '--eval', script]
  const { stdout, stderr } = spawnSync('sh', ['-c', 'ulimit -n 100 && exec "$@"', 'sh', ...node], { encoding: 'utf8' })
  t.is(stdout, 'EMFILE\n', stderr)
})

/** A directory for compiled code. */
function cacheOf(t: ExecutionContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'plugin-server-cache-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  return directory
}

/** Longer than any test. */
const HOURS = 3_600_000

test('what will never compile is told from what may compile the next time', async (t) => {
  t.timeout(60_000)
  const cache = cacheOf(t)
  const config = configure({ folder: '', cache })
  await t.throwsAsync(compileApart(Buffer.from('nonsense'), config), {
    instanceOf: CompileError,
    message: /^invalid magic number/,
  })
  const late = await t.throwsAsync(compileApart(slowToCompile(), { ...config, compileTimeoutMs: 100 }))
  t.false(late instanceof CompileError)
  t.regex(late?.message ?? '', /more than 100 ms/)
  const module = wat2wasm('(module)')
  // A file is where the directory should be.
  const file = fileURLToPath(part('config.mjs'))
  t.false((await t.throwsAsync(compileApart(module, { ...config, cache: file }))) instanceof CompileError)
  await t.notThrowsAsync(compileApart(module, config))
})

test('compiling ends when it is told to', async (t) => {
  t.timeout(60_000)
  const config = configure({ folder: '', cache: cacheOf(t), compileTimeoutMs: HOURS })
  const controller = new AbortController()
  const reason = new Error('enough')
  const compiling = compileApart(slowToCompile(), config, controller.signal)
  setTimeout(() => controller.abort(reason), 300)
  t.is(await t.throwsAsync(compiling), reason)
  t.is(await t.throwsAsync(compileApart(slowToCompile(), config, controller.signal)), reason)
})

test('a process that compiles ends by itself when the server that started it is gone', async (t) => {
  t.timeout(60_000)
  const { maxRunning, memoryBytes, tableElements } = configure({ folder: '' })
  const settings = { cache: cacheOf(t), maxRunning, memoryBytes, tableElements, compileTimeoutMs: 3000 }
  const child = spawn(process.execPath, [fileURLToPath(part('compile-process.mjs')), JSON.stringify(settings)], {
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const ended = once(child, 'exit')
  // On a busy machine it may end before it has read all.
  child.stdin.on('error', () => {}).end(slowToCompile())
  await ended
  t.true(child.signalCode === 'SIGKILL' || process.platform === 'win32')
  t.not(child.exitCode, 0)
})

// Before the others of this file: it looks whether a process runs.
test.serial('the server ends while plugins are compiled, and begins with no other', async (t) => {
  const world = await startWorld(t, {}, { cache: cacheOf(t), compileTimeoutMs: HOURS, fuel: 1_000_000n })
  t.timeout(60_000)
  for (const name of ['a', 'b', 'c']) world.put(name, slowToCompile())
  await until(() => process.getActiveResourcesInfo().includes('ProcessWrap'))
  await world.service.stop()
  await until(() => !process.getActiveResourcesInfo().includes('ProcessWrap'))
  t.deepEqual(world.service.folder.describe(), [])
  t.is(world.lines.at(-1)?.message, 'service has ended')
})
