import test from 'ava'

import wasmtime from '../index.js'

import { viewsAllowed } from './support/external-buffers.ts'
import { instantiate, thrownBy } from './support/wat.ts'

const { ArgumentError, ArgumentRangeError, Engine, LimitError, Memory, Store } = wasmtime
const store = new Store(new Engine())
const fresh = () => new Memory(store, { minimum: 1, maximum: 4 })

type Name = Exclude<keyof InstanceType<typeof Memory>, 'size' | 'pages' | 'type'>

/** Every accessor of numbers: its width, and a `DataView` method that does the same. */
const accessors: readonly (readonly [read: Name, write: Name, width: number, view: string, samples: readonly any[]])[] =
  [
    ['readByte', 'writeByte', 1, 'Uint8', [0, 1, 255, 256, -1, 1.9, NaN, 2 ** 40]],
    ['readInt8', 'writeInt8', 1, 'Int8', [0, 127, 128, -128, 255, -1.5]],
    ['readUint16Le', 'writeUint16Le', 2, 'Uint16', [0, 65535, 65536, -1, 0x1234]],
    ['readInt16Le', 'writeInt16Le', 2, 'Int16', [0, 32767, 32768, -32768]],
    ['readUint32Le', 'writeUint32Le', 4, 'Uint32', [0, 2 ** 32 - 1, 2 ** 32, -1, 0x12345678, Infinity]],
    ['readInt32Le', 'writeInt32Le', 4, 'Int32', [0, 2 ** 31 - 1, 2 ** 31, -(2 ** 31), 0x12345678]],
    ['readUint64Le', 'writeUint64Le', 8, 'BigUint64', [0n, 2n ** 64n - 1n, 2n ** 64n, -1n, 0x0123456789abcdefn]],
    ['readInt64Le', 'writeInt64Le', 8, 'BigInt64', [0n, 2n ** 63n - 1n, 2n ** 63n, -(2n ** 63n), -(2n ** 70n) + 3n]],
    ['readFloat32Le', 'writeFloat32Le', 4, 'Float32', [0, -0, 0.1, NaN, Infinity, -Infinity, 1e300, 1e-45]],
    ['readFloat64Le', 'writeFloat64Le', 8, 'Float64', [0, -0, 0.1, NaN, Infinity, Number.MAX_VALUE, Number.MIN_VALUE]],
  ]

const call = (memory: InstanceType<typeof Memory>, name: Name, ...args: unknown[]): unknown =>
  Reflect.apply(memory[name] as (...rest: unknown[]) => unknown, memory, args)

test('numbers are written and read as a DataView does, little-endian', (t) => {
  const memory = fresh()
  for (const [read, write, width, view, samples] of accessors) {
    for (const value of samples) {
      const data = new DataView(new ArrayBuffer(16)) as any
      data[`set${view}`](4, value, true)
      t.is(call(memory, write, 104, value), true)
      t.deepEqual([...memory.read(100, 16)!], [...new Uint8Array(data.buffer)], `${write}(${String(value)})`)
      t.is(call(memory, read, 104), data[`get${view}`](4, true), `${read} of ${String(value)}`)
      memory.write(100, new Uint8Array(16))
      t.true(width <= 8)
    }
  }
})

test('the edges of the memory are the edges of every accessor', (t) => {
  const memory = fresh()
  const { size } = memory
  for (const [read, write, width, , samples] of accessors) {
    const value = samples[0]
    for (const offset of [0, -0, 1, size - width]) {
      t.is(call(memory, write, offset, value), true, `${write} ${offset}`)
      t.is(Number(call(memory, read, offset)), 0, `${read} ${offset}`)
    }
    for (const offset of [size - width + 1, size, size + 1, 2 ** 31, 2 ** 32, 2 ** 32 + 5, 2 ** 53 - 1, 2 ** 53]) {
      t.is(call(memory, read, offset), undefined, `${read} ${offset}`)
      t.is(call(memory, write, offset, samples.at(-1)), false, `${write} ${offset}`)
    }
  }
  t.deepEqual(memory.read(size - 8, 8), new Uint8Array(8), 'nothing was written in part')
})

