import { setImmediate as nextTurn } from 'node:timers/promises'

import test, { type ExecutionContext } from 'ava'

import { ArgumentError, Func, type HostFunctionBuilder, Runtime, type ValueType } from '../index.mjs'
import { LIMIT, openRuntime } from './support/async.ts'
import { oddValues, thenable } from './support/odd-values.ts'

type TypeName = 'i32' | 'i64' | 'f32' | 'f64' | 'v128' | 'externref' | 'funcref'

const vector = Uint8Array.from({ length: 16 }, (_, index) => 255 - index)

const numbers: readonly (readonly [type: TypeName, values: readonly unknown[]])[] = [
  ['i32', [0, 1, -1, 2 ** 31 - 1, -(2 ** 31)]],
  ['i64', [0n, 1n, -1n, 2n ** 63n - 1n, -(2n ** 63n)]],
  ['f32', [0, -0, 1.5, Math.fround(0.1), NaN, Infinity, -Infinity, 2 ** -149]],
  ['f64', [0, -0, 0.1, NaN, Infinity, Number.MIN_VALUE, Number.MAX_VALUE]],
  ['v128', [vector, new Uint8Array(16)]],
]

/** A guest whose `run` hands its parameters to `env.f`, and back what that returns. */
function forward(params: readonly TypeName[], results: readonly TypeName[]): string {
  const type = `(param ${params.join(' ')}) (result ${results.join(' ')})`
  return `(module (import "env" "f" (func $f ${type}))
    (func $one (export "one") (result i32) (i32.const 1))
    (func (export "run") ${type} ${params.map((_, index) => `(local.get ${index})`).join(' ')} (call $f)))`
}

async function link(t: ExecutionContext, define: (f: HostFunctionBuilder) => HostFunctionBuilder, text: string) {
  const runtime = openRuntime(t)
  define(runtime.newHostModuleBuilder('env').newFunctionBuilder()).export('f').instantiate()
  return await runtime.instantiateAsync(text, { name: '' })
}

/** Host functions that give their arguments back, at once or later. */
const echoes: readonly (readonly [label: string, echo: (...args: any[]) => any])[] = [
  ['at once', (...args) => (args.length === 1 ? args[0] : args)],
  ['in a promise', async (...args) => (args.length === 1 ? args[0] : args)],
  ['after a turn', async (...args) => (await nextTurn(), args.length === 1 ? args[0] : args)],
  ['in a thenable', (...args) => thenable((resolve) => resolve(args.length === 1 ? args[0] : args))],
]

for (const [label, echo] of echoes) {
  test(`numbers and vectors of every type go through a host function that answers ${label}`, async (t) => {
    for (const [type, values] of numbers) {
      for (const typed of [true, false]) {
        const guest = await link(
          t,
          (f) => (typed ? f.withFunc(echo, [type as 'i32'], [type as 'i32']) : f.withFunc(echo)),
          forward([type], [type]),
        )
        for (const value of values) t.deepEqual(await guest.exports['run'].async(value), value, type)
      }
    }
  })

  test(`many results go through a host function that answers ${label}`, async (t) => {
    const types: TypeName[] = ['i32', 'i64', 'f32', 'f64', 'v128', 'externref', 'funcref', 'externref', 'i32', 'i64']
    const guest = await link(t, (f) => f.withFunc(echo), forward(types, types))
    const object = { any: 'thing' }
    const values = [-5, 6n, 1.5, 0.1, vector, object, guest.exportedFunction('one'), null, 9, 10n]
    const results = await guest.exports['run'].async(...values)
    t.deepEqual(results, values)
    t.is(results[5], object)
    t.is(results[6], values[6])
  })

  test(`a reference to a function goes through a host function that answers ${label}, and can be called`, async (t) => {
    const guest = await link(t, (f) => f.withFunc(echo), forward(['funcref'], ['funcref']))
    const one = guest.exportedFunction('one')!
    for (const value of [one, one.function]) {
      const result = await guest.exports['run'].async(value)
      t.is(result, one)
      t.true(result instanceof Func)
      t.is(await result.callAsync(), 1)
      t.is(result.call(), 1)
    }
    t.is(await guest.exports['run'].async(null), null)
  })
}

