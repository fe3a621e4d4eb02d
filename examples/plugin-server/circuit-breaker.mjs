// Keeps requests away from a plugin that fails again and again, and tries it again after a while.

/** `closed`: requests pass; `open`: none does; `half-open`: one passes, and decides. @typedef {'closed' | 'open' | 'half-open'} BreakerState */

/**
 * @typedef {object} BreakerOptions
 * @property {number} window How many of the latest results count.
 * @property {number} minimum Results that are needed before it can open.
 * @property {number} share The share of failures from which on it opens, from 0 to 1.
 * @property {number} openMs Milliseconds that it stays open the first time. Each failed probe doubles them.
 * @property {number} maximumMs Milliseconds that it stays open at most.
 */

/** One request that was let through. Tell it once what has become of the request; only the first word counts. */
export class Pass {
  #settle
  #settled = false

  /** @param {(failed: boolean | undefined) => void} settle */
  constructor(settle) {
    this.#settle = settle
  }

  /** The plugin has answered. */
  succeeded() {
    this.#once(false)
  }

  /** The plugin has failed. */
  failed() {
    this.#once(true)
  }

  /** The request ended for a reason that says nothing about the plugin: its client has left. */
  abandoned() {
    this.#once(undefined)
  }

  /** @param {boolean | undefined} failed */
  #once(failed) {
    if (this.#settled) return
    this.#settled = true
    this.#settle(failed)
  }
}

export class CircuitBreaker {
  #options
  #now
  /** Whether each of the latest requests failed. @type {boolean[]} */
  #results = []
  /** How often it has opened since it was closed. */
  #openings = 0
  /** When it may be tried again, on the clock; `undefined` while it is closed. @type {number | undefined} */
  #until
  #probing = false
  /** Changes when it opens or closes, so that requests from before do not count any more. */
  #generation = 0

  /**
   * @param {BreakerOptions} options
   * @param {() => number} [now] The clock, in milliseconds.
   */
  constructor(options, now = () => performance.now()) {
    this.#options = options
    this.#now = now
  }

  /** @returns {BreakerState} */
  get state() {
    if (this.#until === undefined) return 'closed'
    return this.#now() < this.#until ? 'open' : 'half-open'
  }

  /** Milliseconds after which a request that was refused may be tried again. */
  get retryAfterMs() {
    if (this.#until === undefined) return 0
    const left = this.#until - this.#now()
    // The probe is under way: nobody knows how long it takes.
    return left > 0 ? left : this.#options.openMs
  }

  /** Lets a request through, or gives `undefined`. */
  enter() {
    const generation = this.#generation
    if (this.state === 'closed') {
      return new Pass((failed) => {
        if (generation === this.#generation && failed !== undefined) this.#count(failed)
      })
    }
    if (this.state === 'open' || this.#probing) return undefined
    this.#probing = true
    return new Pass((failed) => {
      this.#probing = false
      if (failed === true) this.#open()
      else if (failed === false) this.#close()
    })
  }

  /** @param {boolean} failed */
  #count(failed) {
    const { window, minimum, share } = this.#options
    this.#results.push(failed)
    if (this.#results.length > window) this.#results.shift()
    const failures = this.#results.filter(Boolean).length
    if (failed && this.#results.length >= minimum && failures >= share * this.#results.length) this.#open()
  }

  #open() {
    const { openMs, maximumMs } = this.#options
    this.#until = this.#now() + Math.min(openMs * 2 ** this.#openings, maximumMs)
    this.#openings++
    this.#results = []
    this.#generation++
  }

  #close() {
    this.#until = undefined
    this.#openings = 0
    this.#generation++
  }
}
