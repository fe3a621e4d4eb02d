import { Module, wat2wasm } from '../../index.mjs'
import { Random } from './random.mjs'
import { V8Side } from './v8-side.mjs'
import { OVERFLOW, isCommon, randomValue, references } from './values.mjs'
import { RuntimeSide, engineOf, settingCount, sides, statsOfAll } from './wasmtime-side.mjs'

/** Functions that both engines can pass as a funcref; plain JavaScript functions cannot be. */
const helper = wat2wasm(`(module
  (func (export "a") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
  (func (export "b"))
  (func (export "c") (result f64) (f64.const 0.25))
  (func (export "d") (param i64 f32) (result i64 f32) (local.get 0) (local.get 1))
  (func (export "e") unreachable))`)

const FUEL = 'module-smith fuel'
const FUEL_FOR_A_CALL = 1000

/**
 * The same module, imports, calls and changes in V8 and here; after each step all that can be seen must be the same.
 * Gives why a module was left out, if it was.
 */
export async function differential(seed, bytes, step) {
  const setting = seed % settingCount
  const described = describe(setting, bytes)
  if (described === undefined) return 'more than the pool gives'
  const { imports, exports } = described
  const names = imports.map((item) => `${item.module}\0${item.name}`)
  if (new Set(names).size < names.length) return 'two imports of one name'
  if (imports.some(({ type }) => !types(type).every(isCommon))) return 'imports without a value in both APIs'
  if (imports.some(({ type }) => type.is64 || type.shared)) return 'imports of other kinds'
  const Side = sides[Math.floor(seed / settingCount) % sides.length]
  // A host module has a name.
  if (Side === RuntimeSide && imports.some((item) => item.module === '')) return 'imports from a module without a name'
  const make = (Class) => new Class(new Random(seed ^ 0x5eed), exports, helper, setting)
  const [theirs, ours] = [make(V8Side), make(Side)]
  const random = new Random(seed)
  const values = imports.map(({ type }) =>
    type.kind === 'table'
      ? randomElement(random, type.element)
      : type.kind === 'global'
        ? randomValue(random, type.content)
        : 0,
  )
  const outcome = { overflow: false }
  const context = { theirs, ours, exports, random, step, outcome }
  try {
    const how = async (side) => side.instantiate(bytes, imports, values)
    const instantiated = await both(context, 'instantiate', how)
    if (!outcome.overflow) compareImported(context)
    if (instantiated === 'instantiated') await operate(context)
  } finally {
    ours.close()
  }
  return outcome.overflow ? 'the stack was used up' : undefined
}

/** Something is alive that should not be. */
export function differentialLeft() {
  return statsOfAll()
}

function describe(setting, bytes) {
  try {
    const module = Module.compileSync(engineOf(setting), bytes)
    const { imports, exports } = module
    module.close()
    return { imports, exports }
  } catch (error) {
    if (/pooling allocator/.test(error.message)) return undefined
    throw error
  }
}

const types = (type) =>
  type.kind === 'func'
    ? [...type.params, ...type.results]
    : [type.content, type.element].filter((name) => name !== undefined)

/** An undefined first element of a table would be taken for one that is left out. */
function randomElement(random, element) {
  if (element === 'funcref') return { helper: random.below(5) }
  return references[random.below(references.length)] ?? null
}

async function both({ theirs, ours, step, outcome }, what, action) {
  step(what)
  const wanted = await action(theirs)
  const got = await action(ours)
  const logs = [theirs.host.log.splice(0), ours.host.log.splice(0)]
  if ([wanted, got, ...logs.flat()].some((text) => String(text).includes(OVERFLOW))) {
    outcome.overflow = true
    return got
  }
  // Everything that the host saw comes before the outcome.
  const [seen, saw] = logs.map((log) => log.join('\n'))
  if (seen !== saw) throw new Error(`${ours.name}: ${what}: V8's host saw\n${seen}\nours saw\n${saw}`)
  if (wanted !== got) throw new Error(`${ours.name}: ${what}: V8: ${wanted}\nhere: ${got}`)
  return got
}

