// A server whose answers come from a plugin.
//
//   node examples/plugin-server/main.mjs                  plays server and clients, and ends
//   node examples/plugin-server/main.mjs --serve [port]   serves until Ctrl+C

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Database } from './database.mjs'
import { play } from './play.mjs'
import { PluginHost } from './plugin-host.mjs'
import { PluginServer } from './plugin-server.mjs'

/** Milliseconds that a plugin has for a request. */
const TIMEOUT = 30_000

/** Milliseconds that requests have left when the server is to end. */
const GRACE = 1000

const [mode, port = '8080'] = process.argv.slice(2)

const database = new Database()
const host = new PluginHost(database)
try {
  await host.load(readFileSync(new URL('build/app.wasm', import.meta.url)))
  const server = new PluginServer(host, TIMEOUT)
  if (mode === '--serve') {
    console.log(`${await server.listen(Number(port))}: POST ${[...host.routes].join(', ')}; GET metrics`)
    await once(process, 'SIGINT')
    console.log('shutting down')
    await server.stop(GRACE)
  } else {
    await play(await server.listen(0), { host, database, stop: () => server.stop(GRACE) })
  }
} finally {
  host.close()
}
