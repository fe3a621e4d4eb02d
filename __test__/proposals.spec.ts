import test from 'ava'

import { Engine, type EngineOptions, Linker, Memory, Module, Store, wat2wasm } from '../index.mjs'
import { thrownBy } from './support/wat.ts'

function instantiate(
  text: string | Uint8Array,
  options: EngineOptions = {},
  define?: (linker: Linker, store: Store) => void,
) {
  const engine = new Engine(options)
  const store = new Store(engine)
  const linker = new Linker(engine)
  define?.(linker, store)
  const instance = linker.instantiate(store, Module.compileSync(engine, text))
  return { engine, store, instance, exports: instance.exports }
}

test('memory64: addresses are bigints to the guest, and numbers up to 2^53 to accessors', (t) => {
  const { exports, engine } = instantiate(`(module (memory (export "m") i64 1 70000)
    (func (export "get") (param i64) (result i32) (i32.load8_u (local.get 0)))
    (func (export "put") (param i64 i32) (i32.store8 (local.get 0) (local.get 1)))
    (func (export "size") (result i64) (memory.size))
    (func (export "grow") (param i64) (result i64) (memory.grow (local.get 0))))`)
  const memory = exports['m'] as Memory
  t.deepEqual(memory.type, { minimum: 1, maximum: 70000, is64: true, shared: false, pageSize: 65536 })
  exports['put'](65535n, 200)
  t.is(memory.readByte(65535), 200)
  t.true(memory.writeUint32Le(4, 0xdeadbeef))
  t.is(exports['get'](4n), 0xef)
  t.is((thrownBy(() => exports['get'](65536n)) as { trapCode?: string }).trapCode, 'memory-out-of-bounds')
  t.is((thrownBy(() => exports['get'](-1n)) as { trapCode?: string }).trapCode, 'memory-out-of-bounds')
  for (const offset of [65536, 2 ** 32, 2 ** 32 + 4, 2 ** 53 - 1, 2 ** 53]) {
    t.is(memory.readByte(offset), undefined)
    t.false(memory.writeByte(offset, 1))
    t.is(memory.readString(offset, 1), undefined)
  }
  t.is(memory.read(0, 2 ** 53 - 1), undefined)
  t.is(exports['grow'](2n), 1n)
  t.is(memory.pages, 3)
  t.is(memory.grow(1), 3)
  t.is(exports['size'](), 4n)
  t.is(memory.size, 4 * 65536)
  t.is(exports['grow'](-1n), -1n)
  t.is(exports['grow'](2n ** 48n), -1n)
  t.is(memory.grow(2 ** 48), undefined)
  const own = new Memory(new Store(engine), { minimum: 1, maximum: 2 ** 33, is64: true })
  t.is(own.type.maximum, 2 ** 33)
})

test('memory64: bytes beyond 4 GiB can be reached', (t) => {
  // Reserved and never touched but for two pages, so it costs address space only.
  const pages = 65538
  const { exports } = instantiate(`(module (memory (export "m") i64 ${pages} ${pages})
    (func (export "get") (param i64) (result i32) (i32.load8_u (local.get 0)))
    (func (export "put") (param i64 i32) (i32.store8 (local.get 0) (local.get 1))))`)
  const memory = exports['m'] as Memory
  const beyond = 2 ** 32 + 12345
  t.is(memory.size, pages * 65536)
  t.true(memory.writeUint64Le(beyond, 0x0102030405060708n))
  t.is(exports['get'](BigInt(beyond)), 8)
  exports['put'](BigInt(beyond) + 1n, 99)
  t.is(memory.readByte(beyond + 1), 99)
  t.is(memory.readByte(beyond % 2 ** 32), 0)
  t.is(memory.writeString(beyond, 'grüße'), 7)
  t.is(memory.readCString(beyond, 100), 'grüße' + String.fromCharCode(1))
})

test('memory64: tables can have 64-bit indexes, too', (t) => {
  const { exports } = instantiate(`(module (table (export "t") i64 3 10 funcref)
    (func (export "put") (param i64) (table.set (local.get 0) (ref.func $f))) (elem declare func $f)
    (func $f (export "f") (result i32) (i32.const 6)))`)
  t.deepEqual(exports['t'].type, { element: 'funcref', minimum: 3, maximum: 10, is64: true })
  exports['put'](2n)
  t.is(exports['t'].get(2).call(), 6)
  t.is((thrownBy(() => exports['put'](2n ** 40n)) as { trapCode?: string }).trapCode, 'table-out-of-bounds')
  t.throws(() => exports['t'].get(2 ** 40), { code: 'OUT_OF_RANGE' })
  t.is(exports['t'].grow(2), 3)
})

