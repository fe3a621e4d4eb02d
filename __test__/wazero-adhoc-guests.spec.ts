// wazero checks its engines with a list of programs that once went wrong somewhere. Here are those that are about guests alone, anew.
import test from 'ava'

import { Func, Runtime, TrapError } from '../index.mjs'
import { thrownBy } from './support/wat.ts'

test('a memory that its guest grows has the new size on both sides at once', (t) => {
  const guest = new Runtime().instantiate(`(module (memory (export "memory") 0 2)
    (func (export "size") (result i32) (memory.size))
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
    (func (export "store") (param i32) (i64.store (local.get 0) (i64.const 1))))`)
  const { memory, exports } = guest
  t.is(memory!.size, 0)
  t.throws(() => exports['store'](0), { instanceOf: TrapError })
  t.is(exports['grow'](1), 0)
  t.deepEqual([exports['size'](), memory!.pages, memory!.size], [1, 1, 65536])
  t.throws(() => exports['store'](2 * 65536 - 8), { instanceOf: TrapError })
  t.is(memory!.grow(1), 1)
  t.is(exports['size'](), 2)
  t.notThrows(() => exports['store'](2 * 65536 - 8))
  t.is(exports['grow'](1), -1)
  t.is(memory!.grow(1), undefined)
  t.is(memory!.grow(0), 2)
})

test('a huge stack: 180 results in their order', (t) => {
  const count = 180
  const numbers = Array.from({ length: count }, (_, index) => index + 1)
  const guest = new Runtime().instantiate(`(module (func (export "main") (param i32 i32 i32 i32 i32 i32)
    (result ${numbers.map(() => 'i32').join(' ')}) ${numbers.map((number) => `(i32.const ${number})`).join(' ')}))`)
  t.deepEqual(guest.exports['main'](0, 0, 0, 0, 0, 0), numbers)
  const stack = new BigUint64Array(count)
  guest.exportedFunction('main')!.callWithStack(stack)
  t.deepEqual([...stack], numbers.map(BigInt))
})

test('a mutable global that one module imports from another is one variable, in its order of changes', (t) => {
  const runtime = new Runtime()
  const owner = runtime.instantiate('(module $owner (global (export "g") (mut i32) (i32.const 1)))')
  const user = runtime.instantiate(`(module $user (import "owner" "g" (global $g (mut i32)))
    (func (export "get") (result i32) (global.get $g)) (func (export "set") (param i32) (global.set $g (local.get 0)))
    (export "again" (global $g)))`)
  const global = owner.exportedGlobal('g')!
  t.is(user.exports['get'](), 1)
  user.exports['set'](2)
  t.is(global.value, 2)
  global.value = 3
  t.is(user.exports['get'](), 3)
  t.is(user.exportedGlobal('again')!.value, 3)
})

test('adding one to the greatest integer gives the least one', (t) => {
  const { exports } = new Runtime().instantiate(`(module
    (func (export "i32") (result i32) (i32.eq (i32.add (i32.const 0x7fffffff) (i32.const 1)) (i32.const 0x80000000)))
    (func (export "i64") (result i64) (i64.add (i64.const 0x7fffffffffffffff) (i64.const 1))))`)
  t.is(exports['i32'](), 1)
  t.is(exports['i64'](), -(2n ** 63n))
})

test('the unsigned extension of a negative i32 global has no upper bits', (t) => {
  const { exports } = new Runtime().instantiate(`(module (global $g i32 (i32.const -1))
    (func (export "extend") (result i64) (i64.extend_i32_u (global.get $g))))`)
  t.is(exports['extend'](), 0xffffffffn)
})

test('an unreachable is a trap whose text begins as in wazero', (t) => {
  const guest = new Runtime().instantiate(
    '(module (func $inner unreachable) (func $main (export "main") (param i64) (result i32) (call $inner) (i32.const 0)))',
  )
  const error = thrownBy(() => guest.exports['main'](1n)) as TrapError
  t.true(error instanceof TrapError)
  t.is(error.trapCode, 'unreachable')
  t.is(
    error.message.replaceAll(/ \(at 0x\w+\)/g, ''),
    'wasm error: unreachable\nwasm stack trace:\n\t.inner()\n\t.main(i64) i32',
  )
  t.false(guest.closed)
})

