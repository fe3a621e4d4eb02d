// What operators and their tools ask, on a port that is not for the public: metrics, health, readiness, plugins.

import { once } from 'node:events'
import { createServer } from 'node:http'

/** @import { ServerResponse } from 'node:http' */
/** @import { AddressInfo } from 'node:net' */
/** @import { Config } from './config.mjs' */
/** @import { Parts, PluginServer } from './plugin-server.mjs' */

export class AdminServer {
  #config
  #parts
  #main
  #server = createServer((request, response) => this.#serve(request.url ?? '', response))

  /**
   * @param {Config} config
   * @param {Parts} parts
   * @param {PluginServer} main
   */
  constructor(config, parts, main) {
    this.#config = config
    this.#parts = parts
    this.#main = main
  }

  async listen() {
    const { adminPort, adminAddress } = this.#config
    await once(this.#server.listen(adminPort, adminAddress), 'listening')
    return `http://${adminAddress}:${/** @type {AddressInfo} */ (this.#server.address()).port}`
  }

  async stop() {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }

  /**
   * @param {string} url
   * @param {ServerResponse} response
   */
  #serve(url, response) {
    switch (url) {
      case '/metrics':
        return send(response, 200, 'text/plain; version=0.0.4', this.#metrics())
      case '/healthz':
        // That it answers is all that it says: the event loop turns.
        return send(response, 200, 'text/plain', 'ok\n')
      case '/readyz': {
        // While it shuts down a load balancer is to send nothing more, though what is under way is still served.
        const ready = !this.#main.stopping
        return send(response, ready ? 200 : 503, 'text/plain', ready ? 'ready\n' : 'shutting down\n')
      }
      case '/plugins':
        return send(response, 200, 'application/json', JSON.stringify(this.#parts.folder.describe()))
      default:
        return send(response, 404, 'text/plain', 'not found\n')
    }
  }

  #metrics() {
    const { host, folder, metrics } = this.#parts
    const { running, waiting } = this.#main
    return metrics.render({
      running,
      waiting,
      stats: host.stats,
      storedBytes: host.storedBytes,
      plugins: folder.describe(),
    })
  }
}

/**
 * @param {ServerResponse} response
 * @param {number} status
 * @param {string} type
 * @param {string} body
 */
function send(response, status, type, body) {
  response.writeHead(status, { 'content-type': type }).end(body)
}