test('an offset that is no whole number from 0 to 2^53 is a range or type error', (t) => {
  const memory = fresh()
  const rest: [Name, unknown[]][] = [
    ['read', [1]], ['readInto', [new Uint8Array(1)]], ['readString', [1]], ['readCString', []], ['write', [new Uint8Array(1)]],
    ['writeString', ['x']], ...accessors.flatMap(([read, write, , , samples]): [Name, unknown[]][] => [[read, []], [write, [samples[0]]]]),
  ] // prettier-ignore
  for (const [name, args] of rest) {
    for (const bad of [-1, -0.5, 1.5, NaN, Infinity, -Infinity, 2 ** 53 + 2, 2 ** 64, -(2 ** 31), Number.MAX_VALUE]) {
      t.throws(
        () => call(memory, name, bad, ...args),
        { instanceOf: ArgumentRangeError, code: 'OUT_OF_RANGE' },
        `${name} ${bad}`,
      )
    }
    for (const bad of [undefined, null, '0', '', 0n, 1n, true, {}, [0], Symbol('s'), { valueOf: () => 0 }]) {
      t.throws(() => call(memory, name, bad, ...args), { instanceOf: ArgumentError }, `${name} ${String(bad)}`)
    }
    t.throws(() => call(memory, name, -5, ...args), { message: />>> 0/ }, name)
  }
})

test('a value of the wrong type is refused and nothing is written', (t) => {
  const memory = fresh()
  for (const [, write, width, , samples] of accessors) {
    const wrong = typeof samples[0] === 'bigint' ? [1, NaN] : [1n]
    for (const bad of [...wrong, undefined, null, '1', true, {}, Symbol('s'), { valueOf: () => 1 }]) {
      t.throws(() => call(memory, write, 8, bad), { instanceOf: ArgumentError, message: /^value: expected a / }, write)
    }
    t.deepEqual(memory.read(8, width), new Uint8Array(width))
  }
})

test('a memory grows up to its maximum and keeps its content', (t) => {
  const memory = fresh()
  t.deepEqual([memory.size, memory.pages], [65536, 1])
  t.deepEqual(memory.type, { minimum: 1, maximum: 4, is64: false, shared: false, pageSize: 65536 })
  memory.writeUint32Le(65532, 0xcafebabe)
  t.is(memory.grow(0), 1)
  t.is(memory.grow(2), 1)
  t.deepEqual([memory.size, memory.pages], [196608, 3])
  t.is(memory.readUint32Le(65532), 0xcafebabe)
  t.is(memory.readUint32Le(65536), 0)
  t.is(memory.grow(2), undefined)
  t.is(memory.grow(2 ** 32), undefined)
  t.is(memory.grow(2 ** 53), undefined)
  t.is(memory.pages, 3)
  for (const bad of [-1, 1.5, NaN, Infinity]) t.throws(() => memory.grow(bad), { instanceOf: ArgumentRangeError })
  for (const bad of [undefined, null, '1', 1n]) t.throws(() => memory.grow(bad as never), { instanceOf: ArgumentError })
})

test('growth by the guest, also during a host call, is seen at once', (t) => {
  const seen: unknown[] = []
  const { instance, exports } = instantiate(
    `(module (import "m" "f" (func $f)) (memory (export "m") 1 10)
      (func (export "grow") (result i32) (memory.grow (i32.const 1)))
      (func (export "run") (call $f) (drop (memory.grow (i32.const 1))) (i32.store (i32.const 131068) (i32.const 77)) (call $f)))`,
    (linker) =>
      linker.func('m', 'f', { params: [], results: [] }, () => {
        seen.push(memory.size, memory.readInt32Le(131068))
        if (seen.length === 4) memory.grow(3)
      }),
  )
  const memory = instance.getMemory('m')!
  exports['run']()
  t.deepEqual(seen, [65536, undefined, 131072, 77])
  t.is(memory.pages, 5)
  t.is(exports['grow'](), 5)
  t.is(memory.pages, 6)
  t.true(memory.writeByte(6 * 65536 - 1, 1))
})

test('read gives a copy of exactly as many bytes', (t) => {
  const memory = fresh()
  memory.write(10, Uint8Array.of(1, 2, 3))
  const copy = memory.read(10, 3)!
  t.deepEqual(copy, Uint8Array.of(1, 2, 3))
  t.is(copy.buffer.byteLength, 3)
  copy[0] = 99
  t.is(memory.readByte(10), 1)
  t.deepEqual(memory.read(65536, 0), new Uint8Array())
  t.is(memory.read(65537, 0), undefined)
  t.is(memory.read(65535, 2), undefined)
  t.is(memory.read(0, 65537), undefined)
  t.is(memory.read(1, 2 ** 53), undefined)
  t.is(memory.read(0, 65536)?.length, 65536)
  for (const bad of [-1, 1.5, NaN, Infinity]) t.throws(() => memory.read(0, bad), { instanceOf: ArgumentRangeError })
  for (const bad of [undefined, '1', 1n]) t.throws(() => memory.read(0, bad as never), { instanceOf: ArgumentError })
})

const canMove = viewsAllowed && 'transfer' in ArrayBuffer.prototype
const testMove = canMove ? test : test.skip

