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
  /** @type {Set<Worker>} */
  #workers = new Set()
  /** @type {Worker[]} */
  #idle = []
  /** @type {Map<Worker, Job>} */
  #running = new Map()
  /** @type {Job[]} */
  #waiting = []
  #closed = false

  /**
   * @param {import('../../index.mjs').Runtime} runtime The Workers use its engine. It stays the caller's.
   * @param {import('../../index.mjs').CompiledModule} compiled The guest; it was compiled once, here.
   * @param {number} size
   */
  constructor(runtime, compiled, size) {
    this.#runtime = runtime
    this.#compiled = compiled
    for (let index = 0; index < size; index++) this.#start()
  }

  get size() {
    return this.#workers.size
  }

  /**
   * Has a Worker call an exported function of a fresh instance.
   *
   * @param {string} name
   * @param {unknown[]} args Numbers, bigints, and whatever else can be posted.
   * @param {{ timeoutMs?: number }} [options]
   * @returns {Promise<any>} Rejects with a `JobError`.
   */
  run(name, args, { timeoutMs } = {}) {
    if (this.#closed) return Promise.reject(new Error('the pool is closed'))
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
    for (const { reject } of this.#waiting.splice(0)) reject(new Error('the pool was closed'))
    const ends = [...this.#workers].map((worker) => worker.terminate())
    this.#runtime.interrupt()
    const timer = setInterval(() => this.#runtime.interrupt(), 10)
    await Promise.all(ends)
    clearInterval(timer)
  }

  #start() {
    const worker = new Worker(new URL('worker.mjs', import.meta.url), {
      workerData: { engine: this.#runtime.share(), module: this.#compiled.share() },
    })
    this.#workers.add(worker)
    worker.on('message', (/** @type {any} */ answer) => this.#answer(worker, answer))
    worker.on('error', (error) => this.#end(worker, error))
    worker.on('exit', (code) => this.#end(worker, new Error(`the Worker has ended with status ${code}`)))
    this.#keepAlive()
  }

  /** A pool that has nothing to do keeps no process alive. */
  #keepAlive() {
    const busy = this.#waiting.length > 0 || this.#running.size > 0
    for (const worker of this.#workers) {
      if (busy) worker.ref()
      else worker.unref()
    }
  }

  /**
   * @param {Worker} worker
   * @param {{ ready?: boolean, value?: unknown, failure?: { name: string, code?: string, message: string } }} answer
   */
  #answer(worker, { ready, value, failure }) {
    if (!ready) {
      const job = this.#running.get(worker)
      this.#running.delete(worker)
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
      this.#running.set(worker, job)
      const { name, args, timeoutMs } = job
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a Worker has no origin
      worker.postMessage({ name, args, timeoutMs })
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
    if (!this.#workers.delete(worker)) return
    this.#running.get(worker)?.reject(error)
    this.#running.delete(worker)
    this.#idle = this.#idle.filter((one) => one !== worker)
    if (!this.#closed) this.#start()
  }
}
