import { describe } from './describe'
import { ArgumentError, ArgumentRangeError } from './errors'

/**
 * The value types of wazero's API as bytes of the WebAssembly binary format.
 *
 * Wherever this package takes value types it also takes their names (`'i32'`, ...). `'v128'` and `'funcref'`
 * have a name only, because wazero has no public constant for them.
 */
export const ValueType = Object.freeze({
  /** A 32-bit integer; a `number` in JavaScript. */
  I32: 0x7f,
  /** A 64-bit integer; always a `bigint` in JavaScript. */
  I64: 0x7e,
  /** A 32-bit float; a `number` in JavaScript. */
  F32: 0x7d,
  /** A 64-bit float; a `number` in JavaScript. */
  F64: 0x7c,
  /** A reference to any JavaScript value. */
  Externref: 0x6f,
} as const)

/** One of the bytes of {@link ValueType}. */
export type ValueType = (typeof ValueType)[keyof typeof ValueType]

/** The kinds of import and export as bytes of the WebAssembly binary format. */
export const ExternType = Object.freeze({
  /** A function. */
  Func: 0x00,
  /** A table of references. */
  Table: 0x01,
  /** A linear memory. */
  Memory: 0x02,
  /** A global variable. */
  Global: 0x03,
} as const)

/** One of the bytes of {@link ExternType}. */
export type ExternType = (typeof ExternType)[keyof typeof ExternType]

// One slot of scratch space seen through every type that is needed, so that a conversion reinterprets bits without
// allocating. Sharing it is safe: each function below checks the type of its argument first, and from there to its
// return runs nothing that could re-enter this module (a store of a primitive calls no user code). Worker threads
// load their own copy of the module, so no two threads ever see the same buffer.
const slots = new BigUint64Array(1)
const i32s = new Int32Array(slots.buffer)
const u32s = new Uint32Array(slots.buffer)
const f32s = new Float32Array(slots.buffer)
const f64s = new Float64Array(slots.buffer)

// Which 32-bit half of the slot holds the low bits: the first, except on a big-endian machine such as s390x.
slots[0] = 1n
const LOW = u32s[0] === 1 ? 0 : 1

function notNumber(name: string, value: unknown): ArgumentError {
  const hint = typeof value === 'bigint' ? ' (a 64-bit integer is encoded with encodeI64 or encodeU64)' : ''
  return new ArgumentError(`${name} expects a number, but got ${describe(value)}${hint}`)
}

function notBigint(name: string, value: unknown): ArgumentError {
  const hint = typeof value === 'number' ? ' (64-bit values are always bigint, for example 1n)' : ''
  return new ArgumentError(`${name} expects a bigint, but got ${describe(value)}${hint}`)
}

/**
 * Encodes a signed 32-bit integer as a stack slot, zero-extended: `encodeI32(-1)` is `4294967295n`.
 *
 * @param value A number; anything but a 32-bit integer is truncated and wrapped as `value | 0` does.
 * @returns The slot, from `0n` to `2n ** 32n - 1n`.
 * @throws {ArgumentError} If `value` is not a number.
 */
export function encodeI32(value: number): bigint {
  if (typeof value !== 'number') throw notNumber('encodeI32', value)
  return BigInt(value >>> 0)
}

/**
 * Encodes an unsigned 32-bit integer as a stack slot.
 *
 * @param value A number; anything but an unsigned 32-bit integer is truncated and wrapped as `value >>> 0` does.
 * @returns The slot, from `0n` to `2n ** 32n - 1n`.
 * @throws {ArgumentError} If `value` is not a number.
 */
export function encodeU32(value: number): bigint {
  if (typeof value !== 'number') throw notNumber('encodeU32', value)
  return BigInt(value >>> 0)
}

/**
 * Encodes a signed 64-bit integer as a stack slot: `encodeI64(-1n)` is `18446744073709551615n`.
 *
 * @param value A bigint; one outside 64 bits is wrapped.
 * @returns The slot, from `0n` to `2n ** 64n - 1n`.
 * @throws {ArgumentError} If `value` is not a bigint.
 */
export function encodeI64(value: bigint): bigint {
  if (typeof value !== 'bigint') throw notBigint('encodeI64', value)
  return BigInt.asUintN(64, value)
}

/**
 * Encodes an unsigned 64-bit integer as a stack slot.
 *
 * @param value A bigint; one outside 64 bits is wrapped.
 * @returns The slot, from `0n` to `2n ** 64n - 1n`.
 * @throws {ArgumentError} If `value` is not a bigint.
 */
export function encodeU64(value: bigint): bigint {
  if (typeof value !== 'bigint') throw notBigint('encodeU64', value)
  return BigInt.asUintN(64, value)
}

/**
 * Encodes a 32-bit float as a stack slot that holds its IEEE 754 bits: `encodeF32(1.5)` is `1069547520n`.
 *
 * @param value A number, rounded to the nearest 32-bit float. A NaN stays a NaN, but JavaScript does not promise to
 * keep its payload bits; to pass them on exactly, copy the slot instead of decoding and encoding it.
 * @returns The slot, from `0n` to `2n ** 32n - 1n`.
 * @throws {ArgumentError} If `value` is not a number.
 */
export function encodeF32(value: number): bigint {
  if (typeof value !== 'number') throw notNumber('encodeF32', value)
  f32s[LOW] = value
  return BigInt(u32s[LOW] as number)
}

