// Listeners of calls between host and guest, in sync mode.
import test, { type ExecutionContext } from 'ava'

import {
  ExitError,
  Func,
  type FunctionCall,
  type FunctionListener,
  Runtime,
  TrapError,
  multiFunctionListenerFactory,
} from '../index.mjs'
import { Recorder } from './support/listening.ts'

const GUEST = `(module $guest
  (import "env" "add" (func $add (param i32 i32) (result i32)))
  (import "env" "nest" (func $nest (param i32) (result i32)))
  (import "env" "fail" (func $fail))
  (memory (export "memory") 1)
  (table (export "table") 1 funcref) (elem (i32.const 0) $inner)
  (func $inner (param i32) (result i32) (i32.add (local.get 0) (i32.const 100)))
  (func $sum (export "sum") (export "total") (param $a i32) (param $b i32) (result i32)
    (call $add (local.get $a) (local.get $b)))
  (func (export "deep") (param $n i32) (result i32) (call $nest (local.get $n)))
  (func (export "fail") (call $fail))
  (func (export "trap") unreachable)
  (func (export "wide") (param i64 f32) (result i64 f32) (local.get 0) (local.get 1)))`

function world(t: ExecutionContext, recorder: Recorder, fail: () => unknown = () => {}): Runtime {
  const runtime = new Runtime({ functionListenerFactory: recorder })
  t.teardown(() => runtime.close())
  runtime
    .newHostModuleBuilder('env')
    .newFunctionBuilder()
    .withFunc((a, b) => a + b, ['i32', 'i32'], ['i32'])
    .export('add')
    .newFunctionBuilder()
    .withModuleFunc((guest, n) => (n > 0 ? Number(guest.exports['deep'](n - 1)) + 1 : 0), ['i32'], ['i32'])
    .export('nest')
    .newFunctionBuilder()
    .withFunc(() => void fail(), [], [])
    .export('fail')
    .instantiate()
  return runtime
}

test('before and after come for the guest and for the host function that it calls', (t) => {
  const recorder = new Recorder()
  const guest = world(t, recorder).instantiate(GUEST)
  t.is(guest.exports['sum'](2, 3), 5)
  t.deepEqual(recorder.text, ['0 before sum 2 3', '1 before add 2 3', '1 after add 5', '0 after sum 5'])
  const [outer, inner] = recorder.events.map(([, call]) => call)
  t.is(outer?.module, guest)
  t.is(inner?.module, guest)
  t.is(outer?.parent, undefined)
  t.is(inner?.parent, outer)
  t.is(outer?.definition, guest.exportedDefinition('sum'))
  t.deepEqual([outer?.definition.isHost, inner?.definition.isHost], [false, true])
  t.true((inner?.id ?? 0) > (outer?.id ?? 0))
  t.is(recorder.events[3]?.[1], outer)
})

test('calls nest through the host, and know their depth and parents', (t) => {
  const recorder = new Recorder()
  const guest = world(t, recorder).instantiate(GUEST)
  t.is(guest.exports['deep'](2), 2)
  t.deepEqual(recorder.text, [
    '0 before deep 2',
    '1 before nest 2',
    '2 before deep 1',
    '3 before nest 1',
    '4 before deep 0',
    '5 before nest 0',
    '5 after nest 0',
    '4 after deep 0',
    '3 after nest 1',
    '2 after deep 1',
    '1 after nest 2',
    '0 after deep 2',
  ])
  let depth = 0
  for (let call: FunctionCall | undefined = recorder.events[5]?.[1]; call !== undefined; call = call.parent) depth += 1
  t.is(depth, 6)
})

test('the factory is asked once for each function, whatever its names and instances are', (t) => {
  const recorder = new Recorder()
  const runtime = world(t, recorder)
  const compiled = runtime.compileModuleSync(GUEST)
  for (let round = 0; round < 3; round++) {
    const guest = runtime.instantiate(compiled, { name: '' })
    guest.exports['sum'](1, 1)
    guest.exports['total'](1, 1)
  }
  const names = recorder.asked.map((definition) => definition.debugName)
  t.deepEqual(names.toSorted(), ['env.add', 'env.fail', 'env.nest', 'guest.sum'])
})

