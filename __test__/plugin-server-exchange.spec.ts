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
