import type * as Crypto from 'node:crypto'

import { describe } from './describe'
import { ArgumentError, ClosedError } from './errors'

/**
 * Stands for an engine, a module or a shared memory of this process. It is plain data, so it can be posted to a Worker, which attaches to
 * what it stands for. It keeps nothing alive.
 */
export interface SharedHandle<Kind extends 'engine' | 'module' | 'memory' = 'engine' | 'module' | 'memory'> {
  /** What is shared. */
  readonly kind: Kind
  /** Which one; a number of this process alone. */
  readonly id: string
}

/** @internal A new handle; its id cannot be guessed. */
export function newHandle<Kind extends SharedHandle['kind']>(kind: Kind): SharedHandle<Kind> {
  // Loading it takes longer than all else here, and few programs share anything.
  const { randomUUID } = require('node:crypto') as typeof Crypto
  return Object.freeze({ kind, id: randomUUID() })
}

/**
 * @internal What a handle leads to.
 *
 * @param attach Gives it, or null.
 */
export function attachTo<T>(handle: unknown, kind: SharedHandle['kind'], attach: (id: string) => T | null): T {
  const given: Partial<SharedHandle> = typeof handle === 'object' && handle !== null ? handle : {}
  const { kind: itsKind, id } = given
  if (itsKind !== kind || typeof id !== 'string') {
    const what = typeof itsKind === 'string' ? `one of kind "${itsKind}"` : describe(handle)
    throw new ArgumentError(`handle must be what share() of the ${kind} gave, but got ${what}`)
  }
  const item = attach(id)
  if (item === null) {
    throw new ClosedError(
      `no ${kind} of this process has the handle ${id}: it was closed or collected, or it belongs to another process`,
    )
  }
  return item
}
