// What host functions throw comes out as the same value; traps have a code and frames.
import { assert, pass, thrownBy, wasmtime, withHost } from './check.mjs'

const { Runtime, TrapError, renderTrace, wasmFramesOf } = wasmtime
const state = { thrown: undefined }
const runtime = withHost(
  () => {
    throw state.thrown
  },
  [],
  [],
)
const { exports } = runtime.instantiate(`(module $thrower (import "host" "call" (func $call))
  (func $run (export "run") (call $call)))`)
for (const value of [
  new Error('mine'),
  new TypeError('typed'),
  { plain: 1 },
  'text',
  12,
  null,
  undefined,
  Object.freeze(new Error('frozen')),
]) {
  state.thrown = value
  let thrown = assert
  try {
    exports.run()
  } catch (error) {
    thrown = error
  }
  assert.ok(Object.is(thrown, value), String(value))
}
state.thrown = new Error('with frames')
thrownBy(() => exports.run())
assert.ok(wasmFramesOf(state.thrown).some(({ functionName }) => functionName === 'run'))
runtime.close()

const trapping = new Runtime()
const guest = trapping.instantiate(`(module $demo (memory 1)
  (func $boom (export "boom") unreachable)
  (func $divide (export "divide") (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1)))
  (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
  (func $deep (export "deep") (call $deep)))`)
const traps = {
  unreachable: () => guest.exports.boom(),
  'integer-division-by-zero': () => guest.exports.divide(1, 0),
  'integer-overflow': () => guest.exports.divide(-(2 ** 31), -1),
  'memory-out-of-bounds': () => guest.exports.load(-4),
  'stack-overflow': () => guest.exports.deep(),
}
for (let round = 0; round < 20; round++) {
  for (const [code, run] of Object.entries(traps)) {
    const error = thrownBy(run)
    assert.ok(error instanceof TrapError, code)
    assert.equal(error.trapCode, code)
    assert.equal(error.frames[0].moduleName, 'demo')
    assert.match(renderTrace(error.frames), /wasm stack trace/)
  }
}
assert.equal(guest.exports.divide(8, 2), 4)
trapping.close()
pass()
