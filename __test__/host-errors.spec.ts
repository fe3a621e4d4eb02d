import test from 'ava'

import wasmtime from '../index.js'
import type { WasmFrame } from '../index.js'

import { throwingProxy } from './support/odd-values.ts'
import { instantiate, thrownBy } from './support/wat.ts'

const { TrapError, wasmFramesOf } = wasmtime

class OwnError extends Error {
  readonly detail = { some: 'detail' }
}

/** A guest whose `run` calls a host function as deep as it is told, the innermost of which does as `act` says. */
function layers(act: () => unknown) {
  const calls = { host: 0 }
  const made = instantiate(
    `(module $layers
      (import "env" "next" (func $next (param i32)))
      (import "env" "act" (func $act))
      (func $inner (param $depth i32) (if (local.get $depth) (then (call $next (i32.sub (local.get $depth) (i32.const 1)))) (else (call $act))))
      (func $run (export "run") (param $depth i32) (call $inner (local.get $depth)))
      (func (export "fine") (result i32) (i32.const 5)))`,
    (linker) => {
      linker.func('env', 'next', { params: ['i32'], results: [] }, (depth) => {
        calls.host++
        made.exports['run'](depth)
      })
      linker.func('env', 'act', { params: [], results: [] }, act as () => void)
    },
  )
  return { ...made, calls }
}

const thrown: readonly (readonly [label: string, make: () => unknown])[] = [
  ['an Error', () => new Error('text')],
  ['an own class of errors', () => new OwnError('own')],
  ['a RangeError', () => new RangeError('range')],
  ['a DOMException', () => new DOMException('aborted', 'AbortError')],
  ['a string', () => 'text'],
  ['an empty string', () => ''],
  ['undefined', () => undefined],
  ['null', () => null],
  ['0', () => 0],
  ['NaN', () => NaN],
  ['a bigint', () => 5n],
  ['a boolean', () => false],
  ['a symbol', () => Symbol('thrown')],
  ['a function', () => () => 1],
  ['an object', () => ({ a: 1 })],
  ['a frozen object', () => Object.freeze({ a: 1 })],
  ['a frozen error', () => Object.freeze(new Error('frozen'))],
  ['an error with a frozen list of frames', () => Object.assign(new Error('x'), { wasmFrames: Object.freeze([]) })],
  ['an error whose wasmFrames is a getter that throws', () => Object.defineProperty(new Error('x'), 'wasmFrames', { get: () => { throw new Error('getter') } })], // prettier-ignore
  ['an error whose stack is a getter that throws', () => Object.defineProperty(new Error('x'), 'stack', { get: () => { throw new Error('getter') } })], // prettier-ignore
  ['a proxy whose traps throw', () => throwingProxy(new Error('x'))],
  ['a function proxy whose traps throw', () => throwingProxy(() => 1)],
  ['a rejected promise', () => { const promise = Promise.reject(new Error('x')); promise.catch(() => {}); return promise }], // prettier-ignore
  ['an error with a message of 64 MB', () => new Error('m'.repeat(64_000_000))],
  ['a TrapError made by the host', () => new TrapError('own', { trapCode: 'unreachable' })],
  ['an ExitError made by the host', () => new wasmtime.ExitError(3)],
]

test('whatever a host function throws reaches the caller as it is, through any number of layers', (t) => {
  for (const [label, make] of thrown) {
    let value: unknown
    const { exports } = layers(() => {
      throw value
    })
    for (const depth of [0, 1, 3, 10]) {
      value = make()
      const caught = thrownBy(() => exports['run'](depth))
      t.true(Object.is(caught, value), `${label} at depth ${depth}`)
      t.is(exports['fine'](), 5, `after ${label}`)
    }
  }
})

test('an error carries the frames of every layer, innermost first', (t) => {
  const error = new OwnError('x')
  const { exports } = layers(() => {
    throw error
  })
  t.is(
    thrownBy(() => exports['run'](2)),
    error,
  )
  const frames = wasmFramesOf(error)
  const names = frames.map((frame) => `${frame.host ? 'host ' : ''}${frame.moduleName}.${frame.functionName}`)
  const layer = ['layers.inner', 'layers.run']
  t.deepEqual(names, ['host env.act', ...layer, 'host env.next', ...layer, 'host env.next', ...layer])
  for (const frame of frames.filter((item) => !item.host)) {
    t.is(frame.functionIndex, frame.functionName === 'inner' ? 2 : 3)
    t.is(frame.signature, '(i32)')
    t.true((frame.moduleOffset ?? 0) > 8, String(frame.moduleOffset))
    t.true((frame.functionOffset ?? -1) >= 0 && frame.functionOffset! < frame.moduleOffset!)
  }
  t.false(Object.keys(error).includes('wasmFrames'), 'it is not enumerable')
  t.deepEqual((error as Error & { wasmFrames?: WasmFrame[] }).wasmFrames, [...frames])
})

