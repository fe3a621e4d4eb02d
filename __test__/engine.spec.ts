import test from 'ava'

import wasmtime from '../index.js'
import type { EngineOptions } from '../index.js'

import { instantiate } from './support/wat.ts'

const { Engine, Linker, Module, Store } = wasmtime

/** A module that needs a proposal, and the options that switch the proposal off or on. */
const proposals: readonly (readonly [text: string, off: EngineOptions, on: EngineOptions])[] = [
  ['(module (func (result v128) (v128.const i64x2 0 0)))', { simd: false, relaxedSimd: false }, {}],
  [
    '(module (func (param v128 v128) (result v128) (i8x16.relaxed_swizzle (local.get 0) (local.get 1))))',
    { relaxedSimd: false },
    {},
  ],
  ['(module (memory 1 1) (func (drop (i32.atomic.load (i32.const 0)))))', { threads: false }, {}],
  ['(module (type (struct (field i32))))', { gc: false }, {}],
  ['(module (type $f (func)) (func (param (ref $f))))', { functionReferences: false, gc: false }, {}],
  ['(module (func (param externref)))', { referenceTypes: false, functionReferences: false, gc: false, exceptions: false }, {}],
  [
    '(module (memory 1) (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 0))))',
    { bulkMemory: false, referenceTypes: false, functionReferences: false, gc: false, exceptions: false },
    {},
  ],
  ['(module (func (result i32 i32) (i32.const 1) (i32.const 2)))', { multiValue: false }, {}],
  ['(module (tag $t) (func (throw $t)))', { exceptions: false }, {}],
  ['(module (func $f) (func (return_call $f)))', { tailCall: false }, {}],
  ['(module (memory 1) (memory 1))', { multiMemory: false }, {}],
  ['(module (memory i64 1))', { memory64: false }, {}],
  ['(module (global i32 (i32.add (i32.const 1) (i32.const 2))))', { extendedConst: false }, {}],
  ['(module (memory 8 (pagesize 1)))', {}, { customPageSizes: true }],
  [
    '(module (func (param i64 i64) (result i64 i64) (i64.mul_wide_s (local.get 0) (local.get 1))))',
    {},
    { wideArithmetic: true },
  ],
] // prettier-ignore

test('every switch of a proposal changes what is valid', (t) => {
  for (const [text, off, on] of proposals) {
    const bytes = wasmtime.wat2wasm(text)
    const without = new Engine(off)
    const withIt = new Engine(on)
    t.throws(() => Module.validate(without, bytes), { instanceOf: wasmtime.CompileError, code: 'COMPILE_ERROR' }, text)
    t.throws(() => Module.compileSync(without, bytes), { instanceOf: wasmtime.CompileError }, text)
    t.notThrows(() => Module.validate(withIt, bytes), text)
    t.notThrows(() => Module.compileSync(withIt, bytes), text)
  }
})

test('every option that is a switch takes a boolean and nothing else', (t) => {
  const switches = [
    'simd', 'relaxedSimd', 'relaxedSimdDeterministic', 'threads', 'gc', 'functionReferences', 'referenceTypes',
    'bulkMemory', 'multiValue', 'exceptions', 'tailCall', 'multiMemory', 'memory64', 'extendedConst', 'customPageSizes',
    'wideArithmetic', 'parallelCompilation', 'inlining', 'debugInfo', 'interruptible', 'memoryMayMove', 'nanCanonicalization',
    'signalsBasedTraps', 'branchHinting', 'sharedMemory',
  ] // prettier-ignore
  for (const name of switches) {
    for (const bad of [0, 1, 'true', null, {}, [], () => true]) {
      t.throws(() => new Engine({ [name]: bad }), {
        instanceOf: wasmtime.ArgumentError,
        message: new RegExp(`^options\\.${name} must be a boolean, but got `),
      })
    }
    t.notThrows(() => new Engine({ [name]: undefined }))
  }
})

test('with inlining, a small function is compiled into the one that calls it, and its frame is not there', (t) => {
  const frames = (inlining: boolean) => {
    const runtime = new wasmtime.Runtime({ inlining })
    const guest = runtime.instantiate(`(module
      (func $check (param i32) (result i32) (if (i32.eqz (local.get 0)) (then (unreachable))) (local.get 0))
      (func (export "run") (param i32) (result i32) (i32.add (call $check (local.get 0)) (i32.const 1))))`)
    t.is(guest.exports['run'](41), 42)
    const error = t.throws(() => guest.exports['run'](0), { instanceOf: wasmtime.TrapError })
    runtime.close()
    return error.frames.length
  }
  t.is(frames(false), 2)
  t.is(frames(true), 1)
})

