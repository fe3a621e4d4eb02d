import { beginInstance } from './begin-instance'
import {
  type InstantiateOptions,
  checkBoolean,
  checkInstantiateOptions,
  checkOptions,
  checkStopOptions,
} from './call-options'
import { describe } from './describe'
import { Engine } from './engine'
import { ArgumentError } from './errors'
import { Func, checkFuncType, storeCoreOf } from './func'
import { Global } from './global'
import { Instance } from './instance'
import { type Extern, externOf } from './instance-exports'
import { Memory } from './memory'
import { Module } from './module'
import { type Binding, native } from './native'
import { SharedMemory } from './shared-memory'
import { type StopOptions, makeStopper } from './stopper'
import type { Store } from './store'
import type { StoreCore } from './store-core'
import { Table } from './table'
import { Tag } from './tag'
import type { FuncType } from './types'
import { type ArgsOf, type ResultsOf, type ValueTypeLike, isReference } from './value-type'

/** Options of `Linker.func`. */
export interface LinkerFuncOptions {
  /** Whether the first argument is the importing `Instance`; default false. */
  readonly withInstance?: boolean
  /**
   * Whether guests do not wait for the function; default false. Only for a function without results and references; see
   * `HostFunctionBuilder.withNotify`.
   */
  readonly notify?: boolean
}

/**
 * A set of definitions that modules can import. It keeps *definitions*: JavaScript functions can be linked into any
 * number of stores; memories, globals, tables and functions of a store only into that store.
 */
export class Linker {
  readonly #native: Binding.Linker
  /** The engine that it links modules of. */
  readonly engine: Engine
  #allowShadowing = false
  /** What native code has only weak references to, by module and name. */
  readonly #callbacks = new Map<string, unknown>()
  /** The same as a list, which every store that is linked from here keeps; made anew after a definition. */
  #callbackList: readonly unknown[] | undefined
  /** Stores whose externs are defined: they must live as long as the definitions. */
  readonly #stores = new Set<StoreCore>()

  constructor(engine: Engine) {
    this.#native = new native.Linker(Engine.native(engine))
    this.engine = engine
  }

  /** Whether a definition may replace another of the same name; default false. */
  get allowShadowing(): boolean {
    return this.#allowShadowing
  }

  set allowShadowing(allow: boolean) {
    if (typeof allow !== 'boolean') {
      throw new ArgumentError(`allowShadowing must be a boolean, but got ${describe(allow)}`)
    }
    this.#allowShadowing = allow
    this.#native.setAllowShadowing(allow)
  }

  /**
   * Defines a JavaScript function.
   *
   * @param type Its parameters and results, or `undefined`: then it takes the type of each import that it is linked to.
   * @param callback Called with natural values. What it throws reaches the outermost caller unchanged.
   * @throws {LinkError} If the name is taken and `allowShadowing` is false.
   */
  func<const P extends readonly ValueTypeLike[], const R extends readonly ValueTypeLike[]>(
    module: string,
    name: string,
    type: FuncType<P, R>,
    callback: (...args: ArgsOf<P>) => ResultsOf<R>,
  ): this
  func(
    module: string,
    name: string,
    type: FuncType<readonly ValueTypeLike[], readonly ValueTypeLike[]> | undefined,
    callback: (...args: any[]) => unknown,
    options?: LinkerFuncOptions,
  ): this
  func(
    module: string,
    name: string,
    type: FuncType<readonly ValueTypeLike[], readonly ValueTypeLike[]> | undefined,
    callback: (...args: any[]) => unknown,
    options?: LinkerFuncOptions,
  ): this {
    checkNames(module, name)
    if (typeof callback !== 'function') {
      throw new ArgumentError(`callback must be a function, but got ${describe(callback)}`)
    }
    const given = checkOptions(options, 'options', ['withInstance', 'notify'])
    const withModule = checkBoolean(given.withInstance, 'options.withInstance') ?? false
    const notify = checkBoolean(given.notify, 'options.notify') ?? false
    const config: Binding.HostFuncConfig = { module, name, withModule, notify }
    if (type !== undefined) {
      const { params, results } = checkFuncType(type)
      config.params = [...params]
      config.results = [...results]
    }
    if (notify && (config.results?.length !== 0 || config.params?.some(isReference))) {
      throw new ArgumentError('options.notify is for functions with a type that has neither results nor references')
    }
    this.#native.defineFunc(module, name, config, callback)
    this.#callbacks.set(JSON.stringify([module, name]), callback)
    this.#callbackList = undefined
    return this
  }

