import { ArrayRef, Func, StructRef, WasmException } from '../../index.mjs'
import type { Constant, Float, ReferenceName } from './script.ts'

/**
 * A value as the suite is run with it: the bits of a number or vector, without sign, or a reference as this package shows
 * it. Bits, because JavaScript numbers do not keep those of a NaN.
 */
export type Exact = bigint | object | string | number | null | undefined

const NUMBERS = new Set(['i32', 'i64', 'f32', 'f64', 'v128'])

export const isNumeric = (type: string): boolean => NUMBERS.has(type)

const laneBits = { i8: 8, i16: 16, i32: 32, i64: 64, f32: 32, f64: 64 } as const

/** What stands for the host references of the suite: each number is an object of its own. */
export class HostReferences {
  readonly #objects = new Map<string, object>()

  of(number: string): object {
    let object = this.#objects.get(number)
    if (object === undefined) {
      object = Object.freeze({ host: number })
      this.#objects.set(number, object)
    }
    return object
  }
}

/** An argument. */
export function exactOf(constant: Constant, hosts: HostReferences): Exact {
  switch (constant.type) {
    case 'i32':
    case 'f32':
      return BigInt.asUintN(32, BigInt(constant.value))
    case 'i64':
    case 'f64':
      return BigInt.asUintN(64, BigInt(constant.value))
    case 'v128': {
      const width = BigInt(laneBits[constant.lane_type])
      const lanes = constant.value.map((lane) => BigInt.asUintN(Number(width), BigInt(lane)))
      return lanes.reduce((bits, lane, index) => bits | (lane << (BigInt(index) * width)), 0n)
    }
    case 'either':
      throw new Error('an argument cannot be one of several values')
    default:
      if (constant.value === undefined || constant.value === 'null') return null
      return hosts.of(constant.value)
  }
}

/** Bits as the natural JavaScript value of a type; references as they are. */
export function naturalOf(type: string, exact: Exact): unknown {
  if (typeof exact !== 'bigint') return exact
  const view = new DataView(new ArrayBuffer(16))
  view.setBigUint64(0, exact, true)
  switch (type) {
    case 'i32':
      return view.getInt32(0, true)
    case 'i64':
      return view.getBigInt64(0, true)
    case 'f32':
      return view.getFloat32(0, true)
    case 'f64':
      return view.getFloat64(0, true)
    default:
      view.setBigUint64(8, exact >> 64n, true)
      return new Uint8Array(view.buffer)
  }
}

/** The bits of a natural JavaScript value, or of one with floats as their bits; references as they are. */
export function exactFrom(type: string, value: any): Exact {
  const view = new DataView(new ArrayBuffer(8))
  switch (type) {
    case 'i32':
      return BigInt.asUintN(32, BigInt(value))
    case 'i64':
      return BigInt.asUintN(64, value)
    case 'f32':
      if (typeof value === 'bigint') return value
      view.setFloat32(0, value)
      return BigInt(view.getUint32(0))
    case 'f64':
      if (typeof value === 'bigint') return value
      view.setFloat64(0, value)
      return view.getBigUint64(0)
    case 'v128': {
      const { buffer, byteOffset } = value as Uint8Array
      const bytes = new DataView(buffer, byteOffset, 16)
      return bytes.getBigUint64(0, true) | (bytes.getBigUint64(8, true) << 64n)
    }
    default:
      return value
  }
}

/** Whether JavaScript's numbers could lose something of a value. */
export function needsBits(constant: Constant): boolean {
  switch (constant.type) {
    case 'f32':
    case 'f64':
      return isNan(constant.value, constant.type === 'f32' ? 32 : 64)
    case 'either':
      return constant.values.some(needsBits)
    default:
      return false
  }
}

function isNan(float: Float, width: 32 | 64): boolean {
  if (float.startsWith('nan:')) return true
  const { exponent, quiet } = layout(width)
  const bits = BigInt(float)
  return (bits & exponent) === exponent && (bits & (quiet | (quiet - 1n))) !== 0n
}

function layout(width: 32 | 64): { exponent: bigint; quiet: bigint; sign: bigint } {
  return width === 32
    ? { exponent: 0x7f80_0000n, quiet: 0x40_0000n, sign: 1n << 31n }
    : { exponent: 0x7ff0_0000_0000_0000n, quiet: 0x8_0000_0000_0000n, sign: 1n << 63n }
}

function matchesFloat(float: Float, bits: bigint, width: 32 | 64): boolean {
  const { exponent, quiet, sign } = layout(width)
  // Canonical: nothing but the highest bit of the payload. Arithmetic: that bit, and any others. Either sign will do.
  if (float === 'nan:canonical') return (bits & ~sign) === (exponent | quiet)
  if (float === 'nan:arithmetic') return (bits & (exponent | quiet)) === (exponent | quiet)
  return bits === BigInt(float)
}

/** Whether a result is what a file asks for. `type` is that of the function's own result. */
export function matches(expected: Constant, type: string, actual: Exact, hosts: HostReferences): boolean {
  switch (expected.type) {
    case 'either':
      return expected.values.some((value) => matches(value, type, actual, hosts))
    case 'i32':
    case 'i64':
      return type === expected.type && actual === exactOf(expected, hosts)
    case 'f32':
    case 'f64':
      return (
        type === expected.type &&
        typeof actual === 'bigint' &&
        matchesFloat(expected.value, actual, expected.type === 'f32' ? 32 : 64)
      )
    case 'v128': {
      if (type !== 'v128' || typeof actual !== 'bigint') return false
      const width = laneBits[expected.lane_type]
      return expected.value.every((lane, index) => {
        const bits = BigInt.asUintN(width, actual >> BigInt(index * width))
        return expected.lane_type === 'f32' || expected.lane_type === 'f64'
          ? matchesFloat(lane, bits, width as 32 | 64)
          : bits === BigInt.asUintN(width, BigInt(lane))
      })
    }
    default:
      return !isNumeric(type) && matchesReference(expected.type, expected.value, actual, hosts)
  }
}

function matchesReference(
  type: ReferenceName,
  value: string | undefined,
  actual: Exact,
  hosts: HostReferences,
): boolean {
  if (value === 'null' || type.startsWith('null') || type === 'refnull') return actual === null
  if (value !== undefined) return actual === hosts.of(value)
  if (actual === null || actual === undefined) return false
  return isOfKind[type]?.(actual) ?? false
}

const isEq = (value: unknown): boolean =>
  typeof value === 'number' || value instanceof StructRef || value instanceof ArrayRef

/** What a reference that is not null is in JavaScript, by the kind that a file asks for. */
const isOfKind: { readonly [name in ReferenceName]?: (value: unknown) => boolean } = {
  // Both may be any value of the host.
  anyref: () => true,
  externref: () => true,
  eqref: isEq,
  i31ref: (value) => typeof value === 'number',
  structref: (value) => value instanceof StructRef,
  arrayref: (value) => value instanceof ArrayRef,
  funcref: (value) => value instanceof Func,
  exnref: (value) => value instanceof WasmException,
}

/** A value for a message. */
export function show(value: unknown): string {
  if (typeof value === 'bigint') return `0x${value.toString(16)}`
  if (value instanceof Uint8Array) return `[${value.join(' ')}]`
  if (typeof value === 'object' && value !== null) return value.constructor?.name ?? 'object'
  return String(value)
}
