import test from 'ava'

import wasmtime from '../index.js'

import { thrownBy } from './support/wat.ts'

const { ArgumentError, Engine, Func, Global, LinkError, Linker, Memory, Module, Store, Table, TrapError } = wasmtime
const engine = new Engine()
const compile = (text: string) => Module.compileSync(engine, text)
const callsF = compile('(module (import "m" "f" (func (param i32) (result i32))) (export "f" (func 0)))')

test('a typed function is linked, and its type is checked against the import', (t) => {
  const linker = new Linker(engine)
  t.is(
    linker.func('m', 'f', { params: ['i32'], results: ['i32'] }, (value) => value * 2),
    linker,
  )
  t.is(linker.instantiate(new Store(engine), callsF).exports['f'](21), 42)
  const wrong = new Linker(engine).func('m', 'f', { params: ['i64'], results: ['i32'] }, () => 0)
  const error = t.throws(() => wrong.instantiatePre(callsF), {
    instanceOf: LinkError,
    code: 'LINK_ERROR',
  }) as InstanceType<typeof LinkError>
  t.is(error.problems.length, 1)
  t.is(error.problems[0]?.reason, 'mismatch')
  t.is(error.problems[0]?.module, 'm')
  t.is(error.problems[0]?.name, 'f')
  t.regex(error.problems[0]?.expected ?? '', /i32/)
  t.regex(error.problems[0]?.actual ?? '', /i64/)
})

test('a function without a type takes the type of every import', (t) => {
  const linker = new Linker(engine).func('m', 'f', undefined, (...args: unknown[]) => args[0])
  const long = compile('(module (import "m" "f" (func (param i64 i32) (result i64))) (export "f" (func 0)))')
  const store = new Store(engine)
  t.is(linker.instantiate(store, callsF).exports['f'](7), 7)
  t.is(linker.instantiate(store, long).exports['f'](8n, 1), 8n)
  t.throws(() => linker.get(store, 'm', 'f'), { instanceOf: ArgumentError, message: /has no type of its own/ })
})

test('a function can have the importing instance as its first argument', (t) => {
  const seen: unknown[] = []
  const linker = new Linker(engine).func(
    'm',
    'f',
    { params: ['i32'], results: ['i32'] },
    (instance: unknown, value: number) => {
      seen.push(instance)
      return value + 1
    },
    { withInstance: true },
  )
  const pre = linker.instantiatePre(callsF)
  const store = new Store(engine)
  const instances = [pre.instantiate(store), pre.instantiate(store), pre.instantiate(new Store(engine))]
  for (const instance of instances) t.is(instance.exports['f'](1), 2)
  t.deepEqual(seen.map((item, index) => item === instances[index]), [true, true, true]) // prettier-ignore
  t.throws(() => linker.func('m', 'g', undefined, () => 0, { withInstance: 1 } as never), { instanceOf: ArgumentError })
  t.throws(() => linker.func('m', 'g', undefined, () => 0, { instance: true } as never), {
    message: /is not an option/,
  })
})

test('the types of a function are checked when it is defined', (t) => {
  const linker = new Linker(engine)
  const f = () => 0
  t.throws(() => linker.func('m', 'f', { params: ['i33' as never], results: [] }, f), { message: /^type\.params\[0\]/ })
  t.throws(() => linker.func('m', 'f', { params: [], results: 'i32' as never }, f), {
    message: /^type\.results must be/,
  })
  t.throws(() => linker.func('m', 'f', {} as never, f), { instanceOf: ArgumentError })
  t.throws(() => linker.func('m', 'f', null as never, f), { instanceOf: ArgumentError })
  t.throws(() => linker.func('m', 'f', undefined, 1 as never), { message: /^callback must be a function/ })
  t.throws(() => linker.func(1 as never, 'f', undefined, f), { message: /^module must be a string/ })
  t.throws(() => linker.func('m', 1 as never, undefined, f), { message: /^name must be a string/ })
})

