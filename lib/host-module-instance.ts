import { checkInteger } from './call-options'
import type { HostExport, HostFunctionExport } from './compiled-host-module'
import { ArgumentError, WasmtimeError } from './errors'
import type { FunctionDefinition } from './function-definition'
import { Global } from './global'
import { heardCallback } from './heard-host-function'
import type { Listening } from './listening'
import { Memory } from './memory'
import { type Binding, native } from './native'
import { SharedMemory } from './shared-memory'
import type { Mode, StoreCore } from './store-core'
import { Table } from './table'
import { Tag, tagOf } from './tag'
import { checkValueTypes } from './value-type'

/** @internal What an instance needs from its runtime. */
export interface HostModuleOwner {
  readonly engine: Binding.Engine
  readonly listening: Listening | undefined
  /** The store of named instances: what a host module exports besides functions lives there. */
  sharedCore(mode: Mode): StoreCore
  closed(instance: HostModuleInstance): void
}

/** Memory that cannot be detached, whatever a callback does with it. */
function sharedBuffer(bytes: number): SharedArrayBuffer {
  if (typeof SharedArrayBuffer === 'function') return new SharedArrayBuffer(bytes)
  // Browser-like environments hide the constructor, but not what it makes. `WebAssembly` is not in TypeScript's lib here.
  const { Memory: HostMemory } = (
    globalThis as unknown as { WebAssembly: { Memory: new (type: object) => { buffer: object } } }
  ).WebAssembly
  const { buffer } = new HostMemory({ initial: 0, maximum: 1, shared: true })
  return new (buffer.constructor as SharedArrayBufferConstructor)(bytes)
}

/** A host module that guests can import from, made by `HostModuleBuilder.instantiate`. */
export class HostModuleInstance {
  readonly #owner: HostModuleOwner
  readonly #linker: Binding.Linker
  readonly #definitions: readonly FunctionDefinition[]
  /** What native code has only weak references to; empty once this is closed, for then nobody links to it any more. */
  #callbacks: readonly unknown[]
  readonly #externs = new Map<string, Memory | Global<any> | Table | Tag>()
  readonly #sharedMemories = new Map<string, SharedMemory>()
  readonly #core: StoreCore | undefined
  /** Name that guests import it by. */
  readonly name: string
  #closed = false

