import test from 'ava'

import wasmtime from '../index.js'

import { instantiate, thrownBy } from './support/wat.ts'
import { everything } from './support/world.ts'

const { ArgumentError, ClosedError, Engine, Func, Global, Instance, Linker, Memory, Module, Store, Table } = wasmtime
const make = () => instantiate(everything, (linker) => linker.func('env', 'f', undefined, (value: number) => value + 1))

test('exports have functions as functions and everything else as objects', (t) => {
  const { instance, exports } = make()
  t.is(instance.exports, exports)
  t.true(Object.isFrozen(exports))
  for (const name of ['toString', 'constructor', '__proto__', 'hasOwnProperty']) t.is(exports[name], undefined, name)
  t.throws(() => (exports['add'] = 1), { instanceOf: TypeError })
  t.throws(() => (exports['more'] = 1), { instanceOf: TypeError })
  t.is(typeof exports['add'], 'function')
  t.is(exports['add'](2, 3), 5)
  t.true(exports['memory'] instanceof Memory)
  t.true(exports['counter'] instanceof Global)
  t.true(exports['funcs'] instanceof Table)
})

test('the keys of the exports are those of the module, in its order', (t) => {
  const { module, exports } = make()
  t.deepEqual(Object.keys(exports), module.exports.map((item) => item.name)) // prettier-ignore
})

test('an export is the same object however it is got', (t) => {
  const { instance, exports } = make()
  for (const name of ['memory', 'counter', 'funcs'] as const) {
    t.is(instance.getExport(name), exports[name])
    t.is(instance.getExport(name), instance.getExport(name))
  }
  t.is(instance.getMemory('memory'), exports['memory'])
  t.is(instance.getGlobal('counter'), exports['counter'])
  t.is(instance.getTable('funcs'), exports['funcs'])
  const func = instance.getFunc('add')
  t.true(func instanceof Func)
  t.is(func, instance.getFunc('add'))
  t.is(func?.function, exports['add'])
})

test('an export of another kind or name is undefined', (t) => {
  const { instance } = make()
  t.is(instance.getFunc('memory'), undefined)
  t.is(instance.getMemory('add'), undefined)
  t.is(instance.getGlobal('add'), undefined)
  t.is(instance.getTable('memory'), undefined)
  for (const name of ['', 'nothing', 'toString', '__proto__', 'add\0', 'constructor']) {
    t.is(instance.getExport(name), undefined)
  }
})

test('any name can be exported', (t) => {
  const names = ['', '__proto__', 'constructor', 'then', 'a b', 'ünïcode 🦀', '0', 'toString']
  const { exports, instance } = instantiate(
    `(module ${names.map((name, index) => `(func (export "${name}") (result i32) (i32.const ${index}))`).join('\n')})`,
  )
  for (const [index, name] of names.entries()) {
    t.is(exports[name](), index, name)
    t.is(instance.getFunc(name)?.call(), index, name)
  }
  t.deepEqual(Object.keys(exports).sort(), names.sort())
})

test('one function under two names is one function', (t) => {
  const { exports, instance } = instantiate(
    '(module (func $f (export "a") (export "b")) (memory (export "m") (export "n") 1))',
  )
  t.is(exports['a'], exports['b'])
  t.is(exports['m'], exports['n'])
  t.is(instance.getFunc('a'), instance.getFunc('b'))
})

test('a name that is no string is refused', (t) => {
  const { instance } = make()
  for (const bad of [undefined, null, 1, Symbol('s'), {}, ['memory']]) {
    for (const method of ['getExport', 'getFunc', 'getMemory', 'getGlobal', 'getTable'] as const) {
      t.throws(() => instance[method](bad as never), { instanceOf: TypeError, code: 'INVALID_ARGUMENT' })
    }
  }
})

test('an instance cannot be constructed, nor can its parts without arguments', (t) => {
  t.throws(() => Reflect.construct(Instance, []), { instanceOf: ArgumentError, message: /cannot be constructed/ })
  t.throws(() => Reflect.construct(Instance, [{}, {}, 0, {}]), { instanceOf: ArgumentError })
  for (const part of [Memory, Global, Table, Func]) {
    t.throws(() => Reflect.construct(part, []), { instanceOf: ArgumentError, message: /^store must be a Store/ })
  }
})

test('instances of one store are apart', (t) => {
  const engine = new Engine()
  const store = new Store(engine)
  const module = Module.compileSync(
    engine,
    '(module (memory (export "m") 1) (global $n (export "g") (mut i32) (i32.const 0)) (func (export "s") (param i32) (global.set 0 (local.get 0))))',
  )
  const pre = new Linker(engine).instantiatePre(module)
  const [left, right] = [pre.instantiate(store), pre.instantiate(store)] as const
  t.is(left.store, store)
  left.exports['s'](3)
  right.exports['s'](4)
  left.exports['m'].writeByte(0, 1)
  t.is(left.exports['g'].value, 3)
  t.is(right.exports['g'].value, 4)
  t.is(right.exports['m'].readByte(0), 0)
  t.not(left.exports['m'], right.exports['m'])
})

test('nothing of a closed store can be used, and no use of it crashes', (t) => {
  const { store, instance, exports } = make()
  const func = instance.getFunc('add')!
  const memory = instance.getMemory('memory')!
  store.close()
  store.close()
  t.true(store.closed)
  const uses: (() => unknown)[] = [
    () => exports['add'](1, 2),
    () => exports['host'](1),
    () => func.call(1, 2),
    () => func.callWithStack(new BigUint64Array(2)),
    () => memory.readByte(0),
    () => memory.size,
    () => memory.grow(1),
    () => memory.type,
    () => exports['counter'].value,
    () => (exports['counter'].value = 1),
    () => exports['funcs'].get(0),
    () => exports['funcs'].length,
    () => exports['values'].set(0, 1),
    () => exports['values'].grow(1),
    () => exports['values'].fill(0, 1, 1),
    () => store.gc(),
    () => new Memory(store, { minimum: 1 }),
    () => new Global(store, { content: 'i32' }, 1),
    () => new Table(store, { element: 'funcref', minimum: 1 }),
    () => new Func(store, { params: [], results: [] }, () => {}),
  ]
  for (const use of uses) {
    const error = thrownBy(use)
    t.true(error instanceof ClosedError || error instanceof wasmtime.ExitError, `${use} ${String(error)}`)
  }
})

test('exports outlive every other reference', (t) => {
  const callables = Array.from({ length: 50 }, (_, index) => {
    const { exports } = instantiate(
      `(module (import "m" "f" (func (param i32) (result i32))) (func (export "f") (param i32) (result i32) (call 0 (local.get 0))))`,
      (linker) => linker.func('m', 'f', undefined, (value: number) => value + index),
    )
    return exports['f'] as (value: number) => number
  })
  for (let round = 0; round < 5; round++) (globalThis as { gc?: () => void }).gc?.()
  for (const [index, callable] of callables.entries()) t.is(callable(1), 1 + index)
})
