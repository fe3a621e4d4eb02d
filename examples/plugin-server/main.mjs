// A server whose answers come from plugins.
//
//   node examples/plugin-server/main.mjs                  plays server and clients, and ends
//   node examples/plugin-server/main.mjs --serve [port]   serves until Ctrl+C or SIGTERM; SIGHUP looks at the folder
//
// The environment variables PLUGINS (folder), CACHE (directory), ADMIN_PORT, ORIGINS (separated by commas) and LOG_LEVEL
// are for --serve.

import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { levels } from './log.mjs'
import { play } from './play.mjs'
import { startService } from './service.mjs'

/** What the set-up has compiled. */
const built = fileURLToPath(new URL('build', import.meta.url))

const [mode, port = '8080'] = process.argv.slice(2)
if (mode === '--serve') await serve(Number(port))
else await playInTemporaryFolder()

/** @param {number} port */
async function serve(port) {
  const { PLUGINS = built, CACHE, ADMIN_PORT = '9090', ORIGINS = '', LOG_LEVEL } = process.env
  const service = await startService({
    folder: PLUGINS,
    cache: CACHE ?? false,
    port,
    adminPort: Number(ADMIN_PORT),
    origins: ORIGINS.split(',').filter((origin) => origin !== ''),
    logLevel: levels.find((level) => level === LOG_LEVEL) ?? 'info',
  })
  const stop = () => void service.stop()
  // Once: whoever presses Ctrl+C twice means it.
  process.once('SIGINT', stop).once('SIGTERM', stop)
  // Where a file system does not tell of changes, as in some containers.
  process.on('SIGHUP', () => void service.folder.scan())
}

async function playInTemporaryFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'plugin-server-'))
  try {
    cpSync(built, join(folder, 'plugins'), { recursive: true })
    await play(join(folder, 'plugins'), join(folder, 'cache'))
  } finally {
    rmSync(folder, { recursive: true })
  }
}
