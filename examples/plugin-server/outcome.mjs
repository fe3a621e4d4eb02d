// How a request can end: what its client gets, what the metrics call it, and whether it is the plugin's fault.

// In a project of your own: import { ... } from 'node-wasmtime'
import {
  InterruptedError,
  LimitError,
  LinkError,
  OutOfFuelError,
  StoreBusyError,
  TrapError,
  WasmException,
} from '../../index.mjs'

/**
 * @typedef {object} Outcome
 * @property {string} name For metrics and logs; one of a few.
 * @property {number} status 0 if there is nobody to get it.
 * @property {string} message For the client. What a plugin says in its errors is not for everyone.
 * @property {boolean} fault Whether the plugin is to blame: such outcomes open its circuit breaker.
 * @property {number} [retryAfterMs] When the client may try again.
 */

/** A request that is stopped, or not even begun, for a reason of the server's or the client's. */
export class StopError extends Error {
  /** @override */
  name = 'StopError'

  /** @param {Omit<Outcome, 'fault'>} outcome */
  constructor(outcome) {
    super(outcome.message)
    this.outcome = { ...outcome, fault: false }
  }
}

/** What a plugin did that it may not do. Thrown by a host function, it ends the plugin's call. */
export class PluginFault extends Error {
  /** @override */
  name = 'PluginFault'

  /**
   * @param {'misuse' | 'memory'} kind
   * @param {string} message
   * @param {ErrorOptions} [options]
   */
  constructor(kind, message, options) {
    super(message, options)
    this.kind = kind
  }
}

/** @type {Outcome} */
export const answered = { name: 'ok', status: 200, message: '', fault: false }

/**
 * @param {string} name
 * @param {number} status
 * @param {string} message
 * @returns {Outcome}
 */
const fault = (name, status, message) => ({ name, status, message, fault: true })

/**
 * @param {unknown} error
 * @returns {Outcome}
 */
export function outcomeOf(error) {
  if (error instanceof StopError) return error.outcome
  if (error instanceof PluginFault) return fault(error.kind, 500, 'the plugin failed')
  if (error instanceof TrapError) return fault('trap', 500, `the plugin failed: ${error.trapCode}`)
  if (error instanceof InterruptedError) return fault('deadline', 504, 'the plugin took too long')
  if (error instanceof OutOfFuelError) return fault('fuel', 500, 'the plugin did too much')
  if (error instanceof WasmException) return fault('exception', 500, 'the plugin failed')
  if (error instanceof LinkError) return fault('link', 500, 'the plugin does not fit this server')
  if (error instanceof LimitError) {
    // Without `limit` it was not the plugin's own one: the machine has no more.
    return error.limit === undefined
      ? { name: 'exhausted', status: 503, message: 'no memory is left', fault: false, retryAfterMs: 1000 }
      : fault('memory', 500, 'the plugin needs too much memory')
  }
  if (error instanceof StoreBusyError) return fault('misuse', 500, 'the plugin failed')
  return { name: 'error', status: 500, message: 'internal error', fault: false }
}
