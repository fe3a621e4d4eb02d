import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

import type { EngineOptions } from '../../index.mjs'
import type { Mode, Outcome } from './script-runner.ts'

/** A file to run. */
export interface Job {
  readonly group: string
  readonly name: string
  readonly mode: Mode
  readonly options: EngineOptions
}

/** What a child says of a file: how it went, or why it could not be run at all. */
export type Answer = (Outcome & { readonly ms: number }) | { readonly error: string }

/** A file that takes longer than this, in milliseconds, hangs; the longest takes a few seconds. */
const LIMIT = 120_000

const PROGRAM = fileURLToPath(new URL('child.ts', import.meta.url))

/** Some processes that run files of the suite, each one at a time. */
export class ChildPool {
  readonly #idle: ChildProcess[] = []
  readonly #waiting: ((child: ChildProcess) => void)[] = []
  readonly #program: string
  readonly #limit: number
  #free: number

  /**
   * @param size How many processes there are at most.
   * @param program What they run; tests give one of their own.
   * @param limit Milliseconds that a file may take.
   */
  constructor(size: number, program = PROGRAM, limit = LIMIT) {
    this.#free = size
    this.#program = program
    this.#limit = limit
  }

  /** Runs a file in the next process that is free; never rejects. */
  async run(job: Job): Promise<Answer> {
    const child = await this.#take()
    const answer = await ask(child, job, this.#limit)
    // Whoever waits gets a fresh one in place of one that is gone.
    this.#give('error' in answer ? this.#start() : child)
    if ('error' in answer) child.kill('SIGKILL')
    return answer
  }

  /** Ends the processes; nothing may be running. */
  close(): void {
    for (const child of this.#idle) child.disconnect()
  }

  async #take(): Promise<ChildProcess> {
    const child = this.#idle.pop()
    if (child !== undefined) return child
    if (this.#free > 0) {
      this.#free -= 1
      return this.#start()
    }
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  #start(): ChildProcess {
    return fork(this.#program, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  }

  #give(child: ChildProcess): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#idle.push(child)
    else next(child)
  }
}

function ask(child: ChildProcess, job: Job, limit: number): Promise<Answer> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => end({ error: `it has not ended after ${limit / 1000} s` }), limit)
    const onExit = (code: number | null, signal: string | null) =>
      end({ error: `the process that ran it ended with ${signal ?? code}` })
    function end(answer: Answer): void {
      clearTimeout(timer)
      child.off('exit', onExit)
      child.off('message', end)
      resolve(answer)
    }
    child.once('exit', onExit)
    child.once('message', end)
    child.send(job, (error) => {
      if (error !== null) end({ error: String(error) })
    })
  })
}