function compareImported({ theirs, ours }) {
  // The runtime makes host modules one after the other, so only the order within a kind is the same for all.
  for (const kind of ['memory', 'table', 'global']) {
    const of = (side) => side.imported.filter(({ type }) => type.kind === kind).map((entry) => state(side, entry))
    const [wanted, got] = [of(theirs).sort().join('\n'), of(ours).sort().join('\n')]
    if (wanted !== got) throw new Error(`${ours.name}: imported ${kind}: V8: ${wanted}\nhere: ${got}`)
  }
}

function state(side, { type, item }) {
  if (type.kind === 'memory') return digest(side.bytes(item))
  if (type.kind === 'global') return isCommon(type.content) ? side.getGlobal(item, type.content) : '?'
  if (type.kind !== 'table') return ''
  const length = side.length(item)
  return Array.from({ length }, (_, index) => side.getElement(item, index, type.element)).join(' ')
}

/** Bytes as a short text: the length and what is not zero. */
function digest(bytes) {
  let hash = 0
  for (let index = 0; index < bytes.length; index++) {
    if (bytes[index] !== 0) hash = (Math.imul(hash ^ bytes[index], 0x01000193) + index) | 0
  }
  return `${bytes.length} bytes, ${hash}`
}

async function operate(context) {
  const { theirs, ours, exports, random, outcome } = context
  const of = (kind) => exports.filter(({ type }) => type.kind === kind)
  const funcs = of('func').filter(({ type }) => types(type).every(isCommon))
  const globals = of('global').filter(({ type, name }) => name !== FUEL && isCommon(type.content))
  const [memories, tables] = [of('memory'), of('table').filter(({ type }) => isCommon(type.element))]
  const count = 4 + random.below(20)
  for (let i = 0; i < count && !outcome.overflow; i++) {
    for (const side of [theirs, ours]) side.setGlobal(side.item(FUEL), 'i32', FUEL_FOR_A_CALL)
    switch (random.below(10)) {
      case 0: {
        const global = random.pick(globals)
        if (global === undefined || !global.type.mutable) break
        const value = randomValue(random, global.type.content)
        await both(context, `set global ${global.name}`, async (side) => {
          side.setGlobal(side.item(global.name), global.type.content, value)
        })
        break
      }
      case 1: {
        const memory = random.pick(memories)
        if (memory === undefined) break
        const [offset, byte, delta] = [random.below(65536), random.below(256), random.below(3)]
        await both(context, `change memory ${memory.name}`, async (side) => {
          const item = side.item(memory.name)
          const grown = side.grow(item, delta)
          if (side.bytes(item).length > offset) side.write(item, offset, new Uint8Array([byte]))
          return String(grown)
        })
        break
      }
      case 2: {
        const table = random.pick(tables)
        if (table === undefined) break
        const { element } = table.type
        const [value, init] = [randomValue(random, element), randomElement(random, element)]
        const [delta, at] = [random.below(4), random.below(200)]
        await both(context, `change table ${table.name}`, async (side) => {
          const item = side.item(table.name)
          const grown = side.grow(item, delta, { type: element, value: init })
          const length = side.length(item)
          if (length > 0) side.setElement(item, at % length, element, value)
          return `${grown} ${length}`
        })
        break
      }
      case 3: {
        const table = random.pick(tables.filter(({ type }) => type.element === 'funcref'))
        if (table === undefined) break
        const at = random.below(200)
        await both(context, `call an element of table ${table.name}`, async (side) => {
          const item = side.item(table.name)
          const length = side.length(item)
          return length === 0 ? '' : side.callElement(item, at % length)
        })
        break
      }
      default: {
        const func = random.pick(funcs)
        if (func === undefined) break
        const args = func.type.params.map((type) => randomValue(random, type))
        await both(context, `call ${JSON.stringify(func.name)}`, (side) => side.call(func.name, func.type, args))
      }
    }
  }
  if (outcome.overflow) return
  for (const entry of [...globals, ...memories, ...tables]) {
    await both(context, `state of ${entry.type.kind} ${entry.name}`, async (side) =>
      state(side, { type: entry.type, item: side.item(entry.name) }),
    )
  }
}
