/**
 * The server of the load test, in a process of its own: the example plugin server, or a bare server of Node's own to
 * compare with. Told `measure`, it says what it has used; told `stop`, it ends.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { startService } from '../../examples/plugin-server/service.mjs'

/** What the plugin `hello` answers. */
const TEXT = 'hello\n'

async function startBare() {
  const server = createServer((request, response) => {
    request.resume()
    response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8', 'content-length': TEXT.length }).end(TEXT)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    stats: () => undefined,
    stop: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

async function startPlugins(folder) {
  const service = await startService({
    folder,
    port: 0,
    adminPort: 0,
    logLevel: 'error',
    maxWaiting: 10_000,
    timeoutMs: 60_000,
  })
  return { url: service.url, stats: () => service.host.stats, stop: service.stop }
}

/** Asks V8 to free what it can, and lets what waits for that go on. */
async function settle() {
  for (let turn = 0; turn < 4; turn++) {
    globalThis.gc()
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

const [kind, folder] = process.argv.slice(2)
const server = kind === 'bare' ? await startBare() : await startPlugins(folder)
process.on('message', async (message) => {
  if (message === 'measure') {
    await settle()
    const { user, system } = process.cpuUsage()
    const { rss, heapUsed, external } = process.memoryUsage()
    process.send({ cpuMs: (user + system) / 1000, rss, heapUsed, external, stats: server.stats() })
  } else {
    await server.stop()
    process.disconnect()
  }
})
process.send({ url: server.url })
