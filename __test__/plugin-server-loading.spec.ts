// Which files the example plugin server loads, and when it tries those again that it could not.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import test, { type ExecutionContext } from 'ava'

import { configure } from '../examples/plugin-server/config.mjs'
import { Log } from '../examples/plugin-server/log.mjs'
import { Metrics } from '../examples/plugin-server/metrics.mjs'
import { PluginFolder } from '../examples/plugin-server/plugin-folder.mjs'
import { PluginHost } from '../examples/plugin-server/plugin-host.mjs'
import { CompileError, wat2wasm } from '../index.mjs'

import { until } from './support/async.ts'
import { startWorld } from './support/plugin-service.ts'

const MODULE = '(module (memory (export "memory") 1) (func (export "handle")))'

interface Folder {
  readonly folder: PluginFolder
  readonly file: string
  /** How often a version was tried. */
  readonly tries: () => number
  /** Milliseconds until the next attempts, as the log has them. */
  readonly waits: (number | undefined)[]
}

/** A folder with one plugin, whose host fails with some errors, one at each attempt, before it works. */
async function open(t: ExecutionContext, failures: readonly Error[], retryMs = 10): Promise<Folder> {
  t.timeout(60_000)
  const directory = mkdtempSync(join(tmpdir(), 'plugin-folder-'))
  const file = join(directory, 'app.wasm')
  writeFileSync(file, wat2wasm(MODULE))
  const config = configure({ folder: directory, debounceMs: 5, retryMs, maximumRetryMs: 4 * retryMs, maxRunning: 1 })
  const host = new PluginHost(config)
  const load = host.load.bind(host)
  let tries = 0
  host.load = async (...args) => {
    const failure = failures[tries++]
    if (failure !== undefined) throw failure
    return await load(...args)
  }
  const waits: (number | undefined)[] = []
  const log = new Log('error', (line) => waits.push((JSON.parse(line) as { retryMs?: number }).retryMs))
  const folder = new PluginFolder(config, host, new Metrics(), log)
  t.teardown(async () => {
    await folder.close()
    host.close()
    rmSync(directory, { recursive: true })
  })
  await folder.open()
  return { folder, file, tries: () => tries, waits }
}

test('what failed for a reason of the machine is tried again, later each time', async (t) => {
  const failures = Array.from({ length: 5 }, () => Object.assign(new Error('spawn EMFILE'), { code: 'EMFILE' }))
  const { folder, tries, waits } = await open(t, failures)
  t.regex(folder.describe()[0]?.failure?.error ?? '', /EMFILE/)
  await until(() => folder.get('app') !== undefined)
  t.is(tries(), 6)
  t.deepEqual(waits, [10, 20, 40, 40, 40])
  t.is(folder.describe()[0]?.failure, undefined)
})

test('other scans do not try it sooner, and another version begins anew', async (t) => {
  const failures = [new Error('once'), new Error('twice')]
  const { folder, file, tries, waits } = await open(t, failures, 3_600_000)
  for (let n = 0; n < 3; n++) await folder.scan()
  t.is(tries(), 1)
  writeFileSync(file, wat2wasm('(module (memory (export "memory") 2) (func (export "handle")))'))
  await folder.scan()
  t.is(tries(), 2)
  t.deepEqual(waits, [3_600_000, 3_600_000])
  rmSync(file)
  await folder.scan()
  t.deepEqual(folder.describe(), [])
})

test('what the version is to blame for is not tried again', async (t) => {
  const { folder, tries, waits } = await open(t, [new CompileError('no')], 1)
  for (let n = 0; n < 3; n++) {
    await folder.scan()
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  t.is(tries(), 1)
  t.deepEqual(waits, [undefined])
  t.regex(folder.describe()[0]?.failure?.error ?? '', /CompileError/)
})

test('nothing is tried again when the folder is closed', async (t) => {
  const { folder, tries } = await open(t, [new Error('once')], 30)
  await folder.close()
  await new Promise((resolve) => setTimeout(resolve, 100))
  await folder.scan()
  t.is(tries(), 1)
})

const onUnix = process.platform === 'win32' ? test.skip : test

onUnix('what is no file of a plugin is told once, and keeps no other from being loaded', async (t) => {
  const world = await startWorld(t, {}, { retryMs: 1 })
  t.timeout(30_000)
  const path = (name: string): string => join(world.folder, `${name}.wasm`)
  t.is(spawnSync('mkfifo', [path('a-fifo')]).status, 0)
  mkdirSync(path('b-folder'))
  writeFileSync(path('c-large'), '')
  // It takes no room on the disk, and would take it in memory.
  truncateSync(path('c-large'), 3 * 2 ** 30)
  world.put('d-plugin', wat2wasm(MODULE))
  await until(() => world.service.folder.get('d-plugin') !== undefined)
  for (let n = 0; n < 3; n++) await world.service.folder.scan()
  const errors = world.lines.filter(({ message }) => message === 'plugin is not loaded')
  t.deepEqual(
    errors.map(({ error }) => error),
    [
      'UnfitError: a plugin is a regular file',
      'UnfitError: a plugin is a regular file',
      `UnfitError: a plugin may have ${16 * 2 ** 20} bytes, and has ${3 * 2 ** 30}`,
    ],
  )
})