testMove(
  'when the content of a view is moved to another buffer, the next view is a new one, and both show the memory',
  (t) => {
    const { instance } = instantiate('(module (memory (export "m") 1 3))')
    const memory = instance.getMemory('m')!
    const first = memory.view()
    const moved = new Uint8Array((first.buffer as ArrayBuffer & { transfer(): ArrayBuffer }).transfer())
    t.is(first.length, 0)
    const second = memory.view()
    t.not(second, first)
    t.is(second.length, 65536)
    t.is(memory.view(), second)
    memory.writeByte(5, 77)
    t.deepEqual([moved[5], second[5]], [77, 77])
    memory.grow(1)
    t.is(second.length, 0)
    t.is(memory.view().length, 2 * 65536)
    memory.writeByte(5, 78)
    instance.store.close()
    t.is(moved[5], 78)
  },
)

test('a new memory has limits that are checked', (t) => {
  t.is(new Memory(store, { minimum: 0 }).size, 0)
  t.false('maximum' in new Memory(store, { minimum: 0 }).type)
  t.throws(() => new Memory({} as never, { minimum: 1 }), { message: /^store must be a Store/ })
  for (const bad of [null, 1, 'x']) {
    t.throws(() => new Memory(store, bad as never), { message: /^limits must be an object/ })
  }
  for (const bad of [-1, 1.5, NaN, '1', 65537]) {
    t.throws(() => new Memory(store, { minimum: bad as never }), { message: /^limits\.minimum must be an integer/ })
  }
  t.throws(() => new Memory(store, { minimum: 2, maximum: 1 }), {
    message: /^limits\.maximum must be an integer from 2/,
  })
  t.throws(() => new Memory(store, { minimum: 1, shared: true } as never), {
    message: /^limits\.shared is not an option/,
  })
  t.throws(() => new Memory(store, { minimum: 1, is64: 1 as never }), { instanceOf: ArgumentError })
  t.throws(() => new Memory(store, { minimum: 2 ** 40, is64: true }), { instanceOf: LimitError })
})

test('a memory with 64-bit addresses reaches beyond 4 GiB', (t) => {
  const { instance, exports } = instantiate(`(module (memory (export "m") i64 65600)
    (func (export "store") (param i64 i32) (i32.store (local.get 0) (local.get 1)))
    (func (export "load") (param i64) (result i32) (i32.load (local.get 0))))`)
  const memory = instance.getMemory('m')!
  t.true(memory.type.is64)
  t.is(memory.size, 65600 * 65536)
  const far = 2 ** 32 + 12
  exports['store'](BigInt(far), 1234)
  t.is(memory.readInt32Le(far), 1234)
  t.true(memory.writeInt32Le(far, -5))
  t.is(exports['load'](BigInt(far)), -5)
  t.is(memory.readInt32Le(12), 0, 'offsets are not cut to 32 bits')
  t.is(memory.writeString(far + 100, 'far away'), 8)
  t.is(memory.readString(far + 100, 8), 'far away')
  t.is(memory.readCString(far + 100), 'far away')
  t.is(memory.readByte(memory.size - 1), 0)
  t.is(memory.readByte(memory.size), undefined)
  t.throws(() => exports['load'](BigInt(memory.size)), { instanceOf: wasmtime.TrapError })
  instance.store.close()
})

test('a shared memory works, or is refused with an error that says so', (t) => {
  try {
    const { exports } = instantiate(
      '(module (memory (export "m") 1 2 shared) (func (export "f") (result i32) (i32.const 1)))',
    )
    t.is(exports['f'](), 1)
  } catch (error) {
    t.true(error instanceof wasmtime.WasmtimeError)
    t.not((error as InstanceType<typeof wasmtime.WasmtimeError>).code, 'INTERNAL')
    t.regex((error as Error).message, /shared/)
  }
})

test('pages of one byte are counted as such', (t) => {
  const { instance } = instantiate(
    '(module (memory (export "m") 10 20 (pagesize 1)))',
    undefined,
    new Engine({ customPageSizes: true }),
  )
  const memory = instance.getMemory('m')!
  t.deepEqual(memory.type, { minimum: 10, maximum: 20, is64: false, shared: false, pageSize: 1 })
  t.deepEqual([memory.size, memory.pages], [10, 10])
  t.is(memory.grow(3), 10)
  t.is(memory.readByte(12), 0)
  t.is(memory.readByte(13), undefined)
})

test('accessors called on something else throw a TypeError', (t) => {
  for (const key of Reflect.ownKeys(Memory.prototype)) {
    const { value, get } = Object.getOwnPropertyDescriptor(Memory.prototype, key) as PropertyDescriptor
    if (key === 'constructor') continue
    for (const receiver of [undefined, {}, Object.create(fresh()), store]) {
      t.true(thrownBy(() => Reflect.apply(get ?? value, receiver, [0, 0])) instanceof TypeError, String(key))
    }
  }
})
