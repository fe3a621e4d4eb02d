// The guests' side: what they can call, and how they are called.

import { AsyncLocalStorage } from 'node:async_hooks'
import { fileURLToPath } from 'node:url'

// In a project of your own: import { Runtime } from 'node-wasmtime'
import { Runtime } from '../../index.mjs'

/** @import { CompiledModule, ModuleInstance } from '../../index.mjs' */

/** Who has called a guest. Host functions find it there, also after an `await`. @type {AsyncLocalStorage<string>} */
export const caller = new AsyncLocalStorage()

/** Guests of one module, and the one function that they can call. */
export class Guests {
  #runtime
  #compiled

  /**
   * @param {Runtime} runtime
   * @param {CompiledModule} compiled
   */
  constructor(runtime, compiled) {
    this.#runtime = runtime
    this.#compiled = compiled
  }

  static async load() {
    const runtime = new Runtime()
    runtime
      .newHostModuleBuilder('host')
      .newFunctionBuilder()
      .withModuleFunc(fetchFor, ['i32', 'i32'], ['i64'])
      .withParameterNames('url', 'length')
      .export('fetch')
      .instantiate()
    const file = fileURLToPath(new URL('build/words.wasm', import.meta.url))
    return new Guests(runtime, await runtime.compileModuleFile(file))
  }

  /** A guest in async mode, with a store of its own. */
  create() {
    return this.#runtime.instantiateAsync(this.#compiled, { name: '' })
  }

  /** What is alive, asynchronous calls included. */
  get stats() {
    return this.#runtime.stats()
  }

  close() {
    this.#runtime.close()
  }
}

/**
 * The host function. It returns a promise, and the guest that has called it waits; the event loop does not.
 *
 * @param {ModuleInstance} guest
 * @param {number} url An i32 is signed in JavaScript; an address is not.
 * @param {number} length
 */
async function fetchFor(guest, url, length) {
  const address = guest.memory?.readString(url >>> 0, length >>> 0) ?? ''
  const { signal } = /** @type {{ signal: AbortSignal }} */ (guest.context)
  const response = await fetch(address, { signal, headers: { 'x-caller': caller.getStore() ?? 'nobody' } })
  if (!response.ok) throw new Error(`${new URL(address).pathname} is answered with ${response.status}`)
  const body = new Uint8Array(await response.arrayBuffer())

  // The guest still waits, so it can be called: what is called here runs within the call that has led here.
  const target = (await guest.exportedFunction('alloc')?.callAsync(body.length)) >>> 0
  if (!guest.memory?.write(target, body)) throw new RangeError('alloc returned no memory of the guest')
  return (BigInt(target) << 32n) | BigInt(body.length)
}

/**
 * Has a guest count the words of a text.
 *
 * @param {ModuleInstance} guest It does one thing at a time.
 * @param {string} url
 * @param {{ signal?: AbortSignal, timeoutMs?: number }} [limits]
 * @returns {Promise<number>}
 */
export async function countWords(guest, url, limits) {
  // Stopping the call ends the waiting of the guest; what the host function is doing has to be told.
  const request = new AbortController()
  try {
    const bytes = Buffer.from(url)
    const address = guest.exports['alloc'](bytes.length) >>> 0
    guest.memory?.write(address, bytes)
    const options = { ...limits, context: { signal: request.signal } }
    return await guest.exportedFunction('countWords')?.callAsyncWith(options, address, bytes.length)
  } finally {
    request.abort()
  }
}
