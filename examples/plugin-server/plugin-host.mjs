// Runs a plugin: each request in an instance of its own, with a deadline, from one compiled module.

// In a project of your own: import { Runtime } from 'node-wasmtime'
import { Runtime } from '../../index.mjs'

/** @import { CompiledModule, ModuleInstance } from '../../index.mjs' */
/** @import { Database } from './database.mjs' */

/** Pages of 64 KiB that an instance may have at most: 1 MiB. */
const MAX_PAGES = 16

/** A plugin was not even loaded. */
export class RefusedError extends Error {
  /** @override */
  name = 'RefusedError'
}

/**
 * What a request brings along. Host functions find it as `context` of the instance that calls them.
 *
 * @typedef {object} RequestContext
 * @property {string} user Who asks.
 * @property {AbortSignal} signal Stops the request, and what host functions do for it.
 */

export class PluginHost {
  // Without the proposals that are switched off, a module has one memory, and no way to hide another one.
  #runtime = new Runtime({ multiMemory: false, memory64: false, threads: false })
  /** @type {CompiledModule | undefined} */
  #compiled
  /** Names of the plugin's functions that answer requests. @type {ReadonlySet<string>} */
  routes = new Set()

  /** @param {Database} database What plugins can ask about users. */
  constructor(database) {
    this.#runtime
      .newHostModuleBuilder('host')
      .newFunctionBuilder()
      .withModuleFunc((instance, key, length) => lookup(database, instance, key, length), ['i32', 'i32'], ['i64'])
      .withParameterNames('key', 'length')
      .export('lookup')
      .instantiate()
  }

  /**
   * Compiles a plugin, checks it, and takes it for the requests from now on.
   *
   * @param {Uint8Array | string} source
   */
  async load(source) {
    const compiled = await this.#runtime.compileModule(source)
    const problem = problemOf(compiled)
    if (problem !== undefined) {
      compiled.close()
      throw new RefusedError(problem)
    }
    const routes = compiled.exportedFunctions.filter(
      ({ paramTypes, resultTypes }) => paramTypes.join() === 'i32,i32' && resultTypes.join() === 'i64',
    )
    this.#compiled = compiled
    this.routes = new Set(routes.flatMap(({ exportNames }) => exportNames))
  }

  /**
   * Has the plugin answer a request.
   *
   * @param {string} route One of `routes`.
   * @param {Uint8Array} body
   * @param {RequestContext} context
   * @param {number} timeoutMs Milliseconds for all of it.
   */
  async run(route, body, context, timeoutMs) {
    if (this.#compiled === undefined) throw new RefusedError('no plugin is loaded')
    const end = performance.now() + timeoutMs
    const limits = () => ({ signal: context.signal, timeoutMs: Math.max(0, end - performance.now()) })

    // Without a name, the instance has a store of its own: nothing that it does reaches another request.
    const instance = await this.#runtime.instantiateAsync(this.#compiled, { name: '', context, ...limits() })
    try {
      const address = (await instance.exportedFunction('alloc')?.callAsyncWith(limits(), body.length)) >>> 0
      if (!instance.memory?.write(address, body)) throw new RangeError('alloc returned no memory of the plugin')
      return take(instance, await instance.exportedFunction(route)?.callAsyncWith(limits(), address, body.length))
    } finally {
      // Frees its memory at once, whatever has happened to it.
      instance.close()
    }
  }

  /** What is alive. */
  get stats() {
    return this.#runtime.stats()
  }

  close() {
    this.#runtime.close()
  }
}

/**
 * The host function. The plugin waits for it, and the deadline and the signal of the request hold meanwhile.
 *
 * @param {Database} database
 * @param {ModuleInstance} instance
 * @param {number} key An i32 is signed in JavaScript; an address is not.
 * @param {number} length
 */
async function lookup(database, instance, key, length) {
  const { user, signal } = /** @type {RequestContext} */ (instance.context)
  const name = instance.memory?.readString(key >>> 0, length >>> 0)
  const value = name === undefined ? undefined : await database.query(user, name, signal)
  if (value === undefined) return 0n
  const bytes = Buffer.from(value)
  // The plugin still waits, so it can be called: this runs within the call that has led here.
  const address = (await instance.exportedFunction('alloc')?.callAsync(bytes.length)) >>> 0
  if (!instance.memory?.write(address, bytes)) throw new RangeError('alloc returned no memory of the plugin')
  return (BigInt(address) << 32n) | BigInt(bytes.length)
}

/**
 * Reads what the plugin has packed as address and length; it may be wrong.
 *
 * @param {ModuleInstance} instance
 * @param {bigint} packed
 */
function take(instance, packed) {
  const text = instance.memory?.read(Number(packed >> 32n) >>> 0, Number(packed & 0xffffffffn))
  if (text === undefined) throw new RangeError('the plugin returned a text that is not in its memory')
  return text
}

/**
 * Why a plugin is not taken, `undefined` if it is.
 *
 * @param {CompiledModule} compiled
 */
function problemOf(compiled) {
  if (!compiled.exportedFunctions.some(({ exportNames }) => exportNames.includes('alloc'))) {
    return 'it exports no function alloc'
  }
  if (compiled.importedMemories.length > 0) return 'it imports its memory'
  const type = compiled.exportedMemories[0]?.type
  // Without an export it may have one that nobody sees.
  if (type?.kind !== 'memory') return 'it exports no memory'
  if (type.maximum === undefined) return 'its memory has no maximum'
  if (type.maximum > MAX_PAGES) return `its memory may grow to ${type.maximum} pages, and ${MAX_PAGES} are allowed`
  return undefined
}
