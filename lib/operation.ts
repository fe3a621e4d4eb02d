import { AsyncLocalStorage } from 'node:async_hooks'

import { InterruptedError, withCoredumpOf } from './errors'
import { Fifo } from './fifo'
import { native } from './native'
import type { StopReason, Stoppable, Stopper } from './stopper'
import type { StoreCore } from './store-core'
import { nextTurn } from './turn'

const { opFinish, opForget, opStep, opStop } = native

/** How an operation goes on, as native code knows it. */
const PROCEED = 0
const FULFILLED = 1
const REJECTED = 2
const STOP = 3

/** How far a step got, as native code knows it; a promise to wait for takes the place of the number. */
const DONE = 0
const TURN = 1
const INPUT = 3

/** A call on whose behalf JavaScript runs: what a host function's `context` is found by. */
export class CallScope {
  #outer: CallScope | undefined
  /** The instance whose function is called. */
  readonly instance: object | undefined
  readonly context: unknown
  readonly hasContext: boolean
  ended = false

  constructor(instance: object | undefined, context: unknown, hasContext: boolean) {
    this.#outer = scopes.getStore()
    // Has the one before let go of those that have ended, so that a chain of calls that nobody awaits does not grow.
    void this.#outer?.outer
    this.instance = instance
    this.context = context
    this.hasContext = hasContext
  }

  /** The innermost call that this one was made in and that has not ended. Those that have are let go of. */
  get outer(): CallScope | undefined {
    while (this.#outer?.ended) this.#outer = this.#outer.#outer
    return this.#outer
  }
}

/** The innermost call that the running JavaScript belongs to, across its awaits. */
const scopes = new AsyncLocalStorage<CallScope>()

/** @internal Runs something as part of a call. */
export function runInScope<T>(scope: CallScope, run: () => T): T {
  try {
    return scopes.run(scope, run)
  } finally {
    scope.ended = true
  }
}

/** @internal The context that the running call has given an instance; `undefined` if it has given none. */
export function scopeOf(instance: object): CallScope | undefined {
  for (let scope = scopes.getStore(); scope !== undefined; scope = scope.outer) {
    if (scope.hasContext && scope.instance === instance) return scope
  }
  return undefined
}

/** A call (or an instantiation) in a store of async mode. */
export class Operation extends CallScope implements Stoppable {
  readonly #core: StoreCore
  /** Its number for native code, which may give it to another operation after the end; -1 from then on. */
  #id: number
  /** The call under way in this store whose host function made this one. */
  #host: Operation | undefined
  /** Those that were made in a host function of this one. */
  #queue: Fifo<Operation> | undefined
  #reason: StopReason | undefined
  /** Continues when this one's turn in the store has come. */
  #begin: (() => void) | undefined
  /** A host function has returned a promise, for which this waits. */
  #waits = false
  /** Continues when the promise is settled, and only calls that were made in the host function still run. */
  #settled: (() => void) | undefined
  /** Counts how often something has continued the operation that did not wait for the promise. */
  #overtaken = 0
  #resolve: ((value: unknown) => void) | undefined
  #reject: ((reason: unknown) => void) | undefined

  constructor(core: StoreCore, id: number, instance?: object, context?: unknown, hasContext = false) {
    super(instance, context, hasContext)
    this.#core = core
    this.#id = id
    for (let scope = this.outer; scope !== undefined; scope = scope.outer) {
      if (scope instanceof Operation && scope.#core === core && !scope.ended) {
        this.#host = scope
        break
      }
    }
  }

