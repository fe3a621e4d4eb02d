import { checkOptions, checkString } from './call-options'
import { describe } from './describe'
import { type EngineOptions, checkEngineOptions } from './engine-options'
import { ArgumentError } from './errors'
import { type CacheStats, warnOfCache } from './module-cache'
import { type Binding, native } from './native'
import { type SharedHandle, attachTo, newHandle } from './shared-handle'
import type { ModuleSource } from './types'

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
  /** What the cache of compiled modules has done, for all threads that share the engine; left out if there is none. */
  readonly cache?: CacheStats
  /** Modules that are neither closed nor collected, of all threads that share the engine. */
  readonly compiledModules: number
  /** Bytes of that code, with the data that belongs to it. */
  readonly codeBytes: number
  /** What has happened since the engine was made. */
  readonly totals: EngineTotals
}

/** Options of {@link Engine.precompile}. */
export interface PrecompileOptions {
  /**
   * The kind of machine that the code is for, as a target triple such as `aarch64-apple-darwin` or
   * `x86_64-pc-windows-msvc`: those that there are packages for, with 64-bit processors of Intel, AMD or ARM, whichever this
   * one is. Default: this machine, with all that its processor can do. For another machine only what every processor of the
   * kind can do is used.
   */
  readonly target?: string
}

/**
 * What has happened in an engine since it was made. Of other threads that share it, calls count when their stores have ended.
 */
export interface EngineTotals {
  /** Calls of exported functions, and instantiations; also those that were nested in host functions. */
  readonly calls: number
  /** Calls of JavaScript functions by guests. */
  readonly hostCalls: number
  /** Calls and instantiations that have ended in a `TrapError`. */
  readonly traps: number
  /** Calls and instantiations that were interrupted while they ran or waited. */
  readonly interrupts: number
  /** Modules that were compiled, or loaded from a cache or a file. */
  readonly compiledModules: number
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
   * @returns The same handle every time. It keeps nothing alive: until the others have attached, keep the engine, or
   * something that belongs to it (a module, a store, an instance, a shared memory).
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

  /**
   * Ends every call that runs at this moment in a store of the engine, in all threads that share it, with an
   * `InterruptedError`; see `Runtime.interrupt`. Later calls are not touched.
   *
   * @throws {ArgumentError} If the engine was made with `interruptible: false`.
   */
  interrupt(): void {
    this.#native.interrupt()
  }

  /** What is alive. */
  stats(): EngineStats {
    return engineStats(this.#native)
  }

  /**
   * Compiles a module to bytes, without making it ready to run, off the event loop: for another time, process or machine.
   *
   * @param source Bytes of the binary format, or WAT text.
   * @returns What `Module.unsafeDeserialize` takes, in an engine with the same options and of the same version.
   * @throws {CompileError} If the module is malformed, invalid or a component.
   * @throws {ArgumentError} If the target is unknown, or this package cannot compile for it.
   */
  async precompile(source: ModuleSource, options?: PrecompileOptions): Promise<Buffer> {
    const target = checkString(checkOptions(options, 'options', ['target']).target, 'options.target')
    const engine = target === undefined ? this.#native : this.#native.forTarget(target)
    return native.Module.precompile(engine, source as Uint8Array)
  }

  /**
   * Tells whether bytes are a precompiled module, by their form: not whether this engine can use them, nor whether they can
   * be trusted.
   */
  static detectPrecompiled(bytes: Uint8Array | ArrayBufferLike): 'module' | undefined {
    return native.Module.isPrecompiled(bytes as Uint8Array) ? 'module' : undefined
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

/** @internal */
export function engineStats(engine: Binding.Engine): EngineStats {
  warnOfCache(engine)
  const { cacheStats } = engine
  return cacheStats === null ? engine.stats() : { ...engine.stats(), cache: cacheStats }
}
