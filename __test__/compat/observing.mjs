// Listeners of calls, core dumps, profiles, numbers.
import { assert, pass, thrownBy, wasmtime } from './check.mjs'

const { Runtime } = wasmtime
const heard = []
const runtime = new Runtime({
  coredumpOnTrap: true,
  functionListenerFactory: {
    newFunctionListener: ({ debugName }) => ({
      before: ({ params }) => heard.push(['before', debugName, ...params]),
      after: (_, results) => heard.push(['after', debugName, ...results]),
      abort: () => heard.push(['abort', debugName]),
    }),
  },
})
const guest = runtime.instantiate(`(module $demo
  (func $double (export "double") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
  (func $boom (export "boom") unreachable)
  (func (export "spin") (param i32) (loop $again (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))`)
assert.equal(guest.exports.double(4), 8)
const error = thrownBy(() => guest.exports.boom())
assert.deepEqual(heard.slice(0, 2), [
  ['before', 'demo.double', 4],
  ['after', 'demo.double', 8],
])
assert.deepEqual(
  heard.slice(2).map(([what]) => what),
  ['before', 'abort'],
)
assert.deepEqual([...error.coredump.subarray(0, 4)], [0, 97, 115, 109])

const profiler = guest.startProfiling()
guest.exports.spin(50_000_000)
const profile = JSON.parse(new TextDecoder().decode(profiler.finish()))
assert.equal(typeof profile.meta, 'object')
assert.equal(runtime.stats().totals.traps, 1)
runtime.close()
pass()
