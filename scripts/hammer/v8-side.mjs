/* global WebAssembly */
import { Host } from './host.mjs'
import { OVERFLOW, show, showResults, showThrown } from './values.mjs'

/** V8's messages, as the trap codes of this package. */
const traps = [
  [/^unreachable$/, 'unreachable'],
  [/memory access out of bounds|data segment.*out of bounds/, 'memory-out-of-bounds'],
  [/table (index|access)|table.*out of bounds|element segment.*out of bounds/, 'table-out-of-bounds'],
  [/divide by zero|remainder by zero/, 'integer-division-by-zero'],
  [/divide result unrepresentable|float unrepresentable in integer range/, 'unrepresentable'],
  [/null function or function signature|signature mismatch/, 'indirect-call'],
  [/Maximum call stack/, OVERFLOW],
  [/type incompatibility when transforming/, 'a type that JavaScript has no value for'],
  [/dereferencing a null/, 'null-reference'],
]

function trapOf(error) {
  const known = [WebAssembly.RuntimeError, RangeError, TypeError].some((one) => error instanceof one)
  if (!known) return `${error?.stack ?? error}`
  return traps.find(([pattern]) => pattern.test(error.message))?.[1] ?? error.message
}

/** A module in V8, by its own JavaScript API. */
export class V8Side {
  name = 'v8'
  host
  /** Imported memories and the like, which are there even if the module cannot be instantiated. */
  imported = []
  #exports = {}
  #helpers

  constructor(random, exports, helper) {
    this.host = new Host(random, this, exports)
    const instance = new WebAssembly.Instance(new WebAssembly.Module(helper))
    this.#helpers = Object.values(instance.exports)
  }

  async instantiate(bytes, imports, values) {
    const object = {}
    for (const [index, { module, name, type }] of imports.entries()) {
      object[module] ??= Object.create(null)
      object[module][name] = this.#import(index, type, values[index])
    }
    try {
      const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), object)
      this.#exports = instance.exports
      return 'instantiated'
    } catch (error) {
      return showThrown(error, trapOf)
    }
  }

  #import(index, type, value) {
    if (type.kind === 'func') return this.host.sync(index, type)
    const { minimum: initial, maximum } = type
    const item =
      type.kind === 'memory'
        ? new WebAssembly.Memory({ initial, maximum })
        : type.kind === 'table'
          ? new WebAssembly.Table({
              element: type.element === 'funcref' ? 'anyfunc' : type.element,
              initial,
              ...(maximum === undefined ? {} : { maximum }),
            }, this.native(type.element, value)) // prettier-ignore
          : new WebAssembly.Global(
              { value: name(type.content), mutable: type.mutable },
              this.native(type.content, value),
            )
    this.imported.push({ type, item })
    return item
  }

  native(type, value) {
    return type === 'funcref' && value !== null ? (this.#helpers[value.helper] ?? null) : value
  }

  async call(name, type, args) {
    return this.callSync(name, type, args)
  }

  callSync(name, type, args) {
    // In a start function there is no instance to call back.
    if (this.#exports[name] === undefined) return 'no instance'
    return this.#run(this.#exports[name], type, args)
  }

  #run(func, type, args) {
    try {
      const natives = args.map((value, index) => this.native(type.params[index], value))
      return `returns ${showResults(type.results, func(...natives))}`
    } catch (error) {
      return showThrown(error, trapOf)
    }
  }

  item(name) {
    return this.#exports[name]
  }

  getGlobal(global, content) {
    return show(content, global.value)
  }

  setGlobal(global, content, value) {
    global.value = this.native(content, value)
  }

  bytes(memory) {
    return new Uint8Array(memory.buffer)
  }

  write(memory, offset, bytes) {
    new Uint8Array(memory.buffer).set(bytes, offset)
  }

  grow(item, delta, init) {
    try {
      return item instanceof WebAssembly.Memory
        ? item.grow(delta)
        : item.grow(delta, this.native(init.type, init.value))
    } catch {
      return undefined
    }
  }

  length(table) {
    return table.length
  }

  getElement(table, index, element) {
    return show(element, table.get(index))
  }

  setElement(table, index, element, value) {
    table.set(index, this.native(element, value))
  }

  /** Calls what stands in a table, without arguments: whoever needs some gets zeros in V8, so it is for `() -> ()` only. */
  callElement(table, index) {
    const func = table.get(index)
    if (func === null) return 'null'
    return func.length === 0
      ? this.#run(func, { params: [], results: [] }, []).replace(/returns .*/, 'returns')
      : 'func'
  }

  close() {}
}

const name = (type) => (type === 'funcref' ? 'anyfunc' : type)