test('multi-memory: each memory is an object of its own', (t) => {
  const { exports } = instantiate(`(module (memory (export "a") 1) (memory (export "b") 2 5)
    (func (export "copy") (param i32 i32 i32) (memory.copy 1 0 (local.get 0) (local.get 1) (local.get 2))))`)
  t.not(exports['a'], exports['b'])
  exports['a'].writeString(10, 'moved')
  exports['copy'](100, 10, 5)
  t.is(exports['b'].readString(100, 5), 'moved')
  t.is(exports['a'].readByte(100), 0)
  t.is(exports['b'].grow(1), 2)
  t.is(exports['a'].pages, 1)
})

test('custom page sizes: a memory of single bytes', (t) => {
  const { exports } = instantiate(
    '(module (memory (export "m") 8 20 (pagesize 1)) (func (export "size") (result i32) (memory.size)))',
    { customPageSizes: true },
  )
  const memory = exports['m'] as Memory
  t.deepEqual(memory.type, { minimum: 8, maximum: 20, is64: false, shared: false, pageSize: 1 })
  t.is(memory.size, 8)
  t.is(memory.pages, 8)
  t.true(memory.writeByte(7, 5))
  t.false(memory.writeByte(8, 5))
  t.is(memory.grow(3), 8)
  t.is(exports['size'](), 11)
  t.true(memory.writeByte(10, 5))
  t.is(memory.grow(10), undefined)
  t.is(memory.read(0, 11)?.length, 11)
})

test('typed function references: functions are called by reference, and only of the right type', (t) => {
  const { exports } = instantiate(`(module (type $f (func (param i32) (result i32)))
    (func (export "apply") (param (ref $f) i32) (result i32) (call_ref $f (local.get 1) (local.get 0)))
    (func (export "double") (type $f) (i32.mul (local.get 0) (i32.const 2)))
    (func (export "other") (result i32) (i32.const 1)))`)
  t.is(exports['apply'](exports['double'], 21), 42)
  for (const bad of [exports['other'], null, () => 1, 5]) {
    t.throws(() => exports['apply'](bad, 1), { instanceOf: TypeError, message: /a Func of the same store/ })
  }
})

test('tail calls: a million of them need no stack', (t) => {
  const { exports } = instantiate(`(module (type $f (func (param i32 i64) (result i64)))
    (func $count (export "count") (type $f)
      (if (i32.eqz (local.get 0)) (then (return (local.get 1))))
      (return_call $count (i32.sub (local.get 0) (i32.const 1)) (i64.add (local.get 1) (i64.const 2))))
    (table funcref (elem $count $indirect))
    (func $indirect (export "indirect") (type $f)
      (if (i32.eqz (local.get 0)) (then (return (local.get 1))))
      (return_call_indirect (type $f) (i32.sub (local.get 0) (i32.const 1)) (i64.add (local.get 1) (i64.const 1)) (i32.const 1))))`)
  t.is(exports['count'](1_000_000, 0n), 2_000_000n)
  t.is(exports['indirect'](1_000_000, 0n), 1_000_000n)
})

test('relaxed SIMD: with the deterministic switch the results are those of the specification', (t) => {
  const text = `(module
    (func (export "swizzle") (param v128 v128) (result v128) (i8x16.relaxed_swizzle (local.get 0) (local.get 1)))
    (func (export "trunc") (param v128) (result v128) (i32x4.relaxed_trunc_f32x4_s (local.get 0)))
    (func (export "madd") (param v128 v128 v128) (result v128)
      (f64x2.relaxed_madd (local.get 0) (local.get 1) (local.get 2))))`
  const { exports } = instantiate(text, { relaxedSimdDeterministic: true })
  const vector = Uint8Array.from({ length: 16 }, (_, index) => index + 1)
  const indexes = Uint8Array.of(0, 15, 16, 17, 127, 128, 143, 255, 1, 2, 3, 4, 5, 6, 7, 8)
  // An index beyond the vector gives 0, of 16 to 127 also where a processor would take it modulo 16.
  t.deepEqual([...exports['swizzle'](vector, indexes)], [1, 16, 0, 0, 0, 0, 0, 0, 2, 3, 4, 5, 6, 7, 8, 9])
  const floats = new Uint8Array(Float32Array.of(NaN, 1e20, -1e20, -7.9).buffer)
  t.deepEqual([...new Int32Array(exports['trunc'](floats).buffer)], [0, 2 ** 31 - 1, -(2 ** 31), -7])
  const doubles = (...values: number[]) => new Uint8Array(Float64Array.from(values).buffer)
  // Fused: the exact product is added, and rounded once.
  const tiny = 2 ** -30
  const [fused] = new Float64Array(exports['madd'](doubles(1 + tiny, 0), doubles(1 - tiny, 0), doubles(-1, 0)).buffer)
  t.is(fused, -(2 ** -60))
  const { exports: free } = instantiate(text)
  t.deepEqual(
    [
      ...free['swizzle'](
        vector,
        Uint8Array.from({ length: 16 }, (_, i) => 15 - i),
      ),
    ],
    Array.from(vector, (_, index) => vector[15 - index]),
  )
})

