import { checkOptions } from '../call-options'
import { CompiledModule } from '../compiled-module'
import { describe } from '../describe'
import { ArgumentError, LinkError, TrapError, WasmtimeError } from '../errors'
import { Func } from '../func'
import { HostModuleBuilder } from '../host-module-builder'
import type { HostModuleInstance } from '../host-module-instance'
import { ModuleInstance } from '../module-instance'
import type { Runtime } from '../runtime'
import type { Table } from '../table'
import type { FuncType } from '../types'

/** How the functions behave that Emscripten's programs import. */
export interface EmscriptenOptions {
  /** Called when a program has grown a memory. */
  readonly onMemoryGrowth?: (guest: ModuleInstance, memoryIndex: number) => void
}

const MODULE = 'env'

/** Carries a `longjmp` from its place in the guest through wasm to the `invoke_...` where its `setjmp` is. */
class Longjmp extends WasmtimeError {
  constructor() {
    super('EXCEPTION', 'the guest has called longjmp outside of all that it had called by way of invoke_...')
  }
}

/**
 * Exports, from a host module named `env` that is being built, what a module compiled by Emscripten imports of these:
 * `invoke_...` functions, with which it calls functions that may `longjmp`, `_emscripten_throw_longjmp`, and
 * `emscripten_notify_memory_growth`.
 *
 * The guest must export its table (`-sEXPORTED_FUNCTIONS` or `--export-table`) and `setThrew`, with
 * `emscripten_stack_get_current` and `_emscripten_stack_restore`, or `stackSave` and `stackRestore`, if it imports `invoke_...`.
 * Besides a `longjmp`, `invoke_...` catches numbers that your host functions throw, as Emscripten's own code does.
 *
 * @param compiled The module whose imports are looked at.
 * @returns The builder.
 * @throws {ArgumentError} If an argument is not what is described here.
 */
export function exportFunctions(
  builder: HostModuleBuilder,
  compiled: CompiledModule,
  options: EmscriptenOptions = {},
): HostModuleBuilder {
  if (!(builder instanceof HostModuleBuilder)) {
    throw new ArgumentError(`builder must be a HostModuleBuilder, but got ${describe(builder)}`)
  }
  if (!(compiled instanceof CompiledModule)) {
    throw new ArgumentError(`compiled must be a CompiledModule, but got ${describe(compiled)}`)
  }
  const { onMemoryGrowth } = checkOptions(options, 'options', ['onMemoryGrowth'])
  if (onMemoryGrowth !== undefined && typeof onMemoryGrowth !== 'function') {
    throw new ArgumentError(`options.onMemoryGrowth must be a function, but got ${describe(onMemoryGrowth)}`)
  }
  for (const { module, name, type } of compiled.imports) {
    if (module !== MODULE || type.kind !== 'func') continue
    if (name.startsWith('invoke_')) exportInvoke(builder, name, type)
    else if (name === 'emscripten_notify_memory_growth') {
      builder
        .newFunctionBuilder()
        .withModuleFunc((guest, index) => void onMemoryGrowth?.(guest, index), ['i32'], [])
        .withParameterNames('memory_index')
        .export(name)
    } else if (name === '_emscripten_throw_longjmp') {
      const longjmp = (): void => {
        throw new Longjmp()
      }
      builder.newFunctionBuilder().withFunc(longjmp, [], []).export(name)
    }
  }
  return builder
}

/**
 * Makes a host module named `env` with what a module compiled by Emscripten imports from there: see `exportFunctions`. What
 * else it imports is usually WASI: see the option `wasi`.
 *
 * @example
 * ```ts
 * const compiled = await runtime.compileModule(bytes)
 * emscripten.instantiateFor(runtime, compiled)
 * const guest = runtime.instantiate(compiled, { wasi: {} })
 * ```
 * @throws {LinkError} If there is a module named `env`: then use `exportFunctions` when you build it.
 * @throws {ArgumentError} If an argument is not what is described here.
 */
export function instantiateFor(
  runtime: Runtime,
  compiled: CompiledModule,
  options: EmscriptenOptions = {},
): HostModuleInstance {
  return exportFunctions(runtime.newHostModuleBuilder(MODULE), compiled, options).instantiate()
}

