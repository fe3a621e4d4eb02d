import { constants } from 'node:buffer'

import { checkBoolean, checkInteger, checkOptions } from './call-options'
import { ArgumentRangeError } from './errors'
import { storeCoreOf } from './func'
import { type Binding, native, type StoreHandle } from './native'
import type { Store } from './store'
import { StoreCore } from './store-core'
import type { MemoryType } from './types'

/** Limits of a new memory. */
export interface MemoryLimits {
  /** Pages of 64 KiB that it has at first. */
  readonly minimum: number
  /** Pages that it may grow to; default: as far as the address type allows. */
  readonly maximum?: number
  /** Whether addresses are i64; default false. */
  readonly is64?: boolean
}

/**
 * A linear memory.
 *
 * Out of bounds, every read gives `undefined` and every write `false`, and nothing is read or written in part. All
 * accessors copy, but for `view`. Offsets and counts are whole numbers from 0 to 2^53; an i32 pointer above 2 GiB arrives from wasm as a
 * negative number, so write `ptr >>> 0` where a guest may have that much memory. Numbers are little-endian.
 *
 * Every method throws an `ArgumentError` (a `TypeError`) if an argument has the wrong type, an `ArgumentRangeError` if an
 * offset is negative or not whole, and a `ClosedError` (an
 * `ExitError` if its instance was closed with a code) if the store is closed.
 */
export class Memory {
  readonly #core: StoreCore
  readonly #handle: StoreHandle
  readonly #index: number

  /**
   * Makes a memory.
   *
   * @throws {LimitError} If the system refuses the memory.
   */
  constructor(store: Store, limits: MemoryLimits)
  /** @internal */
  constructor(core: StoreCore, index: number)
  constructor(owner: Store | StoreCore, limitsOrIndex: MemoryLimits | number) {
    if (owner instanceof StoreCore) {
      this.#core = owner
      this.#index = limitsOrIndex as number
    } else {
      this.#core = storeCoreOf(owner)
      this.#index = native.memoryNew(this.#core.handle, checkMemoryLimits(limitsOrIndex, 'limits'))
      this.#core.extern(this.#index, () => this)
    }
    this.#handle = this.#core.handle
  }

