import test, { type ExecutionContext } from 'ava'

import {
  ArgumentError,
  ArrayRef,
  Engine,
  Func,
  Global,
  Linker,
  Module,
  Store,
  StructRef,
  Table,
  type ValueTypeName,
} from '../index.mjs'
import { LIMIT } from './support/async.ts'

const modes = ['sync', 'async'] as const
type Mode = (typeof modes)[number]

/** Passes references through itself and through host functions, and makes structs and arrays. */
const text = `(module $refs
  (type $p (struct (field i32) (field (mut anyref)) (field i8) (field i64)))
  (type $q (struct (field f64)))
  (type $a (array (mut i32)))
  (type $fn (func (result i32)))
  (import "h" "any" (func $any (param anyref) (result anyref)))
  (import "h" "struct" (func $struct (param (ref null $p)) (result (ref null $p))))
  (import "h" "many" (func $many (param i32 eqref externref funcref) (result externref eqref)))
  (func $one (export "one") (type $fn) (i32.const 1))
  (func $two (export "two") (result i64) (i64.const 2))
  (func (export "struct") (param i32) (result (ref $p))
    (struct.new $p (local.get 0) (ref.null any) (i32.const -1) (i64.const -5)))
  (func (export "other") (result (ref $q)) (struct.new $q (f64.const 0.5)))
  (func (export "array") (param i32) (result (ref $a)) (array.new $a (i32.const 7) (local.get 0)))
  (func (export "first") (param (ref null $p)) (result i32) (struct.get $p 0 (local.get 0)))
  (func (export "put") (param (ref $p) anyref) (struct.set $p 1 (local.get 0) (local.get 1)))
  (func (export "anyref") (param anyref) (result anyref) (local.get 0))
  (func (export "eqref") (param eqref) (result eqref) (local.get 0))
  (func (export "i31ref") (param i31ref) (result i31ref) (local.get 0))
  (func (export "structref") (param structref) (result structref) (local.get 0))
  (func (export "arrayref") (param arrayref) (result arrayref) (local.get 0))
  (func (export "externref") (param externref) (result externref) (local.get 0))
  (func (export "nullref") (param nullref) (result nullref) (local.get 0))
  (func (export "nullexternref") (param nullexternref) (result nullexternref) (local.get 0))
  (func (export "nullfuncref") (param nullfuncref) (result nullfuncref) (local.get 0))
  (func (export "nullexnref") (param nullexnref) (result nullexnref) (local.get 0))
  (func (export "ref any") (param (ref any)) (result (ref any)) (local.get 0))
  (func (export "ref func") (param (ref func)) (result (ref func)) (local.get 0))
  (func (export "ref extern") (param (ref extern)) (result (ref extern)) (local.get 0))
  (func (export "call") (param (ref null $fn)) (result i32) (call_ref $fn (local.get 0)))
  (func (export "host any") (param anyref) (result anyref) (call $any (local.get 0)))
  (func (export "host struct") (param (ref null $p)) (result (ref null $p)) (call $struct (local.get 0)))
  (func (export "host many") (param i32 eqref externref funcref) (result externref eqref)
    (call $many (local.get 0) (local.get 1) (local.get 2) (local.get 3)))
  (func (export "inside") (param externref) (result anyref) (any.convert_extern (local.get 0)))
  (func (export "outside") (param anyref) (result externref) (extern.convert_any (local.get 0)))
  (func (export "same") (param eqref eqref) (result i32) (ref.eq (local.get 0) (local.get 1)))
  (func (export "kind") (param anyref) (result i32)
    (if (ref.test (ref i31) (local.get 0)) (then (return (i32.const 1))))
    (if (ref.test (ref $p) (local.get 0)) (then (return (i32.const 2))))
    (if (ref.test (ref array) (local.get 0)) (then (return (i32.const 3))))
    (if (ref.test (ref eq) (local.get 0)) (then (return (i32.const 4))))
    (i32.const 0))
  (func (export "garbage") (param i32)
    (loop $more
      (drop (array.new $a (i32.const 1) (i32.const 1000)))
      (br_if $more (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
  (global (export "g") (mut anyref) (ref.null any))
  (table (export "t") 4 10 anyref))`

