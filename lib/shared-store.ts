import type { Listening } from './listening'
import type { Limits } from './limits'
import type { Binding } from './native'
import { type Mode, StoreCore } from './store-core'

/**
 * @internal The store of a runtime's named instances in one mode, and of those that import from them. A Wasmtime store
 * frees nothing before its end, so it ends with the last of its users.
 */
export class SharedStore {
  readonly #engine: Binding.Engine
  readonly #mode: Mode
  readonly #listening: Listening | undefined
  readonly #limits: Limits | undefined
  #core: StoreCore | undefined
  /** Open instances and host modules in it. By identity: one may be said to have left more than once. */
  readonly #users = new Set<object>()

  constructor(engine: Binding.Engine, mode: Mode, limits: Limits | undefined, listening: Listening | undefined) {
    this.#engine = engine
    this.#listening = listening
    this.#mode = mode
    this.#limits = limits
  }

  /** The store, made if there is none. */
  get core(): StoreCore {
    if (this.#core === undefined || this.#core.closed) {
      const mode = this.#mode === 'async' ? this.#mode : undefined
      this.#core = new StoreCore(this.#engine, mode, this.#limits, this.#listening)
    }
    return this.#core
  }

  enter(user: object): void {
    this.#users.add(user)
  }

  /** Ends the store if nobody else is in it. */
  leave(user: object): void {
    this.#users.delete(user)
    if (this.#users.size > 0) return
    this.#core?.close()
    this.#core = undefined
  }

  /** Lets go of the store, which has been closed with the others of the engine. */
  close(): void {
    this.#users.clear()
    this.#core = undefined
  }
}
