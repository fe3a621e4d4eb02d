// One version of a plugin: compiled code, and the requests that still use it.

import { CircuitBreaker } from './circuit-breaker.mjs'

/** @import { CompiledModule } from '../../index.mjs' */
/** @import { BreakerOptions } from './circuit-breaker.mjs' */

export class Plugin {
  #users = 0
  #retired = false
  /** @type {() => void} */
  #drained = () => {}

  /**
   * @param {string} name
   * @param {string} digest Of its file.
   * @param {CompiledModule} compiled
   * @param {BreakerOptions} breaker New code has a new chance: each version has a breaker of its own.
   */
  constructor(name, digest, compiled, breaker) {
    this.name = name
    this.digest = digest
    this.compiled = compiled
    this.breaker = new CircuitBreaker(breaker)
  }

  /** Keeps the version for a request, until the function that it gives is called. */
  use() {
    this.#users++
    return () => {
      this.#users--
      this.#closeIfDrained()
    }
  }

  /** Takes it out of service. Continues when its last request has ended; then the code is freed. */
  retire() {
    const drained = new Promise((resolve) => (this.#drained = () => resolve(undefined)))
    this.#retired = true
    this.#closeIfDrained()
    return drained
  }

  #closeIfDrained() {
    if (!this.#retired || this.#users > 0) return
    this.compiled.close()
    this.#drained()
  }
}
