import { UsageError } from './failure'

const SIZES: { readonly [unit: string]: number } = {
  '': 1,
  b: 1,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
}
const TIMES: { readonly [unit: string]: number } = { '': 1, ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000 }
const AGES: { readonly [unit: string]: number } = { ...TIMES, d: 86_400_000 }

function quantity(text: string, units: { readonly [unit: string]: number }): number | undefined {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text) ?? []
  const factor = Object.hasOwn(units, unit.toLowerCase()) ? units[unit.toLowerCase()] : undefined
  return number === undefined || factor === undefined ? undefined : Number(number) * factor
}

/** A size in bytes, such as `64MiB`; `undefined` if it is none. */
export function parseSize(text: string): number | undefined {
  const size = quantity(text, SIZES)
  return size !== undefined && Number.isSafeInteger(size) ? size : undefined
}

/** The size that an option gives. */
export function sizeOption(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const size = parseSize(text)
  if (size !== undefined) return size
  throw new UsageError(`${option} must be a number of bytes, or one with a unit, such as 64MiB or 1GiB, not "${text}"`)
}

/** The time in milliseconds that an option gives. */
export function timeOption(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const time = quantity(text, TIMES)
  // What a timer can have.
  if (time !== undefined && time <= 2 ** 31 - 1) return time
  throw new UsageError(`${option} must be a time, such as 500ms, 2s or 1m, at most 24 days, not "${text}"`)
}

/** As `timeOption`, for times that may be long. */
export function ageOption(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const age = quantity(text, AGES)
  if (age !== undefined) return age
  throw new UsageError(`${option} must be a time, such as 12h or 7d, not "${text}"`)
}

/** The fuel that an option gives. */
export function fuelOption(option: string, text: string | undefined): bigint | undefined {
  if (text === undefined) return undefined
  const digits = text.replaceAll('_', '')
  if (/^\d{1,20}$/.test(digits) && BigInt(digits) < 2n ** 64n) return BigInt(digits)
  throw new UsageError(`${option} must be an integer from 0 to 2^64 - 1, such as 1_000_000, not "${text}"`)
}

/** Bytes for people: `1.2 MiB`. */
export function sizeText(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`
  const power = Math.min(Math.floor(Math.log2(bytes) / 10), 4)
  const value = bytes / 2 ** (10 * power)
  return `${value.toFixed(value < 10 ? 1 : 0)} ${['B', 'KiB', 'MiB', 'GiB', 'TiB'][power]}`
}

/** A span of time for people: `3 days`. */
export function ageText(milliseconds: number): string {
  const units = [
    [86_400_000, 'day'],
    [3_600_000, 'hour'],
    [60_000, 'minute'],
    [1000, 'second'],
  ] as const
  for (const [length, name] of units) {
    const count = Math.floor(milliseconds / length)
    if (count >= 1) return `${count} ${name}${count === 1 ? '' : 's'}`
  }
  return 'now'
}
