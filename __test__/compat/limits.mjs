// Limits refuse growth, and modules that begin beyond them.
import { assert, pass, thrownBy, wasmtime } from './check.mjs'

const { LimitError, Runtime } = wasmtime
const runtime = new Runtime({ limits: { memoryBytes: 2 * 65536, tableElements: 10 } })
const guest = runtime.instantiate(`(module (memory (export "memory") 1) (table (export "table") 8 externref)
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))`)
assert.equal(guest.exports.grow(1), 1)
assert.equal(guest.exports.grow(1), -1)
assert.equal(guest.exports.table.grow(3, null), undefined)
assert.deepEqual({ ...guest.usage }.memoryBytes, 2 * 65536)
const error = thrownBy(() => runtime.instantiate('(module (memory 3))', { name: '' }))
assert.ok(error instanceof LimitError)

const asked = []
const watched = new Runtime().instantiate('(module (memory (export "memory") 1))', {
  limits: {
    onGrow: ({ kind, current, desired }) => {
      asked.push([kind, current, desired])
      return desired <= 2 * 65536
    },
  },
})
assert.equal(watched.memory.grow(1), 1)
assert.equal(watched.memory.grow(1), undefined)
assert.deepEqual(asked.at(-1), ['memory', 2 * 65536, 3 * 65536])
assert.ok(thrownBy(() => new Runtime({ limits: { memorybytes: 1 } })) instanceof TypeError)
pass()
