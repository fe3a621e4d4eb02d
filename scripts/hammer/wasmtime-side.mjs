import { Engine, Func, Global, Linker, Memory, Module, Runtime, Store, Table, TrapError, api } from '../../index.mjs'
import { Host } from './host.mjs'
import { OVERFLOW, show, showResults, showThrown } from './values.mjs'

/** Codes that V8 has one message for. */
const groups = {
  'bad-conversion-to-integer': 'unrepresentable',
  'integer-overflow': 'unrepresentable',
  'indirect-call-to-null': 'indirect-call',
  'bad-signature': 'indirect-call',
}

export function trapOf(error) {
  if (error instanceof TrapError) return groups[error.trapCode] ?? error.trapCode
  if (error instanceof RangeError && error.code === 'STACK_OVERFLOW') return OVERFLOW
  if (error instanceof RangeError && /Maximum call stack/.test(error.message)) return OVERFLOW
  return `${error?.stack ?? error}`
}

/** Engines are dear to make, so they serve the whole process; how they are set up must not show in any result. */
const settings = [
  {},
  { optLevel: 'none' },
  { signalsBasedTraps: false, interruptible: true },
  { memoryReservation: 2 ** 16, memoryGuardSize: 0 },
  // Not with canonical NaNs: `f64.promote_f32` of a NaN, which module-smith leaves alone, is another one in V8 then.
  { memoryReservation: 0, memoryGuardSize: 2 ** 16 },
  { pooling: { totalCoreInstances: 50, totalMemories: 50, totalTables: 100, totalStacks: 20, maxMemorySize: 2 ** 24 } },
  { interruptible: false },
]
const experimental = { customPageSizes: true, wideArithmetic: true, relaxedSimdDeterministic: true }
const runtimes = new Map()
const engines = new Map()

const made = (map, index, make) => map.get(index) ?? map.set(index, make()).get(index)

export const engineOf = (setting) =>
  made(
    engines,
    setting % settings.length,
    () => new Engine({ ...settings[setting % settings.length], ...experimental }),
  )

const runtimeOf = (setting) =>
  made(
    runtimes,
    setting % settings.length,
    () => new Runtime({ ...settings[setting % settings.length], ...experimental }),
  )

/** What is alive in all engines of this process. */
export const statsOfAll = () => [...engines.values(), ...runtimes.values()].map((engine) => engine.stats())

export const settingCount = settings.length
const WITHOUT_INTERRUPTION = settings.length - 1

/** What all ways to use this package have in common. */
class WasmtimeSide {
  host
  imported = []
  instance
  helpers = []

  constructor(random, exports) {
    this.host = new Host(random, this, exports)
  }

  native(type, value) {
    return type === 'funcref' && value !== null ? (this.helpers[value.helper] ?? null) : value
  }

  natives(type, args) {
    return args.map((value, index) => this.native(type.params[index], value))
  }

  async call(name, type, args) {
    return this.callSync(name, type, args)
  }

  callSync(name, type, args) {
    if (this.instance === undefined) return 'no instance'
    return this.run(this.instance.exports[name], type, this.natives(type, args))
  }

  run(func, type, args) {
    try {
      return `returns ${showResults(type.results, func(...args))}`
    } catch (error) {
      return showThrown(error, trapOf)
    }
  }

  item(name) {
    return this.instance.exports[name]
  }

  getGlobal(global, content) {
    return show(content, global.value)
  }

  setGlobal(global, content, value) {
    global.value = this.native(content, value)
  }

  bytes(memory) {
    return memory.read(0, memory.size)
  }

  write(memory, offset, bytes) {
    memory.write(offset, bytes)
  }

  grow(item, delta, init) {
    return item instanceof Memory ? item.grow(delta) : item.grow(delta, this.native(init.type, init.value))
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

  callElement(table, index) {
    const func = table.get(index)
    if (func === null) return 'null'
    const { params, results } = func.type
    if (params.length > 0) return 'func'
    // V8 does not call what it cannot give the result of.
    if (results.includes('v128')) return 'traps a type that JavaScript has no value for'
    return this.runElement(func)
  }

  runElement(func) {
    return this.run(func.function, { params: [], results: [] }, []).replace(/returns .*/, 'returns')
  }
}

/** By `Linker` and `Store`, sync mode. */
export class LinkerSide extends WasmtimeSide {
  name = 'linker'
  #engine
  store
  #linker
  #helper

