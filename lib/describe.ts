import { types } from 'node:util'

/** Longest part of a string, symbol or class name that a description quotes, in UTF-16 units. */
const MAX_QUOTED = 40

/** Widest bigint whose digits are worth printing: converting a huge one to text can take seconds. */
const MAX_BIGINT_BITS = 128

/**
 * Reads the kind of a typed array from its internal slot, so that neither a subclass nor an own
 * `Symbol.toStringTag` of the array is asked.
 */
const typedArrayTag = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype) as object,
  Symbol.toStringTag,
)?.get

/** Object kinds that Node tells apart by internal slots alone, in the order in which they are tried. */
const objectKinds: readonly (readonly [test: (value: object) => boolean, text: string])[] = [
  [types.isPromise, 'a Promise'],
  [types.isNativeError, 'an Error'],
  [types.isArrayBuffer, 'an ArrayBuffer'],
  [types.isSharedArrayBuffer, 'a SharedArrayBuffer'],
  [types.isDataView, 'a DataView'],
  [types.isMap, 'a Map'],
  [types.isSet, 'a Set'],
  [types.isWeakMap, 'a WeakMap'],
  [types.isWeakSet, 'a WeakSet'],
  [types.isDate, 'a Date'],
  [types.isRegExp, 'a RegExp'],
  [types.isNumberObject, 'a Number object'],
  [types.isStringObject, 'a String object'],
  [types.isBooleanObject, 'a Boolean object'],
  [types.isBigIntObject, 'a BigInt object'],
  [types.isSymbolObject, 'a Symbol object'],
  [types.isArgumentsObject, 'an arguments object'],
  [types.isGeneratorObject, 'a generator'],
  [types.isModuleNamespaceObject, 'a module namespace'],
]

/**
 * Says in a few words what a value is, for the "but got ..." half of an error message.
 *
 * The value may come from anywhere, so nothing of its own is run: no `toString`, `toJSON` or `inspect`,
 * no getter and no proxy trap. It never throws.
 *
 * @param value Anything.
 * @returns For example `the number 1.5`, `the string "abc"`, `a function`, `an array`, `null`, `a Promise`,
 * `an object of class Memory`.
 */
export function describe(value: unknown): string {
  try {
    switch (typeof value) {
      case 'undefined':
        return 'undefined'
      case 'boolean':
        return `the boolean ${value}`
      case 'number':
        // Text made from -0 by String() would read as plain 0.
        return `the number ${Object.is(value, -0) ? '-0' : value}`
      case 'bigint':
        return BigInt.asIntN(MAX_BIGINT_BITS, value) === value
          ? `the bigint ${value}n`
          : `a bigint wider than ${MAX_BIGINT_BITS} bits`
      case 'string':
        return `the string ${quote(value)}`
      case 'symbol':
        // String() of a primitive symbol reads its description without going through Symbol.prototype.
        return `the symbol ${cut(String(value))}`
      case 'function':
        return 'a function'
      default:
        return value === null ? 'null' : describeObject(value as object)
    }
  } catch {
    // Nothing above is known to throw. A message is never worth a second error in place of the first.
    return 'a value'
  }
}

function describeObject(value: object): string {
  // First, because nearly every other question put to a proxy is answered by its traps.
  if (types.isProxy(value)) return 'a Proxy'
  if (Array.isArray(value)) return 'an array'
  if (types.isTypedArray(value)) {
    const tag: unknown = typedArrayTag === undefined ? undefined : Reflect.apply(typedArrayTag, value, [])
    return typeof tag === 'string' ? `${tag.startsWith('Int') ? 'an' : 'a'} ${tag}` : 'a typed array'
  }
  for (const [test, text] of objectKinds) {
    if (test(value)) return text
  }
  const name = className(value)
  return name === undefined || name === 'Object' ? 'an object' : `an object of class ${cut(name)}`
}

/** The name of an object's class where plain data properties tell it; getters and proxies are left alone. */
function className(value: object): string | undefined {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (typeof prototype !== 'object' || prototype === null || types.isProxy(prototype)) return undefined
  const constructor: unknown = Object.getOwnPropertyDescriptor(prototype, 'constructor')?.value
  if (typeof constructor !== 'function' || types.isProxy(constructor)) return undefined
  const name: unknown = Object.getOwnPropertyDescriptor(constructor, 'name')?.value
  return typeof name === 'string' && name !== '' ? name : undefined
}

/** A string in double quotes, control characters escaped, cut where it is long. */
function quote(text: string): string {
  const head = cut(text, '')
  return head.length === text.length ? JSON.stringify(text) : `${JSON.stringify(head)}… (${text.length} characters)`
}

function cut(text: string, ellipsis = '…'): string {
  if (text.length <= MAX_QUOTED) return text
  const last = text.charCodeAt(MAX_QUOTED - 1)
  // Half a surrogate pair would print as a replacement character.
  const end = last >= 0xd800 && last <= 0xdbff ? MAX_QUOTED - 1 : MAX_QUOTED
  return text.slice(0, end) + ellipsis
}
