// Promises of docs/security.md that no other file tests.
import test from 'ava'

import { LimitError, LinkError, OutOfFuelError, Runtime, TrapError, WasmtimeError } from '../index.mjs'

test('memory, tables and globals of a new instance hold nothing of those before it', (t) => {
  const source = `(module
    (memory (export "memory") 4)
    (table (export "table") 100 externref)
    (global (export "global") (mut i64) (i64.const 0))
    (func (export "fill") (param externref)
      (memory.fill (i32.const 0) (i32.const 0xaa) (i32.const 262144))
      (global.set 0 (i64.const -1))
      (table.fill 0 (i32.const 0) (local.get 0) (i32.const 100))))`
  for (const pooling of [false, { totalCoreInstances: 1, totalMemories: 2, totalTables: 1 }]) {
    const runtime = new Runtime({ pooling })
    const compiled = runtime.compileModuleSync(source)
    for (let round = 0; round < 20; round++) {
      const guest = runtime.instantiate(compiled, { name: '' })
      t.true(guest.memory?.read(0, 262_144)?.every((byte) => byte === 0))
      t.is(guest.exportedGlobal('global')?.value, 0n)
      const table = guest.exportedTable('table')
      t.true(Array.from({ length: 100 }, (_, index) => table?.get(index)).every((value) => value === null))
      const { fill } = guest.exports
      fill({ secret: round })
      guest.close()
    }
    runtime.close()
  }
})

test('an instruction that works on much memory costs fuel for all of it', (t) => {
  const runtime = new Runtime({ fuel: true })
  const guest = runtime.instantiate(
    `(module (memory 16) (func (export "fill") (param i32)
      (memory.fill (i32.const 0) (i32.const 1) (local.get 0))))`,
    { name: '', fuel: 10_000_000n },
  )
  guest.exports['fill'](1_000_000)
  t.true(guest.fuel < 9_000_000n && guest.fuel > 8_000_000n, String(guest.fuel))
  t.throws(() => guest.exportedFunction('fill')?.callWith({ fuel: 1000n }, 1_000_000), { instanceOf: OutOfFuelError })
  runtime.close()
})

test('a guest has nothing but what it was given', (t) => {
  const runtime = new Runtime()
  runtime
    .newHostModuleBuilder('env')
    .newFunctionBuilder()
    .withFunc(() => {}, [], [])
    .export('given')
    .instantiate()
  for (const [module, name] of [
    ['env', 'other'],
    ['wasi_snapshot_preview1', 'fd_write'],
    ['env', 'constructor'],
    ['node:fs', 'readFileSync'],
    ['__proto__', 'given'],
  ]) {
    t.throws(() => runtime.instantiate(`(module (import "${module}" "${name}" (func)))`, { name: '' }), {
      instanceOf: LinkError,
    })
  }
  t.notThrows(() => runtime.instantiate('(module (import "env" "given" (func)))', { name: '' }))
  runtime.close()
})

test('with limits a hostile start cannot take what the machine has', (t) => {
  const limits = { memoryBytes: 2 ** 20, tableElements: 1000, memories: 1, tables: 1 }
  const runtime = new Runtime({ limits })
  const tooMuch = [
    '(memory 65536)',
    '(memory 1) (memory 1)',
    '(table 10000000 funcref)',
    '(table 1 funcref) (table 1 funcref)',
  ]
  for (const definition of tooMuch) {
    t.throws(() => runtime.instantiate(`(module ${definition})`, { name: '' }), { instanceOf: LimitError }, definition)
  }
  // Structs and arrays count as memory: nothing of the guest's is free.
  const hoard = runtime.instantiate(
    `(module
      (type $list (struct (field (ref null $list)) (field i64)))
      (func (export "hoard") (local $list (ref null $list))
        (loop (local.set $list (struct.new $list (local.get $list) (i64.const 1))) (br 0))))`,
    { name: '' },
  )
  t.throws(() => hoard.exports['hoard'](), { instanceOf: LimitError })
  t.true(hoard.usage.refused.length > 0)
  t.true(hoard.usage.memoryBytes <= 2 ** 20)
  hoard.close()
  t.is(runtime.stats().memoryBytes, 0)
  runtime.close()
})

test('what a guest writes into names does not reach a line of its own in a message', (t) => {
  const runtime = new Runtime()
  const name = 'run\\0afake log line\\1b[31m'
  const guest = runtime.instantiate(`(module $"m${name}" (func $"${name}" (export "f") unreachable))`, { name: '' })
  const error = t.throws(() => guest.exports['f'](), { instanceOf: TrapError })
  t.false(error?.message.includes('\nfake'))
  t.false(error?.message.includes('\u001b'))
  const missing = t.throws(() => runtime.instantiate(`(module (import "a" "${name}" (func)))`, { name: '' }), {
    instanceOf: WasmtimeError,
  })
  t.false(missing?.message.includes('\nfake'))
  t.false(missing?.message.includes('\u001b'))
  runtime.close()
})
