import { wat2wasm } from '../index.mjs'

/** `add`, and a loop that calls `<module>.tick(accumulator, 1)`, a host function that adds. */
const tickGuest = (module) => `
  (module
    (import "${module}" "tick" (func $tick (param i32 i32) (result i32)))
    (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
    (func (export "loop") (param $count i32) (result i32)
      (local $sum i32)
      (block $done
        (loop $next
          (br_if $done (i32.eqz (local.get $count)))
          (local.set $sum (call $tick (local.get $sum) (i32.const 1)))
          (local.set $count (i32.sub (local.get $count) (i32.const 1)))
          (br $next)))
      (local.get $sum)))`

/** The text that host functions read. */
export const TEXT = 'a text of exactly 32 bytes long.'

/** A loop that calls `<module>.length(address, 32)`, a host function that reads the text and returns its length. */
const textGuest = (module) => `
  (module
    (import "${module}" "length" (func $length (param i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 1024) "${TEXT}")
    (func (export "loop") (param $count i32) (result i32)
      (local $sum i32)
      (block $done
        (loop $next
          (br_if $done (i32.eqz (local.get $count)))
          (local.set $sum (i32.add (local.get $sum) (call $length (i32.const 1024) (i32.const 32))))
          (local.set $count (i32.sub (local.get $count) (i32.const 1)))
          (br $next)))
      (local.get $sum)))`

const plain = '(func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))'

/** Calls `<module>.wait()`, whose promise it waits for, and returns what that gives. */
const waitGuest = (module) => `
  (module
    (import "${module}" "wait" (func $wait (result i32)))
    (func (export "run") (result i32) (call $wait)))`

/** `compute(count)` goes round a loop that no compiler can leave out, and returns what comes of it. */
const computeGuest = `
  (module
    (func (export "compute") (param $count i32) (result i32)
      (local $state i32)
      (block $done
        (loop $next
          (br_if $done (i32.eqz (local.get $count)))
          (local.set $state (i32.add (i32.mul (local.get $state) (i32.const 1664525)) (i32.const 1013904223)))
          (local.set $count (i32.sub (local.get $count) (i32.const 1)))
          (br $next)))
      (local.get $state)))`

/** Computes until somebody stops it. */
const endlessGuest = '(module (func (export "run") (loop $next (br $next))))'

/** Calls `<module>.tick(0, 1)` until somebody stops it. */
const endlessTickGuest = (module) => `
  (module
    (import "${module}" "tick" (func $tick (param i32 i32) (result i32)))
    (func (export "run") (loop $next (drop (call $tick (i32.const 0) (i32.const 1))) (br $next))))`

/** The guests as bytes, for both engines. Those that import take the name of the host module. */
export const guests = {
  tick: (module) => wat2wasm(tickGuest(module)),
  text: (module) => wat2wasm(textGuest(module)),
  wait: (module) => wat2wasm(waitGuest(module)),
  compute: () => wat2wasm(computeGuest),
  endless: () => wat2wasm(endlessGuest),
  endlessTick: (module) => wat2wasm(endlessTickGuest(module)),
  plain: () => wat2wasm(`(module ${plain})`),
  withMemory: () => wat2wasm(`(module ${plain} (memory (export "memory") 1))`),
  copy: () => wat2wasm('(module (memory (export "memory") 32))'),
}
