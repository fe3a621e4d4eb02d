import { describe } from './describe'
import { ArgumentError } from './errors'

/** Options of one call. */
export interface CallOptions {
  /** What `context` of the called instance is during this call; host functions read it from the instance they get. */
  readonly context?: unknown
}

/** @internal Reads each option once, and refuses what is not known: a misspelt limit must not be ignored. */
export function checkCallOptions(options: unknown): { context: unknown; hasContext: boolean } {
  const known = checkOptions(options, 'options', ['context'])
  return { context: known['context'], hasContext: 'context' in known }
}

/** @internal A copy of the options that are given, each read once. */
export function checkOptions<const K extends string>(
  options: unknown,
  what: string,
  names: readonly K[],
): { [name in K]?: unknown } {
  if (options === undefined) return {}
  if (typeof options !== 'object' || options === null) {
    throw new ArgumentError(`${what} must be an object, but got ${describe(options)}`)
  }
  const copy: { [name: string]: unknown } = {}
  for (const name of Reflect.ownKeys(options)) {
    if (typeof name !== 'string' || !names.includes(name as K)) {
      throw new ArgumentError(
        `${what}.${String(name)} is not an option; ${names.length > 0 ? `expected ${names.join(', ')}` : 'there are none'}`,
      )
    }
    const value = (options as Record<string, unknown>)[name]
    if (value !== undefined || name === 'context') copy[name] = value
  }
  return copy as { [name in K]?: unknown }
}

/** @internal A whole number in a range, `undefined` if it is not given. */
export function checkInteger(value: unknown, what: string, minimum: number, maximum: number): number | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'number' || !Number.isInteger(value) || value < minimum || value > maximum) {
    throw new ArgumentError(`${what} must be an integer from ${minimum} to ${maximum}, but got ${describe(value)}`)
  }
  return value
}

/** @internal A string, `undefined` if it is not given. */
export function checkString(value: unknown, what: string): string | undefined {
  if (value === undefined || typeof value === 'string') return value
  throw new ArgumentError(`${what} must be a string, but got ${describe(value)}`)
}
