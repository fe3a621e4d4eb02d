import { ValueType } from './api'
import { checkList } from './call-options'
import { describe } from './describe'
import { ArgumentError } from './errors'
import type { Func } from './func'
import type { ArrayRef, StructRef } from './gc-ref'
import type { WasmException } from './wasm-exception'

/** What a WebAssembly value of each type is in JavaScript. */
interface ValueMap {
  i32: number
  i64: bigint
  f32: number
  f64: number
  v128: Uint8Array
  // `any`, not `unknown`: whatever the host puts in comes out again unchanged, and only the host's author knows what
  // that was. With `unknown`, a callback that declares its parameter, `(request: Request) => ...`, would be refused,
  // and every other one would begin with a cast.
  externref: any
  funcref: Func | null
  anyref: any
  eqref: StructRef | ArrayRef | number | null
  i31ref: number | null
  structref: StructRef | null
  arrayref: ArrayRef | null
  exnref: WasmException | null
  nullref: null
  nullexternref: null
  nullfuncref: null
  nullexnref: null
  '(ref extern)': any
  '(ref func)': Func
  '(ref any)': any
  '(ref eq)': StructRef | ArrayRef | number
  '(ref i31)': number
  '(ref struct)': StructRef
  '(ref array)': ArrayRef
  '(ref exn)': WasmException
}

/** The name of a value type of WebAssembly, as in the text format. */
export type ValueTypeName = keyof ValueMap

/** The name of a reference type. */
export type RefTypeName = Exclude<ValueTypeName, 'i32' | 'i64' | 'f32' | 'f64' | 'v128'>

/** The name of a type of references that can be null. */
export type NullableRefTypeName = Exclude<RefTypeName, `(${string}`>

/** A value type as this package takes it: its name, or wazero's byte for it from `ValueType`. */
export type ValueTypeLike = ValueTypeName | ValueType

/** The name that belongs to a byte of `ValueType`. */
type NameOf<T extends ValueTypeLike> = T extends ValueTypeName
  ? T
  : T extends typeof ValueType.I32
    ? 'i32'
    : T extends typeof ValueType.I64
      ? 'i64'
      : T extends typeof ValueType.F32
        ? 'f32'
        : T extends typeof ValueType.F64
          ? 'f64'
          : 'externref'

/**
 * The JavaScript type of a WebAssembly value: `number` for `i32`, `f32` and `f64`, `bigint` for `i64`, a `Uint8Array`
 * of 16 bytes for `v128`, `any` value at all for `externref` and `anyref`, `Func | null` for `funcref`, `number | null` for
 * `i31ref`, `StructRef | null` for `structref`, and so on.
 */
export type ValueOf<T extends ValueTypeLike> = ValueMap[NameOf<T>]

/**
 * The arguments of a function with the given parameter types, as a tuple: `['i32', 'i64']` gives `[number, bigint]`.
 * A list whose length is not known to TypeScript gives an array.
 */
export type ArgsOf<P extends readonly ValueTypeLike[]> = { -readonly [K in keyof P]: ValueOf<P[K]> }

/**
 * What a call of a function with the given result types returns: nothing for `[]`, the value itself for one result, a
 * tuple for several. A list whose length is not known to TypeScript gives `any`.
 */
export type ResultsOf<R extends readonly ValueTypeLike[]> = R extends readonly []
  ? void | undefined
  : R extends readonly [infer One extends ValueTypeLike]
    ? ValueOf<One>
    : number extends R['length']
      ? any
      : { readonly [K in keyof R]: ValueOf<R[K]> }

// The type of this table makes the compiler notice a name that is missing here.
const names: ReadonlySet<unknown> = new Set(
  Object.keys({
    i32: true,
    i64: true,
    f32: true,
    f64: true,
    v128: true,
    externref: true,
    funcref: true,
    anyref: true,
    eqref: true,
    i31ref: true,
    structref: true,
    arrayref: true,
    exnref: true,
    nullref: true,
    nullexternref: true,
    nullfuncref: true,
    nullexnref: true,
    '(ref extern)': true,
    '(ref func)': true,
    '(ref any)': true,
    '(ref eq)': true,
    '(ref i31)': true,
    '(ref struct)': true,
    '(ref array)': true,
    '(ref exn)': true,
  } satisfies Record<ValueTypeName, true>),
)

const namesByByte: ReadonlyMap<unknown, ValueTypeName> = new Map<ValueType, ValueTypeName>([
  [ValueType.I32, 'i32'],
  [ValueType.I64, 'i64'],
  [ValueType.F32, 'f32'],
  [ValueType.F64, 'f64'],
  [ValueType.Externref, 'externref'],
])

const accepted = `${[...names].map((name) => `'${String(name)}'`).join(', ')} or a ValueType constant`

/** @internal The engine refuses function types with more parameters, or more results, than this. */
export const MAX_VALUE_TYPES = 1000

/**
 * Tells whether a value is the name of a value type, such as `'i32'`.
 *
 * @param value Anything; what is not a string gives `false`.
 */
export function isValueTypeName(value: unknown): value is ValueTypeName {
  return names.has(value)
}

/** @internal Whether values of a type are references; also for the names of types of modules, such as `(ref null ...)`. */
export function isReference(name: string): boolean {
  return name.endsWith('ref') || name.startsWith('(ref')
}

/** @internal Checks the name of a type of references. */
export function checkRefType(value: unknown, what: string): RefTypeName {
  const [name] = checkValueTypes([value], what)
  if (name === undefined || !isReference(name)) {
    throw new ArgumentError(`${what} must be a reference type, such as 'funcref', but got ${describe(value)}`)
  }
  return name as RefTypeName
}

/**
 * Checks a list of value types that a caller handed over, and copies it.
 *
 * @param list An array of names (`'i32'`) and bytes of `ValueType` in any mixture, at most 1000 of them. Each element is
 * read once, so what is checked is what is returned even when the array is a proxy or has getters.
 * @param what What the list is, to begin the message with: `params` gives `params[1] must be ...`.
 * @returns A frozen copy that holds names only.
 * @throws {ArgumentError} If `list` is not an array, or an element is not a value type; the message has its index.
 * @throws {ArgumentRangeError} If the list has more than 1000 elements.
 */
export function checkValueTypes(list: unknown, what: string): readonly ValueTypeName[] {
  const check = (element: unknown, place: string): ValueTypeName => {
    const name = isValueTypeName(element) ? element : namesByByte.get(element)
    if (name !== undefined) return name
    throw new ArgumentError(`${place} must be ${accepted}, but got ${describe(element)}`)
  }
  const types = checkList(list, what, 'value types', MAX_VALUE_TYPES, check, ` (${accepted})`)
  return Object.freeze(types)
}

/**
 * A function's type as wazero's stack traces show it: `(i32,i32) i32`, `(i32) (i32,i64)`, or `(i32)` without results.
 *
 * @param params Names of the parameter types.
 * @param results Names of the result types.
 */
export function signatureText(params: readonly ValueTypeName[], results: readonly ValueTypeName[]): string {
  const head = `(${params.join(',')})`
  if (results.length === 0) return head
  return results.length === 1 ? `${head} ${results[0]}` : `${head} (${results.join(',')})`
}
