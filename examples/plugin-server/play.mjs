// Plays the clients, and tells what comes.

import { copyFileSync, renameSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { join } from 'node:path'
import { Client } from './client.mjs'
import { startService } from './service.mjs'

/** @import { AddressInfo } from 'node:net' */

/**
 * @param {string} folder Of plugins, which may be changed.
 * @param {string} cache A directory for compiled code.
 */
export async function play(folder, cache) {
  let release = () => {}
  const site = createServer(({ url }, response) => {
    if (url === '/') response.end('news from outside')
    else release = () => response.end('late news')
  })
  await once(site.listen(0, '127.0.0.1'), 'listening')
  const origin = `http://127.0.0.1:${/** @type {AddressInfo} */ (site.address()).port}`
  const service = await startService(
    {
      folder,
      cache,
      port: 0,
      adminPort: 0,
      origins: [origin],
      debounceMs: 20,
      timeoutMs: 3e4,
      graceMs: 1e3,
      fuel: 2n ** 60n,
      breaker: {
        window: 10,
        minimum: 3,
        share: 0.5,
        openMs: 100,
        maximumMs: 1e3,
      },
    },
    () => {},
  )
  const client = new Client(service)
  try {
    await ordinary(client, origin)
    await hostile(client)
    await backOff(client)
    await reload(client, folder)
    await manyAtOnce(client)
    await metrics(client)
    await shutDown(client, origin, () => release(), service.stop)
  } finally {
    site.close()
  }
}

/**
 * @param {Client} client
 * @param {string} path
 * @param {Parameters<Client['request']>[1]} [options]
 */
async function show(client, path, options) {
  const { status, text } = await client.request(path, options)
  // The id of the request is another one each time.
  console.log(`   ${options?.method ?? 'GET'} ${path}: ${status} ${text.trim().replace(/,"request":"[^"]*"/, '')}`)
}

/**
 * @param {Client} client
 * @param {string} origin
 */
async function ordinary(client, origin) {
  console.log('1. Plugins at work')
  await show(client, '/hello')
  await show(client, '/primes/1000')
  await show(client, '/notes/milk', { method: 'PUT', body: 'two bottles' })
  await show(client, '/notes/milk')
  await show(client, '/notes/bread')
  const { text } = await client.request(`/notes/?from=${encodeURIComponent(origin)}`)
  console.log(`   a note from an origin on the list: ${text.trim()}`)
  await show(client, '/notes/?from=https%3A%2F%2Felsewhere.example')
  await show(client, '/nobody')
}

/** @param {Client} client */
async function hostile(client) {
  console.log('2. A plugin that behaves badly')
  for (const path of ['trap', 'grow', 'recurse', 'read', 'header']) {
    await show(client, `/hostile/${path}`)
    // So that its circuit breaker stays closed.
    for (let n = 0; n < 5; n++) await client.request('/hostile/nothing')
  }
  await show(client, '/hostile/spin', { timeoutMs: 100 })
}

/** @param {Client} client */
async function backOff(client) {
  console.log('3. A plugin that traps again and again is left alone for a while')
  let traps = 0
  let answer = await client.request('/hostile/trap')
  for (; answer.status === 500; traps++) answer = await client.request('/hostile/trap')
  console.log(`   after some more traps: ${traps > 0}, ${answer.status} ${JSON.parse(answer.text).message}`)
  await client.untilMetrics('plugin_breaker_open{plugin="hostile"} 1')
  while (answer.status === 503) {
    await new Promise((resolve) => setTimeout(resolve, 10))
    answer = await client.request('/hostile/nothing')
  }
  console.log(`   later one is let through, and it is well: ${answer.status}`)
  await show(client, '/hostile/nothing')
}

/**
 * @param {Client} client
 * @param {string} folder
 */
async function reload(client, folder) {
  console.log('4. The files change while the server runs')
  const file = join(folder, 'hello.wasm')
  const other = join(folder, 'other')
  copyFileSync(join(folder, 'notes.wasm'), other)
  renameSync(other, file)
  await client.untilMetrics('plugin_reloads_total{plugin="hello",result="ok"} 2')
  await show(client, '/hello')
  writeFileSync(file, 'this is no WebAssembly')
  await client.untilMetrics('plugin_reloads_total{plugin="hello",result="failed"} 1')
  await show(client, '/hello')
  const plugins = JSON.parse((await client.admin('/plugins')).text)
  for (const { name, failure } of plugins) if (failure) console.log(`   not loaded: ${name}: ${failure.error}`)
}

/** @param {Client} client */
async function manyAtOnce(client) {
  console.log('5. A plugin loops without an end, and 100 other requests come at once')
  const controller = new AbortController()
  const endless = client.request('/hostile/spin', { signal: controller.signal }).catch(() => 'no answer')
  await client.untilMetrics('plugin_requests_running 1')
  const answers = await Promise.all(Array.from({ length: 100 }, () => client.request('/primes/100')))
  console.log(`   right answers: ${answers.filter(({ status, text }) => status === 200 && text === '25\n').length}`)
  controller.abort()
  console.log(`   the client of the one that loops leaves: ${await endless}`)
  await client.untilMetrics('wasmtime_instances 0')
  console.log('   and the server has stopped the plugin')
}

/** @param {Client} client */
async function metrics(client) {
  console.log('6. What the server has counted')
  for (const line of await client.metrics()) {
    if (/^(plugin_requests|plugin_reloads|wasmtime_(instances|stores|memory|tasks|cache))/.test(line)) {
      console.log(`   ${line}`)
    }
  }
}

/**
 * @param {Client} client
 * @param {string} origin
 * @param {() => void} release Has the site answer.
 * @param {() => Promise<{ stores: number, memoryBytes: number }>} stop
 */
async function shutDown(client, origin, release, stop) {
  console.log('7. The server shuts down while it works for two requests')
  const slow = client.request(`/notes/?from=${encodeURIComponent(`${origin}/slow`)}`)
  const endless = client.request('/hostile/spin')
  await client.untilMetrics('wasmtime_tasks{state="parked"} 1')
  await client.untilMetrics('plugin_requests_running 2')
  const stopped = stop()
  const late = client.request('/hello').catch(() => ({ status: 'refused' }))
  console.log(`   ready for more: ${(await client.admin('/readyz')).status}`)
  release()
  console.log(`   the one that waits: ${(await slow).status} ${(await slow).text.trim()}`)
  console.log(`   the one that loops: ${(await endless).status}`)
  console.log(`   one that comes later: ${(await late).status}`)
  const { stores, memoryBytes } = await stopped
  console.log(`left: ${stores} stores, ${memoryBytes} bytes`)
}