async function open(t: ExecutionContext, mode: Mode, engine: Engine = new Engine()) {
  t.timeout(LIMIT)
  const store = new Store(engine, { mode })
  t.teardown(() => store.close())
  const linker = new Linker(engine)
  const seen: unknown[] = []
  const echo = (value: unknown): any => {
    seen.push(value)
    return mode === 'sync' ? value : Promise.resolve(value)
  }
  linker.func('h', 'any', undefined, echo).func('h', 'struct', undefined, echo)
  linker.func('h', 'many', undefined, (...args: unknown[]) => {
    seen.push(...args)
    return [args[1], args[1]]
  })
  const module = Module.compileSync(engine, text)
  const instance = mode === 'sync' ? linker.instantiate(store, module) : await linker.instantiateAsync(store, module)
  const { exports } = instance
  const call = async (name: string, ...args: unknown[]): Promise<any> =>
    mode === 'sync' ? exports[name](...args) : await exports[name].async(...args)
  return { engine, store, instance, exports, call, seen }
}

const anything: readonly unknown[] = [0, 1, -1, 2 ** 30 - 1, -(2 ** 30), 2 ** 30, -(2 ** 30) - 1, 2 ** 31, 1.5, NaN, Infinity, '', 'text',
  5n, true, undefined, null, Symbol('s'), {}, [], () => 1, new Error('e'), new Proxy({}, {})] // prettier-ignore

