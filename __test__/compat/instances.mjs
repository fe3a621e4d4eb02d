// Exports, instances that import from each other, globals, tables, and errors of linking.
import { assert, pass, thrownBy, wasmtime } from './check.mjs'

const { LinkError, Runtime } = wasmtime
const runtime = new Runtime()
const counter = runtime.instantiate(`(module $counter
  (global $n (export "n") (mut i64) (i64.const 5))
  (table (export "table") 2 8 externref)
  (func (export "next") (result i64)
    (global.set $n (i64.add (global.get $n) (i64.const 1)))
    (global.get $n)))`)
const user = runtime.instantiate(`(module $user
  (import "counter" "next" (func $next (result i64)))
  (func (export "twice") (result i64) (drop (call $next)) (call $next)))`)

assert.deepEqual(Object.keys(counter.exports).toSorted(), ['n', 'next', 'table'])
assert.equal(user.exports.twice(), 7n)
assert.equal(counter.exports.n.value, 7n)
counter.exports.n.value = 100n
assert.equal(counter.exports.next(), 101n)

const { table } = counter.exports
const value = { any: 'value' }
table.set(0, value)
assert.equal(table.get(0), value)
assert.equal(table.grow(2, null), 2)
assert.equal(table.length, 4)

const error = thrownBy(() => runtime.instantiate('(module (import "no" "f" (func)) (import "counter" "next" (func)))'))
assert.ok(error instanceof LinkError)
assert.deepEqual(
  error.problems.map(({ reason }) => reason),
  ['missing', 'mismatch'],
)
runtime.close()
pass()
