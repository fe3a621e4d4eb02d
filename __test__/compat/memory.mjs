// Accessors of memories, which copy.
import { assert, pass, wasmtime } from './check.mjs'

const { Runtime } = wasmtime
const runtime = new Runtime()
const { memory, exports } = runtime.instantiate(
  '(module (memory (export "memory") 1 3) (func (export "grow") (result i32) (memory.grow (i32.const 1))))',
)
assert.equal(memory.writeString(0, 'grüße, 世界'), 15)
assert.equal(memory.readString(0, 15), 'grüße, 世界')
assert.equal(memory.readCString(0), 'grüße, 世界')
const accessors = {
  Int8: -1,
  Uint16Le: 65535,
  Int32Le: -5,
  Uint32Le: 4294967295,
  Int64Le: -5n,
  Uint64Le: 2n ** 64n - 1n,
  Float32Le: 1.5,
  Float64Le: Math.E,
}
for (const [kind, value] of Object.entries(accessors)) {
  assert.equal(memory[`write${kind}`](64, value), true)
  assert.equal(memory[`read${kind}`](64), value)
}
assert.equal(memory.write(100, Uint8Array.of(1, 2, 3)), true)
assert.equal(memory.write(103, new DataView(Uint8Array.of(4, 5).buffer)), true)
const copy = memory.read(100, 5)
assert.deepEqual(copy, Uint8Array.of(1, 2, 3, 4, 5))
copy[0] = 99
assert.equal(memory.readByte(100), 1)
const target = new Uint16Array(2)
assert.equal(memory.readInto(100, target), true)
assert.deepEqual([...target], [0x0201, 0x0403])
assert.equal(memory.readByte(65536), undefined)
assert.equal(memory.writeByte(65536, 1), false)
assert.equal(exports.grow(), 1)
assert.equal(memory.grow(1), 2)
assert.equal(memory.grow(1), undefined)
assert.equal(memory.size, 3 * 65536)
assert.equal(memory.read(0, memory.size).length, memory.size)
runtime.close()
pass()
