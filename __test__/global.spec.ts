import test from 'ava'

import wasmtime from '../index.js'

import { instantiate } from './support/wat.ts'

const { ArgumentError, Engine, Func, Global, Store } = wasmtime
const engine = new Engine()

const samples: readonly (readonly [type: any, values: readonly unknown[], wrong: readonly unknown[]])[] = [
  ['i32', [0, 1, -1, 2147483647, -2147483648], [1n, '1', null, undefined, true, {}]],
  ['i64', [0n, -1n, 2n ** 63n - 1n, -(2n ** 63n)], [1, '1', null, undefined, true, {}]],
  ['f32', [0, -0, 1.5, NaN, Infinity, -Infinity], [1n, '1', null, undefined]],
  ['f64', [0, -0, 0.1, NaN, Infinity, Number.MIN_VALUE], [1n, '1', null, undefined]],
  [
    'v128',
    [new Uint8Array(16).fill(255), Uint8Array.from({ length: 16 }, (_, index) => index)],
    [1, null, new Uint8Array(15)],
  ],
  ['externref', [null, undefined, 1, 'x', Symbol('s'), {}, () => 1], []],
  ['funcref', [null], [undefined, 1, {}, () => 1]],
]

test('a global of every type keeps its value and can be set', (t) => {
  const store = new Store(engine)
  for (const [content, values, wrong] of samples) {
    const global = new Global<any>(store, { content, mutable: true }, values[0])
    t.deepEqual(global.type, { content, mutable: true })
    t.true(global.mutable)
    for (const value of values) {
      global.value = value
      t.deepEqual(global.value, value, content)
    }
    const last = values.at(-1)
    for (const bad of wrong) {
      t.throws(() => (global.value = bad), { instanceOf: ArgumentError, code: 'INVALID_ARGUMENT' }, content)
      t.deepEqual(global.value, last, 'a refused value changes nothing')
      t.throws(() => new Global<any>(store, { content }, bad), { instanceOf: ArgumentError }, content)
    }
  }
})

test('the integers of a global wrap', (t) => {
  const store = new Store(engine)
  const narrow = new Global(store, { content: 'i32', mutable: true }, 2 ** 32 + 5)
  t.is(narrow.value, 5)
  narrow.value = 2 ** 31
  t.is(narrow.value, -(2 ** 31))
  const wide = new Global(store, { content: 'i64', mutable: true }, 2n ** 64n + 5n)
  t.is(wide.value, 5n)
  wide.value = 2n ** 63n
  t.is(wide.value, -(2n ** 63n))
})

test('an immutable global cannot be set', (t) => {
  const global = new Global(new Store(engine), { content: 'i32' }, 4)
  t.false(global.mutable)
  t.throws(() => (global.value = 5), { instanceOf: ArgumentError, message: /immutable/ })
  t.is(global.value, 4)
  const { exports } = instantiate('(module (global (export "g") i64 (i64.const 3)))')
  t.deepEqual(exports['g'].type, { content: 'i64', mutable: false })
  t.throws(() => (exports['g'].value = 5n), { instanceOf: ArgumentError, message: /immutable/ })
})

test('guest and host see the same global', (t) => {
  const { exports } = instantiate(`(module (global $g (export "g") (mut f64) (f64.const 1.25))
    (func (export "get") (result f64) (global.get $g)) (func (export "set") (param f64) (global.set $g (local.get 0))))`)
  t.is(exports['get'](), 1.25)
  exports['g'].value = -0
  t.is(exports['get'](), -0)
  exports['set'](7.5)
  t.is(exports['g'].value, 7.5)
})

test('a global of references keeps identity, and its functions are those of the store', (t) => {
  const { store, exports, instance } = instantiate(
    '(module (global (export "f") (mut funcref) (ref.func 0)) (global (export "x") (mut externref) (ref.null extern)) (func (export "g")))',
  )
  t.is(exports['f'].value, instance.getFunc('g'))
  const own = new Func(store, { params: [], results: [] }, () => {})
  exports['f'].value = own
  t.is(exports['f'].value, own)
  exports['f'].value = exports['g']
  t.is(exports['f'].value, instance.getFunc('g'))
  const foreign = instantiate('(module (func (export "g")))').instance.getFunc('g')
  t.throws(() => (exports['f'].value = foreign), { instanceOf: ArgumentError, message: /same store/ })
  exports['f'].value = null
  t.is(exports['f'].value, null)
  const value = Object.freeze({})
  exports['x'].value = value
  for (let round = 0; round < 3; round++) {
    ;(globalThis as { gc?: () => void }).gc?.()
    store.gc()
    t.is(exports['x'].value, value)
  }
})

test('what a new global needs is checked', (t) => {
  const store = new Store(engine)
  t.throws(() => new Global({} as never, { content: 'i32' }, 1), { message: /^store must be a Store/ })
  for (const bad of [null, 'i32', 1]) {
    t.throws(() => new Global(store, bad as never, 1), { message: /^type must be an object/ })
  }
  t.throws(() => new Global(store, { content: 'i16' as never }, 1 as never), { message: /^type\.content/ })
  t.throws(() => new Global(store, {} as never, 1), { instanceOf: ArgumentError })
  t.throws(() => new Global(store, { content: 'i32', mutable: 1 as never }, 1), {
    message: /^type\.mutable must be a boolean/,
  })
  t.throws(() => new Global(store, { content: 'i32', mut: true } as never, 1), {
    message: /^type\.mut is not an option/,
  })
})
