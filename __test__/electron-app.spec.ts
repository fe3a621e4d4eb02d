// The example app for Electron. All that knows nothing of Electron is run here, in plain Node.js, as a copy that has the
// package installed, with the host in a process of its own; the rest is checked for its types (scripts/lib/gates.mjs) and as text.
import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

import test from 'ava'

import type * as brokers from '../examples/electron-app/host/broker.mjs'
import type * as hosts from '../examples/electron-app/host/plugin-host.mjs'
import type * as protocol from '../examples/electron-app/host/protocol.mjs'
import type * as packaging from '../examples/electron-app/packaging.mjs'
import { TrapError, wat2wasm } from '../index.mjs'

import { until } from './support/async.ts'
import { buildPlugins } from './support/plugin-service.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const app = join(root, 'examples', 'electron-app')
const copy = mkdtempSync(join(tmpdir(), 'electron-app-test-'))

type Hosts = typeof hosts
type Brokers = typeof brokers
type Protocol = typeof protocol
type Packaging = typeof packaging

const load = async <T>(file: string): Promise<T> => (await import(pathToFileURL(join(copy, file)).href)) as T

/** In place of electron/host-process.mjs, with the channel of `fork` for that of a utility process. */
const ENTRY = `
  import { PluginHost } from './host/plugin-host.mjs'
  import { serve } from './host/serve.mjs'
  const host = new PluginHost({ log: (plugin, line) => process.send({ plugin, line }) })
  serve({ post: (reply) => process.send(reply), onMessage: (listener) => process.on('message', listener) }, host)`

test.before(async () => {
  await buildPlugins()
  cpSync(app, copy, { recursive: true, filter: (source) => !source.includes('node_modules') })
  mkdirSync(join(copy, 'node_modules'))
  // A junction, which needs no rights on Windows.
  symlinkSync(root, join(copy, 'node_modules', 'node-wasmtime'), 'junction')
  writeFileSync(join(copy, 'entry.mjs'), ENTRY)
})
test.after.always(() => rmSync(copy, { recursive: true }))

const text = () => readFileSync(join(copy, 'build', 'text.wasm'))

/** A plugin with a function that does something bad, and `echo`. */
const hostile = (body: string): Uint8Array =>
  wat2wasm(`(module
    (import "host" "log" (func $log (param i32 i32)))
    (memory (export "memory") 1)
    (func (export "alloc") (param i32) (result i32) (i32.const 1024))
    (func (export "echo") (param i32 i32) (result i64)
      (i64.or (i64.shl (i64.extend_i32_u (local.get 0)) (i64.const 32)) (i64.extend_i32_u (local.get 1))))
    (func (export "bad") (param i32 i32) (result i64) ${body}))`)

async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    return await promise
  } catch (error) {
    return (error as { code?: unknown }).code
  }
}

test('a plugin is loaded, listed, run and unloaded', async (t) => {
  const lines: string[] = []
  const { PluginHost } = await load<Hosts>('host/plugin-host.mjs')
  const host = new PluginHost({ log: (plugin, line) => lines.push(`${plugin}: ${line}`) })
  const info = { name: 'text', functions: ['upper', 'reverse', 'words'] }
  t.deepEqual(await host.load('text', text()), info)
  t.deepEqual(host.list(), [info])
  t.is(await host.run('text', 'upper', 'grüße', 60_000), 'GRÜSSE')
  t.is(await host.run('text', 'reverse', 'abc', 60_000), 'cba')
  t.is(await host.run('text', 'reverse', '', 60_000), '')
  t.is(await host.run('text', 'words', 'one two  three', 60_000), '3')
  t.deepEqual(lines, ['text: counted 3'])
  const results = await Promise.all(Array.from({ length: 50 }, (_, n) => host.run('text', 'reverse', `${n}-`, 60_000)))
  t.deepEqual(
    results,
    Array.from({ length: 50 }, (_, n) => `-${[...`${n}`].toReversed().join('')}`),
  )
  t.true(host.unload('text'))
  t.false(host.unload('text'))
  t.is(await codeOf(host.run('text', 'upper', '', 1000)), 'NO_SUCH_PLUGIN')
  t.like(host.stats(), { stores: 0, instances: 0, memoryBytes: 0, compiledModules: 0 })
  host.close()
})

