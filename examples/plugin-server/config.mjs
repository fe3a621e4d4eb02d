// What can be set, with values to start from. Each can be overridden when a server is made; see `main.mjs` for those
// that come from the environment.

/** @import { BreakerOptions } from './circuit-breaker.mjs' */
/** @import { Level } from './log.mjs' */

const KIB = 1024
const MIB = 1024 * KIB

/**
 * @typedef {object} Config
 * @property {string} folder Where the plugins are: `<name>.wasm`.
 * @property {string | false} cache The directory of compiled code. Only its owner may be able to write there. With it,
 * plugins are compiled in a process of their own; without it, nothing ends the compiling of one that was made to be slow.
 * @property {number} compileTimeoutMs Milliseconds that compiling a plugin may take.
 * @property {number} port 0 for any that is free.
 * @property {number} adminPort For metrics and health: not for the public.
 * @property {string} address What the port for requests listens on; `0.0.0.0` for the whole network.
 * @property {string} adminAddress What the port for metrics and health listens on.
 * @property {number} maxConnections Connections of clients at once, those that are idle among them. One more is closed.
 * @property {number} timeoutMs Milliseconds that a request may take once it is read: waiting, running, and what its host
 * functions do. A client may ask for less with `x-timeout-ms`.
 * @property {number} bodyTimeoutMs Milliseconds that a client has for sending its request.
 * @property {bigint} fuel What a plugin may do in a request; most instructions cost 1. Unlike time, it does not depend on
 * how busy the machine is.
 * @property {number} memoryBytes Bytes of memory that an instance may have.
 * @property {number} tableElements Elements of tables that an instance may have.
 * @property {number} moduleBytes Bytes of a plugin's file: the time that compiling takes grows with them.
 * @property {number} maxRunning Requests that plugins work for at once.
 * @property {number} maxWaiting Requests that wait beyond those.
 * @property {number} requestBytes Bytes of a request's body.
 * @property {number} responseBytes Bytes of a response's body.
 * @property {number} fetches Requests that a plugin may make for one of its own.
 * @property {number} fetchBytes Bytes of an answer to one of them.
 * @property {readonly string[]} origins Where they may go.
 * @property {number} storeBytes Bytes that each plugin may keep.
 * @property {number} logLines Lines that a plugin may log in a request.
 * @property {number} debounceMs Milliseconds that files must be quiet before they are loaded.
 * @property {number} retryMs Milliseconds after which a plugin is loaded again that failed for a reason of the machine's:
 * compiling took too long, a disk was full. They double each time.
 * @property {number} maximumRetryMs Milliseconds between such attempts at most.
 * @property {number} graceMs Milliseconds that requests have left when the server is to end.
 * @property {Level} logLevel
 * @property {BreakerOptions} breaker
 */

/** @type {Omit<Config, 'folder'>} */
const defaults = {
  cache: false,
  compileTimeoutMs: 30_000,
  port: 8080,
  adminPort: 9090,
  address: '127.0.0.1',
  adminAddress: '127.0.0.1',
  maxConnections: 1024,
  timeoutMs: 2000,
  bodyTimeoutMs: 5000,
  fuel: 500_000_000n,
  memoryBytes: 16 * MIB,
  tableElements: 10_000,
  moduleBytes: 16 * MIB,
  maxRunning: 64,
  maxWaiting: 256,
  requestBytes: 256 * KIB,
  responseBytes: MIB,
  fetches: 4,
  fetchBytes: MIB,
  origins: [],
  storeBytes: MIB,
  logLines: 20,
  debounceMs: 100,
  retryMs: 1000,
  maximumRetryMs: 600_000,
  graceMs: 5000,
  logLevel: 'info',
  breaker: { window: 20, minimum: 5, share: 0.5, openMs: 500, maximumMs: 60_000 },
}

/**
 * @param {Partial<Config> & { folder: string }} own
 * @returns {Config}
 */
export function configure(own) {
  return { ...defaults, ...own }
}
