// Calls that nest without an end, through wasm and JavaScript, are errors and no crash.
import { assert, pass, thrownBy, wasmtime } from './check.mjs'

const { Runtime } = wasmtime
const runtime = new Runtime()
let depth = 0
runtime
  .newHostModuleBuilder('host')
  .newFunctionBuilder()
  .withModuleFunc(
    (guest) => {
      depth += 1
      guest.exports.run()
    },
    [],
    [],
  )
  .export('call')
  .instantiate()
const guest = runtime.instantiate(`(module (import "host" "call" (func $call)) (func (export "run") (call $call))
  (func (export "fine") (result i32) (i32.const 7)))`)
for (let round = 0; round < 3; round++) {
  depth = 0
  const error = thrownBy(() => guest.exports.run())
  assert.ok(error instanceof RangeError || error.trapCode === 'stack-overflow', String(error))
  assert.ok(depth > 10)
  assert.equal(guest.exports.fine(), 7)
}
runtime.close()
pass()
