import { checkInteger } from './call-options'
import type { CompiledModule } from './compiled-module'
import { describe } from './describe'
import { ArgumentError, ExitError } from './errors'
import { checkFuelAmount } from './fuel'
import { Func } from './func'
import type { FunctionDefinition } from './function-definition'
import { Global } from './global'
import { type GuestProfiler, type ProfilingOptions, startProfiling } from './guest-profiler'
import { type Extern, exportsObject, getExport } from './instance-exports'
import type { Usage } from './limits'
import { Memory } from './memory'
import { native } from './native'
import { CallScope, Operation, runInScope, scopeOf } from './operation'
import { SharedMemory } from './shared-memory'
import type { Mode, StoreCore } from './store-core'
import { Table } from './table'
import { Tag } from './tag'
import type { ModuleExport } from './types'
import { renderName } from './wasm-frame'
import type { WasiBuffers } from './wasi-host'

/** @internal What an instance needs from its runtime. */
export interface ModuleInstanceOwner {
  closed(instance: ModuleInstance<any>): void
}

/** @internal Why an instance cannot have something of its own. */
export function sharesStore(what: string, name: string): ArgumentError {
  const why = name === '' ? 'imports from what lives there' : `has a name (${JSON.stringify(renderName(name))})`
  return new ArgumentError(
    `${what}: the instance ${why}, so it shares the store of all named instances, and can have no ${what} of its own. ` +
      "Pass name: '' and import functions of host modules only, or set limits for every store with new Runtime({ limits })",
  )
}

/**
 * An instance of a module. An anonymous one (its name is empty) has a store of its own, which `close` frees; named ones
 * share a store, so that they can import from each other.
 *
 * @typeParam Exports Type of `exports`, if you want to state it: `runtime.instantiate<{ run(n: number): number }>(...)`.
 */
export class ModuleInstance<Exports extends object = Record<string, any>> {
  readonly #owner: ModuleInstanceOwner
  readonly #core: StoreCore
  readonly #slot: number
  readonly #compiled: CompiledModule
  readonly #exported: readonly ModuleExport[]
  readonly #ownsStore: boolean
  #exports: Exports | undefined
  #memory: Memory | undefined
  #context: unknown
  /** As `close` was told: the store, which knows it too, may be gone. */
  #exitCode: number | undefined
  /** Name that others import it by; empty for an anonymous instance. */
  readonly name: string

  /** @internal */
  constructor(
    owner: ModuleInstanceOwner,
    core: StoreCore,
    compiled: CompiledModule,
    name: string,
    ownsStore: boolean,
    context: unknown,
  ) {
    if (core?.holder === undefined) {
      throw new ArgumentError('ModuleInstance cannot be constructed; use runtime.instantiate()')
    }
    this.#owner = owner
    this.#core = core
    this.#slot = core.nextSlot
    this.#compiled = compiled
    this.#exported = compiled.exports
    this.#ownsStore = ownsStore
    this.#context = context
    this.name = name
  }

  /**
   * How its calls run: in `'sync'` mode, host functions are called on the spot and cannot be waited for; in `'async'` mode
   * they may return promises, for which `callAsync` waits.
   */
  get mode(): Mode {
    return this.#core.isAsync ? 'async' : 'sync'
  }

  /**
   * Any value for host functions to find on the instance that calls them: that of `callWith` or `callAsyncWith`, or of the
   * config. In a host function of an asynchronous call it is that of this call, also after an `await`.
   */
  get context(): unknown {
    const scope = this.#core.isAsync ? scopeOf(this) : undefined
    return scope === undefined ? this.#context : scope.context
  }

  set context(context: unknown) {
    this.#context = context
  }

