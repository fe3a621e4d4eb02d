// A request and its response, as a plugin sees them through host functions. It is the `context` of the plugin's instance.

import { validateHeaderName, validateHeaderValue } from 'node:http'
import { PluginFault } from './outcome.mjs'
import { ResponseBody } from './response-body.mjs'

/** @import { IncomingHttpHeaders } from 'node:http' */
/** @import { Log } from './log.mjs' */

/**
 * What plugins see of a request's headers. A list of what they do not see would miss one some day: a proxy's or a single
 * sign-on's header that says who the client is.
 */
const passedOn = new Set([
  'accept',
  'accept-language',
  'content-length',
  'content-type',
  'if-modified-since',
  'if-none-match',
  'range',
  'user-agent',
])

/**
 * What plugins may say about their own response. Others would hold for the whole origin, other plugins among them
 * (cookies, `strict-transport-security`, `clear-site-data`), or are the server's own.
 */
const settable = new Set([
  'cache-control',
  'content-disposition',
  'content-language',
  'content-type',
  'etag',
  'expires',
  'last-modified',
  'location',
  'retry-after',
  'vary',
])

/** Beside those, plugins may set headers of their own. */
const OWN = 'x-plugin-'

/** Headers that a plugin may set. */
const MAX_HEADERS = 32

/** Bytes of a header that a plugin sets, its name and its value together. */
export const MAX_HEADER = 4096

/**
 * @typedef {object} Request
 * @property {string} method
 * @property {string} url Path and query behind the name of the plugin.
 * @property {IncomingHttpHeaders} headers
 * @property {Uint8Array} body
 */

/**
 * @typedef {object} Allowance
 * @property {number} responseBytes
 * @property {number} fetches
 * @property {number} logLines
 */

export class Exchange {
  #request
  #allowance
  #deadline
  /** @type {Map<string, string>} */
  #headers = new Map()
  #body
  #status = 200
  #fetches = 0
  #logLines = 0
  /** The body of the answer that was fetched last. @type {Uint8Array} */
  fetched = new Uint8Array()

  /**
   * @param {string} plugin Its name.
   * @param {Request} request
   * @param {Allowance} allowance
   * @param {{ signal: AbortSignal, deadline: number, log: Log }} scope What stops it, also what host functions do for it;
   * when its time is over, on the clock of `performance.now()`; its log.
   */
  constructor(plugin, request, allowance, { signal, deadline, log }) {
    this.plugin = plugin
    this.signal = signal
    this.log = log
    this.#deadline = deadline
    this.#request = request
    this.#allowance = allowance
    this.#body = new ResponseBody(allowance.responseBytes)
  }

  /** Milliseconds until its deadline. */
  get timeLeft() {
    return Math.max(0, this.#deadline - performance.now())
  }

  /** A part of the request as bytes: 0 method, 1 URL, 2 headers, one a line, 3 body. @param {number} part */
  part(part) {
    const { method, url, headers, body } = this.#request
    switch (part) {
      case 0:
        return Buffer.from(method)
      case 1:
        return Buffer.from(url)
      case 2:
        return Buffer.from(headerLines(headers))
      case 3:
        return body
      default:
        throw new PluginFault('misuse', `a request has no part ${part}`)
    }
  }

  get status() {
    return this.#status
  }

  /** @param {number} status */
  set status(status) {
    if (!(status >= 200 && status <= 599)) throw new PluginFault('misuse', `${status} is no status of a response`)
    this.#status = status
  }

  /** What the client gets. */
  get headers() {
    return Object.fromEntries(this.#headers)
  }

  get body() {
    return this.#body.bytes
  }

  /**
   * @param {string} name
   * @param {string} value
   */
  setHeader(name, value) {
    const key = name.toLowerCase()
    if (!settable.has(key) && !key.startsWith(OWN)) {
      throw new PluginFault('misuse', `a plugin cannot set the header ${JSON.stringify(name.slice(0, 100))}`)
    }
    try {
      validateHeaderName(name)
      validateHeaderValue(name, value)
    } catch (cause) {
      throw new PluginFault('misuse', 'that is no header', { cause })
    }
    if (!this.#headers.has(key) && this.#headers.size >= MAX_HEADERS) {
      throw new PluginFault('misuse', 'too many headers')
    }
    this.#headers.set(key, value)
  }

  /** Room for the next bytes of the response's body. @param {number} length */
  append(length) {
    return this.#body.append(length)
  }

  /** Counts a request that the plugin makes; false if it has made as many as it may. */
  mayFetch() {
    return this.#fetches++ < this.#allowance.fetches
  }

  /** Counts a line that the plugin logs; false if it has logged as many as it may. */
  mayLog() {
    return this.#logLines++ < this.#allowance.logLines
  }
}

/** @param {IncomingHttpHeaders} headers */
function headerLines(headers) {
  let lines = ''
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && passedOn.has(name)) {
      lines += `${name}: ${Array.isArray(value) ? value.join(', ') : value}\n`
    }
  }
  return lines
}
