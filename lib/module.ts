import { describe } from './describe'
import { Engine } from './engine'
import { ArgumentError } from './errors'
import { warnOfCache } from './module-cache'
import { type Binding, native } from './native'
import { readable } from './permission'
import { type SharedHandle, attachTo, newHandle } from './shared-handle'
import type { CustomSection, ExternTypeDescription, ModuleExport, ModuleImport, ModuleSource } from './types'

/** A compiled module. It can be instantiated any number of times, in any store of its engine. */
export class Module {
  readonly #native: Binding.Module
  #handle: SharedHandle<'module'> | undefined
  #closed = false
  #exportNames: Set<string> | undefined
  #imports: readonly ModuleImport[] | undefined
  #exports: readonly ModuleExport[] | undefined

  /** @internal Use `compile`, `compileSync` or `fromFile`. */
  constructor(compiled: unknown) {
    if (!(compiled instanceof native.Module)) {
      throw new ArgumentError('Module cannot be constructed; use Module.compile(engine, source)')
    }
    this.#native = compiled
  }

  /**
   * Compiles off the event loop.
   *
   * @param source Bytes of the binary format (copied at once), or WAT text.
   * @throws {CompileError} If the module is malformed, invalid or a component.
   */
  static async compile(engine: Engine, source: ModuleSource): Promise<Module> {
    return new Module(await compiled(Engine.native(engine), (own) => native.Module.compile(own, source as Uint8Array)))
  }

  /** As `compile`, while the event loop waits. */
  static compileSync(engine: Engine, source: ModuleSource): Module {
    return new Module(compileNow(Engine.native(engine), source))
  }

  /**
   * Reads and compiles a file (binary or WAT) off the event loop.
   *
   * @throws {CompileError} (as a rejection) If it cannot be read, or is no valid module.
   * @throws {Error} (as a rejection) With the code `ERR_ACCESS_DENIED`, if Node's permission model forbids to read it.
   */
  static async fromFile(engine: Engine, path: string): Promise<Module> {
    const checked = checkPath(path)
    return new Module(await compiled(Engine.native(engine), (own) => native.Module.compileFile(own, checked)))
  }

  /**
   * Makes a module of bytes that `serialize` or `Engine.precompile` gave, without compiling.
   *
   * **The bytes must be trusted**: they are machine code, and whoever made them can do in this process whatever they like. Only
   * versions, options and the kind of processor are checked. For code that is kept on disk there is the option `cache`, which
   * sees to it.
   *
   * @throws {CompileError} If the bytes are something else, or were made by another version, for another machine or with
   * other options.
   */
  static unsafeDeserialize(engine: Engine, bytes: Uint8Array | ArrayBufferLike): Module {
    return new Module(native.Module.unsafeDeserialize(Engine.native(engine), bytes as Uint8Array))
  }

  /**
   * As `unsafeDeserialize`, from a file. The file is mapped into memory and not read, so a large module is there at once,
   * and processes share it. It must be trusted, and must not be changed as long as the module is used: replace it by
   * renaming another one.
   */
  static unsafeDeserializeFile(engine: Engine, path: string): Module {
    return new Module(native.Module.unsafeDeserializeFile(Engine.native(engine), checkPath(path)))
  }

  /**
   * The compiled code as bytes, for `unsafeDeserialize`.
   *
   * @throws {ClosedError} If the module is closed.
   */
  serialize(): Buffer {
    return this.#native.serialize()
  }

  /**
   * Checks a module without compiling it.
   *
   * @throws {CompileError} What is wrong with it.
   */
  static validate(engine: Engine, source: ModuleSource): void {
    native.Module.validate(Engine.native(engine), source as Uint8Array)
  }

  /**
   * Gives a handle by which Workers of this process can attach to the module, without compiling it again. They need the
   * same engine: see `Engine.share` and `Runtime.share`.
   *
   * @returns The same handle every time. It keeps nothing alive: keep the module until the others have attached.
   * @throws {ClosedError} If the module is closed.
   */
  share(): SharedHandle<'module'> {
    const handle = this.#handle ?? newHandle('module')
    this.#native.share(handle.id)
    return (this.#handle = handle)
  }

  /**
   * The module that another thread of this process shares. Closing it ends it for this thread only.
   *
   * @param engine The engine that compiled it, which this thread has attached to.
   * @param handle What `share()` of the module gave.
   * @throws {ArgumentError} If it is not such a handle, or the module belongs to another engine.
   * @throws {ClosedError} If the module is closed, or is one of another process.
   */
  static attach(engine: Engine, handle: SharedHandle<'module'>): Module {
    return new Module(attachModule(Engine.native(engine), handle))
  }

  /** Name of the name section, `undefined` if there is none. */
  get name(): string | undefined {
    return this.#native.name ?? undefined
  }

  /** What it imports, in the order of the module. */
  get imports(): readonly ModuleImport[] {
    return (this.#imports ??= freezeAll(
      this.#native.imports.map(({ module, name, type }) => ({ module, name, type: describeType(type) })),
    ))
  }

  /** What it exports, in the order of the module. */
  get exports(): readonly ModuleExport[] {
    return (this.#exports ??= freezeAll(
      this.#native.exports.map(({ name, type }) => ({ name, type: describeType(type) })),
    ))
  }

  /** The custom sections, all of them or those of one name. */
  customSections(name?: string): CustomSection[] {
    if (name !== undefined && typeof name !== 'string') {
      throw new ArgumentError(`name must be a string, but got ${describe(name)}`)
    }
    return this.#native.customSections(name)
  }

  /** Whether `close` was called. */
  get closed(): boolean {
    return this.#closed
  }

  /** @internal Whether it exports something of that name. */
  static exports(module: Module, name: string): boolean {
    module.#exportNames ??= new Set(module.exports.map((item) => item.name))
    return module.#exportNames.has(name)
  }

  /** Frees the compiled code as soon as no instance uses it. Idempotent. */
  close(): void {
    if (!this.#closed) void [this.imports, this.exports]
    this.#closed = true
    this.#native.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** @internal */
  static native(module: unknown): Binding.Module {
    if (typeof module !== 'object' || module === null || !(#native in module)) {
      throw new ArgumentError(`module must be a Module, but got ${describe(module)}`)
    }
    return module.#native
  }
}

/** @internal */
export function checkPath(path: unknown): string {
  if (typeof path !== 'string') throw new ArgumentError(`path must be a string, but got ${describe(path)}`)
  return readable(path)
}

/** @internal Compiles with an engine, and warns if its cache could not be used. */
export async function compiled<T>(engine: Binding.Engine, compile: (engine: Binding.Engine) => Promise<T>): Promise<T> {
  const module = await compile(engine)
  warnOfCache(engine)
  return module
}

/** @internal The same, while the event loop waits. */
export function compileNow(engine: Binding.Engine, source: ModuleSource): Binding.Module {
  const module = native.Module.compileSync(engine, source as Uint8Array)
  warnOfCache(engine)
  return module
}

/** @internal */
export function attachModule(engine: Binding.Engine, handle: unknown): Binding.Module {
  return attachTo(handle, 'module', (id) => native.Module.attach(engine, id))
}

function freezeAll<T extends object>(list: T[]): readonly T[] {
  for (const item of list) Object.freeze(item)
  return Object.freeze(list)
}

/** Native code says null for what is missing; a description leaves it out. */
function describeType(info: Binding.ExternTypeInfo): ExternTypeDescription {
  const type = Object.fromEntries(Object.entries(info).filter(([, value]) => value != null))
  return Object.freeze(type) as unknown as ExternTypeDescription
}
