import test from 'ava'

import {
  ExternType,
  ValueType,
  decodeF32,
  decodeF64,
  decodeI32,
  decodeI64,
  decodeU32,
  decodeU64,
  encodeF32,
  encodeF64,
  encodeI32,
  encodeI64,
  encodeU32,
  encodeU64,
  externTypeName,
  valueTypeName,
} from '../dist/api.js'

const U32 = 0xffffffffn
const U64 = 0xffffffffffffffffn

test('i32 slots are zero-extended and decode to signed numbers', (t) => {
  t.is(encodeI32(-1), 4294967295n)
  const edges = [0, 1, -1, 42, 2147483647, -2147483648]
  for (const value of edges) {
    const slot = encodeI32(value)
    t.true(slot >= 0n && slot <= U32)
    t.is(decodeI32(slot), value)
  }
})

test('u32 slots decode to unsigned numbers', (t) => {
  for (const value of [0, 1, 2147483647, 2147483648, 4294967295]) {
    t.is(encodeU32(value), BigInt(value))
    t.is(decodeU32(BigInt(value)), value)
  }
})

test('numbers that are no 32-bit integers wrap as JavaScript operators do', (t) => {
  const inputs = [2 ** 32, 2 ** 32 + 5, -(2 ** 31) - 1, 1.9, -1.9, NaN, Infinity, -Infinity, -0, 2 ** 53]
  for (const input of inputs) {
    t.is(encodeI32(input), BigInt(input >>> 0))
    t.is(encodeU32(input), BigInt(input >>> 0))
    t.is(decodeI32(encodeI32(input)), input | 0)
  }
})

test('i64 and u64 wrap modulo 2 ** 64', (t) => {
  t.is(encodeI64(-1n), 18446744073709551615n)
  t.is(encodeU64(-1n), U64)
  t.is(encodeI64(1n << 64n), 0n)
  t.is(encodeU64((1n << 64n) + 7n), 7n)
  t.is(decodeI64(U64), -1n)
  t.is(decodeU64(U64), U64)
  for (const value of [0n, 1n, -1n, 2n ** 63n - 1n, -(2n ** 63n)]) t.is(decodeI64(encodeI64(value)), value)
  for (const value of [0n, 1n, 2n ** 63n, U64]) t.is(decodeU64(encodeU64(value)), value)
})

test('32-bit decoders read the low half only', (t) => {
  t.is(decodeI32(U64), -1)
  t.is(decodeI32(0xdeadbeef_00000014n), 20)
  t.is(decodeU32(0xdeadbeef_ffffffffn), 4294967295)
  t.is(decodeF32(0xdeadbeef_3fc00000n), 1.5)
})

test('decoders wrap a bigint outside 64 bits', (t) => {
  t.is(decodeI32(-1n), -1)
  t.is(decodeU32(-1n), 4294967295)
  t.is(decodeI32((1n << 200n) + 3n), 3)
  t.is(decodeI64((1n << 64n) - 1n), -1n)
  t.is(decodeI64(-(1n << 64n) + 9n), 9n)
  t.is(decodeU64(-1n), U64)
  t.is(decodeU64(1n << 64n), 0n)
  t.is(decodeF32((1n << 64n) + 1069547520n), 1.5)
  t.is(decodeF64((1n << 64n) + 4609434218613702656n), 1.5)
})

test('f32 slots hold IEEE 754 bits', (t) => {
  t.is(encodeF32(1.5), 1069547520n)
  t.is(encodeF32(0.1), 0x3dcccccdn)
  t.is(encodeF32(-0), 0x80000000n)
  t.is(encodeF32(Infinity), 0x7f800000n)
  t.is(encodeF32(1e300), 0x7f800000n)
  for (const value of [0, -0, 1.5, -1.5, Math.fround(0.1), 3.4028234663852886e38, 1e-45, Infinity, -Infinity]) {
    t.is(decodeF32(encodeF32(value)), Math.fround(value))
  }
  t.is(decodeF32(encodeF32(NaN)), NaN)
  t.is(encodeF32(NaN) & 0x7f800000n, 0x7f800000n)
})

