// The HTTP side: which plugin function a request is for, what its errors mean to the client, and how it all ends.

import { once } from 'node:events'
import { createServer } from 'node:http'
import { addAbortSignal } from 'node:stream'

// In a project of your own: import { ... } from 'node-wasmtime'
import { InterruptedError, LimitError, TrapError } from '../../index.mjs'
import { Metrics } from './metrics.mjs'

/** @import { IncomingMessage, ServerResponse } from 'node:http' */
/** @import { AddressInfo } from 'node:net' */
/** @import { PluginHost } from './plugin-host.mjs' */

/** Bytes of a request's body. */
const MAX_BODY = 64 * 1024

/** Requests that plugins may work for at once. With the limit for each, it bounds the memory of all of them. */
const MAX_RUNNING = 200

/** Why a request is stopped, with the status that it gets. */
class StopError extends Error {
  /**
   * @param {number} status
   * @param {string} message
   */
  constructor(status, message) {
    super(message)
    this.status = status
  }
}

export class PluginServer {
  #host
  #timeoutMs
  #metrics = new Metrics()
  #stopping = false
  /** What stops each request that a plugin works for. @type {Set<AbortController>} */
  #running = new Set()
  #server = createServer((request, response) => void this.#serve(request, response))

  /**
   * @param {PluginHost} host
   * @param {number} timeoutMs Milliseconds that a plugin has for a request. A client may ask for less.
   */
  constructor(host, timeoutMs) {
    this.#host = host
    this.#timeoutMs = timeoutMs
  }

  /** @param {number} port 0 for any that is free. */
  async listen(port) {
    await once(this.#server.listen(port, '127.0.0.1'), 'listening')
    return `http://127.0.0.1:${/** @type {AddressInfo} */ (this.#server.address()).port}`
  }

  /**
   * Takes no more connections, and ends when the last request has its answer.
   *
   * @param {number} graceMs What is not done after so many milliseconds is stopped.
   */
  async stop(graceMs) {
    this.#stopping = true
    const closed = once(this.#server, 'close')
    this.#server.close()
    const timer = setTimeout(() => {
      for (const controller of this.#running) controller.abort(new StopError(503, 'the server shuts down'))
    }, graceMs)
    await closed
    clearTimeout(timer)
  }

  /**
   * @param {IncomingMessage} request
   * @param {ServerResponse} response
   */
  async #serve(request, response) {
    const route = request.url?.slice(1) ?? ''
    if (request.method === 'GET' && route === 'metrics') {
      this.#answer(response, 200, this.#metrics.render(this.#running.size, this.#host.stats))
      return
    }
    const known = request.method === 'POST' && this.#host.routes.has(route)
    let status = 200
    /** @type {Uint8Array | string} */
    let answer
    try {
      if (!known) throw new StopError(404, 'there is no such route')
      answer = await this.#run(route, request, response)
    } catch (error) {
      const explained = explain(error)
      status = explained.status
      answer = JSON.stringify(explained.body)
    }
    this.#metrics.finished(known ? route : '', status)
    this.#answer(response, status, answer)
  }

  /**
   * @param {ServerResponse} response If its client is gone, nothing happens.
   * @param {number} status
   * @param {Uint8Array | string} body
   */
  #answer(response, status, body) {
    // Kept alive, the connection would keep the server from closing.
    if (this.#stopping) response.setHeader('connection', 'close')
    response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(body)
  }

  /**
   * @param {string} route
   * @param {IncomingMessage} request
   * @param {ServerResponse} response
   */
  async #run(route, request, response) {
    if (this.#running.size >= MAX_RUNNING) throw new StopError(503, 'too many requests')
    const controller = new AbortController()
    // 499 is what nginx calls it; nobody gets it but the metrics.
    response.on('close', () => controller.abort(new StopError(499, 'the client is gone')))
    this.#running.add(controller)
    try {
      const body = await bodyOf(addAbortSignal(controller.signal, request))
      const user = String(request.headers['x-user'] ?? '')
      return await this.#host.run(route, body, { user, signal: controller.signal }, this.#timeoutOf(request))
    } finally {
      this.#running.delete(controller)
      // After the deadline, ends what host functions still do for the request.
      controller.abort()
    }
  }

  /** @param {IncomingMessage} request */
  #timeoutOf(request) {
    const asked = Number(request.headers['x-timeout-ms'])
    return asked > 0 ? Math.min(asked, this.#timeoutMs) : this.#timeoutMs
  }
}

/**
 * What an error means to the client. What a plugin says in its messages and its stack is not for everyone.
 *
 * @param {unknown} error
 * @returns {{ status: number, body: { error: string, trapCode?: string } }}
 */
function explain(error) {
  if (error instanceof StopError) return { status: error.status, body: { error: error.message } }
  if (error instanceof TrapError) return { status: 500, body: { error: 'the plugin failed', trapCode: error.trapCode } }
  if (error instanceof InterruptedError) return { status: 504, body: { error: 'the plugin took too long' } }
  if (error instanceof LimitError) return { status: 503, body: { error: 'no memory is left for the plugin' } }
  return { status: 500, body: { error: 'internal error' } }
}

/** @param {AsyncIterable<Buffer>} request */
async function bodyOf(request) {
  /** @type {Buffer[]} */
  const chunks = []
  let size = 0
  try {
    for await (const chunk of request) {
      size += chunk.length
      // What is too long is read to its end all the same: before that, many clients do not listen.
      if (size <= MAX_BODY) chunks.push(chunk)
    }
  } catch {
    // Or the server has shut down before the client had sent all.
    throw new StopError(499, 'the client is gone')
  }
  if (size > MAX_BODY) throw new StopError(413, `more than ${MAX_BODY} bytes`)
  return Buffer.concat(chunks)
}
