import { beginInstance } from './begin-instance'
import { checkInteger, checkOptions } from './call-options'
import {
  type AsyncCommandConfig,
  type CommandConfig,
  type CommandResult,
  checkAsyncCommandConfig,
  checkCommand,
  checkCommandConfig,
  commandResult,
  commandResultNow,
  endCommand,
  exitedHost,
} from './command'
import { CompiledHostModule } from './compiled-host-module'
import { CompiledModule, setEngineOf } from './compiled-module'
import { describe } from './describe'
import { type EngineStats, attachEngine, engineStats, shareEngine } from './engine'
import { ArgumentError, ClosedError, ExitError } from './errors'
import { Func } from './func'
import { HeardFunction } from './heard-function'
import { HostModuleBuilder } from './host-module-builder'
import type { HostModuleInstance } from './host-module-instance'
import type { Listening } from './listening'
import {
  type AsyncModuleConfig,
  type CheckedModuleConfig,
  type HostModuleConfig,
  type ModuleConfig,
  checkAsyncModuleConfig,
  checkModuleConfig,
} from './module-config'
import { Module, attachModule, checkPath, compileNow, compiled } from './module'
import { ModuleInstance } from './module-instance'
import { ModuleSpace, type Place } from './module-space'
import { type Binding, native } from './native'
import { type RuntimeOptions, RuntimeParts, checkRuntimeOptions, ownOptionNames } from './runtime-options'
import type { SharedHandle } from './shared-handle'
import { setEngineOfRuntime } from './shared-memory'
import { type Stopper, makeStopper, now } from './stopper'
import type { Mode } from './store-core'
import type { ModuleSource } from './types'
import { type Versions, versions } from './versions'
import { type WasiHost, noteHost } from './wasi-host'

/** What is alive of a runtime. */
export interface RuntimeStats extends EngineStats {
  /** Modules that have a name and can be imported from. */
  readonly modules: number
}

/**
 * Compiles modules, defines host functions and instantiates guests: the place where everything begins.
 *
 * @example
 * ```ts
 * const runtime = new Runtime()
 * runtime.newHostModuleBuilder('env')
 *   .newFunctionBuilder().withFunc((a, b) => a + b, ['i32', 'i32'], ['i32']).export('add')
 *   .instantiate()
 * const guest = runtime.instantiate(await runtime.compileModule(bytes))
 * guest.exports.run(1)
 * runtime.close()
 * ```
 */
export class Runtime {
  readonly #engine: Binding.Engine
  #handle: SharedHandle<'engine'> | undefined
  readonly #listening: Listening | undefined
  readonly #space: ModuleSpace
  #exitCode: number | undefined
  /** Whether functions may have several results. */
  readonly #multiValue: boolean

  /** @throws {ArgumentError} If an option is unknown, has a wrong value or does not fit the others. */
  constructor(options: RuntimeOptions = {}) {
    const { limits, listening, engine } = checkRuntimeOptions(options)
    this.#engine = engine
    this.#listening = listening
    this.#multiValue = this.#engine.multiValue
    this.#space = new ModuleSpace(engine, limits, listening)
  }

