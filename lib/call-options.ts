import { describe } from './describe'
import { ArgumentError, ArgumentRangeError } from './errors'
import { checkFuel } from './fuel'
import { MAX_TIMEOUT, type StopOptions, checkSignal } from './stopper'

/** Options of one call. */
export interface CallOptions {
  /** What `context` of the called instance is during this call; host functions read it from the instance they get. */
  readonly context?: unknown
  /**
   * Stops the call after so many milliseconds, with an {@link InterruptedError}: also while it computes, and with it the
   * calls that its host functions make. Of all calls on the stack the earliest deadline counts. A host function under way is
   * not stopped, but the guest is, as soon as it goes on.
   */
  readonly timeoutMs?: number
  /**
   * Fuel that the call may use at most, of what its store has; with an engine option `fuel: true`. When it is used up, there
   * is an {@link OutOfFuelError}. Of calls in each other, the smallest budget counts.
   */
  readonly fuel?: bigint
}

/** Options of one asynchronous call. */
export interface AsyncCallOptions extends CallOptions, StopOptions {}

const callOptionNames = ['context', 'timeoutMs', 'fuel'] as const

interface CheckedCall {
  readonly context: unknown
  readonly hasContext: boolean
  readonly timeoutMs: number | undefined
  readonly fuel: bigint | undefined
}

/** What every call has. */
function checkKnown(known: { [name in (typeof callOptionNames)[number]]?: unknown }): CheckedCall {
  return {
    context: known.context,
    hasContext: 'context' in known,
    timeoutMs: checkTimeout(known.timeoutMs, 'options.timeoutMs'),
    fuel: checkFuel(known.fuel, 'options.fuel'),
  }
}

/** @internal As `checkCallOptions`, for an asynchronous call. */
export function checkAsyncCallOptions(options: unknown): CheckedCall & { signal: AbortSignal | undefined } {
  const known = checkOptions(options, 'options', [...callOptionNames, 'signal'])
  return { ...checkKnown(known), signal: checkSignal(known.signal, 'options.signal') }
}

/** @internal Checks what can stop an instantiation. */
export function checkStopOptions(options: unknown): { signal: AbortSignal | undefined; timeoutMs: number | undefined } {
  const { signal, timeoutMs } = checkOptions(options, 'options', ['signal', 'timeoutMs'])
  return { signal: checkSignal(signal, 'options.signal'), timeoutMs: checkTimeout(timeoutMs, 'options.timeoutMs') }
}

/** @internal A time for a timer, `undefined` if it is not given. */
export function checkTimeout(value: unknown, what: string): number | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'number' || !(value >= 0 && value <= MAX_TIMEOUT)) {
    throw new ArgumentError(
      `${what} must be a number of milliseconds from 0 to ${MAX_TIMEOUT}, but got ${describe(value)}`,
    )
  }
  return value
}

/** @internal Reads each option once, and refuses what is not known: a misspelt limit must not be ignored. */
export function checkCallOptions(options: unknown): CheckedCall {
  return checkKnown(checkOptions(options, 'options', callOptionNames))
}

/** What limits the start function of an instance in sync mode. */
export interface InstantiateOptions {
  /** Stops the start function after so many milliseconds, with an {@link InterruptedError}. */
  readonly timeoutMs?: number
}

/** @internal */
export function checkInstantiateOptions(options: unknown): number | undefined {
  return checkTimeout(checkOptions(options, 'options', ['timeoutMs']).timeoutMs, 'options.timeoutMs')
}

/** @internal A boolean, `undefined` if it is not given. */
export function checkBoolean(value: unknown, what: string): boolean | undefined {
  if (value === undefined || typeof value === 'boolean') return value
  throw new ArgumentError(`${what} must be a boolean, but got ${describe(value)}`)
}

/**
 * @internal A copy of an array, whose length and elements are read once: a proxy, or a getter, may give something else the
 * next time, and an array may claim any length.
 *
 * @param items What the items are, for the message; `accepted` is what more there is to say of them.
 */
export function checkList<T>(
  list: unknown,
  what: string,
  items: string,
  most: number,
  check: (item: unknown, what: string) => T,
  accepted = '',
): T[] {
  if (!Array.isArray(list)) {
    throw new ArgumentError(`${what} must be an array of ${items}${accepted}, but got ${describe(list)}`)
  }
  const length = Number(list.length)
  // Written so that NaN, which only a proxy can answer, is refused as well.
  if (!(length <= most)) throw new ArgumentRangeError(`${what} must have at most ${most} ${items}, but has ${length}`)
  const checked: T[] = []
  for (let index = 0; index < length; index += 1) checked.push(check(list[index], `${what}[${index}]`))
  return checked
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

/** @internal One of some words, `undefined` if it is not given. */
export function checkChoice<const T extends string>(
  value: unknown,
  what: string,
  choices: readonly T[],
  others = '',
): T | undefined {
  if (value === undefined || choices.includes(value as T)) return value as T | undefined
  throw new ArgumentError(`${what} must be '${choices.join("', '")}'${others}, but got ${describe(value)}`)
}
