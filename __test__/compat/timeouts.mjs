// Deadlines stop endless loops, in both modes; the instance can be used again.
import { assert, pass, thrownBy, wasmtime, withHost } from './check.mjs'

const { InterruptedError } = wasmtime
const runtime = withHost(() => new Promise(() => {}), [], [])
const source = `(module $looping (import "host" "call" (func $call))
  (func $forever (export "forever") (loop $again (br $again)))
  (func (export "wait") (call $call))
  (func (export "fine") (result i32) (i32.const 7)))`
const guest = runtime.instantiate(source, { name: '' })
for (let round = 0; round < 5; round++) {
  const error = thrownBy(() => guest.exportedFunction('forever').callWith({ timeoutMs: 20 }))
  assert.ok(error instanceof InterruptedError)
  assert.equal(error.frames[0].functionName, 'forever')
  assert.equal(guest.exports.fine(), 7)
}
const waiting = await runtime.instantiateAsync(source, { name: '' })
for (const name of ['forever', 'wait']) {
  await assert.rejects(waiting.exportedFunction(name).callAsyncWith({ timeoutMs: 30 }), InterruptedError)
  assert.equal(await waiting.exports.fine.async(), 7)
}
runtime.close()
pass()
