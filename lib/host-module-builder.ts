import { checkBoolean, checkInteger, checkOptions } from './call-options'
import { CompiledHostModule, type HostExport, type HostFunctionExport } from './compiled-host-module'
import { describe } from './describe'
import { ArgumentError, CompileError } from './errors'
import { makeDefinition } from './function-definition'
import { HostFunctionBuilder, type HostFunctionSnapshot } from './host-function-builder'
import type { HostModuleInstance } from './host-module-instance'
import type { Runtime } from './runtime'
import { SharedMemory } from './shared-memory'
import {
  type NullableRefTypeName,
  type ValueOf,
  type ValueTypeLike,
  type ValueTypeName,
  checkRefType,
  checkValueTypes,
  isReference,
} from './value-type'

/** Limits of a memory or table that a host module exports. */
export interface HostLimits {
  /** Pages, or elements, at first; default 0. */
  readonly min?: number
  /** Pages, or elements, that it may grow to; default: no limit of its own. */
  readonly max?: number
}

type Item = { readonly kind: 'func'; readonly snapshot: HostFunctionSnapshot } | Exclude<HostExport, { kind: 'func' }>

/**
 * Defines a module whose exports are JavaScript functions (and memories, globals and tables), for guests to import.
 *
 * The builder is mutable: every method returns the builder itself, and nothing is checked before `compile`. What is
 * compiled is a snapshot that later changes do not affect.
 *
 * @example
 * ```ts
 * runtime.newHostModuleBuilder('env')
 *   .newFunctionBuilder()
 *     .withFunc((a, b) => a + b, ['i32', 'i32'], ['i32'])
 *     .withName('add').withParameterNames('a', 'b')
 *     .export('add')
 *   .instantiate()
 * ```
 */
export class HostModuleBuilder {
  readonly #runtime: Runtime
  readonly #name: string
  readonly #items = new Map<string, Item>()

  /** @internal Use `Runtime.newHostModuleBuilder`. */
  constructor(runtime: Runtime, name: string) {
    this.#runtime = runtime
    this.#name = name
  }

  /** Begins a function; it becomes part of the module with its `export`. */
  newFunctionBuilder(): HostFunctionBuilder {
    return new HostFunctionBuilder(this)
  }

  /**
   * Exports a memory, one for all guests that import it.
   *
   * @param limits In pages of 64 KiB; with `shared: true` it is one that threads share, and needs a `max`. Or a shared memory
   * that is there already.
   */
  exportMemory(name: string, limits: (HostLimits & { readonly shared?: boolean }) | SharedMemory = {}): this {
    if (limits instanceof SharedMemory) {
      return this.#add(name, { kind: 'shared-memory', memory: limits, limits: { minimum: 0, maximum: 0 } })
    }
    return this.#add(name, { kind: 'memory', limits })
  }

  /** Exports a global, one for all guests that import it. */
  exportGlobal<const T extends ValueTypeLike>(name: string, type: T, value: ValueOf<T>, mutable = false): this {
    return this.#add(name, { kind: 'global', type, value, mutable })
  }

  /**
   * Exports a table of `funcref`, or of another type of references that can be null; one for all guests that import it.
   * Limits are in elements.
   */
  exportTable(name: string, limits: HostLimits & { readonly element?: NullableRefTypeName } = {}): this {
    const { element = 'funcref', ...rest } = limits ?? {}
    return this.#add(name, { kind: 'table', element, limits: rest })
  }

  /**
   * Exports a tag, one for all guests that import it.
   *
   * @param params Types of the values that its exceptions carry.
   */
  exportTag(name: string, params: readonly ValueTypeLike[] = []): this {
    return this.#add(name, { kind: 'tag', params })
  }

  /**
   * Checks the definitions and makes a module that can be instantiated, also several times under different names.
   *
   * @throws {CompileError} That names the function (`func[env.f] ...`) and what is wrong with it.
   */
  compile(): CompiledHostModule {
    this.#runtime.assertOpen()
    if (typeof this.#name !== 'string') {
      throw new ArgumentError(`module name must be a string, but got ${describe(this.#name)}`)
    }
    if (this.#name === '') throw new CompileError('a module name must not be empty')
    const items = new Map<string, HostExport>()
    let index = 0
    for (const [name, item] of this.#items) {
      if (typeof name !== 'string') throw new ArgumentError(`export name must be a string, but got ${describe(name)}`)
      items.set(
        name,
        item.kind === 'func' ? this.#compileFunction(name, index++, item.snapshot) : checkItem(name, item),
      )
    }
    return new CompiledHostModule(this.#runtime, this.#name, items)
  }

  /**
   * Compiles and instantiates the module under its own name.
   *
   * @throws {CompileError} As `compile`.
   * @throws {LinkError} If a module of that name is instantiated.
   */
  instantiate(): HostModuleInstance {
    const compiled = this.compile()
    return this.#runtime.instantiate(compiled)
  }

  /**
   * As `instantiate`, with its memories, globals and tables for guests in async mode. Functions are for guests in both
   * modes, either way.
   *
   * @throws {CompileError} (as a rejection) As `compile`.
   * @throws {LinkError} (as a rejection) If a module of that name is instantiated.
   */
  async instantiateAsync(): Promise<HostModuleInstance> {
    const compiled = this.compile()
    return await this.#runtime.instantiateAsync(compiled)
  }

  /** @internal Called by `HostFunctionBuilder.export`. */
  exportSnapshot(name: string, snapshot: HostFunctionSnapshot): this {
    return this.#add(name, { kind: 'func', snapshot })
  }

  #add(name: string, item: Item): this {
    this.#items.set(name, item)
    return this
  }

  #compileFunction(exportName: string, index: number, snapshot: HostFunctionSnapshot): HostFunctionExport {
    const label = `func[${this.#name}.${exportName}]`
    const { callback, style, withModule, notify, name, parameterNames, resultNames } = snapshot
    if (style === undefined) {
      throw new CompileError(`${label} has no function: call withFunc or withStackFunc before export`)
    }
    if (typeof callback !== 'function') throw new CompileError(`${label} kind != func: ${describe(callback)}`)
    if (typeof notify !== 'boolean') {
      throw new CompileError(`${label} notify must be a boolean, but got ${describe(notify)}`)
    }
    const untyped = style === 'natural' && snapshot.params === undefined && snapshot.results === undefined
    const params = untyped ? undefined : this.#types(label, 'param', snapshot.params, style)
    const results = untyped ? undefined : this.#types(label, 'result', snapshot.results, style)
    if ((results?.length ?? 0) > 1 && !this.#runtime.multiValue) {
      throw new CompileError(`${label} multiple result types invalid as feature "multi-value" is disabled`)
    }
    if (name !== undefined && typeof name !== 'string') {
      throw new CompileError(`${label} name must be a string, but got ${describe(name)}`)
    }
    if (notify) checkNotify(label, params, results)
    checkNames(label, 'params', params, parameterNames)
    checkNames(label, 'results', results, resultNames)
    const definition = makeDefinition({
      moduleName: this.#name,
      index,
      name: name ?? exportName,
      exportNames: [exportName],
      type: { params: params ?? [], results: results ?? [] },
      paramNames: parameterNames as readonly string[],
      resultNames: resultNames as readonly string[],
      isHost: true,
    })
    const types = params === undefined || results === undefined ? {} : { params, results }
    return {
      kind: 'func',
      callback: callback as (...args: any[]) => unknown,
      style,
      withModule,
      notify,
      definition,
      ...types,
    }
  }