  /**
   * All exports: functions as plain JavaScript functions (the fastest way to call them), memories, globals and tables as
   * objects.
   *
   * Reading one for the first time, and calling a function, throws an {@link ExitError} if the instance is closed.
   */
  get exports(): Exports {
    return (this.#exports ??= exportsObject(this.#core, this.#slot, this.#exported) as Exports)
  }

  /**
   * The exported function of a name, `undefined` if there is none.
   *
   * @throws {ExitError} If the instance is closed.
   */
  exportedFunction(name: string): Func<any, any> | undefined {
    const item = this.#get(name)
    return item instanceof Func ? item : undefined
  }

  /** The export named `memory`, or else the first exported memory; `undefined` if none is exported. */
  get memory(): Memory | undefined {
    if (this.#memory === undefined) {
      this.#memory = this.exportedMemory('memory')
      if (this.#memory === undefined) {
        const first = this.#exported.find((item) => item.type.kind === 'memory')
        if (first !== undefined) this.#memory = this.exportedMemory(first.name)
      }
    }
    return this.#memory
  }

  /** The exported memory of a name, `undefined` if there is none. */
  exportedMemory(name: string): Memory | undefined {
    const item = this.#get(name)
    return item instanceof Memory ? item : undefined
  }

  /** The exported global of a name, `undefined` if there is none. */
  exportedGlobal(name: string): Global<any> | undefined {
    const item = this.#get(name)
    return item instanceof Global ? item : undefined
  }

  /** The exported table of a name, `undefined` if there is none. */
  exportedTable(name: string): Table | undefined {
    const item = this.#get(name)
    return item instanceof Table ? item : undefined
  }

  /** The shared memory of a name: `exportedMemory` finds those that are not shared. */
  exportedSharedMemory(name: string): SharedMemory | undefined {
    const item = this.#get(name)
    return item instanceof SharedMemory ? item : undefined
  }

  /** The exported tag of a name, `undefined` if there is none. */
  exportedTag(name: string): Tag | undefined {
    const item = this.#get(name)
    return item instanceof Tag ? item : undefined
  }

  /** The definition of an exported function, `undefined` if there is none of that name. */
  exportedDefinition(name: string): FunctionDefinition | undefined {
    return this.#compiled.exportedFunctions.find((definition) => definition.exportNames.includes(name))
  }

  /**
   * Begins to profile the instance, with all others in its store: an instance without a name has one of its own, those with
   * names share one.
   *
   * @throws {ArgumentError} If the store is being profiled already, or the runtime was made with `interruptible: false`.
   * @throws {ExitError} If it is closed, and had a store of its own.
   */
  startProfiling(options?: ProfilingOptions): GuestProfiler {
    return startProfiling(this.#core, options)
  }

  /**
   * What is left of the fuel of its store, exactly; with the engine option `fuel: true`. It can be set if the store is its
   * own.
   *
   * @throws {ArgumentError} If the engine does not count fuel, or if it is set and the instance shares its store.
   */
  get fuel(): bigint {
    return this.#core.fuel
  }

  set fuel(fuel: bigint) {
    if (!this.#ownsStore) throw sharesStore('fuel', this.name)
    this.#core.fuel = checkFuelAmount(fuel, 'fuel')
  }

  /** What it has taken, and what it was refused; if it shares its store, what all in that store have. */
  get usage(): Usage {
    return this.#core.usage
  }

  /** What a guest with WASI has written, where that is kept in a `'buffer'`; `undefined` for one without WASI. */
  get wasi(): WasiBuffers | undefined {
    return this.#core.wasi
  }

  /** Whether it has been closed. */
  get closed(): boolean {
    return native.instanceExitCode(this.#core.handle, this.#slot) !== undefined
  }

  /** The exit code that it was closed with, `undefined` while it is open. */
  get exitCode(): number | undefined {
    const code = native.instanceExitCode(this.#core.handle, this.#slot)
    const own = this.#exitCode ?? this.#core.exitCodeAtEnd(this.#slot)
    return code === undefined || code < 0 ? own : (own ?? code)
  }

  /**
   * Closes the instance and frees its name; the first exit code wins. Later calls throw an `ExitError`. Inside a host
   * function that the instance has called it takes effect when that call has returned, whose caller then gets an
   * `ExitError` with the results. Asynchronous calls are ended at once: their promises are rejected with an `ExitError`
   * without results. Instances that import from this one are not affected. Idempotent.
   *
   * @param exitCode An integer from 0 to 2^32 - 1.
   */
  close(exitCode = 0): void {
    const code = checkInteger(exitCode, 'exitCode', 0, 2 ** 32 - 1) ?? 0
    if (this.closed) {
      // The guest has ended itself.
      if (this.#ownsStore) this.#core.wasi?.release()
      return
    }
    this.#exitCode = code
    native.instanceClose(this.#core.handle, this.#slot, code)
    if (this.#ownsStore) this.#core.close()
    else if (this.#core.isAsync) Operation.stopAll(this.#core, this, () => new ExitError(code))
    this.#owner.closed(this)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }

  /** @internal Runs something while `context` is another; used by `Func.callWith`. */
  runWithContext<T>(context: unknown, run: () => T): T {
    if (this.#core.isAsync) return runInScope(new CallScope(this, context, true), run)
    const outer = this.#context
    this.#context = context
    try {
      return run()
    } finally {
      this.#context = outer
    }
  }

  /** @internal Its start function has failed: whoever has got hold of the instance finds it closed. */
  static fail(instance: ModuleInstance<any>): void {
    const { core, slot } = ModuleInstance.parts(instance)
    // The slot is empty by now. One that did not even get there has none, and nobody has it.
    if (slot < core.nextSlot && core.instanceAt(slot) === undefined) instance.close(1)
  }

  /** @internal Closes an instance in one of its host functions, which throws `error`; this is what ends its calls. */
  static abort(instance: ModuleInstance<any>, exitCode: number, error: Error): void {
    if (instance.#core.isAsync) Operation.stopAll(instance.#core, instance, () => error)
    instance.close(exitCode)
  }

  /** @internal Whether an asynchronous call is what has called a host function of the instance. */
  static isCalledAsync(instance: ModuleInstance<any>): boolean {
    return instance.#core.schedule.top !== undefined
  }

  /** @internal The names of all that it exports. */
  static exportNames(instance: ModuleInstance<any>): ReadonlySet<string> {
    return new Set(instance.#exported.map((item) => item.name))
  }

  /** @internal */
  static compiled(instance: ModuleInstance<any>): CompiledModule {
    return instance.#compiled
  }

  /** @internal */
  static parts(instance: ModuleInstance<any>): { core: StoreCore; slot: number; ownsStore: boolean } {
    return { core: instance.#core, slot: instance.#slot, ownsStore: instance.#ownsStore }
  }

  #get(name: string): Extern | undefined {
    if (typeof name !== 'string') throw new ArgumentError(`name must be a string, but got ${describe(name)}`)
    return getExport(this.#core, this.#slot, name)
  }
}
