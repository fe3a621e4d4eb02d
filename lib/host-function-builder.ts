import type { HostModuleBuilder } from './host-module-builder'
import type { ModuleInstance } from './module-instance'
import { type ArgsOf, MAX_VALUE_TYPES, type ResultsOf, type ValueTypeLike } from './value-type'

/**
 * What a host function returns: the value, or a promise of it. A promise can be waited for only by an asynchronous call;
 * in a synchronous one it is a `TypeError` that names the function.
 */
type Returned<R extends readonly ValueTypeLike[]> = ResultsOf<R> | PromiseLike<ResultsOf<R>>

/** A host function as it was when it was exported. Checked by `HostModuleBuilder.compile`. */
export interface HostFunctionSnapshot {
  readonly callback: unknown
  readonly style: 'natural' | 'stack' | undefined
  readonly withModule: boolean
  readonly notify: unknown
  readonly params: unknown
  readonly results: unknown
  readonly name: unknown
  readonly parameterNames: readonly unknown[]
  readonly resultNames: readonly unknown[]
}

/**
 * Defines a host function of a {@link HostModuleBuilder}. Every method returns the builder itself; nothing is checked
 * before the module is compiled.
 */
export class HostFunctionBuilder {
  readonly #owner: HostModuleBuilder
  #snapshot: HostFunctionSnapshot = {
    callback: undefined,
    style: undefined,
    withModule: false,
    notify: false,
    params: undefined,
    results: undefined,
    name: undefined,
    parameterNames: [],
    resultNames: [],
  }

  /** @internal Use `HostModuleBuilder.newFunctionBuilder`. */
  constructor(owner: HostModuleBuilder) {
    this.#owner = owner
  }

  /**
   * The function gets its arguments as natural values: numbers, bigints for i64.
   *
   * @param callback No result is `undefined`, one is the value, more are an array. What it throws reaches the outermost
   * caller unchanged.
   * @param params Types of the parameters, e.g. `['i32', 'i64']`; they give the callback's parameters their types.
   * @param results Types of the results.
   */
  withFunc<
    const P extends readonly ValueTypeLike[],
    const R extends readonly ValueTypeLike[],
    const T extends Returned<R>,
  >(callback: (...args: ArgsOf<P>) => T, params: P, results: R): this
  /** Without types, the function takes those of each import that it is linked to. */
  withFunc(callback: (...args: any[]) => unknown): this
  withFunc(
    callback: (...args: any[]) => unknown,
    params?: readonly ValueTypeLike[],
    results?: readonly ValueTypeLike[],
  ): this {
    return this.#set('natural', false, callback, params, results)
  }

  /** As `withFunc`; the first argument is the instance that imports the function. */
  withModuleFunc<
    const P extends readonly ValueTypeLike[],
    const R extends readonly ValueTypeLike[],
    const T extends Returned<R>,
  >(callback: (module: ModuleInstance, ...args: ArgsOf<P>) => T, params: P, results: R): this
  withModuleFunc(callback: (module: ModuleInstance, ...args: any[]) => unknown): this
  withModuleFunc(
    callback: (module: ModuleInstance, ...args: any[]) => unknown,
    params?: readonly ValueTypeLike[],
    results?: readonly ValueTypeLike[],
  ): this {
    return this.#set('natural', true, callback, params, results)
  }

  /**
   * The function gets a raw stack and nothing else.
   *
   * @param callback Gets a `BigUint64Array` as long as there are parameters, or results if these are more (a v128 counts
   * twice). Parameters are at index 0 and up, an i32 zero-extended, floats as their bits (see `api.decode...`). Results
   * are written from index 0 on; above the low half of an i32 or f32, bits are ignored. The array and its `buffer` are
   * the same in every call, so a typed array over the buffer may be kept; its content is the callback's until it returns.
   */
  withStackFunc(
    callback: (stack: BigUint64Array) => void | PromiseLike<void>,
    params: readonly ValueTypeLike[],
    results: readonly ValueTypeLike[],
  ): this {
    return this.#set('stack', false, callback, params, results)
  }

  /** As `withStackFunc`; the first argument is the instance that imports the function. */
  withModuleStackFunc(
    callback: (module: ModuleInstance, stack: BigUint64Array) => void | PromiseLike<void>,
    params: readonly ValueTypeLike[],
    results: readonly ValueTypeLike[],
  ): this {
    return this.#set('stack', true, callback, params, results)
  }

  /** Name of the function in its module, shown in definitions and traces. Default: the export name. */
  withName(name: string): this {
    this.#snapshot = { ...this.#snapshot, name }
    return this
  }

  /**
   * Guests do not wait for the function: a call of it only makes a note, and goes on. In async mode notes of a guest that
   * computes on another thread come to the JavaScript thread in batches; they are run in their order, before anything else
   * that the guest calls, and before its own call ends. For functions without results, and without references.
   *
   * What the function throws is an uncaught exception, as in a listener of an event. In sync mode it is called at once.
   */
  withNotify(notify = true): this {
    this.#snapshot = { ...this.#snapshot, notify }
    return this
  }

  /** Names of the parameters, for all of them. */
  withParameterNames(...names: string[]): this {
    this.#snapshot = { ...this.#snapshot, parameterNames: names }
    return this
  }

  /** Names of the results, for all of them. */
  withResultNames(...names: string[]): this {
    this.#snapshot = { ...this.#snapshot, resultNames: names }
    return this
  }

  /**
   * Exports the function as it is defined now. A name that is taken is replaced, at its first position; a builder may
   * export its function under several names.
   *
   * @returns The module builder.
   */
  export(name: string): HostModuleBuilder {
    return this.#owner.exportSnapshot(name, this.#snapshot)
  }

  #set(style: 'natural' | 'stack', withModule: boolean, callback: unknown, params: unknown, results: unknown): this {
    this.#snapshot = {
      ...this.#snapshot,
      style,
      withModule,
      callback,
      params: copyOf(params),
      results: copyOf(results),
    }
    return this
  }
}

/**
 * A copy of a list of types, so that later changes of the list have no effect. Anything else, and a list that is longer
 * than any function type may be, stays as it is, for `compile` to refuse.
 */
function copyOf(list: unknown): unknown {
  if (!Array.isArray(list)) return list
  const length = Number(list.length)
  if (!(length <= MAX_VALUE_TYPES)) return list
  const copy: unknown[] = []
  for (let index = 0; index < length; index++) copy.push(list[index])
  return copy
}
