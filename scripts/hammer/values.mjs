/** What is compared between two engines: values and outcomes of calls as text. */

/** Values for externrefs; which of them came out is found by identity. */
export const references = [null, undefined, 0, -1.5, 7n, '', 'text', Symbol('s'), {}, [], () => 1, new Map(), NaN, true]

/** What host functions throw. */
export const thrown = [new Error('thrown on purpose'), { thrown: true }, 'text', 5, null, undefined, Symbol('thrown')]

const numbers = new Set(['i32', 'i64', 'f32', 'f64'])

/** The types whose values both JavaScript APIs take and give. */
export const isCommon = (type) => numbers.has(type) || type === 'externref' || type === 'funcref'

/**
 * A random value in a form that is independent of the engine: a number, or what `Side.native` turns into a reference.
 */
export function randomValue(random, type) {
  if (numbers.has(type)) return random.number(type)
  if (type === 'externref') return references[random.below(references.length)]
  if (type === 'funcref') return { helper: random.below(5) }
  return undefined
}

/** A value as text, the same for the same value whichever engine it comes from. */
export function show(type, value) {
  switch (type) {
    case 'i32':
    case 'i64':
      return typeof value === (type === 'i32' ? 'number' : 'bigint') ? String(value) : `?${typeof value}`
    case 'f32':
    case 'f64':
      if (typeof value !== 'number') return `?${typeof value}`
      return Object.is(value, -0) ? '-0' : String(value)
    case 'externref':
      return `ref ${references.findIndex((reference) => Object.is(reference, value))}`
    case 'funcref':
      return value === null ? 'null' : 'func'
    default:
      return '?'
  }
}

/** The results of a call, which JavaScript gets as nothing, a value or an array. */
export function showResults(types, result) {
  if (types.length === 0) return result === undefined ? '' : `?${typeof result}`
  const list = types.length === 1 ? [result] : result
  if (!Array.isArray(list) || list.length !== types.length) return '?results'
  return types.map((type, index) => show(type, list[index])).join(' ')
}

/** The text of an error that is the same in both engines. */
export function showThrown(error, trapOf) {
  const index = thrown.findIndex((value) => Object.is(value, error))
  return index >= 0 ? `throws ${index}` : `traps ${trapOf(error)}`
}

/** Said instead of a trap if the stack was used up: how large it is differs. */
export const OVERFLOW = 'stack-overflow'