test('f64 slots hold IEEE 754 bits', (t) => {
  t.is(encodeF64(1.5), 4609434218613702656n)
  t.is(encodeF64(-0), 1n << 63n)
  for (const value of [0, -0, 0.1, Number.MAX_VALUE, Number.MIN_VALUE, Infinity, -Infinity]) {
    t.is(decodeF64(encodeF64(value)), value)
  }
  t.is(decodeF64(encodeF64(NaN)), NaN)
})

test('one conversion leaves nothing behind for the next', (t) => {
  t.is(decodeF64(U64), NaN)
  t.is(encodeF32(0), 0n)
  t.is(decodeI32(0n), 0)
  t.is(encodeF64(0), 0n)
  t.is(encodeF32(1.5), 1069547520n)
})

test('a value of the wrong type is an ArgumentError that says what came', (t) => {
  const encoders = { encodeI32, encodeU32, encodeF32, encodeF64 }
  for (const [name, encode] of Object.entries(encoders)) {
    for (const bad of [1n, '1', null, undefined, true, {}, Symbol('s')]) {
      t.throws(() => encode(bad as never), {
        instanceOf: TypeError,
        code: 'INVALID_ARGUMENT',
        message: new RegExp(`^${name} expects a number, but got `),
      })
    }
  }
  const bigints = { encodeI64, encodeU64, decodeI32, decodeU32, decodeI64, decodeU64, decodeF32, decodeF64 }
  for (const [name, convert] of Object.entries(bigints)) {
    for (const bad of [1, '1', null, undefined, true, [], { valueOf: () => t.fail('user code was run') }]) {
      t.throws(() => convert(bad as never), {
        instanceOf: TypeError,
        code: 'INVALID_ARGUMENT',
        message: new RegExp(`^${name} expects a bigint, but got `),
      })
    }
  }
  t.throws(() => encodeI64(5 as never), { message: /the number 5 .*for example 1n/ })
  t.throws(() => encodeI32(5n as never), { message: /the bigint 5n .*encodeI64/ })
})

test('value types have the bytes of the binary format, and wazero names', (t) => {
  t.deepEqual({ ...ValueType }, { I32: 0x7f, I64: 0x7e, F32: 0x7d, F64: 0x7c, Externref: 0x6f })
  t.true(Object.isFrozen(ValueType))
  t.is(valueTypeName(ValueType.I32), 'i32')
  t.is(valueTypeName(ValueType.I64), 'i64')
  t.is(valueTypeName(ValueType.F32), 'f32')
  t.is(valueTypeName(ValueType.F64), 'f64')
  t.is(valueTypeName(ValueType.Externref), 'externref')
  t.is(valueTypeName(0x70), 'unknown')
  t.is(valueTypeName(100), 'unknown')
})

test('extern types have the bytes of the binary format, and wazero names', (t) => {
  t.deepEqual({ ...ExternType }, { Func: 0, Table: 1, Memory: 2, Global: 3 })
  t.true(Object.isFrozen(ExternType))
  t.deepEqual([0, 1, 2, 3].map(externTypeName), ['func', 'table', 'memory', 'global'])
  t.is(externTypeName(9), '0x9')
  t.is(externTypeName(100), '0x64')
})

test('names are given for bytes only', (t) => {
  for (const name of [valueTypeName, externTypeName]) {
    t.throws(() => name('i32' as never), { instanceOf: TypeError, code: 'INVALID_ARGUMENT', message: /"i32"/ })
    for (const bad of [-1, 256, 1.5, NaN]) {
      t.throws(() => name(bad), { instanceOf: RangeError, code: 'OUT_OF_RANGE' })
    }
  }
})
