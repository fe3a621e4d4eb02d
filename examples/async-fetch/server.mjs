// A server that answers when it is told to, so that the example does not depend on how fast the machine is.

import { once } from 'node:events'
import { createServer } from 'node:http'

/** @import { ServerResponse } from 'node:http' */
/** @import { AddressInfo } from 'node:net' */

/**
 * `/words/3` is a text of three words, `/never` has no answer, and all else is not there.
 */
export class TextServer {
  /** Who has asked, for each path. @type {Map<string, string>} */
  callers = new Map()
  /** Paths whose clients hung up before there was an answer. @type {string[]} */
  hungUp = []

  #server = createServer((request, response) => {
    const path = request.url ?? ''
    this.callers.set(path, String(request.headers['x-caller']))
    response.on('close', () => {
      this.#open.delete(response)
      if (!response.writableEnded) this.hungUp.push(path)
      this.#server.emit('change')
    })
    this.#open.add(response)
    if (this.#answers) this.#answer(response, path)
    this.#server.emit('change')
  })
  /** Requests without an answer. @type {Set<ServerResponse>} */
  #open = new Set()
  #answers = false

  async listen() {
    await once(this.#server.listen(0, '127.0.0.1'), 'listening')
  }

  /** @param {string} path */
  url(path) {
    const { port } = /** @type {AddressInfo} */ (this.#server.address())
    return `http://127.0.0.1:${port}${path}`
  }

  get open() {
    return this.#open.size
  }

  /** Continues when something is so. @param {() => boolean} condition */
  async until(condition) {
    while (!condition()) await once(this.#server, 'change')
  }

  /** Answers from now on, also what has been asked already. */
  answer() {
    this.#answers = true
    for (const response of this.#open) this.#answer(response, response.req.url ?? '')
  }

  /**
   * @param {ServerResponse} response
   * @param {string} path
   */
  #answer(response, path) {
    if (path === '/never') return
    const [, kind, count] = path.split('/')
    if (kind === 'words') response.end('word '.repeat(Number(count)))
    else response.writeHead(404).end()
  }

  close() {
    this.#server.close()
    // Node's fetch keeps its connections open for later.
    this.#server.closeAllConnections()
  }
}