test('a plugin is stopped by its deadline, by a signal, and by its limits; and the next call is well', async (t) => {
  const { PluginHost } = await load<Hosts>('host/plugin-host.mjs')
  const host = new PluginHost()
  const bodies = {
    spin: '(loop (br 0)) (i64.const 0)',
    trap: 'unreachable',
    grow: '(loop (br_if 0 (i32.ge_s (memory.grow (i32.const 16)) (i32.const 0)))) unreachable',
    outside: '(i64.const -1)',
    log: '(call $log (i32.const -256) (i32.const 500)) (i64.const 0)',
  }
  for (const [name, body] of Object.entries(bodies)) await host.load(name, hostile(body))
  const bad = (name: string, timeoutMs = 60_000, signal?: AbortSignal) =>
    codeOf(host.run(name, 'bad', 'some text', timeoutMs, signal))

  t.is(await bad('spin', 30), 'INTERRUPTED')
  t.is(await bad('spin', 0), 'INTERRUPTED')
  const reason = Object.assign(new Error('enough'), { code: 'ENOUGH' })
  const controller = new AbortController()
  const spinning = bad('spin', 60_000, controller.signal)
  await until(() => host.stats().tasks.pool + host.stats().tasks.home > 0)
  controller.abort(reason)
  t.is(await spinning, 'ENOUGH')
  t.is(await bad('spin', 60_000, AbortSignal.abort(reason)), 'ENOUGH')
  t.is(await bad('trap'), 'TRAP')
  t.is(await bad('grow'), 'TRAP')
  t.is(await bad('outside'), 'BAD_PLUGIN')
  t.is(await bad('log'), 'BAD_PLUGIN')
  for (const name of Object.keys(bodies)) t.is(await host.run(name, 'echo', 'still here', 60_000), 'still here')
  t.like(host.stats(), { stores: 0, instances: 0, memoryBytes: 0 })
  host.close()
})

test('what a call logs is bounded, and so is the text that it returns', async (t) => {
  t.timeout(120_000)
  const lines: string[] = []
  const { PluginHost } = await load<Hosts>('host/plugin-host.mjs')
  const { MAX_TEXT } = await load<Protocol>('host/protocol.mjs')
  const host = new PluginHost({ log: (plugin, line) => lines.push(`${plugin}: ${line}`) })
  // The input is at 1024; the answer is of as many bytes as the number in it says.
  const answer = `(drop (memory.grow (i32.const 100)))
    (memory.fill (i32.const 65536) (i32.load8_u offset=4 (local.get 0)) (i32.const 4194304))
    (i64.or (i64.shl (i64.const 65536) (i64.const 32)) (i64.extend_i32_u (i32.and (i32.load (local.get 0)) (i32.const 0x7fffffff))))`
  const log = `(local $n i32) (local.set $n (i32.const 1000))
    (loop $again
      (call $log (local.get 0) (local.get 1))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i64.const 0)`
  await host.load('answers', hostile(answer))
  await host.load('logs', hostile(log))
  for (let call = 0; call < 2; call++) {
    t.is(await host.run('logs', 'bad', 'a line', 60_000), '')
    t.is(lines.length, 101)
    t.is(lines[99], 'logs: a line')
    t.is(lines.splice(0)[100], 'logs: (further lines are left out)')
  }
  const ask = (size: number): Promise<string> => {
    const text = Buffer.alloc(5, 'a')
    text.writeInt32LE(size)
    return host.run('answers', 'bad', text.toString('latin1'), 60_000)
  }
  // Sizes whose bytes are ASCII: the text is passed as UTF-8.
  t.is((await ask(0x000f_7f7f)).length, 0x000f_7f7f)
  t.true(MAX_TEXT < 0x0010_0001)
  t.is(await codeOf(ask(0x0010_0001)), 'BAD_PLUGIN')
  t.is(await codeOf(ask(0x0100_0000)), 'BAD_PLUGIN')
  t.is(await host.run('answers', 'echo', 'still here', 60_000), 'still here')
  host.close()
})

