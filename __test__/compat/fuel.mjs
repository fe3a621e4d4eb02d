// Fuel is counted, and a call that has none left ends.
import { assert, pass, thrownBy, wasmtime } from './check.mjs'

const { OutOfFuelError, Runtime } = wasmtime
const runtime = new Runtime({ fuel: true })
const source = `(module (func (export "forever") (loop $again (br $again)))
  (func (export "small") (result i32) (i32.add (i32.const 3) (i32.const 4))))`
const guest = runtime.instantiate(source, { name: '', fuel: 10_000n })
assert.equal(guest.fuel, 10_000n)
assert.equal(guest.exports.small(), 7)
const left = guest.fuel
assert.ok(left < 10_000n && left > 9_900n)
assert.ok(thrownBy(() => guest.exportedFunction('forever').callWith({ fuel: 500n })) instanceof OutOfFuelError)
assert.ok(guest.fuel > 9_000n)
assert.ok(thrownBy(() => guest.exports.forever()) instanceof OutOfFuelError)
const other = await runtime.instantiateAsync(source, { name: '', fuel: 10_000n })
await assert.rejects(other.exports.forever.async(), OutOfFuelError)
runtime.close()
pass()
