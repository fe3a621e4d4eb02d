import { ArgumentError } from './errors'
import type { FunctionDefinition } from './function-definition'
import type { HostLimits } from './host-module-builder'
import type { Runtime } from './runtime'
import type { SharedMemory, SharedMemoryLimits } from './shared-memory'
import type { NullableRefTypeName, ValueTypeLike, ValueTypeName } from './value-type'

/** @internal A checked host function. */
export interface HostFunctionExport {
  readonly kind: 'func'
  readonly callback: (...args: any[]) => unknown
  readonly style: 'natural' | 'stack'
  readonly withModule: boolean
  /** Whether guests do not wait for it. */
  readonly notify: boolean
  readonly definition: FunctionDefinition
  /** Left out, with `results`, if the function takes the type of each import. */
  readonly params?: readonly ValueTypeName[]
  readonly results?: readonly ValueTypeName[]
}

/** @internal A checked export of a host module. */
export type HostExport =
  | HostFunctionExport
  | { readonly kind: 'memory'; readonly limits: HostLimits }
  | {
      readonly kind: 'shared-memory'
      /** One that is there already. */
      readonly memory?: SharedMemory
      readonly limits: SharedMemoryLimits
    }
  | { readonly kind: 'global'; readonly type: ValueTypeLike; readonly value: unknown; readonly mutable: boolean }
  | { readonly kind: 'table'; readonly element: NullableRefTypeName; readonly limits: HostLimits }
  | { readonly kind: 'tag'; readonly params: readonly ValueTypeLike[] }

/** A host module that is ready to be instantiated, by `Runtime.instantiate`; also several times, under different names. */
export class CompiledHostModule {
  readonly #runtime: Runtime
  readonly #items: ReadonlyMap<string, HostExport>
  /** Name that it was built with, and that instances have unless they are given another. */
  readonly name: string
  #closed = false

  /** @internal Use `HostModuleBuilder.compile`. */
  constructor(runtime: Runtime, name: string, items: ReadonlyMap<string, HostExport>) {
    if (!(items instanceof Map)) {
      throw new ArgumentError('CompiledHostModule cannot be constructed; use HostModuleBuilder.compile()')
    }
    this.#runtime = runtime
    this.#items = items
    this.name = name
  }

  /** The definitions of its functions, in the order of their export. */
  get exportedFunctions(): readonly FunctionDefinition[] {
    const definitions: FunctionDefinition[] = []
    for (const item of this.#items.values()) if (item.kind === 'func') definitions.push(item.definition)
    return definitions
  }

  /** Names of all exports, in the order of their export. */
  get exportNames(): readonly string[] {
    return [...this.#items.keys()]
  }

  /** Whether `close` was called. */
  get closed(): boolean {
    return this.#closed
  }

  /** It cannot be instantiated any more; instances stay as they are. Idempotent. */
  close(): void {
    this.#closed = true
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** @internal */
  static parts(compiled: CompiledHostModule): { runtime: Runtime; items: ReadonlyMap<string, HostExport> } {
    return { runtime: compiled.#runtime, items: compiled.#items }
  }
}
