// Plugins whose latest version could not be put into service, and when that is tried again: never if the version is to
// blame, otherwise after a while, longer each time. That too many files were open says nothing about a plugin.

// In a project of your own: import { CompileError } from 'node-wasmtime'
import { CompileError } from '../../index.mjs'
import { outcomeOf } from './outcome.mjs'
import { UnfitError } from './unfit-error.mjs'

/**
 * @typedef {object} Failure
 * @property {string} digest Of the version; empty if the file could not be read.
 * @property {string} error
 * @property {number | undefined} retryMs Milliseconds after which it is tried again; missing if it is not.
 */

/** @typedef {{ failure: Failure, due: boolean, timer: NodeJS.Timeout | undefined }} Entry */

export class LoadFailures {
  #firstMs
  #maximumMs
  #retry
  #closed = false
  /** @type {Map<string, Entry>} */
  #entries = new Map()

  /**
   * @param {number} firstMs Milliseconds until a version is tried again. They double each time.
   * @param {number} maximumMs
   * @param {() => void} retry Is called when a version is to be tried again.
   */
  constructor(firstMs, maximumMs, retry) {
    this.#firstMs = firstMs
    this.#maximumMs = maximumMs
    this.#retry = retry
  }

  /** The names of the plugins. */
  get names() {
    return this.#entries.keys()
  }

  /** @param {string} name */
  get(name) {
    return this.#entries.get(name)?.failure
  }

  /**
   * Whether a version is not to be tried now.
   *
   * @param {string} name
   * @param {string} digest
   */
  blocks(name, digest) {
    const entry = this.#entries.get(name)
    return entry !== undefined && entry.failure.digest === digest && !entry.due
  }

  /**
   * @param {string} name
   * @param {string} digest
   * @param {unknown} reason
   * @returns {Failure | undefined} Nothing if that is known, and was not to be tried again.
   */
  add(name, digest, reason) {
    const before = this.#entries.get(name)
    const error = String(reason)
    const same = before?.failure.digest === digest
    if (same && !before.due && before.failure.error === error) return undefined
    this.delete(name)
    /** @type {Failure} */
    const failure = { digest, error, retryMs: undefined }
    /** @type {Entry} */
    const entry = { failure, due: false, timer: undefined }
    if (!isFinal(reason) && !this.#closed) {
      const waited = same ? before.failure.retryMs : undefined
      const retryMs = waited === undefined ? this.#firstMs : Math.min(2 * waited, this.#maximumMs)
      failure.retryMs = retryMs
      entry.timer = setTimeout(() => {
        entry.due = true
        this.#retry()
      }, retryMs)
    }
    this.#entries.set(name, entry)
    return failure
  }

  /** @param {string} name */
  delete(name) {
    clearTimeout(this.#entries.get(name)?.timer)
    this.#entries.delete(name)
  }

  /** Nothing is tried again. */
  close() {
    this.#closed = true
    for (const { timer } of this.#entries.values()) clearTimeout(timer)
  }
}

/** Whether the version is to blame, so that it would fail the next time, too. @param {unknown} error */
function isFinal(error) {
  if (error instanceof CompileError || error instanceof UnfitError) return true
  const { name, fault } = outcomeOf(error)
  // How far its start function comes in a time depends on what else the machine does.
  return fault && name !== 'deadline'
}
