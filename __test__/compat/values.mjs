// Values of every type, in both directions, and what is refused.
import { assert, pass, thrownBy, wasmtime, withHost } from './check.mjs'

const { ArgumentError, Func, Runtime } = wasmtime
const examples = {
  i32: [0, -1, 2 ** 31 - 1, -(2 ** 31)],
  i64: [0n, -1n, 2n ** 63n - 1n, -(2n ** 63n)],
  f32: [0.5, -0, Infinity, NaN],
  f64: [Math.PI, -0, Number.MIN_VALUE, NaN],
  v128: [Uint8Array.from({ length: 16 }, (_, index) => 255 - index)],
  externref: [null, undefined, 'text', 12, 12n, Symbol.iterator, { an: 'object' }, () => {}, Object.create(null)],
}
for (const [type, values] of Object.entries(examples)) {
  const seen = []
  const runtime = withHost((value) => (seen.push(value), value), [type], [type])
  const { exports } = runtime.instantiate(`(module (import "host" "call" (func $call (param ${type}) (result ${type})))
    (func (export "pass") (param ${type}) (result ${type}) (call $call (local.get 0))))`)
  for (const value of values) {
    if (type === 'v128') assert.deepEqual(exports.pass(value), value)
    else assert.ok(Object.is(exports.pass(value), value), `${type}: ${typeof value}`)
  }
  assert.equal(seen.length, values.length)
  runtime.close()
}

const runtime = new Runtime()
const { exports } = runtime.instantiate(`(module
  (func $self (export "self") (result funcref) (ref.func $self))
  (elem declare func $self)
  (func (export "i32") (param i32) (result i32) (local.get 0))
  (func (export "none"))
  (func (export "three") (result i32 i64 f64) (i32.const 1) (i64.const 2) (f64.const 3)))`)
assert.equal(exports.i32(2 ** 32 + 5), 5)
assert.equal(exports.none(), undefined)
assert.deepEqual(exports.three(), [1, 2n, 3])
assert.ok(exports.self() instanceof Func)
for (const wrong of ['1', 1n, null, undefined, {}]) {
  assert.ok(thrownBy(() => exports.i32(wrong)) instanceof ArgumentError)
  assert.ok(thrownBy(() => exports.i32(wrong)) instanceof TypeError)
}
assert.ok(thrownBy(() => exports.i32()) instanceof TypeError)
assert.ok(thrownBy(() => exports.i32(1, 2)) instanceof TypeError)
runtime.close()
pass()
