// A pool of Workers that share one engine and one compiled module.

import { Worker } from 'node:worker_threads'

/**
 * @typedef {object} Job
 * @property {string} name The exported function to call.
 * @property {unknown[]} args
 * @property {number | undefined} timeoutMs
 * @property {(value: any) => void} resolve
 * @property {(error: Error) => void} reject
 */

/**
 * What is known of a Worker.
 *
 * @typedef {object} State
 * @property {boolean} ready Whether it has ever been.
 * @property {number} pause Milliseconds before another one takes its place, if it ends before it is ready.
 * @property {Job} [job] What it works on.
 */

/** Milliseconds before a Worker that was never ready is started again: doubled each time. */
const FIRST_PAUSE = 100
const LONGEST_PAUSE = 30_000

/** What a job has failed with in its Worker, as far as it can be posted. */
export class JobError extends Error {
  /** @param {{ name: string, code?: string, message: string }} failure */
  constructor({ name, code, message }) {
    super(message)
    this.name = 'JobError'
    /** The name of the error in the Worker. */
    this.kind = name
    this.code = code
  }
}

export class WorkerPool {
  /** Kept here until the end: handles keep nothing alive. */
  #runtime
  #compiled
  /** @type {Map<Worker, State>} */
  #workers = new Map()
  /** @type {Worker[]} */
  #idle = []
  /** @type {Job[]} */
  #waiting = []
  /** Places of Workers that are to be started again. @type {Set<NodeJS.Timeout>} */
  #pauses = new Set()
  #closed = false
  /** Why no Worker can be started any more. @type {Error | undefined} */
  #failure

  /**
   * @param {import('../../index.mjs').Runtime} runtime The Workers use its engine. It stays the caller's.
   * @param {import('../../index.mjs').CompiledModule} compiled The guest; it was compiled once, here.
   * @param {number} size
   */
  constructor(runtime, compiled, size) {
    this.#runtime = runtime
    this.#compiled = compiled
    for (let index = 0; index < size; index++) this.#start(FIRST_PAUSE)
  }

  get size() {
    return this.#workers.size
  }

  /**
   * Has a Worker call an exported function of a fresh instance.
   *
   * @param {string} name
   * @param {unknown[]} args Numbers, bigints, and whatever else can be posted.
   * @param {{ timeoutMs?: number }} [options] The deadline is for start functions and the call together.
   * @returns {Promise<any>} Rejects with a `JobError`; with a `DataCloneError` if an argument cannot be posted; and with another
   * error if the Worker or the pool ends.
   */
  run(name, args, { timeoutMs } = {}) {
    if (this.#closed) return Promise.reject(new Error('the pool is closed'))
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ name, args, timeoutMs, resolve, reject })
      this.#next()
    })
  }

  /**
   * Ends the Workers; jobs that run or wait are rejected.
   *
   * `terminate()` alone would wait for a guest that loops without an end: it stops JavaScript only. `interrupt()` stops all
   * guests of the engine that run at that moment, on whatever thread, so it is repeated until the Workers are gone.
   */
  async close() {
    this.#closed = true
    for (const pause of this.#pauses) clearTimeout(pause)
    this.#pauses.clear()
    this.#rejectWaiting(new Error('the pool was closed'))
    const ends = [...this.#workers.keys()].map((worker) => worker.terminate())
    this.#runtime.interrupt()
    const timer = setInterval(() => this.#runtime.interrupt(), 10)
    await Promise.all(ends)
    clearInterval(timer)
  }

  /** @param {number} pause The one before the next try, if this Worker is never ready. */
  #start(pause) {
    const worker = new Worker(new URL('worker.mjs', import.meta.url), {
      workerData: { engine: this.#runtime.share(), module: this.#compiled.share() },
    })
    this.#workers.set(worker, { ready: false, pause })
    worker.on('message', (/** @type {any} */ answer) => this.#answer(worker, answer))
    worker.on('messageerror', (failure) => this.#answer(worker, { failure }))
    worker.on('error', (error) => this.#end(worker, error))
    worker.on('exit', (code) => this.#end(worker, new Error(`the Worker has ended with status ${code}`)))
    this.#keepAlive()
  }

  /** Starts a Worker in the place of one that has ended: nobody is there to catch what that throws. @param {number} pause */
  #restart(pause) {
    try {
      this.#start(pause)
    } catch (error) {
      // The engine or the module is closed, say: it will not be better next time.
      this.#failure = new Error('the pool can start no more Workers', { cause: error })
      this.#rejectWaiting(this.#failure)
    }
  }

  /** A pool that has nothing to do keeps no process alive. */
  #keepAlive() {
    const busy = this.#waiting.length > 0 || [...this.#workers.values()].some(({ job }) => job !== undefined)
    for (const one of [...this.#workers.keys(), ...this.#pauses]) {
      if (busy) one.ref()
      else one.unref()
    }
  }

  /**
   * @param {Worker} worker
   * @param {{ ready?: boolean, value?: unknown, failure?: { name: string, code?: string, message: string } }} answer
   */
  #answer(worker, { ready, value, failure }) {
    const state = this.#workers.get(worker)
    if (state === undefined) return
    const { job } = state
    this.#workers.set(worker, { ready: true, pause: FIRST_PAUSE })
    if (!ready) {
      if (failure === undefined) job?.resolve(value)
      else job?.reject(new JobError(failure))
    }
    this.#idle.push(worker)
    this.#next()
  }

  /** Gives waiting jobs to idle Workers. */
  #next() {
    while (this.#idle.length > 0 && this.#waiting.length > 0 && !this.#closed) {
      const worker = /** @type {Worker} */ (this.#idle.pop())
      const job = /** @type {Job} */ (this.#waiting.shift())
      const { name, args, timeoutMs } = job
      try {
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a Worker has no origin
        worker.postMessage({ name, args, timeoutMs })
        this.#workers.set(worker, { ready: true, pause: FIRST_PAUSE, job })
      } catch (error) {
        // A function cannot be posted, for example: the Worker has heard nothing of the job, and is free for the next one.
        this.#idle.push(worker)
        job.reject(/** @type {Error} */ (error))
      }
    }
    this.#keepAlive()
  }

  /**
   * A Worker is gone: its job fails, and another one takes its place.
   *
   * @param {Worker} worker
   * @param {Error} error
   */
  #end(worker, error) {
    const state = this.#workers.get(worker)
    if (state === undefined) return
    this.#workers.delete(worker)
    this.#idle = this.#idle.filter((one) => one !== worker)
    state.job?.reject(error)
    if (this.#closed) return
    if (state.ready) this.#restart(FIRST_PAUSE)
    else this.#restartLater(state.pause)
    // If none is left, what is the matter with the last one is all that can be said to those who wait.
    if (this.#workers.size === 0) this.#rejectWaiting(new Error('no Worker could be started', { cause: error }))
    this.#keepAlive()
  }

  /** What never was ready fails again, as a rule: to try at once would keep a processor busy. @param {number} pause */
  #restartLater(pause) {
    const timer = setTimeout(() => {
      this.#pauses.delete(timer)
      this.#restart(Math.min(2 * pause, LONGEST_PAUSE))
    }, pause)
    this.#pauses.add(timer)
  }

  /** @param {Error} error */
  #rejectWaiting(error) {
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }
}
