// The HTTP side: which plugin a request is for, its turn, its answer, clients that leave, and how it all ends.

import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { Exchange } from './exchange.mjs'
import { answered, outcomeOf, StopError } from './outcome.mjs'
import { clientGone, readBody } from './request-body.mjs'
import { QueueFullError, RequestQueue, WaitedTooLongError } from './request-queue.mjs'

/** @import { IncomingMessage, ServerResponse } from 'node:http' */
/** @import { AddressInfo } from 'node:net' */
/** @import { Config } from './config.mjs' */
/** @import { Log } from './log.mjs' */
/** @import { Metrics } from './metrics.mjs' */
/** @import { Outcome } from './outcome.mjs' */
/** @import { Pass } from './circuit-breaker.mjs' */
/** @import { Plugin } from './plugin.mjs' */
/** @import { PluginFolder } from './plugin-folder.mjs' */
/** @import { PluginHost } from './plugin-host.mjs' */

/** `/<plugin>`, and what follows is the plugin's own. */
const PATH = /^\/([a-z0-9-]{1,64})(?=[/?]|$)/

/** Methods that plugins answer. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'])

/** Why host functions end what they still do for a request. Made once: an error is dear, and nobody sees this one. */
const over = new Error('the request is over')

/** Milliseconds after which one who was turned away may come again. */
const RETRY = 1000

/** Milliseconds that requests which were stopped have left to tell their clients so. */
const FAREWELL_MS = 500

/**
 * @typedef {object} Parts
 * @property {PluginHost} host
 * @property {PluginFolder} folder
 * @property {Metrics} metrics
 * @property {Log} log
 */

export class PluginServer {
  #config
  #parts
  #queue
  #server
  #stopping = false
  /** What stops each request. @type {Set<AbortController>} */
  #requests = new Set()

