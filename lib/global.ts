import { checkOptions } from './call-options'
import { describe } from './describe'
import { ArgumentError } from './errors'
import { storeCoreOf } from './func'
import { native } from './native'
import type { Store } from './store'
import { StoreCore } from './store-core'
import type { GlobalType } from './types'
import { type ValueOf, type ValueTypeLike, type ValueTypeName, checkValueTypes } from './value-type'

/** Type of a new global. */
export interface GlobalDescription<T extends ValueTypeLike = ValueTypeLike> {
  readonly content: T
  /** Whether the value can be set; default false. */
  readonly mutable?: boolean
}

/** A global variable. */
export class Global<T extends ValueTypeLike = any> {
  readonly #core: StoreCore
  readonly #index: number

  /**
   * Makes a global.
   *
   * @throws {ArgumentError} If the value is not of the type.
   */
  constructor(store: Store, type: GlobalDescription<T>, value: ValueOf<T>)
  /** @internal */
  constructor(core: StoreCore, index: number)
  constructor(owner: Store | StoreCore, typeOrIndex: GlobalDescription<T> | number, value?: unknown) {
    if (owner instanceof StoreCore) {
      this.#core = owner
      this.#index = typeOrIndex as number
    } else {
      this.#core = storeCoreOf(owner)
      this.#index = native.globalNew(this.#core.handle, checkGlobalType(typeOrIndex, 'type'), value)
      this.#core.extern(this.#index, () => this)
    }
  }

  /** Its value type and whether it can be set. */
  get type(): GlobalType {
    const { content, mutable } = native.globalType(this.#core.handle, this.#index)
    return { content: content as ValueTypeName, mutable: mutable ?? false }
  }

  /** Whether the value can be set. */
  get mutable(): boolean {
    return this.type.mutable
  }

  /**
   * The value.
   *
   * @throws {ArgumentError} On setting, if the global is immutable or the value is not of its type.
   */
  get value(): ValueOf<T> {
    return native.globalGet(this.#core.handle, this.#index) as ValueOf<T>
  }

  set value(value: ValueOf<T>) {
    native.globalSet(this.#core.handle, this.#index, value)
  }

  /** @internal */
  static parts(global: Global<any>): { core: StoreCore; index: number } {
    return { core: global.#core, index: global.#index }
  }
}

/** @internal The type as native code takes it. */
export function checkGlobalType(type: unknown, what: string): { content: ValueTypeName; mutable: boolean } {
  const { content, mutable = false } = checkOptions(type, what, ['content', 'mutable'])
  if (typeof mutable !== 'boolean') {
    throw new ArgumentError(`${what}.mutable must be a boolean, but got ${describe(mutable)}`)
  }
  const [name] = checkValueTypes([content], `${what}.content`)
  if (name === undefined) throw new ArgumentError(`${what}.content must be a value type`)
  return { content: name, mutable }
}
