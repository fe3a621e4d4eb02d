import { decodeF32, decodeF64, decodeI32 } from './api'
import type { ValueTypeName } from './value-type'

/** The values on a raw stack, from index 0; fewer if it is too short. */
export function decodeStack(types: readonly ValueTypeName[], stack: BigUint64Array): unknown[] {
  const values: unknown[] = []
  let place = 0
  for (const type of types) {
    const low = stack[place++]
    const high = type === 'v128' ? stack[place++] : 0n
    if (low === undefined || high === undefined) break
    values.push(decode(type, low, high))
  }
  return values
}

function decode(type: ValueTypeName, low: bigint, high: bigint): unknown {
  switch (type) {
    case 'i32':
      return decodeI32(low)
    case 'i64':
      return BigInt.asIntN(64, low)
    case 'f32':
      return decodeF32(low)
    case 'f64':
      return decodeF64(low)
    case 'v128': {
      const bytes = new DataView(new ArrayBuffer(16))
      bytes.setBigUint64(0, low, true)
      bytes.setBigUint64(8, high, true)
      return new Uint8Array(bytes.buffer)
    }
    default:
      return low
  }
}

/** Arguments as a function of these types gets them; what does not fit stays as it is. */
export function asReceived(types: readonly ValueTypeName[], values: readonly unknown[]): unknown[] {
  return values.map((value, index) => {
    const type = types[index]
    if (type === 'i64') return typeof value === 'bigint' ? BigInt.asIntN(64, value) : value
    if (typeof value !== 'number') return value
    return type === 'i32' ? value | 0 : type === 'f32' ? Math.fround(value) : value
  })
}

/** What a call has returned, as a list. */
export function asList(types: readonly unknown[], value: unknown): readonly unknown[] {
  if (types.length === 0) return []
  return types.length === 1 ? [value] : [...(value as unknown[])]
}

/** The last one of a set. */
export function lastOf<T>(set: ReadonlySet<T>): T | undefined {
  return [...set].at(-1)
}
