import test from 'ava'

import wasmtime from '../index.js'

import { resizableBuffer } from './support/odd-values.ts'
import { Random } from './support/random.ts'

const { ArgumentError, ArgumentRangeError, Engine, Memory, Store } = wasmtime
const store = new Store(new Engine())
const fresh = (pages = 1) => new Memory(store, { minimum: pages })
const bytesOf = (view: ArrayBufferView) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength)

const kinds = [
  Uint8Array, Int8Array, Uint8ClampedArray, Uint16Array, Int16Array, Uint32Array, Int32Array, Float32Array, Float64Array,
  BigInt64Array, BigUint64Array, DataView,
] as (new (buffer: ArrayBufferLike, offset?: number, length?: number) => ArrayBufferView)[] // prettier-ignore

test('bytes of every kind of view are written and read into, a part of a buffer too', (t) => {
  const random = new Random(1)
  for (const Kind of kinds) {
    for (const buffer of [new ArrayBuffer(64), new SharedArrayBuffer(64)]) {
      const memory = fresh()
      new Uint8Array(buffer).set(random.bytes(64))
      const whole = new Kind(buffer)
      t.true(memory.write(100, whole), Kind.name)
      t.deepEqual(memory.read(100, 64), Uint8Array.from(bytesOf(whole)), Kind.name)
      const element = (whole as { BYTES_PER_ELEMENT?: number }).BYTES_PER_ELEMENT ?? 1
      const part = new Kind(buffer, 16, 16 / element)
      t.true(memory.write(200, part))
      t.deepEqual(memory.read(200, 16), Uint8Array.from(bytesOf(part)), Kind.name)
      t.is(memory.readByte(216), 0)
      memory.write(300, random.bytes(16))
      const before = Uint8Array.from(new Uint8Array(buffer))
      t.true(memory.readInto(300, part))
      t.deepEqual(Uint8Array.from(bytesOf(part)), memory.read(300, 16)!, Kind.name)
      t.deepEqual(new Uint8Array(buffer).slice(0, 16), before.slice(0, 16))
      t.deepEqual(new Uint8Array(buffer).slice(32), before.slice(32))
    }
  }
})

test('an ArrayBuffer is taken whole', (t) => {
  const memory = fresh()
  const { buffer } = Uint8Array.of(1, 2, 3)
  t.true(memory.write(65533, buffer))
  t.false(memory.write(65534, buffer))
  const target = new ArrayBuffer(4)
  t.true(memory.readInto(65532, target))
  t.deepEqual([...new Uint8Array(target)], [0, 1, 2, 3])
  t.false(memory.readInto(65533, target))
  t.deepEqual([...new Uint8Array(target)], [0, 1, 2, 3])
})

test('nothing at all can be copied anywhere within the memory, its end included', (t) => {
  const memory = fresh()
  for (const offset of [0, 1, 65536]) {
    t.true(memory.write(offset, new Uint8Array()))
    t.true(memory.readInto(offset, new Uint8Array()))
    t.is(memory.writeString(offset, ''), 0)
    t.is(memory.readString(offset, 0), '')
  }
  t.false(memory.write(65537, new Uint8Array()))
  t.false(memory.readInto(65537, new Uint8Array()))
  t.is(memory.writeString(65537, ''), false)
  t.is(memory.readString(65537, 0), undefined)
})

test('a detached buffer is empty or refused, and never read', (t) => {
  const memory = fresh()
  for (const Kind of kinds) {
    const view = new Kind(new ArrayBuffer(64), 8)
    structuredClone(view.buffer, { transfer: [view.buffer as ArrayBuffer] })
    for (const use of [
      () => memory.write(0, view),
      () => memory.readInto(0, view),
      () => memory.write(0, view.buffer as ArrayBuffer),
    ]) {
      try {
        t.is(use(), true, Kind.name)
      } catch (error) {
        t.true(error instanceof TypeError, `${Kind.name} ${String(error)}`)
      }
    }
  }
  t.deepEqual(memory.read(0, 64), new Uint8Array(64))
})

test('views over a buffer that changes its length have the length of the moment', (t) => {
  const memory = fresh()
  memory.write(0, new Uint8Array(64).fill(7))
  const buffer = resizableBuffer(8, 64)
  if (buffer.resize === undefined) return void t.pass()
  const tracking = new Uint8Array(buffer)
  const fixed = new Uint8Array(buffer, 4, 4)
  buffer.resize(16)
  t.is(tracking.length, 16)
  t.true(memory.readInto(0, tracking))
  t.deepEqual(
    [...tracking],
    Array.from({ length: 16 }, () => 7),
  )
  tracking.fill(9)
  t.true(memory.write(100, tracking))
  t.deepEqual([...memory.read(99, 18)!], [0, ...Array.from({ length: 16 }, () => 9), 0])
  buffer.resize(6)
  t.true(memory.write(200, tracking))
  t.deepEqual([...memory.read(199, 8)!], [0, 9, 9, 9, 9, 9, 9, 0])
  // The fixed view is out of bounds now: it has no bytes.
  t.is(fixed.length, 0)
  for (const use of [() => memory.write(300, fixed), () => memory.readInto(0, fixed)]) {
    try {
      t.true(use())
    } catch (error) {
      t.true(error instanceof TypeError)
    }
  }
  t.deepEqual(memory.read(300, 8), new Uint8Array(8))
  t.deepEqual([...new Uint8Array(buffer)], [9, 9, 9, 9, 9, 9])
})

