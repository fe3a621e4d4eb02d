import test from 'ava'

import { type HostFunctionBuilder, type ModuleInstance, Runtime, type ValueTypeName, api } from '../index.mjs'

/** Instantiates a module of the one host function `env.f`, and a guest that imports it. */
function link(define: (f: HostFunctionBuilder) => HostFunctionBuilder, text: string): ModuleInstance {
  const runtime = new Runtime()
  define(runtime.newHostModuleBuilder('env').newFunctionBuilder()).export('f').instantiate()
  return runtime.instantiate(text)
}

/** A guest whose `run` hands its parameters to `env.f`, and back what that returns. */
function forward(params: readonly string[], results: readonly string[]): string {
  const type = `(param ${params.join(' ')}) (result ${results.join(' ')})`
  return `(module (import "env" "f" (func $f ${type})) (func (export "run") ${type}
    ${params.map((_, index) => `(local.get ${index})`).join(' ')} (call $f)))`
}

const styles = ['withStackFunc', 'withModuleStackFunc'] as const

/** A callback of both styles: its last argument is the stack. */
const onStack =
  (run: (stack: BigUint64Array) => void) =>
  (...args: any[]) =>
    run(args.at(-1) as BigUint64Array)

const slots: readonly (readonly [type: 'i32' | 'i64' | 'f32' | 'f64', text: string, slot: bigint])[] = [
  ['i32', '-1', 0xffffffffn],
  ['i32', '0x80000000', 0x80000000n],
  ['i32', '5', 5n],
  ['i64', '-1', 0xffffffffffffffffn],
  ['i64', '0x8000000000000000', 0x8000000000000000n],
  ['f32', '1.5', 1069547520n],
  ['f32', '0x1.fffffep127', 0x7f7fffffn],
  ['f32', '-0', 0x80000000n],
  ['f32', 'nan:0x400001', 0x7fc00001n],
  ['f64', '1.5', 4609434218613702656n],
  ['f64', '0x1.fffffffffffffp1023', 0x7fefffffffffffffn],
  ['f64', '-0', 0x8000000000000000n],
  ['f64', 'nan:0x8000000000001', 0x7ff8000000000001n],
]

/** Whether the local `$v` has exactly these bits. */
function equals(type: string, bits: bigint): string {
  const int = type.replace('f', 'i')
  const value = type === int ? '(local.get $v)' : `(${int}.reinterpret_${type} (local.get $v))`
  return `(${int}.eq ${value} (${int}.const ${bits}))`
}

for (const style of styles) {
  test(`${style}: a parameter is its bits, zero-extended, and so is a result`, (t) => {
    for (const [type, text, slot] of slots) {
      const seen: bigint[] = []
      const guest = link(
        (f) =>
          f[style](
            onStack((stack) => void seen.push(stack[0]!)),
            [type],
            [type],
          ),
        `(module (import "env" "f" (func $f (param ${type}) (result ${type})))
          (func (export "same") (result i32) (local $v ${type})
            (local.set $v (call $f (${type}.const ${text})))
            ${equals(type, slot)}))`,
      )
      t.is(guest.exports['same'](), 1, `${type} ${text}`)
      t.deepEqual(seen, [slot], `${type} ${text}`)
    }
  })
}

test('the api helpers read and write what natural functions get', (t) => {
  const guest = link(
    (f) =>
      f.withStackFunc(
        (stack) => {
          const [a, b, c, d] = [stack[0]!, stack[1]!, stack[2]!, stack[3]!]
          stack[0] = api.encodeF64(-api.decodeF64(a))
          stack[1] = api.encodeF32(-api.decodeF32(b))
          stack[2] = api.encodeI64(-api.decodeI64(c))
          stack[3] = api.encodeI32(-api.decodeI32(d))
        },
        ['f64', 'f32', 'i64', 'i32'],
        ['f64', 'f32', 'i64', 'i32'],
      ),
    forward(['f64', 'f32', 'i64', 'i32'], ['f64', 'f32', 'i64', 'i32']),
  )
  t.deepEqual(guest.exports['run'](0.1, 1.5, 2n ** 62n, 7), [-0.1, -1.5, -(2n ** 62n), -7])
  t.deepEqual(guest.exports['run'](-0.1, -1.5, -5n, -7), [0.1, 1.5, 5n, 7])
})