  /**
   * @param {Config} config
   * @param {Parts} parts
   */
  constructor(config, parts) {
    this.#config = config
    this.#parts = parts
    this.#queue = new RequestQueue(config.maxRunning, config.maxWaiting)
    const { bodyTimeoutMs } = config
    this.#server = createServer(
      {
        headersTimeout: bodyTimeoutMs,
        requestTimeout: 2 * bodyTimeoutMs,
        // How often it looks whether a time is over. Left out, it does so every 30 seconds.
        connectionsCheckingInterval: Math.min(1000, bodyTimeoutMs),
      },
      (request, response) => void this.#serve(request, response),
    )
    this.#server.maxConnections = config.maxConnections
  }

  async listen() {
    const { port, address } = this.#config
    await once(this.#server.listen(port, address), 'listening')
    const bound = /** @type {AddressInfo} */ (this.#server.address())
    return `http://${address}:${bound.port}`
  }

  get running() {
    return this.#queue.running
  }

  get waiting() {
    return this.#queue.waiting
  }

  get stopping() {
    return this.#stopping
  }

  /**
   * Takes no more connections, and ends when the last request has its answer.
   *
   * @param {number} graceMs What is not done after so many milliseconds is stopped. A client that has not sent all of its
   * request, or does not read its answer, would keep the server from ending: its connection is closed soon after.
   */
  async stop(graceMs) {
    this.#stopping = true
    const closed = once(this.#server, 'close')
    this.#server.close()
    let timer = setTimeout(() => {
      this.#abortRequests()
      timer = setTimeout(() => this.#server.closeAllConnections(), FAREWELL_MS)
    }, graceMs)
    await closed
    clearTimeout(timer)
  }

  #abortRequests() {
    const reason = new StopError({
      name: 'shutdown',
      status: 503,
      message: 'the server shuts down',
      retryAfterMs: RETRY,
    })
    for (const controller of this.#requests) controller.abort(reason)
  }

  /**
   * @param {IncomingMessage} request
   * @param {ServerResponse} response
   */
  async #serve(request, response) {
    const start = performance.now()
    const id = randomUUID()
    const name = PATH.exec(request.url ?? '')?.[1] ?? ''
    // What is not known must not become a label: clients could make up any number of them.
    const label = this.#parts.folder.get(name) === undefined ? '' : name
    const log = this.#parts.log.with({ request: id, plugin: label })
    const controller = new AbortController()
    this.#requests.add(controller)
    response.on('close', () => {
      if (!response.writableFinished) controller.abort(clientGone())
    })
    /** @type {Outcome} */
    let outcome = answered
    /** @type {unknown} */
    let reason
    try {
      const exchange = await this.#answerOf(name, request, controller.signal, log)
      this.#send(response, id, exchange.status, exchange.headers, exchange.body)
    } catch (error) {
      reason = error
      outcome = outcomeOf(error)
      this.#refuse(response, id, outcome)
    } finally {
      this.#requests.delete(controller)
      // Ends what host functions still do for a plugin that was stopped.
      controller.abort(over)
    }
    const seconds = (performance.now() - start) / 1000
    this.#parts.metrics.finished(label, outcome.name, seconds)
    const level = outcome.name === 'error' ? 'error' : outcome.fault ? 'warn' : 'debug'
    log.write(level, 'request', {
      method: request.method,
      outcome: outcome.name,
      seconds,
      // With its stack, which for a plugin's error has the functions of the plugin.
      ...(reason !== undefined && level !== 'debug' ? { error: stackOf(reason) } : {}),
    })
  }

  /**
   * @param {string} name
   * @param {IncomingMessage} request
   * @param {AbortSignal} signal
   * @param {Log} log
   */
  async #answerOf(name, request, signal, log) {
    const method = request.method ?? ''
    if (!METHODS.has(method)) throw new StopError({ name: 'bad_request', status: 405, message: 'no such method here' })
    // Turned away before their bodies are read.
    refuseIfOpen(this.#find(name))
    const { requestBytes, bodyTimeoutMs } = this.#config
    const body = await readBody(request, { maxBytes: requestBytes, timeoutMs: bodyTimeoutMs })
    const deadline = performance.now() + this.#timeoutOf(request)
    await this.#turn(signal, deadline)
    let leave = () => this.#queue.leave()
    try {
      // Looked up again: there may be a new version by now.
      const plugin = this.#find(name)
      const pass = plugin.breaker.enter()
      if (pass === undefined) throw openError(plugin)
      const release = plugin.use()
      leave = () => (release(), this.#queue.leave())
      const url = (request.url ?? '').slice(1 + name.length) || '/'
      const parts = { method, url, headers: request.headers, body }
      const exchange = new Exchange(name, parts, this.#config, { signal, deadline, log })
      await this.#run(plugin, exchange, pass)
      return exchange
    } finally {
      leave()
    }
  }

  /**
   * @param {Plugin} plugin
   * @param {Exchange} exchange
   * @param {Pass} pass
   */
  async #run(plugin, exchange, pass) {
    try {
      await this.#parts.host.run(plugin, exchange)
      pass.succeeded()
    } catch (error) {
      if (outcomeOf(error).fault) pass.failed()
      else pass.abandoned()
      throw error
    }
  }

  /**
   * @param {AbortSignal} signal
   * @param {number} deadline
   */
  async #turn(signal, deadline) {
    try {
      await this.#queue.enter(signal, Math.max(0, deadline - performance.now()))
    } catch (error) {
      if (error instanceof QueueFullError || error instanceof WaitedTooLongError) {
        throw new StopError({ name: 'overloaded', status: 503, message: 'too many requests', retryAfterMs: RETRY })
      }
      throw error
    }
  }

  /** @param {string} name */
  #find(name) {
    const plugin = this.#parts.folder.get(name)
    if (plugin === undefined) {
      throw new StopError({ name: 'not_found', status: 404, message: 'there is no such plugin' })
    }
    return plugin
  }

  /** @param {IncomingMessage} request */
  #timeoutOf(request) {
    const asked = Number(request.headers['x-timeout-ms'])
    return asked > 0 ? Math.min(asked, this.#config.timeoutMs) : this.#config.timeoutMs
  }

  /**
   * @param {ServerResponse} response
   * @param {string} id
   * @param {Outcome} outcome
   */
  #refuse(response, id, { name, status, message, retryAfterMs }) {
    // Nobody is there, or something went wrong when the answer was on its way.
    if (status === 0 || response.headersSent) {
      response.destroy()
      return
    }
    /** @type {Record<string, string>} */
    const headers = { 'content-type': 'application/json' }
    if (retryAfterMs !== undefined) headers['retry-after'] = `${Math.ceil(retryAfterMs / 1000)}`
    // The rest of a body that was not read would be taken for the next request.
    if (!response.req.complete) headers['connection'] = 'close'
    this.#send(response, id, status, headers, JSON.stringify({ error: name, message, request: id }))
  }

  /**
   * @param {ServerResponse} response
   * @param {string} id
   * @param {number} status
   * @param {Readonly<Record<string, string>>} headers
   * @param {Uint8Array | string} body
   */
  #send(response, id, status, headers, body) {
    const empty = status === 204 || status === 304
    response.writeHead(status, {
      'content-type': 'text/plain; charset=utf-8',
      ...headers,
      // Browsers take all plugins for one origin: what one answers must not run there with the others' rights.
      'content-security-policy': 'sandbox',
      'x-content-type-options': 'nosniff',
      'x-request-id': id,
      ...(empty ? {} : { 'content-length': Buffer.byteLength(body) }),
      // Kept alive, the connection would keep the server from closing.
      ...(this.#stopping ? { connection: 'close' } : {}),
    })
    if (empty) response.end()
    else response.end(body)
  }
}

/** @param {Plugin} plugin */
function refuseIfOpen(plugin) {
  if (plugin.breaker.state === 'open') throw openError(plugin)
}

/** @param {Plugin} plugin */
function openError({ breaker }) {
  const { retryAfterMs } = breaker
  return new StopError({ name: 'open', status: 503, message: 'the plugin has failed too often', retryAfterMs })
}

/** @param {unknown} error */
function stackOf(error) {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