test('what is no plugin is not loaded, and the one before stays', async (t) => {
  const { PluginHost } = await load<Hosts>('host/plugin-host.mjs')
  const { MAX_MODULE } = await load<Protocol>('host/protocol.mjs')
  const host = new PluginHost()
  await host.load('a', text())
  const alloc = '(func (export "alloc") (param i32) (result i32) unreachable)'
  const cases: [unknown, unknown, string][] = [
    ['a', new Uint8Array([1, 2, 3]), 'COMPILE_ERROR'],
    ['a', new Uint8Array(MAX_MODULE + 1), 'BAD_REQUEST'],
    ['a', 'a text', 'BAD_REQUEST'],
    ['../a', text(), 'BAD_REQUEST'],
    ['', text(), 'BAD_REQUEST'],
    [7, text(), 'BAD_REQUEST'],
    ['a', wat2wasm('(module)'), 'BAD_PLUGIN'],
    ['a', wat2wasm(`(module ${alloc})`), 'BAD_PLUGIN'],
    ['a', wat2wasm(`(module (memory (export "memory") 4096) ${alloc})`), 'LIMIT_EXCEEDED'],
    ['a', wat2wasm(`(module (import "fs" "read" (func)) (memory (export "memory") 1) ${alloc})`), 'LINK_ERROR'],
    ['a', wat2wasm(`(module (memory (export "memory") 1) ${alloc} (func $s unreachable) (start $s))`), 'TRAP'],
  ]
  for (const [name, bytes, code] of cases) t.is(await codeOf(host.load(name, bytes)), code)
  t.is(await host.run('a', 'upper', 'x', 60_000), 'X')
  t.is(host.stats().compiledModules, 1)
  host.close()
})

test('arguments that are no good are refused before anything is done', async (t) => {
  const { PluginHost } = await load<Hosts>('host/plugin-host.mjs')
  const host = new PluginHost()
  await host.load('a', text())
  const bad: unknown[][] = [
    [{}, 'upper', 'x', 1],
    ['a', '', 'x', 1],
    ['a', 'alloc', 'x', 1],
    ['a', 'constructor', 'x', 1],
    ['a', 'upper', 7, 1],
    ['a', 'upper', 'x'.repeat(2 ** 20 + 1), 1],
    ['a', 'upper', 'x', -1],
    ['a', 'upper', 'x', Number.NaN],
    ['a', 'upper', 'x', 1e9],
    ['a', 'upper', 'x', '1'],
  ]
  for (const [name, func, input, time] of bad) t.is(await codeOf(host.run(name, func, input, time)), 'BAD_REQUEST')
  host.close()
})

test('errors become plain data, without the stack of the plugin or of the app', async (t) => {
  const { plainError, CodedError } = await load<Protocol>('host/protocol.mjs')
  const trap = new TrapError('unreachable\nwasm stack trace:\n\tsecret()', { trapCode: 'unreachable' })
  t.deepEqual(plainError(trap), { code: 'TRAP', message: 'wasm error: unreachable', trapCode: 'unreachable' })
  t.deepEqual(plainError(new CodedError('A', 'b')), { code: 'A', message: 'b' })
  t.deepEqual(plainError(new Error('c')), { code: 'INTERNAL', message: 'c' })
  t.is(plainError({ toString: () => t.fail() }).code, 'INTERNAL')
  t.is(plainError(new Error('x'.repeat(10_000))).message.length, 500)
  t.deepEqual(structuredClone(plainError(trap)), plainError(trap))
})

