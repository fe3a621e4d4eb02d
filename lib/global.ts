import { checkBoolean, checkOptions } from './call-options'
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
  /** Type of the value. */
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
    const { content, mutable } = native.externType(this.#core.handle, this.#index)
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

  /**
   * The bits of a number or vector, without sign: up to 32 of them for i32 and f32, 64 for i64 and f64, 128 for v128.
   * Unlike `value` they keep the sign and payload of a NaN. On setting, bits beyond those of the type are ignored.
   *
   * @throws {ArgumentError} If the global holds a reference. On setting, if it is immutable or the value is no bigint.
   */
  get bits(): bigint {
    const { content } = this.type
    switch (content) {
      case 'f32':
      case 'f64':
        return native.globalGetBits(this.#core.handle, this.#index)
      case 'i32':
        return BigInt.asUintN(32, BigInt(this.value as number))
      case 'i64':
        return BigInt.asUintN(64, this.value as bigint)
      case 'v128': {
        const view = new DataView((this.value as Uint8Array).slice().buffer)
        return view.getBigUint64(0, true) | (view.getBigUint64(8, true) << 64n)
      }
      default:
        throw noBits(content)
    }
  }

  set bits(bits: bigint) {
    if (typeof bits !== 'bigint') throw new ArgumentError(`bits must be a bigint, but got ${describe(bits)}`)
    const { content } = this.type
    switch (content) {
      case 'f32':
      case 'f64':
        native.globalSetBits(this.#core.handle, this.#index, bits)
        return
      case 'i32':
        this.value = Number(BigInt.asIntN(32, bits)) as ValueOf<T>
        return
      case 'i64':
        this.value = bits as ValueOf<T>
        return
      case 'v128': {
        const view = new DataView(new ArrayBuffer(16))
        view.setBigUint64(0, bits, true)
        view.setBigUint64(8, bits >> 64n, true)
        this.value = new Uint8Array(view.buffer) as ValueOf<T>
        return
      }
      default:
        throw noBits(content)
    }
  }

  /** @internal */
  static parts(global: Global<any>): { core: StoreCore; index: number } {
    return { core: global.#core, index: global.#index }
  }
}

function noBits(content: ValueTypeName): ArgumentError {
  return new ArgumentError(`a ${content} has no bits that JavaScript may see; use value`)
}

/** @internal The type as native code takes it. */
export function checkGlobalType(type: unknown, what: string): { content: ValueTypeName; mutable: boolean } {
  const given = checkOptions(type, what, ['content', 'mutable'])
  const { content } = given
  const mutable = checkBoolean(given.mutable, `${what}.mutable`) ?? false
  const [name] = checkValueTypes([content], `${what}.content`)
  if (name === undefined) throw new ArgumentError(`${what}.content must be a value type`)
  return { content: name, mutable }
}
