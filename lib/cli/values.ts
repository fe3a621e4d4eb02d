import type { FunctionDefinition } from '../function-definition'
import { renderName } from '../wasm-frame'
import { UsageError } from './failure'

/** A function as the text of messages and tables: `add(left: i32, right: i32) -> i32`. Names are made safe to print. */
export function functionText(
  name: string,
  params: readonly string[],
  results: readonly string[],
  paramNames: readonly string[] = [],
): string {
  const list = params
    .map((type, index) => (paramNames[index] ? `${renderName(paramNames[index])}: ${type}` : type))
    .join(', ')
  const result = results.length === 0 ? '' : ` -> ${results.length === 1 ? results[0] : `(${results.join(', ')})`}`
  return `${renderName(name)}(${list})${result}`
}

/** As `functionText`, cut where it would fill a screen. */
export function signatureText(...parts: Parameters<typeof functionText>): string {
  const text = functionText(...parts)
  return text.length > MAX_SIGNATURE ? `${text.slice(0, MAX_SIGNATURE)}…` : text
}

const MAX_SIGNATURE = 1000

/**
 * The arguments of a call, from the words of the command line.
 *
 * @throws {UsageError} If there are too many or too few, or one does not fit its type.
 */
export function parseValues(name: string, definition: FunctionDefinition, words: readonly string[]): unknown[] {
  const { paramTypes, paramNames, resultTypes } = definition
  const signature = signatureText(name, paramTypes, resultTypes, paramNames)
  if (words.length !== paramTypes.length) {
    throw new UsageError(`${signature} takes ${count(paramTypes.length)}, but got ${words.length}`)
  }
  return paramTypes.map((type, index) => {
    const word = words[index] ?? ''
    const value = parseValue(type, word)
    if (value !== undefined) return value
    const expected = EXPECTED[type] ?? '"null": other references cannot be given here'
    throw new UsageError(`argument ${index + 1} of ${signature} must be ${expected}, not "${word}"`)
  })
}

const count = (number: number): string => (number === 1 ? '1 argument' : `${number} arguments`)

const EXPECTED: { readonly [type: string]: string } = {
  i32: 'an integer from -2147483648 to 4294967295',
  i64: 'an integer from -2^63 to 2^64 - 1',
  f32: 'a number',
  f64: 'a number',
  v128: '0x and 32 hexadecimal digits, the lowest byte last',
}

function parseValue(type: string, word: string): unknown {
  switch (type) {
    case 'i32': {
      const value = parseInteger(word, 32)
      return value === undefined ? undefined : Number(value)
    }
    case 'i64':
      return parseInteger(word, 64)
    case 'f32':
    case 'f64':
      return parseFloat64(word)
    case 'v128':
      return /^0x[\da-f]{32}$/i.test(word) ? new Uint8Array(Buffer.from(word.slice(2), 'hex').toReversed()) : undefined
    default:
      return word === 'null' && !type.startsWith('(ref ') ? null : undefined
  }
}

/** An integer of so many bits, signed or not; decimal, or hexadecimal with 0x. */
function parseInteger(word: string, bits: number): bigint | undefined {
  const [, sign = '', digits] = /^([+-]?)((?:0x[\da-f]+)|\d+)$/i.exec(word.replaceAll('_', '')) ?? []
  if (digits === undefined) return undefined
  const value = sign === '-' ? -BigInt(digits) : BigInt(digits)
  return value < -(2n ** BigInt(bits - 1)) || value >= 2n ** BigInt(bits) ? undefined : BigInt.asIntN(bits, value)
}

function parseFloat64(word: string): number | undefined {
  const special = /^([+-]?)(inf|infinity|nan)$/i.exec(word)
  if (special !== null) {
    const value = special[2]?.toLowerCase() === 'nan' ? NaN : Infinity
    return special[1] === '-' ? -value : value
  }
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(word) ? Number(word) : undefined
}

/** A result as a line of output. */
export function valueText(type: string, value: unknown): string {
  if (type === 'f32') return float32Text(value as number)
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value)
  if (typeof value === 'bigint') return String(value)
  if (type === 'v128') {
    return `0x${Buffer.from((value as Uint8Array).toReversed()).toString('hex')}`
  }
  return value === null || value === undefined ? 'null' : type
}

/** The shortest text that stands for the same float of 32 bits. */
function float32Text(value: number): string {
  if (Object.is(value, -0)) return '-0'
  for (let digits = 1; digits <= 9; digits++) {
    const short = Number(value.toPrecision(digits))
    if (Math.fround(short) === value) return String(short)
  }
  return String(value)
}