/** A broker, and the host processes that it has started. */
async function startBroker(): Promise<{
  broker: InstanceType<Brokers['HostBroker']>
  hosts: ChildProcess[]
  lines: unknown[]
}> {
  const { HostBroker } = await load<Brokers>('host/broker.mjs')
  const hosts: ChildProcess[] = []
  const lines: unknown[] = []
  const broker = new HostBroker(
    () => {
      const child = fork(join(copy, 'entry.mjs'), { serialization: 'advanced', execArgv: [] })
      hosts.push(child)
      const host: brokers.HostProcess = {
        post: (message) => void (child.connected && child.send(message as object)),
        onMessage: (listener) =>
          void child.on('message', (message) =>
            'line' in (message as object) ? lines.push(message) : listener(message),
          ),
        onExit: (listener) => void child.on('exit', listener),
        kill: () => void child.kill('SIGKILL'),
      }
      return host
    },
    (name) => assert.fail(`${name} is lost`),
  )
  return { broker, hosts, lines }
}

const errorOf = (result: protocol.Result): protocol.PlainError | undefined => (result.ok ? undefined : result.error)

test('through the broker, plugins run in a process of their own', async (t) => {
  t.timeout(120_000)
  const { broker, hosts, lines } = await startBroker()
  t.teardown(() => broker.close())
  t.is(hosts.length, 0)
  t.deepEqual(await broker.load('text', text()), {
    ok: true,
    value: { name: 'text', functions: ['upper', 'reverse', 'words'] },
  })
  t.deepEqual(await broker.run('text', 'words', 'a b', 10_000), { ok: true, value: '2' })
  t.deepEqual(lines, [{ plugin: 'text', line: 'counted 2' }])
  t.is(errorOf(await broker.run('other', 'words', 'a b', 10_000))?.code, 'NO_SUCH_PLUGIN')
  await broker.load('bad', hostile('(loop (br 0)) (i64.const 0)'))
  t.is(errorOf(await broker.run('bad', 'bad', '', 30))?.code, 'INTERRUPTED')
  const controller = new AbortController()
  const endless = broker.run('bad', 'bad', '', 60_000, controller.signal)
  t.deepEqual(await broker.run('text', 'upper', 'meanwhile', 10_000), { ok: true, value: 'MEANWHILE' })
  controller.abort()
  t.is(errorOf(await endless)?.code, 'ABORTED')
  t.is(errorOf(await broker.run('bad', 'bad', '', 60_000, AbortSignal.abort()))?.code, 'ABORTED')
  t.deepEqual(await broker.unload('bad'), { ok: true, value: true })
  t.deepEqual(await broker.list(), { ok: true, value: [{ name: 'text', functions: ['upper', 'reverse', 'words'] }] })
  t.is(hosts.length, 1)
})

test('when the host process dies, calls fail, and a new one has the plugins again', async (t) => {
  t.timeout(120_000)
  const { broker, hosts } = await startBroker()
  t.teardown(() => broker.close())
  await broker.load('text', text())
  await broker.load('bad', hostile('(loop (br 0)) (i64.const 0)'))
  await broker.load('gone', text())
  await broker.unload('gone')
  const calls = [1, 2].map(() => broker.run('bad', 'bad', '', 60_000))
  hosts[0]?.kill('SIGKILL')
  for (const result of await Promise.all(calls)) t.is(errorOf(result)?.code, 'HOST_GONE')
  // Until it is there again, it says so at once.
  t.is(errorOf(await broker.run('text', 'upper', 'x', 1000))?.code, 'HOST_GONE')
  let result: protocol.Result
  do {
    await new Promise((resolve) => setTimeout(resolve, 20))
    result = await broker.run('text', 'upper', 'again', 10_000)
  } while (errorOf(result)?.code === 'HOST_GONE')
  t.deepEqual(result, { ok: true, value: 'AGAIN' })
  t.is(hosts.length, 2)
  const { value } = (await broker.list()) as { value: { name: string }[] }
  t.deepEqual(value.map(({ name }) => name).sort(), ['bad', 'text'])
})

