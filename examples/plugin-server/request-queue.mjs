// Bounds how many requests plugins work for at once, and how many wait for that.

/** @typedef {{ admit: () => void }} Waiter */

/** A request has waited as long as it may. */
export class WaitedTooLongError extends Error {
  /** @override */
  name = 'WaitedTooLongError'
}

/** As many requests wait as may: the server is overloaded. */
export class QueueFullError extends Error {
  /** @override */
  name = 'QueueFullError'
}

export class RequestQueue {
  #maxRunning
  #maxWaiting
  #running = 0
  /** In the order in which they came. @type {Set<Waiter>} */
  #waiters = new Set()

  /**
   * @param {number} maxRunning Requests that run at once. With the memory limit of each it bounds the memory of all.
   * @param {number} maxWaiting Requests that wait beyond those.
   */
  constructor(maxRunning, maxWaiting) {
    this.#maxRunning = maxRunning
    this.#maxWaiting = maxWaiting
  }

  get running() {
    return this.#running
  }

  get waiting() {
    return this.#waiters.size
  }

  /**
   * Continues when the request may run. Call `leave` when it is done.
   *
   * @param {AbortSignal} signal Ends the wait, with the signal's reason.
   * @param {number} timeoutMs Milliseconds that it may wait.
   * @throws {QueueFullError}
   * @throws {WaitedTooLongError}
   */
  async enter(signal, timeoutMs) {
    signal.throwIfAborted()
    if (this.#running < this.#maxRunning) {
      this.#running++
      return
    }
    if (this.#waiters.size >= this.#maxWaiting) throw new QueueFullError('too many requests')
    await this.#turn(signal, timeoutMs)
  }

  /** Gives the place to the one that has waited longest. */
  leave() {
    const [next] = this.#waiters
    if (next === undefined) this.#running--
    else next.admit()
  }

  /**
   * @param {AbortSignal} signal
   * @param {number} timeoutMs
   * @returns {Promise<void>}
   */
  #turn(signal, timeoutMs) {
    return new Promise((resolve, reject) => {
      const waiter = { admit: () => end(resolve) }
      const onAbort = () => end(() => reject(signal.reason))
      const timer = setTimeout(() => end(() => reject(new WaitedTooLongError('no turn in time'))), timeoutMs)
      const end = (/** @type {() => void} */ settle) => {
        this.#waiters.delete(waiter)
        signal.removeEventListener('abort', onAbort)
        clearTimeout(timer)
        settle()
      }
      this.#waiters.add(waiter)
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }
}