  /**
   * Gives a handle by which Workers of this process can {@link Runtime.attach} to the engine of this runtime.
   *
   * @returns The same handle every time. It keeps nothing alive: until the others have attached, keep the runtime, or
   * something that belongs to it (a module, an instance).
   * @throws {ClosedError} If the runtime is closed.
   *
   * @example
   * ```ts
   * const worker = new Worker('./worker.js', { workerData: { engine: runtime.share(), module: compiled.share() } })
   * // in the Worker:
   * const runtime = Runtime.attach(workerData.engine)
   * const guest = runtime.instantiate(runtime.attachModule(workerData.module))
   * ```
   */
  share(): SharedHandle<'engine'> {
    this.assertOpen()
    return (this.#handle ??= shareEngine(this.#engine))
  }

  /**
   * A runtime of this thread with the engine of another thread's: the same options, and the same compiled code. All else
   * is its own: host modules, instances, and its end.
   *
   * @param handle What `share()` of a runtime or engine gave.
   * @param options `limits` and `functionListenerFactory`, as for a new runtime: they are not part of the engine.
   * @throws {ArgumentError} If it is not such a handle.
   * @throws {ClosedError} If the engine is not there any more, or is one of another process.
   */
  static attach(
    handle: SharedHandle<'engine'>,
    options: Pick<RuntimeOptions, 'limits' | 'functionListenerFactory'> = {},
  ): Runtime {
    const own = checkOptions(options, 'options', ownOptionNames)
    return new Runtime(new RuntimeParts(attachEngine(handle), own) as RuntimeOptions)
  }

  /**
   * The module that another thread of this process shares, without compiling it again. Closing it ends it for this runtime
   * only.
   *
   * @param handle What `share()` of the module gave.
   * @throws {ArgumentError} If it is not such a handle, or the module belongs to another engine than this runtime's.
   * @throws {ClosedError} If the module is closed, or is one of another process.
   */
  attachModule(handle: SharedHandle<'module'>): CompiledModule {
    this.assertOpen()
    return new CompiledModule(this, attachModule(this.#engine, handle))
  }

  /** Versions of what this package is made of. */
  get versions(): Versions {
    return versions()
  }

  static {
    setEngineOfRuntime((owner) =>
      typeof owner === 'object' && owner !== null && #engine in owner ? owner.#engine : undefined,
    )
  }

  /** @internal */
  static engineOf(runtime: unknown): Binding.Engine {
    if (typeof runtime !== 'object' || runtime === null || !(#engine in runtime)) {
      throw new ArgumentError(`runtime must be a Runtime, but got ${describe(runtime)}`)
    }
    runtime.assertOpen()
    return runtime.#engine
  }

  /** @internal */
  get multiValue(): boolean {
    return this.#multiValue
  }

  /**
   * Begins a host module.
   *
   * @param name What guests import it by; it must not be empty.
   */
  newHostModuleBuilder(name: string): HostModuleBuilder {
    return new HostModuleBuilder(this, name)
  }

  /**
   * Compiles a module off the event loop. Nothing stops it before its end, which for a module that was made to be slow may
   * be far: compile what you do not trust in a process that you can end.
   *
   * @param source Bytes of the binary format (copied at once), or WAT text.
   * @throws {CompileError} If the module is malformed, invalid or a component.
   */
  async compileModule(source: ModuleSource): Promise<CompiledModule> {
    this.assertOpen()
    return new CompiledModule(
      this,
      await compiled(this.#engine, (engine) => native.Module.compile(engine, source as Uint8Array)),
    )
  }

  /** As `compileModule`, while the event loop waits. */
  compileModuleSync(source: ModuleSource): CompiledModule {
    this.assertOpen()
    return new CompiledModule(this, compileNow(this.#engine, source))
  }

  /**
   * Reads and compiles a file (binary or WAT) off the event loop.
   *
   * @throws {CompileError} (as a rejection) If it cannot be read, or is no valid module.
   * @throws {Error} (as a rejection) With the code `ERR_ACCESS_DENIED`, if Node's permission model forbids to read it.
   */
  async compileModuleFile(path: string): Promise<CompiledModule> {
    this.assertOpen()
    const checked = checkPath(path)
    return new CompiledModule(
      this,
      await compiled(this.#engine, (engine) => native.Module.compileFile(engine, checked)),
    )
  }

  /** Instantiates a host module, under its own name or that of the config. */
  instantiate(source: CompiledHostModule, config?: HostModuleConfig): HostModuleInstance
  /**
   * Instantiates a module: links its imports to the modules of those names, runs its start function and then the
   * functions that `config.startFunctions` names (default `_start`), if it exports them.
   *
   * The instance is called as the module calls itself in its name section unless `config.name` says otherwise; an
   * instance without a name (`name: ''`) has a store of its own, and there can be any number of them.
   *
   * @param source A compiled module, or bytes or WAT text, which are compiled first.
   * @throws {LinkError} With all imports that are missing or do not fit; or if the name is taken.
   * @throws {InterruptedError} If the start functions take longer than `config.timeoutMs`.
   * @throws {LimitError} If the instance would take more than its limits allow.
   * @throws {TrapError} If a start function traps. What a host function throws comes out unchanged. The instance is closed
   * then.
   */
  instantiate<Exports extends object = Record<string, any>>(
    source: CompiledModule | ModuleSource,
    config?: ModuleConfig,
  ): ModuleInstance<Exports>
  instantiate(
    source: CompiledModule | CompiledHostModule | ModuleSource,
    config?: ModuleConfig,
  ): ModuleInstance<any> | HostModuleInstance {
    this.assertOpen()
    const checked = checkModuleConfig(config)
    if (source instanceof CompiledHostModule) return this.#addHost(source, checked, 'sync')
    return this.#instantiate(source instanceof CompiledModule ? source : this.compileModuleSync(source), checked)
  }

  #instantiate(compiled: CompiledModule, checked: CheckedModuleConfig): ModuleInstance<any> {
    const place = this.#place(compiled, checked, 'sync')
    const { instance, core, resolved } = place
    const { timeoutMs } = checked
    const began = timeoutMs === undefined ? 0 : now()
    try {
      const make = (): void => void resolved.pre.instantiateIn(core.handle, instance, timeoutMs)
      const start = this.#startOf(compiled, instance)
      if (start === undefined) make()
      else start.call([], make)
    } catch (error) {
      const ended = hasExited(instance, error)
      const failure = this.#space.displace(place, error)
      if (!ended) throw failure
    } finally {
      this.#space.settle(place)
    }
    if (!this.#space.admit(instance)) return instance
    try {
      for (const start of startsOf(instance, compiled, checked)) {
        if (timeoutMs === undefined) start.call()
        else Func.runLimited(start, timeoutMs, now() - began)
      }
    } catch (error) {
      this.#endStart(instance, error)
    }
    return instance
  }

  /**
   * Instantiates a host module, under its own name or that of the config, with its memories, globals and tables for guests
   * in async mode. Its functions are for guests in both modes.
   */
  instantiateAsync(source: CompiledHostModule, config?: HostModuleConfig): Promise<HostModuleInstance>
  /**
   * As `instantiate`, in async mode: host functions may return promises, for which `callAsync`, and the start functions
   * here, wait without blocking the event loop. Guests that compute for long do so on another thread.
   *
   * @param source A compiled module, or bytes or WAT text, which are compiled off the event loop first.
   * @param config `signal` and `timeoutMs` stop it, its start functions included. Compiling is not stopped, but no longer
   * waited for: see {@link Runtime.compileModule}.
   * @throws {LinkError} (as a rejection) As `instantiate`; also if it imports from an instance in sync mode.
   * @throws {InterruptedError} (as a rejection) If the time is over. An aborted signal rejects with its `reason`.
   */
  instantiateAsync<Exports extends object = Record<string, any>>(
    source: CompiledModule | ModuleSource,
    config?: AsyncModuleConfig,
  ): Promise<ModuleInstance<Exports>>
  async instantiateAsync(
    source: CompiledModule | CompiledHostModule | ModuleSource,
    config?: AsyncModuleConfig,
  ): Promise<ModuleInstance<any> | HostModuleInstance> {
    this.assertOpen()
    if (source instanceof CompiledHostModule) {
      return this.#addHost(source, checkModuleConfig(config), 'async')
    }
    const checked = checkAsyncModuleConfig(config)
    // The usual case, for which each function that waits in between would be felt.
    if (source instanceof CompiledModule && checked.signal === undefined && checked.timeoutMs === undefined) {
      return await this.#instantiateAsync(source, checked, undefined)
    }
    return this.#stoppable(source, checked, (compiled, stopper) => this.#instantiateAsync(compiled, checked, stopper))
  }

  /** Compiles what is to be run, and runs it, for as long as its time and its signal allow. */
  async #stoppable<T>(
    source: CompiledModule | ModuleSource,
    { signal, timeoutMs }: CheckedModuleConfig,
    run: (compiled: CompiledModule, stopper: Stopper | undefined) => Promise<T>,
  ): Promise<T> {
    const stopper = makeStopper(signal, timeoutMs)
    try {
      stopper?.check()
      const compiled = source instanceof CompiledModule ? source : await this.#compile(source, stopper)
      this.assertOpen()
      stopper?.check()
      return await run(compiled, stopper)
    } finally {
      stopper?.end()
    }
  }

  /** Compiles. That cannot be stopped: when the time is over it goes on for nobody, and its result is freed. */
  #compile(source: ModuleSource, stopper: Stopper | undefined): Promise<CompiledModule> {
    const compiling = this.compileModule(source)
    return stopper === undefined ? compiling : stopper.during(compiling, (late) => late.close())
  }

  async #instantiateAsync(
    compiled: CompiledModule,
    config: CheckedModuleConfig,
    stopper: Stopper | undefined,
  ): Promise<ModuleInstance<any>> {
    const place = this.#place(compiled, config, 'async')
    const { instance, core, resolved } = place
    this.#space.reserve(place)
    try {
      const start = this.#startOf(compiled, instance)
      if (start === undefined) await beginInstance(core, resolved.pre, instance, stopper)
      else await start.callAsync([], () => beginInstance(core, resolved.pre, instance, stopper))
    } catch (error) {
      const exited = error instanceof ExitError && error.exitCode === 0
      // When somebody has closed the runtime, the guest has not ended by itself.
      const ended = exited && instance.closed && instance.exitCode === 0 && !this.closed
      const failure = this.#space.displace(place, error)
      if (!ended) throw failure
    } finally {
      this.#space.settle(place)
    }
    if (!this.#space.admit(instance)) return instance
    try {
      for (const start of startsOf(instance, compiled, config)) await Func.runStoppable(start, stopper)
    } catch (error) {
      this.#endStart(instance, error)
    }
    return instance
  }

  /**
   * Runs a program: instantiates it with WASI in async mode, calls its `_start`, and frees it. The event loop goes on
   * meanwhile.
   *
   * @param source A compiled module, or bytes or WAT text, which are compiled off the event loop first.
   * @returns The exit code, whatever it is, and what the program has written, as far as it is kept in a `'buffer'` (the
   * default here).
   * @throws {LinkError} (as a rejection) If it is no program, for it exports no `_start`; or as `instantiateAsync`.
   * @throws {TrapError} (as a rejection) If it traps. {@link wasiOutputOf} gives what it has written until then.
   * @throws {LimitError} (as a rejection) If it writes more than is to be kept.
   * @throws {InterruptedError} (as a rejection) If the time is over. An aborted signal rejects with its `reason`.
   */
  async runCommand(source: CompiledModule | ModuleSource, config?: AsyncCommandConfig): Promise<CommandResult> {
    this.assertOpen()
    const checked = checkAsyncCommandConfig(config)
    return this.#stoppable(source, checked, async (compiled, stopper) => {
      checkCommand(compiled)
      return await commandResult(await this.#run(compiled, checked, stopper), stopper)
    })
  }

  /**
   * As `runCommand`, in sync mode: nothing else happens on this thread until the program has ended.
   *
   * @throws What `runCommand` is rejected with.
   */
  runCommandSync(source: CompiledModule | ModuleSource, config?: CommandConfig): CommandResult {
    this.assertOpen()
    const checked = checkCommandConfig(config)
    const compiled = source instanceof CompiledModule ? source : this.compileModuleSync(source)
    checkCommand(compiled)
    return commandResultNow(this.#runNow(compiled, checked))
  }

  /** The module of a name, `undefined` if there is none. */
  module(name: string): ModuleInstance<any> | HostModuleInstance | undefined {
    return this.#space.get(name)
  }

  /**
   * Ends every call that runs at this moment in a store of the runtime's engine, in all threads that share the engine (see
   * `share`), with an `InterruptedError`: those that compute, those that wait for a promise, and those whose host function is
   * under way, as soon as their guests go on. Later calls are not touched. It can be called from anywhere, a host function or
   * a Worker that has attached to the engine.
   *
   * @throws {ArgumentError} If the engine was made with `interruptible: false`.
   */
  interrupt(): void {
    this.#engine.interrupt()
  }

  /** What is alive. */
  stats(): RuntimeStats {
    const stats = engineStats(this.#engine)
    // After the end nothing can be called, whatever waits to be collected.
    const hostFunctions = this.#exitCode === undefined ? stats.hostFunctions : 0
    return { ...stats, hostFunctions, modules: this.#space.size }
  }

  /** Whether the runtime has been closed. */
  get closed(): boolean {
    return this.#exitCode !== undefined
  }

  /**
   * Closes every instance with an exit code and frees what belongs to the runtime. Idempotent.
   *
   * @param exitCode An integer from 0 to 2^32 - 1.
   */
  close(exitCode = 0): void {
    const code = checkInteger(exitCode, 'exitCode', 0, 2 ** 32 - 1) ?? 0
    if (this.#exitCode !== undefined) return
    this.#exitCode = code
    this.#space.close(code)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }

  /** @internal */
  assertOpen(): void {
    if (this.#exitCode !== undefined) throw new ClosedError(`runtime closed with exit_code(${this.#exitCode})`)
  }

  #addHost(compiled: CompiledHostModule, config: CheckedModuleConfig, mode: Mode): HostModuleInstance {
    if (CompiledHostModule.parts(compiled).runtime !== this) {
      throw new ArgumentError('the host module was compiled by another Runtime')
    }
    return this.#space.addHost(compiled, config, mode)
  }

  /** Finds a place for an instance of a module. */
  #place(compiled: CompiledModule, config: CheckedModuleConfig, mode: Mode): Place {
    if (CompiledModule.runtimeOf(compiled) !== this) {
      throw new ArgumentError('the module was compiled by another Runtime; compile it with this one')
    }
    return this.#space.place(compiled, config, mode)
  }

  /** The start function of a module that is being instantiated, if somebody may listen to it. */
  #startOf(compiled: CompiledModule, instance: ModuleInstance<any>): HeardFunction | undefined {
    const definition = this.#listening === undefined ? undefined : CompiledModule.startFunction(compiled)
    if (this.#listening === undefined || definition === undefined) return undefined
    return new HeardFunction(this.#listening, definition, instance)
  }

  /** Runs a program, whose WASI this gives. */
  async #run(compiled: CompiledModule, config: CheckedModuleConfig, stopper: Stopper | undefined): Promise<WasiHost> {
    try {
      return endCommand(await this.#instantiateAsync(compiled, config, stopper))
    } catch (error) {
      return exitedHost(error)
    }
  }

  #runNow(compiled: CompiledModule, config: CheckedModuleConfig): WasiHost {
    try {
      return endCommand(this.#instantiate(compiled, config))
    } catch (error) {
      return exitedHost(error)
    }
  }

  /** A start function has failed. A guest that ends itself successfully has done what it was started for. */
  #endStart(instance: ModuleInstance<any>, error: unknown): void {
    const code = instance.exitCode
    instance.close(error instanceof ExitError ? error.exitCode : 1)
    const exited = error instanceof ExitError && error.exitCode === 0 && (code === undefined || code === 0)
    // Of an asynchronous one that is no answer when somebody has closed the runtime meanwhile.
    if (exited && !(this.closed && instance.mode === 'async')) return
    noteHost(error, ModuleInstance.parts(instance).core.wasi)
    throw error
  }
}

setEngineOf(Runtime.engineOf)

/** Whether the guest has called `proc_exit(0)` in the start function that has failed with that. */
function hasExited(instance: ModuleInstance<any>, error: unknown): boolean {
  return error instanceof ExitError && ModuleInstance.parts(instance).core.wasi?.exitCode === 0
}

/** The functions to start an instance with, those that it exports, until one of them has closed it. */
function* startsOf(
  instance: ModuleInstance<any>,
  compiled: CompiledModule,
  config: CheckedModuleConfig,
): Generator<Func<any, any>> {
  for (const name of config.startFunctions) {
    if (!Module.exports(compiled, name)) continue
    if (instance.closed) return
    const func = instance.exportedFunction(name)
    if (func !== undefined) yield func
  }
}
