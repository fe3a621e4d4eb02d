// In place of a database: it takes its time.

import { setTimeout } from 'node:timers/promises'

/** Milliseconds that a query takes. */
const DELAY = 10

export class Database {
  /** What queries wait for. @type {Promise<void>} */
  #free = Promise.resolve()

  /**
   * What is known about a user.
   *
   * @param {string} user
   * @param {string} key
   * @param {AbortSignal} signal Ends the query when nobody wants its answer any more.
   */
  async query(user, key, signal) {
    await setTimeout(DELAY, undefined, { signal })
    await this.#free
    return key === 'name' && user !== '' ? `${user.charAt(0).toUpperCase()}${user.slice(1)}` : undefined
  }

  /** Has all queries wait until the function that it returns is called. */
  lock() {
    let unlock = () => {}
    this.#free = new Promise((resolve) => (unlock = resolve))
    return unlock
  }
}
