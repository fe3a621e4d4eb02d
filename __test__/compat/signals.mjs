// An AbortSignal stops a call that computes, or that waits; its reason comes out.
import { assert, pass, sleep, withHost } from './check.mjs'

const runtime = withHost(() => new Promise(() => {}), [], [])
const guest = await runtime.instantiateAsync(`(module (import "host" "call" (func $call))
  (func (export "forever") (loop $again (br $again)))
  (func (export "wait") (call $call))
  (func (export "fine") (result i32) (i32.const 7)))`)
for (const name of ['forever', 'wait']) {
  const controller = new AbortController()
  const reason = new Error(`stop ${name}`)
  const call = guest.exportedFunction(name).callAsyncWith({ signal: controller.signal })
  const stopping = sleep(30).then(() => controller.abort(reason))
  await assert.rejects(call, (error) => error === reason)
  await stopping
  assert.equal(await guest.exports.fine.async(), 7)
}
await assert.rejects(guest.exportedFunction('fine').callAsyncWith({ signal: AbortSignal.abort() }), {
  name: 'AbortError',
})
// Neither a guest that waits nor such a signal keeps a program alive.
const timer = setTimeout(() => {}, 30_000)
await assert.rejects(guest.exportedFunction('wait').callAsyncWith({ signal: AbortSignal.timeout(20) }), {
  name: 'TimeoutError',
})
clearTimeout(timer)
runtime.close()
pass()