test('an unknown option is refused by name, also inside pooling', (t) => {
  const expected = { instanceOf: wasmtime.ArgumentError, code: 'INVALID_ARGUMENT' }
  t.throws(() => new Engine({ simdd: true } as never), { ...expected, message: /^options\.simdd is not an option/ })
  t.throws(() => new Engine({ [Symbol('s')]: 1 } as never), { ...expected, message: /Symbol\(s\)/ })
  t.throws(() => new Engine({ pooling: { memories: 1 } } as never), {
    ...expected,
    message: /^options\.pooling\.memories is not an option/,
  })
  // A name that every object has must not pass for an option.
  t.throws(() => new Engine({ toString: 1 } as never), { ...expected, message: /options\.toString/ })
})

test('options that are no object are refused', (t) => {
  for (const bad of [null, 1, 'simd', true, 1n, Symbol('s'), () => ({})]) {
    t.throws(() => new Engine(bad as never), {
      instanceOf: wasmtime.ArgumentError,
      message: /^options must be an object/,
    })
  }
  t.notThrows(() => new Engine(undefined))
  t.notThrows(() => new Engine({}))
})

test('sizes are whole numbers in their range', (t) => {
  for (const name of ['memoryReservation', 'memoryGuardSize', 'maxWasmStack']) {
    for (const bad of [-1, 1.5, NaN, Infinity, 2 ** 60, '65536', 65536n, null]) {
      t.throws(() => new Engine({ [name]: bad }), {
        instanceOf: wasmtime.ArgumentError,
        message: new RegExp(`^options\\.${name} must be an integer from `),
      })
    }
  }
  t.throws(() => new Engine({ maxWasmStack: 1024 }), { message: /from 65536 to 67108864/ })
  t.throws(() => new Engine({ maxWasmStack: 2 ** 27 }), { instanceOf: TypeError })
  t.notThrows(() => new Engine({ maxWasmStack: 2 ** 16, memoryReservation: 2 ** 20, memoryGuardSize: 2 ** 16 }))
})

test('choices are checked, and every choice compiles', (t) => {
  for (const optLevel of ['none', 'speed', 'speed-and-size'] as const) {
    const { exports } = instantiate(
      '(module (func (export "f") (result i32) (i32.const 3)))',
      undefined,
      new Engine({ optLevel }),
    )
    t.is(exports['f'](), 3)
  }
  for (const strategy of ['auto', 'cranelift'] as const) {
    t.notThrows(() => Module.compileSync(new Engine({ strategy }), '(module (func))'))
  }
  for (const bad of ['fast', '', 'None', 1, null, ['none']]) {
    t.throws(() => new Engine({ optLevel: bad } as never), { message: /^options\.optLevel must be 'none', 'speed'/ })
    t.throws(() => new Engine({ strategy: bad } as never), { message: /^options\.strategy must be 'auto'/ })
  }
})

test('options that do not fit each other are refused', (t) => {
  t.throws(() => new Engine({ simd: false, relaxedSimd: true }), { instanceOf: wasmtime.ArgumentError })
})

test('each option is read once', (t) => {
  let reads = 0
  const options = Object.defineProperty({}, 'simd', { enumerable: true, get: () => ++reads === 1 })
  t.notThrows(() => new Engine(options))
  t.is(reads, 1)
})

test('without signal handlers, traps are found all the same', (t) => {
  const text = `(module (memory 1)
    (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
    (func (export "div") (param i32) (result i32) (i32.div_s (i32.const 1) (local.get 0))))`
  for (const signalsBasedTraps of [true, false]) {
    const { exports } = instantiate(text, undefined, new Engine({ signalsBasedTraps }))
    t.throws(() => exports['load'](65536), { instanceOf: wasmtime.TrapError, message: /out of bounds/ })
    t.throws(() => exports['div'](0), { instanceOf: wasmtime.TrapError, message: /divi[ds]/ })
    t.is(exports['div'](1), 1)
  }
})

