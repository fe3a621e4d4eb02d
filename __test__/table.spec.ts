import test from 'ava'

import wasmtime from '../index.js'

import { instantiate } from './support/wat.ts'

const { ArgumentError, ArgumentRangeError, Engine, Func, Store, Table } = wasmtime
const store = new Store(new Engine())

test('a table of any values keeps identity', (t) => {
  const table = new Table(store, { element: 'externref', minimum: 3 })
  t.is(table.length, 3)
  t.deepEqual([table.get(0), table.get(1), table.get(2)], [null, null, null])
  for (const value of [undefined, null, 0, -0, 1n, 'x', Symbol('s'), {}, [], () => 1, new Proxy({}, {}), NaN]) {
    table.set(1, value)
    t.is(table.get(1), value)
  }
  t.is(table.get(0), null)
})

test('a table of functions takes those of its store and null', (t) => {
  const table = new Table(store, { element: 'funcref', minimum: 2 })
  const func = new Func(store, { params: [], results: ['i32'] }, () => 3)
  table.set(0, func)
  t.is(table.get(0), func)
  table.set(1, func.function)
  t.is(table.get(1), func)
  table.set(0, null)
  t.is(table.get(0), null)
  const foreign = new Func(new Store(store.engine), { params: [], results: [] }, () => {})
  for (const bad of [undefined, 1, 'x', {}, () => 1, foreign, foreign.function]) {
    t.throws(() => table.set(0, bad), { instanceOf: ArgumentError, code: 'INVALID_ARGUMENT' })
    t.throws(() => table.fill(0, bad, 1), { instanceOf: ArgumentError })
    if (bad === undefined) continue // Stands for the default, which is null.
    t.throws(() => table.grow(1, bad), { instanceOf: ArgumentError })
    t.throws(() => new Table(store, { element: 'funcref', minimum: 1 }, bad), { instanceOf: ArgumentError })
  }
  t.is(table.get(0), null)
  t.is(table.length, 2)
})

test('an index beyond the end is an ArgumentRangeError', (t) => {
  const table = new Table(store, { element: 'externref', minimum: 2 })
  for (const bad of [2, 3, 2 ** 32 - 1, 2 ** 32, 2 ** 53, -1, 1.5, NaN, Infinity, -Infinity]) {
    t.throws(() => table.get(bad), { instanceOf: ArgumentRangeError, code: 'OUT_OF_RANGE' }, String(bad))
    t.throws(() => table.set(bad, 1), { instanceOf: ArgumentRangeError, code: 'OUT_OF_RANGE' }, String(bad))
  }
  t.is(table.get(-0), null)
  for (const bad of [undefined, null, '0', 0n, {}, Symbol('s')]) {
    t.throws(() => table.get(bad as never), { instanceOf: ArgumentError })
    t.throws(() => table.set(bad as never, 1), { instanceOf: ArgumentError })
  }
})

test('a table grows to its maximum, and says what it was before', (t) => {
  const table = new Table(store, { element: 'externref', minimum: 1, maximum: 4 }, 'first')
  t.deepEqual(table.type, { element: 'externref', minimum: 1, maximum: 4, is64: false })
  t.is(table.get(0), 'first')
  t.is(table.grow(2, 'more'), 1)
  t.is(table.length, 3)
  t.deepEqual([table.get(1), table.get(2)], ['more', 'more'])
  t.is(table.grow(2), undefined)
  t.is(table.length, 3)
  t.is(table.grow(0), 3)
  t.is(table.grow(1), 3)
  t.is(table.get(3), null)
  t.is(table.grow(2 ** 32 - 1), undefined)
  t.is(table.grow(2 ** 53), undefined)
  for (const bad of [-1, 1.5, NaN, Infinity]) t.throws(() => table.grow(bad), { instanceOf: ArgumentRangeError })
  for (const bad of [undefined, '1', 1n, null]) t.throws(() => table.grow(bad as never), { instanceOf: ArgumentError })
})