test('any value goes through as an externref, also undefined, and null is the null reference', async (t) => {
  const guest = await link(t, (f) => f.withFunc(async (value) => [value, value]), `(module
    (import "env" "f" (func $f (param externref) (result externref externref)))
    (func (export "run") (param externref) (result externref externref i32)
      (call $f (local.get 0)) (ref.is_null (local.get 0))))`) // prettier-ignore
  for (const [label, make] of oddValues) {
    const value: unknown = make()
    const [first, second, isNull] = await guest.exports['run'].async(value)
    t.true(Object.is(first, value) && Object.is(second, value), label)
    t.is(isNull, value === null ? 1 : 0, label)
  }
})

test('the value of a promise is what an externref gets; the promise itself only inside of something', async (t) => {
  const guest = await link(
    t,
    (f) => f.withFunc((value) => value, ['externref'], ['externref']),
    forward(['externref'], ['externref']),
  )
  const inner = Promise.resolve('inner')
  t.is(await guest.exports['run'].async(inner), 'inner')
  const box = [inner]
  t.is(await guest.exports['run'].async(box), box)
})

test('a value of an externref is kept while the guest waits, with nobody else holding it', async (t) => {
  let collected = false
  const registry = new FinalizationRegistry(() => (collected = true))
  const guest = await link(
    t,
    (f) =>
      f.withFunc(
        async () => {
          for (let round = 0; round < 5; round++) {
            await nextTurn()
            globalThis.gc?.()
          }
        },
        ['externref'],
        [],
      ),
    `(module (import "env" "f" (func $f (param externref)))
      (func (export "run") (param externref) (result externref) (call $f (local.get 0)) (local.get 0)))`,
  )
  const call = (() => {
    const value = { kept: true }
    registry.register(value, 1)
    return guest.exports['run'].async(value)
  })()
  t.deepEqual(await call, { kept: true })
  t.false(collected)
})

test('a thenable is waited for, whatever it does', async (t) => {
  const error = new Error('then')
  const settled = (then: (resolve: (value: unknown) => void, reject: (error: unknown) => void) => void) => () =>
    thenable(then as (resolve: (value: unknown) => void) => void)
  const cases: readonly (readonly [label: string, make: () => unknown, outcome: unknown])[] = [
    ['calls back at once', settled((resolve) => resolve(1)), 1],
    ['calls back later', settled((resolve) => setImmediate(resolve, 2)), 2],
    ['rejects', settled((_, reject) => reject(error)), error],
    ['throws', settled(() => { throw error }), error],
    ['throws after it has called back', settled((resolve) => { resolve(3); throw error }), 3],
    ['settles twice', settled((resolve, reject) => { resolve(4); resolve(5); reject(error) }), 4],
    ['settles twice, later', settled((resolve, reject) => setImmediate(() => { resolve(6); reject(error) })), 6],
    ['resolves to another thenable', settled((resolve) => resolve(thenable((next) => next(7)))), 7],
    ['has a getter that throws', () => Object.defineProperty({}, String('then'), { get: () => { throw error } }), error],
    ['is a function', () => Object.defineProperty(() => 1, String('then'), { value: (resolve: (value: unknown) => void) => resolve(8) }), 8],
    ['is a promise of a class of its own', () => new (class extends Promise<number> {})((resolve) => resolve(9)), 9],
  ] // prettier-ignore
  for (const [label, make, outcome] of cases) {
    let result: unknown
    const guest = await link(t, (f) => f.withFunc(() => result as number, ['i32'], ['i32']), forward(['i32'], ['i32']))
    result = make()
    if (outcome === error) t.is(await t.throwsAsync(guest.exports['run'].async(0)), error, label)
    else t.is(await guest.exports['run'].async(0), outcome, label)
    result = 10
    t.is(await guest.exports['run'].async(0), 10, `after one that ${label}`)
  }
})