test('a v128 takes two slots, the low half first, and shifts what follows it', (t) => {
  let seen: bigint[] = []
  const guest = link(
    (f) =>
      f.withStackFunc(
        (stack) => {
          seen = [...stack]
          stack.set([7n, 0x1122334455667788n, 0x99aabbccddeeff00n])
        },
        ['i32', 'v128', 'i64'],
        ['i32', 'v128'],
      ),
    forward(['i32', 'v128', 'i64'], ['i32', 'v128']),
  )
  const bytes = Uint8Array.from({ length: 16 }, (_, index) => index + 1)
  const [number, vector] = guest.exports['run'](-2, bytes, -3n) as [number, Uint8Array]
  t.deepEqual(seen, [0xfffffffen, 0x0807060504030201n, 0x100f0e0d0c0b0a09n, 2n ** 64n - 3n])
  t.is(number, 7)
  t.is(Buffer.from(vector).toString('hex'), '887766554433221100ffeeddccbbaa99')
})

test('the stack is as long as there are parameters, or results if these are more', (t) => {
  const cases: [params: ValueTypeName[], results: ValueTypeName[], length: number][] = [
    [[], [], 0],
    [['i32'], [], 1],
    [[], ['i32'], 1],
    [['i32'], ['i32'], 1],
    [['i32'], ['i64', 'f32', 'f64'], 3],
    [['i32', 'i32', 'i32'], ['i32'], 3],
    [['v128'], ['i32'], 2],
    [['i32'], ['v128', 'v128'], 4],
    [Array.from({ length: 20 }, () => 'i32'), ['i32'], 20],
  ]
  for (const style of styles) {
    for (const [params, results, length] of cases) {
      let seen: unknown
      const guest = link(
        (f) =>
          f[style](
            onStack((stack) => (seen = stack)),
            params,
            results,
          ),
        forward(params, results),
      )
      guest.exports['run'](...params.map((type) => (type === 'v128' ? new Uint8Array(16) : 1)))
      t.true(seen instanceof BigUint64Array)
      t.is((seen as BigUint64Array).length, length, `${params.join()} -> ${results.join()}`)
    }
  }
})

test('results are written from index 0 on, over the parameters', (t) => {
  const guest = link(
    (f) =>
      f.withStackFunc(
        (stack) => {
          t.deepEqual(stack.slice(0, 2), BigUint64Array.of(3n, 4n))
          stack[2] = stack[0]! * stack[1]!
          stack[0]! += stack[1]!
          stack[1] = 100n
        },
        ['i32', 'i32'],
        ['i32', 'i32', 'i32'],
      ),
    forward(['i32', 'i32'], ['i32', 'i32', 'i32']),
  )
  t.deepEqual(guest.exports['run'](3, 4), [7, 100, 12])
})

test('bits above the low half of an i32 or f32 result are ignored', (t) => {
  const guest = link(
    (f) => f.withStackFunc((stack) => void stack.fill(0xffffffff00000014n), [], ['i32', 'f32', 'i64']),
    `(module (import "env" "f" (func $f (result i32 f32 i64)))
      (func (export "run") (result i64 i64 i64) (local $i i32) (local $f f32) (local $l i64)
        (call $f) (local.set $l) (local.set $f) (local.set $i)
        (i64.extend_i32_u (local.get $i)) (i64.extend_i32_u (i32.reinterpret_f32 (local.get $f))) (local.get $l)))`,
  )
  t.deepEqual(guest.exports['run'](), [20n, 20n, BigInt.asIntN(64, 0xffffffff00000014n)])
})

