// Checked by `tsc --noEmit`: a wrong type is a compile error, and so is an expected error that does not come.
import type { ValueType } from '../../dist/api.js'
import type { Func } from '../../dist/func.js'
import type { ArrayRef, StructRef } from '../../dist/gc-ref.js'
import type {
  ArgsOf,
  NullableRefTypeName,
  RefTypeName,
  ResultsOf,
  ValueOf,
  ValueTypeName,
} from '../../dist/value-type.js'
import type { WasmException } from '../../dist/wasm-exception.js'

/** `true` only for identical types: `any` is equal to nothing but `any`, and `readonly` counts. */
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

function expectTrue<_T extends true>(): void {}

type Callback<P extends readonly ValueTypeName[], R extends readonly ValueTypeName[]> = (
  ...args: ArgsOf<P>
) => ResultsOf<R>

// Names
expectTrue<
  Equal<Extract<ValueTypeName, `${string}32` | `${string}64` | 'v128'>, 'i32' | 'i64' | 'f32' | 'f64' | 'v128'>
>()
expectTrue<Equal<Exclude<ValueTypeName, RefTypeName>, 'i32' | 'i64' | 'f32' | 'f64' | 'v128'>>()
expectTrue<Equal<Extract<NullableRefTypeName, 'anyref' | '(ref any)' | 'nullref'>, 'anyref' | 'nullref'>>()

// One value
expectTrue<Equal<ValueOf<'i32'>, number>>()
expectTrue<Equal<ValueOf<'i64'>, bigint>>()
expectTrue<Equal<ValueOf<'f32'>, number>>()
expectTrue<Equal<ValueOf<'f64'>, number>>()
expectTrue<Equal<ValueOf<'v128'>, Uint8Array>>()
expectTrue<Equal<ValueOf<'externref'>, any>>()
expectTrue<Equal<ValueOf<'funcref'>, Func | null>>()
expectTrue<Equal<ValueOf<'anyref'>, any>>()
expectTrue<Equal<ValueOf<'i31ref'>, number | null>>()
expectTrue<Equal<ValueOf<'eqref'>, StructRef | ArrayRef | number | null>>()
expectTrue<Equal<ValueOf<'structref'>, StructRef | null>>()
expectTrue<Equal<ValueOf<'(ref array)'>, ArrayRef>>()
expectTrue<Equal<ValueOf<'exnref'>, WasmException | null>>()
expectTrue<Equal<ValueOf<'nullref'>, null>>()
expectTrue<Equal<ValueOf<'(ref func)'>, Func>>()
expectTrue<Equal<ValueOf<'i32' | 'i64'>, number | bigint>>()
expectTrue<Equal<ValueOf<typeof ValueType.I32>, number>>()
expectTrue<Equal<ValueOf<typeof ValueType.I64>, bigint>>()
expectTrue<Equal<ValueOf<typeof ValueType.Externref>, any>>()
// @ts-expect-error -- not the name of a value type
expectTrue<Equal<ValueOf<'i31'>, number>>()

// Arguments
expectTrue<Equal<ArgsOf<[]>, []>>()
expectTrue<Equal<ArgsOf<readonly ['i32', 'i64']>, [number, bigint]>>()
expectTrue<Equal<ArgsOf<['f32', 'v128', 'funcref']>, [number, Uint8Array, Func | null]>>()
expectTrue<Equal<ArgsOf<readonly ['i32', 'i64']>['length'], 2>>()
expectTrue<Equal<ArgsOf<readonly 'i64'[]>, bigint[]>>()
expectTrue<Equal<ArgsOf<readonly [typeof ValueType.I64, 'i32']>, [bigint, number]>>()
expectTrue<Equal<Callback<['i32', 'i64'], ['f64']>, (a: number, b: bigint) => number>>()

// Results
expectTrue<Equal<ResultsOf<[]>, void | undefined>>()
expectTrue<Equal<ResultsOf<readonly []>, void | undefined>>()
expectTrue<Equal<ResultsOf<readonly ['i64']>, bigint>>()
expectTrue<Equal<ResultsOf<['externref']>, any>>()
expectTrue<Equal<ResultsOf<readonly ['i32', 'i64']>, readonly [number, bigint]>>()
expectTrue<Equal<ResultsOf<['i32', 'i64']>, readonly [number, bigint]>>()
expectTrue<Equal<ResultsOf<readonly ValueTypeName[]>, any>>()
expectTrue<Equal<ResultsOf<[typeof ValueType.F64]>, number>>()

// Inference as in the function builder: the callback comes first and is typed by the lists after it.
declare function withFunc<
  const P extends readonly ValueTypeName[],
  const R extends readonly ValueTypeName[],
  const T extends ResultsOf<R>,
>(fn: (...args: ArgsOf<P>) => T | PromiseLike<T>, params: P, results: R): void

withFunc(
  (a, b) => {
    expectTrue<Equal<typeof a, number>>()
    expectTrue<Equal<typeof b, bigint>>()
    return a + Number(b)
  },
  ['i32', 'i64'],
  ['i32'],
)
withFunc((a, b) => [b, a], ['i32', 'i64'], ['i64', 'i32'])
withFunc(async (a) => [a, 1n], ['f64'], ['f64', 'i64'])
withFunc((a) => void a, ['i32'], [])
withFunc(async () => {}, [], [])
withFunc((request: Request) => request.url, ['externref'], ['externref'])
withFunc((f) => f, ['funcref'], ['funcref'])
// @ts-expect-error -- i64 is a bigint
withFunc((a) => a, ['i32'], ['i64'])
// @ts-expect-error -- two results, one value
withFunc((a) => [a], ['i32'], ['i32', 'i32'])
// @ts-expect-error -- more parameters than the type has
withFunc((a: number, b: number) => a + b, ['i32'], ['i32'])
// @ts-expect-error -- not a value type
withFunc((a) => a, ['i31'], ['i32'])