  /** Runs it to its end, or until it is stopped. */
  run(stopper?: Stopper): Promise<any> {
    stopper?.watch(this)
    if (this.#reason !== undefined || !this.#reserve()) return this.#promise(undefined)
    // Many end with their first step, and need none of what it takes to wait.
    let progress: unknown
    let result: unknown
    try {
      progress = scopes.run(this, () => opStep(this.#core.handle, this.#id, PROCEED, undefined))
      if (progress === DONE) result = this.#finish()
    } catch (error) {
      return Promise.reject(this.#failure(error))
    }
    if (progress !== DONE) return this.#promise(progress)
    // A host function may have stopped it meanwhile.
    const reason = this.#reason as StopReason | undefined
    return reason === undefined ? Promise.resolve(result) : Promise.reject(reason([]))
  }

  /** The promise of an operation that has to wait; `progress` is what its first step gave, if it has begun. */
  #promise(progress: unknown): Promise<any> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
      this.#continue(undefined, progress)
    })
  }

  /**
   * Goes on: from the beginning, from what a step gave, or without waiting for a promise any longer. `resolve` is passed on
   * as it is, because V8 follows it from an error to those who await the call.
   */
  #continue(how: number | undefined, progress?: unknown): void {
    const drive = (): Promise<unknown> => this.#drive(how, progress)
    scopes.run(this, drive).then(this.#resolve, this.#reject)
  }

  /**
   * Does one step after the other. An async function, so that errors show the caller in their stack, and that what
   * `AsyncLocalStorage` holds, ours and the caller's, is the same after each await.
   */
  async #drive(start: number | undefined, first: unknown): Promise<unknown> {
    const core = this.#core
    const overtaken = this.#overtaken
    let result: unknown
    try {
      if (start === undefined && first === undefined) {
        if (!this.#reserve()) await this.#turn()
        // What is thrown here is replaced by the reason below.
        if (this.#reason !== undefined) throw new InterruptedError('the call was stopped before it began')
      }
      let how = start ?? PROCEED
      let value: unknown
      let given = first
      for (;;) {
        const progress: unknown = given ?? opStep(core.handle, this.#id, how, value)
        given = undefined
        how = PROCEED
        value = undefined
        if (progress === DONE) break
        if (progress === TURN) await nextTurn()
        else if (typeof progress === 'number') {
          if (progress === INPUT) core.wasi?.feed()
          await arrival(core)
        } else if (Array.isArray(progress)) {
          ignore(progress[0])
          break
        } else if (this.#reason !== undefined) {
          // The host function has stopped its own call.
          ignore(progress)
          how = STOP
        } else {
          this.#waits = true
          if (this.#queue !== undefined) pump(core)
          try {
            value = await progress
            how = FULFILLED
          } catch (error) {
            value = error
            how = REJECTED
          }
          if (overtaken === this.#overtaken && core.schedule.top !== this) {
            await new Promise<void>((resolve) => {
              this.#settled = resolve
            })
          }
          // Stopped or closed meanwhile: another run of this function has taken over.
          if (overtaken !== this.#overtaken) return await never()
          this.#settled = undefined
          this.#waits = false
        }
      }
      result = this.#finish()
    } catch (error) {
      throw this.#failure(error)
    }
    if (this.#reason === undefined) return result
    throw this.#reason([])
  }

  /** Its result, when it is done; throws its error. */
  #finish(): unknown {
    const id = this.#id
    this.#id = -1
    const result: unknown = opFinish(this.#core.handle, id)
    this.#end()
    return result
  }

  /** What it is rejected with after an error. */
  #failure(error: unknown): unknown {
    this.#end()
    if (this.#reason === undefined) return error
    return withCoredumpOf(error, this.#reason(error instanceof InterruptedError ? error.frames : []))
  }

  /** Continues an operation that waits for a promise, whatever that settles to. */
  #overtake(how: number): void {
    this.#overtaken += 1
    this.#waits = false
    // Lets the run that waited see that it is not wanted.
    this.#settled?.()
    this.#settled = undefined
    this.#continue(how)
  }

  /** Has it stop, with those that are nested in it. */
  stop(reason: StopReason): void {
    if (this.ended || this.#reason !== undefined) return
    this.#reason = reason
    const { active } = this.#core.schedule
    const place = active.indexOf(this)
    if (place === -1) {
      this.#line.delete(this)
      this.#begin?.()
      return
    }
    for (const operation of active.slice(place)) {
      operation.#reason ??= reason
      opStop(this.#core.handle, operation.#id)
      for (const nested of operation.#queue ?? []) nested.stop(reason)
    }
    pump(this.#core)
  }

  /** Has all calls of an instance's functions stop. */
  static stopAll(core: StoreCore, instance: object, reason: StopReason): void {
    const { active, queue } = core.schedule
    const all = [...active, ...queue]
    for (const operation of active) all.push(...(operation.#queue ?? []))
    for (const operation of all) if (operation.instance === instance) operation.stop(reason)
  }

  /** All calls under way were interrupted. */
  static interrupted(core: StoreCore): void {
    const [outermost] = core.schedule.active
    outermost?.stop((frames) => new InterruptedError('the call was interrupted (interrupt())', { frames }))
  }

  /** The store was closed: whatever it waits for, it will find that out. */
  static closed(core: StoreCore): void {
    const { active, queue } = core.schedule
    for (const operation of [...active, ...queue]) {
      for (const nested of operation.#queue ?? []) nested.#begin?.()
      operation.#queue?.clear()
      operation.#begin?.()
      if (operation.#waits) operation.#overtake(PROCEED)
    }
    queue.clear()
  }

  /** Takes its place among the calls under way, if that is free. */
  #reserve(): boolean {
    const { active, queue, top } = this.#core.schedule
    const host = this.#host
    if (host === undefined ? top !== undefined || queue.length > 0 : top !== host || !host.#isFree) return false
    active.push(this)
    return true
  }

  /** Whether a call that was made in its host function can run now. */
  get #isFree(): boolean {
    return this.#waits && this.#settled === undefined && this.#reason === undefined
  }

  /** Where it waits for its turn: with those that were made in the same host function, or outside of any. */
  get #line(): Fifo<Operation> {
    return this.#host === undefined ? this.#core.schedule.queue : (this.#host.#queue ??= new Fifo())
  }

  #turn(): Promise<void> {
    this.#line.push(this)
    return new Promise((resolve) => {
      this.#begin = () => {
        // Not kept: the promise holds the call that it was made in, and that one, the one before.
        this.#begin = undefined
        resolve()
      }
    })
  }

  #end(): void {
    this.ended = true
    const { schedule } = this.#core
    const place = schedule.active.indexOf(this)
    if (place !== -1) schedule.active.splice(place, 1)
    if (this.#id !== -1) opForget(this.#core.handle, this.#id)
    // What it has not waited for is now its caller's, or nobody's.
    const rest = this.#queue
    if (rest !== undefined && rest.length > 0) {
      for (const operation of rest) operation.#host = this.#host
      this.#line.unshift(rest)
    }
    pump(this.#core)
  }

  /** Lets the innermost call go on, or begins the next one. */
  static pump(core: StoreCore): void {
    const { active, queue, top } = core.schedule
    let next: Fifo<Operation> | undefined = queue
    if (top !== undefined) {
      if (!top.#waits) return
      if (top.#reason !== undefined) return top.#overtake(STOP)
      if (top.#settled !== undefined) return top.#settled()
      next = top.#queue
    }
    const operation = next?.shift()
    if (operation === undefined) return
    active.push(operation)
    operation.#begin?.()
  }
}

const { pump } = Operation

/** Nobody waits for a promise, and what it is rejected with is no unhandled rejection. */
async function ignore(promise: unknown): Promise<void> {
  try {
    await promise
  } catch {
    // The call was stopped, or the store closed; what its host functions do then concerns nobody.
  }
}

/** For what is not wanted any more; nobody holds it, so it is collected. */
function never(): Promise<never> {
  return new Promise(() => {})
}

/** What waits for a store's task to come home from a compute thread. */
interface Away {
  readonly resolve: () => void
  /** Runs something in the async context of the call. */
  readonly inContext: <T>(run: () => T) => T
}

/** Those whose task is on a compute thread; this keeps their stores alive meanwhile. */
const away = new Map<StoreCore, Away>()

function arrival(core: StoreCore): Promise<void> {
  return new Promise((resolve) => away.set(core, { resolve, inContext: AsyncLocalStorage.snapshot() }))
}

native.registerTasks(
  (core: StoreCore) => {
    const waiting = away.get(core)
    away.delete(core)
    waiting?.resolve()
  },
  (core: StoreCore) => Operation.closed(core),
  () => void nextTurn().then(native.takeUpArrivals),
  (core: StoreCore) => away.get(core)?.inContext(() => native.opNotices(core.handle)),
  (core: StoreCore) => Operation.interrupted(core),
)