test('what a stack function returns is ignored', (t) => {
  const guest = link((f) => f.withStackFunc((() => 99) as never, ['i32'], ['i32']), forward(['i32'], ['i32']))
  t.is(guest.exports['run'](5), 5)
})

test('array and buffer are the same in each call, and typed arrays over the buffer stay good', (t) => {
  const arrays = new Set<unknown>()
  const buffers = new Set<unknown>()
  let floats: Float64Array | undefined
  const guest = link(
    (f) =>
      f.withStackFunc(
        (stack) => {
          arrays.add(stack)
          buffers.add(stack.buffer)
          floats ??= new Float64Array(stack.buffer, stack.byteOffset, stack.length)
          floats[0] = floats[0]! / 2
        },
        ['f64'],
        ['f64'],
      ),
    forward(['f64'], ['f64']),
  )
  for (let value = 1; value < 100; value++) t.is(guest.exports['run'](value), value / 2)
  t.is(arrays.size, 1)
  t.is(buffers.size, 1)
})

test('each function has a stack of its own', (t) => {
  const stacks = new Set<BigUint64Array>()
  const runtime = new Runtime()
  const builder = runtime.newHostModuleBuilder('env')
  const f = builder.newFunctionBuilder().withStackFunc((stack) => void stacks.add(stack), ['i32'], [])
  f.export('a')
    .newFunctionBuilder()
    .withStackFunc((stack) => void stacks.add(stack), ['i32'], [])
    .export('b')
  f.export('c')
  builder.instantiate()
  const guest =
    runtime.instantiate(`(module ${['a', 'b', 'c'].map((name) => `(import "env" "${name}" (func (param i32)))`).join(' ')}
    (func (export "run") (call 0 (i32.const 1)) (call 1 (i32.const 2)) (call 2 (i32.const 3))))`)
  guest.exports['run']()
  guest.exports['run']()
  t.is(stacks.size, 3)
  t.is(new Set([...stacks].map(({ buffer }) => buffer)).size, 3)
})

test('a nested call of the same function leaves the outer one its values', (t) => {
  for (const outcome of ['returns', 'throws'] as const) {
    const seen: (readonly bigint[])[] = []
    const guest = link(
      (f) =>
        f.withModuleStackFunc(
          (module, stack) => {
            const depth = Number(stack[0])
            const before = [...stack]
            if (depth > 0) {
              try {
                module.exports['run'](depth - 1, BigInt(depth) * 100n)
              } catch {
                // Only the innermost call throws.
              }
            } else if (outcome === 'throws') {
              stack.fill(99n)
              throw new Error('innermost')
            }
            seen.push(before, [...stack])
            stack[0] = stack[1]! + 1n
          },
          ['i32', 'i64'],
          ['i64'],
        ),
      forward(['i32', 'i64'], ['i64']),
    )
    t.is(guest.exports['run'](5, 7n), 8n, outcome)
    t.is(seen.length, outcome === 'returns' ? 12 : 10)
    for (let index = 0; index < seen.length; index += 2) t.deepEqual(seen[index + 1], seen[index], outcome)
  }
})

test('several guests that use one stack function in turns and nested do not mix their values', (t) => {
  const runtime = new Runtime()
  const guests: ModuleInstance[] = []
  runtime
    .newHostModuleBuilder('env')
    .newFunctionBuilder()
    .withModuleStackFunc(
      (module, stack) => {
        const [count, tag] = [stack[0]!, stack[1]!]
        const other = guests[(guests.indexOf(module) + 1) % guests.length]
        if (count > 0n) other!.exports['run'](count - 1n, tag * 2n)
        t.deepEqual([...stack], [count, tag])
        stack[0] = tag
      },
      ['i64', 'i64'],
      ['i64'],
    )
    .export('f')
    .instantiate()
  for (let index = 0; index < 3; index++) guests.push(runtime.instantiate(forward(['i64', 'i64'], ['i64'])))
  for (const [index, guest] of guests.entries()) t.is(guest.exports['run'](6n, BigInt(index)), BigInt(index))
})
