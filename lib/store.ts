import { Engine } from './engine'
import { checkChoice, checkOptions } from './call-options'
import { setCoreOfStore } from './func'
import { type GuestProfiler, type ProfilingOptions, startProfiling } from './guest-profiler'
import { native } from './native'
import { type Mode, StoreCore } from './store-core'

/** Options of a {@link Store}. */
export interface StoreOptions {
  /**
   * How calls run: in `'sync'` mode host functions are called on the spot, in `'async'` mode they may return promises. By
   * default the first use decides: `linker.instantiateAsync` makes it async, all else sync. A store has one mode for life.
   */
  readonly mode?: Mode
}

/**
 * Holds instances and what belongs to them. Nothing in a store is freed before the store is, so give instances that come
 * and go a store each.
 */
export class Store {
  readonly #core: StoreCore
  readonly engine: Engine

  /** @throws {ArgumentError} If the mode is none, or is async and the engine was made with `interruptible: false`. */
  constructor(engine: Engine, options: StoreOptions = {}) {
    const { mode } = checkOptions(options, 'options', ['mode'])
    const checked = checkChoice(mode, 'options.mode', ['sync', 'async'])
    this.#core = new StoreCore(Engine.native(engine), checked)
    this.engine = engine
  }

  /** How its calls run; `undefined` as long as nothing has decided that. */
  get mode(): Mode | undefined {
    const { mode } = this.#core
    return mode === 'undecided' ? undefined : mode
  }

  /** Whether the store has been closed. */
  get closed(): boolean {
    return this.#core.closed
  }

  /**
   * Begins to profile what runs in the store.
   *
   * @throws {ArgumentError} If it is being profiled already, or the engine was made with `interruptible: false`.
   * @throws {ClosedError} If the store is closed.
   */
  startProfiling(options?: ProfilingOptions): GuestProfiler {
    return startProfiling(this.#core, options)
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
