import test from 'ava'

import wasmtime from '../index.js'

import { instantiate, thrownBy } from './support/wat.ts'

const { ClosedError, Engine, ExitError, Func, Linker, Module, Runtime, Store } = wasmtime

const text = `(module
  (import "env" "close" (func $close (param i32) (result i32)))
  (memory (export "memory") 1 10)
  (global (export "counter") (mut i32) (i32.const 0))
  (table (export "table") 2 5 externref)
  (func (export "run") (param i32) (result i32)
    (i32.store (i32.const 64) (i32.const 123))
    (global.set 0 (i32.const 5))
    (call $close (local.get 0))
    (drop (memory.grow (i32.const 1)))
    (i32.store (i32.const 65536) (i32.const 1))
    (i32.add (i32.load (i32.const 64)))
    (i32.add (global.get 0)))
  (func (export "inner") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
  (func (export "refs") (param externref i32) (result externref i32) (local.get 0) (call $close (local.get 1)))
  (func (export "wide") (param i32) (result i32 i64) (call $close (local.get 0)) (i64.const 7)))`

type Builder = ReturnType<InstanceType<typeof Runtime>['newHostModuleBuilder']>

/** Every way to define a host function `(i32) -> i32` that returns its argument. */
const styles: Record<string, (builder: Builder, act: () => void) => Builder> = {
  natural: (builder, act) =>
    builder.newFunctionBuilder().withFunc((value) => (act(), value), ['i32'], ['i32']).export('close'), // prettier-ignore
  untyped: (builder, act) =>
    builder.newFunctionBuilder().withFunc((value: number) => (act(), value)).export('close'), // prettier-ignore
  module: (builder, act) =>
    builder.newFunctionBuilder().withModuleFunc((_, value) => (act(), value), ['i32'], ['i32']).export('close'), // prettier-ignore
  stack: (builder, act) =>
    builder.newFunctionBuilder().withStackFunc(() => act(), ['i32'], ['i32']).export('close'), // prettier-ignore
  'module stack': (builder, act) =>
    builder.newFunctionBuilder().withModuleStackFunc(() => act(), ['i32'], ['i32']).export('close'), // prettier-ignore
}

const collect = () => {
  for (let round = 0; round < 3; round++) (globalThis as { gc?: () => void }).gc?.()
}

for (const [style, define] of Object.entries(styles)) {
  for (const name of ['', 'named']) {
    test(`a host function may close the instance that calls it (${style} style${name && ', named instance'})`, (t) => {
      for (const entry of ['run', 'wide', 'refs']) {
        const runtime = new Runtime()
        let act = () => {}
        define(runtime.newHostModuleBuilder('env'), () => act()).instantiate()
        const guest = runtime.instantiate(text, { name })
        const { exports } = guest
        act = () => {
          guest.close(42)
          collect()
        }
        const args = entry === 'refs' ? [{ any: 'value' }, 8] : [8]
        const error = thrownBy(() => exports[entry](...args)) as InstanceType<typeof ExitError>
        t.true(error instanceof ExitError, `${entry}: ${String(error)}`)
        t.is(error.exitCode, 42)
        t.deepEqual(error.results, { run: 136, wide: [8, 7n], refs: args }[entry])
        t.true(guest.closed)
        for (const again of ['run', 'inner', 'wide']) {
          t.throws(() => exports[again](1), { instanceOf: ExitError, message: 'module closed with exit_code(42)' })
        }
        act = () => {}
        const next = runtime.instantiate(text, { name })
        t.is(next.exports['run'](2), 130)
        runtime.close()
      }
    })
  }

  test(`a host function may close the runtime and use what it still has (${style} style)`, (t) => {
    const runtime = new Runtime()
    const seen: unknown[] = []
    let act = () => {}
    define(runtime.newHostModuleBuilder('env'), () => act()).instantiate()
    const guest = runtime.instantiate(text)
    const { exports } = guest
    const memory = guest.memory!
    act = () => {
      runtime.close(7)
      collect()
      for (const use of [
        () => memory.readByte(64),
        () => exports['inner'](1),
        () => exports['counter'].value,
        () => memory.grow(1),
      ]) {
        try {
          seen.push(use())
        } catch (error) {
          t.true(error instanceof ClosedError || error instanceof ExitError, String(error))
        }
      }
    }
    const error = thrownBy(() => exports['run'](1)) as InstanceType<typeof ExitError>
    t.true(error instanceof ExitError, String(error))
    t.is(error.exitCode, 7)
    t.throws(() => memory.readByte(0), { instanceOf: Error })
    t.throws(() => runtime.instantiate(text), { instanceOf: ClosedError })
  })
}

