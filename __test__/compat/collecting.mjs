// What a program has lost is collected: instances, also with host functions that close over them, and references.
import { assert, collect, pass, wasmtime } from './check.mjs'

const { Runtime } = wasmtime
const runtime = new Runtime()
const compiled = runtime.compileModuleSync(`(module (import "host" "call" (func $call (param externref)))
  (table $kept 1 externref) (memory (export "memory") 1)
  (func (export "run") (param externref)
    (table.set $kept (i32.const 0) (local.get 0))
    (call $call (local.get 0))))`)
const weak = []

function lose() {
  const instances = []
  const { Engine, Linker, Module, Store } = wasmtime
  const engine = new Engine()
  const module = Module.compileSync(
    engine,
    '(module (import "host" "call" (func $call)) (func (export "run") (call $call)))',
  )
  for (let round = 0; round < 50; round++) {
    // Each of them is in a cycle: the store has the function, which has the instance, which has the store.
    const store = new Store(engine)
    const cycle = { instance: undefined }
    const linker = new Linker(engine).func('host', 'call', { params: [], results: [] }, () => cycle.instance)
    cycle.instance = linker.instantiate(store, module)
    cycle.instance.exports.run()
    instances.push(cycle.instance)
  }
  for (const instance of instances) weak.push(new WeakRef(instance))
}

runtime
  .newHostModuleBuilder('host')
  .newFunctionBuilder()
  .withFunc(() => {}, ['externref'], [])
  .export('call')
  .instantiate()
function loseReferences() {
  for (let round = 0; round < 50; round++) {
    const value = { round }
    const guest = runtime.instantiate(compiled, { name: '' })
    guest.exports.run(value)
    weak.push(new WeakRef(value), new WeakRef(guest))
  }
}
lose()
loseReferences()
for (let round = 0; round < 20 && weak.some((entry) => entry.deref() !== undefined); round++) await collect()
const alive = weak.filter((entry) => entry.deref() !== undefined).length
// Conservative collectors, and what is still on the stack, may keep a few.
assert.ok(alive <= weak.length / 10, `${alive} of ${weak.length} are alive`)
assert.ok(runtime.stats().stores <= 10, `${runtime.stats().stores} stores`)
runtime.close()
pass()
