import test from 'ava'

import wasmtime from '../index.js'
import type { TrapCode } from '../index.js'

import { instantiate, thrownBy } from './support/wat.ts'

const { TrapError } = wasmtime

/** A body that traps, and how; every module has a memory, a table and some types. */
const traps: readonly (readonly [code: TrapCode, body: string])[] = [
  ['unreachable', 'unreachable'],
  ['stack-overflow', '(call $f)'],
  ['memory-out-of-bounds', '(drop (i32.load (i32.const 65536)))'],
  ['memory-out-of-bounds', '(drop (i64.load (i32.const 65529)))'],
  ['memory-out-of-bounds', '(i32.store8 (i32.const -1) (i32.const 1))'],
  ['memory-out-of-bounds', '(memory.fill (i32.const 65536) (i32.const 0) (i32.const 1))'],
  ['memory-out-of-bounds', '(memory.copy (i32.const 0) (i32.const 65530) (i32.const 10))'],
  ['memory-out-of-bounds', '(memory.init $d (i32.const 0) (i32.const 0) (i32.const 100))'],
  ['heap-misaligned', '(drop (i32.atomic.load (i32.const 1)))'],
  ['table-out-of-bounds', '(drop (table.get $t (i32.const 5)))'],
  ['table-out-of-bounds', '(table.set $t (i32.const -1) (ref.null func))'],
  ['table-out-of-bounds', '(call_indirect $t (i32.const 5))'],
  ['table-out-of-bounds', '(table.fill $t (i32.const 4) (ref.null func) (i32.const 3))'],
  ['indirect-call-to-null', '(call_indirect $t (i32.const 1))'],
  ['bad-signature', '(call_indirect $t (param i32) (i32.const 1) (i32.const 0))'],
  ['integer-overflow', '(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))'],
  ['integer-overflow', '(drop (i32.trunc_f64_s (f64.const 1e10)))'],
  ['integer-division-by-zero', '(drop (i32.div_u (i32.const 1) (i32.const 0)))'],
  ['integer-division-by-zero', '(drop (i64.rem_s (i64.const 1) (i64.const 0)))'],
  ['bad-conversion-to-integer', '(drop (i32.trunc_f32_s (f32.const nan)))'],
  ['atomic-wait-non-shared-memory', '(drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const 0)))'],
  ['null-reference', '(drop (ref.as_non_null (ref.null func)))'],
  ['null-reference', '(drop (struct.get $s 0 (ref.null $s)))'],
  ['null-reference', '(call_ref $v (ref.null $v))'],
  ['array-out-of-bounds', '(drop (array.get $a (array.new_default $a (i32.const 2)) (i32.const 2)))'],
  ['allocation-too-large', '(drop (array.new_default $a (i32.const -1)))'],
  ['cast-failure', '(drop (ref.cast (ref $s) (array.new_default $a (i32.const 1))))'],
]

const guest = (body: string) =>
  instantiate(`(module $traps
    (type $s (struct (field i32))) (type $a (array (mut i32))) (type $v (func))
    (memory 1) (table $t 5 funcref) (elem $t (i32.const 0) func $f) (data $d "abc")
    (func $f (export "f") ${body})
    (func $outer (export "outer") (call $f))
    (func (export "fine") (result i32) (i32.const 9)))`)

test('every trap is a TrapError with its code, and the guest works afterwards', (t) => {
  for (const [code, body] of traps) {
    const { exports } = guest(body)
    for (let round = 0; round < 2; round++) {
      const error = thrownBy(() => exports['f']()) as InstanceType<typeof TrapError>
      t.true(error instanceof TrapError, `${body}: ${String(error)}`)
      t.is(error.trapCode, code, body)
      t.is(error.code, 'TRAP')
      t.is(error.name, 'TrapError')
      t.regex(
        error.message,
        /^wasm error: .+\nwasm stack trace:\n(\ttraps\.f\(\)\n)?\ttraps\.f\(\) \(at 0x[0-9a-f]+\)/,
        body,
      )
      t.is(exports['fine'](), 9, body)
    }
  }
})

test('the codes that a plain module can raise are all here', (t) => {
  const raised = new Set(traps.map(([code]) => code))
  // These need a deadline, fuel or the stack-switching proposal.
  const others = ['interrupt', 'out-of-fuel', 'unhandled-tag', 'continuation-already-consumed', 'other']
  t.deepEqual([...raised, ...others].sort(), [...wasmtime.trapCodes].sort())
})

test('the frames of a trap have names, indexes, types and offsets', (t) => {
  const { exports, module } = guest('unreachable')
  const error = thrownBy(() => exports['outer']()) as InstanceType<typeof TrapError>
  t.deepEqual(
    error.frames.map(({ moduleName, functionName, functionIndex, signature, host }) => ({
      moduleName,
      functionName,
      functionIndex,
      signature,
      host,
    })),
    [
      { moduleName: 'traps', functionName: 'f', functionIndex: 0, signature: '()', host: false },
      { moduleName: 'traps', functionName: 'outer', functionIndex: 1, signature: '()', host: false },
    ],
  )
  t.true(module.name === 'traps' && error.frames.every((frame) => Number.isInteger(frame.moduleOffset)))
  t.true(error.frames[0]!.moduleOffset! < error.frames[1]!.moduleOffset!)
  t.deepEqual(wasmtime.wasmFramesOf(error), error.frames)
})

test('functions and modules without a name are shown by their index', (t) => {
  const { exports } = instantiate('(module (func) (func (export "run") (param i32 i64) (result f64) unreachable))')
  const error = thrownBy(() => exports['run'](1, 2n)) as Error
  t.regex(error.message, /\n\t\.\$1\(i32,i64\) f64 \(at 0x[0-9a-f]+\)$/)
})

test('a very deep stack is cut in the message', (t) => {
  const { exports } = instantiate(
    '(module (func $f (export "f") (param i32) (if (local.get 0) (then (call $f (i32.sub (local.get 0) (i32.const 1)))) (else unreachable))))',
  )
  const error = thrownBy(() => exports['f'](1000)) as InstanceType<typeof TrapError>
  t.is(error.trapCode, 'unreachable')
  const lines = error.message.split('\n')
  t.is(lines.at(-1), '\t... maybe followed by omitted frames')
  t.is(lines.length, 33)
})

test("an exception that the guest catches is none of the host's business", (t) => {
  const { exports } =
    instantiate(`(module (tag $t (param i32)) (func $f (export "f") (param i32) (throw $t (local.get 0)))
    (func (export "caught") (param i32) (result i32) (block $h (result i32) (try_table (catch $t $h) (call $f (local.get 0))) (i32.const 0))))`)
  for (let round = 0; round < 3; round++) {
    t.is(exports['caught'](round), round)
    t.true(thrownBy(() => exports['f'](round)) instanceof wasmtime.WasmException)
  }
})
