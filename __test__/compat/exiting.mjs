// process.exit() ends a program whose guests compute and wait.
import { pass, sleep, withHost } from './check.mjs'

const runtime = withHost(() => new Promise(() => {}), [], [])
const guests = await Promise.all(
  [1, 2, 3, 4].map(() =>
    runtime.instantiateAsync(
      `(module (import "host" "call" (func $call)) (func (export "run") (call $call))
        (func (export "forever") (loop $again (br $again))))`,
      { name: '' },
    ),
  ),
)
void guests[0].exports.run.async()
void guests[1].exports.forever.async()
void guests[2].exports.forever.async()
await sleep(20)
pass()
process.exit(0)
