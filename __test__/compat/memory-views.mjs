// Views of memories: the memory's own bytes, until it grows or ends. Where the runtime has no buffers over native memory, they
// are refused, and what the package hands over otherwise is copied.
import { assert, collect, pass, thrownBy, wasmtime } from './check.mjs'

const { Runtime } = wasmtime
const runtime = new Runtime()
const guest = runtime.instantiate(`(module (memory (export "memory") 1 9)
  (func (export "store") (param i32 i32) (i32.store8 (local.get 0) (local.get 1)))
  (func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0)))
  (func (export "grow") (drop (memory.grow (i32.const 1)))))`)
const { memory, exports } = guest
const allowed = process.env.NODE_WASMTIME_NO_EXTERNAL_BUFFERS === undefined

function useViews() {
  const view = memory.view()
  assert.equal(memory.view(), view)
  exports.store(16, 77)
  assert.equal(view[16], 77)
  view[17] = 78
  assert.equal(exports.load(17), 78)

  exports.grow()
  assert.equal(view.length, 0)
  assert.equal(view.buffer.byteLength, 0)
  const second = memory.view()
  assert.equal(second.length, 2 * 65536)
  assert.equal(second[17], 78)
  memory.grow(1)
  assert.equal(second.length, 0)

  // What has been moved to another buffer stays good, also when the instance has ended. (Node.js 20 has no way to move it.)
  const third = memory.view()
  const moved = third.buffer.transfer?.()
  assert.equal(third.length, moved === undefined ? 3 * 65536 : 0)
  const closed = thrownBy(() => {
    guest.close()
    exports.load(0)
  })
  assert.equal(closed.code, 'EXIT')
  assert.equal(third.length, 0)
  if (moved !== undefined) assert.equal(new Uint8Array(moved)[17], 78)

  for (let round = 0; round < 200; round++) {
    const other = runtime.instantiate('(module (memory (export "memory") 1 9))', { name: '' })
    other.memory.view()[0] = 1
    if (round % 2 === 0) other.close()
  }
}

function useCopies() {
  const error = thrownBy(() => memory.view())
  assert.ok(error instanceof wasmtime.ArgumentError)
  assert.match(error.message, /external buffers are not allowed.*read\(\)/)
  exports.store(16, 77)
  const copy = memory.read(0, memory.size)
  exports.store(16, 78)
  exports.grow()
  assert.equal(copy[16], 77)
  assert.equal(copy.length, 65536)
  guest.close()
  assert.equal(copy[16], 77)
}

// Large enough that it would be lent, and not copied.
const code = wasmtime.Module.compileSync(
  new wasmtime.Engine(),
  `(module (memory 1) (data (i32.const 0) "${'x'.repeat(20_000)}"))`,
)
const bytes = code.serialize()
assert.ok(bytes.length > 20_000)
code.close()

if (allowed) useViews()
else useCopies()
await collect()
assert.ok(bytes.includes('x'.repeat(20_000)))
runtime.close()
pass()