const everyKind = compile(`(module
  (import "m" "f" (func $f (result i32)))
  (import "m" "mem" (memory 1 3))
  (import "m" "g" (global $g (mut i64)))
  (import "m" "t" (table $t 2 externref))
  (func (export "run") (result i32 i32 i64 externref)
    (call $f) (i32.load8_u (i32.const 5)) (global.get $g) (table.get $t (i32.const 1))))`)

test('each kind of thing can be defined, and is shared with the instance', (t) => {
  const store = new Store(engine)
  const memory = new Memory(store, { minimum: 1, maximum: 3 })
  const global = new Global(store, { content: 'i64', mutable: true }, 6n)
  const table = new Table(store, { element: 'externref', minimum: 2 })
  const func = new Func(store, { params: [], results: ['i32'] }, () => 4)
  const linker = new Linker(engine).define('m', 'f', func).define('m', 'mem', memory)
  linker.define('m', 'g', global).define('m', 't', table)
  const { exports } = linker.instantiate(store, everyKind)
  memory.writeByte(5, 55)
  const value = { some: 'value' }
  table.set(1, value)
  t.deepEqual(exports['run'](), [4, 55, 6n, value])
  global.value = 7n
  t.is(exports['run']()[2], 7n)
  for (const bad of [undefined, null, {}, 1, () => 1, store, linker]) {
    t.throws(() => linker.define('m', 'x', bad as never), {
      message: /^item must be a Func, Memory, SharedMemory, Global, Table or Tag/,
    })
  }
})

test('an error lists everything that is missing or does not fit, in the order of the imports', (t) => {
  const store = new Store(engine)
  const linker = new Linker(engine)
    .define('m', 'mem', new Memory(store, { minimum: 0, maximum: 3 }))
    .define('m', 'g', new Global(store, { content: 'i64' }, 6n))
    .define('m', 't', new Func(store, { params: [], results: [] }, () => {}))
  const error = t.throws(() => linker.instantiate(store, everyKind), { instanceOf: LinkError }) as InstanceType<
    typeof LinkError
  >
  t.deepEqual(
    error.problems.map(({ module, name, reason }) => `${module}.${name} ${reason}`),
    ['m.f missing', 'm.mem mismatch', 'm.g mismatch', 'm.t mismatch'],
  )
  for (const { module, name, expected } of error.problems) {
    t.true(error.message.includes(`${module}.${name}`))
    t.truthy(expected)
  }
})

test('limits of memories and tables are matched as the specification says', (t) => {
  const store = new Store(engine)
  const memory = new Memory(store, { minimum: 1, maximum: 3 })
  const linker = new Linker(engine).define('m', 'mem', memory)
  const links = (type: string) => {
    try {
      linker.instantiate(store, compile(`(module (import "m" "mem" (memory ${type})))`))
      return true
    } catch (error) {
      t.true(error instanceof LinkError)
      return false
    }
  }
  t.true(links('1 3'))
  t.true(links('0'))
  t.true(links('1 4'))
  t.false(links('2 3'))
  t.false(links('1 2'))
  t.false(links('i64 1 3'))
  memory.grow(1)
  t.true(links('2 3'), 'the present size counts')
})

test('what belongs to another store or engine is refused', (t) => {
  const memory = new Memory(new Store(engine), { minimum: 1 })
  const module = compile('(module (import "m" "mem" (memory 1)))')
  const linker = new Linker(engine).define('m', 'mem', memory)
  const error = thrownBy(() => linker.instantiate(new Store(engine), module)) as InstanceType<typeof LinkError>
  t.true(error instanceof LinkError)
  t.is(error.problems[0]?.reason, 'wrong-store')
  t.throws(() => linker.get(new Store(engine), 'm', 'mem'), { instanceOf: ArgumentError, message: /another store/ })
  const foreign = new Engine()
  const foreignStore = new Store(foreign)
  t.throws(() => linker.define('m', 'x', new Memory(foreignStore, { minimum: 1 })), { message: /another engine/ })
  t.throws(() => linker.get(foreignStore, 'm', 'mem'), { message: /another engine/ })
  t.throws(() => linker.module(foreignStore, 'x', compile('(module)')), { message: /another engine/ })
  t.throws(() => linker.module(foreignStore, 'x', compile('(module (func (export "_start")))')), {
    message: /another engine/,
  })
  const pre = new Linker(engine).instantiatePre(compile('(module)'))
  t.throws(() => pre.instantiate(foreignStore), { instanceOf: ArgumentError, message: /another engine/ })
  t.throws(() => pre.instantiate({} as never), { instanceOf: ArgumentError })
})