test('what is no buffer is refused', (t) => {
  const memory = fresh()
  for (const bad of [
    undefined,
    null,
    1,
    'bytes',
    [1, 2],
    {},
    { length: 3, 0: 1 },
    () => 1,
    new Set([1]),
    new Proxy(new Uint8Array(3), {}),
  ]) {
    t.throws(() => memory.write(0, bad as never), { instanceOf: ArgumentError, message: /^bytes: expected / })
    t.throws(() => memory.readInto(0, bad as never), { instanceOf: ArgumentError })
  }
  t.is(memory.readByte(0), 0)
})

const encoder = new TextEncoder()
const texts = [
  '', 'a', 'hello', 'a\0b', '\0', 'ä', 'ünïcode', '€', '🦀', 'a🦀b', '\u{10ffff}', '\ufeffbom', '\u0800\uffff', 'x'.repeat(1000),
  'é'.repeat(1000), '🦀'.repeat(500), '\n\r\t', '\u007f\u0080', 'ÿ',
] // prettier-ignore

test('text is written as UTF-8 and read back', (t) => {
  const memory = fresh()
  for (const text of texts) {
    const bytes = encoder.encode(text)
    memory.write(0, new Uint8Array(4000).fill(1))
    t.is(memory.writeString(5, text), bytes.length)
    t.deepEqual(memory.read(5, bytes.length), bytes)
    t.is(memory.readByte(5 + bytes.length), 1, 'no zero byte follows')
    t.is(memory.readString(5, bytes.length), text)
  }
})

test('a lone surrogate is written as U+FFFD', (t) => {
  const memory = fresh()
  for (const text of ['\ud800', '\udc00', 'a\ud800b', '\udc00\ud800', '🦀\ud83e', '\ud800'.repeat(300)]) {
    const bytes = encoder.encode(text)
    t.is(memory.writeString(0, text), bytes.length)
    t.deepEqual(memory.read(0, bytes.length), bytes)
  }
})

test('bytes that are not UTF-8 are read as a TextDecoder reads them', (t) => {
  const memory = fresh()
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  const cases = [
    [0xff], [0xc0, 0x80], [0xe2, 0x82], [0xed, 0xa0, 0x80], [0xf0, 0x9f, 0xa6], [0xf4, 0x90, 0x80, 0x80], [0x80, 0x61], [0x61, 0xe2, 0x28, 0xa1],
    [0xf8, 0x88, 0x80, 0x80, 0x80], [0xef, 0xbb, 0xbf, 0x61],
  ] // prettier-ignore
  const random = new Random(3)
  for (let round = 0; round < 300; round++) cases.push([...random.bytes(random.below(20))])
  for (const bytes of cases) {
    memory.write(0, Uint8Array.from(bytes))
    t.is(memory.readString(0, bytes.length), decoder.decode(Uint8Array.from(bytes)), JSON.stringify(bytes))
  }
})

test('text that does not fit is not written at all', (t) => {
  const memory = fresh()
  t.is(memory.writeString(65533, 'abc'), 3)
  t.is(memory.writeString(65533, 'wxyz'), false)
  t.is(memory.writeString(65534, '€'), false)
  t.is(memory.readString(65533, 3), 'abc')
  t.is(memory.readString(65533, 4), undefined)
  for (const bad of [undefined, null, 1, {}, ['x'], Symbol('s'), new String('x')]) {
    // oxlint-disable-line no-new-wrappers
    t.throws(() => memory.writeString(0, bad as never), {
      instanceOf: ArgumentError,
      message: /^text: expected a string/,
    })
  }
})

test('C strings end with a zero byte within the maximum', (t) => {
  const memory = fresh()
  memory.write(10, encoder.encode('abc\0def'))
  t.is(memory.readCString(10), 'abc')
  t.is(memory.readCString(13), '')
  t.is(memory.readCString(10, 4), 'abc')
  t.is(memory.readCString(10, 3), undefined)
  t.is(memory.readCString(10, 0), undefined)
  t.is(memory.readCString(10, 2 ** 53), 'abc')
  memory.write(65533, encoder.encode('end'))
  t.is(memory.readCString(65533), undefined)
  t.is(memory.readCString(65536), undefined)
  t.is(memory.readCString(65537), undefined)
  memory.writeByte(65535, 0)
  t.is(memory.readCString(65533), 'en')
  for (const bad of [-1, 1.5, NaN]) t.throws(() => memory.readCString(0, bad), { instanceOf: ArgumentRangeError })
  t.throws(() => memory.readCString(0, '5' as never), { instanceOf: ArgumentError })
})

test('big texts go both ways, and one that JavaScript cannot hold is a RangeError', (t) => {
  const memory = fresh(16 * 520)
  for (const unit of ['a', 'é', '🦀']) {
    const text = unit.repeat(8_000_000 / unit.length)
    const written = memory.writeString(1, text)
    t.is(written, encoder.encode(text).length)
    t.true(memory.readString(1, written as number) === text)
  }
  t.throws(() => memory.readString(0, memory.size), { instanceOf: ArgumentRangeError })
  t.is(memory.readString(0, memory.size + 1), undefined)
  t.is(memory.readByte(0), 0)
})
