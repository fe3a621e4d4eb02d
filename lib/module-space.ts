import { CompiledHostModule } from './compiled-host-module'
import type { CompiledModule } from './compiled-module'
import { ArgumentError, ClosedError, ExitError, LinkError } from './errors'
import { HostModuleInstance, type HostModuleOwner } from './host-module-instance'
import { type Limits, mergeLimits } from './limits'
import { LinkCache } from './link-cache'
import { type Importable, type Link, explain } from './linking'
import type { Listening } from './listening'
import type { CheckedModuleConfig } from './module-config'
import { ModuleInstance, type ModuleInstanceOwner, sharesStore } from './module-instance'
import type { Binding } from './native'
import { SharedStore } from './shared-store'
import { type Mode, StoreCore } from './store-core'
import { WasiHost, noteHost } from './wasi-host'

/** @internal Where an instance is made. */
export interface Place {
  readonly instance: ModuleInstance<any>
  readonly core: StoreCore
  readonly ownsStore: boolean
  readonly resolved: Link
  readonly name: string
  readonly mode: Mode
}

/** @internal What can be imported from in a runtime, by name, and the stores where that lives. */
export class ModuleSpace {
  readonly #engine: Binding.Engine
  readonly #listening: Listening | undefined
  readonly #limits: Limits | undefined
  readonly #modules = new Map<string, Importable>()
  readonly #links: LinkCache
  readonly #owner: HostModuleOwner & ModuleInstanceOwner
  /** Names that an asynchronous instantiation will take. */
  readonly #reserved = new Set<string>()
  /** The stores of named instances and of those that import from them, one for each mode. */
  readonly #shared: { readonly [mode in Mode]: SharedStore }
  #closed = false

