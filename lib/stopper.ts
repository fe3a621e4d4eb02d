import { describe } from './describe'
import { ArgumentError, InterruptedError, type WasmtimeError } from './errors'
import type { WasmFrame } from './wasm-frame'

// The real ones, whatever a program's tests put in their place.
const { setTimeout, clearTimeout } = globalThis

/** Why an operation stops: it makes the error that its promise is rejected with. */
export type StopReason = (frames: readonly WasmFrame[]) => unknown

/** Something that can be stopped. */
export interface Stoppable {
  stop(reason: StopReason): void
}

/** What can stop an asynchronous call. */
export interface StopOptions {
  /** Stops the call when it is aborted; the promise is rejected with the signal's reason. */
  readonly signal?: AbortSignal
  /** Stops the call after so many milliseconds, waiting for its turn included, with an {@link InterruptedError}. */
  readonly timeoutMs?: number
}

/** The longest time that a timer of JavaScript can have. */
export const MAX_TIMEOUT = 2 ** 31 - 1

/** @internal A signal, checked. */
export function checkSignal(signal: unknown, what: string): AbortSignal | undefined {
  if (signal === undefined) return undefined
  const { aborted, addEventListener, removeEventListener } = Object(signal) as Partial<AbortSignal>
  if (
    typeof signal !== 'object' ||
    typeof aborted !== 'boolean' ||
    typeof addEventListener !== 'function' ||
    typeof removeEventListener !== 'function'
  ) {
    throw new ArgumentError(`${what} must be an AbortSignal, but got ${describe(signal)}`)
  }
  return signal as AbortSignal
}

/** @internal What watches them, if there is anything to watch. */
export function makeStopper(
  signal: AbortSignal | undefined,
  timeoutMs: number | undefined,
  deadline?: number,
): Stopper | undefined {
  return signal === undefined && timeoutMs === undefined && deadline === undefined
    ? undefined
    : new Stopper(signal, timeoutMs, deadline)
}

// The real one, too. `performance` is a module of its own, which would be loaded at once.
const { hrtime } = process

/** @internal Milliseconds since some moment. */
export function now(): number {
  const [seconds, nanoseconds] = hrtime()
  return seconds * 1000 + nanoseconds / 1e6
}

/** Watches a signal and a clock for one operation after the other. */
export class Stopper {
  readonly #signal: AbortSignal | undefined
  #timer: NodeJS.Timeout | undefined
  readonly #onAbort: (() => void) | undefined
  #target: Stoppable | undefined
  #reason: StopReason | undefined

  /** @param deadline When the time of the store is over, on the clock of {@link now}. */
  constructor(signal: AbortSignal | undefined, timeoutMs: number | undefined, deadline: number | undefined) {
    this.#signal = signal
    const left = deadline === undefined ? Infinity : deadline - now()
    if (signal !== undefined) {
      this.#onAbort = () => this.#fire(() => signal.reason)
      if (signal.aborted) this.#onAbort()
      else listen(signal, this.#onAbort)
    }
    if (deadline !== undefined && left <= (timeoutMs ?? Infinity)) {
      this.#await(deadline)
    } else if (timeoutMs !== undefined) {
      this.#timer = setTimeout(
        () => this.#fire((frames) => timedOut(timeoutMs, frames)),
        // A timer of no time at all would wait for a millisecond as well.
        timeoutMs,
      )
    }
  }

  // A timer may come up to a millisecond early; what is called after a call that it has stopped would begin.
  #await(deadline: number): void {
    const left = deadline - now()
    // A timer of no time at all would let the call begin.
    if (left <= 0) this.#fire(pastDeadline)
    else this.#timer = setTimeout(() => this.#await(deadline), left)
  }

  /** From now on stops this one; at once, if it is time already. */
  watch(target: Stoppable): void {
    this.#target = target
    if (this.#reason !== undefined) target.stop(this.#reason)
  }

  /**
   * Waits for what cannot be stopped, but no longer than there is time.
   *
   * @param discard Gets what comes too late.
   */
  during<T>(promise: Promise<T>, discard: (late: T) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      let late = false
      this.watch({
        stop(reason) {
          late = true
          reject(reason([]))
        },
      })
      promise.then((value) => (late ? discard(value) : resolve(value)), reject)
    })
  }

  /** Throws the reason if it is time to stop. */
  check(): void {
    if (this.#reason !== undefined) throw this.#reason([])
  }

  /** Stops watching. */
  end(): void {
    this.#target = undefined
    if (this.#timer !== undefined) clearTimeout(this.#timer)
    if (this.#onAbort !== undefined && this.#signal !== undefined) unlisten(this.#signal, this.#onAbort)
  }

  #fire(reason: StopReason): void {
    this.#reason ??= reason
    this.#target?.stop(this.#reason)
  }
}

/** What each signal has to tell: one listener for all, since Node.js takes more than ten for a leak. */
const listeners = new WeakMap<AbortSignal, { readonly all: Set<() => void>; readonly onAbort: () => void }>()

function listen(signal: AbortSignal, callback: () => void): void {
  let known = listeners.get(signal)
  if (known === undefined) {
    const all = new Set<() => void>()
    known = { all, onAbort: () => [...all].forEach((one) => one()) }
    listeners.set(signal, known)
  }
  if (known.all.size === 0) signal.addEventListener('abort', known.onAbort)
  known.all.add(callback)
}

function unlisten(signal: AbortSignal, callback: () => void): void {
  const known = listeners.get(signal)
  if (known?.all.delete(callback) && known.all.size === 0) signal.removeEventListener('abort', known.onAbort)
}

/** In the words of native code. */
function pastDeadline(frames: readonly WasmFrame[]): WasmtimeError {
  return new InterruptedError('the call was stopped: the deadline of its store has passed (setDeadline)', { frames })
}

function timedOut(timeoutMs: number, frames: readonly WasmFrame[]): WasmtimeError {
  return new InterruptedError(`the call was stopped after ${timeoutMs} ms (timeoutMs)`, { frames })
}
