import { Engine } from './engine'
import { checkChoice, checkOptions, checkTimeout } from './call-options'
import { checkFuelAmount } from './fuel'
import { setCoreOfStore } from './func'
import { type GuestProfiler, type ProfilingOptions, startProfiling } from './guest-profiler'
import { type Limits, type Usage, checkLimits } from './limits'
import { native } from './native'
import { now } from './stopper'
import { type Mode, StoreCore } from './store-core'
import { type WasiBuffers, WasiHost } from './wasi-host'
import { type WasiOptions, checkWasiOptions } from './wasi-options'

const noLimits: Limits = Object.freeze({})

/** Options of a {@link Store}. */
export interface StoreOptions {
  /**
   * How calls run: in `'sync'` mode host functions are called on the spot, in `'async'` mode they may return promises. By
   * default the first use decides: `linker.instantiateAsync` makes it async, all else sync. A store has one mode for life.
   */
  readonly mode?: Mode
  /** What its instances may take together; default: none but what {@link Limits} says. */
  readonly limits?: Limits
  /**
   * Gives the guests of the store WASI preview 1, all of them the same; a linker must define its functions with
   * `linker.wasi()`. Without `mode`, the store is in sync mode then. A guest that calls `proc_exit` closes the store.
   */
  readonly wasi?: WasiOptions
}

/**
 * Holds instances and what belongs to them. Nothing in a store is freed before the store is, so give instances that come
 * and go a store each.
 */
export class Store {
  readonly #core: StoreCore
  /** The engine whose modules can be instantiated in it. */
  readonly engine: Engine

  /**
   * @throws {ArgumentError} If the mode is none, or is async and the engine was made with `interruptible: false`;
   * or if an option of WASI is wrong, or a directory cannot be opened.
   */
  constructor(engine: Engine, options: StoreOptions = {}) {
    const { mode, limits, wasi } = checkOptions(options, 'options', ['mode', 'limits', 'wasi'])
    const checked = checkChoice(mode, 'options.mode', ['sync', 'async'])
    const checkedLimits = checkLimits(limits, 'options.limits')
    const host =
      wasi === undefined ? undefined : new WasiHost(checkWasiOptions(wasi, 'options.wasi', 'ignore'), checked ?? 'sync')
    this.#core = new StoreCore(Engine.native(engine), checked, checkedLimits)
    try {
      host?.attach(this.#core)
    } catch (error) {
      this.#core.close()
      throw error
    }
    this.engine = engine
  }

  /** How its calls run; `undefined` as long as nothing has decided that. */
  get mode(): Mode | undefined {
    const { mode } = this.#core
    return mode === 'undecided' ? undefined : mode
  }

  /** The limits that it was made with. */
  get limits(): Limits {
    return this.#core.limits ?? noLimits
  }

  /** What its instances have taken, and what they were refused. */
  get usage(): Usage {
    return this.#core.usage
  }

  /**
   * What is left of the store's fuel, exactly. A store begins with 2^64 - 1, which is as good as no bound, so set it. While a
   * call with a budget of its own runs, this is what the store has left; setting it leaves the budget in force.
   *
   * @throws {ArgumentError} If the engine was not made with `fuel: true`.
   * @throws {StoreBusyError} While a guest of the store computes on another thread.
   */
  get fuel(): bigint {
    return this.#core.fuel
  }

  set fuel(fuel: bigint) {
    this.#core.fuel = checkFuelAmount(fuel, 'fuel')
  }

  /**
   * Adds to the store's fuel, up to 2^64 - 1.
   *
   * @throws {ArgumentError} As for `fuel`.
   */
  addFuel(amount: bigint): void {
    native.storeAddFuel(this.#core.handle, checkFuelAmount(amount, 'amount'))
  }

  /**
   * Sets one deadline for all later calls of the store, start functions included, so many milliseconds from now. Those that
   * run then are stopped with an `InterruptedError`, and those that are made after it do not begin. Calls that are under way
   * already are not concerned, but the calls that their host functions make from now on are.
   *
   * @param milliseconds From 0 to 2^31 - 1; `undefined` for no deadline.
   * @throws {ArgumentError} If the engine was made with `interruptible: false`.
   */
  setDeadline(milliseconds: number | undefined): void {
    const time = checkTimeout(milliseconds, 'milliseconds')
    native.storeSetDeadline(this.#core.handle, time)
    this.#core.deadline = time === undefined ? undefined : now() + time
  }

  /** What guests with WASI have written, where that is kept in a `'buffer'`; `undefined` for a store without WASI. */
  get wasi(): WasiBuffers | undefined {
    return this.#core.wasi
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
