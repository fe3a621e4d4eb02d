import { ArgumentError } from './errors'
import { coreKey, native, referenceKey } from './native'
import { StoreCore } from './store-core'
import { WasmException } from './wasm-exception'

/**
 * A struct or array of WebAssembly's garbage-collected heap, as JavaScript sees it. It keeps the object alive; the same
 * object is the same handle (`===`) as long as JavaScript holds it. Handles belong to their store: in another one they are
 * refused, and after its end every method throws a `ClosedError`.
 *
 * A guest's object that holds a JavaScript value, which in turn holds the object's handle, lives as long as the store: no
 * collector sees both halves of such a cycle.
 */
abstract class GcRef {
  readonly #core: StoreCore
  readonly #index: number

  /** @internal */
  constructor(core: StoreCore, index: number) {
    if (!(core instanceof StoreCore)) {
      throw new ArgumentError(`${new.target.name} cannot be constructed; a guest makes it`)
    }
    this.#core = core
    this.#index = index
    markReference(this, core, index)
  }

  /** How many fields, or elements, it has. */
  get length(): number {
    return native.gcLength(this.#core.handle, this.#index)
  }

  /**
   * Reads a field of a struct, counted from 0, or an element of an array. Packed integers (i8, i16) are unsigned.
   *
   * @throws {ArgumentRangeError} If there is none of that index.
   * @throws {ArgumentError} If the index is no number.
   */
  get(index: number): any {
    return native.gcGet(this.#core.handle, this.#index, index)
  }
}

/** A struct: {@link GcRef}. Values of type `structref`. */
export class StructRef extends GcRef {
  /** Tells it from the other kind of handle. */
  get kind(): 'struct' {
    return 'struct'
  }
}

/** An array: {@link GcRef}. Values of type `arrayref`. */
export class ArrayRef extends GcRef {
  /** Tells it from the other kind of handle. */
  get kind(): 'array' {
    return 'array'
  }

  /** Its elements, read one by one when they are asked for. */
  *[Symbol.iterator](): IterableIterator<any> {
    for (let index = 0; index < this.length; index++) yield this.get(index)
  }
}

export type { GcRef }

/** Where native code, and only it, looks when a handle comes back. */
function markReference(handle: object, core: StoreCore, index: number): void {
  Object.defineProperties(handle, { [coreKey]: { value: core }, [referenceKey]: { value: index } })
}

native.registerReferences(
  (core: StoreCore, index: number, kind: number, tag: number, payload: readonly unknown[] | undefined) => {
    if (kind === 0) return new StructRef(core, index)
    return kind === 1 ? new ArrayRef(core, index) : new WasmException(core, index, tag, payload)
  },
  referenceKey,
)
