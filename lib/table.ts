import { checkInteger, checkOptions } from './call-options'
import { storeCoreOf } from './func'
import { native } from './native'
import type { Store } from './store'
import { StoreCore } from './store-core'
import type { TableType } from './types'
import { type RefTypeName, type ValueTypeName, checkRefType } from './value-type'

/** Type and limits of a new table. */
export interface TableDescription {
  /** Type of the elements. */
  readonly element: RefTypeName
  /** Elements that it has at first. */
  readonly minimum: number
  /** Elements that it may grow to; default: no limit of its own. */
  readonly maximum?: number
}

/**
 * A table of references. Elements are `Func` or null (funcref), any value (externref), and so on. No table can have more than
 * 10,000,000 elements, as in browsers.
 *
 * Every method throws an `ArgumentRangeError` for an index beyond the end, and an `ArgumentError` for a value that is not
 * of the element type.
 */
export class Table {
  readonly #core: StoreCore
  readonly #index: number

  /** Makes a table, each element being `init` (default null). */
  constructor(store: Store, type: TableDescription, init?: unknown)
  /** @internal */
  constructor(core: StoreCore, index: number)
  constructor(owner: Store | StoreCore, typeOrIndex: TableDescription | number, init: unknown = null) {
    if (owner instanceof StoreCore) {
      this.#core = owner
      this.#index = typeOrIndex as number
    } else {
      this.#core = storeCoreOf(owner)
      this.#index = native.tableNew(this.#core.handle, checkTableType(typeOrIndex, 'type'), init)
      this.#core.extern(this.#index, () => this)
    }
  }

  /** Its element type and the limits that it was made with. */
  get type(): TableType {
    const { element, minimum, maximum, is64 } = native.externType(this.#core.handle, this.#index)
    return {
      element: element as ValueTypeName,
      minimum: minimum ?? 0,
      ...(maximum == null ? {} : { maximum }),
      is64: is64 ?? false,
    }
  }

  /** Elements that it has now. */
  get length(): number {
    return native.tableSize(this.#core.handle, this.#index)
  }

  /**
   * The element at an index: a `Func`, `null`, or what else the type has.
   *
   * @throws {ArgumentRangeError} If the index is beyond the end.
   */
  get(index: number): any {
    return native.tableGet(this.#core.handle, this.#index, index)
  }

  /**
   * Sets the element at an index.
   *
   * @throws {ArgumentRangeError} If the index is beyond the end.
   * @throws {ArgumentError} If the value is not of the table's type.
   */
  set(index: number, value: unknown): void {
    native.tableSet(this.#core.handle, this.#index, index, value)
  }

  /**
   * Adds elements, each being `init` (default null).
   *
   * @returns The length before, `undefined` if the table cannot grow that far.
   */
  grow(delta: number, init: unknown = null): number | undefined {
    return native.tableGrow(this.#core.handle, this.#index, delta, init)
  }

  /** Sets `count` elements from `index` on; none if they are not all within the table. */
  fill(index: number, value: unknown, count: number): void {
    native.tableFill(this.#core.handle, this.#index, index, value, count)
  }

  /** @internal */
  static parts(table: Table): { core: StoreCore; index: number } {
    return { core: table.#core, index: table.#index }
  }
}

/** @internal The type as native code takes it. */
export function checkTableType(type: unknown, what: string): { element: string; minimum: number; maximum?: number } {
  const { element, minimum, maximum } = checkOptions(type, what, ['element', 'minimum', 'maximum'])
  const name = checkRefType(element, `${what}.element`)
  const least = checkInteger(minimum ?? 0, `${what}.minimum`, 0, 2 ** 32 - 1) ?? 0
  const most = checkInteger(maximum, `${what}.maximum`, least, 2 ** 32 - 1)
  return most === undefined ? { element: name, minimum: least } : { element: name, minimum: least, maximum: most }
}