test('filling is all or nothing', (t) => {
  const table = new Table(store, { element: 'externref', minimum: 5 })
  table.fill(1, 'x', 3)
  t.deepEqual([0, 1, 2, 3, 4].map((index) => table.get(index)), [null, 'x', 'x', 'x', null]) // prettier-ignore
  table.fill(5, 'y', 0)
  for (const [index, count] of [
    [3, 3],
    [6, 0],
    [0, 6],
    [2 ** 32 - 1, 2],
    [1, 2 ** 53],
    [-1, 1],
    [0, -1],
    [0.5, 1],
    [0, NaN],
  ] as const) {
    // prettier-ignore
    t.throws(() => table.fill(index, 'z', count), { instanceOf: ArgumentRangeError }, `${index} ${count}`)
  }
  t.deepEqual([0, 1, 2, 3, 4].map((index) => table.get(index)), [null, 'x', 'x', 'x', null]) // prettier-ignore
})

test('guest and host see the same table', (t) => {
  const { exports, instance } = instantiate(`(module
    (table $t (export "t") 2 4 funcref)
    (elem (i32.const 0) func $one)
    (func $one (export "one") (result i32) (i32.const 1))
    (func (export "call") (param i32) (result i32) (call_indirect $t (result i32) (local.get 0)))
    (func (export "grow") (param i32) (result i32) (table.grow $t (ref.func $one) (local.get 0))))`)
  const table = exports['t']
  t.is(table.get(0), instance.getFunc('one'))
  t.is(exports['call'](0), 1)
  t.throws(() => exports['call'](1), { instanceOf: wasmtime.TrapError })
  table.set(1, new Func(instance.store, { params: [], results: ['i32'] }, () => 22))
  t.is(exports['call'](1), 22)
  table.set(1, new Func(instance.store, { params: ['i32'], results: ['i32'] }, () => 22))
  const error = t.throws(() => exports['call'](1), { instanceOf: wasmtime.TrapError }) as InstanceType<
    typeof wasmtime.TrapError
  >
  t.is(error.trapCode, 'bad-signature')
  t.is(exports['grow'](2), 2)
  t.is(table.length, 4)
  t.is(table.get(3), instance.getFunc('one'))
  t.is(exports['grow'](1), -1)
})

test('values in a table survive collection, and those that are replaced can go', async (t) => {
  const table = new Table(store, { element: 'externref', minimum: 100 })
  const kept = { kept: true }
  table.set(7, kept)
  const collected = new Set<number>()
  const registry = new FinalizationRegistry((index: number) => collected.add(index))
  for (let index = 10; index < 60; index++) {
    const value = { index }
    registry.register(value, index)
    table.set(index, value)
  }
  table.fill(10, null, 50)
  for (let round = 0; round < 50 && collected.size < 45; round++) {
    store.gc()
    ;(globalThis as { gc?: () => void }).gc?.()
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.is(table.get(7), kept)
  t.true(collected.size >= 45, `${collected.size} of 50`)
})

test('what a new table needs is checked', (t) => {
  t.throws(() => new Table({} as never, { element: 'funcref', minimum: 1 }), { message: /^store must be a Store/ })
  t.throws(() => new Table(store, null as never), { message: /^type must be an object/ })
  t.throws(() => new Table(store, { element: 'i32' as never, minimum: 1 }), { message: /^type\.element must be/ })
  t.throws(() => new Table(store, { element: 'funcref', minimum: 2, maximum: 1 }), {
    message: /^type\.maximum must be an integer from 2/,
  })
  for (const bad of [-1, 1.5, NaN, '1', 2 ** 32]) {
    t.throws(() => new Table(store, { element: 'funcref', minimum: bad as never }), {
      message: /^type\.minimum must be an integer/,
    })
  }
  t.throws(() => new Table(store, { element: 'funcref', minimum: 1, max: 2 } as never), {
    message: /^type\.max is not an option/,
  })
})
