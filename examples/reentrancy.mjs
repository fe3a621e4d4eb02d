// Host functions may call back into the guest that calls them, to any depth that the stack allows.

// In a project of your own: import { Runtime, TrapError } from 'node-wasmtime'
import { Runtime, TrapError } from '../index.mjs'

const guest = `
  (module
    (import "env" "factorial" (func $host (param i32) (result i64)))
    (import "env" "compare" (func $compare (param i32 i32) (result i32)))
    (import "env" "deeper" (func $deeper (param i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "alloc") (param i32) (result i32) (i32.const 4096))
    ;; n! is n * (n - 1)!, and for the second factor it asks the host, which asks the guest.
    (func (export "factorial") (param $n i32) (result i64)
      (if (result i64) (i32.le_s (local.get $n) (i32.const 1))
        (then (i64.const 1))
        (else (i64.mul
          (i64.extend_i32_s (local.get $n))
          (call $host (i32.sub (local.get $n) (i32.const 1)))))))
    (func (export "smaller") (param i32 i32) (result i32)
      (select (local.get 0) (local.get 1) (i32.lt_s (call $compare (local.get 0) (local.get 1)) (i32.const 0))))
    (func (export "fail") unreachable)
    (func (export "deeper") (param i32) (result i32) (call $deeper (i32.add (local.get 0) (i32.const 1)))))`

const runtime = new Runtime()
let depth = 0
let deepest = 0
const env = runtime
  .newHostModuleBuilder('env')
  .newFunctionBuilder()
  .withModuleFunc(
    (module, n) => {
      depth += 1
      deepest = Math.max(deepest, depth)
      try {
        return module.exports['factorial'](n)
      } finally {
        depth -= 1
      }
    },
    ['i32'],
    ['i64'],
  )
  .export('factorial')
env
  .newFunctionBuilder()
  // A trap inside the inner call is an exception here, so a host function can deal with it.
  .withModuleFunc(
    (module, a, b) => {
      try {
        module.exports['fail']()
      } catch (error) {
        if (!(error instanceof TrapError)) throw error
        console.log(`inner call: ${error.trapCode}, and the outer call goes on`)
      }
      return Math.sign(a - b)
    },
    ['i32', 'i32'],
    ['i32'],
  )
  .export('compare')
env
  .newFunctionBuilder()
  .withModuleFunc((module, n) => module.exports['deeper'](n), ['i32'], ['i32'])
  .export('deeper')
env.instantiate()

const { factorial, smaller, deeper } = runtime.instantiate(guest).exports
console.log(`20! = ${factorial(20)}, with ${deepest} host calls inside one another`)
console.log(`the smaller of 7 and 3 is ${smaller(7, 3)}`)

// Without an end, the ping-pong ends like any runaway recursion: the guest's stack runs out (a TrapError), or that of
// JavaScript does (a RangeError), whichever is first.
try {
  deeper(0)
} catch (error) {
  const isOverflow = error instanceof RangeError || (error instanceof TrapError && error.trapCode === 'stack-overflow')
  console.log(`without an end: ${isOverflow ? 'stack overflow' : error}`)
}
console.log(`and afterwards 5! = ${factorial(5)}`)
runtime.close()