test('a smaller wasm stack overflows earlier', (t) => {
  const text = `(module (func $f (export "f") (param i32) (result i32)
    (if (result i32) (local.get 0) (then (i32.add (i32.const 1) (call $f (i32.sub (local.get 0) (i32.const 1))))) (else (i32.const 0)))))`
  const depth = (engine: InstanceType<typeof Engine>) => {
    const { exports } = instantiate(text, undefined, engine)
    let low = 1
    for (let high = 2 ** 20; low < high;) {
      const middle = Math.ceil((low + high) / 2)
      try {
        exports['f'](middle)
        low = middle
      } catch {
        high = middle - 1
      }
    }
    return low
  }
  const small = depth(new Engine({ maxWasmStack: 2 ** 16 }))
  const usual = depth(new Engine())
  t.true(small > 100, String(small))
  t.true(usual > small * 4, `${usual} and ${small}`)
})

test('canonical NaNs have the canonical bits', (t) => {
  const text = `(module (func (export "f") (param f64) (result i64)
    (i64.reinterpret_f64 (f64.add (f64.reinterpret_i64 (i64.const 0x7ff8000000000123)) (local.get 0)))))`
  const canonical = instantiate(text, undefined, new Engine({ nanCanonicalization: true }))
  t.is(canonical.exports['f'](1), 0x7ff8000000000000n)
})

test('the pool limits how many instances there are at once, and gives back what is closed', (t) => {
  const engine = new Engine({
    pooling: { totalCoreInstances: 3, totalMemories: 3, totalTables: 3, maxMemorySize: 2 ** 20 },
  })
  const module = Module.compileSync(
    engine,
    '(module (memory (export "m") 1) (func (export "f") (result i32) (i32.const 5)))',
  )
  const pre = new Linker(engine).instantiatePre(module)
  const stores = Array.from({ length: 3 }, () => new Store(engine))
  for (const store of stores) t.is(pre.instantiate(store).exports['f'](), 5)
  const late = new Store(engine)
  t.throws(() => pre.instantiate(late), { instanceOf: wasmtime.LimitError, code: 'LIMIT_EXCEEDED' })
  for (const store of stores) store.close()
  for (let round = 0; round < 20; round++) {
    const store = new Store(engine)
    t.is(pre.instantiate(store).exports['f'](), 5)
    store.close()
  }
})

test('a pooled memory cannot outgrow its slot, and a slot that is used again is zero', (t) => {
  const engine = new Engine({
    pooling: { totalCoreInstances: 1, totalMemories: 1, totalTables: 1, maxMemorySize: 2 ** 17 },
  })
  const module = Module.compileSync(engine, '(module (memory (export "m") 1))')
  const pre = new Linker(engine).instantiatePre(module)
  for (let round = 0; round < 3; round++) {
    const store = new Store(engine)
    const memory = pre.instantiate(store).getMemory('m')!
    t.is(memory.readUint32Le(1000), 0)
    t.true(memory.writeUint32Le(1000, 0xdeadbeef))
    t.is(memory.grow(1), 1)
    t.is(memory.grow(1), undefined)
    t.is(memory.readUint32Le(131068), 0)
    t.true(memory.writeUint32Le(131068, 0xdeadbeef))
    store.close()
  }
})

test('pooling is on with true, off with false, and its sizes are checked', (t) => {
  t.notThrows(() => Module.compileSync(new Engine({ pooling: false }), '(module)'))
  t.throws(() => new Engine({ pooling: 'yes' } as never), { instanceOf: wasmtime.ArgumentError })
  t.throws(() => new Engine({ pooling: null } as never), { instanceOf: wasmtime.ArgumentError })
  for (const bad of [-1, 1.5, '1', null, 2 ** 33]) {
    t.throws(() => new Engine({ pooling: { totalMemories: bad } } as never), {
      instanceOf: wasmtime.ArgumentError,
      message: /^options\.pooling\.totalMemories must be an integer/,
    })
  }
})

test('what is alive is counted per engine', (t) => {
  const engine = new Engine()
  const tasks = { queued: 0, home: 0, pool: 0, parked: 0 }
  t.like(engine.stats(), { stores: 0, instances: 0, hostFunctions: 0, memoryBytes: 0, tasks })
  const store = new Store(engine)
  const module = Module.compileSync(engine, '(module (memory 2))')
  new Linker(engine).instantiate(store, module)
  const stats = engine.stats()
  t.is(stats.stores, 1)
  t.is(stats.instances, 1)
  t.true(stats.memoryBytes >= 131072, String(stats.memoryBytes))
  t.is(new Engine().stats().stores, 0)
  store.close()
  t.is(engine.stats().stores, 0)
  t.is(engine.stats().instances, 0)
  t.is(engine.stats().memoryBytes, 0)
})
