import { type FunctionDefinition, makeDefinition } from './function-definition'
import type { Engine } from './engine'
import { Module, checkPath } from './module'
import { type Binding, native } from './native'
import type { Runtime } from './runtime'
import type { FuncType, ModuleExport, ModuleImport } from './types'

/** A module that a {@link Runtime} has compiled. */
export class CompiledModule extends Module {
  readonly #runtime: Runtime
  #name: string | undefined
  #importedFunctions: readonly FunctionDefinition[] | undefined
  #exportedFunctions: readonly FunctionDefinition[] | undefined
  #startFunction: FunctionDefinition | undefined

  /** @internal Use `Runtime.compileModule`. */
  constructor(runtime: Runtime, compiled: unknown) {
    super(compiled)
    this.#runtime = runtime
  }

  /**
   * Makes a module of bytes that `serialize` or `Engine.precompile` gave, without compiling. **The bytes must be trusted**:
   * see `Module.unsafeDeserialize`.
   *
   * @param runtime The runtime that it is for. Its options must be those that the bytes were made with.
   * @throws {CompileError} If the bytes are something else, or were made by another version, for another machine or with
   * other options.
   */
  static override unsafeDeserialize(runtime: Runtime | Engine, bytes: Uint8Array | ArrayBufferLike): CompiledModule {
    const made = native.Module.unsafeDeserialize(engineOf(runtime), bytes as Uint8Array)
    return new CompiledModule(runtime as Runtime, made)
  }

  /** As `unsafeDeserialize`, from a file, which is mapped: see `Module.unsafeDeserializeFile`. */
  static override unsafeDeserializeFile(runtime: Runtime | Engine, path: string): CompiledModule {
    const made = native.Module.unsafeDeserializeFile(engineOf(runtime), checkPath(path))
    return new CompiledModule(runtime as Runtime, made)
  }

  /** Name of the module, from its name section; empty if it has none. */
  override get name(): string {
    return (this.#name ??= super.name ?? '')
  }

  /** The functions that it imports, in their order. */
  get importedFunctions(): readonly FunctionDefinition[] {
    if (this.#importedFunctions === undefined) {
      const imports = this.imports.filter((item) => item.type.kind === 'func')
      const infos = Module.native(this).importedFunctions
      this.#importedFunctions = Object.freeze(
        imports.map(({ module, name, type }, index) =>
          makeDefinition({
            moduleName: this.name,
            index,
            name: infos[index]?.name ?? '',
            import: Object.freeze({ module, name }),
            type: funcTypeOf(type),
            paramNames: infos[index]?.paramNames ?? [],
          }),
        ),
      )
    }
    return this.#importedFunctions
  }

  /** The functions that it exports, in the order of their export; one that has several names is there once. */
  get exportedFunctions(): readonly FunctionDefinition[] {
    if (this.#exportedFunctions === undefined) {
      const exports = this.exports.filter((item) => item.type.kind === 'func')
      const infos = Module.native(this).exportedFunctions
      const byIndex = new Map<number, { names: string[]; position: number }>()
      infos.forEach(({ index }, position) => {
        const known = byIndex.get(index)
        const name = exports[position]?.name ?? ''
        if (known === undefined) byIndex.set(index, { names: [name], position })
        else known.names.push(name)
      })
      this.#exportedFunctions = Object.freeze(
        [...byIndex].map(([index, { names, position }]) =>
          makeDefinition({
            moduleName: this.name,
            index,
            name: infos[position]?.name ?? '',
            exportNames: names,
            type: funcTypeOf(exports[position]?.type),
            paramNames: infos[position]?.paramNames ?? [],
          }),
        ),
      )
    }
    return this.#exportedFunctions
  }

  /** The memories that it imports, in their order. */
  get importedMemories(): readonly ModuleImport[] {
    return this.imports.filter((item) => item.type.kind === 'memory')
  }

  /** The memories that it exports, in the order of their export. */
  get exportedMemories(): readonly ModuleExport[] {
    return this.exports.filter((item) => item.type.kind === 'memory')
  }

  /** Lets go of the compiled code; instances that were made of it go on. Idempotent. */
  override close(): void {
    if (!this.closed) {
      // Instances go on, and tell of their exports.
      void [this.name, this.imports, this.exports, this.importedFunctions, this.exportedFunctions]
    }
    super.close()
  }

  /** @internal The function that instantiation runs, `undefined` if there is none. */
  static startFunction(module: CompiledModule): FunctionDefinition | undefined {
    return (module.#startFunction ??= module.#findStart())
  }

  #findStart(): FunctionDefinition | undefined {
    const info = Module.native(this).startFunction
    if (info == null) return undefined
    const known = [...this.exportedFunctions, ...this.importedFunctions].find(({ index }) => index === info.index)
    const { index, name } = info
    return known ?? makeDefinition({ moduleName: this.name, index, name, type: { params: [], results: [] } })
  }

  /** @internal */
  static runtimeOf(module: CompiledModule): Runtime {
    return module.#runtime
  }
}

function funcTypeOf(type: unknown): FuncType {
  const { params = [], results = [] } = (type ?? {}) as Partial<FuncType>
  return { params, results }
}

let engineOf: (runtime: unknown) => Binding.Engine

/** @internal Called by `runtime.ts`, which can look into a `Runtime`. */
export function setEngineOf(read: (runtime: unknown) => Binding.Engine): void {
  engineOf = read
}
