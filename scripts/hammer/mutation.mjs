import { CompileError, Engine, Linker, Module, Store, wat2wasm } from '../../index.mjs'
import { corpus } from './corpus.mjs'
import { codeOf } from './expected.mjs'
import { Random } from './random.mjs'

/** A module that needs each proposal which V8 may lack, depending on the version of Node.js. */
const probes = {
  gc: '(module (type (struct)))',
  functionReferences: '(module (type $t (func)) (func (param (ref null $t))))',
  relaxedSimd: '(module (func (param v128) (drop (i8x16.relaxed_swizzle (local.get 0) (local.get 0)))))',
  // With a result whose type takes two bytes: V8 of Node.js 22 then begins with the body one byte too early, at the label.
  exceptions: `(module
    (type $t (struct))
    (func (block (block (try_table (result (ref null $t)) (catch_all 2) (unreachable)) (drop)))))`,
  multiMemory: '(module (memory 1) (memory 1))',
  memory64: '(module (memory i64 1))',
  extendedConst: '(module (global i32 (i32.add (i32.const 1) (i32.const 1))))',
  tailCall: '(module (func $f (return_call $f)))',
  threads: '(module (memory 1 1 shared))',
}
const hasV8 = Object.fromEntries(
  Object.entries(probes).map(([name, text]) => [name, WebAssembly.validate(wat2wasm(text))]),
)
/** Structs and arrays need typed function references here. */
const engines = {
  likeV8: new Engine({ ...hasV8, gc: hasV8.gc && hasV8.functionReferences, parallelCompilation: false }),
  all: new Engine({ customPageSizes: true, wideArithmetic: true, parallelCompilation: false }),
}

/** Why the verdicts may differ, by the message of whoever refuses. */
const onlyV8Accepts = [
  // The first form of the proposal, which V8 has had for long: tags, and other instructions.
  [
    /exceptions (proposal not|support is not) enabled|legacy[_ ]exceptions|without the exception handling feature/,
    'the older exceptions of V8',
  ],
  [
    /atomic instructions must always specify maximum alignment/,
    'atomics whose alignment V8 (that of Node.js 20) does not check',
  ],
]
const onlyWeAccept = [
  [
    /invalid (table elements|element count) limits flags/,
    'tables with addresses of 64 bits, which V8 (that of Node.js 22) had later than memories',
  ],
  [
    /memory offset outside 32-bit range/,
    'offsets of 64 bits into a later memory, which V8 (that of Node.js 22) measures by the first one',
  ],
]

const MUTANTS = 20
/** What a mutant asks for may be there, but a hundred of them would take the machine. */
const MAX_PAGES = 4096
const MAX_ELEMENTS = 1_000_000
const TIMEOUT_MS = 50
const MAX_CALLS = 6

/** Mutants of one module: an error of the right class, or the verdict that V8 gives too; then they run. */
export async function mutation(seed, bytes, step) {
  const random = new Random(seed)
  const original = bytes ?? random.pick(corpus)
  const counts = {}
  for (let i = 0; i < MUTANTS; i++) {
    const mutant = mutate(random, original)
    step(`mutant ${i}`)
    const verdict = compare(mutant)
    counts[verdict] = (counts[verdict] ?? 0) + 1
    await run(random, mutant, step)
  }
  return counts
}

export function mutationLeft() {
  return Object.values(engines).map((engine) => engine.stats())
}

/** Compiles for an engine; the error if that fails. What `validate` says must be the same. */
function compile(engine, bytes) {
  let [module, refused, invalid] = []
  try {
    Module.validate(engine, bytes)
  } catch (error) {
    invalid = error
  }
  try {
    module = Module.compileSync(engine, bytes)
  } catch (error) {
    refused = error
  }
  for (const error of [invalid, refused]) {
    if (error !== undefined && !(error instanceof CompileError)) throw error
  }
  // Wasmtime validates some of a proposal that it does not implement.
  const unfinished = refused !== undefined && /proposal not implemented yet/.test(refused.message)
  if ((invalid === undefined) !== (refused === undefined) && !unfinished) {
    throw new Error(`validate: ${invalid?.message}; compileSync: ${refused?.message}`)
  }
  return { module, refused }
}

