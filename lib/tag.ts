import { storeCoreOf } from './func'
import { checkOptions } from './call-options'
import { native } from './native'
import type { Store } from './store'
import { StoreCore } from './store-core'
import type { TagType } from './types'
import { type ValueTypeLike, type ValueTypeName, checkValueTypes } from './value-type'

/** Type of a new tag. */
export interface TagDescription<P extends readonly ValueTypeLike[] = readonly ValueTypeLike[]> {
  /** Types of the values that its exceptions carry; default: none. */
  readonly params?: P
}

/**
 * A tag: a kind of exception. Guests import and export tags to throw and catch each other's exceptions, and those of host
 * functions, which are made with `new WasmException(tag, payload)`.
 *
 * The same tag is always the same object, whoever exports it.
 */
export class Tag<P extends readonly ValueTypeLike[] = any> {
  readonly #core: StoreCore
  readonly #index: number

  /**
   * Makes a tag.
   *
   * @throws {ArgumentError} If a parameter is not a value type.
   */
  constructor(store: Store, type?: TagDescription<P>)
  /** @internal */
  constructor(core: StoreCore, index: number)
  constructor(owner: Store | StoreCore, typeOrIndex: TagDescription<P> | number = {}) {
    if (owner instanceof StoreCore) {
      this.#core = owner
      this.#index = typeOrIndex as number
    } else {
      this.#core = storeCoreOf(owner)
      const { params } = checkOptions(typeOrIndex, 'type', ['params'])
      this.#index = native.tagNew(this.#core.handle, [...checkValueTypes(params ?? [], 'type.params')])
      this.#core.extern(this.#index, () => this)
    }
  }

  /** Types of the values that its exceptions carry. */
  get type(): TagType {
    return { params: (native.externType(this.#core.handle, this.#index).params ?? []) as ValueTypeName[] }
  }

  /** @internal */
  static parts(tag: Tag<any>): { core: StoreCore; index: number } {
    return { core: tag.#core, index: tag.#index }
  }
}

/** @internal The tag of a handle, the same object every time. */
export function tagOf(core: StoreCore, index: number): Tag {
  return core.extern(index, () => new Tag(core, index))
}