for (const mode of modes) {
  test(`any JavaScript value goes through anyref and comes out as the same (${mode})`, async (t) => {
    const { call, seen, exports } = await open(t, mode)
    for (const value of anything) {
      for (const name of ['anyref', 'host any', 'inside', 'outside']) t.is(await call(name, value), value, name)
      t.is(seen.pop(), value)
      exports['g'].value = value
      t.is(exports['g'].value, value)
      exports['t'].set(1, value)
      t.is(exports['t'].get(1), value)
    }
    t.true(Object.is(await call('anyref', -0), -0))
    t.is(await call('ref any', 'x'), 'x')
    await t.throwsAsync(call('ref any', null), { instanceOf: ArgumentError, message: /expected any value but null/ })
    await t.throwsAsync(call('ref extern', null), { instanceOf: ArgumentError })
  })

  test(`whole numbers of 31 bits are i31, and no others (${mode})`, async (t) => {
    const { call } = await open(t, mode)
    for (const value of [0, 1, -1, 2 ** 30 - 1, -(2 ** 30)]) {
      t.is(await call('kind', value), 1)
      for (const name of ['i31ref', 'eqref']) t.is(await call(name, value), value, name)
      t.is(await call('same', value, value), 1)
    }
    for (const value of [2 ** 30, -(2 ** 30) - 1, 0.5, -0, NaN]) {
      t.is(await call('kind', value), 0)
      for (const name of ['i31ref', 'eqref']) {
        await t.throwsAsync(call(name, value), { instanceOf: ArgumentError, message: /got the number/ }, name)
      }
    }
    t.is(await call('i31ref', null), null)
  })

  test(`a struct is a StructRef, the same one wherever it appears (${mode})`, async (t) => {
    const { call, seen, exports } = await open(t, mode)
    const one = await call('struct', 5)
    t.true(one instanceof StructRef)
    t.is(one.kind, 'struct')
    for (const name of ['anyref', 'eqref', 'structref', 'externref', 'host any', 'host struct', 'inside', 'outside']) {
      t.is(await call(name, one), one, name)
    }
    t.deepEqual(seen, [one, one])
    t.is(seen[0], one)
    t.is(await call('first', one), 5)
    t.is(await call('kind', one), 2)
    t.is(await call('kind', await call('outside', one)), 2)
    const two = await call('struct', 5)
    t.not(two, one)
    t.is(await call('same', one, one), 1)
    t.is(await call('same', one, two), 0)
    exports['g'].value = one
    t.is(exports['g'].value, one)
    exports['t'].fill(0, one, 3)
    t.is(exports['t'].get(2), one)
    t.is(exports['t'].grow(2, two), 4)
    t.is(exports['t'].get(5), two)
    t.deepEqual(await call('host many', 1, one, 'x', exports['one']), [one, one])
    t.is((await call('host many', 1, one, 'x', null))[0], one)
  })

  test(`fields and elements can be read (${mode})`, async (t) => {
    const { call } = await open(t, mode)
    const struct = await call('struct', -7)
    t.is(struct.length, 4)
    t.deepEqual([0, 1, 2, 3].map((index) => struct.get(index)), [-7, null, 255, -5n]) // prettier-ignore
    await call('put', struct, struct)
    t.is(struct.get(1), struct)
    const array = await call('array', 3)
    t.true(array instanceof ArrayRef)
    t.is(array.kind, 'array')
    t.deepEqual([...array], [7, 7, 7])
    t.is((await call('array', 0)).length, 0)
    for (const [object, index] of [
      [struct, 4],
      [array, 3],
    ]) {
      // prettier-ignore
      t.throws(() => object.get(index), { instanceOf: RangeError, code: 'OUT_OF_RANGE' })
    }
    for (const bad of [-1, 0.5, '0', undefined, 2 ** 32, null, 1n]) {
      t.throws(() => struct.get(bad), { instanceOf: Error, message: /index/ })
    }
  })

  test(`what is not of the type is a TypeError that says so (${mode})`, async (t) => {
    const { call } = await open(t, mode)
    const struct = await call('struct', 1)
    const other = await call('other')
    const array = await call('array', 1)
    const wrong: readonly (readonly [name: string, values: readonly unknown[], message: RegExp])[] = [
      ['structref', [array, 1, 'x', {}, undefined], /expected a StructRef or null \(structref\)/],
      ['arrayref', [struct, 1, {}], /expected an ArrayRef or null \(arrayref\)/],
      ['eqref', ['x', {}, undefined, 5n], /expected a StructRef, an ArrayRef, a whole number of 31 bits or null/],
      ['i31ref', [struct, 'x', {}], /expected a whole number from -1073741824 to 1073741823 or null/],
      ['first', [other, array, 5], /expected a StructRef of that type or null/],
      ['nullref', [struct, 1, undefined], /expected null \(nullref\)/],
      ['nullexternref', [struct, 1, undefined], /expected null/],
      ['nullfuncref', [struct, 1, undefined], /expected null/],
      ['nullexnref', [struct, 1, undefined], /expected null/],
      ['host struct', [other], /StructRef of that type/],
    ]
    for (const [name, values, message] of wrong) {
      for (const value of values) {
        await t.throwsAsync(call(name, value), { instanceOf: ArgumentError, message }, `${name} ${typeof value}`)
      }
    }
    for (const name of ['nullref', 'nullexternref', 'nullfuncref', 'nullexnref', 'structref', 'arrayref', 'eqref']) {
      t.is(await call(name, null), null, name)
    }
  })

  test(`functions are checked for the type that is asked for (${mode})`, async (t) => {
    const { call, exports, instance } = await open(t, mode)
    t.is(await call('call', exports['one']), 1)
    t.is(await call('call', instance.getFunc('one')), 1)
    await t.throwsAsync(call('call', exports['two']), { instanceOf: ArgumentError, message: /param\[0\]/ })
    await t.throwsAsync(call('call', null), { code: 'TRAP' })
    await t.throwsAsync(call('ref func', null), { instanceOf: ArgumentError })
    t.true((await call('ref func', exports['two'])) instanceof Func)
    // A handle of an object is no function, whatever its number.
    await t.throwsAsync(call('ref func', await call('struct', 1)), { instanceOf: ArgumentError })
  })

  test(`a host function's result must be of its type (${mode})`, async (t) => {
    const engine = new Engine()
    const { call: make, store } = await open(t, mode, engine)
    const linker = new Linker(engine)
    let answer: unknown
    linker.func('h', 'f', { params: [], results: ['structref'] }, () => answer as never)
    const module = Module.compileSync(
      engine,
      '(module (import "h" "f" (func $f (result structref))) (func (export "f") (result structref) (call $f)))',
    )
    const { exports } =
      mode === 'sync' ? linker.instantiate(store, module) : await linker.instantiateAsync(store, module)
    const call = async () => (mode === 'sync' ? exports['f']() : await exports['f'].async())
    answer = await make('struct', 1)
    t.is(await call(), answer)
    answer = await make('array', 1)
    await t.throwsAsync(call(), { instanceOf: TypeError, message: /host function h\.f.*expected .*StructRef or null/ })
  })

  test(`a handle of another store is refused, but is a value like any other for externref (${mode})`, async (t) => {
    const engine = new Engine()
    const first = await open(t, mode, engine)
    const second = await open(t, mode, engine)
    const foreign = await first.call('struct', 1)
    await second.call('struct', 1)
    for (const name of ['anyref', 'eqref', 'structref', 'first', 'host any', 'ref any']) {
      await t.throwsAsync(second.call(name, foreign), { instanceOf: ArgumentError, message: /another store/ }, name)
    }
    t.throws(() => (second.exports['g'].value = foreign), { message: /another store/ })
    t.throws(() => second.exports['t'].set(0, foreign), { message: /another store/ })
    t.is(await second.call('externref', foreign), foreign)
    t.is(await second.call('kind', await second.call('inside', 1)), 1)
  })

  test(`after the store's end handles throw a ClosedError (${mode})`, async (t) => {
    const { call, store } = await open(t, mode)
    const struct = await call('struct', 1)
    const array = await call('array', 1)
    store.close()
    t.throws(() => struct.get(0), { code: 'CLOSED' })
    t.throws(() => array.length, { code: 'CLOSED' })
  })

  test(`a struct outlives wasm's collections as long as its handle (${mode})`, async (t) => {
    const { call, store } = await open(t, mode)
    const structs: any[] = []
    for (let index = 0; index < 300; index++) {
      structs.push(await call('struct', index))
      if (index % 50 === 0) store.gc()
    }
    await call('garbage', 20_000)
    store.gc()
    for (const [index, struct] of structs.entries()) {
      t.is(struct.get(0), index)
      t.is(await call('anyref', struct), struct)
      t.is(await call('first', struct), index)
    }
  })
}

