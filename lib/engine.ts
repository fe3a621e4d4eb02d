import { describe } from './describe'
import { type EngineOptions, checkEngineOptions } from './engine-options'
import { ArgumentError } from './errors'
import { type Binding, native } from './native'

/** What is alive of an engine in this environment. */
export interface EngineStats {
  /** Stores that are not closed. */
  readonly stores: number
  /** Instances in them. */
  readonly instances: number
  /** JavaScript functions that linkers and stores can call. */
  readonly hostFunctions: number
  /** Bytes of the linear memories and tables in them. */
  readonly memoryBytes: number
  /** Asynchronous calls and instantiations that have not settled, by what they do. */
  readonly tasks: TaskStats
}

/** Asynchronous calls by what they do. */
export interface TaskStats {
  /** They have not begun: they wait for another call in their store, or for their first turn of the event loop. */
  readonly queued: number
  /** They have the JavaScript thread, or wait for their next turn on it. */
  readonly home: number
  /** They compute on another thread, or wait for one. */
  readonly pool: number
  /** They wait for a promise, or for a call that is nested in them. */
  readonly parked: number
}

/** How modules are compiled and run; modules, linkers and stores belong to one engine. */
export class Engine {
  readonly #native: Binding.Engine

  /** @throws {ArgumentError} If an option is unknown, has a wrong value or does not fit the others. */
  constructor(options: EngineOptions = {}) {
    this.#native = new native.Engine(checkEngineOptions(options))
  }

  /** What is alive. */
  stats(): EngineStats {
    return this.#native.stats()
  }

  /** @internal */
  static native(engine: unknown): Binding.Engine {
    if (typeof engine !== 'object' || engine === null || !(#native in engine)) {
      throw new ArgumentError(`engine must be an Engine, but got ${describe(engine)}`)
    }
    return engine.#native
  }
}