test('a definition is got by its name, as an object of the store', (t) => {
  const store = new Store(engine)
  const memory = new Memory(store, { minimum: 1 })
  const linker = new Linker(engine).define('m', 'mem', memory)
  linker.func('m', 'f', { params: ['i32'], results: ['i32'] }, (value) => -value)
  t.is(linker.get(store, 'm', 'mem'), memory)
  t.is(linker.get(store, 'm', 'none'), undefined)
  t.is(linker.get(store, 'none', 'mem'), undefined)
  const func = linker.get(store, 'm', 'f')
  t.true(func instanceof Func)
  t.is((func as InstanceType<typeof Func>).call(5), -5)
})

test('a definition replaces another only where shadowing is allowed', (t) => {
  const linker = new Linker(engine).func('m', 'f', undefined, () => 1)
  t.false(linker.allowShadowing)
  const early = linker.instantiatePre(callsF)
  t.throws(() => linker.func('m', 'f', undefined, () => 2), {
    instanceOf: LinkError,
    message: /m\.f is defined already/,
  })
  t.is(linker.instantiate(new Store(engine), callsF).exports['f'](0), 1)
  linker.allowShadowing = true
  t.true(linker.allowShadowing)
  linker.func('m', 'f', undefined, () => 3)
  t.is(linker.instantiate(new Store(engine), callsF).exports['f'](0), 3)
  t.is(early.instantiate(new Store(engine)).exports['f'](0), 1, 'what was resolved before stays')
  linker.allowShadowing = false
  t.throws(() => linker.func('m', 'f', undefined, () => 4), { instanceOf: LinkError })
  t.throws(() => ((linker as { allowShadowing: unknown }).allowShadowing = 1), { instanceOf: ArgumentError })
})

test('what is resolved once makes any number of instances in any stores', (t) => {
  let calls = 0
  const linker = new Linker(engine).func('m', 'f', { params: ['i32'], results: ['i32'] }, (value) => value + ++calls)
  const pre = linker.instantiatePre(callsF)
  t.is(pre.module, callsF)
  const store = new Store(engine)
  const all = [
    pre.instantiate(store),
    pre.instantiate(store),
    ...Array.from({ length: 20 }, () => pre.instantiate(new Store(engine))),
  ]
  for (const instance of all) {
    const before = calls
    t.is(instance.exports['f'](10), 11 + before)
  }
  t.is(calls, all.length)
  store.close()
  t.is(pre.instantiate(new Store(engine)).exports['f'](0), calls)
})

test('a start function that traps leaves the store usable', (t) => {
  const store = new Store(engine)
  const linker = new Linker(engine)
  t.throws(() => linker.instantiate(store, compile('(module (func $s unreachable) (start $s))')), {
    instanceOf: TrapError,
    message: /unreachable/,
  })
  t.throws(() => linker.instantiate(store, compile('(module (memory 1) (data (i32.const 65536) "x"))')), {
    instanceOf: TrapError,
  })
  const fine = linker.instantiate(store, compile('(module (func (export "f") (result i32) (i32.const 8)))'))
  t.is(fine.exports['f'](), 8)
})

test('a closed store takes nothing in', (t) => {
  const store = new Store(engine)
  const linker = new Linker(engine)
  store.close()
  t.throws(() => linker.instantiate(store, compile('(module)')), { instanceOf: wasmtime.ClosedError })
  t.throws(() => linker.module(store, 'm', compile('(module (func (export "_start")))')), {
    instanceOf: wasmtime.ClosedError,
  })
  linker.func('m', 'f', { params: [], results: [] }, () => {})
  t.throws(() => linker.get(store, 'm', 'f'), { instanceOf: wasmtime.ClosedError })
})
