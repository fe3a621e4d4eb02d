// Exceptions of wasm, thrown and caught on both sides.
import { assert, pass, thrownBy, wasmtime } from './check.mjs'

const { Engine, Linker, Module, Store, Tag, WasmException } = wasmtime
const store = new Store(new Engine())
const failed = new Tag(store, { params: ['i32'] })
const linker = new Linker(store.engine)
  .define('host', 'failed', failed)
  .func('host', 'read', { params: [], results: [] }, () => {
    throw new WasmException(failed, [5])
  })
const module = Module.compileSync(
  store.engine,
  `(module (import "host" "failed" (tag $failed (param i32))) (import "host" "read" (func $read))
    (func (export "catching") (result i32)
      (block $caught (result i32) (try_table (catch $failed $caught) (call $read)) (i32.const -1)))
    (func (export "throw") (param i32) (throw $failed (local.get 0))))`,
)
const { exports } = linker.instantiate(store, module)
assert.equal(exports.catching(), 5)
const error = thrownBy(() => exports.throw(9))
assert.ok(error instanceof WasmException && error instanceof Error)
assert.ok(error.is(failed))
assert.deepEqual(error.payload, [9])
store.close()
pass()