  #types(label: string, what: string, list: unknown, style: string): readonly ValueTypeName[] {
    let types: readonly ValueTypeName[]
    try {
      types = checkValueTypes(list, what)
    } catch (cause) {
      if (!Array.isArray(list)) throw new CompileError(`${label} ${(cause as Error).message}`, { cause })
      const index = /\[(\d+)\]/.exec((cause as Error).message)?.[1]
      if (index === undefined) throw new CompileError(`${label} ${(cause as Error).message}`, { cause })
      const culprit: unknown = list[Number(index)]
      const text = typeof culprit === 'string' ? culprit : describe(culprit)
      throw new CompileError(`${label} ${what}[${index}] is unsupported: ${text}`, { cause })
    }
    const reference = style === 'stack' ? types.findIndex(isReference) : -1
    if (reference !== -1) {
      throw new CompileError(`${label} ${what}[${reference}] is unsupported on a stack: ${types[reference]}`)
    }
    return types
  }
}

/** A function that guests do not wait for has nothing to give them, and nothing that must be rooted until it runs. */
function checkNotify(
  label: string,
  params: readonly ValueTypeName[] | undefined,
  results: readonly ValueTypeName[] | undefined,
): void {
  if (params === undefined || results === undefined) {
    throw new CompileError(`${label} with notify needs types of its own`)
  }
  if (results.length > 0) throw new CompileError(`${label} with notify cannot have results, but has ${results.length}`)
  const reference = params.findIndex(isReference)
  if (reference !== -1) {
    throw new CompileError(`${label} param[${reference}] is unsupported with notify: ${params[reference]}`)
  }
}

function checkNames(
  label: string,
  what: string,
  types: readonly unknown[] | undefined,
  names: readonly unknown[],
): void {
  for (const name of names) {
    if (typeof name !== 'string') {
      throw new CompileError(`${label} ${what} names must be strings, but got ${describe(name)}`)
    }
  }
  if (types !== undefined && names.length > 0 && names.length !== types.length) {
    throw new CompileError(`${label} has ${types.length} ${what}, but ${names.length} ${what} names`)
  }
}

function checkItem(name: string, item: Exclude<HostExport, { kind: 'func' }>): HostExport {
  const label = `${item.kind} ${JSON.stringify(name)}`
  if (item.kind === 'global') {
    const [type] = checkValueTypes([item.type], `${label} type`)
    if (type === undefined) throw new ArgumentError(`${label} type must be a value type`)
    return { ...item, type, mutable: checkBoolean(item.mutable, `${label} mutable`) ?? false }
  }
  if (item.kind === 'tag') return { ...item, params: checkValueTypes(item.params, `${label} params`) }
  if (item.kind === 'shared-memory') return item
  const { min, max, ...given } = checkOptions(
    item.limits,
    label,
    item.kind === 'memory' ? ['min', 'max', 'shared'] : ['min', 'max'],
  ) as { [name: string]: unknown }
  const shared = checkBoolean(given['shared'], `${label} shared`) ?? false
  const top = item.kind === 'memory' ? 65536 : 2 ** 32 - 1
  const least = checkInteger(min ?? 0, `${label} min`, 0, top) ?? 0
  const most = checkInteger(max, `${label} max`, least, top)
  if (shared) {
    if (most === undefined) throw new ArgumentError(`${label} max must be given: a shared memory needs a maximum`)
    return { kind: 'shared-memory', limits: { minimum: least, maximum: most } }
  }
  if (item.kind === 'table' && checkRefType(item.element, `${label} element`).startsWith('(')) {
    throw new ArgumentError(`${label} element must be a type that can be null, but got ${describe(item.element)}`)
  }
  return { ...item, limits: most === undefined ? { min: least } : { min: least, max: most } }
}
