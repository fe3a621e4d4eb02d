import test from 'ava'

import wasmtime from '../index.js'

import { Random } from './support/random.ts'
import { everything } from './support/world.ts'

const { CompileError, Engine, Linker, Module, Store } = wasmtime
const engine = new Engine({ memoryReservation: 2 ** 20, memoryGuardSize: 2 ** 16, parallelCompilation: false })
const original = wasmtime.wat2wasm(everything)

/** Compiles; tells whether that went well. Anything but a `CompileError` is passed on. */
function compiles(bytes: Uint8Array): boolean {
  let valid = true
  try {
    Module.validate(engine, bytes)
  } catch (error) {
    if (!(error instanceof CompileError)) throw error
    valid = false
  }
  try {
    const module = Module.compileSync(engine, bytes)
    for (const { name, type } of [...module.imports, ...module.exports]) {
      if (typeof name !== 'string' || typeof type.kind !== 'string') throw new Error('an import or export without name')
    }
    module.customSections()
    void module.name
    module.close()
  } catch (error) {
    if (!(error instanceof CompileError)) throw error
    if (valid) throw new Error('it was valid, but did not compile', { cause: error })
    return false
  }
  if (!valid) throw new Error('it was invalid, but compiled')
  return true
}

test('a module that is cut off anywhere is a CompileError, or whole sections are missing', (t) => {
  let whole = 0
  for (let length = 0; length < original.length; length++) {
    const ok = compiles(original.subarray(0, length))
    // Eight bytes are an empty module, and later cuts may fall right behind a section.
    if (ok) whole++
    if (length < 8) t.false(ok, String(length))
  }
  t.true(whole >= 1 && whole < 20, String(whole))
  t.true(compiles(original))
})

test('an offset in an error lies within the module', (t) => {
  for (let length = 9; length < original.length; length++) {
    try {
      Module.validate(engine, original.subarray(0, length))
    } catch (error) {
      const { offset } = error as InstanceType<typeof CompileError>
      const inside = offset === undefined || (Number.isInteger(offset) && offset >= 0 && offset <= length)
      t.true(inside, `${offset} of ${length}`)
    }
  }
})

test('2,000 random and mutated modules are compile errors or compile', (t) => {
  const random = new Random(20_48)
  let good = 0
  for (let round = 0; round < 2000; round++) {
    let bytes: Uint8Array
    if (round % 10 === 0) {
      bytes = random.bytes(random.below(200))
    } else if (round % 10 === 1) {
      bytes = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, ...random.bytes(random.below(100))])
    } else {
      bytes = original.slice()
      for (let count = 1 + random.below(4); count > 0; count--) bytes[random.below(bytes.length)] = random.below(256)
    }
    if (compiles(bytes)) good++
  }
  t.true(good > 20 && good < 1900, String(good))
})

test('mutated modules that compile run, trap or do not link, and nothing else', (t) => {
  const random = new Random(99)
  let calls = 0
  for (let round = 0; round < 600; round++) {
    const bytes = original.slice()
    // Behind the header and the types, so that many stay valid.
    bytes[40 + random.below(bytes.length - 40)] = random.below(256)
    let module
    try {
      module = Module.compileSync(engine, bytes)
    } catch (error) {
      t.true(error instanceof CompileError)
      continue
    }
    const store = new Store(engine)
    try {
      const linker = new Linker(engine).defineUnknownImportsAsDefaultValues()
      const instance = linker.instantiate(store, module)
      for (const name of ['add', 'none', 'host', 'wide']) {
        const func = instance.getFunc(name)
        if (func === undefined) continue
        const samples: Record<string, unknown> = { i32: 7, i64: 8n, f32: 1.5, f64: 2.5, v128: new Uint8Array(16) }
        calls++
        func.call(...func.type.params.map((type) => samples[type] ?? null))
      }
    } catch (error) {
      t.true(
        error instanceof wasmtime.WasmtimeError || error instanceof TypeError || error instanceof RangeError,
        String(error),
      )
    }
    store.close()
  }
  t.true(calls > 300, String(calls))
})

test('mutated WAT is a compile error or compiles', (t) => {
  const random = new Random(7)
  const letters = [
    '(',
    ')',
    ' ',
    '"',
    '$',
    ';',
    'i32',
    'local.get',
    '\\',
    '\0',
    '\ud800',
    '0x',
    'nan:',
    '(;',
    '(@custom "x"',
  ]
  let good = 0
  for (let round = 0; round < 1000; round++) {
    const place = random.below(everything.length)
    const text = everything.slice(0, place) + random.pick(letters) + everything.slice(place + random.below(4))
    try {
      Module.compileSync(engine, text)
      good++
    } catch (error) {
      if (!(error instanceof CompileError)) throw error
    }
  }
  t.true(good > 10 && good < 990, String(good))
})

test('a module that claims huge counts is refused before they are allocated', (t) => {
  const header = [0, 97, 115, 109, 1, 0, 0, 0]
  const huge = [0xff, 0xff, 0xff, 0xff, 0x0f]
  for (let section = 0; section <= 14; section++) {
    t.throws(() => Module.compileSync(engine, Uint8Array.from([...header, section, 5, ...huge])), {
      instanceOf: CompileError,
    })
    t.throws(() => Module.compileSync(engine, Uint8Array.from([...header, section, ...huge, 0])), {
      instanceOf: CompileError,
    })
  }
})
