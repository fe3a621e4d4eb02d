import { describe } from './describe'
import { type EngineOptions, checkEngineOptions } from './engine-options'
import { ArgumentError } from './errors'
import { type Binding, native } from './native'
import { type SharedHandle, attachTo, newHandle } from './shared-handle'

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
  #handle: SharedHandle<'engine'> | undefined

  /** @throws {ArgumentError} If an option is unknown, has a wrong value or does not fit the others. */
  constructor(options: EngineOptions = {}) {
    this.#native = options instanceof native.Engine ? options : new native.Engine(checkEngineOptions(options))
  }

  /**
   * Gives a handle by which Workers of this process can {@link Engine.attach} to this engine, so that they use its modules
   * without compiling them again.
   *
   * @returns The same handle every time. It keeps nothing alive: keep the engine until the others have attached.
   */
  share(): SharedHandle<'engine'> {
    return (this.#handle ??= shareEngine(this.#native))
  }

  /**
   * The engine that another thread of this process shares. Its stores and instances belong to the thread that makes them;
   * the compiled code, the options and the threads for asynchronous calls are shared.
   *
   * @param handle What `share()` of the engine, or of a runtime, gave.
   * @throws {ArgumentError} If it is not such a handle.
   * @throws {ClosedError} If the engine is not there any more, or is one of another process.
   */
  static attach(handle: SharedHandle<'engine'>): Engine {
    return new Engine(attachEngine(handle) as EngineOptions)
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

/** @internal */
export function shareEngine(engine: Binding.Engine): SharedHandle<'engine'> {
  const handle = newHandle('engine')
  engine.share(handle.id)
  return handle
}

/** @internal */
export function attachEngine(handle: unknown): Binding.Engine {
  return attachTo(handle, 'engine', (id) => native.Engine.attach(id))
}
