import { describe } from './describe'
import { ArgumentError, ArgumentRangeError } from './errors'

/** The most fuel that a store can have. */
const MAX_FUEL = 2n ** 64n - 1n

/** @internal An amount of fuel, checked; `undefined` if it is not given. */
export function checkFuel(value: unknown, what: string): bigint | undefined {
  return value === undefined ? undefined : checkFuelAmount(value, what)
}

/** @internal An amount of fuel, checked. */
export function checkFuelAmount(value: unknown, what: string): bigint {
  if (typeof value !== 'bigint') {
    throw new ArgumentError(`${what} must be a bigint, such as 1_000_000n, but got ${describe(value)}`)
  }
  if (value < 0n || value > MAX_FUEL) {
    throw new ArgumentRangeError(`${what} must be from 0n to 2n ** 64n - 1n, but got ${describe(value)}`)
  }
  return value
}