  constructor(engine: Binding.Engine, limits: Limits | undefined, listening: Listening | undefined) {
    this.#engine = engine
    this.#limits = limits
    this.#listening = listening
    this.#links = new LinkCache(engine, this.#modules)
    this.#shared = {
      sync: new SharedStore(engine, 'sync', limits, listening),
      async: new SharedStore(engine, 'async', limits, listening),
    }
    // Instances hold this object; their classes, which are public, stay free of such methods.
    this.#owner = {
      engine,
      listening,
      sharedCore: (mode) => this.#shared[mode].core,
      closed: (instance) => this.#forget(instance),
    }
  }

  /** How many modules have a name. */
  get size(): number {
    return this.#modules.size
  }

  get(name: string): Importable | undefined {
    return this.#modules.get(name)
  }

  /** Closes all that is in it, and every store of the engine with it. */
  close(exitCode: number): void {
    this.#closed = true
    const modules = [...this.#modules.values()]
    this.#modules.clear()
    for (const module of modules) module.close(exitCode)
    this.#engine.closeStores(exitCode)
    this.#links.clear()
    this.#shared.sync.close()
    this.#shared.async.close()
  }

  /** Makes a host module under its own name or that of the config. */
  addHost(compiled: CompiledHostModule, config: CheckedModuleConfig, mode: Mode): HostModuleInstance {
    const name = config.name ?? compiled.name
    for (const what of ['limits', 'fuel', 'timeoutMs', 'wasi'] as const) {
      if (config[what] === undefined) continue
      throw new ArgumentError(`config.${what} is not an option of a host module, which has no store and runs no guest`)
    }
    checkCompiled(compiled)
    if (name === '') throw new LinkError('a module name must not be empty')
    this.#checkName(name)
    const { items } = CompiledHostModule.parts(compiled)
    const shares = [...items.values()].some((item) => item.kind !== 'func')
    try {
      const instance = new HostModuleInstance(this.#owner, name, items, mode)
      if (shares) this.#shared[mode].enter(instance)
      this.#modules.set(name, instance)
      return instance
    } catch (error) {
      // What it has made already is in a store that may have no other user.
      if (shares) this.#shared[mode].leave(items)
      throw error
    }
  }

  /** Links a module, and makes the object of its instance in the store where that belongs. */
  place(compiled: CompiledModule, config: CheckedModuleConfig, mode: Mode): Place {
    checkCompiled(compiled)
    const { wasi } = config
    const name = config.name ?? (wasi === undefined ? compiled.name : '')
    this.#checkName(name)
    const resolved = this.#links.link(compiled, mode, wasi !== undefined)
    try {
      return this.#placeLinked(compiled, resolved, name, config, mode)
    } catch (error) {
      if (resolved.needsShared) resolved.pre.close()
      throw error
    }
  }

  /** Keeps the name of an instance for it until it is made. */
  reserve({ name }: Place): void {
    if (name !== '') this.#reserved.add(name)
  }

  /** The instance is made, or failed to be. */
  settle({ name, resolved }: Place): void {
    this.#reserved.delete(name)
    if (resolved.needsShared) resolved.pre.close()
  }

  /** Takes back what `place` did, for an instance that could not be made; gives the error to throw. */
  displace({ instance, core, ownsStore, mode }: Place, error: unknown): unknown {
    // A start function may have closed the instance before it failed; then all this is done.
    if (ownsStore) core.close()
    else if (!this.#closed) {
      ModuleInstance.fail(instance)
      this.#shared[mode].leave(instance)
    }
    noteHost(error, core.wasi)
    return explain(error, this.#modules)
  }

  /** Enters an instance that was made; false if its start function has ended it, successfully. */
  admit(instance: ModuleInstance<any>): boolean {
    if (instance.closed) {
      if (instance.exitCode === 0) return false
      throw new ExitError(instance.exitCode ?? 0)
    }
    if (instance.name !== '') this.#modules.set(instance.name, instance)
    return true
  }

  #placeLinked(compiled: CompiledModule, resolved: Link, name: string, config: CheckedModuleConfig, mode: Mode): Place {
    const { wasi, limits, fuel } = config
    if (wasi !== undefined && resolved.needsShared) throw needsTwoStores()
    const host = wasi === undefined ? undefined : new WasiHost(wasi, mode)
    const ownsStore = name === '' && !resolved.needsShared
    if (!ownsStore && (limits !== undefined || fuel !== undefined)) {
      throw sharesStore(limits === undefined ? 'fuel' : 'limits', name)
    }
    const core = ownsStore ? this.#ownCore(mode, limits) : this.#shared[mode].core
    try {
      if (fuel !== undefined) core.fuel = fuel
      host?.attach(core)
    } catch (error) {
      // Only a store of its own has either.
      core.close()
      throw error
    }
    core.keep(resolved.callbacks)
    const instance = new ModuleInstance<any>(this.#owner, core, compiled, name, ownsStore, config.context)
    if (!ownsStore) this.#shared[mode].enter(instance)
    return { instance, core, ownsStore, resolved, name, mode }
  }

  #ownCore(mode: Mode, limits: Limits | undefined): StoreCore {
    const other = mode === 'async' ? mode : undefined
    return new StoreCore(this.#engine, other, mergeLimits(limits, this.#limits), this.#listening)
  }

  #checkName(name: string): void {
    if (name !== '' && (this.#modules.has(name) || this.#reserved.has(name))) {
      throw new LinkError(`module[${name}] has already been instantiated`)
    }
  }

  #forget(instance: Importable): void {
    if (instance instanceof HostModuleInstance) this.#links.clear()
    if (this.#modules.get(instance.name) === instance) this.#modules.delete(instance.name)
    const mode = instance instanceof HostModuleInstance ? instance.sharedMode : sharedModeOf(instance)
    if (mode !== undefined && !this.#closed) this.#shared[mode].leave(instance)
  }
}

function checkCompiled(compiled: { readonly closed: boolean }): void {
  if (compiled.closed) throw new ClosedError('source module must be compiled before instantiation: it is closed')
}

function needsTwoStores(): LinkError {
  return new LinkError(
    'an instance with WASI has a store of its own, and this one imports from instances, or memories, globals or tables of ' +
      'host modules, which have another; link it in one store with new Store(engine, { wasi }) and a Linker',
  )
}

/** The mode whose store of named instances an instance is in; `undefined` if it has a store of its own. */
function sharedModeOf(instance: ModuleInstance<any>): Mode | undefined {
  return ModuleInstance.parts(instance).ownsStore ? undefined : instance.mode
}
