// The three styles of host function, and the guest as an argument.
import { assert, pass, wasmtime } from './check.mjs'

const { Runtime, api } = wasmtime
const runtime = new Runtime()
const stacks = new Set()
runtime
  .newHostModuleBuilder('styles')
  .newFunctionBuilder()
  .withFunc((n, factor) => [n * factor, factor], ['i64', 'i64'], ['i64', 'i64'])
  .export('scale')
  .newFunctionBuilder()
  .withModuleFunc((guest, pointer) => guest.memory.readCString(pointer).length, ['i32'], ['i32'])
  .export('length')
  .newFunctionBuilder()
  .withStackFunc(
    (stack) => {
      stacks.add(stack)
      stack[0] = api.encodeF64(api.decodeF64(stack[0]) + api.decodeF64(stack[1]))
    },
    ['f64', 'f64'],
    ['f64'],
  )
  .export('sum')
  .newFunctionBuilder()
  .withModuleStackFunc((guest, stack) => void (stack[0] = BigInt(guest.memory.size)), [], ['i64'])
  .export('size')
  .instantiate()

const { exports } = runtime.instantiate(`(module
  (import "styles" "scale" (func $scale (param i64 i64) (result i64 i64)))
  (import "styles" "length" (func $length (param i32) (result i32)))
  (import "styles" "sum" (func $sum (param f64 f64) (result f64)))
  (import "styles" "size" (func $size (result i64)))
  (memory (export "memory") 1)
  (data (i32.const 8) "twelve bytes\\00")
  (func (export "scale") (param i64 i64) (result i64 i64) (call $scale (local.get 0) (local.get 1)))
  (func (export "length") (result i32) (call $length (i32.const 8)))
  (func (export "sum") (param f64 f64) (result f64) (call $sum (local.get 0) (local.get 1)))
  (func (export "size") (result i64) (call $size)))`)

assert.deepEqual(exports.scale(6n, -7n), [-42n, -7n])
assert.equal(exports.length(), 12)
for (let n = 0; n < 1000; n++) assert.equal(exports.sum(n, 0.5), n + 0.5)
assert.equal(stacks.size, 1)
assert.equal(exports.size(), 65536n)
runtime.close()
pass()