test('wide arithmetic: sums and products of 128 bits', (t) => {
  const { exports } = instantiate(
    `(module
      (func (export "add") (param i64 i64 i64 i64) (result i64 i64)
        (i64.add128 (local.get 0) (local.get 1) (local.get 2) (local.get 3)))
      (func (export "mul_u") (param i64 i64) (result i64 i64) (i64.mul_wide_u (local.get 0) (local.get 1)))
      (func (export "mul_s") (param i64 i64) (result i64 i64) (i64.mul_wide_s (local.get 0) (local.get 1))))`,
    { wideArithmetic: true },
  )
  t.deepEqual(exports['add'](-1n, 0n, 1n, 0n), [0n, 1n])
  const wide = (a: bigint, b: bigint) => [BigInt.asIntN(64, a * b), BigInt.asIntN(64, (a * b) >> 64n)]
  for (const [a, b] of [
    [-3n, 5n],
    [2n ** 62n, 2n ** 62n],
    [-(2n ** 63n), -(2n ** 63n)],
  ] as const) {
    // prettier-ignore
    t.deepEqual(exports['mul_s'](a, b), wide(a, b))
    t.deepEqual(exports['mul_u'](a, b), wide(BigInt.asUintN(64, a), BigInt.asUintN(64, b)))
  }
})

test('branch hinting: hints change no result, and malformed ones no module', (t) => {
  const plain = wat2wasm(`(module (func (export "f") (param i32) (result i32)
    (if (result i32) (local.get 0) (then (i32.const 1)) (else (i32.const 2)))))`)
  // A section `metadata.code.branch_hint`: one function, one hint at offset 3 of its body, unlikely.
  const name = new TextEncoder().encode('metadata.code.branch_hint')
  const section = (payload: readonly number[]) => [
    0,
    name.length + 1 + payload.length,
    name.length,
    ...name,
    ...payload,
  ]
  // It must come before the code section, whose id is 10; this module has no section of that number before it.
  let at = 8
  while (plain[at] !== 10) at += 2 + (plain[at + 1] ?? 0)
  const withSection = (payload: readonly number[]) =>
    Uint8Array.of(...plain.subarray(0, at), ...section(payload), ...plain.subarray(at))
  for (const branchHinting of [true, false]) {
    for (const payload of [[1, 0, 1, 3, 1, 0], [1, 0, 1, 3, 1, 1], [255, 255], []]) {
      // prettier-ignore
      const { exports } = instantiate(withSection(payload), { branchHinting })
      t.is(exports['f'](1), 1)
      t.is(exports['f'](0), 2)
    }
  }
})

test('garbage-collected objects, references and exceptions work without interruption checks and signals, too', (t) => {
  for (const options of [{ interruptible: false }, { signalsBasedTraps: false }, { optLevel: 'none' }] as const) {
    const { exports } = instantiate(
      `(module (type $a (array (mut i32))) (tag $t (param i32))
        (func (export "array") (param i32) (result (ref $a)) (array.new $a (i32.const 3) (local.get 0)))
        (func (export "throw") (throw $t (i32.const 8)))
        (func (export "caught") (result i32) (block $b (result i32) (try_table (catch $t $b) (throw $t (i32.const 9))) (unreachable))))`,
      options,
    )
    t.deepEqual([...exports['array'](2)], [3, 3])
    t.is(exports['caught'](), 9)
    t.deepEqual((thrownBy(() => exports['throw']()) as { payload?: unknown }).payload, [8])
  }
})
