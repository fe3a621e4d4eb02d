import { type AsyncCallOptions, type CallOptions, checkAsyncCallOptions, checkCallOptions } from './call-options'
import { ArgumentError } from './errors'
import { describe } from './describe'
import { exportedFunction } from './exported-function'
import { HeardFunction } from './heard-function'
import type { ModuleInstance } from './module-instance'
import { type PreparedFunc, coreKey, indexKey, native, registerEnvironment } from './native'
import { Operation } from './operation'
import { type Stopper, makeStopper } from './stopper'
import { type FunctionDefinition, definitionOf } from './function-definition'
import { registerStackProbe } from './stack-probe'
import type { Store } from './store'
import { StoreCore } from './store-core'
import type { FuncType } from './types'
import { type ArgsOf, type ResultsOf, type ValueTypeLike, type ValueTypeName, checkValueTypes } from './value-type'

/** An object whose `context` can be set for the time of a call. */
interface ContextOwner {
  runWithContext<T>(context: unknown, run: () => T): T
}

/**
 * A function of a store: one that an instance exports, one out of a table, or one made from a JavaScript function. The
 * same export of the same instance is always the same object; a function that a second instance exports again is another
 * object, because closing that instance ends it there only.
 *
 * @example
 * ```ts
 * const add = instance.exportedFunction('add')!
 * add.call(1, 2)
 * add.type // { params: ['i32', 'i32'], results: ['i32'] }
 * ```
 */
export class Func<Args extends readonly any[] = any[], Result = any> {
  readonly #core: StoreCore
  readonly #index: number
  readonly #slot: number
  readonly #name: string
  #function: ((...args: any[]) => any) | undefined
  #prepared: PreparedFunc | undefined
  #type: FuncType | undefined
  #heardFunction: HeardFunction | undefined

  /**
   * Makes a function of a store from a JavaScript function.
   *
   * @param store The store that the function belongs to.
   * @param type Its parameters and results, as `{ params, results }`.
   * @param callback Called with natural values (numbers, bigints, ...). No result is `undefined`, one is the value, more
   * are an array. What it throws reaches the outermost caller unchanged.
   * @throws {ArgumentError} If an argument is not what is described here.
   * @throws {ClosedError} If the store is closed.
   */
  constructor(
    store: Store,
    type: FuncType<readonly ValueTypeLike[], readonly ValueTypeLike[]>,
    callback: (...args: Args[number][]) => unknown,
  )
  /** @internal */
  constructor(core: StoreCore, index: number, slot: number, name: string)
  constructor(
    owner: Store | StoreCore,
    typeOrIndex: FuncType<readonly ValueTypeLike[], readonly ValueTypeLike[]> | number,
    callbackOrSlot: ((...args: any[]) => unknown) | number,
    name = '',
  ) {
    if (owner instanceof StoreCore) {
      this.#core = owner
      this.#index = typeOrIndex as number
      this.#slot = callbackOrSlot as number
      this.#name = name
    } else {
      const core = storeCoreOf(owner)
      const { params, results } = checkFuncType(typeOrIndex)
      if (typeof callbackOrSlot !== 'function') {
        throw new ArgumentError(`callback must be a function, but got ${describe(callbackOrSlot)}`)
      }
      const config = {
        module: '',
        name: callbackOrSlot.name,
        params: [...params],
        results: [...results],
        withModule: false,
      }
      this.#core = core
      this.#index = native.funcNew(core.handle, config, callbackOrSlot)
      this.#slot = -1
      this.#name = callbackOrSlot.name
      core.keep([callbackOrSlot])
      core.holder[2][this.#index] = this
    }
  }

  // Where native code, and only it, looks when the function is used as a reference.

  /** @internal */
  get [coreKey](): StoreCore | undefined {
    return #core in this ? this.#core : undefined
  }

  /** @internal */
  get [indexKey](): number | undefined {
    return #core in this ? this.#index : undefined
  }

  /** The function as a plain JavaScript function: the fastest way to call it. The same one every time. */
  get function(): (...args: Args extends readonly any[] ? [...Args] : never) => Result {
    return (this.#function ??= exportedFunction(
      this.#core,
      this.#index,
      this.#prepare(),
      this.#name,
      this.#core.isAsync ? (...args) => this.callAsync(...(args as any)) : undefined,
      this.#heard?.wrap.bind(this.#heard),
    ))
  }

