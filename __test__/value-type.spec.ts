import test from 'ava'

import { ValueType } from '../dist/api.js'
import { describe } from '../dist/describe.js'
import { checkValueTypes, isValueTypeName, signatureText } from '../dist/value-type.js'

const allNames = ['i32', 'i64', 'f32', 'f64', 'v128', 'externref', 'funcref', 'anyref', 'eqref', 'i31ref', 'structref', 'arrayref',
  'exnref', 'nullref', 'nullexternref', 'nullfuncref', 'nullexnref', '(ref extern)', '(ref func)', '(ref any)', '(ref eq)', '(ref i31)',
  '(ref struct)', '(ref array)', '(ref exn)'] as const // prettier-ignore

test('only exact names are names of value types', (t) => {
  for (const name of allNames) t.true(isValueTypeName(name))
  const others = [
    'I32',
    'i32 ',
    '',
    'structref ',
    '(ref)',
    '(ref none)',
    '(ref null any)',
    'ref',
    'toString',
    '__proto__',
    0x7f,
    null,
    undefined,
    new String('i32'),
    ['i32'],
  ]
  for (const other of others) t.false(isValueTypeName(other))
})

test('a list of names and bytes becomes a frozen list of names', (t) => {
  t.deepEqual(checkValueTypes([...allNames], 'params'), [...allNames])
  const { I32, I64, F32, F64, Externref } = ValueType
  t.deepEqual(checkValueTypes([I32, 'i64', I64, F32, F64, Externref], 'params'), [
    'i32',
    'i64',
    'i64',
    'f32',
    'f64',
    'externref',
  ])
  t.deepEqual(checkValueTypes([], 'results'), [])
  t.true(Object.isFrozen(checkValueTypes(['i32'], 'params')))
})

test('the list is copied', (t) => {
  const list = ['i32']
  const checked = checkValueTypes(list, 'params')
  list[0] = 'nonsense'
  list.push('i64')
  t.deepEqual(checked, ['i32'])
})

test('an element that is no value type is named by its index', (t) => {
  t.throws(() => checkValueTypes(['i32', 'i31'], 'params'), {
    instanceOf: TypeError,
    code: 'INVALID_ARGUMENT',
    message: /^params\[1\] must be 'i32', 'i64', .*'\(ref exn\)' or a ValueType constant, but got the string "i31"$/,
  })
  t.throws(() => checkValueTypes([0x01], 'func[env.f] result'), {
    message: /^func\[env\.f\] result\[0\] must .*number 1$/,
  })
  // The bytes of v128 and funcref are not among wazero's constants, and a stray 0x40 is a block type.
  for (const bad of [0x7b, 0x70, 0x40, 127n, '127', null, undefined, {}, [ValueType.I32]]) {
    t.throws(() => checkValueTypes(['i32', 'i32', bad], 'params'), { message: /^params\[2\] must be / })
  }
  // A hole reads as undefined.
  t.throws(() => checkValueTypes(Object.assign([], { length: 1 }), 'params'), {
    message: /^params\[0\] .*but got undefined$/,
  })
})

test('what is no array is refused', (t) => {
  for (const bad of [undefined, null, 'i32', { length: 0 }, new Set(['i32']), new Uint8Array([0x7f]), () => []]) {
    t.throws(() => checkValueTypes(bad, 'params'), {
      instanceOf: TypeError,
      code: 'INVALID_ARGUMENT',
      message: /^params must be an array of value types \('i32', .*\), but got /,
    })
  }
})

test('at most 1000 types, the limit of the engine', (t) => {
  t.is(
    checkValueTypes(
      Array.from({ length: 1000 }, () => 'i32'),
      'params',
    ).length,
    1000,
  )
  t.throws(() => checkValueTypes(Object.assign([], { length: 2 ** 32 - 1 }), 'params'), {
    instanceOf: RangeError,
    code: 'OUT_OF_RANGE',
    message: 'params must have at most 1000 value types, but has 4294967295',
  })
})

