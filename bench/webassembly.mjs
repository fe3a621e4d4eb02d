/**
 * As much of the `WebAssembly` object as the glue code of common toolchains (wasm-bindgen, Emscripten) uses, on top of this
 * package: so the same npm package can be run by Node's engine and by ours.
 */
import { Engine, Func, Linker, Memory, Module, Store, Table, TrapError, CompileError, LinkError } from '../index.mjs'

/** @param {import('../index.mjs').EngineOptions} options */
export function webAssembly(options) {
  const engine = new Engine(options)
  // All that is made belongs to one store, since a memory or table can be made before it is known who imports it.
  const store = new Store(engine)
  /** The plain function of a `Func`, and back. */
  const funcs = new Map()

  const wrapped = new WeakMap()

  class WrappedMemory {
    #bytes
    constructor({ initial, maximum }, inner = new Memory(store, { minimum: initial, maximum })) {
      this.inner = inner
    }
    get buffer() {
      // The view of a memory that has grown is detached.
      if (this.#bytes === undefined || this.#bytes.length === 0) this.#bytes = this.inner.view()
      return this.#bytes.buffer
    }
    grow(pages) {
      const before = this.inner.grow(pages)
      if (before === undefined) throw new RangeError('the memory cannot grow')
      return before
    }
  }

  class WrappedTable {
    constructor({ initial, maximum }, inner = new Table(store, { element: 'funcref', minimum: initial, maximum })) {
      this.inner = inner
    }
    get length() {
      return this.inner.length
    }
    get(index) {
      return plain(this.inner.get(index))
    }
    set(index, value) {
      this.inner.set(index, funcs.get(value) ?? value)
    }
    grow(count, value) {
      const before = this.inner.grow(count, value)
      if (before === undefined) throw new RangeError('the table cannot grow')
      return before
    }
  }

  /** A `Func` as the JavaScript function that the glue code calls, the same one every time. */
  function plain(func) {
    if (func === null) return null
    let known = wrapped.get(func)
    if (known === undefined) {
      const call = func.function
      const { params } = func.type
      known = (...args) => call(...params.map((type, index) => coerce(type, args[index])))
      wrapped.set(func, known)
      funcs.set(known, func)
    }
    return known
  }

  function wrap(item) {
    if (item instanceof Func) return plain(item)
    if (item instanceof Memory || item instanceof Table) {
      const known = wrapped.get(item)
      if (known !== undefined) return known
      const made = item instanceof Memory ? new WrappedMemory({}, item) : new WrappedTable({}, item)
      wrapped.set(item, made)
      return made
    }
    return item
  }

  class WrappedModule {
    constructor(bytes) {
      this.inner = Module.compileSync(engine, bytes)
    }
    static imports(module) {
      return module.inner.imports.map(({ module: from, name, type }) => ({ module: from, name, kind: kindOf(type) }))
    }
    static exports(module) {
      return module.inner.exports.map(({ name, type }) => ({ name, kind: kindOf(type) }))
    }
  }

  class WrappedInstance {
    constructor(module, imports = {}) {
      const linker = new Linker(engine)
      linker.allowShadowing = true
      for (const { module: from, name, type } of module.inner.imports) {
        const value = imports[from]?.[name]
        const { kind, params, results } = type
        if (kind === 'func') linker.func(from, name, { params, results }, host(type, value))
        else linker.define(from, name, value?.inner ?? value)
      }
      const instance = linker.instantiate(store, module.inner)
      this.exports = Object.create(null)
      for (const { name } of module.inner.exports) this.exports[name] = wrap(instance.getExport(name))
      Object.freeze(this.exports)
    }
  }

  return {
    Module: WrappedModule,
    Instance: WrappedInstance,
    Memory: WrappedMemory,
    Table: WrappedTable,
    RuntimeError: TrapError,
    CompileError,
    LinkError,
    compile: async (bytes) => new WrappedModule(bytes),
    instantiate: async (source, imports) => {
      if (source instanceof WrappedModule) return new WrappedInstance(source, imports)
      const module = new WrappedModule(source)
      return { module, instance: new WrappedInstance(module, imports) }
    },
    validate: (bytes) => {
      try {
        Module.validate(engine, bytes)
        return true
      } catch {
        return false
      }
    },
  }
}

/** A JavaScript function whose results are converted as the JavaScript API of WebAssembly does it. */
function host({ results }, run) {
  if (results.length === 0) return (...args) => void run(...args)
  if (results.length === 1) return (...args) => coerce(results[0], run(...args))
  return (...args) => Array.from(run(...args), (value, index) => coerce(results[index], value))
}

/** The JavaScript API converts whatever it is given; this package refuses what is not of the type. */
function coerce(type, value) {
  if (type === 'i32') return value | 0
  if (type === 'i64') return BigInt(value)
  return type === 'f32' || type === 'f64' ? Number(value) : value
}

function kindOf({ kind }) {
  return kind === 'func' ? 'function' : kind
}
