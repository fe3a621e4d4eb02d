// Compiles plugins, and runs each request in an instance of its own, within all limits.

import { createHash } from 'node:crypto'

// In a project of your own: import { ... } from 'node-wasmtime'
import { Runtime, TrapError } from '../../index.mjs'
import { compileApart } from './compile-apart.mjs'
import { TABLES, engineOptions } from './engine-options.mjs'
import { defineHostFunctions } from './host-functions.mjs'
import { KeyValueStore } from './key-value-store.mjs'
import { Outbound } from './outbound.mjs'
import { PluginFault } from './outcome.mjs'
import { Plugin } from './plugin.mjs'
import { UnfitError } from './unfit-error.mjs'

/** @import { CompiledModule, ModuleInstance } from '../../index.mjs' */
/** @import { Config } from './config.mjs' */
/** @import { Exchange } from './exchange.mjs' */

export class PluginHost {
  #config
  #runtime
  #store

  /** @param {Config} config */
  constructor(config) {
    this.#config = config
    this.#store = new KeyValueStore(config.storeBytes)
    const { memoryBytes, tableElements } = config
    this.#runtime = new Runtime({
      ...engineOptions(config),
      limits: { memoryBytes, tableElements, instances: 1, memories: 1, tables: TABLES },
    })
    defineHostFunctions(this.#runtime, {
      store: this.#store,
      outbound: new Outbound(config.origins, config.fetchBytes),
    })
  }

  /** The name of what is in a file. @param {Uint8Array} bytes */
  static digest(bytes) {
    return createHash('sha256').update(bytes).digest('hex')
  }

  /**
   * Compiles a plugin off the event loop, and tries whether it can be instantiated.
   *
   * @param {string} name
   * @param {Uint8Array} bytes
   * @param {AbortSignal} [signal] Ends it, with the signal's reason.
   */
  async load(name, bytes, signal) {
    // Without a cache the server compiles plugins itself, and trusts them not to be made to be slow.
    if (this.#config.cache !== false) await compileApart(bytes, this.#config, signal)
    signal?.throwIfAborted()
    const compiled = await this.#runtime.compileModule(bytes)
    try {
      signal?.throwIfAborted()
      const handle = compiled.exportedFunctions.find(({ exportNames }) => exportNames.includes('handle'))
      if (handle === undefined) throw new UnfitError('it exports no function "handle"')
      if (handle.paramTypes.length > 0 || handle.resultTypes.length > 0) {
        throw new UnfitError('its "handle" must take and return nothing')
      }
      // A missing import, a start function that fails and a memory that is too large show now, and not at a request.
      const { timeoutMs, breaker } = this.#config
      const trial = await this.#instantiate(compiled, undefined, { timeoutMs, ...(signal && { signal }) })
      trial.close()
      return new Plugin(name, PluginHost.digest(bytes), compiled, breaker)
    } catch (error) {
      compiled.close()
      throw error
    }
  }

  /**
   * Has a plugin answer a request. The answer is in the exchange afterwards.
   *
   * @param {Plugin} plugin
   * @param {Exchange} exchange Its signal and its deadline stop the plugin, wherever it is.
   */
  async run(plugin, exchange) {
    const { signal } = exchange
    const instance = await this.#instantiate(plugin.compiled, exchange, { signal, timeoutMs: exchange.timeLeft })
    try {
      await instance.exportedFunction('handle')?.callAsyncWith({ signal, timeoutMs: exchange.timeLeft })
    } catch (error) {
      // Programs whose memory cannot grow give up, by a trap. That a limit was the reason can be seen here only.
      const refused = error instanceof TrapError && instance.usage.refused.length > 0
      throw refused ? new PluginFault('memory', 'it ran into its memory limit', { cause: error }) : error
    } finally {
      // Frees its memory at once, whatever has happened to it.
      instance.close()
    }
  }

  /**
   * Without a name, an instance has a store of its own: nothing that it does reaches another request.
   *
   * @param {CompiledModule} compiled
   * @param {Exchange | undefined} context
   * @param {{ signal?: AbortSignal, timeoutMs: number }} stop
   * @returns {Promise<ModuleInstance>}
   */
  #instantiate(compiled, context, stop) {
    const { fuel } = this.#config
    return this.#runtime.instantiateAsync(compiled, {
      name: '',
      context,
      fuel,
      startFunctions: ['_initialize'],
      ...stop,
    })
  }

  /** What is alive, and what has happened. */
  get stats() {
    return this.#runtime.stats()
  }

  /** Bytes that plugins keep. */
  get storedBytes() {
    return this.#store.bytes
  }

  close() {
    this.#runtime.close()
  }
}
