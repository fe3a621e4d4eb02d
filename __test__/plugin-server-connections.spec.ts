// Connections to the example plugin server that clients hold for longer than they should.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, type Socket, connect } from 'node:net'

import test, { type ExecutionContext } from 'ava'

import { type World, startWorld } from './support/plugin-service.ts'

/** Long before Node.js would do anything by itself. */
const BOUND = 20_000

/** A connection, closed at the end of the test. */
async function dial(t: ExecutionContext, { service }: World): Promise<Socket> {
  const socket = connect(Number(new URL(service.url).port), '127.0.0.1')
  // A reset is one way in which the server may close it.
  socket.on('error', () => {})
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

const HALF = 'GET /app HTTP/1.1\r\nhost: a\r\nx-half'

/** A plugin that asks a URL first, and answers with so many bytes then. */
const long = (url: string, size: number): string => `(module
  (import "host" "response_write" (func $write (param i32 i32)))
  (import "host" "fetch" (func $fetch (param i32 i32) (result i32)))
  (memory (export "memory") ${Math.ceil(size / 65536)})
  (data (i32.const 0) "${url}")
  (func (export "handle")
    (drop (call $fetch (i32.const 0) (i32.const ${url.length})))
    (call $write (i32.const 0) (i32.const ${size}))))`

test('the server ends though a client has sent half a header', async (t) => {
  const world = await startWorld(t, {}, { graceMs: 50 })
  t.timeout(BOUND)
  const socket = await dial(t, world)
  const closed = once(socket, 'close')
  socket.resume().write(HALF)
  await new Promise((resolve) => setTimeout(resolve, 50))
  await world.service.stop()
  await closed
  t.is(world.lines.at(-1)?.message, 'service has ended')
})

test('the server ends though a client does not read its answer', async (t) => {
  let release = (): void => {}
  const site = createServer((_, response) => void (release = () => void response.end()))
  t.teardown(() => site.close())
  await once(site.listen(0, '127.0.0.1'), 'listening')
  const origin = `http://127.0.0.1:${(site.address() as AddressInfo).port}`
  // More than the buffers of the system take.
  const size = 15 * 2 ** 20
  const world = await startWorld(
    t,
    { app: long(`${origin}/`, size) },
    { graceMs: 500, responseBytes: size, origins: [origin] },
  )
  t.timeout(BOUND)
  const socket = await dial(t, world)
  socket.write('GET /app HTTP/1.1\r\nhost: a\r\n\r\n')
  await world.client.untilMetrics('wasmtime_tasks{state="parked"} 1')
  const stopped = world.service.stop()
  release()
  await stopped
  t.is(world.lines.at(-1)?.message, 'service has ended')
})

test('a client that does not send its header in time is turned away', async (t) => {
  const world = await startWorld(t, {}, { bodyTimeoutMs: 200 })
  t.timeout(BOUND)
  const socket = await dial(t, world)
  let received = ''
  socket.setEncoding('utf8').on('data', (text: string) => (received += text))
  socket.write(HALF)
  await once(socket, 'close')
  t.regex(received, /^HTTP\/1\.1 408 /)
})

test('there are no more connections than may be', async (t) => {
  const world = await startWorld(t, {}, { maxConnections: 2, bodyTimeoutMs: 60_000 })
  t.timeout(BOUND)
  const sockets = [await dial(t, world), await dial(t, world)]
  const third = await dial(t, world)
  // It may have been closed before anybody listens.
  if (!third.resume().closed) await once(third, 'close')
  t.true(sockets.every(({ readyState }) => readyState === 'open'))
  // One that leaves makes room.
  sockets[0]?.destroy()
  const asked = async (): Promise<number> => (await world.client.request('/app').catch(() => ({ status: 0 }))).status
  let status = 0
  while (status === 0) status = await asked()
  t.is(status, 404)
})

test('what is for operators is on this machine only, whoever the plugins are for', async (t) => {
  const world = await startWorld(t, {}, { address: '0.0.0.0' })
  t.is(new URL(world.service.url).hostname, '0.0.0.0')
  t.is(new URL(world.service.adminUrl).hostname, '127.0.0.1')
  t.is((await world.client.admin('/healthz')).status, 200)
  const other = await startWorld(t, {}, { adminAddress: '0.0.0.0' })
  t.is(new URL(other.service.url).hostname, '127.0.0.1')
  t.is(new URL(other.service.adminUrl).hostname, '0.0.0.0')
})
