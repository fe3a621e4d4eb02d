import test from 'ava'

import { Func, type HostFunctionBuilder, LinkError, type ModuleInstance, Runtime, wasmFramesOf } from '../index.mjs'

const styles = ['withFunc', 'withModuleFunc', 'withStackFunc', 'withModuleStackFunc'] as const
const MAX_F32 = 3.4028234663852886e38

/** Instantiates a module of the one host function `env.f`, and guests that import it. */
function link(define: (f: HostFunctionBuilder) => HostFunctionBuilder, ...guests: string[]): ModuleInstance[] {
  const runtime = new Runtime()
  define(runtime.newHostModuleBuilder('env').newFunctionBuilder()).export('f').instantiate()
  return guests.map((text) => runtime.instantiate(text))
}

/** A guest whose `run` hands its parameters to `env.f`, and back what that returns. */
function forward(params: string, results: string): string {
  const count = params === '' ? 0 : params.split(' ').length
  const type = `(param ${params}) (result ${results})`
  return `(module (import "env" "f" (func $f ${type})) (func (export "run") ${type}
    ${Array.from({ length: count }, (_, index) => `(local.get ${index})`).join(' ')} (call $f)))`
}

/** A builder whose styles can be told apart at run time only, which is more than their types can follow. */
const anyStyle = (f: HostFunctionBuilder) =>
  f as Record<(typeof styles)[number], (...args: any[]) => HostFunctionBuilder>

/** A guest whose `run` hands a constant to `env.f`, and back what that returns. */
const constant = (type: string, text: string) =>
  `(module (import "env" "f" (func $f (param ${type}) (result ${type})))
    (func (export "run") (result ${type}) (call $f (${type}.const ${text}))))`

const extremes: readonly (readonly [type: 'i32' | 'i64' | 'f32' | 'f64', text: string, value: number | bigint])[] = [
  ['i32', '0xffffffff', -1],
  ['i32', '0x80000000', -(2 ** 31)],
  ['i32', '0x7fffffff', 2 ** 31 - 1],
  ['i64', '0xffffffffffffffff', -1n],
  ['i64', '0x8000000000000000', -(2n ** 63n)],
  ['i64', '0x7fffffffffffffff', 2n ** 63n - 1n],
  ['f32', '0x1.fffffep127', MAX_F32],
  ['f32', '0x1p-149', 2 ** -149],
  ['f32', '-0', -0],
  ['f32', '-inf', -Infinity],
  ['f32', 'nan', NaN],
  ['f64', '0x1.fffffffffffffp1023', Number.MAX_VALUE],
  ['f64', '0x1p-1074', Number.MIN_VALUE],
  ['f64', '-0', -0],
  ['f64', 'inf', Infinity],
  ['f64', 'nan', NaN],
]

for (const style of ['withFunc', 'withModuleFunc'] as const) {
  test(`${style}: the extremes of every numeric type come and go exactly`, (t) => {
    for (const [type, text, value] of extremes) {
      const seen: unknown[] = []
      const callback = (...args: any[]) => {
        seen.push(args.at(-1))
        return args.at(-1)
      }
      const [guest] = link((f) => anyStyle(f)[style](callback, [type], [type]), constant(type, text))
      t.is(guest!.exports['run'](), value, `${type} ${text}`)
      t.is(seen.length, 1)
      t.is(seen[0], value, `${type} ${text}`)
    }
  })
}

test('results may be unsigned; the guest gets them modulo 2^32 and 2^64', (t) => {
  const [guest] = link(
    (f) => f.withFunc(() => [0xffffffff, 2n ** 64n - 1n, 2 ** 32 + 5], [], ['i32', 'i64', 'i32']),
    forward('', 'i32 i64 i32'),
  )
  t.deepEqual(guest!.exports['run'](), [-1, -1n, 5])
})

test('a v128 is 16 bytes in both directions, and a fresh array each time', (t) => {
  const seen: Uint8Array[] = []
  const [guest] = link(
    (f) => f.withFunc((v) => (seen.push(v), v.toReversed()), ['v128'], ['v128']),
    forward('v128', 'v128'),
  )
  const bytes = Uint8Array.from({ length: 16 }, (_, index) => 255 - index)
  t.deepEqual(guest!.exports['run'](bytes), bytes.toReversed())
  t.deepEqual(guest!.exports['run'](bytes.toReversed()), bytes)
  t.deepEqual(seen, [bytes, bytes.toReversed()])
})

