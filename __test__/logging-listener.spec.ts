import test, { type ExecutionContext } from 'ava'

import { Runtime, newHostLoggingListenerFactory, newLoggingListenerFactory } from '../index.mjs'

const GUEST = `(module $shop
  (import "env" "charge" (func $charge (param i32) (result i32)))
  (import "env" "all" (func $all (param i32 i64 f32 f64 v128 externref) (result i32 i64)))
  (memory (export "memory") 1)
  (func $pay (export "pay") (param $amount i32) (result i32) (call $charge (local.get $amount)))
  (func (export "nothing"))
  (func $everything (export "all") (param externref) (result i32 i64)
    (call $all (i32.const -1) (i64.const -2) (f32.const 1.5) (f64.const -0)
      (v128.const i64x2 1 2) (local.get 0))))`

function world(t: ExecutionContext, make: typeof newLoggingListenerFactory): { guest: any; lines: string[] } {
  const lines: string[] = []
  const runtime = new Runtime({ functionListenerFactory: make((line) => void lines.push(line)) })
  t.teardown(() => runtime.close())
  runtime
    .newHostModuleBuilder('env')
    .newFunctionBuilder()
    .withFunc(
      (amount) => {
        if (amount > 5) throw new Error('too much\nfor anyone')
        return 1
      },
      ['i32'],
      ['i32'],
    )
    .withParameterNames('amount')
    .withResultNames('ok')
    .export('charge')
    .newFunctionBuilder()
    .withFunc((): [number, bigint] => [3, 4n], ['i32', 'i64', 'f32', 'f64', 'v128', 'externref'], ['i32', 'i64'])
    .export('all')
    .instantiate()
  return { guest: runtime.instantiate(GUEST), lines }
}

test('calls are logged with names, values and indentation', (t) => {
  const { guest, lines } = world(t, newLoggingListenerFactory)
  guest.exports.pay(5)
  guest.exports.nothing()
  t.deepEqual(lines, [
    '--> shop.pay(amount=5)\n',
    '\t==> env.charge(amount=5)\n',
    '\t<== ok=1\n',
    '<-- 1\n',
    '--> shop.$3()\n',
    '<--\n',
  ])
})

test('all kinds of values are shown, none by code of its own', (t) => {
  const { guest, lines } = world(t, newLoggingListenerFactory)
  const value = {
    toString(): string {
      throw new Error('must not be called')
    },
  }
  guest.exports.all(value)
  t.deepEqual(lines, [
    '--> shop.everything(an object)\n',
    '\t==> env.all(-1,-2,1.5,-0,0x00000000000000020000000000000001,an object)\n',
    '\t<== (3,4)\n',
    '<-- (3,4)\n',
  ])
})

test('a failed call ends with its error, on one line', (t) => {
  const { guest, lines } = world(t, newLoggingListenerFactory)
  t.throws(() => guest.exports.pay(6))
  t.deepEqual(lines.slice(2), ['\t<== error: too much\n', '<-- error: too much\n'])
})

test('host functions can be logged alone', (t) => {
  const { guest, lines } = world(t, newHostLoggingListenerFactory)
  guest.exports.pay(5)
  t.deepEqual(lines, ['==> env.charge(amount=5)\n', '<== ok=1\n'])
})

test('names cannot forge lines', (t) => {
  const lines: string[] = []
  const factory = newLoggingListenerFactory((line) => void lines.push(line))
  const runtime = new Runtime({ functionListenerFactory: factory })
  t.teardown(() => runtime.close())
  const guest = runtime.instantiate('(module (func $"a\\nb" (export "f")))', { name: '' })
  guest.exports['f']()
  t.deepEqual(lines, ['--> .a\\u{a}b()\n', '<--\n'])
})

test('write must be a function', (t) => {
  t.throws(() => newLoggingListenerFactory('x' as never), {
    instanceOf: TypeError,
    message: /write must be a function/,
  })
  t.throws(() => newHostLoggingListenerFactory(undefined as never), { instanceOf: TypeError })
})
