// The main process's end: keeps the host process alive, and passes calls on to it. When the host crashes, or does not answer
// any more, calls that were under way fail, a new one is started, and the plugins are loaded again. It knows the process
// through a few functions only, so it can be tested in plain Node.js.

import { CodedError, checkName, plainError } from './protocol.mjs'

/** @import { PlainError, PluginInfo, Reply, Result } from './protocol.mjs' */

/**
 * A host process.
 *
 * @typedef {object} HostProcess
 * @property {(message: unknown) => void} post
 * @property {(listener: (message: unknown) => void) => void} onMessage
 * @property {(listener: () => void) => void} onExit
 * @property {() => void} kill
 */

/** Milliseconds beyond its own deadline after which a call that has no answer means that the host hangs. */
const PATIENCE = 5000

/** Milliseconds that compiling a plugin may take. */
const COMPILING = 60_000

/** Milliseconds before a host that has died at once is started again: doubled each time. */
const FIRST_PAUSE = 100
const LONGEST_PAUSE = 30_000

/** Milliseconds that a host must have lived to count as one that works. */
const STABLE = 10_000

/** The code of calls that have no host, or lose it. */
const GONE = 'HOST_GONE'

export class HostBroker {
  #start
  #onLost
  /** @type {HostProcess | undefined} */
  #host
  #startedAt = 0
  #pause = FIRST_PAUSE
  /** @type {NodeJS.Timeout | undefined} */
  #restart
  #closed = false
  #nextId = 1
  /** @type {Map<number, (result: Result) => void>} */
  #waiting = new Map()
  /** What is to be loaded again. @type {Map<string, Uint8Array>} */
  #modules = new Map()
  /** Names of the app's own plugins. @type {Set<string>} */
  #own = new Set()
  /** Until a new host has loaded the plugins again, other calls wait. @type {Promise<unknown>} */
  #reloaded = Promise.resolve()
  /** The last load or unload of each name that is under way: the next one waits for it. @type {Map<string, Promise<unknown>>} */
  #changing = new Map()

  /**
   * @param {() => HostProcess} start Starts a host process.
   * @param {(name: string, error: PlainError) => void} onLost Is told of each plugin that a new host could not load again. It is
   * forgotten then.
   */
  constructor(start, onLost) {
    this.#start = start
    this.#onLost = onLost
  }

  /**
   * Loads a plugin that comes with the app. No other one can have its name from now on, whether it can be loaded or not.
   *
   * @param {string} name
   * @param {Uint8Array} bytes
   * @returns {Promise<Result>}
   */
  loadOwn(name, bytes) {
    this.#own.add(checkName(name))
    return this.#load(name, bytes)
  }

  /**
   * Loads a plugin of the user's, in place of the one that had its name.
   *
   * @param {string} name
   * @param {Uint8Array} bytes
   * @returns {Promise<Result>}
   */
  async load(name, bytes) {
    // Users trust the app's own plugins by their names.
    if (this.#own.has(name)) return refusal('BAD_REQUEST', `the app has a plugin of its own called ${name}`)
    return this.#load(name, bytes)
  }

  /**
   * @param {string} name
   * @param {Uint8Array} bytes
   * @returns {Promise<Result>}
   */
  #load(name, bytes) {
    return this.#change(name, async () => {
      // Or else the version before, which is loaded again just now, could take its place.
      await this.#ready()
      const result = await this.#call('load', [name, bytes], COMPILING)
      if (result.ok) this.#modules.set(name, bytes)
      return result
    })
  }

  /**
   * Changes of one name take effect in the order in which they were asked for, however long each takes.
   *
   * @param {string} name
   * @param {() => Promise<Result>} change
   * @returns {Promise<Result>}
   */
  #change(name, change) {
    const changed = (this.#changing.get(name) ?? Promise.resolve()).then(change)
    const settled = changed
      .catch(() => {})
      .then(() => {
        if (this.#changing.get(name) === settled) this.#changing.delete(name)
      })
    this.#changing.set(name, settled)
    return changed
  }

  /** @returns {Promise<Result>} With {@link PluginInfo} for each plugin. */
  async list() {
    await this.#ready()
    return this.#call('list', [], PATIENCE)
  }

  /**
   * @param {string} name
   * @param {string} functionName
   * @param {string} text
   * @param {number} timeoutMs
   * @param {AbortSignal} [signal]
   * @returns {Promise<Result>}
   */
  async run(name, functionName, text, timeoutMs, signal) {
    await this.#ready()
    return this.#call('run', [name, functionName, text, timeoutMs], timeoutMs + PATIENCE, signal)
  }

  /** @param {string} name @returns {Promise<Result>} */
  unload(name) {
    return this.#change(name, async () => {
      this.#modules.delete(name)
      // What is loaded again just now can be unloaded only when it is there.
      await this.#ready()
      return this.#call('unload', [name], PATIENCE)
    })
  }

  close() {
    this.#closed = true
    clearTimeout(this.#restart)
    this.#host?.kill()
  }

  /**
   * @param {string} method
   * @param {unknown[]} args
   * @param {number} patience
   * @param {AbortSignal} [signal]
   * @returns {Promise<Result>}
   */
  #call(method, args, patience, signal) {
    const host = this.#hostNow()
    if (host === undefined) return Promise.resolve(refusal(GONE, 'the plugin host is about to be started again'))
    const id = this.#nextId++
    return new Promise((resolve) => {
      const cancel = () => host.post({ cancel: id })
      // The plugin's own deadline has passed long ago, so it is not the plugin that does not end but its host.
      const timer = setTimeout(() => host.kill(), patience)
      this.#waiting.set(id, (result) => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', cancel)
        this.#waiting.delete(id)
        resolve(result)
      })
      host.post({ id, method, args })
      if (signal?.aborted) cancel()
      else signal?.addEventListener('abort', cancel, { once: true })
    })
  }

  /** Has a host started if there is none, and waits until it has its plugins. */
  async #ready() {
    this.#hostNow()
    await this.#reloaded
  }

  /** The host, if there is one or one can be started now. */
  #hostNow() {
    if (this.#host !== undefined || this.#closed || this.#restart !== undefined) return this.#host
    const host = this.#start()
    this.#host = host
    this.#startedAt = performance.now()
    host.onMessage((message) => {
      const { id, result } = /** @type {Reply} */ (message)
      this.#waiting.get(id)?.(result)
    })
    host.onExit(() => this.#exited())
    this.#reloaded = Promise.all([...this.#modules].map(([name, bytes]) => this.#reload(name, bytes)))
    return host
  }

  /**
   * @param {string} name
   * @param {Uint8Array} bytes
   */
  async #reload(name, bytes) {
    const result = await this.#call('load', [name, bytes], COMPILING)
    // If this host has died as well, the next one tries again.
    if (result.ok || result.error.code === GONE || this.#modules.get(name) !== bytes) return
    this.#modules.delete(name)
    this.#onLost(name, result.error)
  }

  #exited() {
    this.#host = undefined
    const result = refusal(GONE, 'the plugin host has ended in the middle of the call')
    for (const settle of this.#waiting.values()) settle(result)
    if (this.#closed) return
    this.#pause = performance.now() - this.#startedAt > STABLE ? FIRST_PAUSE : Math.min(2 * this.#pause, LONGEST_PAUSE)
    this.#restart = setTimeout(() => {
      this.#restart = undefined
      this.#hostNow()
    }, this.#pause)
  }
}

/**
 * @param {string} code
 * @param {string} message
 * @returns {Result}
 */
function refusal(code, message) {
  return { ok: false, error: plainError(new CodedError(code, message)) }
}