test('functions without a listener are called as they are, and do not count as parents', (t) => {
  const recorder = new Recorder((definition) => definition.isHost)
  const guest = world(t, recorder).instantiate(GUEST)
  t.is(guest.exports['deep'](1), 1)
  t.deepEqual(recorder.text, ['0 before nest 1', '1 before nest 0', '1 after nest 0', '0 after nest 1'])
})

test('all ways to call a function are heard', (t) => {
  const recorder = new Recorder((definition) => !definition.isHost)
  const guest = world(t, recorder).instantiate(GUEST)
  const sum = guest.exportedFunction('sum')
  t.is(sum?.call(1, 2), 3)
  t.is(sum?.callWith({ context: 7 }, 3, 4), 7)
  const stack = new BigUint64Array([5n, 0xffffffffn])
  sum?.callWithStack(stack)
  t.is(stack[0], 4n)
  t.is(guest.exportedTable('table')?.get(0)?.call(1), 101)
  t.deepEqual(recorder.text, [
    '0 before sum 1 2',
    '0 after sum 3',
    '0 before sum 3 4',
    '0 after sum 7',
    '0 before sum 5 -1',
    '0 after sum 4',
    '0 before  1',
    '0 after  101',
  ])
  t.is(recorder.events.at(-1)?.[1].module, undefined)
})

test('arguments are as the function gets them, and results as they come', (t) => {
  const recorder = new Recorder((definition) => !definition.isHost)
  const guest = world(t, recorder).instantiate(GUEST)
  t.deepEqual(guest.exports['wide'](2n ** 64n - 1n, 0.1), [-1n, Math.fround(0.1)])
  t.deepEqual(recorder.events[0]?.[1].params, [-1n, Math.fround(0.1)])
  t.deepEqual(recorder.events[1]?.[2], [-1n, Math.fround(0.1)])
  guest.exports['sum'](2 ** 32 + 1, 1)
  t.deepEqual(recorder.events[2]?.[1].params, [1, 1])
})

test('the functions that exports gives keep their name, number of parameters and identity', (t) => {
  const guest = world(t, new Recorder()).instantiate(GUEST)
  const { sum } = guest.exports
  t.is(sum, guest.exportedFunction('sum')?.function)
  t.deepEqual([sum.name, sum.length], ['sum', 2])
  t.true(guest.exportedTable('table')?.get(0) instanceof Func)
  guest.exportedTable('table')?.set(0, sum)
  t.is(guest.exportedTable('table')?.get(0), guest.exportedFunction('sum'))
})

test('a trap, a thrown value and refused arguments abort all calls that they end, innermost first', (t) => {
  const recorder = new Recorder()
  const thrown = { any: 'value' }
  const guest = world(t, recorder, () => {
    throw thrown
  }).instantiate(GUEST)
  t.is(
    t.throws(() => guest.exports['fail'](), { any: true }),
    thrown as never,
  )
  t.deepEqual(recorder.text, [
    '0 before fail',
    '1 before fail',
    '1 abort fail [object Object]',
    '0 abort fail [object Object]',
  ])
  t.true(recorder.events.slice(2).every((event) => event[2] === thrown))
  recorder.events.length = 0
  const trap = t.throws(() => guest.exports['trap'](), { instanceOf: TrapError })
  t.deepEqual(recorder.text, ['0 before trap', '0 abort trap TrapError: wasm error: unreachable'])
  t.is(recorder.events[1]?.[2], trap)
  recorder.events.length = 0
  t.throws(() => guest.exports['sum']('1', 2), { instanceOf: TypeError })
  t.deepEqual(
    recorder.events.map(([kind]) => kind),
    ['before', 'abort'],
  )
  t.throws(() => guest.exports['sum'](1), { instanceOf: TypeError, message: /expected 2 params, but passed 1/ })
  t.deepEqual(recorder.unpaired, [])
})

