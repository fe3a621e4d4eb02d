/** Why WebAssembly code trapped. */
export type TrapCode =
  /** The guest's call stack grew beyond its limit. */
  | 'stack-overflow'
  /** A load, store or bulk operation reached outside a memory. */
  | 'memory-out-of-bounds'
  /** An atomic operation had an address that is not a multiple of its size. */
  | 'heap-misaligned'
  /** A table was accessed outside its length. */
  | 'table-out-of-bounds'
  /** `call_indirect` found a null in the table. */
  | 'indirect-call-to-null'
  /** `call_indirect` found a function of another type than it expected. */
  | 'bad-signature'
  /** A signed division does not fit its type: the lowest integer divided by -1. */
  | 'integer-overflow'
  /** An integer was divided by zero. */
  | 'integer-division-by-zero'
  /** A float that is NaN, or too large, was converted to an integer. */
  | 'bad-conversion-to-integer'
  /** The `unreachable` instruction was executed; compilers emit it for panics, aborts and failed assertions. */
  | 'unreachable'
  /** The code ran past its deadline. */
  | 'interrupt'
  /** The code used up its fuel. */
  | 'out-of-fuel'
  /** `memory.atomic.wait` was used on a memory that is not shared. */
  | 'atomic-wait-non-shared-memory'
  /** A reference that must not be null was null. */
  | 'null-reference'
  /** A garbage-collected array was accessed outside its length. */
  | 'array-out-of-bounds'
  /** An object was larger than the garbage-collected heap can ever hold. */
  | 'allocation-too-large'
  /** A reference was cast to a type that it does not have. */
  | 'cast-failure'
  /** A suspension had a tag that nobody up the stack handles. */
  | 'unhandled-tag'
  /** A continuation was resumed a second time. */
  | 'continuation-already-consumed'
  /** Any trap that this list has no name for. */
  | 'other'

// Spelled out as a record so that the compiler insists on every member of the union.
const trapCodeTable: Readonly<Record<TrapCode, true>> = {
  'stack-overflow': true,
  'memory-out-of-bounds': true,
  'heap-misaligned': true,
  'table-out-of-bounds': true,
  'indirect-call-to-null': true,
  'bad-signature': true,
  'integer-overflow': true,
  'integer-division-by-zero': true,
  'bad-conversion-to-integer': true,
  unreachable: true,
  interrupt: true,
  'out-of-fuel': true,
  'atomic-wait-non-shared-memory': true,
  'null-reference': true,
  'array-out-of-bounds': true,
  'allocation-too-large': true,
  'cast-failure': true,
  'unhandled-tag': true,
  'continuation-already-consumed': true,
  other: true,
}

/** Every {@link TrapCode}, in the order in which the type documents them. */
export const trapCodes: readonly TrapCode[] = Object.freeze(Object.keys(trapCodeTable) as TrapCode[])

export function isTrapCode(value: unknown): value is TrapCode {
  return typeof value === 'string' && Object.hasOwn(trapCodeTable, value)
}
