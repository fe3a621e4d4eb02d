import { Func, funcOf } from './func'
import { Global } from './global'
import { Memory } from './memory'
import { ExternKind, native } from './native'
import type { StoreCore } from './store-core'
import { Table } from './table'
import type { ModuleExport } from './types'

/** Something that an instance exports. */
export type Extern = Func<any, any> | Memory | Global<any> | Table

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
    default:
      return undefined
  }
}

/** @internal Looks an export up; `undefined` if there is none of that name. */
export function getExport(core: StoreCore, slot: number, name: string): Extern | undefined {
  const packed = native.instanceExport(core.handle, slot, name)
  return packed === undefined ? undefined : externOf(core, packed, slot, name)
}

/** @internal All exports by name: functions as plain JavaScript functions, the others as objects. */
export function exportsObject(core: StoreCore, slot: number, exports: readonly ModuleExport[]): Record<string, any> {
  const object = Object.create(null) as Record<string, unknown>
  for (const { name } of exports) {
    const item = getExport(core, slot, name)
    // A name like `__proto__` must become an own property, too; hence no assignment.
    const value = item instanceof Func ? item.function : item
    Object.defineProperty(object, name, { value, enumerable: true })
  }
  return Object.freeze(object)
}