test('an externref is the very value in both directions, and a funcref a Func or null', (t) => {
  const [values] = link((f) => f.withFunc((v) => v, ['externref'], ['externref']), forward('externref', 'externref'))
  const symbol = Symbol('s')
  for (const value of [{}, 'text', 1.5, 1n, symbol, null, undefined, test]) t.is(values!.exports['run'](value), value)
  const seen: unknown[] = []
  const [functions] = link(
    (f) => f.withFunc((v) => (seen.push(v), v), ['funcref'], ['funcref']),
    forward('funcref', 'funcref'),
  )
  const run = functions!.exportedFunction('run')!
  t.is(functions!.exports['run'](run), run)
  t.is(functions!.exports['run'](null), null)
  t.true(seen[0] instanceof Func)
  t.deepEqual(seen, [run, null])
})

test('all types together, behind the module and without it', (t) => {
  const object = {}
  const types = ['i32', 'i64', 'f32', 'f64', 'externref'] as const
  const args = [-1, -1n, MAX_F32, Number.MAX_VALUE, object]
  let seen: unknown[] = []
  const [plain] = link(
    (f) => f.withFunc((...all) => (seen = all).length, types, ['i32']),
    forward(types.join(' '), 'i32'),
  )
  t.is(plain!.exports['run'](...args), 5)
  t.deepEqual(seen, args)
  const [withModule] = link(
    (f) => f.withModuleFunc((...all) => (seen = all).length, types, ['i32']),
    forward(types.join(' '), 'i32'),
  )
  t.is(withModule!.exports['run'](...args), 6)
  t.is(seen[0], withModule)
  t.deepEqual(seen.slice(1), args)
})

test('the module is the very instance that imports the function, for each importing guest, named or not', (t) => {
  for (const style of ['withModuleFunc', 'withModuleStackFunc'] as const) {
    const seen: unknown[] = []
    const text = '(module (import "env" "f" (func)) (export "run" (func 0)) (func (export "again") (call 0)))'
    const guests = link(
      (f) => f[style]((module: ModuleInstance) => void seen.push(module), [], []),
      text,
      text,
      text.replace('(module', '(module $named'),
      text.replace('(module', '(module $other'),
    )
    t.is(new Set(guests).size, 4)
    for (const guest of [...guests, ...guests]) {
      guest.exports['run']()
      guest.exports['again']()
      t.is(seen.length, 2)
      for (const module of seen.splice(0)) t.is(module, guest, style)
    }
  }
})

test('a start function gives the host the instance that is being made, whose exports can be used', (t) => {
  const seen: unknown[] = []
  const [guest] = link(
    (f) => f.withModuleFunc((module) => void seen.push(module, module.memory?.readString(0, 2)), [], []),
    '(module (import "env" "f" (func $f)) (memory (export "memory") 1) (data (i32.const 0) "hi") (start $f))',
  )
  t.is(seen[0], guest)
  t.is(seen[1], 'hi')
})

test('a host function that a guest exports on is called with that guest, also through another guest', (t) => {
  const seen: ModuleInstance[] = []
  const [library, user] = link(
    (f) => f.withModuleFunc((module) => void seen.push(module), [], []),
    '(module $library (import "env" "f" (func $f)) (export "direct" (func $f)) (func (export "through") (call $f)))',
    `(module $user (import "library" "direct" (func $direct)) (import "library" "through" (func $through))
      (func (export "run") (call $direct) (call $through)))`,
  )
  user!.exports['run']()
  library!.exports['direct']()
  t.deepEqual(
    seen.map(({ name }) => name),
    ['library', 'library', 'library'],
  )
  t.true(seen.every((module) => module === library))
})

test('no result is anything, one is the value, several are an array in their order', (t) => {
  for (const value of [undefined, 1, 'ignored', [1, 2]]) {
    const [guest] = link((f) => f.withFunc(() => value as never, [], []), forward('', ''))
    t.is(guest!.exports['run'](), undefined)
  }
  const [swap] = link(
    (f) => f.withFunc((a, b) => [b, a], ['i32', 'i64'], ['i64', 'i32']),
    forward('i32 i64', 'i64 i32'),
  )
  t.deepEqual(swap!.exports['run'](1, 2n), [2n, 1])
  const [one] = link((f) => f.withFunc(() => 7, [], ['i32']), forward('', 'i32'))
  t.is(one!.exports['run'](), 7)
})

