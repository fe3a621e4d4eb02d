// The functions that plugins import from "host". Every number that comes from a plugin may be anything: addresses and
// lengths are checked by the methods of the memory, and what else there is here.

import { MAX_HEADER } from './exchange.mjs'
import { RefusedError } from './outbound.mjs'
import { PluginFault } from './outcome.mjs'

/** @import { ModuleInstance, Runtime } from '../../index.mjs' */
/** @import { Exchange } from './exchange.mjs' */
/** @import { KeyValueStore } from './key-value-store.mjs' */
/** @import { Level } from './log.mjs' */
/** @import { Outbound } from './outbound.mjs' */

/** Characters of a line that a plugin logs. */
const MAX_LINE = 1024

/** Bytes of a key. */
const MAX_KEY = 256

/** Bytes of a URL that a plugin asks. */
const MAX_URL = 8192

/** @type {readonly Level[]} */
const levels = ['debug', 'info', 'warn', 'error']

/**
 * @param {Runtime} runtime
 * @param {{ store: KeyValueStore, outbound: Outbound }} services
 */
export function defineHostFunctions(runtime, { store, outbound }) {
  runtime
    .newHostModuleBuilder('host')
    .newFunctionBuilder()
    .withModuleFunc(
      (guest, part, at, capacity) => give(guest, exchangeOf(guest).part(part), at, capacity),
      ['i32', 'i32', 'i32'],
      ['i32'],
    )
    .withParameterNames('part', 'at', 'capacity')
    .export('request_read')
    .newFunctionBuilder()
    .withModuleFunc((guest, status) => void (exchangeOf(guest).status = status), ['i32'], [])
    .export('response_status')
    .newFunctionBuilder()
    .withModuleFunc(setHeader, ['i32', 'i32', 'i32', 'i32'], [])
    .export('response_header')
    .newFunctionBuilder()
    .withModuleFunc(write, ['i32', 'i32'], [])
    .export('response_write')
    .newFunctionBuilder()
    .withModuleFunc(log, ['i32', 'i32', 'i32'], [])
    .withParameterNames('level', 'at', 'length')
    .export('log')
    .newFunctionBuilder()
    .withModuleFunc((guest, at, length) => fetch(outbound, guest, at, length), ['i32', 'i32'], ['i32'])
    .export('fetch')
    .newFunctionBuilder()
    .withModuleFunc(
      (guest, at, capacity) => give(guest, exchangeOf(guest).fetched, at, capacity),
      ['i32', 'i32'],
      ['i32'],
    )
    .export('fetch_read')
    .newFunctionBuilder()
    .withModuleFunc(
      (guest, key, keyLength, at, capacity) => {
        const value = store.get(exchangeOf(guest).plugin, keyOf(guest, key, keyLength))
        return value === undefined ? -1 : give(guest, value, at, capacity)
      },
      ['i32', 'i32', 'i32', 'i32'],
      ['i32'],
    )
    .export('kv_get')
    .newFunctionBuilder()
    .withModuleFunc(
      (guest, key, keyLength, value, valueLength) => {
        const { plugin } = exchangeOf(guest)
        const name = keyOf(guest, key, keyLength)
        // Before it is copied: a plugin could have the server copy all of its memory again and again.
        if (!store.fits(plugin, name, valueLength >>> 0)) return 0
        return Number(store.set(plugin, name, take(guest, value, valueLength)))
      },
      ['i32', 'i32', 'i32', 'i32'],
      ['i32'],
    )
    .export('kv_set')
    .instantiate()
}

/**
 * @param {ModuleInstance} guest
 * @returns {Exchange}
 */
function exchangeOf(guest) {
  const exchange = /** @type {Exchange | undefined} */ (guest.context)
  // When a plugin is loaded it is tried without a request.
  if (exchange === undefined) throw new PluginFault('misuse', 'there is no request yet')
  return exchange
}

/**
 * Copies bytes out of the plugin's memory. An i32 is signed in JavaScript; an address is not.
 *
 * @param {ModuleInstance} guest
 * @param {number} at
 * @param {number} length
 */
