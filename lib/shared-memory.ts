import { describe } from './describe'
import { Engine } from './engine'
import { ArgumentError } from './errors'
import { checkMemoryLimits, memoryTypeOf } from './memory'
import { type Binding, type SharedMemoryHandle, native } from './native'
import type { Runtime } from './runtime'
import { type SharedHandle, attachTo, newHandle } from './shared-handle'
import type { StoreCore } from './store-core'
import type { MemoryType } from './types'

/** Limits of a new shared memory. */
export interface SharedMemoryLimits {
  /** Pages of 64 KiB that it has at first. */
  readonly minimum: number
  /** Pages that it may grow to. A shared memory must have a maximum. */
  readonly maximum: number
  /** Whether addresses are i64; default false. */
  readonly is64?: boolean
}

// As `src/shared_access.rs` numbers them.
const Kind = { Int8: 0, Uint8: 1, Int16: 2, Uint16: 3, Int32: 4, Uint32: 5, Int64: 6, Uint64: 7, Float32: 8, Float64: 9 } as const // prettier-ignore
const Op = { Load: 0, Store: 1, Add: 2, Sub: 3, And: 4, Or: 5, Xor: 6, Exchange: 7, CompareExchange: 8 } as const

/** The objects of this thread, by the address of the memory: the same memory is the same object. */
const known = new Map<number, WeakRef<SharedMemory>>()
const forget = new FinalizationRegistry<number>((address) => {
  if (known.get(address)?.deref() === undefined) known.delete(address)
})

/**
 * A linear memory that threads share: guests of this thread and of Workers can import it, and read and write it at the same
 * time. It belongs to an engine, not to a store. The engine needs the option `sharedMemory`.
 *
 * Accessors are those of {@link Memory}, but for `view`: V8 gives an addon no `SharedArrayBuffer` over memory that is not its
 * own. Other threads may write at any moment, so an access is atomic only of a number at an offset that is a multiple of its
 * size; a longer one may see some bytes of before and some of after. For what must be ordered use the `atomic` methods.
 *
 * Out of bounds, every read gives `undefined` and every write `false`.
 *
 * @example
 * ```ts
 * const engine = new Engine({ sharedMemory: true })
 * const memory = new SharedMemory(engine, { minimum: 1, maximum: 10 })
 * new Worker('./worker.js', { workerData: { engine: engine.share(), memory: memory.share() } })
 * // in the Worker
 * const engine = Engine.attach(workerData.engine)
 * const memory = SharedMemory.attach(workerData.memory)
 * new Linker(engine).define('env', 'memory', memory)
 * ```
 */
export class SharedMemory {
  readonly #native: Binding.SharedMemory
  readonly #memory: SharedMemoryHandle
  #handle: SharedHandle<'memory'> | undefined

  /**
   * Makes a shared memory.
   *
   * @param owner The engine, or the runtime whose engine it is, with the option `sharedMemory`.
   * @throws {ArgumentError} If the limits are not possible.
   * @throws {LimitError} If the system refuses the memory, or the engine has no `sharedMemory`.
   */
  constructor(owner: Engine | Runtime, limits: SharedMemoryLimits)
  /** @internal */
  constructor(memory: Binding.SharedMemory)
  constructor(owner: Engine | Runtime | Binding.SharedMemory, limits?: SharedMemoryLimits) {
    this.#native =
      owner instanceof native.SharedMemory
        ? owner
        : new native.SharedMemory(engineOfRuntime(owner) ?? Engine.native(owner), checkSharedLimits(limits, 'limits'))
    this.#memory = this.#native.handle()
    const address = this.#native.address()
    known.set(address, new WeakRef(this))
    forget.register(this, address)
  }

  /**
   * Gives a handle by which Workers of this process can {@link SharedMemory.attach} to this memory.
   *
   * @returns The same handle every time. It keeps nothing alive: keep the memory until the others have attached.
   */
  share(): SharedHandle<'memory'> {
    if (this.#handle === undefined) {
      const handle = newHandle('memory')
      this.#native.share(handle.id)
      this.#handle = handle
    }
    return this.#handle
  }

