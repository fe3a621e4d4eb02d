// Plays the clients, and tells what comes.

import { Client } from './client.mjs'
import { RefusedError } from './plugin-host.mjs'

/** @import { Database } from './database.mjs' */
/** @import { PluginHost } from './plugin-host.mjs' */

/** Modules that are not taken as plugins, in WebAssembly's text format. */
const refused = [
  '(module (memory (export "memory") 1) (func (export "alloc")))',
  '(module (memory (export "memory") 1 1000) (func (export "alloc")))',
  '(module (memory 1 16) (func (export "alloc")))',
  '(module (import "host" "memory" (memory 1 16)) (func (export "alloc")))',
]

/**
 * The server's side.
 *
 * @typedef {object} Backstage
 * @property {PluginHost} host
 * @property {Database} database
 * @property {() => Promise<void>} stop Shuts the server down.
 */

/**
 * @param {string} url
 * @param {Backstage} backstage
 */
export async function play(url, { host, database, stop }) {
  console.log('1. A plugin whose memory is not bounded is refused')
  for (const source of refused) {
    const error = await host.load(source).catch((/** @type {unknown} */ error) => error)
    console.log(`   ${error instanceof RefusedError ? error.message : `taken, or failed otherwise: ${error}`}`)
  }

  const client = new Client(url)
  await routes(client)
  await manyAtOnce(client)
  await metrics(client)
  await shutDown(client, database, stop)
  const { stores, memoryBytes, tasks } = host.stats
  console.log(`left: ${stores} stores, ${memoryBytes} bytes, ${tasks.pool + tasks.parked} calls`)
}

/** @param {Client} client */
async function routes(client) {
  console.log('2. One request after the other')
  /** @type {(route: string, text: string) => Promise<void>} */
  const show = async (route, text) => console.log(`   ${route} "${text}": ${await client.post(route, text)}`)
  await show('echo', 'grüße')
  await show('upper', 'grüße')
  await show('greet', 'Good morning')
  await show('count', 'first')
  await show('count', 'second: a new instance')
  await show('divide', 'five!')
  await show('divide', '')
  await show('alloc', 'not a route')
  console.log(`   spin, within 100 ms: ${await client.post('spin', '', { timeoutMs: 100 })}`)
  console.log(`   echo with 100,000 letters: ${await client.post('echo', 'x'.repeat(100_000))}`)
}

/** @param {Client} client */
async function manyAtOnce(client) {
  console.log('3. A plugin loops without an end, and 100 other requests come at once')
  const controller = new AbortController()
  const endless = client.post('spin', '', { signal: controller.signal }).catch(() => 'no answer')
  await client.untilMetrics('plugin_requests_running 1')
  const users = Array.from({ length: 100 }, (_, index) => `user${index}`)
  const answers = await Promise.all(users.map((user) => client.post('greet', 'Hello', { user })))
  const right = answers.filter((answer, index) => answer === `200 Hello, User${index}`)
  console.log(`   answers with the name of the right user: ${right.length}`)

  controller.abort()
  console.log(`   the client of the one that loops leaves: ${await endless}`)
  await client.untilMetrics('wasmtime_stores 0')
  console.log('   and the server has stopped the plugin')
}

/** @param {Client} client */
async function metrics(client) {
  console.log('4. What the server has counted')
  for (const line of await client.metrics()) {
    if (line.startsWith('plugin_') || line.startsWith('wasmtime_')) console.log(`   ${line}`)
  }
}

/**
 * @param {Client} client
 * @param {Database} database
 * @param {() => Promise<void>} stop
 */
async function shutDown(client, database, stop) {
  console.log('5. The server shuts down while it works for two requests')
  const unlock = database.lock()
  const slow = client.post('greet', 'Goodbye')
  const endless = client.post('spin', '')
  await client.untilMetrics('plugin_requests_running 2')
  const stopped = stop()
  const late = client.post('echo', 'too late').catch(() => 'refused')
  unlock()
  console.log(`   the one that waits for the database: ${await slow}`)
  console.log(`   the one that loops: ${await endless}`)
  console.log(`   one that comes later: ${await late}`)
  await stopped
}
