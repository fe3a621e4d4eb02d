import { checkList } from './call-options'
import { describe } from './describe'
import { ArgumentError, ArgumentRangeError, WasmtimeError, type WasmtimeErrorOptions } from './errors'
import { coreKey, native, referenceKey } from './native'
import { StoreCore } from './store-core'
import { Tag, tagOf } from './tag'
import type { ArgsOf, ValueTypeLike } from './value-type'
import { type WasmFrame, ownFrames } from './wasm-frame'

/** The most parameters that a tag can have. */
const MAX_VALUES = 1000

/**
 * An exception of WebAssembly, after `WebAssembly.Exception` in browsers. A host function throws one for its guest to catch;
 * one that a guest throws and nobody catches comes out of the call. As a value of type `exnref` it is the same object
 * (`===`) wherever it appears, as long as JavaScript holds it.
 *
 * @example
 * ```ts
 * const failed = new Tag(store, { params: ['i32'] })
 * linker.define('host', 'failed', failed)
 * linker.func('host', 'read', { params: [], results: [] }, () => {
 *   throw new WasmException(failed, [5]) // a guest's `catch` gets the 5
 * })
 * ```
 */
export class WasmException<P extends readonly ValueTypeLike[] = any> extends WasmtimeError {
  declare readonly code: 'EXCEPTION'
  readonly #core: StoreCore
  readonly #index: number
  readonly #tag: number
  #payload: readonly unknown[] | undefined

  /**
   * Makes an exception in the store of its tag.
   *
   * @param tag What kind it is.
   * @param payload The values that it carries, of the types of `tag.type.params`.
   * @throws {ArgumentError} If the payload does not fit the tag.
   * @throws {ClosedError} If the tag's store is closed.
   */
  constructor(tag: Tag<P>, payload?: ArgsOf<P>, options?: WasmtimeErrorOptions)
  /** @internal */
  constructor(core: StoreCore, index: number, tag: number, payload: readonly unknown[] | undefined)
  constructor(
    owner: Tag<P> | StoreCore,
    payloadOrIndex: readonly unknown[] | number = [],
    optionsOrTag?: WasmtimeErrorOptions | number,
    payload?: readonly unknown[],
  ) {
    super('EXCEPTION', 'WebAssembly exception', typeof optionsOrTag === 'number' ? undefined : optionsOrTag)
    if (owner instanceof StoreCore) {
      this.#core = owner
      this.#index = payloadOrIndex as number
      this.#tag = optionsOrTag as number
      this.#payload = payload === undefined ? undefined : Object.freeze(payload)
    } else {
      if (!(owner instanceof Tag)) throw new ArgumentError(`tag must be a Tag, but got ${describe(owner)}`)
      const values = checkList(payloadOrIndex, 'payload', 'values', MAX_VALUES, (value) => value)
      const { core, index } = Tag.parts(owner)
      this.#core = core
      this.#tag = index
      this.#index = native.exceptionNew(core.handle, index, values, this)
      // At once, so that it can be read when the store has ended.
      this.#payload = Object.freeze(native.exceptionPayload(core.handle, this.#index))
    }
    // Where native code, and only it, looks when the exception comes back.
    Object.defineProperties(this, { [coreKey]: { value: this.#core }, [referenceKey]: { value: this.#index } })
  }

  /** What kind it is. */
  get tag(): Tag<P> {
    return tagOf(this.#core, this.#tag)
  }

  /** The values that it carries, as WebAssembly has them: a frozen array. */
  get payload(): Readonly<ArgsOf<P>> {
    return (this.#payload ??= Object.freeze(native.exceptionPayload(this.#core.handle, this.#index))) as Readonly<
      ArgsOf<P>
    >
  }

  /** The WebAssembly frames that it has passed without being caught, innermost first. */
  get frames(): readonly WasmFrame[] {
    return ownFrames(this, 'wasmFrames')
  }

  /** Whether it is of that kind. */
  is(tag: Tag): boolean {
    if (!(tag instanceof Tag)) throw new ArgumentError(`tag must be a Tag, but got ${describe(tag)}`)
    return tag === this.tag
  }

  /**
   * A value that it carries.
   *
   * @throws {ArgumentError} If the exception is of another kind.
   * @throws {ArgumentRangeError} If it carries fewer values.
   */
  getArg(tag: Tag, index: number): any {
    if (!this.is(tag)) throw new ArgumentError('tag: the exception is of another kind')
    if (typeof index !== 'number') throw new ArgumentError(`index must be a number, but got ${describe(index)}`)
    const { payload } = this
    if (!Number.isInteger(index) || index < 0 || index >= payload.length) {
      throw new ArgumentRangeError(`index: the exception carries ${payload.length} values, and none at ${index}`)
    }
    return payload[index]
  }
}

Object.defineProperty(WasmException.prototype, 'name', {
  value: 'WasmException',
  enumerable: false,
  writable: true,
  configurable: true,
})
