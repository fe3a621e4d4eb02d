import { Engine } from './engine'
import { setCoreOfStore } from './func'
import { native } from './native'
import { StoreCore } from './store-core'

/**
 * Holds instances and what belongs to them. Nothing in a store is freed before the store is, so give instances that come
 * and go a store each.
 */
export class Store {
  readonly #core: StoreCore
  readonly engine: Engine

  constructor(engine: Engine) {
    this.#core = new StoreCore(Engine.native(engine))
    this.engine = engine
  }

  /** Whether the store has been closed. */
  get closed(): boolean {
    return this.#core.closed
  }

  /** Collects reference values that wasm no longer holds; this happens by itself as well. */
  gc(): void {
    native.storeGc(this.#core.handle)
  }

  /**
   * Frees the store: at once, or, inside a host function that its wasm has called, when that wasm has returned. Later
   * use of anything in it throws a `ClosedError`. Idempotent.
   */
  close(): void {
    this.#core.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  static {
    setCoreOfStore((store) => (#core in store ? store.#core : undefined))
  }
}