test('a promise that cannot be waited for is an error, and the instance can be used afterwards', async (t) => {
  const error = new Error('hostile')
  const thrower = () => {
    throw error
  }
  const cases: readonly (readonly [label: string, spoil: (promise: Promise<number>) => unknown])[] = [
    ['its constructor is a getter that throws', (p) => Object.defineProperty(p, 'constructor', { get: thrower })],
    ['its own method then throws', (p) => Object.defineProperty(p, String('then'), { value: thrower })],
    [
      'its own property then is a getter that throws',
      (p) => Object.defineProperty(p, String('then'), { get: thrower }),
    ],
  ]
  for (const [label, spoil] of cases) {
    t.timeout(LIMIT)
    const runtime = new Runtime()
    let result: unknown
    runtime.newHostModuleBuilder('env').newFunctionBuilder()
      .withFunc(() => result as number, ['i32'], ['i32']).export('f').instantiate() // prettier-ignore
    const guest = await runtime.instantiateAsync(forward(['i32'], ['i32']), { name: '' })
    result = spoil(Promise.resolve(1))
    const outcome = await guest.exports['run'].async(0).catch((reason: unknown) => reason)
    // An await of it throws for its constructor, and does not look at its `then`: either answer is one.
    t.true(outcome === error || outcome === 1, label)
    t.deepEqual(runtime.stats().tasks, { queued: 0, home: 0, pool: 0, parked: 0 }, label)
    result = 10
    t.is(await guest.exports['run'].async(0), 10, label)
    t.is(guest.exports['run'](0), 10, label)
  }
})

const wrong: readonly (readonly [results: readonly TypeName[], value: unknown, what: RegExp])[] = [
  [['i32'], 'x', /expected the result to be .*got/],
  [['i32'], 1n, /expected the result to be .*got/],
  [['i32'], undefined, /expected the result to be .*got/],
  [['i64'], 1, /expected the result to be .*got/],
  [['f64'], {}, /expected the result to be .*got/],
  [['v128'], [1], /expected the result to be .*got/],
  [['v128'], new Uint8Array(15), /expected the result to be .*got/],
  [['funcref'], () => 1, /expected the result to be .*got/],
  [['i32', 'i64'], 1, /expected an array of 2 results, got/],
  [['i32', 'i64'], [1], /expected an array of 2 results, got one of 1/],
  [['i32', 'i64'], [1, 2], /expected result\[1\] to be .*got/],
  [['i32', 'i64'], [1n, 2n], /expected result\[0\] to be .*got/],
]

for (const later of [false, true]) {
  test(`a wrong result ${later ? 'after an await' : 'at once'} is a TypeError that names the function`, async (t) => {
    for (const [results, value, what] of wrong) {
      let result: unknown = value
      const guest = await link(
        t,
        (f) => f.withFunc(() => (later ? nextTurn(result) : result) as any, ['i32'], results as unknown as ValueType[]),
        forward(['i32'], results),
      )
      const error = await t.throwsAsync(guest.exports['run'].async(1), { instanceOf: ArgumentError, message: what })
      t.regex(error.message, /^host function env\.f\(i32\) /)
      t.true(error instanceof TypeError)
      result = results.length === 1 ? { i32: 1, i64: 1n, f64: 1, v128: vector, funcref: null }[results[0] as 'i32'] : [1, 2n] // prettier-ignore
      t.deepEqual(await guest.exports['run'].async(1), result)
    }
  })
}

test('a host function without results may resolve to anything that can be awaited', async (t) => {
  for (const [label, make] of oddValues) {
    const outcome = async (run: () => unknown) => {
      try {
        await run()
        return 'fine'
      } catch (error) {
        return String(error)
      }
    }
    const guest = await link(
      t,
      (f) => f.withFunc(() => thenable((resolve) => resolve(make())) as PromiseLike<void>, [], []),
      '(module (import "env" "f" (func $f)) (func (export "run") (result i32) (call $f) (i32.const 3)))',
    )
    // Some resist being awaited, by anyone.
    const expected = await outcome(() => thenable((resolve) => resolve(make())))
    t.is(await outcome(() => guest.exports['run'].async()), expected, label)
  }
})

test('a getter among the results after an await may call the guest again, and its error is the error of the call', async (t) => {
  const error = new Error('getter')
  let get: () => unknown = () => 1
  const guest = await link(
    t,
    (f) => f.withFunc(() => nextTurn(Object.defineProperty([0, 2n], 0, { get: () => get() }) as [number, bigint]), [], ['i32', 'i64']), // prettier-ignore
    `(module (import "env" "f" (func $f (result i32 i64))) (func (export "one") (result i32) (i32.const 1))
      (func (export "run") (result i32 i64) (call $f)))`,
  )
  get = () => guest.exports['one']()
  t.deepEqual(await guest.exports['run'].async(), [1, 2n])
  get = () => {
    throw error
  }
  t.is(await t.throwsAsync(guest.exports['run'].async()), error)
  get = () => 4
  t.deepEqual(await guest.exports['run'].async(), [4, 2n])
})
