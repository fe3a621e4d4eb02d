import { checkInteger, checkOptions } from './call-options'
import { describe } from './describe'
import { ArgumentError } from './errors'
import type { Binding } from './native'

/** What a memory or a table asks for when it is made (`current` is 0 then) or grows. */
export interface GrowRequest {
  /** What is to grow. */
  readonly kind: 'memory' | 'table'
  /** Size now: bytes of a memory, elements of a table. */
  readonly current: number
  /** Size afterwards. */
  readonly desired: number
  /** The size that its type allows, `undefined` if that says nothing. */
  readonly maximum: number | undefined
}

/**
 * What the instances of a store may take together. What is left out has no limit of its own: a memory is bounded by its type,
 * a table by 10,000,000 elements, and a store by 10,000 instances, memories and tables each.
 */
export interface Limits {
  /** Bytes of all memories together, the heap for wasm's references and structs included; not shared memories. */
  readonly memoryBytes?: number
  /** Elements of all tables together. */
  readonly tableElements?: number
  /** Instances that the store ever makes; it frees none before its own end. An attempt that failed counts as well. */
  readonly instances?: number
  /** Memories that modules define and JavaScript makes, counted as instances are. */
  readonly memories?: number
  /** Tables, likewise. */
  readonly tables?: number
  /**
   * Is asked before a memory or a table is made or grows, unless another limit refuses that anyway. `false` refuses. It is
   * called in the middle of an instruction of the guest, so it cannot use the store: whatever it tries with it is a
   * `StoreBusyError`. What it throws comes out of the call as the same value. Only in sync mode.
   */
  readonly onGrow?: (request: GrowRequest) => boolean
}

type Changeable = { -readonly [name in keyof Limits]: Limits[name] }

/** A name of a limit. */
export type LimitName = keyof Limits

/** A request that a limit has refused. */
export interface Refusal {
  /** Which limit refused. */
  readonly limit: LimitName
  /** What the limit is; missing for `onGrow`. */
  readonly value?: number
  /** What there would have been in all; for `onGrow`, the size of the memory or table. */
  readonly requested: number
}

/** What a store has taken. */
export interface Usage {
  /** Bytes of all memories, the heap for wasm's references and structs included. */
  readonly memoryBytes: number
  /** Elements of all tables. */
  readonly tableElements: number
  /** Instances that were made, attempts that failed included. */
  readonly instances: number
  /** Memories, likewise. */
  readonly memories: number
  /** Tables, likewise. */
  readonly tables: number
  /** The latest 16 requests that a limit has refused, oldest first. */
  readonly refused: readonly Refusal[]
}

const counts = ['instances', 'memories', 'tables'] as const
const names = ['memoryBytes', 'tableElements', ...counts, 'onGrow'] as const satisfies readonly LimitName[]

/** @internal Checks limits; gives a copy, `undefined` if there are none. */
export function checkLimits(limits: unknown, what: string): Limits | undefined {
  if (limits === undefined) return undefined
  const given = checkOptions(limits, what, names)
  const checked: Changeable = {}
  for (const name of names) {
    if (name === 'onGrow') continue
    const top = name === 'memoryBytes' || name === 'tableElements' ? Number.MAX_SAFE_INTEGER : 2 ** 32 - 1
    const value = checkInteger(given[name], `${what}.${name}`, 0, top)
    if (value !== undefined) checked[name] = value
  }
  const { onGrow } = given
  if (onGrow !== undefined) {
    if (typeof onGrow !== 'function') {
      throw new ArgumentError(`${what}.onGrow must be a function, but got ${describe(onGrow)}`)
    }
    checked.onGrow = onGrow as NonNullable<Limits['onGrow']>
  }
  return Object.freeze(checked)
}

/** @internal Limits with those of a default that they leave out. */
export function mergeLimits(limits: Limits | undefined, defaults: Limits | undefined): Limits | undefined {
  if (limits === undefined || defaults === undefined) return limits ?? defaults
  return Object.freeze({ ...defaults, ...limits })
}

/** @internal Limits as native code takes them. */
export function nativeLimits(limits: Limits | undefined): Binding.LimitsConfig | undefined {
  if (limits === undefined) return undefined
  const { onGrow, ...rest } = limits
  return { ...rest, onGrow: onGrow !== undefined }
}