/**
 * Encodes a 64-bit float as a stack slot that holds its IEEE 754 bits: `encodeF64(1.5)` is `4609434218613702656n`.
 *
 * @param value A number. A NaN stays a NaN, but JavaScript does not promise to keep its payload bits.
 * @returns The slot, from `0n` to `2n ** 64n - 1n`.
 * @throws {ArgumentError} If `value` is not a number.
 */
export function encodeF64(value: number): bigint {
  if (typeof value !== 'number') throw notNumber('encodeF64', value)
  f64s[0] = value
  return slots[0] as bigint
}

/**
 * Decodes a stack slot as a signed 32-bit integer. Only the low 32 bits count.
 *
 * @param slot The slot; a bigint outside 64 bits is wrapped.
 * @returns A number from `-(2 ** 31)` to `2 ** 31 - 1`.
 * @throws {ArgumentError} If `slot` is not a bigint.
 */
export function decodeI32(slot: bigint): number {
  if (typeof slot !== 'bigint') throw notBigint('decodeI32', slot)
  slots[0] = slot
  return i32s[LOW] as number
}

/**
 * Decodes a stack slot as an unsigned 32-bit integer. Only the low 32 bits count.
 *
 * @param slot The slot; a bigint outside 64 bits is wrapped.
 * @returns A number from `0` to `2 ** 32 - 1`.
 * @throws {ArgumentError} If `slot` is not a bigint.
 */
export function decodeU32(slot: bigint): number {
  if (typeof slot !== 'bigint') throw notBigint('decodeU32', slot)
  slots[0] = slot
  return u32s[LOW] as number
}

/**
 * Decodes a stack slot as a signed 64-bit integer.
 *
 * @param slot The slot; a bigint outside 64 bits is wrapped.
 * @returns A bigint from `-(2n ** 63n)` to `2n ** 63n - 1n`.
 * @throws {ArgumentError} If `slot` is not a bigint.
 */
export function decodeI64(slot: bigint): bigint {
  if (typeof slot !== 'bigint') throw notBigint('decodeI64', slot)
  return BigInt.asIntN(64, slot)
}

/**
 * Decodes a stack slot as an unsigned 64-bit integer.
 *
 * @param slot The slot; a bigint outside 64 bits is wrapped.
 * @returns A bigint from `0n` to `2n ** 64n - 1n`.
 * @throws {ArgumentError} If `slot` is not a bigint.
 */
export function decodeU64(slot: bigint): bigint {
  if (typeof slot !== 'bigint') throw notBigint('decodeU64', slot)
  return BigInt.asUintN(64, slot)
}

/**
 * Decodes a stack slot as a 32-bit float. Only the low 32 bits count.
 *
 * @param slot The slot; a bigint outside 64 bits is wrapped.
 * @returns The float as a number, exactly; the payload bits of a NaN may be lost.
 * @throws {ArgumentError} If `slot` is not a bigint.
 */
export function decodeF32(slot: bigint): number {
  if (typeof slot !== 'bigint') throw notBigint('decodeF32', slot)
  slots[0] = slot
  return f32s[LOW] as number
}

/**
 * Decodes a stack slot as a 64-bit float.
 *
 * @param slot The slot; a bigint outside 64 bits is wrapped.
 * @returns The number; the payload bits of a NaN may be lost.
 * @throws {ArgumentError} If `slot` is not a bigint.
 */
export function decodeF64(slot: bigint): number {
  if (typeof slot !== 'bigint') throw notBigint('decodeF64', slot)
  slots[0] = slot
  return f64s[0] as number
}

/**
 * The name of a value type in the WebAssembly text format.
 *
 * @param type A byte; see {@link ValueType}.
 * @returns `'i32'`, `'i64'`, `'f32'`, `'f64'` or `'externref'`; `'unknown'` for any other byte.
 * @throws {ArgumentError} If `type` is not a number.
 * @throws {ArgumentRangeError} If it is not an integer from 0 to 255.
 */
export function valueTypeName(type: number): 'i32' | 'i64' | 'f32' | 'f64' | 'externref' | 'unknown' {
  checkByte('valueTypeName', type)
  switch (type) {
    case ValueType.I32:
      return 'i32'
    case ValueType.I64:
      return 'i64'
    case ValueType.F32:
      return 'f32'
    case ValueType.F64:
      return 'f64'
    case ValueType.Externref:
      return 'externref'
    default:
      return 'unknown'
  }
}

/**
 * The name of a kind of import or export in the WebAssembly text format.
 *
 * @param type A byte; see {@link ExternType}.
 * @returns `'func'`, `'table'`, `'memory'` or `'global'`; for any other byte the byte in hexadecimal, such as `'0x9'`.
 * @throws {ArgumentError} If `type` is not a number.
 * @throws {ArgumentRangeError} If it is not an integer from 0 to 255.
 */
export function externTypeName(type: number): string {
  checkByte('externTypeName', type)
  switch (type) {
    case ExternType.Func:
      return 'func'
    case ExternType.Table:
      return 'table'
    case ExternType.Memory:
      return 'memory'
    case ExternType.Global:
      return 'global'
    default:
      return `0x${type.toString(16)}`
  }
}

function checkByte(name: string, value: unknown): void {
  if (typeof value !== 'number') {
    throw new ArgumentError(`${name} expects a number from 0 to 255, but got ${describe(value)}`)
  }
  if (!Number.isInteger(value) || value < 0 || value > 255) {
    throw new ArgumentRangeError(`${name} expects an integer from 0 to 255, but got ${describe(value)}`)
  }
}