test('handles cannot be constructed', (t) => {
  for (const make of [StructRef, ArrayRef]) {
    t.throws(() => new (make as any)(), { instanceOf: ArgumentError, message: /cannot be constructed/ })
    t.throws(() => new (make as any)({}, 1), { instanceOf: ArgumentError })
  }
})

test('an object that looks like a handle is none, and none of its code runs', async (t) => {
  const { call, exports } = await open(t, 'sync')
  const struct = exports['struct'](1)
  const symbols = Object.getOwnPropertySymbols(struct)
  t.true(symbols.length > 0)
  const forged = Object.create(StructRef.prototype, Object.getOwnPropertyDescriptors(struct)) as object
  await t.throwsAsync(call('structref', forged), { instanceOf: ArgumentError })
  const trapped = new Proxy(struct, {
    get() {
      throw new Error('asked')
    },
    getPrototypeOf() {
      throw new Error('asked')
    },
  })
  await t.throwsAsync(call('structref', trapped), { instanceOf: ArgumentError })
  t.is(exports['anyref'](trapped), trapped)
  t.is(exports['externref'](trapped), trapped)
  for (const symbol of symbols) t.throws(() => Object.defineProperty(struct, symbol, { value: 1 }))
})

test('types are reported by name, and globals and tables can have each of them', (t) => {
  const store = new Store(new Engine())
  t.teardown(() => store.close())
  const nullable: ValueTypeName[] = ['anyref', 'eqref', 'i31ref', 'structref', 'arrayref', 'exnref', 'nullref', 'nullexternref',
    'nullfuncref', 'nullexnref', 'externref', 'funcref'] // prettier-ignore
  for (const name of nullable) {
    const global = new Global<any>(store, { content: name, mutable: true }, null)
    t.deepEqual(global.type, { content: name, mutable: true })
    t.is(global.value, null)
    global.value = null
    const table = new Table(store, { element: name as 'anyref', minimum: 1, maximum: 3 })
    t.is(table.type.element, name)
    t.is(table.get(0), null)
    t.deepEqual(new Func(store, { params: [name], results: [name] }, (value) => value).type, {
      params: [name],
      results: [name],
    })
    t.is(new Func(store, { params: [name], results: [name] }, (value) => value).call(null), null)
  }
  const one = new Func(store, { params: [], results: ['i32'] }, () => 1)
  const values: readonly (readonly [ValueTypeName, unknown])[] = [
    ['(ref extern)', 'x'],
    ['(ref func)', one],
    ['(ref any)', 'x'],
    ['(ref eq)', 5],
    ['(ref i31)', 5],
  ]
  for (const [name, value] of values) {
    const global = new Global<any>(store, { content: name }, value)
    t.is(global.type.content, name)
    t.is(global.value, value)
    t.throws(() => new Global<any>(store, { content: name }, null), { instanceOf: ArgumentError }, name)
    const table = new Table(store, { element: name as 'anyref', minimum: 2 }, value)
    t.is(table.get(1), value)
    t.throws(() => table.grow(1), { instanceOf: ArgumentError })
    t.is(new Func(store, { params: [name], results: [name] }, (echo) => echo).call(value), value)
  }
  t.throws(() => new Table(store, { element: 'i32' as 'anyref', minimum: 1 }), { instanceOf: ArgumentError })
})

test('types that an engine does not have are an error, not a crash', (t) => {
  for (const options of [
    { gc: false },
    { exceptions: false },
    { referenceTypes: false, gc: false, exceptions: false, functionReferences: false },
  ]) {
    // prettier-ignore
    const store = new Store(new Engine(options))
    t.teardown(() => store.close())
    for (const name of ['anyref', 'structref', 'exnref', 'externref', 'funcref', 'i31ref', '(ref any)'] as const) {
      for (const value of [null, 1, 'x']) {
        const attempts = [
          () => new Global<any>(store, { content: name, mutable: true }, value).value,
          () => new Table(store, { element: name, minimum: 1 }, value).get(0),
          () => new Func(store, { params: [name], results: [name] }, (echo) => echo).call(value),
        ]
        for (const attempt of attempts) {
          let result: unknown
          try {
            result = attempt()
          } catch (error) {
            t.true(error instanceof Error)
            continue
          }
          t.is(result, value)
        }
      }
    }
  }
})