function take(guest, at, length) {
  const bytes = guest.memory?.read(at >>> 0, length >>> 0)
  if (bytes === undefined) throw new PluginFault('misuse', `${length >>> 0} bytes at ${at >>> 0} are not in its memory`)
  return bytes
}

/**
 * @param {ModuleInstance} guest
 * @param {number} name
 * @param {number} nameLength
 * @param {number} value
 * @param {number} valueLength
 */
function setHeader(guest, name, nameLength, value, valueLength) {
  const exchange = exchangeOf(guest)
  if ((nameLength >>> 0) + (valueLength >>> 0) > MAX_HEADER) {
    throw new PluginFault('misuse', `a header may have ${MAX_HEADER} bytes`)
  }
  exchange.setHeader(text(guest, name, nameLength), text(guest, value, valueLength))
}

/**
 * Copies bytes out of the plugin's memory into the response.
 *
 * @param {ModuleInstance} guest
 * @param {number} at
 * @param {number} length
 */
function write(guest, at, length) {
  const room = exchangeOf(guest).append(length >>> 0)
  if (room.length > 0 && !guest.memory?.readInto(at >>> 0, room)) {
    throw new PluginFault('misuse', `${room.length} bytes at ${at >>> 0} are not in its memory`)
  }
}

/**
 * @param {ModuleInstance} guest
 * @param {number} at
 * @param {number} length
 */
function text(guest, at, length) {
  const value = guest.memory?.readString(at >>> 0, length >>> 0)
  if (value === undefined) throw new PluginFault('misuse', `${length >>> 0} bytes at ${at >>> 0} are not in its memory`)
  return value
}

/**
 * @param {ModuleInstance} guest
 * @param {number} at
 * @param {number} length
 */
function keyOf(guest, at, length) {
  if (length >>> 0 > MAX_KEY) throw new PluginFault('misuse', `a key may have ${MAX_KEY} bytes`)
  return text(guest, at, length)
}

/**
 * Copies bytes into the plugin's memory if there is room for all of them.
 *
 * @param {ModuleInstance} guest
 * @param {Uint8Array} bytes
 * @param {number} at
 * @param {number} capacity
 * @returns {number} How many there are. If that is more than the capacity, nothing was copied.
 */
function give(guest, bytes, at, capacity) {
  if (bytes.length > 0 && bytes.length <= capacity >>> 0 && !guest.memory?.write(at >>> 0, bytes)) {
    throw new PluginFault('misuse', `${bytes.length} bytes at ${at >>> 0} are not in its memory`)
  }
  return bytes.length
}

/**
 * @param {ModuleInstance} guest
 * @param {number} level
 * @param {number} at
 * @param {number} length
 */
function log(guest, level, at, length) {
  const { log, mayLog } = { log: exchangeOf(guest).log, mayLog: exchangeOf(guest).mayLog() }
  if (!mayLog) return
  const line = text(guest, at, Math.min(length >>> 0, 4 * MAX_LINE)).slice(0, MAX_LINE)
  log.write(levels[level] ?? 'info', 'plugin says', { text: line })
}

/**
 * The plugin waits for it, and the deadline and the signal of its request hold meanwhile.
 *
 * @param {Outbound} outbound
 * @param {ModuleInstance} guest
 * @param {number} at
 * @param {number} length
 * @returns {Promise<number>} The status; -1 if it was refused, or came to nothing.
 */
async function fetch(outbound, guest, at, length) {
  const exchange = exchangeOf(guest)
  exchange.fetched = new Uint8Array()
  if (!exchange.mayFetch()) return -1
  if (length >>> 0 > MAX_URL) throw new PluginFault('misuse', `a URL may have ${MAX_URL} bytes`)
  const url = text(guest, at, length)
  try {
    const { status, body } = await outbound.get(url, exchange.signal)
    exchange.fetched = body
    return status
  } catch (error) {
    exchange.signal.throwIfAborted()
    // That a network fails is nothing out of the ordinary to a plugin; the reason is for the log.
    const reason = error instanceof RefusedError ? 'refused' : 'failed'
    exchange.log.write('warn', 'fetch of a plugin', { reason, url: url.slice(0, MAX_LINE), error: String(error) })
    return -1
  }
}
