// The example plugin server, which is a starting point for others: each promise of its README is tried here.
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { Agent, request as httpRequest, createServer } from 'node:http'
import { type AddressInfo, type Socket, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import test from 'ava'

import { wat2wasm } from '../index.mjs'

import { until } from './support/async.ts'
import { type World, buildPlugins, slowToCompile, startWorld } from './support/plugin-service.ts'

test.before(buildPlugins)

/** Fuel that no test uses up. */
const NO_END = 2n ** 60n

/** A breaker that never opens. */
const PATIENT = { window: 1, minimum: 2, share: 1, openMs: 1000, maximumMs: 1000 }

async function errorOf({ client }: World, path: string, options?: object): Promise<[number, string]> {
  const { status, text } = await client.request(path, options)
  return [status, (JSON.parse(text) as { error: string }).error]
}

/** Nothing is left of any request. */
async function untilIdle({ client }: World): Promise<void> {
  await client.untilMetrics('plugin_requests_running 0')
  await client.untilMetrics('wasmtime_stores 0')
  await client.untilMetrics('wasmtime_memory_bytes 0')
}

test('a plugin sees the request, and what it says is the response', async (t) => {
  const world = await startWorld(t, { notes: 'notes' })
  const { client } = world
  t.is((await client.request('/notes/a', { method: 'PUT', body: 'grüße' })).text, 'kept\n')
  const answer = await client.request('/notes/a')
  t.is(answer.text, 'grüße\n')
  t.is(answer.headers.get('x-plugin-requests'), '1')
  t.regex(answer.headers.get('x-request-id') ?? '', /^[0-9a-f-]{36}$/)
  t.is((await client.request('/notes/b')).status, 404)
  t.is((await client.request('/notes')).status, 404)
  t.deepEqual(await errorOf(world, '/other/a'), [404, 'not_found'])
  t.deepEqual(await errorOf(world, '/notesa'), [404, 'not_found'])
  t.is((await client.request('/notes/a', { method: 'OPTIONS' })).status, 405)
  await untilIdle(world)
})

test('every instance is new: nothing is left of the request before', async (t) => {
  const { client } = await startWorld(t, { notes: 'notes' })
  for (let n = 0; n < 5; n++) t.is((await client.request('/notes/x')).headers.get('x-plugin-requests'), '1')
})

test('plugins ask the origins on the list only, and only so often', async (t) => {
  let hits = 0
  const site = createServer((request, response) => {
    hits++
    if (request.url === '/away') response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()
    else response.end(request.url === '/large' ? 'x'.repeat(5000) : 'from outside')
  })
  t.teardown(() => site.close())
  await once(site.listen(0, '127.0.0.1'), 'listening')
  const origin = `http://127.0.0.1:${(site.address() as AddressInfo).port}`
  const { client, lines } = await startWorld(t, { notes: 'notes' }, { origins: [origin], fetchBytes: 1000 })
  const from = async (url: string): Promise<number> =>
    (await client.request(`/notes/?from=${encodeURIComponent(url)}`)).status
  t.is((await client.request(`/notes/?from=${encodeURIComponent(origin)}`)).text, 'from outside\n')
  t.is(await from(`${origin}/large`), 502)
  t.is(await from(`${origin}/away`), 502)
  const before = hits
  t.is(await from('http://127.0.0.1:1/'), 502)
  t.is(await from(origin.replace('http://', 'http://user@')), 502)
  t.is(await from(`${origin}@elsewhere.example/`), 502)
  t.is(await from('file:///etc/passwd'), 502)
  t.is(await from('nonsense'), 502)
  t.true(hits - before <= 1, 'only the one with the user in it may have got there')
  t.true(lines.filter(({ message }) => message === 'fetch of a plugin').length >= 6)
})

test('what plugins keep has a quota, each its own', async (t) => {
  const world = await startWorld(t, { hostile: 'hostile', notes: 'notes' }, { storeBytes: 100_000 })
  t.regex((await world.client.request('/hostile/hoard')).text, /^kept 9\n/)
  t.is((await world.client.request('/notes/a', { method: 'PUT', body: 'x' })).status, 200)
  t.is((await world.client.request('/notes/b', { method: 'PUT', body: 'x'.repeat(100_000) })).status, 507)
  t.is((await world.client.request('/notes/a')).text, 'x\n')
})

test('a plugin that breaks the rules fails, with an outcome that says how', async (t) => {
  const world = await startWorld(t, { hostile: 'hostile' }, { breaker: PATIENT })
  const expected = {
    trap: [500, 'trap'],
    recurse: [500, 'trap'],
    read: [500, 'misuse'],
    write: [500, 'misuse'],
    part: [500, 'misuse'],
    status: [500, 'misuse'],
    header: [500, 'misuse'],
    smuggle: [500, 'misuse'],
    cookie: [500, 'misuse'],
    flood: [500, 'misuse'],
    grow: [500, 'memory'],
  } as const
  for (const [path, outcome] of Object.entries(expected)) {
    t.deepEqual(await errorOf(world, `/hostile/${path}`), [...outcome], path)
    t.is((await world.client.request('/hostile/nothing')).text, 'still here\n')
  }
  await untilIdle(world)
})

test('a plugin learns nothing about the server from its errors, and clients nothing about the plugin', async (t) => {
  const { client, lines } = await startWorld(t, { hostile: 'hostile' }, { breaker: PATIENT })
  const { text } = await client.request('/hostile/trap')
  t.notRegex(text, /handle|wasm|\.ts/)
  await until(() => lines.some(({ message }) => message === 'request'))
  const entry = lines.find(({ outcome }) => outcome === 'trap')
  t.is(entry?.level, 'warn')
  t.regex(String(entry?.['error']), /handle/)
  t.is(entry?.['request'], (JSON.parse(text) as { request: string }).request)
})

test('what a plugin logs is bounded, and cannot forge lines', async (t) => {
  const { client, lines } = await startWorld(t, { hostile: 'hostile' }, { logLines: 7 })
  t.is((await client.request('/hostile/log')).status, 200)
  const said = lines.filter(({ message }) => message === 'plugin says')
  t.is(said.length, 7)
  t.is(said[0]?.['text'], 'line 0\n{"level":"forged"}')
  t.false(lines.some(({ level }) => level === 'forged'))
})

test('memory ends at the limit, also where the module asks for it at once', async (t) => {
  const large = '(module (memory (export "memory") 1000) (func (export "handle")))'
  const world = await startWorld(t, { hostile: 'hostile', large }, { breaker: PATIENT, memoryBytes: 2 ** 20 })
  t.deepEqual(await errorOf(world, '/hostile/grow'), [500, 'memory'])
  t.deepEqual(await errorOf(world, '/large'), [404, 'not_found'])
  const failure = world.service.folder.describe().find(({ name }) => name === 'large')?.failure
  t.regex(failure?.error ?? '', /minimum byte size of 65536000 which exceeds the limit/)
  await untilIdle(world)
})

test('an endless loop ends at its deadline, and others are answered meanwhile', async (t) => {
  const world = await startWorld(t, { hostile: 'hostile', hello: 'hello' }, { fuel: NO_END, breaker: PATIENT })
  const controller = new AbortController()
  const endless = world.client.request('/hostile/spin', { signal: controller.signal })
  await world.client.untilMetrics('plugin_requests_running 1')
  for (let n = 0; n < 20; n++) t.is((await world.client.request('/hello')).text, 'hello\n')
  t.deepEqual(await errorOf(world, '/hostile/spin', { timeoutMs: 50 }), [504, 'deadline'])
  controller.abort()
  await t.throwsAsync(endless, { any: true })
  await untilIdle(world)
})

test('an endless loop ends when its fuel is used up', async (t) => {
  const world = await startWorld(t, { hostile: 'hostile' }, { fuel: 1_000_000n, breaker: PATIENT })
  t.deepEqual(await errorOf(world, '/hostile/spin'), [500, 'fuel'])
  await untilIdle(world)
})

test('a deadline holds while a plugin waits for a host function, too', async (t) => {
  const site = createServer(() => {})
  t.teardown(() => (site.closeAllConnections(), site.close()))
  await once(site.listen(0, '127.0.0.1'), 'listening')
  const origin = `http://127.0.0.1:${(site.address() as AddressInfo).port}`
  const world = await startWorld(t, { notes: 'notes' }, { origins: [origin] })
  const sockets: Socket[] = []
  site.on('connection', (socket) => sockets.push(socket))
  const path = `/notes/?from=${encodeURIComponent(origin)}`
  // On a busy machine the time may be over before the site was asked at all.
  for (let timeoutMs = 100; sockets.length === 0; timeoutMs *= 2) {
    t.deepEqual(await errorOf(world, path, { timeoutMs }), [504, 'deadline'])
  }
  // And what the host did for it has ended.
  await until(() => sockets.every(({ destroyed }) => destroyed))
  await untilIdle(world)
})

test('a plugin is stopped when its client leaves', async (t) => {
  const world = await startWorld(t, { hostile: 'hostile' }, { fuel: NO_END })
  const controller = new AbortController()
  const endless = world.client.request('/hostile/spin', { signal: controller.signal })
  await world.client.untilMetrics('plugin_requests_running 1')
  controller.abort()
  await t.throwsAsync(endless, { any: true })
  await world.client.untilMetrics('plugin_requests_total{plugin="hostile",outcome="client_gone"} 1')
  await untilIdle(world)
})

test('a client that leaves in the middle of its request leaves nothing behind', async (t) => {
  const world = await startWorld(t, { notes: 'notes' })
  const socket = connect(Number(new URL(world.service.url).port), '127.0.0.1')
  socket.write('PUT /notes/a HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nthe beginning')
  await once(socket, 'connect')
  await new Promise((resolve) => setTimeout(resolve, 20))
  socket.destroy()
  await world.client.untilMetrics('plugin_requests_total{plugin="notes",outcome="client_gone"} 1')
  t.is((await world.client.request('/notes/a')).status, 404)
  await untilIdle(world)
})

test('a client that is too slow is turned away, and takes no place meanwhile', async (t) => {
  const world = await startWorld(
    t,
    { notes: 'notes', hello: 'hello' },
    { bodyTimeoutMs: 1000, maxRunning: 1, maxWaiting: 0 },
  )
  const socket = connect(Number(new URL(world.service.url).port), '127.0.0.1')
  socket.write('PUT /notes/a HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nthe beginning')
  let received = ''
  socket.setEncoding('utf8').on('data', (text: string) => (received += text))
  const ended = once(socket, 'end')
  t.is((await world.client.request('/hello')).text, 'hello\n')
  await ended
  t.regex(received, /^HTTP\/1\.1 408 /)
  t.regex(received, /connection: close/i)
  await untilIdle(world)
})

test('a body that is too large is refused, and the client hears of it', async (t) => {
  const world = await startWorld(t, { notes: 'notes' }, { requestBytes: 1000 })
  const put = (size: number) => ({ method: 'PUT', body: 'x'.repeat(size) })
  t.is((await world.client.request('/notes/a', put(1000))).status, 200)
  t.deepEqual(await errorOf(world, '/notes/a', put(1001)), [413, 'too_large'])
  t.deepEqual(await errorOf(world, '/notes/a', put(1_000_000)), [413, 'too_large'])
})

test('requests wait for their turn, and beyond that they are turned away with a time to come again', async (t) => {
  const world = await startWorld(
    t,
    { hostile: 'hostile', hello: 'hello' },
    { fuel: NO_END, maxRunning: 1, maxWaiting: 2 },
  )
  const controller = new AbortController()
  const endless = world.client.request('/hostile/spin', { signal: controller.signal })
  await world.client.untilMetrics('plugin_requests_running 1')
  const leaving = new AbortController()
  const left = world.client.request('/hello', { signal: leaving.signal })
  await world.client.untilMetrics('plugin_requests_waiting 1')
  const waiting = world.client.request('/hello')
  await world.client.untilMetrics('plugin_requests_waiting 2')

  const refused = await world.client.request('/hello')
  t.is(refused.status, 503)
  t.is(refused.headers.get('retry-after'), '1')

  // One that leaves gives its place to another, which waits no longer than it may.
  leaving.abort()
  await t.throwsAsync(left, { any: true })
  await world.client.untilMetrics('plugin_requests_waiting 1')
  t.deepEqual(await errorOf(world, '/hello', { timeoutMs: 50 }), [503, 'overloaded'])
  await world.client.untilMetrics('plugin_requests_waiting 1')

  controller.abort()
  await t.throwsAsync(endless, { any: true })
  t.is((await waiting).text, 'hello\n')
  await untilIdle(world)
})

test('after repeated traps a plugin is left alone, longer each time, and a probe brings it back', async (t) => {
  const breaker = { window: 10, minimum: 4, share: 0.5, openMs: 300, maximumMs: 100_000 }
  const world = await startWorld(t, { hostile: 'hostile', hello: 'hello' }, { breaker })
  const { client } = world
  const start = performance.now()
  for (let n = 0; n < 4; n++) t.deepEqual(await errorOf(world, '/hostile/trap'), [500, 'trap'])
  t.true((await client.metrics()).includes('plugin_breaker_open{plugin="hostile"} 1'))
  t.is((await client.request('/hello')).status, 200, 'the others are well')

  // It waits until the server says no more than that the plugin is broken.
  const probe = async (path: string): Promise<number> => {
    for (;;) {
      const { status } = await client.request(path)
      if (status !== 503) return status
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  t.is(await probe('/hostile/trap'), 500)
  const { headers, status } = await client.request('/hostile/nothing')
  t.is(status, 503)
  t.is(headers.get('retry-after'), '1')
  t.is(await probe('/hostile/nothing'), 200)
  // A lower bound: 300 ms, then 600. Clocks of timers and of the breaker may differ by a little.
  t.true(performance.now() - start > 800)
  t.is((await client.request('/hostile/nothing')).status, 200)
  t.true((await client.metrics()).includes('plugin_breaker_open{plugin="hostile"} 0'))
})

test('a new version of a plugin comes into service while the old one still works', async (t) => {
  const world = await startWorld(t, { app: 'hostile' }, { fuel: NO_END })
  const { client, lines } = world
  const controller = new AbortController()
  const endless = client.request('/app/spin', { signal: controller.signal })
  await client.untilMetrics('plugin_requests_running 1')
  world.put('app', wat2wasm(saying('version 2')))
  await client.untilMetrics('plugin_reloads_total{plugin="app",result="ok"} 2')
  t.is((await client.request('/app')).text, 'version 2')
  t.false(lines.some(({ message }) => message === 'plugin is drained'))
  t.is(world.service.host.stats.compiledModules, 2)
  controller.abort()
  await t.throwsAsync(endless, { any: true })
  await until(() => lines.some(({ message }) => message === 'plugin is drained'))
  t.is(world.service.host.stats.compiledModules, 1)
})

test('a new version closes the circuit breaker', async (t) => {
  const breaker = { window: 10, minimum: 1, share: 0.1, openMs: 1e9, maximumMs: 1e9 }
  const world = await startWorld(t, { app: 'hostile' }, { breaker })
  t.deepEqual(await errorOf(world, '/app/trap'), [500, 'trap'])
  t.deepEqual(await errorOf(world, '/app/nothing'), [503, 'open'])
  world.put('app', wat2wasm(saying('mended')))
  await world.client.untilMetrics('plugin_reloads_total{plugin="app",result="ok"} 2')
  t.is((await world.client.request('/app')).text, 'mended')
})

/** What cannot be put into service, and a word of the reason. */
const broken: Readonly<Record<string, readonly [source: string, reason: RegExp]>> = {
  'no WebAssembly': ['nonsense', /CompileError/],
  'no handle': ['(module)', /no function "handle"/],
  'another handle': ['(module (func (export "handle") (param i32)))', /must take and return nothing/],
  'an import that nobody offers': ['(module (import "host" "exec" (func)) (func (export "handle")))', /LinkError/],
  'a start function that traps': ['(module (func $f unreachable) (start $f) (func (export "handle")))', /TrapError/],
  'a start function that asks for a request': [
    `(module (import "host" "response_status" (func $f (param i32)))
      (func $g (call $f (i32.const 200))) (start $g) (func (export "handle")))`,
    /there is no request yet/,
  ],
  'a start function without an end': [
    '(module (func $f (loop (br 0))) (start $f) (func (export "handle")))',
    /OutOfFuelError|InterruptedError/,
  ],
  'a table beyond the limit': [
    '(module (table 100000 funcref) (func (export "handle")))',
    /100000 which exceeds the limit/,
  ],
  'memory of 64 bits': ['(module (memory i64 1) (func (export "handle")))', /CompileError/],
}

const brokenVersions = test.macro(async (t, cached: boolean) => {
  const cache = cached && join(tmpdir(), `plugin-server-broken-${process.pid}`)
  if (cache !== false) t.teardown(() => rmSync(cache, { recursive: true }))
  const world = await startWorld(t, { app: saying('version 1') }, { fuel: 1_000_000n, cache })
  let failures = 0
  for (const [what, [source, reason]] of Object.entries(broken)) {
    world.put('app', source.startsWith('(') ? binary(source) : source)
    await world.client.untilMetrics(`plugin_reloads_total{plugin="app",result="failed"} ${++failures}`)
    const [app] = world.service.folder.describe()
    t.regex(app?.failure?.error ?? '', reason, what)
    t.is(app?.failure?.retryMs, undefined, what)
    t.is((await world.client.request('/app')).text, 'version 1', what)
  }
  t.is(world.lines.filter(({ message }) => message === 'plugin is not loaded').length, failures)
  t.is(world.service.host.stats.compiledModules, 1)
  // Back to what is in service: the failure is over.
  world.put('app', wat2wasm(saying('version 1')))
  await until(() => world.service.folder.describe()[0]?.failure === undefined)
  t.is((await world.client.request('/app')).text, 'version 1')
})

test('a broken version is reported, and the one before stays in service', brokenVersions, false)
test('so it is where another process compiles', brokenVersions, true)

test('plugins come and go with their files', async (t) => {
  const world = await startWorld(t, { one: saying('one') })
  world.put('two', wat2wasm(saying('two')))
  await world.client.untilMetrics('plugin_reloads_total{plugin="two",result="ok"} 1')
  t.is((await world.client.request('/two')).text, 'two')
  rmSync(join(world.folder, 'one.wasm'))
  await world.client.untilMetrics('plugin_reloads_total{plugin="one",result="removed"} 1')
  t.deepEqual(await errorOf(world, '/one'), [404, 'not_found'])
  // Names that are no part of a URL are left alone.
  world.put('No Plugin', wat2wasm(saying('never')))
  await world.service.folder.scan()
  t.deepEqual(
    world.service.folder.describe().map(({ name }) => name),
    ['two'],
  )
})

test('compiled code comes from the cache the second time', async (t) => {
  const cache = join(tmpdir(), `plugin-server-cache-${process.pid}`)
  t.teardown(() => rmSync(cache, { recursive: true }))
  const first = await startWorld(t, { hello: 'hello' }, { cache })
  // It was compiled in a process of its own, which has left it there.
  t.like(first.service.host.stats.cache, { hits: 1, misses: 0, written: 0 })
  await first.service.stop()
  const second = await startWorld(t, { hello: 'hello' }, { cache })
  t.true((await second.client.metrics()).includes('wasmtime_cache_total{result="hit"} 1'))
  t.is((await second.client.request('/hello')).text, 'hello\n')
})

test('a plugin that was made to compile for hours is refused, and the server goes on', async (t) => {
  const cache = join(tmpdir(), `plugin-server-slow-${process.pid}`)
  t.teardown(() => rmSync(cache, { recursive: true }))
  const world = await startWorld(t, { app: saying('version 1') }, { cache, compileTimeoutMs: 12_000 })
  world.put('app', slowToCompile())
  const failed = world.client.untilMetrics('plugin_reloads_total{plugin="app",result="failed"} 1')
  t.is((await world.client.request('/app')).text, 'version 1')
  await failed
  t.regex(world.service.folder.describe()[0]?.failure?.error ?? '', /compiling took more than 12000 ms/)
  t.is((await world.client.request('/app')).text, 'version 1')
  // What does not compile at all is told as it would be without that process.
  world.put('app', 'nonsense')
  await world.client.untilMetrics('plugin_reloads_total{plugin="app",result="failed"} 2')
  t.regex(world.service.folder.describe()[0]?.failure?.error ?? '', /CompileError: invalid magic number/)
})

test('shutting down: what is under way is answered, what does not end is stopped, the rest is refused', async (t) => {
  let release = (): void => {}
  const site = createServer((_, response) => void (release = () => void response.end('from outside')))
  t.teardown(() => site.close())
  await once(site.listen(0, '127.0.0.1'), 'listening')
  const origin = `http://127.0.0.1:${(site.address() as AddressInfo).port}`
  const world = await startWorld(
    t,
    { hostile: 'hostile', notes: 'notes' },
    { fuel: NO_END, graceMs: 3000, maxRunning: 2, origins: [origin] },
  )
  const { client, service } = world
  t.is((await client.admin('/healthz')).status, 200)
  t.is((await client.admin('/readyz')).status, 200)
  // Over a connection that is kept alive, so that the server has to end it.
  const slow = new Promise<string>((resolve, reject) => {
    const path = `/notes/?from=${encodeURIComponent(origin)}`
    httpRequest(`${service.url}${path}`, { agent: new Agent({ keepAlive: true }) }, (response) => {
      let text = `${response.statusCode} ${response.headers.connection} `
      response.setEncoding('utf8').on('data', (piece: string) => (text += piece))
      response.on('end', () => resolve(text))
    })
      .on('error', reject)
      .end()
  })
  const endless = errorOf(world, '/hostile/spin')
  await client.untilMetrics('plugin_requests_running 2')
  await client.untilMetrics('wasmtime_tasks{state="parked"} 1')
  const waiting = errorOf(world, '/hostile/spin')
  await client.untilMetrics('plugin_requests_waiting 1')
  const stopped = service.stop()
  t.is((await client.admin('/readyz')).status, 503)
  t.is((await client.admin('/healthz')).status, 200)
  await t.throwsAsync(client.request('/notes/a'))
  release()
  t.is(await slow, '200 close from outside\n')
  t.deepEqual(await endless, [503, 'shutdown'])
  t.deepEqual(await waiting, [503, 'shutdown'])
  const { stores, instances, memoryBytes, compiledModules } = await stopped
  t.deepEqual(
    { stores, instances, memoryBytes, compiledModules },
    { stores: 0, instances: 0, memoryBytes: 0, compiledModules: 0 },
  )
  t.is(world.lines.at(-1)?.message, 'service has ended')
})

test('the metrics are what Prometheus reads', async (t) => {
  const world = await startWorld(t, { hello: 'hello' })
  for (let n = 0; n < 3; n++) await world.client.request('/hello')
  await world.client.request('/no-such-plugin')
  const { text } = await world.client.admin('/metrics')
  const names = new Set<string>()
  for (const line of text.trimEnd().split('\n')) {
    if (line.startsWith('#')) {
      t.regex(line, /^# (HELP [a-z_]+ .+|TYPE [a-z_]+ (counter|gauge|histogram))$/)
      continue
    }
    const [, name = ''] = /^([a-z_]+)(?:\{(?:[a-z]+="[^"\\\n]*",?)*\})? -?[\d.e+-]+$/.exec(line) ?? []
    t.not(name, '', line)
    names.add(name)
  }
  t.true(names.has('plugin_request_seconds_bucket'))
  t.true(names.has('process_resident_memory_bytes'))
  const lines = text.split('\n')
  t.true(lines.includes('plugin_requests_total{plugin="hello",outcome="ok"} 3'))
  // What clients make up is no label.
  t.true(lines.includes('plugin_requests_total{plugin="",outcome="not_found"} 1'))
  t.true(lines.includes('plugin_request_seconds_count{plugin="hello"} 3'))
  t.true(lines.includes('plugin_request_seconds_bucket{plugin="hello",le="+Inf"} 3'))
  t.is((await world.client.admin('/other')).status, 404)
})

/** A plugin that says one thing. */
function saying(text: string): string {
  return `(module
    (import "host" "response_write" (func $write (param i32 i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "${text}")
    (func (export "handle") (call $write (i32.const 0) (i32.const ${text.length}))))`
}

/** Text to binary. */
function binary(source: string): Uint8Array {
  return wat2wasm(source)
}
