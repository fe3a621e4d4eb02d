import { describe } from './describe'
import { ArgumentError } from './errors'
import { Func } from './func'
import { Global } from './global'
import { type Extern, exportsObject, getExport } from './instance-exports'
import { Memory } from './memory'
import type { Module } from './module'
import { SharedMemory } from './shared-memory'
import type { Store } from './store'
import type { StoreCore } from './store-core'
import { Table } from './table'
import { Tag } from './tag'
import type { ModuleExport } from './types'

/** An instance of a module in a store, made by `Linker.instantiate` or `InstancePre.instantiate`. */
export class Instance {
  readonly #core: StoreCore
  readonly #slot: number
  readonly #exported: readonly ModuleExport[]
  #exports: Record<string, any> | undefined
  /** The store that it lives in. */
  readonly store: Store

  /** @internal */
  constructor(store: Store, core: StoreCore, slot: number, module: Module) {
    if (core?.holder === undefined) {
      throw new ArgumentError('Instance cannot be constructed; use linker.instantiate(store, module)')
    }
    this.store = store
    this.#core = core
    this.#slot = slot
    this.#exported = module.exports
  }

  /** All exports: functions as plain JavaScript functions, memories, globals and tables as objects. */
  get exports(): Record<string, any> {
    return (this.#exports ??= exportsObject(this.#core, this.#slot, this.#exported))
  }

  /** The export of a name, `undefined` if there is none. */
  getExport(name: string): Extern | undefined {
    return getExport(this.#core, this.#slot, name)
  }

  /** The exported function of a name, `undefined` if there is none. */
  getFunc(name: string): Func<any, any> | undefined {
    const item = this.getExport(name)
    return item instanceof Func ? item : undefined
  }

  /** The exported memory of a name, `undefined` if there is none. */
  getMemory(name: string): Memory | undefined {
    const item = this.getExport(name)
    return item instanceof Memory ? item : undefined
  }

  /** The exported global of a name, `undefined` if there is none. */
  getGlobal(name: string): Global<any> | undefined {
    const item = this.getExport(name)
    return item instanceof Global ? item : undefined
  }

  /** The exported table of a name, `undefined` if there is none. */
  getTable(name: string): Table | undefined {
    const item = this.getExport(name)
    return item instanceof Table ? item : undefined
  }

  /** The exported shared memory of a name, `undefined` if there is none. */
  getSharedMemory(name: string): SharedMemory | undefined {
    const item = this.getExport(name)
    return item instanceof SharedMemory ? item : undefined
  }

  /** The exported tag of a name, `undefined` if there is none. */
  getTag(name: string): Tag | undefined {
    const item = this.getExport(name)
    return item instanceof Tag ? item : undefined
  }

  /** @internal */
  static parts(instance: unknown): { core: StoreCore; exported: readonly ModuleExport[] } {
    if (typeof instance !== 'object' || instance === null || !(#core in instance)) {
      throw new ArgumentError(`instance must be an Instance, but got ${describe(instance)}`)
    }
    return { core: instance.#core, exported: instance.#exported }
  }
}