test('a module offset points at the call in the module', (t) => {
  const text = '(module (import "m" "f" (func)) (func (export "run") nop nop (call 0)))'
  const bytes = wasmtime.wat2wasm(text)
  const error = new Error('x')
  const { exports } = instantiate(text, (linker) =>
    linker.func('m', 'f', { params: [], results: [] }, () => {
      throw error
    }),
  )
  thrownBy(() => exports['run']())
  const frame = wasmFramesOf(error).find((item) => !item.host)
  const offset = frame?.moduleOffset ?? -1
  // The instruction is `call 0`: the bytes 0x10 and 0.
  t.deepEqual([...bytes.subarray(offset, offset + 2)], [0x10, 0])
  t.is(frame?.functionIndex, 1)
  t.false('functionName' in (frame ?? {}) && frame?.functionName !== undefined)
})

test('one error that is thrown again and again does not grow without bound', (t) => {
  const error = new Error('again')
  const { exports } = layers(() => {
    throw error
  })
  for (let round = 0; round < 500; round++) {
    t.is(thrownBy(() => exports['run'](1)), error) // prettier-ignore
  }
  t.true(wasmFramesOf(error).length <= 256)
})

test('an error that a host function catches and replaces keeps its own way', (t) => {
  const first = new Error('first')
  const second = new Error('second', { cause: first })
  const { exports } = instantiate(
    `(module (import "m" "outer" (func $outer)) (import "m" "inner" (func $inner))
      (func $a (export "a") (call $outer)) (func $b (export "b") (call $inner)))`,
    (linker) => {
      linker.func('m', 'outer', undefined, () => {
        t.is(
          thrownBy(() => exports['b']()),
          first,
        )
        throw second
      })
      linker.func('m', 'inner', undefined, () => {
        throw first
      })
    },
  )
  t.is(
    thrownBy(() => exports['a']()),
    second,
  )
  t.deepEqual(wasmFramesOf(first).map((frame) => frame.functionName), ['inner', 'b']) // prettier-ignore
  t.deepEqual(wasmFramesOf(second).map((frame) => frame.functionName), ['outer', 'a']) // prettier-ignore
})

test('an error passes through several stores and instances', (t) => {
  const error = new OwnError('through')
  let exports: Record<string, any> | undefined
  for (let level = 0; level < 5; level++) {
    const inner = exports
    exports = instantiate(
      `(module $m${level} (import "m" "f" (func $f)) (func $run${level} (export "run") (call $f)))`,
      (linker) =>
        linker.func('m', 'f', undefined, () => {
          if (inner === undefined) throw error
          inner['run']()
        }),
    ).exports
  }
  t.is(
    thrownBy(() => exports?.['run']()),
    error,
  )
  const names = wasmFramesOf(error).filter((frame) => !frame.host).map((frame) => `${frame.moduleName}.${frame.functionName}`) // prettier-ignore
  t.deepEqual(names, ['m0.run0', 'm1.run1', 'm2.run2', 'm3.run3', 'm4.run4'])
})

test('a guest cannot catch what a host function throws', (t) => {
  const error = new Error('not for guests')
  const { exports } = instantiate(
    `(module (import "m" "f" (func $f)) (func (export "run") (result i32)
      (block $caught (try_table (catch_all $caught) (call $f)) (return (i32.const 1))) (i32.const 2)))`,
    (linker) =>
      linker.func('m', 'f', undefined, () => {
        throw error
      }),
  )
  t.is(
    thrownBy(() => exports['run']()),
    error,
  )
})

test('an error of the start function comes out of instantiate', (t) => {
  const error = new OwnError('start')
  const text = '(module $starts (import "m" "f" (func $f)) (func $start (call $f)) (start $start))'
  const caught = thrownBy(() =>
    instantiate(text, (linker) =>
      linker.func('m', 'f', undefined, () => {
        throw error
      }),
    ),
  )
  t.is(caught, error)
  t.deepEqual(wasmFramesOf(error).map((frame) => frame.functionName), ['f', 'start']) // prettier-ignore
})

test('a trap in an inner layer is one TrapError for all, with the frames of all', (t) => {
  const { exports } = instantiate(
    `(module $traps (import "m" "f" (func $f)) (func $bad (export "bad") unreachable) (func $run (export "run") (call $f)))`,
    (linker) => linker.func('m', 'f', undefined, () => exports['bad']()),
  )
  const error = thrownBy(() => exports['run']()) as InstanceType<typeof TrapError>
  t.true(error instanceof TrapError)
  t.is(error.trapCode, 'unreachable')
  t.deepEqual(error.frames.map((frame) => frame.functionName), ['bad']) // prettier-ignore
  t.deepEqual(wasmFramesOf(error).map((frame) => frame.functionName), ['bad', 'f', 'run']) // prettier-ignore
  t.regex(error.message, /^wasm error: unreachable\nwasm stack trace:\n\ttraps\.bad\(\) \(at 0x/)
})

test('endless recursion through host functions is a RangeError or a trap, and the guest works afterwards', (t) => {
  const { exports } = instantiate(
    '(module (import "m" "f" (func $f)) (func (export "run") (call $f)) (func (export "fine") (result i32) (i32.const 5)))',
    (linker) => linker.func('m', 'f', undefined, () => exports['run']()),
  )
  for (let round = 0; round < 3; round++) {
    const error = thrownBy(() => exports['run']())
    t.true(error instanceof RangeError || error instanceof TrapError, String(error))
    t.is(exports['fine'](), 5)
  }
})
