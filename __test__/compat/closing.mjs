// What is closed ends, also from within a call; what is used afterwards throws.
import { assert, pass, sleep, thrownBy, wasmtime, withHost } from './check.mjs'

const { ClosedError, ExitError, Runtime } = wasmtime
const SOURCE = `(module (import "host" "call" (func $call)) (memory (export "memory") 1)
  (func (export "run") (call $call)) (func (export "fine") (result i32) (i32.const 7)))`
const state = { guest: undefined }
const runtime = withHost(() => state.guest?.close(3), [], [])
state.guest = runtime.instantiate(SOURCE, { name: '' })
const { memory, exports } = state.guest
assert.equal(thrownBy(() => exports.run()).exitCode, 3)
assert.ok(thrownBy(() => exports.fine()) instanceof ExitError)
assert.ok(thrownBy(() => memory.readByte(0)) instanceof ExitError)
assert.equal(runtime.stats().stores, 0)

const { guest } = { guest: runtime.instantiate(SOURCE, { name: '' }) }
guest[Symbol.dispose ?? Symbol.for('Symbol.dispose')]?.()
state.guest = undefined
for (let round = 0; round < 5000; round++) {
  const each = runtime.instantiate(SOURCE, { name: '' })
  assert.equal(each.exports.fine(), 7)
  each.close()
}

const waiting = withHost(() => new Promise(() => {}), [], [])
const other = await waiting.instantiateAsync(SOURCE, { name: '' })
const call = other.exports.run.async()
await sleep(5)
other.close(4)
await assert.rejects(call, { code: 'EXIT', exitCode: 4 })
waiting.close()
runtime.close()
assert.ok(thrownBy(() => runtime.instantiate('(module)')) instanceof ClosedError)
assert.ok(thrownBy(() => new Runtime().close() ?? guest.exports.fine()) instanceof ExitError)
pass()
