import { describe } from './describe'
import { ArgumentError } from './errors'
import type { FunctionDefinition } from './function-definition'
import type { ModuleInstance } from './module-instance'

/** A call across the border between host and guest. The same object in `before` and in `after` or `abort`. */
export interface FunctionCall {
  /** Tells calls of a runtime apart; later calls have higher numbers. */
  readonly id: number
  /** How many calls with a listener this one is nested in. */
  readonly depth: number
  /** The innermost of those, `undefined` if there is none: the way up the stack. */
  readonly parent: FunctionCall | undefined
  /** The function: of a guest, or, if its `isHost` is true, a host function. */
  readonly definition: FunctionDefinition
  /**
   * The instance whose function is called, or that calls the host function. `undefined` for a function that belongs to no
   * instance, such as one out of a table.
   */
  readonly module: ModuleInstance<any> | undefined
  /** The arguments, as the function gets them. Those that do not fit are there as they came; then `abort` follows. */
  readonly params: readonly unknown[]
}

/**
 * Hears of the calls of one function. What a method throws becomes the outcome of the call, as the same value: thrown by
 * `before` the function is not called (and neither `after` nor `abort` comes), by `after` it takes the place of the results,
 * by `abort` that of the error. After every `before` that returns comes exactly one `after` or `abort`.
 *
 * The methods run synchronously, and may call guests.
 */
export interface FunctionListener {
  /** The function is about to be called. */
  before?(call: FunctionCall): void
  /** It has returned, or its promise was fulfilled. */
  after?(call: FunctionCall, results: readonly unknown[]): void
  /**
   * The call has ended in any other way: by a trap, by what a host function has thrown or its promise was rejected with, by
   * an interruption, or because the instance was closed. `error` is what the caller gets.
   */
  abort?(call: FunctionCall, error: unknown): void
}

/** Decides which functions of a runtime have a listener. */
export interface FunctionListenerFactory {
  /**
   * Called once for each function, before its first call at the latest.
   *
   * @returns The function's listener; `undefined` if its calls are of no interest; in sync mode they cost nothing
   * more then.
   */
  newFunctionListener(definition: FunctionDefinition): FunctionListener | undefined
}

/** @internal A factory, checked, with its method read once. */
export function checkListenerFactory(
  factory: unknown,
  what: string,
): ((definition: FunctionDefinition) => FunctionListener | undefined) | undefined {
  if (factory === undefined) return undefined
  const method: unknown = Object(factory).newFunctionListener
  if (typeof factory !== 'object' || factory === null || typeof method !== 'function') {
    throw new ArgumentError(`${what} must be an object with a method newFunctionListener, but got ${describe(factory)}`)
  }
  return (definition) => checkListener(method.call(factory, definition))
}

function checkListener(listener: unknown): FunctionListener | undefined {
  if (listener === undefined) return undefined
  if (typeof listener !== 'object' || listener === null) {
    throw new ArgumentError(
      `newFunctionListener must return a listener or undefined, but returned ${describe(listener)}`,
    )
  }
  const { before, after, abort } = listener as { [name in keyof FunctionListener]: unknown }
  for (const [name, method] of Object.entries({ before, after, abort })) {
    if (method !== undefined && typeof method !== 'function') {
      throw new ArgumentError(`${name} of a function listener must be a function, but is ${describe(method)}`)
    }
  }
  return listener as FunctionListener
}

/**
 * Joins factories. Each listener is a layer around the next: `before` goes from the first to the last, `after` and `abort`
 * from the last to the first. If one throws, those around it hear `abort` with what it has thrown.
 */
export function multiFunctionListenerFactory(...factories: FunctionListenerFactory[]): FunctionListenerFactory {
  const makers = factories.map((factory, index) => {
    const make = checkListenerFactory(factory, `factories[${index}]`)
    if (make === undefined) throw new ArgumentError(`factories[${index}] is missing`)
    return make
  })
  return {
    newFunctionListener(definition) {
      const listeners = makers.map((make) => make(definition)).filter((listener) => listener !== undefined)
      return listeners.length > 1 ? new Layers(listeners) : listeners[0]
    },
  }
}

class Layers implements FunctionListener {
  readonly #listeners: readonly FunctionListener[]

  constructor(listeners: readonly FunctionListener[]) {
    this.#listeners = listeners
  }

  before(call: FunctionCall): void {
    this.#listeners.forEach((listener, index) => {
      try {
        listener.before?.(call)
      } catch (error) {
        throw this.#unwind(index, call, error)
      }
    })
  }

  after(call: FunctionCall, results: readonly unknown[]): void {
    for (let index = this.#listeners.length - 1; index >= 0; index--) {
      try {
        this.#listeners[index]?.after?.(call, results)
      } catch (error) {
        throw this.#unwind(index, call, error)
      }
    }
  }

  abort(call: FunctionCall, error: unknown): void {
    const outcome = this.#unwind(this.#listeners.length, call, error)
    if (!Object.is(outcome, error)) throw outcome
  }

  /** Tells the layers below `count`, innermost first; gives what the call then fails with. */
  #unwind(count: number, call: FunctionCall, error: unknown): unknown {
    let outcome = error
    for (let index = count - 1; index >= 0; index--) {
      try {
        this.#listeners[index]?.abort?.(call, outcome)
      } catch (thrown) {
        outcome = thrown
      }
    }
    return outcome
  }
}