test('a host function that gives what does not fit is aborted with the error of its caller', (t) => {
  const recorder = new Recorder()
  const runtime = new Runtime({ functionListenerFactory: recorder })
  t.teardown(() => runtime.close())
  const given: unknown[] = ['x', 1, [1], [1, 2n, 3], 5, Promise.resolve(1), [1, new Uint8Array(15)]]
  const results = ['(result i32)', '(result i64)', '(result i32 i64)', '(result i32 i64)', '(result i32 v128)']
  const named = [['i32'], ['i64'], ['i32', 'i64'], ['i32', 'i64'], ['i32', 'v128'], ['i32'], ['i32', 'v128']] as const
  const builder = runtime.newHostModuleBuilder('env')
  given.forEach((value, index) => {
    builder
      .newFunctionBuilder()
      .withFunc(() => value as never, [], named[index] ?? [])
      .export(`f${index}`)
  })
  builder.instantiate()
  const texts = [...results, '(result i32)', '(result i32 v128)']
  const imports = texts.map((text, index) => `(import "env" "f${index}" (func $f${index} ${text}))`)
  const drops = texts.map((text, index) => {
    const count = text.split(' ').length - 1
    return `(func (export "g${index}") (call $f${index}) ${'(drop)'.repeat(count)})`
  })
  // The same functions in a runtime without listeners say what the errors must be.
  const plain = new Runtime()
  t.teardown(() => plain.close())
  const plainBuilder = plain.newHostModuleBuilder('env')
  given.forEach((value, index) => {
    plainBuilder
      .newFunctionBuilder()
      .withFunc(() => value as never, [], named[index] ?? [])
      .export(`f${index}`)
  })
  plainBuilder.instantiate()
  const wat = `(module ${imports.join('\n')} ${drops.join('\n')})`
  const [heard, silent] = [runtime, plain].map((one) => one.instantiate(wat, { name: '' }))
  given.forEach((_, index) => {
    recorder.events.length = 0
    const expected = t.throws(() => silent?.exports[`g${index}`](), { instanceOf: TypeError })
    const actual = t.throws(() => heard?.exports[`g${index}`](), { instanceOf: TypeError })
    t.is(actual.name, expected.name)
    t.is(
      actual.message.replace(/the string "x"/, 'a string').replace(/got a Uint8Array$/, 'got an object'),
      expected.message,
      `f${index}`,
    )
    t.deepEqual(
      recorder.events.map(([kind, call]) => [kind, call.definition.isHost]),
      [
        ['before', false],
        ['before', true],
        ['abort', true],
        ['abort', false],
      ],
    )
    t.is(recorder.events[2]?.[2], actual)
  })
})

test('a closed instance aborts its calls with the ExitError', (t) => {
  const recorder = new Recorder()
  const runtime = world(t, recorder, () => guest.close(3))
  const guest = runtime.instantiate(GUEST, { name: '' })
  const error = t.throws(() => guest.exports['fail'](), { instanceOf: ExitError })
  t.deepEqual(recorder.text, [
    '0 before fail',
    '1 before fail',
    '1 after fail',
    '0 abort fail ExitError: module closed with exit_code(3)',
  ])
  t.is(recorder.events[3]?.[2], error)
})

test('start functions are heard: that of the module, and those of the config', (t) => {
  const recorder = new Recorder()
  const runtime = world(t, recorder)
  runtime.instantiate(`(module $starts
    (import "env" "add" (func $add (param i32 i32) (result i32)))
    (func $first (drop (call $add (i32.const 1) (i32.const 2))))
    (start $first)
    (func (export "_start") (drop (call $add (i32.const 3) (i32.const 4)))))`)
  t.deepEqual(recorder.text, [
    '0 before first',
    '1 before add 1 2',
    '1 after add 3',
    '0 after first',
    '0 before _start',
    '1 before add 3 4',
    '1 after add 7',
    '0 after _start',
  ])
  recorder.events.length = 0
  t.throws(() => runtime.instantiate('(module (func $bad unreachable) (start $bad))'), { instanceOf: TrapError })
  t.deepEqual(recorder.text, ['0 before bad', '0 abort bad TrapError: wasm error: unreachable'])
})

