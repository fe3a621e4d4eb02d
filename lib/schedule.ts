import { Fifo } from './fifo'
import type { Operation } from './operation'

/**
 * The calls under way in a store, and those that wait for them. Of the calls under way each is made in a host function of
 * the one before, and only the innermost can go on.
 */
export class Schedule {
  /** Outermost first. */
  readonly active: Operation[] = []
  /** Those that were made outside of the calls under way. */
  readonly queue = new Fifo<Operation>()

  get top(): Operation | undefined {
    return this.active[this.active.length - 1]
  }
}
