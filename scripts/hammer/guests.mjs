import { setTimeout as sleep } from 'node:timers/promises'

/** Imports "hammer", whose functions do anything; see `hostModule`. Its answers are known, so they can be checked. */
const main = `(module
  (import "hammer" "step" (func $step (param i32) (result i32)))
  (import "hammer" "stack" (func $stack (param i64 f64) (result i64)))
  (import "hammer" "ref" (func $ref (param externref) (result externref)))
  (import "hammer" "many" (func $many (param i32 i64) (result i64 i32)))
  (import "hammer" "note" (func $note (param i32)))
  (memory (export "memory") 1 6)
  (global (export "i32") (mut i32) (i32.const 0)) (global (export "i64") (mut i64) (i64.const 0))
  (global (export "ref") (mut externref) (ref.null extern)) (global (export "fixed") f64 (f64.const 0.5))
  (table (export "refs") 2 12 externref) (table $funcs (export "funcs") 4 12 funcref)
  (elem (table $funcs) (i32.const 1) func $add $trap)
  (func $add (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "swap") (param i32 i64) (result i64 i32) (call $many (local.get 0) (local.get 1)))
  (func (export "run") (param $n i32) (result i32) (local $i i32)
    (loop $l
      (call $note (local.get $n))
      (local.set $i (i32.add (local.get $i) (call $step (local.get $n))))
      (br_if $l (i32.gt_s (local.tee $n (i32.sub (local.get $n) (i32.const 1))) (i32.const 0))))
    (local.get $i))
  (func (export "compute") (param $n i32) (result i32)
    (loop $l (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))) (local.get $n))
  (func (export "stack") (param i64 f64) (result i64) (call $stack (local.get 0) (local.get 1)))
  (func (export "echo") (param externref) (result externref) (call $ref (local.get 0)))
  (func (export "indirect") (param i32) (result i32)
    (call_indirect $funcs (param i32 i32) (result i32) (i32.const 3) (i32.const 4) (local.get 0)))
  (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
  (func (export "store") (param i32 i32) (i32.store (local.get 0) (local.get 1)))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func $trap (export "trap") unreachable)
  (func $deep (export "deep") (param i32) (result i32)
    (i32.add (call $deep (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))
  (func (export "spin") (loop $l (br $l))))`

/** Does something as soon as it is made. */
const starter = `(module
  (import "hammer" "step" (func $step (param i32) (result i32)))
  (memory (export "memory") 1 2)
  (func $start (drop (call $step (i32.const 1)))) (start $start)
  (func (export "_start") (drop (call $step (i32.const 2)))))`

/** Ends by a trap while it is made. */
const failing = '(module (memory 1) (func $start (i32.store (i32.const 70000) (i32.const 1))) (start $start))'

/** Imports from an instance that is named `lib`. */
const user = `(module
  (import "lib" "add" (func $add (param i32 i32) (result i32))) (import "lib" "memory" (memory 1 6))
  (import "lib" "funcs" (table 1 12 funcref))
  (func (export "add") (param i32 i32) (result i32) (call $add (local.get 0) (local.get 1)))
  (func (export "poke") (param i32) (i32.store (local.get 0) (i32.const -1))))`

export const guests = { main, starter, failing, user }

/** The host module "hammer", with functions of all styles; each does something to the world before it answers. */
export function hostModule(world) {
  const { runtime, random } = world
  return runtime.newHostModuleBuilder('hammer')
    .newFunctionBuilder().withModuleFunc((guest, n) => answer(world, guest, n), ['i32'], ['i32']).export('step')
    .newFunctionBuilder().withModuleStackFunc((guest, stack) => {
      const given = stack[0]
      return answer(world, guest, given, () => {
        stack[0] = given
        return undefined
      })
    }, ['i64', 'f64'], ['i64']).export('stack')
    .newFunctionBuilder().withModuleFunc((guest, value) => answer(world, guest, value), ['externref'], ['externref']).export('ref')
    .newFunctionBuilder().withFunc((a, b) => answer(world, undefined, a, () => [b, a])).export('many')
    .newFunctionBuilder().withFunc(() => void random.uint32(), ['i32'], []).withNotify(random.oneIn(2)).export('note')
    .instantiate() // prettier-ignore
}

// By a function, for the linter warns of objects that look like promises.
const THEN = String('then')

/** An object that `await` takes for a promise. */
const thenable = (then) => Object.defineProperty({}, THEN, { value: then })

/** What a host function does: something to the world, then its answer in one of the ways in which there are answers. */
function answer(world, guest, value, finish = () => value) {
  const { random } = world
  if (!world.ended && world.depth < 3 && random.oneIn(3)) {
    world.depth += 1
    try {
      world.inside(guest)
    } finally {
      world.depth -= 1
    }
  }
  const asynchronous = guest === undefined ? random.oneIn(6) : guest.mode === 'async'
  if (random.oneIn(40)) throw world.purpose()
  if (!asynchronous || random.oneIn(2)) return finish()
  switch (random.below(guest === undefined ? 3 : 7)) {
    case 0:
      return Promise.resolve().then(finish)
    case 1:
      return sleep(random.below(4)).then(finish)
    case 2:
      return Promise.reject(world.purpose())
    case 3:
      return thenable((resolve) => setImmediate(() => resolve(finish())))
    case 4:
      // Settles twice, and throws after that.
      return thenable((resolve, reject) => {
        resolve(finish())
        reject(world.purpose())
        throw world.purpose()
      })
    case 5:
      // Never: only a stop or a close ends such a call, or the collector, which rejects nothing: so the guest is kept.
      if (!random.oneIn(3) || world.ended) return finish()
      world.put.push(guest)
      return new Promise(() => {})
    case 6:
      return Object.defineProperty({}, THEN, {
        get() {
          throw world.purpose()
        },
      })
    default:
      return new Promise((resolve) => setImmediate(resolve)).then(finish)
  }
}
