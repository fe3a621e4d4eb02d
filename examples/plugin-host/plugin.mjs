// Wraps a WebAssembly plugin so that the rest of the program deals in text and errors only.

// In a project of your own: import ... from 'node-wasmtime'
import { Runtime } from '../../index.mjs'

/** @import { CompiledModule, ModuleInstance } from '../../index.mjs' */

/** Pages of 64 KiB that a plugin may have at most: 16 MiB. */
const MAX_PAGES = 256

/** What host functions find as `context` of the plugin that calls them. */
export class PluginContext {
  /** What the plugin has put into the host's store. @type {Map<string, string>} */
  values = new Map()

  /** @param {string} name */
  constructor(name) {
    this.name = name
  }
}

/** A plugin was not even loaded. */
export class RefusedError extends Error {
  /** @override */
  name = 'RefusedError'
}

/**
 * A runtime for plugins. A plugin has one memory, and exports it: without the proposals that are switched off here it
 * has no way to hide another one from {@link Plugin.load}.
 */
export function createRuntime() {
  return new Runtime({ multiMemory: false, memory64: false, threads: false })
}

/** A plugin with a store of its own: nothing that it does reaches another plugin, and closing it frees everything. */
export class Plugin {
  /** @type {ModuleInstance} */
  #instance

  /**
   * @param {string} name
   * @param {ModuleInstance} instance
   */
  constructor(name, instance) {
    this.name = name
    this.#instance = instance
  }

  /**
   * Checks a compiled module and starts an instance of it.
   *
   * @param {Runtime} runtime
   * @param {string} name
   * @param {CompiledModule} compiled
   */
  static load(runtime, name, compiled) {
    checkExports(compiled)
    // Without a name, the instance gets a store of its own.
    return new Plugin(name, runtime.instantiate(compiled, { name: '', context: new PluginContext(name) }))
  }

  /** Names of what the plugin exports. */
  get exports() {
    return Object.keys(this.#instance.exports)
  }

  /** Bytes of memory that the plugin has now. */
  get memoryBytes() {
    return this.#instance.memory?.size ?? 0
  }

  get closed() {
    return this.#instance.closed
  }

  /**
   * Calls a function of the plugin with plain values.
   *
   * A plugin that has failed once may be in any state, for a trap ends it in the middle of things: it is closed.
   *
   * @param {string} name
   * @param {...(number | bigint)} args
   */
  call(name, ...args) {
    try {
      return this.#function(name)(...args)
    } catch (error) {
      this.close()
      throw error
    }
  }

  /**
   * Calls a function that takes a text as its first two parameters, and gives the text that it returns; `undefined` if
   * it returns nothing.
   *
   * @param {string} name
   * @param {string} text
   * @param {...number} rest Further arguments.
   */
  callWithText(name, text, ...rest) {
    const bytes = Buffer.from(text)
    const address = this.#put(bytes)
    const result = this.call(name, address, bytes.length, ...rest)
    this.call('free', address)
    return typeof result === 'bigint' ? this.take(result) : undefined
  }

  /**
   * Reads a text that the plugin has packed as address and length, and gives the memory back to the plugin.
   *
   * @param {bigint} packed
   */
  take(packed) {
    const address = Number(packed >> 32n) >>> 0
    const length = Number(packed & 0xffffffffn)
    const text = this.#instance.memory?.readString(address, length)
    if (text === undefined) {
      this.close()
      throw new RangeError(`the plugin returned ${length} bytes of text at ${address}, which is not in its memory`)
    }
    this.call('free', address)
    return text
  }

  close() {
    this.#instance.close()
  }

  /** @param {Buffer} bytes */
  #put(bytes) {
    // An i32 is signed in JavaScript; an address is not.
    const address = this.call('alloc', bytes.length) >>> 0
    if (this.#instance.memory?.write(address, bytes)) return address
    this.close()
    throw new RangeError(`the plugin allocated ${bytes.length} bytes at ${address}, which is not in its memory`)
  }

  /** @param {string} name */
  #function(name) {
    const func = this.#instance.exports[name]
    if (typeof func !== 'function') throw new TypeError(`plugin ${this.name} has no function ${name}`)
    return func
  }
}

/** @param {CompiledModule} compiled */
function checkExports(compiled) {
  const names = new Set(compiled.exportedFunctions.flatMap((definition) => definition.exportNames))
  for (const name of ['alloc', 'free']) {
    if (!names.has(name)) throw new RefusedError(`it exports no function ${name}`)
  }
  const type = compiled.exportedMemories[0]?.type
  if (type?.kind !== 'memory') throw new RefusedError('it exports no memory')
  if (type.maximum === undefined || type.maximum > MAX_PAGES) {
    throw new RefusedError(`its memory may grow to ${type.maximum ?? 'any number of'} pages; ${MAX_PAGES} are allowed`)
  }
}