test('results that do not fit are a TypeError that names the function', (t) => {
  for (const [results, value] of [
    [['i32'], 1n],
    [['i32'], '1'],
    [['i32'], undefined],
    [['i32'], [1]],
    [['i64'], 1],
    [['f64'], null],
    [['v128'], new Uint8Array(15)],
    [['funcref'], () => 1],
    [['i32', 'i64'], [1]],
    [
      ['i32', 'i64'],
      [1, 2n, 3],
    ],
    [
      ['i32', 'i64'],
      [1n, 2],
    ],
    [['i32', 'i64'], 1],
    [['i32', 'i64'], undefined],
  ] as const) {
    const [guest] = link(
      (f) => f.withName('named').withFunc(() => value as never, [], results),
      forward('', results.join(' ')),
    )
    t.throws(() => guest!.exports['run'](), { instanceOf: TypeError, code: 'INVALID_ARGUMENT', message: /env\.named/ })
  }
})

test('a promise is a TypeError that names the function, in every style and whatever its results', async (t) => {
  for (const style of styles) {
    for (const results of [[], ['i32'], ['i32', 'i32']] as const) {
      const [guest] = link((f) => anyStyle(f)[style](async () => {}, [], results), forward('', results.join(' ')))
      t.throws(
        () => guest!.exports['run'](),
        { instanceOf: TypeError, message: /env\.f/ },
        `${style} ${results.length}`,
      )
    }
  }
})

test('without types a function takes the signature of each module that imports it', (t) => {
  for (const style of ['withFunc', 'withModuleFunc'] as const) {
    const seen: unknown[][] = []
    const [echo, swap, none, wide] = link(
      (f) =>
        f[style]((...all: any[]) => {
          const args = style === 'withFunc' ? all : all.slice(1)
          seen.push(args)
          return args.length === 1 ? args[0] : args.toReversed()
        }),
      forward('i64', 'i64'),
      forward('f64 i32', 'i32 f64'),
      forward('', ''),
      forward('externref v128', 'v128 externref'),
    )
    t.is(echo!.exports['run'](5n), 5n)
    t.deepEqual(swap!.exports['run'](1.5, 2), [2, 1.5])
    t.is(none!.exports['run'](), undefined)
    const bytes = new Uint8Array(16).fill(9)
    t.deepEqual(wide!.exports['run']('any', bytes), [bytes, 'any'])
    t.throws(() => echo!.exports['run'](5), { instanceOf: TypeError })
    t.deepEqual(
      seen.map((args) => args.length),
      [1, 2, 0, 2],
    )
  }
})

test('one module cannot import an untyped function with two signatures, and is told what to do', (t) => {
  const imports = '(import "env" "f" (func)) (import "env" "f" (func (param f64) (result f64)))'
  t.throws(() => link((f) => f.withFunc(() => {}), `(module ${imports})`), {
    instanceOf: LinkError,
    message: /^import func\[env\.f\]: it is imported twice with different types; give the host function a type/,
  })
  const [guest] = link(
    (f) => f.withFunc((n) => n / 2),
    `(module ${'(import "env" "f" (func (param f64) (result f64)))'.repeat(2)}
      (func (export "run") (result f64) (call 1 (call 0 (f64.const 10)))))`,
  )
  t.is(guest!.exports['run'](), 2.5)
})

test('what a host function throws comes out unchanged, with frames that have the name given by withName', (t) => {
  for (const style of styles) {
    for (const thrown of [new Error('boom'), 'boom', undefined, null, 0, { any: 'thing' }]) {
      const callback = () => {
        throw thrown // oxlint-disable-line typescript/only-throw-error
      }
      const [guest] = link((f) => anyStyle(f)[style](callback, ['i32'], []).withName('named'), forward('i32', ''))
      let caught: unknown = 'nothing was thrown'
      try {
        guest!.exports['run'](1)
      } catch (error) {
        caught = error
      }
      t.is(caught, thrown, style)
      if (thrown instanceof Error) {
        const [first, second] = wasmFramesOf(caught)
        t.like(first, { moduleName: 'env', functionName: 'named', signature: '(i32)', host: true })
        t.like(second, { host: false, signature: '(i32)' })
      }
      t.false(guest!.closed)
    }
  }
})