function compare(bytes) {
  const { module, refused } = compile(engines.likeV8, bytes)
  module?.close()
  let theirs
  try {
    void new WebAssembly.Module(bytes)
  } catch (error) {
    theirs = error
  }
  if ((theirs === undefined) === (refused === undefined)) return theirs === undefined ? 'valid' : 'invalid'
  const known = theirs === undefined ? onlyV8Accepts : onlyWeAccept
  const message = (theirs ?? refused).message
  const why = known.find(([pattern]) => pattern.test(message))
  if (why !== undefined) return why[1]
  throw new Error(
    theirs === undefined
      ? `V8 accepts what is refused here: ${message}`
      : `V8 refuses what is accepted here: ${message}`,
  )
}

/** Runs a mutant that is valid, in async mode, where a loop without an end can be stopped. */
async function run(random, bytes, step) {
  const { module } = compile(engines.all, bytes)
  if (module === undefined) return
  const store = new Store(engines.all, { mode: 'async' })
  try {
    const large = [...module.imports, ...module.exports].some(
      ({ type }) =>
        (type.kind === 'memory' && type.minimum > MAX_PAGES) || (type.kind === 'table' && type.minimum > MAX_ELEMENTS),
    )
    if (large) return
    step('instantiate')
    const linker = new Linker(engines.all).defineUnknownImportsAsDefaultValues()
    const instance = await linker.instantiateAsync(store, module, { timeoutMs: TIMEOUT_MS })
    const funcs = module.exports.filter(({ type }) => type.kind === 'func')
    for (let i = 0; i < MAX_CALLS && funcs.length > 0; i++) {
      const { name, type } = random.pick(funcs)
      step(`call ${JSON.stringify(name)}`)
      const args = type.params.map((param) => argument(random, param))
      await instance
        .getFunc(name)
        .callAsyncWith({ timeoutMs: TIMEOUT_MS }, ...args)
        .catch(codeOf)
    }
  } catch (error) {
    codeOf(error)
  } finally {
    store.close()
    module.close()
  }
}

function argument(random, type) {
  if (/^[if](32|64)$/.test(type)) return random.number(type)
  return type === 'v128' ? new Uint8Array(16) : null
}

/** One to four changes. */
function mutate(random, original) {
  let bytes = Uint8Array.from(original)
  for (let changes = 1 + random.below(4); changes > 0; changes--) bytes = change(random, bytes)
  return bytes
}

const opcodes = [0, 1, 0x0b, 0x40, 0x60, 0x6f, 0x70, 0x7b, 0x7f, 0x80, 0xfb, 0xfc, 0xfd, 0xfe, 0xff]

function change(random, bytes) {
  const at = random.below(bytes.length + 1)
  const length = 1 + random.below(8)
  switch (random.below(9)) {
    case 0:
    case 1:
    case 2:
      if (at < bytes.length) bytes[at] ^= 1 << random.below(8)
      return bytes
    case 3:
      if (at < bytes.length) bytes[at] = random.pick(opcodes)
      return bytes
    case 4:
      return splice(bytes, at, length, [])
    case 5:
      return splice(
        bytes,
        at,
        0,
        Array.from({ length }, () => random.below(256)),
      )
    case 6: {
      const from = random.below(bytes.length + 1)
      return splice(bytes, at, 0, bytes.subarray(from, from + random.below(64)))
    }
    case 7:
      // A number in LEB128 that is as large as can be.
      return splice(bytes, at, 1, [0xff, 0xff, 0xff, 0xff, 0x0f])
    default:
      return random.oneIn(4) ? bytes.slice(0, at) : bytes
  }
}

function splice(bytes, at, removed, added) {
  return Uint8Array.from([...bytes.subarray(0, at), ...added, ...bytes.subarray(at + removed)])
}