  /** @internal */
  constructor(owner: HostModuleOwner, name: string, items: ReadonlyMap<string, HostExport>, mode: Mode) {
    if (!(items instanceof Map)) {
      throw new ArgumentError('HostModuleInstance cannot be constructed; use HostModuleBuilder.instantiate()')
    }
    this.#owner = owner
    this.name = name
    this.#definitions = [...items.values()].flatMap((item) => (item.kind === 'func' ? [item.definition] : []))
    this.#linker = new native.Linker(owner.engine)
    const callbacks: unknown[] = []
    this.#callbacks = callbacks
    const inStore = ({ kind }: HostExport) => kind !== 'func' && kind !== 'shared-memory'
    this.#core = [...items.values()].some(inStore) ? owner.sharedCore(mode) : undefined
    for (const [exportName, item] of items) {
      if (item.kind === 'func') this.#defineFunction(exportName, item, callbacks)
      else if (item.kind === 'shared-memory') this.#defineSharedMemory(exportName, item)
      else if (this.#core !== undefined) this.#defineExtern(this.#core, exportName, item)
    }
  }

  /** Whether `close` was called, of this or of its runtime. */
  get closed(): boolean {
    return this.#closed
  }

  /** @internal The mode whose store of named instances has something of it, `undefined` if it has functions only. */
  get sharedMode(): Mode | undefined {
    return this.#core === undefined ? undefined : this.#core.isAsync ? 'async' : 'sync'
  }

  /** The definitions of its functions, in the order of their export. */
  get exportedFunctionDefinitions(): readonly FunctionDefinition[] {
    return this.#definitions
  }

  /**
   * Host functions are there for guests only.
   *
   * @throws {WasmtimeError} Always.
   */
  exportedFunction(_name: string): never {
    throw new WasmtimeError(
      'INVALID_ARGUMENT',
      'calling ExportedFunction is forbidden on host modules. See the note on ExportedFunction interface',
    )
  }

  /** The memory that guests import under the name `memory`, or else the first one; `undefined` if there is none. */
  get memory(): Memory | undefined {
    const named = this.exportedMemory('memory')
    if (named !== undefined) return named
    for (const item of this.#externs.values()) if (item instanceof Memory) return item
    return undefined
  }

  /** The exported memory of a name, `undefined` if there is none. */
  exportedMemory(name: string): Memory | undefined {
    const item = this.#externs.get(name)
    return item instanceof Memory ? item : undefined
  }

  /** The exported global of a name, `undefined` if there is none. */
  exportedGlobal(name: string): Global<any> | undefined {
    const item = this.#externs.get(name)
    return item instanceof Global ? item : undefined
  }

  /** The exported table of a name, `undefined` if there is none. */
  exportedTable(name: string): Table | undefined {
    const item = this.#externs.get(name)
    return item instanceof Table ? item : undefined
  }

  /** The exported shared memory of a name, `undefined` if there is none. */
  exportedSharedMemory(name: string): SharedMemory | undefined {
    return this.#sharedMemories.get(name)
  }

  /** The exported tag of a name, `undefined` if there is none. */
  exportedTag(name: string): Tag | undefined {
    const item = this.#externs.get(name)
    return item instanceof Tag ? item : undefined
  }

  /** Frees the name. Guests that import from the module already are not affected. Idempotent. */
  close(exitCode = 0): void {
    checkInteger(exitCode, 'exitCode', 0, 2 ** 32 - 1)
    if (this.#closed) return
    this.#closed = true
    this.#linker.close()
    this.#callbacks = []
    this.#owner.closed(this)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }

  /** @internal The names of all that it exports. */
  static names(instance: HostModuleInstance): ReadonlySet<string> {
    return new Set([...instance.#linker.names(instance.name), ...instance.#externs.keys()])
  }

  /** @internal Adds the definitions to a linker; tells what must be kept alive and whether the shared store is needed. */
  static link(
    instance: HostModuleInstance,
    linker: Binding.Linker,
    wanted: ReadonlySet<string>,
  ): { callbacks: readonly unknown[]; needsShared: boolean; core: StoreCore | undefined } {
    linker.defineAllOf(instance.#linker, instance.name, instance.name)
    const needsShared = [...wanted].some((name) => instance.#externs.has(name))
    return { callbacks: instance.#callbacks, needsShared, core: instance.#core }
  }

  #defineFunction(exportName: string, item: HostFunctionExport, callbacks: unknown[]): void {
    const { style, notify, definition, params, results } = item
    const { listening } = this.#owner
    const heard = listening === undefined ? undefined : heardCallback(listening, item, this.name, exportName)
    const callback = heard ?? item.callback
    const withModule = heard !== undefined || item.withModule
    const name = definition.name === '' ? `$${definition.index}` : definition.name
    const config: Binding.HostFuncConfig = { module: this.name, name, withModule, notify }
    let stack: BigUint64Array | undefined
    if (params !== undefined && results !== undefined) {
      config.params = [...params]
      config.results = [...results]
      if (style === 'stack') {
        const slots = Math.max(
          ...[params, results].map((list) => list.reduce((sum, type) => sum + (type === 'v128' ? 2 : 1), 0)),
        )
        stack = new BigUint64Array(sharedBuffer(slots * 8))
      }
    }
    this.#linker.defineFunc(this.name, exportName, config, callback, stack)
    callbacks.push(callback)
    if (stack !== undefined) callbacks.push(stack)
  }

  #defineSharedMemory(name: string, item: Extract<HostExport, { kind: 'shared-memory' }>): void {
    const memory = item.memory ?? new SharedMemory(new native.SharedMemory(this.#owner.engine, item.limits))
    this.#linker.defineSharedMemory(this.name, name, SharedMemory.native(memory))
    this.#sharedMemories.set(name, memory)
  }

  #defineExtern(
    core: StoreCore,
    name: string,
    item: Exclude<HostExport, HostFunctionExport | { kind: 'shared-memory' }>,
  ): void {
    const { handle } = core
    let index: number
    if (item.kind === 'global') {
      const [content] = checkValueTypes([item.type], name)
      index = native.globalNew(handle, { content: content ?? 'i32', mutable: item.mutable }, item.value)
      this.#externs.set(
        name,
        core.extern(index, () => new Global(core, index)),
      )
    } else if (item.kind === 'tag') {
      index = native.tagNew(handle, [...checkValueTypes(item.params, name)])
      this.#externs.set(name, tagOf(core, index))
    } else {
      const { min = 0, max } = item.limits
      const limits = max === undefined ? { minimum: min } : { minimum: min, maximum: max }
      if (item.kind === 'memory') {
        index = native.memoryNew(handle, limits)
        this.#externs.set(
          name,
          core.extern(index, () => new Memory(core, index)),
        )
      } else {
        index = native.tableNew(handle, { element: item.element, ...limits }, null)
        this.#externs.set(
          name,
          core.extern(index, () => new Table(core, index)),
        )
      }
    }
    this.#linker.defineExtern(this.name, name, handle, index)
  }
}