test('a hundred instances of one module, one after the other, each have a fresh memory', (t) => {
  const runtime = new Runtime()
  const compiled = runtime.compileModuleSync(`(module (memory (export "memory") 1 1)
    (func (export "store") (i64.store (i32.const 1) (i64.const 1000))))`)
  for (let index = 0; index < 100; index++) {
    const guest = runtime.instantiate(compiled, { name: String(index) })
    t.is(guest.memory!.readUint64Le(1), 0n)
    guest.exports['store']()
    t.is(guest.memory!.readUint64Le(1), 1000n)
    guest.close()
  }
  t.is(runtime.stats().stores, 0)
})

const tableOwner = `(module $owner (type $get (func (result i32))) (table (export "table") 3 funcref)
  (func $five (result i32) (i32.const 5)) (elem (i32.const 0) $five)
  (func (export "take") (param i32) (result i32) (call_indirect (type $get) (local.get 0))))`
const tableUser = `(module $user (type $get (func (result i32))) (import "owner" "table" (table 3 funcref))
  (global $n (mut i32) (i32.const 6))
  (func $six (result i32) (global.get $n)) (elem (i32.const 1) $six)
  (func (export "take") (param i32) (result i32) (call_indirect (type $get) (local.get 0))))`

test('closing the module that imports a table leaves its functions in the table good', (t) => {
  const runtime = new Runtime()
  const owner = runtime.instantiate(tableOwner)
  runtime.instantiate(tableUser).close()
  t.deepEqual([owner.exports['take'](0), owner.exports['take'](1)], [5, 6])
})

test('closing the module that exports a table leaves the table to the one that imports it', (t) => {
  const runtime = new Runtime()
  const owner = runtime.instantiate(tableOwner)
  const user = runtime.instantiate(tableUser)
  owner.close()
  t.deepEqual([user.exports['take'](0), user.exports['take'](1)], [5, 6])
  t.throws(() => user.exports['take'](2), { instanceOf: TrapError })
})

test('functions are looked up in a table by index: a Func, null where there is none, an error beyond the end', (t) => {
  const { exports } = new Runtime().instantiate(`(module (table (export "table") 10 funcref)
    (func $one (result i32) (i32.const 1)) (func $three (result i32) (i32.const 3)) (elem (i32.const 0) $three $one))`)
  const table = exports['table']
  t.true(table.get(0) instanceof Func)
  t.is(table.get(0).call(), 3)
  t.is(table.get(1).call(), 1)
  t.is(table.get(0), table.get(0))
  t.deepEqual(table.get(0).type, { params: [], results: ['i32'] })
  t.is(table.get(3), null)
  t.throws(() => table.get(1000), { instanceOf: RangeError, code: 'OUT_OF_RANGE' })
})

test('the wrong number of arguments says how many are expected, and a stack that is too short how many it needs', (t) => {
  const guest = new Runtime().instantiate(`(module
    (func (export "func") (param i64 i64) (result i64 i64 i64) (local.get 0) (local.get 1) (i64.const 3)))`)
  const func = guest.exportedFunction('func')!
  for (const args of [[], [1n], [1n, 2n, 3n]]) {
    const expected = { instanceOf: TypeError, message: new RegExp(`expected 2 params, but passed ${args.length}$`) }
    t.throws(() => func.call(...args), expected)
    t.throws(() => func.function(...args), expected)
    t.throws(() => func.callWith({}, ...args), expected)
  }
  const range = (message: string) => ({ instanceOf: RangeError, code: 'OUT_OF_RANGE', message })
  t.throws(() => func.callWithStack(new BigUint64Array(0)), range('need 2 params, but stack size is 0'))
  t.throws(() => func.callWithStack(new BigUint64Array(1)), range('need 2 params, but stack size is 1'))
  t.throws(() => func.callWithStack(new BigUint64Array(2)), range('need 3 results, but stack size is 2'))
  const longer = BigUint64Array.of(1n, 2n, 88n, 99n)
  func.callWithStack(longer)
  t.deepEqual([...longer], [1n, 2n, 3n, 99n])
})

test('a huge binary compiles and runs: ten thousand functions', (t) => {
  const count = 10_000
  const functions = Array.from({ length: count }, (_, index) => `(func (result i32) (i32.const ${index}))`)
  const guest = new Runtime({ optLevel: 'none' }).instantiate(
    `(module ${functions.join('\n')} (export "first" (func 0)) (export "last" (func ${count - 1})))`,
  )
  t.deepEqual([guest.exports['first'](), guest.exports['last']()], [0, count - 1])
})
