// What the host offers to plugins: a log, a store of keys and values, and AssemblyScript's `abort`.

import { PluginContext } from './plugin.mjs'

/** @import { ModuleInstance, Runtime } from '../../index.mjs' */

/** Characters that a plugin may keep in the store. */
const QUOTA = 10_000

/** Bytes of a log line, or of an abort's message, that are shown. */
const MAX_LINE = 500

/** The host does not allow what a plugin has asked for. */
export class DeniedError extends Error {
  /** @override */
  name = 'DeniedError'
}

/** A plugin has given up: an uncaught `throw`, or a failed assertion. */
export class AbortError extends Error {
  /** @override */
  name = 'AbortError'
}

/** Defines the host modules `env` and `host`, which all plugins of a runtime import from. */
export class Host {
  /** What a host function has thrown last; it comes out of the plugin's call as the same object. @type {unknown} */
  thrown

  #log
  #settings

  /**
   * @param {object} options
   * @param {(plugin: string, line: string) => void} options.log
   * @param {Record<string, string>} options.settings Values that every plugin can look up.
   */
  constructor({ log, settings }) {
    this.#log = log
    this.#settings = new Map(Object.entries(settings))
  }

  /** @param {Runtime} runtime */
  define(runtime) {
    runtime
      .newHostModuleBuilder('env')
      .newFunctionBuilder()
      .withModuleFunc((module, ...args) => this.#abort(module, ...args), ['i32', 'i32', 'i32', 'i32'], [])
      .withParameterNames('message', 'file', 'line', 'column')
      .export('abort')
      .instantiate()

    runtime
      .newHostModuleBuilder('host')
      .newFunctionBuilder()
      .withModuleFunc((module, address, length) => this.#write(module, address, length), ['i32', 'i32'], [])
      .withParameterNames('text', 'length')
      .export('log')
      .newFunctionBuilder()
      .withModuleFunc((module, ...args) => this.#set(module, ...args), ['i32', 'i32', 'i32', 'i32'], [])
      .withParameterNames('key', 'keyLength', 'value', 'valueLength')
      .export('set')
      .newFunctionBuilder()
      .withModuleFunc((module, key, length) => this.#get(module, key, length), ['i32', 'i32'], ['i64'])
      .withParameterNames('key', 'keyLength')
      .export('get')
      .newFunctionBuilder()
      .withModuleFunc((module, path, length) => this.#readFile(module, path, length), ['i32', 'i32'], ['i64'])
      .withParameterNames('path', 'length')
      .export('readFile')
      .instantiate()
  }

  /**
   * @param {ModuleInstance} module
   * @param {number} address
   * @param {number} length
   */
  #write(module, address, length) {
    const line = this.#text(module, address, Math.min(length >>> 0, MAX_LINE))
    this.#log(contextOf(module).name, line)
  }

  /**
   * @param {ModuleInstance} module
   * @param {number} key
   * @param {number} keyLength
   * @param {number} value
   * @param {number} valueLength
   */
  #set(module, key, keyLength, value, valueLength) {
    const { values } = contextOf(module)
    values.set(this.#text(module, key, keyLength), this.#text(module, value, valueLength))
    let used = 0
    for (const [name, kept] of values) used += name.length + kept.length
    if (used > QUOTA) this.#fail(new DeniedError(`a plugin may keep ${QUOTA} characters`))
  }

  /**
   * The plugin allocates the memory for the answer itself: the host calls it while it waits for the host.
   *
   * @param {ModuleInstance} module
   * @param {number} key
   * @param {number} length
   */
  #get(module, key, length) {
    const name = this.#text(module, key, length)
    const value = contextOf(module).values.get(name) ?? this.#settings.get(name)
    if (value === undefined) return 0n
    const bytes = Buffer.from(value)
    const address = module.exports['alloc'](bytes.length) >>> 0
    if (!module.memory?.write(address, bytes)) this.#fail(new RangeError('alloc returned no memory of the plugin'))
    return (BigInt(address) << 32n) | BigInt(bytes.length)
  }

  /**
   * @param {ModuleInstance} module
   * @param {number} path
   * @param {number} length
   * @returns {bigint}
   */
  #readFile(module, path, length) {
    return this.#fail(new DeniedError(`plugins have no files, and not ${this.#text(module, path, length)} either`))
  }

  /**
   * @param {ModuleInstance} module
   * @param {number} message
   * @param {number} file
   * @param {number} line
   * @param {number} column
   */
  #abort(module, message, file, line, column) {
    const place = `${assemblyScriptString(module, file)}:${line}:${column}`
    this.#fail(new AbortError(`${assemblyScriptString(module, message)} (${place})`))
  }

  /**
   * Text in a plugin's memory.
   *
   * @param {ModuleInstance} module
   * @param {number} address An i32 is signed in JavaScript; an address is not, and neither is a length.
   * @param {number} length
   */
  #text(module, address, length) {
    const text = module.memory?.readString(address >>> 0, length >>> 0)
    return (
      text ?? this.#fail(new RangeError(`${length >>> 0} bytes at ${address >>> 0} are not in the plugin's memory`))
    )
  }

  /**
   * @param {Error} error
   * @returns {never}
   */
  #fail(error) {
    this.thrown = error
    throw error
  }
}

/** @param {ModuleInstance} module */
function contextOf(module) {
  if (module.context instanceof PluginContext) return module.context
  throw new TypeError('the instance was not made by Plugin.load')
}

/**
 * A string of AssemblyScript: UTF-16, with its length in bytes in front.
 *
 * @param {ModuleInstance} module
 * @param {number} address
 */
function assemblyScriptString(module, address) {
  const start = address >>> 0
  const length = start >= 4 ? (module.memory?.readUint32Le(start - 4) ?? 0) : 0
  const bytes = module.memory?.read(start, Math.min(length, MAX_LINE * 2))
  return bytes === undefined ? '?' : Buffer.from(bytes).toString('utf16le')
}
