// A program ends by itself although guests wait for promises that nothing can settle, and nothing was closed.
import { pass, sleep, withHost } from './check.mjs'

const runtime = withHost(() => new Promise(() => {}), [], [])
const guests = await Promise.all(
  [1, 2, 3].map(() =>
    runtime.instantiateAsync('(module (import "host" "call" (func $call)) (func (export "run") (call $call)))', {
      name: '',
    }),
  ),
)
for (const guest of guests) void guest.exports.run.async()
await sleep(5)
pass()
