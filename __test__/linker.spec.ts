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
    t.throws(() => linker.define('m', 'x', bad as never), { message: /^item must be a Func, Memory, Global or Table/ })
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

test('all exports of an instance are defined under a name', (t) => {
  const store = new Store(engine)
  const linker = new Linker(engine)
  const provider = linker.instantiate(
    store,
    compile(`(module (memory (export "mem") 1) (global (export "g") (mut i32) (i32.const 1)) (table (export "t") 1 funcref)
      (func (export "set") (param i32) (global.set 0 (local.get 0))))`),
  )
  t.is(linker.instance('p', provider), linker)
  const user = linker.instantiate(
    store,
    compile(`(module (import "p" "set" (func (param i32))) (import "p" "g" (global (mut i32))) (import "p" "mem" (memory 1))
      (import "p" "t" (table 1 funcref)) (export "set" (func 0)) (export "g" (global 0)) (export "mem" (memory 0)))`),
  )
  user.exports['set'](9)
  t.is(provider.getGlobal('g')?.value, 9)
  t.is(user.exports['g'], provider.exports['g'])
  t.is(user.exports['mem'], provider.exports['mem'])
  t.is(user.exports['set'], provider.exports['set'])
  t.throws(() => linker.instance('p', provider), { instanceOf: LinkError, message: /defined already/ })
  t.throws(() => linker.instance('q', {} as never), { message: /^instance must be an Instance/ })
})

test('a reactor is instantiated once and initialised, a command freshly for every call', (t) => {
  const store = new Store(engine)
  const counter = (extra: string) =>
    compile(`(module (global $n (mut i32) (i32.const 0)) ${extra}
    (func (export "next") (result i32) (global.set $n (i32.add (global.get $n) (i32.const 1))) (global.get $n)))`)
  const linker = new Linker(engine)
    .module(store, 'reactor', counter('(func (export "_initialize") (global.set $n (i32.const 100)))'))
    .module(store, 'plain', counter(''))
    .module(store, 'command', counter('(func (export "_start"))'))
  const user = (from: string) =>
    linker.instantiate(
      store,
      compile(`(module (import "${from}" "next" (func (result i32))) (export "next" (func 0)))`),
    )
  const [reactor, plain, command] = ['reactor', 'plain', 'command'].map((from) => user(from).exports['next'])
  t.deepEqual([reactor(), reactor(), reactor()], [101, 102, 103])
  t.deepEqual([plain(), plain()], [1, 2])
  t.deepEqual([command(), command(), command()], [1, 1, 1])
})

test('a name can have aliases, and a whole module as well', (t) => {
  const store = new Store(engine)
  const linker = new Linker(engine).func('a', 'f', { params: [], results: ['i32'] }, () => 11)
  linker.func('a', 'g', { params: [], results: ['i32'] }, () => 12)
  t.is(linker.alias('a', 'f', 'm', 'h'), linker)
  linker.alias('a', 'f', 'same')
  linker.aliasModule('a', 'b')
  const module = compile(`(module (import "m" "h" (func (result i32))) (import "b" "g" (func (result i32)))
    (import "same" "f" (func (result i32)))
    (export "h" (func 0)) (export "g" (func 1)) (export "s" (func 2)))`)
  const { exports } = linker.instantiate(store, module)
  t.deepEqual([exports['h'](), exports['g'](), exports['s']()], [11, 12, 11])
  t.throws(() => linker.alias('a', 'nothing', 'x', 'y'), {
    instanceOf: LinkError,
    message: /a\.nothing is not defined/,
  })
  t.throws(() => linker.alias('a', 'f', 'm', 'h'), { instanceOf: LinkError, message: /m\.h is defined already/ })
  t.throws(() => linker.alias('a', 'f', 1 as never), { instanceOf: ArgumentError })
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

const unknowns = compile(`(module
  (import "u" "f" (func $f (param i32) (result i32 i64 f32 f64 externref funcref v128)))
  (import "u" "v" (func $v))
  (import "k" "f" (func $k (result i32)))
  (func (export "known") (result i32) (call $k))
  (func (export "nothing") (call $v))
  (func (export "unknown") (result i32 i64 f32 f64 externref funcref v128) (call $f (i32.const 1))))`)

test('unknown functions trap when they are called, and only then', (t) => {
  const linker = new Linker(engine).func('k', 'f', { params: [], results: ['i32'] }, () => 3)
  t.throws(() => linker.instantiatePre(unknowns), { instanceOf: LinkError })
  t.is(linker.defineUnknownImportsAsTraps(), linker)
  const { exports } = linker.instantiate(new Store(engine), unknowns)
  t.is(exports['known'](), 3)
  const error = thrownBy(() => exports['unknown']()) as Error
  t.true(error instanceof wasmtime.WasmtimeError)
  t.regex(error.message, /u/)
  t.throws(() => exports['nothing'](), { instanceOf: wasmtime.WasmtimeError })
  t.is(exports['known'](), 3)
  t.throws(() => linker.instantiate(new Store(engine), compile('(module (import "u" "m" (memory 1)))')), {
    instanceOf: LinkError,
  })
})

test('unknown imports have default values where that is asked for', (t) => {
  const linker = new Linker(engine).func('k', 'f', { params: [], results: ['i32'] }, () => 3)
  t.is(linker.defineUnknownImportsAsDefaultValues(), linker)
  const { exports } = linker.instantiate(new Store(engine), unknowns)
  t.is(exports['known'](), 3)
  t.is(exports['nothing'](), undefined)
  t.deepEqual(exports['unknown'](), [0, 0n, 0, 0, null, null, new Uint8Array(16)])
  const module =
    compile(`(module (import "u" "m" (memory 2)) (import "u" "g" (global (mut i32))) (import "u" "t" (table 3 funcref))
    (export "m" (memory 0)) (export "g" (global 0)) (export "t" (table 0)))`)
  const first = linker.instantiate(new Store(engine), module)
  const second = linker.instantiate(new Store(engine), module)
  t.is(first.getMemory('m')?.pages, 2)
  t.is(first.getGlobal('g')?.value, 0)
  t.is(first.getTable('t')?.get(2), null)
  first.getGlobal('g')!.value = 5
  t.is(second.getGlobal('g')?.value, 0)
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
