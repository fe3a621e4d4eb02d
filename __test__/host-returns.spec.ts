import test from 'ava'

import wasmtime from '../index.js'
import type { ValueTypeName } from '../index.js'

import { oddValues, thenable, throwingProxy } from './support/odd-values.ts'
import { instantiate, thrownBy } from './support/wat.ts'

const { ArgumentError } = wasmtime

/** A guest with a host function of some results, which returns what `result` makes. */
function returning(results: readonly ValueTypeName[], result: () => unknown) {
  const list = results.length > 0 ? `(result ${results.join(' ')})` : ''
  return instantiate(
    `(module (import "env" "give" (func $give ${list})) (func (export "run") ${list} (call $give)) (func (export "fine") (result i32) (i32.const 5)))`,
    (linker) => linker.func('env', 'give', { params: [], results }, result),
  ).exports
}

const wrong: Partial<Record<ValueTypeName, readonly unknown[]>> = {
  i32: [undefined, null, '1', 1n, true, {}, [1], Symbol('s'), () => 1],
  i64: [undefined, null, '1', 1, true, {}, [1n], Symbol('s')],
  f32: [undefined, null, '1', 1n, {}],
  f64: [undefined, null, '1', 1n, {}],
  v128: [undefined, null, 1, new Uint8Array(15), Array.from({ length: 16 }, () => 0), new Int32Array(4)],
  funcref: [undefined, 1, {}, () => 1, Symbol('s')],
}

test('a result of the wrong type names the function, and what came instead', (t) => {
  for (const [type, values] of Object.entries(wrong)) {
    let value: unknown
    const exports = returning([type as ValueTypeName], () => value)
    for (value of values) {
      const error = t.throws(() => exports['run'](), { instanceOf: ArgumentError, code: 'INVALID_ARGUMENT' })
      t.regex(
        error?.message ?? '',
        new RegExp(`^host function env\\.give\\(\\) ${type}: expected .*${type}.*, got `),
        type,
      )
      t.is(exports['fine'](), 5)
    }
  }
})

test('several results must be an array of as many', (t) => {
  let value: unknown
  const exports = returning(['i32', 'i64'], () => value)
  for (value of [undefined, 1, null, 'ab', {}, { length: 2, 0: 1, 1: 2n }, new Set([1, 2n]), new Uint8Array(2)]) {
    t.throws(() => exports['run'](), {
      instanceOf: ArgumentError,
      message: /^host function env\.give.*an array of 2 results, got/,
    })
  }
  for (value of [[], [1], [1, 2n, 3], Object.assign([], { length: 2 ** 32 - 1 })]) {
    t.throws(() => exports['run'](), { instanceOf: ArgumentError, message: /an array of 2 results, got one of \d+$/ })
  }
  for (value of [[1, 2], ['1', 2n], Object.assign([], { length: 2 }), [1, undefined]]) {
    t.throws(() => exports['run'](), { instanceOf: ArgumentError, message: /expected result\[[01]\] to be/ })
  }
  value = [1, 2n]
  t.deepEqual(exports['run'](), [1, 2n])
})

test('reading an array of results may throw, and that reaches the caller', (t) => {
  const error = new Error('element')
  const getter = Object.defineProperty([1, 2n], 1, {
    get: () => {
      throw error
    },
  })
  t.is(thrownBy(() => returning(['i32', 'i64'], () => getter)['run']()), error) // prettier-ignore
  for (const proxy of [throwingProxy([1, 2n]), new Proxy([1, 2n], {})]) {
    const exports = returning(['i32', 'i64'], () => proxy)
    t.throws(() => exports['run'](), { instanceOf: ArgumentError, message: /an array of 2 results/ })
  }
})

test('an array that grows while it is read gives what was read', (t) => {
  const list: unknown[] = [1, 2n]
  Object.defineProperty(list, 0, { get: () => (list.push(9), 7) })
  t.deepEqual(returning(['i32', 'i64'], () => list)['run'](), [7, 2n])
})

test('a promise is refused wherever it could be lost', async (t) => {
  for (const results of [[], ['i32'], ['i64'], ['funcref'], ['i32', 'i32']] as ValueTypeName[][]) {
    const exports = returning(results, async () => 1)
    const error = t.throws(() => exports['run'](), { instanceOf: ArgumentError, message: /promise/ })
    t.regex(error?.message ?? '', /^host function env\.give/)
    t.is(exports['fine'](), 5)
  }
  // As an externref a promise is a value like any other.
  const promise = Promise.resolve(4)
  t.is(returning(['externref'], () => promise)['run'](), promise)
  t.is(await promise, 4)
})

test('a thenable is no number, and its then is not called', (t) => {
  const exports = returning(['i32'], () => thenable(() => t.fail('then was called')))
  t.throws(() => exports['run'](), { instanceOf: ArgumentError, message: /^host function env\.give/ })
})

test('a function without results may return anything but a promise or thenable', (t) => {
  for (const [label, make] of oddValues) {
    const exports = returning([], make)
    // What could be waited for would be lost.
    if (/promise|thenable/.test(label)) t.throws(() => exports['run'](), { message: /promise/ }, label)
    else t.is(exports['run'](), undefined, label)
  }
})

test('whatever a host function returns, the guest gets it or an Error comes of it', (t) => {
  for (const results of [
    ['i32'],
    ['i64'],
    ['f64'],
    ['v128'],
    ['externref'],
    ['funcref'],
    ['i32', 'externref'],
  ] as ValueTypeName[][]) {
    let value: unknown
    const exports = returning(results, () => value)
    for (const [label, make] of oddValues) {
      value = make()
      try {
        exports['run']()
      } catch (error) {
        t.true(error instanceof Error, `${results} ${label}`)
      }
      t.is(exports['fine'](), 5, label)
    }
  }
})

test('a function without a type checks the results that the import has', (t) => {
  const { exports } = instantiate(
    '(module (import "m" "f" (func $f (param i32) (result i64))) (func (export "run") (param i32) (result i64) (call $f (local.get 0))))',
    (linker) => linker.func('m', 'f', undefined, (value: number) => (value === 1 ? 1n : value)),
  )
  t.is(exports['run'](1), 1n)
  t.throws(() => exports['run'](2), {
    instanceOf: ArgumentError,
    message: /m\.f\(i32\) i64: .*a bigint \(i64\), got the number 2/,
  })
})

test('the error of a wrong result carries the wasm frames', (t) => {
  const exports = returning(['i32'], () => 'x')
  const frames = wasmtime.wasmFramesOf(thrownBy(() => exports['run']()))
  t.true(frames.some((frame) => !frame.host && frame.functionIndex === 1))
})

test('a class is no function that can be called', (t) => {
  const { exports } = instantiate('(module (import "m" "f" (func)) (export "run" (func 0)))', (linker) =>
    linker.func('m', 'f', undefined, class {} as never),
  )
  t.throws(() => exports['run'](), { instanceOf: TypeError, message: /constructor/ })
})
