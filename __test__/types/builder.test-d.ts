// Checked by `tsc --noEmit`: a wrong type is a compile error, and so is an expected error that does not come.
import {
  type CompiledHostModule,
  type Func,
  type HostFunctionBuilder,
  type HostModuleBuilder,
  type HostModuleInstance,
  type ModuleInstance,
  type Runtime,
  ValueType,
  type ValueTypeName,
} from '../../index.mjs'

/** `true` only for identical types: `any` is equal to nothing but `any`, and `readonly` counts. */
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

function expectTrue<_T extends true>(): void {}

declare const f: HostFunctionBuilder
declare const module: HostModuleBuilder
declare const typeList: ValueTypeName[]

// Chaining
expectTrue<Equal<ReturnType<Runtime['newHostModuleBuilder']>, HostModuleBuilder>>()
expectTrue<Equal<Parameters<HostModuleBuilder['newFunctionBuilder']>, []>>()
expectTrue<Equal<ReturnType<HostModuleBuilder['newFunctionBuilder']>, HostFunctionBuilder>>()
expectTrue<Equal<ReturnType<HostFunctionBuilder['export']>, HostModuleBuilder>>()
expectTrue<Equal<ReturnType<HostModuleBuilder['compile']>, CompiledHostModule>>()
expectTrue<Equal<ReturnType<HostModuleBuilder['instantiate']>, HostModuleInstance>>()
const chained = f
  .withFunc((a) => a, ['i32'], ['i32'])
  .withName('n')
  .withParameterNames('a')
  .withResultNames('r')
expectTrue<Equal<typeof chained, HostFunctionBuilder>>()
// @ts-expect-error -- a name is a string
f.withName(1)
// @ts-expect-error -- names are given one by one
f.withParameterNames(['a', 'b'])

// withFunc: parameters follow from the list of types after the callback
f.withFunc(
  (a, b) => {
    expectTrue<Equal<typeof a, number>>()
    expectTrue<Equal<typeof b, bigint>>()
  },
  ['i32', 'i64'],
  [],
)
f.withFunc(
  (...args) => {
    expectTrue<Equal<typeof args, [number, bigint, number, number, Uint8Array, any, Func | null]>>()
  },
  ['i32', 'i64', 'f32', 'f64', 'v128', 'externref', 'funcref'],
  [],
)
f.withFunc(
  (a, b) => {
    expectTrue<Equal<typeof a, bigint>>()
    expectTrue<Equal<typeof b, number>>()
  },
  [ValueType.I64, ValueType.F32],
  [],
)
f.withFunc((request: Request) => request.url, ['externref'], ['externref'])
f.withFunc(() => {}, ['i32', 'i64'], [])
// @ts-expect-error -- more parameters than the type has
f.withFunc((a: number, b: number) => a + b, ['i32'], ['i32'])
// @ts-expect-error -- i64 is a bigint
f.withFunc((a: number) => a, ['i64'], ['i32'])
// @ts-expect-error -- not a value type
f.withFunc((a) => a, ['i31'], ['i32'])
// @ts-expect-error -- 0x70 is not a byte of ValueType
f.withFunc(() => {}, [0x70], [])
// @ts-expect-error -- parameters without results
f.withFunc(() => {}, ['i32'])
// @ts-expect-error -- not a function
f.withFunc(null, [], [])

// withFunc: what is returned must fit
f.withFunc(() => 1n, [], ['i64'])
f.withFunc((a, b) => [b, a], ['i32', 'i64'], ['i64', 'i32'])
f.withFunc((a) => (a > 1 ? [1, 2n] : [3, 4n]), ['i32'], ['i32', 'i64'])
f.withFunc((v) => v.toReversed(), ['v128'], ['v128'])
f.withFunc((g) => g, ['funcref'], ['funcref'])
f.withFunc(() => [1.5, 2n], [], [ValueType.F64, ValueType.I64])
f.withFunc(() => void Math.random(), [], [])
f.withFunc(
  () => {
    throw new Error('always')
  },
  [],
  ['i32', 'i64'],
)
f.withFunc(() => 'anything', typeList, typeList)
// @ts-expect-error -- i64 is a bigint
f.withFunc((a) => a, ['i32'], ['i64'])
// @ts-expect-error -- i32 is a number
f.withFunc((a) => a, ['i64'], ['i32'])
// @ts-expect-error -- nothing is returned
f.withFunc(() => {}, [], ['i32'])
// @ts-expect-error -- a string is no number
f.withFunc(() => '1', [], ['f64'])
// @ts-expect-error -- two results, one value
f.withFunc((a) => [a], ['i32'], ['i32', 'i32'])
// @ts-expect-error -- the wrong order
f.withFunc((a, b) => [a, b], ['i32', 'i64'], ['i64', 'i32'])
// @ts-expect-error -- one result, an array
f.withFunc((a) => [a], ['i32'], ['i32'])
// @ts-expect-error -- no result, a value
f.withFunc(() => 1, [], [])
// @ts-expect-error -- a plain function is no Func
f.withFunc(() => () => 1, [], ['funcref'])