test('stack functions, functions with a module and functions without types are heard with values', (t) => {
  const recorder = new Recorder((definition) => definition.isHost)
  const runtime = new Runtime({ functionListenerFactory: recorder })
  t.teardown(() => runtime.close())
  const views = new Set<unknown>()
  runtime
    .newHostModuleBuilder('env')
    .newFunctionBuilder()
    .withStackFunc(
      (stack) => {
        views.add(stack)
        stack[0] = (stack[0] ?? 0n) + 1n
      },
      ['i64', 'f64'],
      ['i64'],
    )
    .export('stack')
    .newFunctionBuilder()
    .withModuleStackFunc(
      (guest, stack) => {
        t.is(guest.name, '')
        stack[0] = 2n
      },
      ['v128'],
      ['i32'],
    )
    .withParameterNames('vector')
    .export('vector')
    .newFunctionBuilder()
    .withFunc((a, b) => [b, a])
    .export('swap')
    .instantiate()
  const guest = runtime.instantiate(
    `(module
      (import "env" "stack" (func $stack (param i64 f64) (result i64)))
      (import "env" "vector" (func $vector (param v128) (result i32)))
      (import "env" "swap" (func $swap (param i32 externref) (result externref i32)))
      (func (export "stack") (param i64 f64) (result i64) (call $stack (local.get 0) (local.get 1)))
      (func (export "vector") (result i32) (call $vector (v128.const i32x4 1 2 3 4)))
      (func (export "swap") (param i32 externref) (result externref i32) (call $swap (local.get 0) (local.get 1))))`,
    { name: '' },
  )
  t.is(guest.exports['stack'](-5n, 1.5), -4n)
  t.is(guest.exports['stack'](1n, 1.5), 2n)
  t.is(views.size, 1)
  t.is(guest.exports['vector'](), 2)
  const object = {}
  t.deepEqual(guest.exports['swap'](3, object), [object, 3])
  const values = recorder.events.map((event) => (event[0] === 'before' ? event[1].params : event[2]))
  t.deepEqual(values.slice(0, 2), [[-5n, 1.5], [-4n]])
  t.deepEqual(values[4], [new Uint8Array([1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0])])
  t.deepEqual(values[5], [2])
  t.deepEqual(values.slice(6), [
    [3, object],
    [object, 3],
  ])
  const swap = recorder.events.at(-1)?.[1].definition
  t.deepEqual([swap?.paramTypes, swap?.resultTypes, swap?.isHost], [['i32', 'externref'], ['externref', 'i32'], true])
})

test('what before throws is thrown by the call, whose function does not run', (t) => {
  const recorder = new Recorder()
  let runs = 0
  const guest = world(t, recorder, () => (runs += 1)).instantiate(GUEST)
  const thrown = Symbol('thrown')
  for (const isHost of [false, true]) {
    recorder.events.length = 0
    recorder.react = ([kind, call]) => {
      if (kind === 'before' && call.definition.isHost === isHost) throw thrown
    }
    t.is(
      t.throws(() => guest.exports['fail'](), { any: true }),
      thrown as never,
    )
    t.is(runs, 0)
    t.deepEqual(
      recorder.events.map(([kind]) => kind),
      isHost ? ['before', 'before', 'abort'] : ['before'],
    )
  }
  recorder.react = () => {}
  guest.exports['fail']()
  t.is(runs, 1)
})

