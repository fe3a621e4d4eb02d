// What plugins of the example server hand over to it, piece by piece: bodies, headers, what they keep.
import test, { type ExecutionContext } from 'ava'

import { configure } from '../examples/plugin-server/config.mjs'
import { Exchange } from '../examples/plugin-server/exchange.mjs'
import { Log } from '../examples/plugin-server/log.mjs'
import { PluginHost } from '../examples/plugin-server/plugin-host.mjs'
import { wat2wasm } from '../index.mjs'

/** Runs a plugin without a server around it. */
async function run(t: ExecutionContext, source: string, responseBytes = 2 ** 20): Promise<Exchange> {
  t.timeout(60_000)
  const config = configure({ folder: '', fuel: 2n ** 60n, responseBytes, maxRunning: 1 })
  const host = new PluginHost(config)
  t.teardown(() => host.close())
  const plugin = await host.load('app', wat2wasm(source))
  const scope = {
    signal: new AbortController().signal,
    deadline: performance.now() + 60_000,
    log: new Log('error', (line) => t.log(line)),
  }
  const request = { method: 'GET', url: '/', headers: {}, body: new Uint8Array() }
  const exchange = new Exchange('app', request, config, scope)
  await host.run(plugin, exchange)
  return exchange
}

const used = (): number => {
  for (let n = 0; n < 3; n++) globalThis.gc?.()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

test.serial('a response costs its size, not the number of its pieces, and nothing for empty ones', async (t) => {
  const writes = 400_000
  const before = used()
  const exchange = await run(
    t,
    `(module
      (import "host" "response_write" (func $write (param i32 i32)))
      (memory (export "memory") 1)
      (func (export "handle") (local $n i32)
        (loop
          (i32.store8 (i32.const 0) (local.get $n))
          (call $write (i32.const 0) (i32.const 0))
          (call $write (i32.const 0) (i32.const 1))
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (br_if 0 (i32.lt_u (local.get $n) (i32.const ${writes}))))))`,
  )
  const after = used()
  t.is(exchange.body.length, writes)
  t.true(
    exchange.body.every((byte, index) => byte === index % 256),
    'every piece is in its place',
  )
  // The body and the room that it grows into, and a generous rest.
  t.true(after - before < 20 * 2 ** 20, `${after - before} bytes`)
})

/** Writes pieces of some sizes, each of one letter. */
const writing = (...sizes: readonly number[]): string => `(module
  (import "host" "response_write" (func $write (param i32 i32)))
  (memory (export "memory") 1)
  (func (export "handle")
    ${sizes
      .map(
        (size, index) => `(memory.fill (i32.const 0) (i32.const ${97 + index}) (i32.const ${size}))
          (call $write (i32.const 0) (i32.const ${size}))`,
      )
      .join('\n')}))`

test('a response may be as long as the limit, and no byte longer', async (t) => {
  const sizes = [1, 0, 1500, 499, 1, 999]
  const { body } = await run(t, writing(...sizes), 3000)
  t.is(Buffer.from(body).toString(), sizes.map((size, index) => String.fromCharCode(97 + index).repeat(size)).join(''))
  await t.throwsAsync(run(t, writing(...sizes, 1), 3000), { message: /a response may have 3000 bytes/ })
  t.is((await run(t, writing(), 0)).body.length, 0)
})

/** Hands over more than there is in its memory, so that an attempt to copy it shows: that would be another failure. */
const tooLong = (name: string, parameters: string, call: string): string => `(module
  (import "host" "${name}" (func $call ${parameters}))
  (import "host" "response_status" (func $status (param i32)))
  (memory (export "memory") 1)
  (func (export "handle") ${call}))`

test('what is too long is refused before it is copied', async (t) => {
  const four = '(param i32 i32 i32 i32)'
  const header = (sizes: readonly [number, number]): string =>
    tooLong(
      'response_header',
      four,
      `(call $call (i32.const 0) (i32.const ${sizes[0]}) (i32.const 0) (i32.const ${sizes[1]}))`,
    )
  for (const sizes of [
    [5, -1],
    [-1, 5],
    [-1, -1],
    [4000, 97],
  ] as const) {
    await t.throwsAsync(run(t, header(sizes)), { message: /a header may have 4096 bytes/ }, `${sizes}`)
  }
  const write = tooLong('response_write', '(param i32 i32)', '(call $call (i32.const 0) (i32.const -1))')
  await t.throwsAsync(run(t, write), { message: /a response may have/ })
  const fetch = tooLong('fetch', '(param i32 i32) (result i32)', '(drop (call $call (i32.const 0) (i32.const -1)))')
  await t.throwsAsync(run(t, fetch), { message: /a URL may have 8192 bytes/ })
  const set = (length: number): string =>
    tooLong(
      'kv_set',
      `${four} (result i32)`,
      `(call $status (i32.add (i32.const 200)
        (call $call (i32.const 0) (i32.const 1) (i32.const 0) (i32.const ${length}))))`,
    )
  t.is((await run(t, set(-1))).status, 200)
  t.is((await run(t, set(100))).status, 201)
})