test('each element is read once, so a getter cannot swap it after the check', (t) => {
  let reads = 0
  const list: unknown[] = ['i64']
  Object.defineProperty(list, 0, { get: () => (reads++ === 0 ? 'i32' : 'nonsense') })
  t.deepEqual(checkValueTypes(list, 'params'), ['i32'])
  t.is(reads, 1)

  const seen: PropertyKey[] = []
  const proxy = new Proxy(['i32', 'f64'], {
    get(target, key, receiver) {
      seen.push(key)
      return Reflect.get(target, key, receiver) as unknown
    },
  })
  t.deepEqual(checkValueTypes(proxy, 'params'), ['i32', 'f64'])
  t.deepEqual(seen, ['length', '0', '1'])

  const endless: string[] = ['i32']
  Object.defineProperty(endless, 0, { get: () => (endless.push('i32'), 'i32') })
  t.deepEqual(checkValueTypes(endless, 'params'), ['i32'])

  const lying = new Proxy([], { get: () => NaN })
  t.throws(() => checkValueTypes(lying, 'params'), { code: 'OUT_OF_RANGE' })
})

test('signatures read as in wazero', (t) => {
  t.is(signatureText([], []), '()')
  t.is(signatureText(['i32'], []), '(i32)')
  t.is(signatureText([], ['f64']), '() f64')
  t.is(signatureText(['i32', 'i32'], ['i32']), '(i32,i32) i32')
  t.is(signatureText(['i32'], ['i32', 'i64']), '(i32) (i32,i64)')
})

test('messages describe what came in a few words', (t) => {
  class Memory {}
  const cases: [value: unknown, text: string][] = [
    [undefined, 'undefined'],
    [null, 'null'],
    [true, 'the boolean true'],
    [1.5, 'the number 1.5'],
    [-0, 'the number -0'],
    [NaN, 'the number NaN'],
    [5n, 'the bigint 5n'],
    [-(2n ** 127n), `the bigint ${-(2n ** 127n)}n`],
    [2n ** 127n, 'a bigint wider than 128 bits'],
    ['a"b\n', String.raw`the string "a\"b\n"`],
    ['x'.repeat(40), `the string "${'x'.repeat(40)}"`],
    ['x'.repeat(41), `the string "${'x'.repeat(40)}"… (41 characters)`],
    ['x'.repeat(39) + '😀', `the string "${'x'.repeat(39)}"… (41 characters)`],
    [Symbol('s'), 'the symbol Symbol(s)'],
    [() => 1, 'a function'],
    [Memory, 'a function'],
    [[1, 2], 'an array'],
    [{}, 'an object'],
    [Object.create(null), 'an object'],
    [new Memory(), 'an object of class Memory'],
    [Promise.resolve(), 'a Promise'],
    [new TypeError('x'), 'an Error'],
    [new Date(), 'a Date'],
    [new Map(), 'a Map'],
    [/x/, 'a RegExp'],
    [new ArrayBuffer(1), 'an ArrayBuffer'],
    [Buffer.alloc(1), 'a Uint8Array'],
    [new Int8Array(1), 'an Int8Array'],
    [new BigUint64Array(1), 'a BigUint64Array'],
    [new DataView(new ArrayBuffer(1)), 'a DataView'],
    [new Number(1), 'a Number object'],
    [new Proxy([], {}), 'a Proxy'],
  ]
  for (const [value, text] of cases) t.is(describe(value), text)
})

test('describing a value runs no code of the value', (t) => {
  const fail = () => {
    throw new Error('user code was run')
  }
  const { proxy: revoked, revoke } = Proxy.revocable({}, {})
  revoke()
  const handler = new Proxy({}, { get: () => fail }) as ProxyHandler<object>
  class Named {}
  Object.defineProperty(Named, 'name', { get: fail })
  const hostile = Object.defineProperties(
    {},
    {
      toString: { value: fail },
      toJSON: { value: fail },
      constructor: { get: fail },
      [Symbol.toStringTag]: { get: fail },
      [Symbol.toPrimitive]: { get: fail },
    },
  )
  const array = Object.defineProperty(new Uint8Array(1), Symbol.toStringTag, { get: fail })
  const values: [value: unknown, text: string][] = [
    [revoked, 'a Proxy'],
    [new Proxy({}, handler), 'a Proxy'],
    [Object.create(new Proxy({}, handler)), 'an object'],
    [hostile, 'an object'],
    [Object.create(hostile), 'an object'],
    [new Named(), 'an object'],
    [array, 'a Uint8Array'],
  ]
  for (const [value, text] of values) t.is(describe(value), text)
})