  /**
   * The memory that another thread of this process shares. Guests that import it must be of the same engine: share that, too.
   *
   * @throws {ArgumentError} If it is not a handle of `share`.
   * @throws {ClosedError} If the memory is not there any more.
   */
  static attach(handle: SharedHandle<'memory'>): SharedMemory {
    return objectOf(attachTo(handle, 'memory', (id) => native.SharedMemory.attach(id)))
  }

  /** Bytes that the memory has now. */
  get size(): number {
    return native.sharedByteSize(this.#memory)
  }

  /** Pages that the memory has now. */
  get pages(): number {
    return native.sharedPages(this.#memory)
  }

  /** The limits that it was made with. */
  get type(): MemoryType {
    return memoryTypeOf(this.#native.memoryType())
  }

  /**
   * Adds pages.
   *
   * @returns The number of pages before, `undefined` if the memory cannot grow that far.
   */
  grow(delta: number): number | undefined {
    return native.sharedGrow(this.#memory, delta)
  }

  /** Reads an unsigned byte. */
  readByte(offset: number): number | undefined {
    return native.sharedReadNumber(this.#memory, offset, Kind.Uint8) as number | undefined
  }

  /** Reads a signed byte. */
  readInt8(offset: number): number | undefined {
    return native.sharedReadNumber(this.#memory, offset, Kind.Int8) as number | undefined
  }

  /** Reads an unsigned integer of 16 bits, little-endian; `undefined` if it is not all within the memory. */
  readUint16Le(offset: number): number | undefined {
    return native.sharedReadNumber(this.#memory, offset, Kind.Uint16) as number | undefined
  }

  /** Reads a signed integer of 16 bits, little-endian; `undefined` if it is not all within the memory. */
  readInt16Le(offset: number): number | undefined {
    return native.sharedReadNumber(this.#memory, offset, Kind.Int16) as number | undefined
  }

  /** Reads an unsigned integer of 32 bits, little-endian; `undefined` if it is not all within the memory. */
  readUint32Le(offset: number): number | undefined {
    return native.sharedReadNumber(this.#memory, offset, Kind.Uint32) as number | undefined
  }

  /** Reads a signed integer of 32 bits, little-endian; `undefined` if it is not all within the memory. */
  readInt32Le(offset: number): number | undefined {
    return native.sharedReadNumber(this.#memory, offset, Kind.Int32) as number | undefined
  }

  /** Reads an unsigned integer of 64 bits, little-endian; `undefined` if it is not all within the memory. */
  readUint64Le(offset: number): bigint | undefined {
    return native.sharedReadNumber(this.#memory, offset, Kind.Uint64) as bigint | undefined
  }

  /** Reads a signed integer of 64 bits, little-endian; `undefined` if it is not all within the memory. */
  readInt64Le(offset: number): bigint | undefined {
    return native.sharedReadNumber(this.#memory, offset, Kind.Int64) as bigint | undefined
  }

  /** Reads a float of 32 bits, little-endian; `undefined` if it is not all within the memory. */
  readFloat32Le(offset: number): number | undefined {
    return native.sharedReadNumber(this.#memory, offset, Kind.Float32) as number | undefined
  }

  /** Reads a float of 64 bits, little-endian; `undefined` if it is not all within the memory. */
  readFloat64Le(offset: number): number | undefined {
    return native.sharedReadNumber(this.#memory, offset, Kind.Float64) as number | undefined
  }

  /** Copies `byteCount` bytes into a new array. */
  read(offset: number, byteCount: number): Uint8Array | undefined {
    return native.sharedRead(this.#memory, offset, byteCount)
  }

  /** Fills `target` with the bytes at `offset`: as `read`, without a new array. */
  readInto(offset: number, target: ArrayBufferView | ArrayBuffer): boolean {
    return native.sharedReadInto(this.#memory, offset, target)
  }

  /** Reads UTF-8 text of `byteCount` bytes; bytes that are not UTF-8 become U+FFFD. */
  readString(offset: number, byteCount: number): string | undefined {
    const bytes = this.read(offset, byteCount)
    return bytes && Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
  }

  /**
   * Reads UTF-8 text that ends with a zero byte, which is not part of it.
   *
   * @param maximum Bytes to search for the zero byte, itself included; default: to the end of the memory.
   * @returns `undefined` also if there is no zero byte within `maximum`.
   */
  readCString(offset: number, maximum: number = Number.MAX_SAFE_INTEGER): string | undefined {
    const length = native.sharedFindZero(this.#memory, offset, maximum)
    return length === undefined ? undefined : this.readString(offset, length)
  }

  /** Writes the low 8 bits of `value`. */
  writeByte(offset: number, value: number): boolean {
    return native.sharedWriteNumber(this.#memory, offset, Kind.Uint8, value)
  }

  /** Writes a signed byte; `false` if it is not all within the memory. */
  writeInt8(offset: number, value: number): boolean {
    return native.sharedWriteNumber(this.#memory, offset, Kind.Int8, value)
  }

  /** Writes the low 16 bits of `value`. */
  writeUint16Le(offset: number, value: number): boolean {
    return native.sharedWriteNumber(this.#memory, offset, Kind.Uint16, value)
  }

  /** Writes a signed integer of 16 bits, little-endian; `false` if it is not all within the memory. */
  writeInt16Le(offset: number, value: number): boolean {
    return native.sharedWriteNumber(this.#memory, offset, Kind.Int16, value)
  }

  /** Writes the low 32 bits of `value`. */
  writeUint32Le(offset: number, value: number): boolean {
    return native.sharedWriteNumber(this.#memory, offset, Kind.Uint32, value)
  }

  /** Writes a signed integer of 32 bits, little-endian; `false` if it is not all within the memory. */
  writeInt32Le(offset: number, value: number): boolean {
    return native.sharedWriteNumber(this.#memory, offset, Kind.Int32, value)
  }

  /** Writes the low 64 bits of `value`. */
  writeUint64Le(offset: number, value: bigint): boolean {
    return native.sharedWriteNumber(this.#memory, offset, Kind.Uint64, value)
  }

  /** Writes a signed integer of 64 bits, little-endian; `false` if it is not all within the memory. */
  writeInt64Le(offset: number, value: bigint): boolean {
    return native.sharedWriteNumber(this.#memory, offset, Kind.Int64, value)
  }

  /** Writes a float of 32 bits, little-endian; `false` if it is not all within the memory. */
  writeFloat32Le(offset: number, value: number): boolean {
    return native.sharedWriteNumber(this.#memory, offset, Kind.Float32, value)
  }

  /** Writes a float of 64 bits, little-endian; `false` if it is not all within the memory. */
  writeFloat64Le(offset: number, value: number): boolean {
    return native.sharedWriteNumber(this.#memory, offset, Kind.Float64, value)
  }

  /** Copies all bytes of a typed array, `DataView` or `ArrayBuffer` into the memory. */
  write(offset: number, bytes: ArrayBufferView | ArrayBuffer): boolean {
    return native.sharedWrite(this.#memory, offset, bytes)
  }

  /**
   * Writes text as UTF-8, without a zero byte; a lone surrogate becomes U+FFFD.
   *
   * @returns The number of bytes written, `false` if they do not fit.
   */
  writeString(offset: number, text: string): number | false {
    if (typeof text !== 'string') throw new ArgumentError(`text must be a string, but got ${describe(text)}`)
    const bytes = Buffer.from(text, 'utf8')
    return this.write(offset, bytes) && bytes.length
  }

  /**
   * Reads a signed 32-bit integer, in order with all other atomic operations.
   *
   * @throws {ArgumentRangeError} As all `atomic` methods, `wait` and `notify`, if the offset is no multiple of 4 (for a
   * bigint, of 8).
   */
  atomicLoadInt32(offset: number): number | undefined {
    return native.sharedAtomic(this.#memory, offset, Op.Load, 0) as number | undefined
  }

  /** Reads a signed 64-bit integer. */
  atomicLoadInt64(offset: number): bigint | undefined {
    return native.sharedAtomic(this.#memory, offset, Op.Load, 0n) as bigint | undefined
  }

  /** Writes an integer: of 32 bits if `value` is a number, of 64 if it is a bigint. */
  atomicStore(offset: number, value: number | bigint): boolean {
    return native.sharedAtomic(this.#memory, offset, Op.Store, value) !== undefined
  }

  /** Adds to an integer of 32 bits (a number) or 64 (a bigint); gives the value before, as the following do. */
  atomicAdd<T extends number | bigint>(offset: number, value: T): Widened<T> | undefined {
    return this.#atomic(offset, Op.Add, value)
  }

  /** As `atomicAdd`, with a subtraction. */
  atomicSub<T extends number | bigint>(offset: number, value: T): Widened<T> | undefined {
    return this.#atomic(offset, Op.Sub, value)
  }

  /** As `atomicAdd`, with a bitwise and. */
  atomicAnd<T extends number | bigint>(offset: number, value: T): Widened<T> | undefined {
    return this.#atomic(offset, Op.And, value)
  }

  /** As `atomicAdd`, with a bitwise or. */
  atomicOr<T extends number | bigint>(offset: number, value: T): Widened<T> | undefined {
    return this.#atomic(offset, Op.Or, value)
  }

  /** As `atomicAdd`, with a bitwise exclusive or. */
  atomicXor<T extends number | bigint>(offset: number, value: T): Widened<T> | undefined {
    return this.#atomic(offset, Op.Xor, value)
  }

  /** Puts a value in the place of another. */
  atomicExchange<T extends number | bigint>(offset: number, value: T): Widened<T> | undefined {
    return this.#atomic(offset, Op.Exchange, value)
  }

  /** Puts `replacement` there if `expected` is there. */
  atomicCompareExchange<T extends number | bigint>(
    offset: number,
    expected: T,
    replacement: Widened<T>,
  ): Widened<T> | undefined {
    return this.#atomic(offset, Op.CompareExchange, expected, replacement)
  }

  /**
   * Blocks this thread until another one notifies the offset, if `expected` is there: a number for 32 bits, a bigint for 64.
   * Nothing but that and the time ends it, not even `worker.terminate()`.
   *
   * @param timeoutMs Default: no end.
   * @throws {ArgumentRangeError} If the offset is out of bounds or not aligned.
   */
  wait(offset: number, expected: number | bigint, timeoutMs?: number): 'ok' | 'not-equal' | 'timed-out' {
    const outcome = native.sharedWait(this.#memory, offset, expected, timeoutMs === Infinity ? undefined : timeoutMs)
    return outcome === 0 ? 'ok' : outcome === 1 ? 'not-equal' : 'timed-out'
  }

  /**
   * Wakes threads, and guests, that wait at an offset.
   *
   * @param count How many at most; default: all.
   * @returns How many were woken.
   */
  notify(offset: number, count = 2 ** 32 - 1): number {
    return native.sharedNotify(this.#memory, offset, count)
  }

  /** Lets this thread's object go of the memory, which lives on as long as guests or other threads have it. Idempotent. */
  close(): void {
    this.#native.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** @internal */
  static native(memory: SharedMemory): Binding.SharedMemory {
    return memory.#native
  }

  #atomic<T extends number | bigint>(
    offset: number,
    op: number,
    value: T,
    replacement?: Widened<T>,
  ): Widened<T> | undefined {
    return native.sharedAtomic(this.#memory, offset, op, value, replacement) as Widened<T> | undefined
  }
}

let engineOfRuntime: (owner: unknown) => Binding.Engine | undefined = () => undefined

/** @internal Called by `runtime.ts`, which can look into a `Runtime`. */
export function setEngineOfRuntime(read: (owner: unknown) => Binding.Engine | undefined): void {
  engineOfRuntime = read
}

/** `number` for a number, `bigint` for a bigint. */
type Widened<T extends number | bigint> = T extends bigint ? bigint : number

function objectOf(memory: Binding.SharedMemory): SharedMemory {
  const object = known.get(memory.address())?.deref()
  if (object === undefined) return new SharedMemory(memory)
  try {
    // One that was closed is replaced.
    SharedMemory.native(object).address()
    memory.close()
    return object
  } catch {
    return new SharedMemory(memory)
  }
}

/** @internal The shared memory of a handle of a store. */
export function sharedMemoryOf(core: StoreCore, index: number): SharedMemory {
  return objectOf(native.sharedMemoryOf(core.handle, index))
}

/** @internal The limits as native code takes them. */
export function checkSharedLimits(limits: unknown, what: string): { minimum: number; maximum: number; is64: boolean } {
  const { maximum, ...rest } = checkMemoryLimits(limits, what)
  if (maximum === undefined) throw new ArgumentError(`${what}.maximum must be given: a shared memory needs a maximum`)
  return { ...rest, maximum }
}
