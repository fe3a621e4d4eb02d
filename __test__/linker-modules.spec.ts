import test from 'ava'

import wasmtime from '../index.js'

import { thrownBy } from './support/wat.ts'

const { ArgumentError, Engine, LinkError, Linker, Module, Store } = wasmtime
const engine = new Engine()
const compile = (text: string) => Module.compileSync(engine, text)

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
  // Closing an instance ends its own exports only, so a function that is exported again is another one.
  t.not(user.exports['set'], provider.exports['set'])
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

test('a command may export a memory, as every WASI program does; only its functions are defined', (t) => {
  const store = new Store(engine)
  const linker = new Linker(engine)
  const command = compile(`(module (memory (export "memory") 1) (func (export "_start"))
    (func (export "count") (result i32) (i32.store (i32.const 0) (i32.add (i32.const 1) (i32.load (i32.const 0)))) (i32.load (i32.const 0))))`)
  t.notThrows(() => linker.module(store, 'command', command))
  t.is(linker.get(store, 'command', 'memory'), undefined)
  const user = linker.instantiate(
    store,
    compile('(module (import "command" "count" (func (result i32))) (export "count" (func 0)))'),
  )
  t.deepEqual([user.exports['count'](), user.exports['count']()], [1, 1])
  const withGlobal = compile('(module (global (export "g") i32 (i32.const 1)) (func (export "_start")))')
  t.throws(() => linker.module(store, 'other', withGlobal), { instanceOf: LinkError, message: /'g' is not a function/ })
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

test('an unknown import that is called is a TrapError', (t) => {
  const module = Module.compileSync(engine, '(module (import "a" "b" (func $f)) (func (export "run") (call $f)))')
  const linker = new Linker(engine).defineUnknownImportsAsTraps()
  const { run } = linker.instantiate(new Store(engine), module).exports
  const error = t.throws(() => run(), { instanceOf: wasmtime.TrapError, message: /a::b/ })
  t.is(error.trapCode, 'other')
})

for (const [what, imports] of Object.entries({
  'a function and a table': '(import "a" "b" (func)) (import "a" "b" (table 1 funcref))',
  'functions of two types': '(import "a" "b" (func)) (import "a" "b" (func (param i32)))',
  'memories of two sizes': '(import "a" "b" (memory 1)) (import "a" "b" (memory 2))',
  'globals of two kinds': '(import "a" "b" (global (mut i32))) (import "a" "b" (global i32))',
})) {
  test(`an unknown import that is imported as ${what} is a LinkError`, (t) => {
    const module = Module.compileSync(engine, `(module ${imports})`)
    for (const linker of [
      new Linker(engine).defineUnknownImportsAsTraps(),
      new Linker(engine).defineUnknownImportsAsDefaultValues(),
    ]) {
      t.throws(() => linker.instantiate(new Store(engine), module), { instanceOf: wasmtime.LinkError })
    }
  })
}
