// Parts of the example app for Electron by themselves: the broker with a host that does what a test says, the file of a plugin,
// and how the host process is started, with a module in place of Electron.
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

import test, { type ExecutionContext } from 'ava'

import { HostBroker } from '../examples/electron-app/host/broker.mjs'
import { readPlugin } from '../examples/electron-app/host/plugin-file.mjs'
import { type Call, MAX_MODULE, type Result } from '../examples/electron-app/host/protocol.mjs'

import { LIMIT, until } from './support/async.ts'

const app = fileURLToPath(new URL('../examples/electron-app', import.meta.url))

function temporary(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'electron-parts-test-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  return folder
}

/** A host that answers when the test says so. */
class FakeHost {
  readonly calls: Call[] = []
  #hear: (message: unknown) => void = () => {}
  kill: () => void = () => {}

  readonly process = {
    post: (message: unknown): void => void this.calls.push(message as Call),
    onMessage: (listener: (message: unknown) => void): void => void (this.#hear = listener),
    onExit: (listener: () => void): void => void (this.kill = listener),
    kill: (): void => this.kill(),
  }

  /** Answers the call with an index, when it has come. */
  async answer(index: number, result: Result = { ok: true, value: index }): Promise<void> {
    await until(() => this.calls.length > index)
    this.#hear({ id: this.calls[index]?.id, result })
  }

  get said(): string[] {
    return this.calls.map(
      ({ method, args }) => `${method} ${args.map((arg) => (typeof arg === 'string' ? arg : '')).join('')}`,
    )
  }
}

function openBroker(t: ExecutionContext): { broker: HostBroker; hosts: FakeHost[]; lost: string[] } {
  t.timeout(LIMIT)
  const hosts: FakeHost[] = []
  const lost: string[] = []
  const broker = new HostBroker(
    () => {
      const host = new FakeHost()
      hosts.push(host)
      return host.process
    },
    (name, { code }) => lost.push(`${name}: ${code}`),
  )
  t.teardown(() => broker.close())
  return { broker, hosts, lost }
}

const bytes = new Uint8Array(8)
const failure: Result = { ok: false, error: { code: 'COMPILE_ERROR', message: 'not this time' } }

/** Loads plugins, and has the host die. */
async function loadAndCrash(broker: HostBroker, hosts: FakeHost[], ...names: string[]): Promise<FakeHost> {
  for (const [index, name] of names.entries()) {
    const loaded = broker.load(name, bytes)
    await until(() => hosts.length === 1)
    await hosts[0]?.answer(index)
    await loaded
  }
  hosts[0]?.kill()
  await until(() => hosts.length === 2)
  return hosts[1] as FakeHost
}

test('a plugin that a new host cannot load again is told of and forgotten, and the others are there', async (t) => {
  const { broker, hosts, lost } = openBroker(t)
  const second = await loadAndCrash(broker, hosts, 'a', 'b')
  await second.answer(0, failure)
  await second.answer(1)
  const list = broker.list()
  await second.answer(2)
  t.deepEqual(await list, { ok: true, value: 2 })
  t.deepEqual(lost, ['a: COMPILE_ERROR'])
  second.kill()
  await until(() => hosts.length === 3)
  t.deepEqual(hosts[2]?.said, ['load b'])
})

test('a host that dies while it loads plugins again costs none of them', async (t) => {
  const { broker, hosts, lost } = openBroker(t)
  const second = await loadAndCrash(broker, hosts, 'a', 'b')
  second.kill()
  await until(() => hosts.length === 3)
  t.deepEqual(hosts[2]?.said, ['load a', 'load b'])
  t.deepEqual(lost, [])
})

test('what is loaded again is unloaded, or replaced, when it is there', async (t) => {
  const { broker, hosts, lost } = openBroker(t)
  const second = await loadAndCrash(broker, hosts, 'a', 'b')
  const unloaded = broker.unload('a')
  const replaced = broker.load('b', bytes.slice())
  await second.answer(0)
  await new Promise((resolve) => setTimeout(resolve, 10))
  t.deepEqual(second.said, ['load a', 'load b'])
  await second.answer(1)
  await second.answer(2)
  await second.answer(3)
  t.true((await unloaded).ok)
  t.true((await replaced).ok)
  t.deepEqual(second.said, ['load a', 'load b', 'unload a', 'load b'])
  second.kill()
  await until(() => hosts.length === 3)
  t.deepEqual(hosts[2]?.said, ['load b'])
  t.deepEqual(lost, [])
})

test('changes of one name take effect in the order in which they were asked for, those of others at once', async (t) => {
  const { broker, hosts } = openBroker(t)
  const [older, newer] = [bytes.slice(), bytes.slice()]
  const all = [
    broker.load('a', older),
    broker.load('a', newer),
    broker.unload('a'),
    broker.load('a', older),
    broker.load('b', bytes),
  ]
  await until(() => hosts.length === 1)
  const host = hosts[0] as FakeHost
  await until(() => host.calls.length === 2)
  t.deepEqual(host.said, ['load a', 'load b'])
  await host.answer(0, failure)
  await host.answer(2)
  t.deepEqual(host.said.slice(2), ['load a'])
  await host.answer(3)
  await host.answer(1)
  await host.answer(4)
  t.deepEqual(
    (await Promise.all(all)).map(({ ok }) => ok),
    [false, true, true, true, true],
  )
  t.deepEqual(host.said, ['load a', 'load b', 'load a', 'unload a', 'load a'])
  t.is(host.calls[2]?.args[1], newer)
  host.kill()
  await until(() => hosts.length === 2)
  t.deepEqual(hosts[1]?.said.toSorted(), ['load a', 'load b'])
})

test("no plugin of the user's takes the place of one of the app's own", async (t) => {
  const { broker, hosts } = openBroker(t)
  const own = broker.loadOwn('text', bytes)
  const refused = await broker.load('text', bytes)
  t.like(refused, { ok: false, error: { code: 'BAD_REQUEST' } })
  await until(() => hosts.length === 1)
  await hosts[0]?.answer(0, failure)
  t.deepEqual(await own, failure)
  // Also if it is not there.
  t.like(await broker.load('text', bytes), { ok: false, error: { code: 'BAD_REQUEST' } })
  const other = broker.load('other', bytes)
  await hosts[0]?.answer(1)
  t.true((await other).ok)
  t.deepEqual(hosts[0]?.said, ['load text', 'load other'])
})

test('the file of a plugin is read if it is a file, and not too large', async (t) => {
  const folder = temporary(t)
  const path = join(folder, 'a.wasm')
  writeFileSync(path, 'content')
  t.is(Buffer.from(await readPlugin(path)).toString(), 'content')
  truncateSync(path, MAX_MODULE)
  t.is((await readPlugin(path)).length, MAX_MODULE)
  // Far more than a Buffer can hold: that it is refused and not read shows in that it ends. It takes no room on the disk.
  truncateSync(path, process.platform === 'win32' ? MAX_MODULE + 1 : 2 ** 40)
  await t.throwsAsync(readPlugin(path), { code: 'BAD_REQUEST' })
  await t.throwsAsync(readPlugin(folder), { code: 'BAD_REQUEST' })
  await t.throwsAsync(readPlugin(join(folder, 'none')), { code: 'ENOENT' })
})

const testPipe = process.platform === 'win32' ? test.skip : test

testPipe('a pipe is no file of a plugin, and nobody waits for what comes through it', async (t) => {
  t.timeout(LIMIT)
  const path = join(temporary(t), 'pipe.wasm')
  execFileSync('mkfifo', [path])
  await t.throwsAsync(readPlugin(path), { code: 'BAD_REQUEST' })
  await t.throwsAsync(readPlugin('/dev/zero'), { code: 'BAD_REQUEST' })
})

/** As much of Electron as starts a process: what it is started with can be looked at. */
const ELECTRON = `
  export const app = { isPackaged: false }
  export const forks = []
  export const utilityProcess = { fork: (...args) => (forks.push(args), { on() {}, postMessage() {}, kill() {} }) }`

test.serial(
  'the host process gets little of the environment, and the path of an addon in development only',
  async (t) => {
    const folder = temporary(t)
    cpSync(join(app, 'electron', 'start-host.mjs'), join(folder, 'start-host.mjs'))
    const electron = join(folder, 'node_modules', 'electron')
    mkdirSync(electron, { recursive: true })
    writeFileSync(join(electron, 'package.json'), '{"type":"module","exports":{"./main":"./main.mjs"}}')
    writeFileSync(join(electron, 'main.mjs'), ELECTRON)
    const { startHost } = (await import(pathToFileURL(join(folder, 'start-host.mjs')).href)) as {
      startHost: () => object
    }
    const stub = (await import(pathToFileURL(join(electron, 'main.mjs')).href)) as {
      app: { isPackaged: boolean }
      forks: [string, string[], { env: Record<string, string> }][]
    }
    const before = process.env['NAPI_RS_NATIVE_LIBRARY_PATH']
    t.teardown(() => {
      delete process.env['SOME_TOKEN']
      delete process.env['NAPI_RS_NATIVE_LIBRARY_PATH']
      if (before !== undefined) process.env['NAPI_RS_NATIVE_LIBRARY_PATH'] = before
    })
    process.env['NAPI_RS_NATIVE_LIBRARY_PATH'] = '/some/addon.node'
    process.env['SOME_TOKEN'] = 'secret'
    for (const isPackaged of [false, true]) {
      stub.app.isPackaged = isPackaged
      startHost()
    }
    const [development, packaged] = stub.forks.map(([, , { env }]) => env)
    t.is(development?.['NAPI_RS_NATIVE_LIBRARY_PATH'], '/some/addon.node')
    t.false('NAPI_RS_NATIVE_LIBRARY_PATH' in (packaged ?? {}))
    for (const env of [development, packaged]) {
      t.is(env?.['PATH'], process.env['PATH'])
      t.false('SOME_TOKEN' in (env ?? {}))
    }
  },
)
