// Puts the parts together: a service is all of it, from start to end.

import { AdminServer } from './admin-server.mjs'
import { configure } from './config.mjs'
import { Log } from './log.mjs'
import { Metrics } from './metrics.mjs'
import { PluginFolder } from './plugin-folder.mjs'
import { PluginHost } from './plugin-host.mjs'
import { PluginServer } from './plugin-server.mjs'

/** @import { Config } from './config.mjs' */

/**
 * @param {Partial<Config> & { folder: string }} own
 * @param {(line: string) => void} [write] Where logs go; the standard output if it is left out.
 */
export async function startService(own, write) {
  const config = configure(own)
  const log = new Log(config.logLevel, write)
  const metrics = new Metrics()
  const host = new PluginHost(config)
  const folder = new PluginFolder(config, host, metrics, log)
  const parts = { host, folder, metrics, log }
  const server = new PluginServer(config, parts)
  const admin = new AdminServer(config, parts, server)
  await folder.open()
  const adminUrl = await admin.listen()
  const url = await server.listen()
  log.write('info', 'service has started', { url, adminUrl })
  return {
    url,
    adminUrl,
    host,
    folder,
    log,
    /** Serves what is under way, for as long as the configuration says, and ends. */
    async stop() {
      log.write('info', 'service shuts down')
      folder.stopLoading()
      await server.stop(config.graceMs)
      await folder.close()
      const { stores, tasks } = host.stats
      host.close()
      await admin.stop()
      log.write('info', 'service has ended', { stores, calls: tasks.pool + tasks.parked })
      return host.stats
    },
  }
}