  constructor(random, exports, helper, setting) {
    super(random, exports)
    this.#engine = engineOf(setting)
    this.store = new Store(this.#engine)
    this.#linker = new Linker(this.#engine)
    this.#helper = helper
  }

  async makeInstance(linker, module) {
    return linker.instantiate(this.store, module)
  }

  hostFunction(index, type) {
    return this.host.sync(index, type)
  }

  async instantiate(bytes, imports, values) {
    const helper = await this.makeInstance(new Linker(this.#engine), Module.compileSync(this.#engine, this.#helper))
    this.helpers = Object.values(helper.exports)
    for (const [index, { module, name, type }] of imports.entries()) {
      if (type.kind === 'func') {
        const { params, results } = type
        if (index % 2 === 0) this.#linker.func(module, name, { params, results }, this.hostFunction(index, type))
        else {
          const func = new Func(this.store, { params, results }, this.hostFunction(index, type))
          this.#linker.define(module, name, func)
        }
        continue
      }
      const item = this.#make(type, values[index])
      this.imported.push({ type, item })
      this.#linker.define(module, name, item)
    }
    const module = Module.compileSync(this.#engine, bytes)
    try {
      this.instance = await this.makeInstance(this.#linker, module)
      return 'instantiated'
    } catch (error) {
      return showThrown(error, trapOf)
    } finally {
      module.close()
    }
  }

  #make(type, value) {
    const { minimum, maximum, content, mutable, element } = type
    const limits = { minimum, ...(maximum === undefined ? {} : { maximum }) }
    if (type.kind === 'memory') return new Memory(this.store, limits)
    if (type.kind === 'table') return new Table(this.store, { element, ...limits }, this.native(element, value))
    return new Global(this.store, { content, mutable }, this.native(content, value))
  }

  close() {
    this.store.close()
  }
}

/** By `Linker` and `Store`, async mode, with host functions that wait. */
export class AsyncSide extends LinkerSide {
  name = 'async'

  constructor(random, exports, helper, setting) {
    super(random, exports, helper, setting % settings.length === WITHOUT_INTERRUPTION ? 0 : setting)
    this.store.close()
    this.store = new Store(engineOf(setting % settings.length === WITHOUT_INTERRUPTION ? 0 : setting), {
      mode: 'async',
    })
  }

  makeInstance(linker, module) {
    return linker.instantiateAsync(this.store, module)
  }

  hostFunction(index, type) {
    return this.host.async(index, type)
  }

  async call(name, type, args) {
    if (this.instance === undefined) return 'no instance'
    return this.run(this.instance.exports[name].async, type, this.natives(type, args))
  }

  async run(func, type, args) {
    try {
      return `returns ${showResults(type.results, await func(...args))}`
    } catch (error) {
      return showThrown(error, trapOf)
    }
  }

  async runElement(func) {
    return (await this.run(func.function.async, { params: [], results: [] }, [])).replace(/returns .*/, 'returns')
  }
}

/** By `Runtime` and host modules, sync mode, with host functions of all styles. */
export class RuntimeSide extends WasmtimeSide {
  name = 'runtime'
  #runtime
  #helper
  #hosts = []

  constructor(random, exports, helper, setting) {
    super(random, exports)
    this.#runtime = runtimeOf(setting)
    this.#helper = helper
  }

  async instantiate(bytes, imports, values) {
    const helperModule = this.#runtime.compileModuleSync(this.#helper)
    const helper = this.#runtime.instantiate(helperModule, { name: 'helper of the hammer' })
    this.#hosts.push(helper)
    helperModule.close()
    this.helpers = Object.values(helper.exports)
    const modules = new Map()
    for (const [index, entry] of imports.entries()) {
      made(modules, entry.module, () => []).push({ ...entry, index, value: values[index] })
    }
    for (const [name, items] of modules) this.#hosts.push(this.#hostModule(name, items))
    const module = await this.#runtime.compileModule(bytes)
    try {
      // Functions of another store cannot be passed, and an instance without a name has a store of its own.
      const passesFunctions = [...imports, ...module.exports].some(({ type }) =>
        JSON.stringify(type).includes('funcref'),
      )
      const name = passesFunctions ? 'guest of the hammer' : ''
      this.instance = this.#runtime.instantiate(module, { name, startFunctions: [] })
      this.#hosts.unshift(this.instance)
      return 'instantiated'
    } catch (error) {
      return showThrown(error, trapOf)
    } finally {
      module.close()
    }
  }

  #hostModule(moduleName, items) {
    const builder = this.#runtime.newHostModuleBuilder(moduleName)
    for (const { name, type, index, value } of items) {
      const { minimum: min, maximum: max, element, content, mutable } = type
      const limits = { min, ...(max === undefined ? {} : { max }) }
      if (type.kind === 'memory') builder.exportMemory(name, limits)
      else if (type.kind === 'table') builder.exportTable(name, { ...limits, element })
      else if (type.kind === 'global') builder.exportGlobal(name, content, this.native(content, value), mutable)
      else this.#hostFunction(builder.newFunctionBuilder(), index, type).export(name)
    }
    const instance = builder.instantiate()
    for (const { name, type, value } of items) {
      if (type.kind === 'func') continue
      const item = instance.exportedMemory(name) ?? instance.exportedTable(name) ?? instance.exportedGlobal(name)
      if (type.kind === 'table' && item.length > 0) item.fill(0, this.native(type.element, value), item.length)
      this.imported.push({ type, item })
    }
    return instance
  }

  #hostFunction(builder, index, type) {
    const { params, results } = type
    const call = this.host.sync(index, type)
    const stackable = [...params, ...results].every((name) => codecs[name] !== undefined)
    switch (index % 5) {
      case 0:
        return builder.withModuleFunc((_guest, ...args) => call(...args), params, results)
      case 1:
        return builder.withFunc(call)
      case 2:
        if (stackable) return builder.withStackFunc((stack) => onStack(stack, call, params, results), params, results)
        break
      case 3:
        if (!stackable) break
        return builder.withModuleStackFunc((_guest, stack) => onStack(stack, call, params, results), params, results)
    }
    return builder.withFunc(call, params, results)
  }

  close() {
    for (const host of this.#hosts) host.close()
  }
}

const codecs = {
  i32: [(bits) => Number(BigInt.asIntN(32, bits)), api.encodeI32],
  i64: [(bits) => BigInt.asIntN(64, bits), api.encodeI64],
  f32: [api.decodeF32, api.encodeF32],
  f64: [api.decodeF64, api.encodeF64],
}

function onStack(stack, call, params, results) {
  const result = call(...params.map((type, index) => codecs[type][0](stack[index])))
  const list = results.length === 1 ? [result] : (result ?? [])
  for (const [index, type] of results.entries()) stack[index] = codecs[type][1](list[index])
}

export const sides = [LinkerSide, AsyncSide, RuntimeSide]
