import type * as Binding from '../binding'

import { loadAddon } from './load-addon'
import { createNativeError } from './native-error'
import { attachWasmFrames } from './wasm-frame'

export type { Binding }

/** A store, seen from JavaScript: an external value that only the addon can read. */
export type StoreHandle = Binding.StoreHandle

/** A shared memory, seen from JavaScript: an external value that only the addon can read. */
export type SharedMemoryHandle = Binding.SharedMemoryHandle

/** A function that is ready to be called: an external value that only the addon can read. */
export interface PreparedFunc {
  readonly __func: unique symbol
}

/** A memory, as the raw functions name it. */
type Access<Args extends unknown[], Result> = (
  store: StoreHandle,
  memory: number,
  offset: number,
  ...args: Args
) => Result

/**
 * The raw Node-API functions of the addon. They are not in the generated declarations, because a function that napi-rs
 * wraps costs several times as much to call. All check their arguments; what is out of bounds gives `undefined` (reads)
 * or `false` (writes).
 */
export interface RawFunctions {
  memoryByteSize(store: StoreHandle, memory: number): number
  memoryPages(store: StoreHandle, memory: number): number
  memoryGrow(store: StoreHandle, memory: number, delta: number): number | undefined
  /** The same array until the memory grows or the store closes. */
  memoryView(store: StoreHandle, memory: number): Uint8Array
  memoryReadByte: Access<[], number | undefined>
  memoryReadInt8: Access<[], number | undefined>
  memoryReadUint16: Access<[], number | undefined>
  memoryReadInt16: Access<[], number | undefined>
  memoryReadUint32: Access<[], number | undefined>
  memoryReadInt32: Access<[], number | undefined>
  memoryReadUint64: Access<[], bigint | undefined>
  memoryReadInt64: Access<[], bigint | undefined>
  memoryReadFloat32: Access<[], number | undefined>
  memoryReadFloat64: Access<[], number | undefined>
  memoryReadString: Access<[byteCount: number], string | undefined>
  memoryReadCString: Access<[maximum: number], string | undefined>
  memoryRead: Access<[byteCount: number], Uint8Array | undefined>
  memoryReadInto: Access<[target: ArrayBufferView | ArrayBuffer], boolean>
  memoryWriteInt8: Access<[value: number], boolean>
  memoryWriteInt16: Access<[value: number], boolean>
  memoryWriteInt32: Access<[value: number], boolean>
  memoryWriteInt64: Access<[value: bigint], boolean>
  memoryWriteFloat32: Access<[value: number], boolean>
  memoryWriteFloat64: Access<[value: number], boolean>
  memoryWrite: Access<[source: ArrayBufferView | ArrayBuffer], boolean>
  memoryWriteString: Access<[text: string], number | false>
  sharedByteSize(memory: SharedMemoryHandle): number
  sharedPages(memory: SharedMemoryHandle): number
  sharedGrow(memory: SharedMemoryHandle, delta: number): number | undefined
  sharedWait(memory: SharedMemoryHandle, offset: number, expected: unknown, timeoutMs: number | undefined): number
  sharedNotify(memory: SharedMemoryHandle, offset: number, count: number): number
  sharedReadNumber(memory: SharedMemoryHandle, offset: number, kind: number): number | bigint | undefined
  sharedWriteNumber(memory: SharedMemoryHandle, offset: number, kind: number, value: unknown): boolean
  sharedRead(memory: SharedMemoryHandle, offset: number, byteCount: number): Uint8Array | undefined
  sharedReadInto(memory: SharedMemoryHandle, offset: number, target: unknown): boolean
  sharedWrite(memory: SharedMemoryHandle, offset: number, source: unknown): boolean
  sharedFindZero(memory: SharedMemoryHandle, offset: number, maximum: number): number | undefined
  sharedAtomic(
    memory: SharedMemoryHandle,
    offset: number,
    operation: number,
    value: unknown,
    replacement?: unknown,
  ): number | bigint | undefined
  /** Notes how deep in the stack it was called; whether that is deep enough. */
  noteStack(): boolean
  globalGet(store: StoreHandle, global: number): unknown
  globalSet(store: StoreHandle, global: number, value: unknown): void
  /** Only for floats. */
  globalGetBits(store: StoreHandle, global: number): bigint
  globalSetBits(store: StoreHandle, global: number, bits: bigint): void
  tableSize(store: StoreHandle, table: number): number
  tableGet(store: StoreHandle, table: number, index: number): unknown
  tableSet(store: StoreHandle, table: number, index: number, value: unknown): void
  tableGrow(store: StoreHandle, table: number, delta: number, value: unknown): number | undefined
  tableFill(store: StoreHandle, table: number, index: number, value: unknown, count: number): void
  gcLength(store: StoreHandle, object: number): number
  gcGet(store: StoreHandle, object: number, index: number): unknown
  /** Makes an exception of which `handle` becomes the handle; gives its number. */
  exceptionNew(store: StoreHandle, tag: number, payload: unknown[], handle: object): number
  exceptionPayload(store: StoreHandle, exception: number): unknown[]
  /** Prepares a function handle to be called; `slot` is -1 if the function belongs to no instance. */
  funcPrepare(store: StoreHandle, func: number, slot: number, name: string): PreparedFunc
  funcParamCount(func: PreparedFunc): number
  funcCall0(func: PreparedFunc): any
  funcCall1(func: PreparedFunc, a: unknown): any
  funcCall2(func: PreparedFunc, a: unknown, b: unknown): any
  funcCall3(func: PreparedFunc, a: unknown, b: unknown, c: unknown): any
  funcCall4(func: PreparedFunc, a: unknown, b: unknown, c: unknown, d: unknown): any
  funcCallMany(func: PreparedFunc, ...args: unknown[]): any
  /** As `funcCallMany`, with floats as their bits. */
  funcCallBits(func: PreparedFunc, ...args: unknown[]): any
  /** A call that may take so many milliseconds, of which some have passed, and use so much fuel. */
  funcCallWithLimits(
    func: PreparedFunc,
    timeoutMs: number | undefined,
    spentMs: number,
    fuel: bigint | undefined,
    ...args: unknown[]
  ): any
  storeFuel(store: StoreHandle): bigint
  storeSetFuel(store: StoreHandle, fuel: bigint): void
  storeAddFuel(store: StoreHandle, fuel: bigint): void
  /** Only for functions that are prepared. */
  funcCallWithStack(store: StoreHandle, func: number, stack: BigUint64Array): void
  /** Makes an asynchronous call that has not begun; gives its number, for the functions below. */
  opCall(func: PreparedFunc, ...args: unknown[]): number
  /** As `opCall`, with floats as their bits. */
  opCallBits(func: PreparedFunc, ...args: unknown[]): number
  /** Lets an operation go on; see `lib/operation.ts`. */
  opStep(store: StoreHandle, operation: number, how: number, value: unknown): unknown
  /** The result of an operation that has ended. */
  opFinish(store: StoreHandle, operation: number): any
  opStop(store: StoreHandle, operation: number): void
  /** Forgets an operation that has not begun, if there still is one of that number. */
  opForget(store: StoreHandle, operation: number): void
  /** Gives an operation that has not begun a budget of fuel. */
  opFuel(store: StoreHandle, operation: number, fuel: bigint): void
  /** Runs the notices that have just come home. */
  opNotices(store: StoreHandle): void
  /** Takes up tasks and notices that have come home, as long as the turn lasts. */
  takeUpArrivals(): void
  turnBegin(): void
  turnIsOver(): boolean
  /** `handle * 8 + kind` of an export (see `ExternKind`), `undefined` if there is none of that name. */
  instanceExport(store: StoreHandle, slot: number, name: string): number | undefined
  instanceExitCode(store: StoreHandle, slot: number): number | undefined
  instanceClose(store: StoreHandle, slot: number, exitCode: number): void
  /** `handle * 8 + kind` of a handle. */
  externKind(store: StoreHandle, handle: number): number
}

/** What a handle stands for: the numbers that the addon packs into its answers. */
export const ExternKind = { Func: 0, Memory: 1, Global: 2, Table: 3, Tag: 4, SharedMemory: 5 } as const

type Native = typeof Binding & RawFunctions

/** On functions, `Func`s and handles: the `StoreCore` of their store, which holds all that they need. */
export const coreKey: unique symbol = Symbol('node-wasmtime.store')

/** On handles of structs, arrays and exceptions: their number in that store. */
export const referenceKey: unique symbol = Symbol('node-wasmtime.reference')

/** On functions and `Func`s: their handle in that store. */
export const indexKey: unique symbol = Symbol('node-wasmtime.index')

/** The addon. */
export const native = loadAddon() as Native

/**
 * Prepares the addon for this environment. `wrapFunc` makes the `Func` of a function handle, given the `StoreCore` of
 * its store.
 */
export function registerEnvironment(wrapFunc: (core: unknown, index: number) => object): void {
  native.registerEnvironment(
    createNativeError as (kind: string, message: string, detail: unknown) => Error,
    attachWasmFrames,
    wrapFunc,
    coreKey,
    indexKey,
  )
}