test('what after and abort throw takes the place of the outcome', (t) => {
  const recorder = new Recorder()
  const guest = world(t, recorder, () => {
    throw new Error('original')
  }).instantiate(GUEST)
  const thrown = new Error('of the listener')
  recorder.react = ([kind, call]) => {
    if (kind === 'after' && call.definition.isHost) throw thrown
  }
  t.is(
    t.throws(() => guest.exports['sum'](1, 2)),
    thrown,
  )
  t.deepEqual(recorder.text, [
    '0 before sum 1 2',
    '1 before add 1 2',
    '1 after add 3',
    '0 abort sum Error: of the listener',
  ])
  recorder.events.length = 0
  recorder.react = ([kind, call]) => {
    if (kind === 'abort' && call.definition.isHost) throw thrown
  }
  t.is(
    t.throws(() => guest.exports['fail']()),
    thrown,
  )
  t.is(recorder.events.at(-1)?.[2], thrown)
  recorder.react = ([kind, call]) => {
    if (kind === 'after' && !call.definition.isHost) throw thrown
  }
  t.is(
    t.throws(() => guest.exports['sum'](1, 2)),
    thrown,
  )
  recorder.react = () => {}
  t.is(guest.exports['sum'](1, 2), 3)
  t.is(recorder.events.at(-1)?.[1].depth, 0)
})

test('a listener may call the guest', (t) => {
  const recorder = new Recorder()
  const guest = world(t, recorder).instantiate(GUEST)
  let inner: unknown
  recorder.react = ([kind, call]) => {
    if (kind === 'before' && call.definition.isHost && inner === undefined) {
      inner = 0
      inner = guest.exports['sum'](10, 20)
    }
  }
  t.is(guest.exports['sum'](1, 2), 3)
  t.is(inner, 30)
  t.deepEqual(recorder.unpaired, [])
})

test('joined listeners are layers: the first is the outermost, and hears what the others throw', (t) => {
  const heard: string[] = []
  const layer = (name: string, fails: string): { newFunctionListener: () => FunctionListener | undefined } => {
    const note = (event: string): void => {
      heard.push(`${name} ${event}`)
      if (event.startsWith(fails)) throw new Error(`${name} in ${fails}`)
    }
    return {
      newFunctionListener: () => ({
        before: () => note('before'),
        after: (_, results) => note(`after ${String(results[0])}`),
        abort: (_, error) => note(`abort ${(error as Error).message}`),
      }),
    }
  }
  const cases: [fails: string, outcome: unknown, heard: string[]][] = [
    ['never', 1, ['a before', 'b before', 'b after 1', 'a after 1']],
    ['before', 'b in before', ['a before', 'b before', 'a abort b in before']],
    ['after', 'b in after', ['a before', 'b before', 'b after 1', 'a abort b in after']],
  ]
  for (const [fails, outcome, expected] of cases) {
    heard.length = 0
    const none = { newFunctionListener: () => undefined }
    const factory = multiFunctionListenerFactory(layer('a', 'never'), none, layer('b', fails))
    const runtime = new Runtime({ functionListenerFactory: factory })
    t.teardown(() => runtime.close())
    const guest = runtime.instantiate('(module (func (export "one") (result i32) i32.const 1))')
    const call = (): unknown => guest.exports['one']()
    if (typeof outcome === 'string') t.throws(call, { message: outcome })
    else t.is(call(), outcome)
    t.deepEqual(heard, expected)
  }
})

test('what is no factory, and what is no listener, is refused', (t) => {
  for (const factory of [null, 1, 'x', () => {}, {}, { newFunctionListener: 1 }]) {
    t.throws(() => new Runtime({ functionListenerFactory: factory as never }), {
      instanceOf: TypeError,
      message: /functionListenerFactory must be an object with a method newFunctionListener, but got /,
    })
  }
  t.throws(() => multiFunctionListenerFactory(undefined as never), { instanceOf: TypeError, message: /factories\[0\]/ })
  for (const listener of [null, 1, { before: 1 }, { after: null }]) {
    const runtime = new Runtime({ functionListenerFactory: { newFunctionListener: () => listener as never } })
    t.teardown(() => runtime.close())
    const guest = runtime.instantiate('(module (func (export "f")))')
    t.throws(() => guest.exports['f'](), { instanceOf: TypeError, message: /newFunctionListener|function listener/ })
  }
})
