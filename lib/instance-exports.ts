import { type InspectOptions, inspect } from 'node:util'

import { ArgumentError, ExitError } from './errors'
import { Func, funcOf } from './func'
import { Global } from './global'
import { Memory } from './memory'
import { ExternKind, native } from './native'
import { type SharedMemory, sharedMemoryOf } from './shared-memory'
import type { StoreCore } from './store-core'
import { Table } from './table'
import { type Tag, tagOf } from './tag'
import type { ModuleExport } from './types'

/** Something that an instance exports. */
export type Extern = Func<any, any> | Memory | Global<any> | Table | Tag | SharedMemory

/** @internal The object of a handle that native code has packed with its kind. */
export function externOf(core: StoreCore, packed: number, slot: number, name: string): Extern | undefined {
  const index = Math.floor(packed / 8)
  switch (packed % 8) {
    case ExternKind.Func:
      return funcOf(core, index, slot, name)
    case ExternKind.Memory:
      return core.extern(index, () => new Memory(core, index))
    case ExternKind.Global:
      return core.extern(index, () => new Global(core, index))
    case ExternKind.Table:
      return core.extern(index, () => new Table(core, index))
    case ExternKind.SharedMemory:
      return sharedMemoryOf(core, index)
    case ExternKind.Tag:
      return tagOf(core, index)
    default:
      return undefined
  }
}

/** @internal Looks an export up; `undefined` if there is none of that name. */
export function getExport(core: StoreCore, slot: number, name: string): Extern | undefined {
  const code = core.exitCodeAtEnd(slot)
  if (code !== undefined) throw new ExitError(code)
  const packed = native.instanceExport(core.handle, slot, name)
  return packed === undefined ? undefined : externOf(core, packed, slot, name)
}

/** What the getters of an exports object need, under a key that is not enumerated. */
const exportsKey: unique symbol = Symbol('node-wasmtime.exports')

class ExportsCache {
  readonly values: unknown[] = []
  readonly #core: StoreCore
  readonly #slot: number

  constructor(core: StoreCore, slot: number) {
    this.#core = core
    this.#slot = slot
  }

  load(index: number, name: string): unknown {
    const item = getExport(this.#core, this.#slot, name)
    return (this.values[index] = item instanceof Func ? item.function : item)
  }
}

/** What exports objects inherit: no name at all, only how `console.log` shows them, which would print getters. */
const nothing: object = Object.freeze(
  Object.create(null, {
    [inspect.custom]: {
      value(this: object, _depth: number, options: InspectOptions, show: typeof inspect): string {
        return show(Object.assign(Object.create(null), this), options)
      },
    },
  }),
)

/** The properties of the exports objects of a module, the same for all its instances. */
const descriptors = new WeakMap<readonly ModuleExport[], PropertyDescriptorMap>()

function describeExports(exports: readonly ModuleExport[]): PropertyDescriptorMap {
  // Without prototype: a module may export `__proto__`.
  const map = Object.create(null) as PropertyDescriptorMap
  exports.forEach(({ name }, index) => {
    map[name] = {
      enumerable: true,
      get(this: { readonly [exportsKey]?: ExportsCache }): unknown {
        const cache = this[exportsKey]
        if (cache === undefined) throw new ArgumentError('a getter of exports was called on another object')
        return cache.values[index] ?? cache.load(index, name)
      },
    }
  })
  descriptors.set(exports, map)
  return map
}

/**
 * @internal All exports by name: functions as plain JavaScript functions, the others as objects. Each is made when it is
 * read for the first time: a module may export hundreds, of which a program uses a few.
 */
export function exportsObject(core: StoreCore, slot: number, exports: readonly ModuleExport[]): Record<string, any> {
  const object = Object.create(nothing, { [exportsKey]: { value: new ExportsCache(core, slot) } }) as object
  Object.defineProperties(object, descriptors.get(exports) ?? describeExports(exports))
  return Object.preventExtensions(object) as Record<string, any>
}
