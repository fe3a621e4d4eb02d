// Guests that compute in async mode do so on other threads: the event loop goes on, several compute at once.
import { assert, pass, wasmtime } from './check.mjs'

const { Runtime } = wasmtime
const runtime = new Runtime({ poolThreads: 2 })
const compiled = runtime.compileModuleSync(`(module (func (export "spin") (param $n i64) (result i64) (local $sum i64)
  (loop $again
    (local.set $sum (i64.add (local.get $sum) (local.get $n)))
    (br_if $again (i64.ne (local.tee $n (i64.sub (local.get $n) (i64.const 1))) (i64.const 0))))
  (local.get $sum)))`)
const guests = await Promise.all([1, 2, 3, 4].map(() => runtime.instantiateAsync(compiled, { name: '' })))
let ticks = 0
const timer = setInterval(() => (ticks += 1), 1)
const rounds = 100_000_000n
const sums = await Promise.all(guests.map((guest) => guest.exports.spin.async(rounds)))
clearInterval(timer)
for (const sum of sums) assert.equal(sum, (rounds * (rounds + 1n)) / 2n)
assert.ok(ticks > 3, `${ticks} ticks`)
runtime.close()
pass()
