// Two modules, one of which imports from the other: by the names of a Runtime, and with a Linker.

// In a project of your own: import { ... } from 'node-wasmtime'
import { Engine, LinkError, Linker, Module, Runtime, Store } from '../index.mjs'

// The module calls itself "counter"; that is the name which others import it by.
const counter = `
  (module $counter
    (global $count (mut i32) (i32.const 0))
    (memory (export "memory") 1)
    (func (export "next") (result i32)
      (global.set $count (i32.add (global.get $count) (i32.const 1)))
      (i32.store (i32.const 0) (global.get $count))
      (global.get $count)))`

const user = `
  (module
    (import "counter" "next" (func $next (result i32)))
    (import "counter" "memory" (memory 1))
    (func (export "twice") (result i32) (drop (call $next)) (call $next))
    (func (export "peek") (result i32) (i32.load (i32.const 0))))`

// 1. A Runtime knows its named instances, and links every module to them.
const runtime = new Runtime()
try {
  runtime.instantiate(user)
} catch (error) {
  if (error instanceof LinkError) console.log(`too early: ${error.message.split('\n').join('; ')}`)
}
const shared = runtime.instantiate(counter)
const first = runtime.instantiate(user)
const second = runtime.instantiate(user)
console.log(`Runtime: ${first.exports['twice']()}, then ${second.exports['twice']()}: both count in "${shared.name}"`)
console.log(`Runtime: the shared memory says ${first.exports['peek']()} to both`)

// Another instance of the same module under another name has nothing to do with it.
const other = runtime.instantiate(counter, { name: 'other' })
console.log(`Runtime: "${other.name}" begins with ${other.exports['next']()}`)
runtime.close()

// 2. A Linker holds definitions; a Store is where instances live.
const engine = new Engine()
const linker = new Linker(engine)
const store = new Store(engine)
const source = linker.instantiate(store, Module.compileSync(engine, counter))
linker.instance('counter', source)
const linked = linker.instantiate(store, Module.compileSync(engine, user))
console.log(`Linker: ${linked.exports['twice']()}, and from JavaScript ${source.exports['next']()}`)

// A definition can also be a JavaScript function; it can be linked into any number of stores.
const fake = new Linker(engine).func('counter', 'next', { params: [], results: ['i32'] }, () => 42)
const needsOnlyNext = Module.compileSync(
  engine,
  '(module (import "counter" "next" (func $next (result i32))) (export "next" (func $next)))',
)
for (const name of ['one store', 'another store']) {
  const place = new Store(engine)
  console.log(`Linker: in ${name} the host counts: ${fake.instantiate(place, needsOnlyNext).exports['next']()}`)
  place.close()
}
store.close()
