import { Engine, Linker, Module, Store } from '../../index.mjs'
import { Random } from './random.mjs'
import { showResults } from './values.mjs'
import { trapOf } from './wasmtime-side.mjs'

/**
 * How an engine compiles and runs must show in no result. Proposals that V8 lacks have nobody else to be compared with.
 */
const experimental = {
  customPageSizes: true,
  wideArithmetic: true,
  relaxedSimdDeterministic: true,
  nanCanonicalization: true,
}
const engines = [
  {},
  { optLevel: 'none', interruptible: false },
  { signalsBasedTraps: false, memoryReservation: 2 ** 16, memoryGuardSize: 0 },
  { optLevel: 'speed-and-size', memoryReservation: 0, memoryGuardSize: 0, debugInfo: true },
].map((options) => new Engine({ ...options, ...experimental }))

const FUEL = 'module-smith fuel'
const FUEL_FOR_A_CALL = 1000
const CALLS = 12

/** The same calls of one module in engines of different settings; whatever can be seen must be the same. */
export async function compareSettings(seed, bytes, step) {
  const transcripts = engines.map((engine, index) => {
    step(`setting ${index}`)
    return transcript(engine, new Random(seed), bytes, step)
  })
  const [wanted] = transcripts
  // How much stack a function takes is not the same with every setting.
  if (transcripts.some((lines) => lines.some((line) => line.includes('stack-overflow')))) return { overflow: 1 }
  for (const [index, lines] of transcripts.entries()) {
    const at = lines.findIndex((line, position) => line !== wanted[position])
    if (at >= 0 || lines.length !== wanted.length) {
      throw new Error(`setting ${index}: ${lines[at]}\nsetting 0: ${wanted[at]}`)
    }
  }
  return { [wanted[0].slice(0, 40)]: 1 }
}

export function settingsLeft() {
  return engines.map((engine) => engine.stats())
}

function transcript(engine, random, bytes, step) {
  const lines = []
  const module = Module.compileSync(engine, bytes)
  const store = new Store(engine)
  try {
    const linker = new Linker(engine).defineUnknownImportsAsDefaultValues()
    let instance
    try {
      instance = linker.instantiate(store, module)
    } catch (error) {
      lines.push(`not instantiated: ${error.code} ${error.code === 'TRAP' ? trapOf(error) : error.message}`)
      return lines
    }
    lines.push('instantiated')
    const functions = module.exports.filter(({ type }) => type.kind === 'func')
    for (let i = 0; i < CALLS && functions.length > 0; i++) {
      const { name, type } = random.pick(functions)
      step(`call ${JSON.stringify(name)}`)
      instance.getGlobal(FUEL).value = FUEL_FOR_A_CALL
      const args = type.params.map((param) => argument(random, param))
      lines.push(`${name}: ${outcome(() => show(type.results, instance.getFunc(name).call(...args)))}`)
    }
    for (const { name, type } of module.exports) {
      if (type.kind === 'memory') {
        const memory = instance.getMemory(name)
        lines.push(`memory ${name}: ${memory.size} ${hash(memory.read(0, memory.size))}`)
      }
      if (type.kind === 'global') {
        lines.push(`global ${name}: ${outcome(() => show([type.content], instance.getGlobal(name).value))}`)
      }
      if (type.kind === 'table') lines.push(`table ${name}: ${instance.getTable(name).length}`)
    }
    return lines
  } finally {
    store.close()
    module.close()
  }
}

function outcome(run) {
  try {
    return run()
  } catch (error) {
    return error.code === 'TRAP' ? `traps ${trapOf(error)}` : `${error.code} ${error.message}`
  }
}

function argument(random, type) {
  if (/^[if](32|64)$/.test(type)) return random.number(type)
  if (type === 'v128') return Uint8Array.from({ length: 16 }, () => random.below(256))
  return null
}

const show = (types, result) => {
  const list = types.length === 1 ? [result] : (result ?? [])
  return types
    .map((type, index) => (type === 'v128' ? String(list[index]) : showResults([type], list[index])))
    .join(' ')
}

function hash(bytes) {
  let hash = 0
  for (let index = 0; index < bytes.length; index++) hash = (Math.imul(hash, 31) + bytes[index]) | 0
  return hash
}
