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

const program = fileURLToPath(new URL('child.ts', import.meta.url))

/** Some processes that run files of the suite, each one at a time. */
export class ChildPool {
  readonly #idle: ChildProcess[] = []
  readonly #waiting: ((child: ChildProcess) => void)[] = []
  #free: number

  constructor(size: number) {
    this.#free = size
  }

  /** Runs a file in the next process that is free; never rejects. */
  async run(job: Job): Promise<Answer> {
    const child = await this.#take()
    const answer = await ask(child, job)
    // Whoever waits gets a fresh one in place of one that is gone.
    this.#give('error' in answer ? start() : child)
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
      return start()
    }
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  #give(child: ChildProcess): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#idle.push(child)
    else next(child)
  }
}

function start(): ChildProcess {
  return fork(program, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
}

function ask(child: ChildProcess, job: Job): Promise<Answer> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => end({ error: `it has not ended after ${LIMIT / 1000} s` }), LIMIT)
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