// withFunc: promises of what fits
f.withFunc(async () => {}, [], [])
f.withFunc(async (a) => a * 2, ['i32'], ['i32'])
f.withFunc(async (a) => [a, 1n], ['f64'], ['f64', 'i64'])
f.withFunc((a) => (a > 0 ? a : Promise.resolve(0)), ['i32'], ['i32'])
// @ts-expect-error -- a promise of a number is no bigint
f.withFunc(async (a) => a, ['i32'], ['i64'])
// @ts-expect-error -- a promise of nothing is no number
f.withFunc(async () => {}, [], ['i32'])

// withModuleFunc: the same behind the instance
f.withModuleFunc(
  (mod, a, b) => {
    expectTrue<Equal<typeof mod, ModuleInstance>>()
    expectTrue<Equal<typeof a, number>>()
    expectTrue<Equal<typeof b, bigint>>()
    return [b, a]
  },
  ['i32', 'i64'],
  ['i64', 'i32'],
)
f.withModuleFunc(
  (mod, pointer, length) => mod.memory?.readString(pointer, length)?.length ?? -1,
  ['i32', 'i32'],
  ['i32'],
)
f.withModuleFunc(async (mod) => mod.name.length, [], ['i32'])
f.withModuleFunc(() => 1, ['i32'], ['i32'])
// @ts-expect-error -- the first parameter is the instance
f.withModuleFunc((a: number) => a, ['i32'], ['i32'])
// @ts-expect-error -- i64 is a bigint
f.withModuleFunc((_mod, a) => a, ['i32'], ['i64'])
// @ts-expect-error -- a promise of the wrong type
f.withModuleFunc(async () => 'x', [], ['i32'])

// Stack styles: no values, only the stack
f.withStackFunc(
  (stack) => {
    expectTrue<Equal<typeof stack, BigUint64Array>>()
    stack[0] = 1n
  },
  ['i32'],
  ['i32'],
)
f.withModuleStackFunc(
  (mod, stack) => {
    expectTrue<Equal<typeof mod, ModuleInstance>>()
    expectTrue<Equal<typeof stack, BigUint64Array>>()
  },
  [ValueType.I32, 'v128'],
  [],
)
f.withStackFunc(async (stack) => void (stack[0] = 1n), [], ['i32'])
f.withModuleStackFunc(async () => {}, typeList, typeList)
// @ts-expect-error -- the stack style needs its types
f.withStackFunc(() => {})
// @ts-expect-error -- the stack style needs its types
f.withModuleStackFunc((_mod, _stack) => {}, ['i32'])
// @ts-expect-error -- slots are bigints
f.withStackFunc((stack) => void (stack[0] = 1), [], ['i32'])
// @ts-expect-error -- not a value type
f.withStackFunc(() => {}, ['int'], [])

// Without types everything goes
f.withFunc((a, b, ...rest) => {
  expectTrue<Equal<typeof a, any>>()
  expectTrue<Equal<typeof b, any>>()
  expectTrue<Equal<typeof rest, any[]>>()
  return 'anything'
})
f.withFunc((a: number, b: bigint) => [a, b])
f.withFunc(async () => Symbol('s'))
f.withFunc(() => {})
f.withModuleFunc((mod, ...args) => {
  expectTrue<Equal<typeof mod, ModuleInstance>>()
  expectTrue<Equal<typeof args, any[]>>()
  return args[0]
})
f.withModuleFunc((mod, a: bigint) => mod.name + String(a))

// Globals of a host module have values of their types
module.exportGlobal('g', 'i64', 1n, true)
module.exportGlobal('g', ValueType.F64, 1)
module.exportGlobal('g', 'externref', new Date())
// @ts-expect-error -- i64 is a bigint
module.exportGlobal('g', 'i64', 1)
// @ts-expect-error -- i32 is a number
module.exportGlobal('g', 'i32', 1n)
// @ts-expect-error -- a vector is 16 bytes
module.exportGlobal('g', 'v128', [0, 0])
module.exportMemory('m', { min: 1, max: 2 })
// @ts-expect-error -- no limit of that name
module.exportMemory('m', { initial: 1 })
// @ts-expect-error -- tables hold references
module.exportTable('t', { element: 'i32' })