  /** Bytes that the memory has now. */
  get size(): number {
    return native.memoryByteSize(this.#handle, this.#index)
  }

  /** Pages that the memory has now. */
  get pages(): number {
    return native.memoryPages(this.#handle, this.#index)
  }

  /** The limits that it was made with. */
  get type(): MemoryType {
    return memoryTypeOf(native.externType(this.#handle, this.#index))
  }

  /**
   * Adds pages.
   *
   * @param delta How many; 0 only tells the present number.
   * @returns The number of pages before, `undefined` if the memory cannot grow that far.
   */
  grow(delta: number): number | undefined {
    return native.memoryGrow(this.#handle, this.#index, delta)
  }

  /** Reads an unsigned byte. */
  readByte(offset: number): number | undefined {
    return native.memoryReadByte(this.#handle, this.#index, offset)
  }

  /** Reads a signed byte. */
  readInt8(offset: number): number | undefined {
    return native.memoryReadInt8(this.#handle, this.#index, offset)
  }

  /** Reads an unsigned integer of 16 bits, little-endian; `undefined` if it is not all within the memory. */
  readUint16Le(offset: number): number | undefined {
    return native.memoryReadUint16(this.#handle, this.#index, offset)
  }

  /** Reads a signed integer of 16 bits, little-endian; `undefined` if it is not all within the memory. */
  readInt16Le(offset: number): number | undefined {
    return native.memoryReadInt16(this.#handle, this.#index, offset)
  }

  /** Reads an unsigned integer of 32 bits, little-endian; `undefined` if it is not all within the memory. */
  readUint32Le(offset: number): number | undefined {
    return native.memoryReadUint32(this.#handle, this.#index, offset)
  }

  /** Reads a signed integer of 32 bits, little-endian; `undefined` if it is not all within the memory. */
  readInt32Le(offset: number): number | undefined {
    return native.memoryReadInt32(this.#handle, this.#index, offset)
  }

  /** Reads an unsigned integer of 64 bits, little-endian; `undefined` if it is not all within the memory. */
  readUint64Le(offset: number): bigint | undefined {
    return native.memoryReadUint64(this.#handle, this.#index, offset)
  }

  /** Reads a signed integer of 64 bits, little-endian; `undefined` if it is not all within the memory. */
  readInt64Le(offset: number): bigint | undefined {
    return native.memoryReadInt64(this.#handle, this.#index, offset)
  }

  /** Reads a float of 32 bits, little-endian; `undefined` if it is not all within the memory. */
  readFloat32Le(offset: number): number | undefined {
    return native.memoryReadFloat32(this.#handle, this.#index, offset)
  }

  /** Reads a float of 64 bits, little-endian; `undefined` if it is not all within the memory. */
  readFloat64Le(offset: number): number | undefined {
    return native.memoryReadFloat64(this.#handle, this.#index, offset)
  }

  /** Copies `byteCount` bytes into a new array. */
  read(offset: number, byteCount: number): Uint8Array | undefined {
    return native.memoryRead(this.#handle, this.#index, offset, byteCount)
  }

  /**
   * Fills `target` with the bytes at `offset`: as `read`, without a new array.
   *
   * @param target A typed array, `DataView` or `ArrayBuffer`; as many bytes as it has are read.
   */
  readInto(offset: number, target: ArrayBufferView | ArrayBuffer): boolean {
    return native.memoryReadInto(this.#handle, this.#index, offset, target)
  }

  /** Reads UTF-8 text of `byteCount` bytes; bytes that are not UTF-8 become U+FFFD. */
  readString(offset: number, byteCount: number): string | undefined {
    return native.memoryReadString(this.#handle, this.#index, offset, byteCount)
  }

  /**
   * Reads UTF-8 text that ends with a zero byte, which is not part of it.
   *
   * @param maximum Bytes to search for the zero byte, itself included; default: to the end of the memory.
   * @returns `undefined` also if there is no zero byte within `maximum`.
   */
  readCString(offset: number, maximum: number = Number.MAX_SAFE_INTEGER): string | undefined {
    return native.memoryReadCString(this.#handle, this.#index, offset, maximum)
  }

  /** Writes the low 8 bits of `value`. */
  writeByte(offset: number, value: number): boolean {
    return native.memoryWriteInt8(this.#handle, this.#index, offset, value)
  }

  /** Writes a signed byte; `false` if it is not all within the memory. */
  writeInt8(offset: number, value: number): boolean {
    return native.memoryWriteInt8(this.#handle, this.#index, offset, value)
  }

  /** Writes the low 16 bits of `value`. */
  writeUint16Le(offset: number, value: number): boolean {
    return native.memoryWriteInt16(this.#handle, this.#index, offset, value)
  }

  /** Writes a signed integer of 16 bits, little-endian; `false` if it is not all within the memory. */
  writeInt16Le(offset: number, value: number): boolean {
    return native.memoryWriteInt16(this.#handle, this.#index, offset, value)
  }

  /** Writes the low 32 bits of `value`. */
  writeUint32Le(offset: number, value: number): boolean {
    return native.memoryWriteInt32(this.#handle, this.#index, offset, value)
  }

  /** Writes a signed integer of 32 bits, little-endian; `false` if it is not all within the memory. */
  writeInt32Le(offset: number, value: number): boolean {
    return native.memoryWriteInt32(this.#handle, this.#index, offset, value)
  }

  /** Writes the low 64 bits of `value`. */
  writeUint64Le(offset: number, value: bigint): boolean {
    return native.memoryWriteInt64(this.#handle, this.#index, offset, value)
  }

  /** Writes a signed integer of 64 bits, little-endian; `false` if it is not all within the memory. */
  writeInt64Le(offset: number, value: bigint): boolean {
    return native.memoryWriteInt64(this.#handle, this.#index, offset, value)
  }

  /** Writes a float of 32 bits, little-endian; `false` if it is not all within the memory. */
  writeFloat32Le(offset: number, value: number): boolean {
    return native.memoryWriteFloat32(this.#handle, this.#index, offset, value)
  }

  /** Writes a float of 64 bits, little-endian; `false` if it is not all within the memory. */
  writeFloat64Le(offset: number, value: number): boolean {
    return native.memoryWriteFloat64(this.#handle, this.#index, offset, value)
  }

  /** Copies all bytes of a typed array, `DataView` or `ArrayBuffer` into the memory. */
  write(offset: number, bytes: ArrayBufferView | ArrayBuffer): boolean {
    return native.memoryWrite(this.#handle, this.#index, offset, bytes)
  }

  /**
   * Writes text as UTF-8, without a zero byte; a lone surrogate becomes U+FFFD.
   *
   * @returns The number of bytes written, `false` if they do not fit.
   */
  writeString(offset: number, text: string): number | false {
    return native.memoryWriteString(this.#handle, this.#index, offset, text)
  }

  /**
   * The memory's own bytes, without a copy: what the guest writes shows in the array, and the other way round. Whenever
   * the memory grows, by whomever, and when the store closes, the array is detached: its length becomes 0. So do not keep
   * it; call `view` again, which gives the same array as long as it is good. `transfer()` of its buffer ends it, too; the new
   * buffer goes on showing these bytes, also when the store is closed.
   *
   * @throws {ArgumentError} Where V8 forbids such arrays (in Electron), and for a memory that may move when it grows: an
   * i64 one without a small maximum, or one larger than the engine's `memoryReservation`.
   * @throws {ArgumentRangeError} If the memory has more bytes than a buffer can have in this runtime.
   */
  view(): Uint8Array {
    try {
      return native.memoryView(this.#handle, this.#index)
    } catch (error) {
      throw this.#viewError(error)
    }
  }

  /** Node's own error says of a memory that is too large only that a buffer cannot be so. */
  #viewError(error: unknown): unknown {
    if (!isTooLarge(error)) return error
    return new ArgumentRangeError(
      `view: a buffer has at most ${constants.MAX_LENGTH} bytes here, and the memory has ${this.size}; use read() and readInto()`,
    )
  }

  /** @internal */
  static parts(memory: Memory): { core: StoreCore; index: number } {
    return { core: memory.#core, index: memory.#index }
  }
}

/** @internal The limits as native code takes them. */
export function checkMemoryLimits(limits: unknown, what: string): { minimum: number; maximum?: number; is64: boolean } {
  const { minimum, maximum, ...given } = checkOptions(limits, what, ['minimum', 'maximum', 'is64'])
  const is64 = checkBoolean(given.is64, `${what}.is64`) ?? false
  const top = is64 ? 2 ** 48 : 65536
  const least = checkInteger(minimum ?? 0, `${what}.minimum`, 0, top) ?? 0
  const most = checkInteger(maximum, `${what}.maximum`, least, top)
  return most === undefined ? { minimum: least, is64 } : { minimum: least, maximum: most, is64 }
}

function isTooLarge(error: unknown): boolean {
  return (error as { code?: unknown } | undefined)?.code === 'ERR_BUFFER_TOO_LARGE'
}

/** @internal The type of a memory, as native code tells it. */
export function memoryTypeOf({ minimum, maximum, is64, shared, pageSize }: Binding.ExternTypeInfo): MemoryType {
  return {
    minimum: minimum ?? 0,
    ...(maximum == null ? {} : { maximum }),
    is64: is64 ?? false,
    shared: shared ?? false,
    pageSize: pageSize ?? 65536,
  }
}
