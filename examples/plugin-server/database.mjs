// In place of a database: it takes its time, and does one thing for each user.

import { setTimeout } from 'node:timers/promises'

/** Milliseconds that a query takes. */
const DELAY = 10

/** Milliseconds that it takes for the user with the largest file. */
const LONG_DELAY = 100

/**
 * What is known about a user.
 *
 * @param {string} user
 * @param {string} key
 * @param {AbortSignal} signal Ends the query when nobody wants its answer any more.
 */
export async function query(user, key, signal) {
  await setTimeout(user === 'sid' ? LONG_DELAY : DELAY, undefined, { signal })
  return key === 'name' && user !== '' ? `${user.charAt(0).toUpperCase()}${user.slice(1)}` : undefined
}