test('a host that does not answer any more is ended, and its calls with it', async (t) => {
  const { HostBroker } = await load<Brokers>('host/broker.mjs')
  let exited = (): void => {}
  let kills = 0
  const broker = new HostBroker(
    () => ({
      post: () => {},
      onMessage: () => {},
      onExit: (listener) => (exited = listener),
      kill: () => (kills++, exited()),
    }),
    () => t.fail(),
  )
  t.timeout(60_000)
  t.is(errorOf(await broker.list())?.code, 'HOST_GONE')
  t.is(kills, 1)
  broker.close()
})

test('a closed broker ends its host, and starts none', async (t) => {
  t.timeout(120_000)
  const { broker, hosts } = await startBroker()
  await broker.load('text', text())
  const ended = once(hosts[0] as ChildProcess, 'exit')
  broker.close()
  await ended
  t.is(errorOf(await broker.list())?.code, 'HOST_GONE')
  t.is(hosts.length, 1)
})

test('on macOS only the helper of the host may run what it has made, and nothing may load foreign libraries', async (t) => {
  const { entitlementsOf } = await load<Packaging>('packaging.mjs')
  const keysOf = (path: string): string[] => {
    const plist = readFileSync(entitlementsOf(path), 'utf8').replaceAll(/<!--[^]*?-->/g, '')
    return [...plist.matchAll(/<key>([^<]+)<\/key>\s*<true\/>/g)].map(([, key]) => key ?? '')
  }
  const frameworks = '/x/Plugin Desk.app/Contents/Frameworks'
  const jit = 'com.apple.security.cs.allow-jit'
  t.deepEqual(keysOf('/x/Plugin Desk.app'), [jit])
  t.deepEqual(keysOf(`${frameworks}/Plugin Desk Helper (Renderer).app`), [jit])
  t.deepEqual(keysOf(`${frameworks}/Plugin Desk Helper.app`), [jit])
  t.deepEqual(keysOf(`${frameworks}/Plugin Desk Helper (Plugin).app`), [
    jit,
    'com.apple.security.cs.allow-unsigned-executable-memory',
  ])
})

test('what is packaged has all that runs, and nothing else', async (t) => {
  const { ignore } = await load<Packaging>('packaging.mjs')
  const files = readdirSync(app, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath ?? entry.path, entry.name)
        .slice(app.length)
        .replaceAll('\\', '/'),
    )
    .filter(
      (file) =>
        !/^\/(node_modules\/|out\/|package-lock\.json$)/.test(file) && !ignore.some((pattern) => pattern.test(file)),
    )
  const expected = [
    ...['main', 'ipc', 'page', 'start-host', 'host-process'].map((name) => `/electron/${name}.mjs`),
    ...['broker', 'plugin-file', 'plugin-host', 'protocol', 'serve'].map((name) => `/host/${name}.mjs`),
    ...['index.html', 'renderer.css', 'renderer.js'].map((name) => `/renderer/${name}`),
    '/build/text.wasm',
    '/electron/preload.cjs',
    '/package.json',
  ]
  t.deepEqual(files.sort(), expected.sort())
})

test('only the files for Electron import from it, and the page from nowhere', (t) => {
  for (const file of readdirSync(join(app, 'host'))) {
    t.notRegex(readFileSync(join(app, 'host', file), 'utf8'), /from 'electron|require\('electron/, file)
  }
  t.notRegex(readFileSync(join(app, 'renderer', 'renderer.js'), 'utf8'), /^import|require\(|innerHTML|eval\(/m)
  const page = readFileSync(join(app, 'renderer', 'index.html'), 'utf8')
  t.notRegex(page, /https?:|<script(?![^>]* src=)| on[a-z]+=|style=/)
})