  /** Defines a function, memory, global, table or tag of a store, or a shared memory. */
  define(module: string, name: string, item: Extern): this {
    checkNames(module, name)
    if (item instanceof SharedMemory) {
      this.#native.defineSharedMemory(module, name, SharedMemory.native(item))
      if (this.#callbacks.delete(JSON.stringify([module, name]))) this.#callbackList = undefined
      return this
    }
    const { core, index } = partsOf(item)
    this.#native.defineExtern(module, name, core.handle, index)
    if (this.#callbacks.delete(JSON.stringify([module, name]))) this.#callbackList = undefined
    this.#stores.add(core)
    return this
  }

  /** Defines all exports of an instance as exports of a module `name`. */
  instance(name: string, instance: Instance): this {
    const { exported } = Instance.parts(instance)
    for (const { name: item } of exported) {
      const value = instance.getExport(item)
      if (value !== undefined) this.define(name, item, value)
    }
    return this
  }

  /**
   * Instantiates a module and defines its exports under a name: a reactor is instantiated now, and its `_initialize`
   * called; the functions of a command (a module that exports `_start`) make a fresh instance at every call.
   */
  module(store: Store, name: string, module: Module): this {
    const core = storeCoreOf(store)
    checkNames(name, '')
    const isCommand =
      module instanceof Module && module.exports.some((item) => item.name === '_start' && item.type.kind === 'func')
    if (isCommand) {
      this.#native.defineCommand(core.handle, name, Module.native(module))
      core.keep(this.#kept())
      this.#stores.add(core)
      return this
    }
    const instance = this.instantiate(store, module)
    instance.getFunc('_initialize')?.call()
    return this.instance(name, instance)
  }

  /** Defines `module.name` also as `asModule.asName`. */
  alias(module: string, name: string, asModule: string, asName: string = name): this {
    checkNames(module, name)
    checkNames(asModule, asName)
    this.#alias(module, name, asModule, asName)
    return this
  }

  /** Defines all that `module` has also under the name `asModule`. */
  aliasModule(module: string, asModule: string): this {
    checkNames(module, asModule)
    for (const name of this.#native.names(module)) this.#alias(module, name, asModule, name)
    return this
  }

  /**
   * Defines the functions of WASI preview 1, as modules `wasi_snapshot_preview1` and `wasi_unstable`. Modules that import
   * them need a store with WASI: `new Store(engine, { wasi: { ... } })`. With `allowShadowing`, single ones can be replaced
   * by a `func` after this.
   *
   * @throws {LinkError} If one of the names is taken and `allowShadowing` is false.
   */
  wasi(): this {
    for (const module of ['wasi_snapshot_preview1', 'wasi_unstable']) {
      for (const name of native.wasiFunctionNames(module)) {
        this.#native.defineWasi(module, [name])
        if (this.#callbacks.delete(JSON.stringify([module, name]))) this.#callbackList = undefined
      }
    }
    return this
  }

  /** What is defined under a name, as an object of the store; `undefined` if nothing is. */
  get(store: Store, module: string, name: string): Extern | undefined {
    const core = storeCoreOf(store)
    checkNames(module, name)
    const handle = this.#native.get(core.handle, module, name)
    if (handle == null) return undefined
    core.keep(this.#kept())
    return externOf(core, native.externKind(core.handle, handle), -1, name)
  }

  /** From now on, functions that a module imports and nobody defines trap when they are called. */
  defineUnknownImportsAsTraps(): this {
    this.#native.setUnknownImports(1)
    return this
  }

  /** From now on, what a module imports and nobody defines has a default: functions return zeros, memories are empty. */
  defineUnknownImportsAsDefaultValues(): this {
    this.#native.setUnknownImports(2)
    return this
  }

  /**
   * Instantiates a module: links it, and runs its start function.
   *
   * @throws {LinkError} With all imports that are missing or do not fit.
   * @param options `timeoutMs` stops the start function.
   * @throws {TrapError} If the start function traps or a segment does not fit.
   * @throws {InterruptedError} If the time is over.
   * @throws {LimitError} If the instance would take more than the limits of the store allow.
   */
  instantiate(store: Store, module: Module, options?: InstantiateOptions): Instance {
    const pre = this.#pre(module, storeCoreOf(store))
    try {
      return pre.instantiate(store, options)
    } finally {
      InstancePre.close(pre)
    }
  }

  /**
   * As `instantiate`, in async mode: host functions may return promises, also for the start function.
   *
   * @param options `signal` and `timeoutMs` stop the start function.
   * @throws {LinkError} (as a rejection) As `instantiate`; or if the store is in sync mode.
   */
  async instantiateAsync(store: Store, module: Module, options?: StopOptions): Promise<Instance> {
    const core = storeCoreOf(store)
    core.requireMode('async')
    const pre = this.#pre(module, core)
    try {
      return await pre.instantiateAsync(store, options)
    } finally {
      InstancePre.close(pre)
    }
  }

  /** Resolves a module's imports once, for any number of instances. */
  instantiatePre(module: Module): InstancePre {
    return this.#pre(module)
  }

  #alias(module: string, name: string, asModule: string, asName: string): void {
    this.#native.alias(module, name, asModule, asName)
    // The definitions are independent from now on: either may be replaced.
    const callback = this.#callbacks.get(JSON.stringify([module, name]))
    const key = JSON.stringify([asModule, asName])
    if (callback === undefined) this.#callbacks.delete(key)
    else this.#callbacks.set(key, callback)
    this.#callbackList = undefined
  }

  #kept(): readonly unknown[] {
    return (this.#callbackList ??= [...this.#callbacks.values()])
  }

  #pre(module: Module, core?: StoreCore): InstancePre {
    const pre = this.#native.instantiatePre(Module.native(module), core?.handle)
    return new InstancePre(pre, module, this.#kept(), [...this.#stores])
  }
}

/** A module whose imports are resolved, ready to be instantiated any number of times. */
export class InstancePre {
  readonly #native: Binding.InstancePre
  readonly #callbacks: readonly unknown[]
  /** Only held: a store must not be collected as long as something of it can be linked. */
  readonly #stores: readonly StoreCore[]
  /** The module that is instantiated. */
  readonly module: Module

  /** @internal */
  constructor(pre: Binding.InstancePre, module: Module, callbacks: readonly unknown[], stores: readonly StoreCore[]) {
    if (!(pre instanceof native.InstancePre)) {
      throw new ArgumentError('InstancePre cannot be constructed; use linker.instantiatePre(module)')
    }
    this.#native = pre
    this.#callbacks = callbacks
    this.#stores = stores
    this.module = module
  }

  /** @internal Lets native code free at once what the collector would free some day. */
  static close(pre: InstancePre): void {
    pre.#native.close()
  }

  /**
   * Makes an instance in a store.
   *
   * @param options `timeoutMs` stops the start function.
   */
  instantiate(store: Store, options?: InstantiateOptions): Instance {
    const core = storeCoreOf(store)
    const timeoutMs = checkInstantiateOptions(options)
    core.keep(this.#callbacks)
    core.keep(this.#stores)
    const instance = new Instance(store, core, core.nextSlot, this.module)
    this.#native.instantiateIn(core.handle, instance, timeoutMs)
    return instance
  }

  /**
   * Makes an instance in a store of async mode.
   *
   * @param options `signal` and `timeoutMs` stop the start function.
   */
  async instantiateAsync(store: Store, options?: StopOptions): Promise<Instance> {
    const core = storeCoreOf(store)
    const { signal, timeoutMs } = checkStopOptions(options)
    core.requireMode('async')
    core.keep(this.#callbacks)
    core.keep(this.#stores)
    const instance = new Instance(store, core, core.nextSlot, this.module)
    const stopper = makeStopper(signal, timeoutMs, core.deadline)
    try {
      await beginInstance(core, this.#native, instance, stopper)
      return instance
    } finally {
      stopper?.end()
    }
  }
}

function checkNames(module: unknown, name: unknown): void {
  if (typeof module !== 'string') throw new ArgumentError(`module must be a string, but got ${describe(module)}`)
  if (typeof name !== 'string') throw new ArgumentError(`name must be a string, but got ${describe(name)}`)
}

/** @internal The core and the handle of anything that can be linked. */
export function partsOf(item: unknown): { core: StoreCore; index: number } {
  if (item instanceof Func) return Func.parts(item)
  if (item instanceof Memory) return Memory.parts(item)
  if (item instanceof Global) return Global.parts(item)
  if (item instanceof Table) return Table.parts(item)
  if (item instanceof Tag) return Tag.parts(item)
  throw new ArgumentError(`item must be a Func, Memory, SharedMemory, Global, Table or Tag, but got ${describe(item)}`)
}