function exportInvoke(builder: HostModuleBuilder, name: string, { params, results }: FuncType): void {
  const [index] = params
  // Not one of Emscripten's; who has something else of that name exports it.
  if (index !== 'i32' && index !== 'i64') return
  const guests = new WeakMap<ModuleInstance, Unwinding>()
  const expected = { params: params.slice(1), results }
  const invoke = (guest: ModuleInstance, target: number | bigint, ...args: unknown[]): unknown => {
    let unwinding = guests.get(guest)
    if (unwinding === undefined) {
      unwinding = new Unwinding(guest, name)
      guests.set(guest, unwinding)
    }
    const at = typeof target === 'bigint' ? Number(BigInt.asUintN(64, target)) : target >>> 0
    const func = unwinding.find(at, expected)
    const stack: unknown = unwinding.stackSave.call()
    if (ModuleInstance.isCalledAsync(guest)) return unwinding.callAsync(func, args, stack, results)
    try {
      return func.call(...args)
    } catch (error) {
      return unwinding.recover(error, stack, results)
    }
  }
  builder
    .newFunctionBuilder()
    .withModuleFunc(invoke as (guest: ModuleInstance, ...args: any[]) => any, params, results)
    .withParameterNames('index', ...params.slice(1).map((_, at) => `a${at + 1}`))
    .export(name)
}

/** What of a guest's exports it takes to call a function that may unwind the guest's stack. */
class Unwinding {
  readonly #table: Table
  readonly #stackRestore: Func<any, any>
  readonly #setThrew: Func<any, any>
  readonly stackSave: Func<any, any>
  readonly #name: string

  constructor(guest: ModuleInstance, name: string) {
    this.#name = name
    const find = (...names: string[]): Func<any, any> => {
      for (const exported of names) {
        const func = guest.exportedFunction(exported)
        if (func !== undefined) return func
      }
      throw missing(name, names.join('" or "'))
    }
    this.stackSave = find('emscripten_stack_get_current', 'stackSave')
    this.#stackRestore = find('_emscripten_stack_restore', 'stackRestore')
    this.#setThrew = find('setThrew')
    const table = guest.exportedTable('__indirect_function_table') ?? guest.exportedTable('table')
    if (table === undefined) throw missing(name, '__indirect_function_table')
    this.#table = table
  }

  /** The function that `call_indirect` would call, or its trap. */
  find(index: number, { params, results }: FuncType): Func<any, any> {
    if (index >= this.#table.length) {
      throw new TrapError(`undefined element: out of bounds table access (${this.#name})`, {
        trapCode: 'table-out-of-bounds',
      })
    }
    const func: unknown = this.#table.get(index)
    if (!(func instanceof Func)) {
      throw new TrapError(`uninitialized element (${this.#name})`, { trapCode: 'indirect-call-to-null' })
    }
    const { type } = func
    if (type.params.join() !== params.join() || type.results.join() !== results.join()) {
      throw new TrapError(`indirect call type mismatch (${this.#name})`, { trapCode: 'bad-signature' })
    }
    return func
  }

  async callAsync(
    func: Func<any, any>,
    args: readonly unknown[],
    stack: unknown,
    results: readonly unknown[],
  ): Promise<unknown> {
    try {
      return await func.callAsync(...args)
    } catch (error) {
      return this.recover(error, stack, results)
    }
  }

  /** Goes on behind the `setjmp`, if that is what was thrown. */
  recover(error: unknown, stack: unknown, results: readonly unknown[]): unknown {
    if (!(error instanceof Longjmp) && typeof error !== 'number') throw error
    this.#stackRestore.call(stack)
    // The first is as wide as an address.
    const [first] = this.#setThrew.type.params
    this.#setThrew.call(first === 'i64' ? 1n : 1, 0)
    // The guest does not look at it.
    const nothing = results.map((type) => (type === 'i64' ? 0n : 0))
    return nothing.length < 2 ? nothing[0] : nothing
  }
}

function missing(name: string, what: string): LinkError {
  return new LinkError(
    `${name} needs the guest's export "${what}", which it does not have: have Emscripten export it ` +
      '(-sEXPORTED_FUNCTIONS, and --export-table for the table)',
  )
}