  /** Types of the parameters and results. */
  get type(): FuncType {
    if (this.#type === undefined) {
      const { params, results } = native.externType(this.#core.handle, this.#index)
      this.#type = Object.freeze({
        params: Object.freeze((params ?? []) as ValueTypeName[]),
        results: Object.freeze((results ?? []) as ValueTypeName[]),
      })
    }
    return this.#type
  }

  /** Names, index and types of the function. */
  get definition(): FunctionDefinition {
    const instance = this.#slot >= 0 ? this.#core.instanceAt(this.#slot) : undefined
    return definitionOf(instance, this.#name, this.type)
  }

  /**
   * Calls the function.
   *
   * @param args One argument for each parameter: a number for i32, f32, f64, a bigint for i64, 16 bytes for v128, any
   * value for externref, a `Func` or null for funcref.
   * @returns `undefined` for no result, the value for one, an array for more.
   * @throws {ArgumentError} If the number or the type of the arguments is wrong.
   * @throws {TrapError} If the guest traps.
   * @throws {ExitError} If the instance is closed, or is closed during the call.
   * @throws What a host function throws, the very value.
   */
  call(...args: Args extends readonly any[] ? [...Args] : never): Result {
    return this.function(...args)
  }

  /**
   * Calls the function with options. They come first, so that no argument can be mistaken for them.
   *
   * @param options `context`: what `context` of the instance is during this call. `timeoutMs` and `fuel` stop it when it
   * takes too long or too much.
   * @param args As for `call`.
   * @throws {InterruptedError} If the time is over. The instance can be used again, but its own data is as the guest left it.
   * @throws {OutOfFuelError} If the fuel is used up; likewise.
   * @throws {ArgumentError} If there is a `timeoutMs`, and the engine was made with `interruptible: false`; or `fuel`, and it
   * was not made with `fuel: true`.
   */
  callWith(options: CallOptions, ...args: Args extends readonly any[] ? [...Args] : never): Result {
    const { context, hasContext, timeoutMs, fuel } = checkCallOptions(options)
    const limited = (): Result => native.funcCallWithLimits(this.#prepare(), timeoutMs, 0, fuel, ...args)
    const call = (): Result =>
      timeoutMs === undefined && fuel === undefined ? this.function(...args) : this.#hear(args, limited)
    if (!hasContext) return call()
    const owner = this.#slot >= 0 ? (this.#core.instanceAt(this.#slot) as ContextOwner | undefined) : undefined
    if (owner === undefined || typeof owner.runWithContext !== 'function') {
      throw new ArgumentError('options.context: the function belongs to no instance that has a context')
    }
    return owner.runWithContext(context, call)
  }

  /**
   * Calls the function without blocking: its host functions may return promises, for which the guest waits while the
   * event loop goes on, and a guest that computes for long does so on another thread.
   *
   * Calls in one store run one after the other, in the order in which they were made; a call that is made in a host
   * function (before or after its first `await`) runs within the one that has called it. The call begins at once if
   * nothing else runs in its store.
   *
   * @param args As for `call`; they are converted before this returns.
   * @returns A promise of what `call` returns. It is rejected with what `call` would throw, and with what the promise of a
   * host function was rejected with.
   * @throws {ArgumentError} (as a rejection) If the instance is in sync mode: make it with `instantiateAsync`.
   */
  callAsync(...args: Args extends readonly any[] ? [...Args] : never): Promise<Awaited<Result>> {
    if (this.#core.deadline !== undefined) return this.callAsyncWith({}, ...args)
    try {
      const heard = this.#heard
      if (heard !== undefined) return heard.callAsync(args, () => this.#operation(args, undefined, false).run())
      return this.#operation(args, undefined, false).run()
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /**
   * As `callAsync`, with options. They come first, so that no argument can be mistaken for them.
   *
   * @param options `signal` and `timeoutMs` stop the call, wherever it is: while it waits for its turn or for a promise,
   * and while it computes. The instance stays usable, but its own data is as the guest left it. `fuel` is what it may use
   * of its store's fuel. `context` is what `context` of the instance is during this call.
   * @param args As for `call`.
   * @throws {InterruptedError} (as a rejection) If the time is over. An aborted signal rejects with its `reason`.
   */
  async callAsyncWith(
    options: AsyncCallOptions,
    ...args: Args extends readonly any[] ? [...Args] : never
  ): Promise<Awaited<Result>> {
    const { context, hasContext, signal, timeoutMs, fuel } = checkAsyncCallOptions(options)
    const stopper = makeStopper(signal, timeoutMs, this.#core.deadline)
    try {
      const run = (): Promise<any> => this.#operation(args, context, hasContext, fuel).run(stopper)
      return await this.#hearAsync(args, run)
    } finally {
      stopper?.end()
    }
  }

  /**
   * Calls the function with a raw stack, as wazero does: parameters from index 0, then results from index 0.
   *
   * @param stack A `BigUint64Array` with at least as many elements as there are parameters, and results (a v128 takes
   * two). i32 is the low half; use `api.encode...` and `api.decode...`. What lies beyond stays untouched.
   * @throws {ArgumentRangeError} If the stack is too short.
   * @throws {ArgumentError} If the stack is not a `BigUint64Array`, or the signature has references: see `callBits`.
   */
  callWithStack(stack: BigUint64Array): void {
    this.#prepare()
    const call = (): void => native.funcCallWithStack(this.#core.handle, this.#index, stack)
    const heard = this.#heard
    if (heard !== undefined) return heard.callWithStack(stack, call)
    call()
  }

  /**
   * As `call`, but each f32 and f64, argument or result, is a bigint: its bits. JavaScript numbers do not keep the sign
   * and payload of a NaN; bits do. All other types are as in `call`, so this is the exact form for signatures with
   * references, which `callWithStack` refuses.
   *
   * @param args For an f32 a bigint whose low 32 bits count, for an f64 one of 64 bits; others as for `call`.
   * @returns As `call`; floats from `0n` to `2n ** 32n - 1n` (f32) or `2n ** 64n - 1n` (f64).
   * @throws {ArgumentError} If the number or the type of the arguments is wrong. All else as `call`.
   */
  callBits(...args: readonly any[]): any {
    return this.#hear(args, () => native.funcCallBits(this.#prepare(), ...args))
  }

  /**
   * As `callAsync`, with floats as their bits, as in `callBits`.
   *
   * @throws {ArgumentError} (as a rejection) If the instance is in sync mode, or as `callBits`.
   */
  async callBitsAsync(...args: readonly any[]): Promise<any> {
    const stopper = makeStopper(undefined, undefined, this.#core.deadline)
    try {
      const run = (): Promise<any> =>
        this.#begin(native.opCallBits(this.#prepare(), ...args), undefined, false).run(stopper)
      return await this.#hearAsync(args, run)
    } finally {
      stopper?.end()
    }
  }

  /** @internal Calls a function without arguments, under a watch that others may share. */
  static async runStoppable(func: Func<any, any>, stopper: Stopper | undefined): Promise<void> {
    const run = (): Promise<any> => func.#operation([], undefined, false).run(stopper)
    await func.#hearAsync([], run)
  }

  /** What its calls go through if somebody listens. In async mode host functions must find the call even if nobody does. */
  get #heard(): HeardFunction | undefined {
    const { listening } = this.#core
    if (listening === undefined) return undefined
    if (this.#heardFunction === undefined) {
      const instance = this.#slot >= 0 ? (this.#core.instanceAt(this.#slot) as ModuleInstance | undefined) : undefined
      this.#heardFunction = new HeardFunction(listening, this.definition, instance)
    }
    return this.#heardFunction.listener === undefined && !this.#core.isAsync ? undefined : this.#heardFunction
  }

  /** @internal Calls a function without arguments, `spentMs` after its time has begun. */
  static runLimited(func: Func<any, any>, timeoutMs: number, spentMs: number): void {
    func.#hear([], () => native.funcCallWithLimits(func.#prepare(), timeoutMs, spentMs, undefined))
  }

  /** As `#hear`, for an asynchronous call. */
  #hearAsync(args: readonly unknown[], run: () => Promise<any>): Promise<any> {
    return this.#heard?.callAsync(args, run) ?? run()
  }

  /** Runs a synchronous call, for the ears of whoever listens. */
  #hear(args: readonly unknown[], run: () => any): any {
    const heard = this.#heard
    return heard === undefined ? run() : heard.call(args, run)
  }

  #prepare(): PreparedFunc {
    return (this.#prepared ??= native.funcPrepare(this.#core.handle, this.#index, this.#slot, this.#name))
  }

  #operation(args: readonly unknown[], context: unknown, hasContext: boolean, fuel?: bigint): Operation {
    const id = native.opCall(this.#prepare(), ...args)
    if (fuel !== undefined) {
      try {
        native.opFuel(this.#core.handle, id, fuel)
      } catch (error) {
        native.opForget(this.#core.handle, id)
        throw error
      }
    }
    return this.#begin(id, context, hasContext)
  }

  #begin(id: number, context: unknown, hasContext: boolean): Operation {
    const instance = this.#slot >= 0 ? this.#core.instanceAt(this.#slot) : undefined
    return new Operation(this.#core, id, instance, context, hasContext)
  }

  /** @internal */
  static parts(func: Func<any, any>): { core: StoreCore; index: number } {
    return { core: func.#core, index: func.#index }
  }
}

/** The typed form of {@link Func} for a signature: `TypedFunc<['i32', 'i64'], ['f64']>`. */
export type TypedFunc<P extends readonly ValueTypeLike[], R extends readonly ValueTypeLike[]> = Func<
  ArgsOf<P>,
  ResultsOf<R>
>

/** @internal The `Func` of a function handle, the same one every time. */
export function funcOf(core: StoreCore, index: number, slot = -1, name = ''): Func<any, any> {
  const funcs = core.holder[2] as (Func<any, any> | undefined)[]
  return (funcs[index] ??= new Func<any, any>(core, index, slot, name))
}

// Native code asks for the `Func` of a function that it shows to JavaScript for the first time.
registerEnvironment((core, index) => funcOf(core as StoreCore, index))
registerStackProbe()

function checkFuncType(type: unknown): { params: readonly ValueTypeName[]; results: readonly ValueTypeName[] } {
  if (typeof type !== 'object' || type === null) {
    throw new ArgumentError(`type must be an object { params, results }, but got ${describe(type)}`)
  }
  const { params, results } = type as { params?: unknown; results?: unknown }
  return { params: checkValueTypes(params, 'type.params'), results: checkValueTypes(results, 'type.results') }
}

/** The core of a `Store`, which keeps it private. */
function storeCoreOf(store: Store): StoreCore {
  const core: unknown = typeof store === 'object' && store !== null ? coreOfStore(store) : undefined
  if (!(core instanceof StoreCore)) throw new ArgumentError(`store must be a Store, but got ${describe(store)}`)
  return core
}

let coreOfStore: (store: object) => StoreCore | undefined = () => undefined

/** @internal Called by `store.ts`, which can look into a `Store`. */
export function setCoreOfStore(read: (store: object) => StoreCore | undefined): void {
  coreOfStore = read
}

export { checkFuncType, storeCoreOf }
