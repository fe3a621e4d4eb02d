import { AsyncLocalStorage } from 'node:async_hooks'

import type { FunctionDefinition } from './function-definition'
import type { FunctionCall, FunctionListener } from './function-listener'
import type { ModuleInstance } from './module-instance'
import { lastOf } from './stack-values'

/** A call under way, with or without a listener. */
export class OpenCall implements FunctionCall {
  readonly id: number
  readonly depth: number
  readonly parent: OpenCall | undefined
  readonly definition: FunctionDefinition
  readonly module: ModuleInstance<any> | undefined
  readonly params: readonly unknown[]

  /** @internal */
  constructor(
    id: number,
    parent: OpenCall | undefined,
    definition: FunctionDefinition,
    module: ModuleInstance<any> | undefined,
    params: readonly unknown[],
  ) {
    this.id = id
    this.depth = parent === undefined ? 0 : parent.depth + 1
    this.parent = parent
    this.definition = definition
    this.module = module
    this.params = params
  }
}

/** What is known of a call besides what its listener sees. */
class Scope {
  readonly call: OpenCall | undefined
  readonly listener: FunctionListener | undefined
  readonly outer: Scope | undefined
  /** Whether host functions that it calls may return promises. */
  readonly canWait: boolean
  /** Host functions that it has called and that have not settled. */
  readonly waiting = new Set<Scope>()
  ended = false

  constructor(
    call: OpenCall | undefined,
    listener: FunctionListener | undefined,
    outer: Scope | undefined,
    canWait: boolean,
  ) {
    this.call = call
    this.listener = listener
    this.outer = outer
    this.canWait = canWait
  }
}

/** What a call is made of. */
export interface Border {
  readonly definition: FunctionDefinition
  readonly listener: FunctionListener | undefined
  readonly module: ModuleInstance<any> | undefined
}

/**
 * The calls across the border of a runtime that has listeners. Which calls are nested in which is found by
 * `AsyncLocalStorage`, so it is right across awaits as well.
 */
export class Listening {
  readonly #make: (definition: FunctionDefinition) => FunctionListener | undefined
  readonly #listeners = new WeakMap<FunctionDefinition, { readonly listener: FunctionListener | undefined }>()
  readonly #scopes = new AsyncLocalStorage<Scope>()
  #lastId = 0

  constructor(make: (definition: FunctionDefinition) => FunctionListener | undefined) {
    this.#make = make
  }

  /** The listener of a function, for which the factory is asked once. */
  listenerOf(definition: FunctionDefinition): FunctionListener | undefined {
    let known = this.#listeners.get(definition)
    if (known === undefined) this.#listeners.set(definition, (known = { listener: this.#make(definition) }))
    return known.listener
  }

  /** A synchronous call of a guest. `resultsOf` makes the list of results from what `run` gives. */
  callGuest<T>(
    border: Border,
    params: readonly unknown[],
    run: () => T,
    resultsOf: (value: T) => readonly unknown[],
  ): T {
    const scope = this.#enter(border, params, false)
    let value: T
    try {
      value = this.#scopes.run(scope, run)
    } catch (error) {
      throw this.#abort(scope, error)
    }
    this.#after(scope, resultsOf, value)
    return value
  }

  /** An asynchronous call of a guest. */
  async callGuestAsync<T>(
    border: Border,
    params: readonly unknown[],
    run: () => Promise<T>,
    resultsOf: (value: T) => readonly unknown[],
  ): Promise<T> {
    const scope = this.#enter(border, params, true)
    let value: T
    try {
      value = await this.#scopes.run(scope, run)
    } catch (error) {
      throw this.#abort(scope, error)
    }
    this.#after(scope, resultsOf, value)
    return value
  }

  /**
   * A call of a host function. `check` makes what the guest gets, and what the listener sees, from what the function has
   * returned, or throws.
   */
  callHost(
    border: Border,
    params: readonly unknown[],
    promises: Promises,
    run: () => unknown,
    check: (value: unknown) => HostOutcome,
  ): unknown {
    const scope = this.#enter(border, params, undefined)
    let outcome: HostOutcome
    try {
      const value = this.#scopes.run(scope, run)
      if (promises.isPromise(value, scope.canWait)) {
        if (!scope.canWait) throw promises.refusePromise()
        return this.#settle(scope, value as PromiseLike<unknown>, check)
      }
      outcome = check(value)
    } catch (error) {
      throw this.#abort(scope, error)
    }
    this.#after(scope, () => outcome.results, undefined)
    return outcome.value
  }

  async #settle(scope: Scope, promise: PromiseLike<unknown>, check: (value: unknown) => HostOutcome): Promise<unknown> {
    const guest = scope.outer
    guest?.waiting.add(scope)
    let outcome: HostOutcome
    try {
      outcome = check(await promise)
    } catch (error) {
      throw this.#abort(scope, error)
    } finally {
      guest?.waiting.delete(scope)
    }
    this.#after(scope, () => outcome.results, undefined)
    return outcome.value
  }

  /** @param waits Whether host functions may return promises; left out for one of them, for which its guest's call decides. */
  #enter({ definition, listener, module }: Border, params: readonly unknown[], waits: boolean | undefined): Scope {
    let outer = this.#scopes.getStore()
    while (outer?.ended) outer = outer.outer
    let heard = outer
    while (heard !== undefined && (heard.call === undefined || heard.ended)) heard = heard.outer
    const call =
      listener === undefined ? undefined : new OpenCall(++this.#lastId, heard?.call, definition, module, params)
    const canWait = waits ?? (module?.mode === 'async' && outer?.canWait === true)
    const scope = new Scope(call, listener, outer, canWait)
    if (call !== undefined) listener?.before?.(call)
    return scope
  }

  #after<T>(scope: Scope, resultsOf: (value: T) => readonly unknown[], value: T): void {
    const { call, listener } = scope
    if (scope.ended) return
    scope.ended = true
    if (call !== undefined) listener?.after?.(call, resultsOf(value))
  }

  /** Ends a call, and before it the host functions for which it waits; gives what the caller gets. */
  #abort(scope: Scope, error: unknown): unknown {
    const { call, listener, waiting } = scope
    if (scope.ended) return error
    let outcome = error
    for (let open = lastOf(waiting); open !== undefined; open = lastOf(waiting)) {
      waiting.delete(open)
      outcome = this.#abort(open, outcome)
    }
    scope.ended = true
    try {
      if (call !== undefined) listener?.abort?.(call, outcome)
    } catch (thrown) {
      return thrown
    }
    return outcome
  }
}

/** What a host function has given: for the guest, and as a list. */
export interface HostOutcome {
  readonly value: unknown
  readonly results: readonly unknown[]
}

/** What a host function does about promises. */
interface Promises {
  /** Whether a value must be waited for, or, where nobody can, must not be there. */
  isPromise(value: unknown, canWait: boolean): boolean
  refusePromise(): unknown
}

/** Whether a value is taken for a promise, as native code does. */
export function isThenable(value: unknown): boolean {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null || Array.isArray(value)) return false
  try {
    return typeof (value as { then?: unknown }).then === 'function'
  } catch {
    return false
  }
}
