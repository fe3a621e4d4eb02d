import test from 'ava'

import { ArgumentError, CompileError, LimitError, Runtime, wasm2wat, wat2wasm } from '../index.mjs'
import * as guests from './support/wasi-guests.ts'

const wat = `(module $named
  (func $add (export "add") (param $left i32) (param $right i32) (result i32)
    (i32.add (local.get $left) (local.get $right)))
  (memory 1)
  (data (i32.const 0) "bytes\\00\\ff"))`

test('a module is printed as text that means the same module', (t) => {
  for (const text of [wat, guests.hello, guests.reactor, '(module)']) {
    const bytes = wat2wasm(text)
    for (const options of [{}, { offsets: true }, { fold: true }]) {
      t.deepEqual(wat2wasm(wasm2wat(bytes, options)), bytes)
    }
  }
  t.is(new Runtime().instantiate(wasm2wat(wat2wasm(wat)), { name: '' }).exports['add'](1, 2), 3)
})

test('options say how', (t) => {
  const bytes = wat2wasm(wat)
  t.regex(wasm2wat(bytes), /^\(module \$named\n[^]*\n {4}local\.get \$left\n {4}local\.get \$right\n {4}i32\.add\n/)
  t.regex(wasm2wat(bytes, { fold: true }), /\(i32\.add\n +\(local\.get \$left\)\n +\(local\.get \$right\)\)/)
  t.notRegex(wasm2wat(bytes, { skeleton: true }), /local\.get|bytes/)
  t.regex(wasm2wat(bytes, { offsets: true }), /\(;@[\da-f]+ *;\)/)
})

test('any buffer will do, and nothing else', (t) => {
  const bytes = wat2wasm(wat)
  const text = wasm2wat(bytes)
  const larger = new Uint8Array(bytes.length + 8)
  larger.set(bytes, 5)
  t.is(wasm2wat(larger.subarray(5, 5 + bytes.length)), text)
  t.is(wasm2wat(new Uint8Array(bytes).buffer), text)
  t.is(wasm2wat(new DataView(larger.buffer, 5, bytes.length)), text)
  t.throws(() => wasm2wat(wat as never), { instanceOf: ArgumentError, message: /wat2wasm\(\) translates text/ })
  for (const odd of [undefined, null, 7, {}, []]) t.throws(() => wasm2wat(odd as never), { instanceOf: TypeError })
  for (const options of [7, { folded: true }, { fold: 1 }, { maxLength: -1 }, { maxLength: 2 ** 29 }]) {
    t.throws(() => wasm2wat(bytes, options as never), { instanceOf: ArgumentError })
  }
})

test('what cannot be read is a CompileError', (t) => {
  const bytes = wat2wasm(wat)
  for (const broken of [
    new Uint8Array(),
    new Uint8Array(100),
    bytes.subarray(0, 7),
    bytes.subarray(0, 30),
    Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0),
  ]) {
    t.throws(() => wasm2wat(broken), { instanceOf: CompileError })
  }
  for (let length = 8; length < bytes.length; length++) {
    try {
      t.is(typeof wasm2wat(bytes.subarray(0, length)), 'string')
    } catch (error) {
      t.true(error instanceof CompileError, String(error))
    }
  }
})

test('any changed byte gives text or a CompileError', (t) => {
  const bytes = wat2wasm(guests.hello)
  for (let place = 8; place < bytes.length; place++) {
    for (const flip of [0x01, 0x55, 0x80, 0xff]) {
      const changed = new Uint8Array(bytes)
      changed[place] = (changed[place] ?? 0) ^ flip
      for (const fold of [false, true]) {
        try {
          t.is(typeof wasm2wat(changed, { fold, maxLength: 2 ** 24 }), 'string')
        } catch (error) {
          if (!(error instanceof CompileError || error instanceof LimitError)) throw error
        }
      }
    }
  }
})

test('a short module whose text is long ends at the limit', (t) => {
  // A name of 100 KB that is printed at each of 10,000 calls.
  const calls = '(call $f)'.repeat(10_000)
  const short = wat2wasm(`(module (func $f) (func ${calls}))`)
  t.true(wasm2wat(short).length < 1_000_000)
  const bytes = wat2wasm(`(module (func $${'f'.repeat(100_000)}) (func ${'(call 0)'.repeat(10_000)}))`)
  t.true(bytes.length < 200_000)
  t.throws(() => wasm2wat(bytes), { instanceOf: LimitError, message: /longer than 536870888 bytes/ })
  t.throws(() => wasm2wat(bytes, { maxLength: 1000 }), { instanceOf: LimitError, message: /longer than 1000 bytes/ })
})

test('deep nesting ends neither the stack nor the memory', (t) => {
  const depth = 20_000
  const body = `${'block '.repeat(depth)} ${'end '.repeat(depth)}`
  const bytes = wat2wasm(`(module (func ${body}))`)
  t.true(wasm2wat(bytes).length < 10_000_000)
  try {
    t.is(typeof wasm2wat(bytes, { fold: true, maxLength: 2 ** 27 }), 'string')
  } catch (error) {
    if (!(error instanceof CompileError || error instanceof LimitError)) throw error
  }
})
