// Loads plugins, runs their functions within limits, and lets go of them. It knows nothing of Electron, so it can be tested
// in plain Node.js, and could as well serve another kind of app.

import { Runtime } from 'node-wasmtime'
import { CodedError, MAX_TEXT, checkBytes, checkFunction, checkName, checkText, checkTimeout } from './protocol.mjs'

/** @import { CompiledModule, Memory, ModuleInstance } from 'node-wasmtime' */
/** @import { PluginInfo } from './protocol.mjs' */

const MIB = 1024 * 1024

/** Bytes of memory that a call may have. */
const MEMORY = 64 * MIB

/** Lines that a call may log, and bytes of each. What is above is left out: a plugin must not fill disks or keep the app busy. */
const MAX_LINES = 100
const MAX_LINE = 1000

/** What host functions know of a call. @typedef {{ plugin: string, lines: number }} Caller */

/**
 * A plugin exports its memory, `alloc(size) -> address`, and functions that take a text as address and length and return
 * one as i64: the address in the upper half, the length in the lower.
 */
export class PluginHost {
  #runtime
  /** @type {Map<string, { compiled: CompiledModule, functions: string[] }>} */
  #plugins = new Map()

  /** @param {{ cache?: string, log?: (plugin: string, line: string) => void }} [options] */
  constructor({ cache, log = () => {} } = {}) {
    this.#runtime = new Runtime({
      limits: { memoryBytes: MEMORY, tableElements: 10_000, instances: 1, memories: 1, tables: 4 },
      // An app has few instances at once. With less address space set aside, it also runs where that is scarce.
      memoryReservation: MEMORY,
      threads: false,
      multiMemory: false,
      memory64: false,
      cache: cache ?? false,
    })
    this.#runtime
      .newHostModuleBuilder('host')
      .newFunctionBuilder()
      .withModuleFunc(
        (guest, at, length) => {
          const caller = /** @type {Caller} */ (guest.context)
          if (caller.lines++ > MAX_LINES) return
          const line = guest.memory?.readString(at >>> 0, Math.min(length >>> 0, MAX_LINE))
          if (line === undefined) throw new CodedError('BAD_PLUGIN', 'it logged what is not in its memory')
          log(caller.plugin, caller.lines > MAX_LINES ? '(further lines are left out)' : line)
        },
        ['i32', 'i32'],
        [],
      )
      .export('log')
      .instantiate()
  }

  /**
   * Compiles a plugin off the event loop, and puts it in the place of the one that had its name. Calls that are under way
   * end in the version that they began with.
   *
   * @param {unknown} name
   * @param {unknown} bytes
   * @returns {Promise<PluginInfo>}
   */
  async load(name, bytes) {
    const known = checkName(name)
    const compiled = await this.#runtime.compileModule(checkBytes(bytes))
    try {
      const functions = functionsOf(compiled)
      // Missing imports and a start function that fails show now, and not at the first call.
      const trial = await this.#instantiate(compiled, known, { timeoutMs: 5000 })
      trial.close()
      this.#plugins.get(known)?.compiled.close()
      this.#plugins.set(known, { compiled, functions })
      return { name: known, functions }
    } catch (error) {
      compiled.close()
      throw error
    }
  }

  /** @returns {PluginInfo[]} */
  list() {
    return [...this.#plugins].map(([name, { functions }]) => ({ name, functions }))
  }

  /**
   * Runs a function of a plugin on a text, in an instance of its own.
   *
   * @param {unknown} name
   * @param {unknown} functionName
   * @param {unknown} text
   * @param {unknown} timeoutMs Milliseconds for all of it.
   * @param {AbortSignal} [signal]
   * @returns {Promise<string>}
   */
  async run(name, functionName, text, timeoutMs, signal) {
    const known = checkName(name)
    const wanted = checkFunction(functionName)
    const input = Buffer.from(checkText(text))
    const end = performance.now() + checkTimeout(timeoutMs)
    const plugin = this.#plugins.get(known)
    if (plugin === undefined) throw new CodedError('NO_SUCH_PLUGIN', `no plugin is called ${known}`)
    if (!plugin.functions.includes(wanted)) throw new CodedError('BAD_REQUEST', `${known} has no such function`)
    const stop = () => ({ timeoutMs: Math.max(0, end - performance.now()), ...(signal && { signal }) })

    const instance = await this.#instantiate(plugin.compiled, known, stop())
    try {
      const at = (await instance.exportedFunction('alloc')?.callAsyncWith(stop(), input.length)) >>> 0
      if (!instance.memory?.write(at, input)) throw new CodedError('BAD_PLUGIN', 'its alloc gave no memory of its own')
      const packed = await instance.exportedFunction(wanted)?.callAsyncWith(stop(), at, input.length)
      return readAnswer(instance.memory, Number(packed >> 32n) >>> 0, Number(packed & 0xffff_ffffn))
    } finally {
      instance.close()
    }
  }

  /** @param {unknown} name */
  unload(name) {
    const known = checkName(name)
    this.#plugins.get(known)?.compiled.close()
    return this.#plugins.delete(known)
  }

  /** What is alive. */
  stats() {
    return this.#runtime.stats()
  }

  close() {
    this.#runtime.close()
  }

  /**
   * @param {CompiledModule} compiled
   * @param {string} plugin Its name, for host functions.
   * @param {{ timeoutMs: number, signal?: AbortSignal }} stop
   * @returns {Promise<ModuleInstance>}
   */
  #instantiate(compiled, plugin, stop) {
    /** @type {Caller} */
    const context = { plugin, lines: 0 }
    return this.#runtime.instantiateAsync(compiled, { name: '', context, startFunctions: ['_initialize'], ...stop })
  }
}

/**
 * @param {Memory} memory
 * @param {number} at
 * @param {number} length In bytes, of which a character has three at most.
 */
function readAnswer(memory, at, length) {
  const tooLong = () => new CodedError('BAD_PLUGIN', `it returned a text of more than ${MAX_TEXT} characters`)
  if (length > 3 * MAX_TEXT) throw tooLong()
  const output = memory.readString(at, length)
  if (output === undefined) throw new CodedError('BAD_PLUGIN', 'it returned a text that is not in its memory')
  if (output.length > MAX_TEXT) throw tooLong()
  return output
}

/** @param {CompiledModule} compiled */
function functionsOf(compiled) {
  const signatures = new Map(
    compiled.exportedFunctions.flatMap(({ exportNames, paramTypes, resultTypes }) =>
      exportNames.map((name) => [name, `${paramTypes.join()} -> ${resultTypes.join()}`]),
    ),
  )
  if (signatures.get('alloc') !== 'i32 -> i32') throw new CodedError('BAD_PLUGIN', 'it exports no alloc(i32) -> i32')
  if (compiled.exportedMemories.length !== 1) throw new CodedError('BAD_PLUGIN', 'it exports no memory')
  return [...signatures].flatMap(([name, signature]) => (signature === 'i32,i32 -> i64' ? [name] : []))
}