test('a host function may close the store it is called from, with further wasm on the stack', (t) => {
  for (const depth of [0, 1, 5]) {
    const made = instantiate(text, (linker) =>
      linker.func('env', 'close', { params: ['i32'], results: ['i32'] }, (value) => {
        if (value > 0) return made.exports['run'](value - 1) as number
        made.store.close()
        collect()
        return 1
      }),
    )
    const outcome = (() => {
      try {
        return made.exports['run'](depth) as number
      } catch (error) {
        return error
      }
    })()
    t.true(typeof outcome === 'number' || outcome instanceof ClosedError, String(outcome))
    t.true(made.store.closed)
    t.throws(() => made.exports['inner'](1), { instanceOf: ClosedError })
    t.throws(() => made.exports['memory'].readByte(0), { instanceOf: ClosedError })
  }
})

test('a host function may close its store and then throw', (t) => {
  const thrown = new Error('after the close')
  const made = instantiate(text, (linker) =>
    linker.func('env', 'close', undefined, () => {
      made.store.close()
      collect()
      throw thrown
    }),
  )
  t.is(thrownBy(() => made.exports['run'](1)), thrown) // prettier-ignore
  t.true(wasmtime.wasmFramesOf(thrown).length > 0)
  t.throws(() => made.exports['inner'](1), { instanceOf: ClosedError })
})

test('a host function may close the instance and then throw, or trap further on', (t) => {
  const runtime = new Runtime()
  const thrown = new Error('after the close')
  let fail = true
  runtime
    .newHostModuleBuilder('env')
    .newFunctionBuilder()
    .withModuleFunc((module) => {
      module.close(3)
      if (fail) throw thrown
    }, [], [])
    .export('close')
    .instantiate() // prettier-ignore
  const source = '(module (import "env" "close" (func)) (func (export "run") (call 0) unreachable))'
  t.is(thrownBy(() => runtime.instantiate(source).exports['run']()), thrown) // prettier-ignore
  fail = false
  const error = thrownBy(() => runtime.instantiate(source).exports['run']())
  t.true(error instanceof wasmtime.TrapError || error instanceof ExitError, String(error))
  runtime.close()
})

test('a start function may close the store or the runtime around it', (t) => {
  const source =
    '(module (import "env" "close" (func $f)) (func $s (call $f)) (start $s) (func (export "f") (result i32) (i32.const 1)))'
  const engine = new Engine()
  const store = new Store(engine)
  const linker = new Linker(engine).func('env', 'close', undefined, () => store.close())
  const module = Module.compileSync(engine, source)
  try {
    t.truthy(linker.instantiate(store, module))
  } catch (error) {
    t.true(error instanceof wasmtime.WasmtimeError, String(error))
  }
  t.true(store.closed)
  const runtime = new Runtime()
  runtime
    .newHostModuleBuilder('env')
    .newFunctionBuilder()
    .withFunc(() => runtime.close(4), [], [])
    .export('close')
    .instantiate()
  const error = thrownBy(() => runtime.instantiate(source).exports['f']())
  t.true(error instanceof wasmtime.WasmtimeError, String(error))
  t.not((error as { code?: string }).code, 'INTERNAL', String(error))
})

test('a function of a store may close that store', (t) => {
  const store = new Store(new Engine())
  const closes = new Func(store, { params: ['i32', 'externref'], results: ['i32', 'externref'] }, (value, any) => {
    store.close()
    collect()
    return [value, any]
  })
  try {
    t.deepEqual(closes.call(3, 'x'), [3, 'x'])
  } catch (error) {
    t.true(error instanceof ClosedError, String(error))
  }
  t.throws(() => closes.call(3, 'x'), { instanceOf: ClosedError })
})

test('what is returned may close the store while it is read', (t) => {
  const made = instantiate(
    '(module (import "env" "give" (func $g (result i32 externref))) (func (export "run") (result i32 externref) (call $g)))',
    (linker) =>
      linker.func('env', 'give', undefined, () =>
        Object.defineProperty([1, 'x'], 0, {
          get: () => {
            made.store.close()
            collect()
            return 6
          },
        }),
      ),
  )
  try {
    t.deepEqual(made.exports['run'](), [6, 'x'])
  } catch (error) {
    t.true(error instanceof ClosedError, String(error))
  }
  t.true(made.store.closed)
})

test('closing thousands of stores from inside leaks nothing that is counted', (t) => {
  const engine = new Engine({ memoryReservation: 2 ** 20, memoryGuardSize: 2 ** 16 })
  const module = Module.compileSync(engine, text)
  for (let round = 0; round < 2000; round++) {
    const store = new Store(engine)
    const linker = new Linker(engine).func('env', 'close', undefined, (value: number) => (store.close(), value))
    const instance = linker.instantiate(store, module)
    try {
      instance.exports['run'](1)
    } catch (error) {
      t.true(error instanceof ClosedError)
    }
  }
  t.is(engine.stats().stores, 0)
  t.is(engine.stats().instances, 0)
})
