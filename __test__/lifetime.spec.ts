import test from 'ava'

import {
  Engine,
  type Func,
  Func as FuncClass,
  Global,
  Linker,
  Memory,
  Module,
  type ModuleInstance,
  Runtime,
  Store,
  Table,
  TrapError,
} from '../index.mjs'

const gc = (globalThis as { gc?: () => void }).gc
if (gc === undefined) throw new Error('the tests need --expose-gc')

/** Collects garbage, and lets finalisers run, until `done` or for ever so long. */
async function collectUntil(done: () => boolean): Promise<boolean> {
  for (let round = 0; round < 100; round++) {
    if (done()) return true
    gc?.()
    await new Promise((resolve) => setImmediate(resolve))
  }
  return done()
}

/** Collects garbage many times, allocating in between. */
async function collectMuch(): Promise<void> {
  for (let round = 0; round < 10; round++) {
    gc?.()
    Array.from({ length: 1000 }, (_, index) => ({ index }))
    await new Promise((resolve) => setImmediate(resolve))
  }
}

const isGone = (reference: WeakRef<object>) => reference.deref() === undefined

const GUEST = `(module
  (import "m" "f" (func $f (param externref) (result i32)))
  (memory (export "memory") 1)
  (table (export "refs") 4 externref)
  (table (export "funcs") 4 funcref)
  (global (export "held") (mut externref) (ref.null extern))
  (elem (table 1) (i32.const 0) func $run)
  (func $run (export "run") (param externref) (result i32) (call $f (local.get 0)))
  (func (export "trap") unreachable))`

/** A guest whose host function holds the guest itself, and everything that is to be watched. */
function cycle(watch: (name: string, value: object) => void, name = ''): ModuleInstance {
  const runtime = new Runtime()
  const held: { instance?: ModuleInstance } = {}
  const callback = (value: unknown) => {
    if (value instanceof Error) throw value
    return held.instance?.memory?.pages ?? -1
  }
  runtime
    .newHostModuleBuilder('m')
    .newFunctionBuilder()
    .withFunc(callback, ['externref'], ['i32'])
    .export('f')
    .instantiate()
  held.instance = runtime.instantiate(GUEST, { name })
  watch('runtime', runtime)
  watch('callback', callback)
  watch('instance', held.instance)
  return held.instance
}

/** Watches objects; `alive` says which are not collected yet. */
function watcher() {
  const refs = new Map<string, WeakRef<object>>()
  return {
    watch: (name: string, value: object) => void refs.set(name, new WeakRef(value)),
    alive: () => [...refs].filter(([, ref]) => !isGone(ref)).map(([name]) => name),
    count: () => refs.size,
  }
}

async function assertAllGone(t: { deepEqual: Function; true: Function }, seen: ReturnType<typeof watcher>) {
  await collectUntil(() => seen.alive().length === 0)
  t.true(seen.count() > 0)
  t.deepEqual(seen.alive(), [])
}

for (const [kind, name] of [
  ['an anonymous instance', ''],
  ['a named instance', 'guest'],
] as const) {
  test(`${kind}, its runtime and the host function that captures it are collected when nothing holds them`, async (t) => {
    const seen = watcher()
    ;(() => {
      t.is(cycle(seen.watch, name).exports['run'](null), 1)
    })()
    await assertAllGone(t, seen)
  })

  test(`a cycle through an externref global of ${kind} is collected`, async (t) => {
    const seen = watcher()
    ;(() => {
      const instance = cycle(seen.watch, name)
      const value = { instance }
      instance.exportedGlobal('held')!.value = value
      seen.watch('value', value)
    })()
    await assertAllGone(t, seen)
  })

  test(`a cycle through an externref table of ${kind} is collected`, async (t) => {
    const seen = watcher()
    ;(() => {
      const instance = cycle(seen.watch, name)
      const value = { exports: instance.exports }
      instance.exportedTable('refs')!.set(2, value)
      seen.watch('value', value)
    })()
    await assertAllGone(t, seen)
  })

  test(`${kind} is collected after a trap, a throw and a close`, async (t) => {
    const seen = watcher()
    ;(() => {
      const instance = cycle(seen.watch, name)
      const thrown = Object.assign(new Error('thrown'), { instance })
      t.is(
        t.throws(() => instance.exports['run'](thrown)),
        thrown,
      )
      const trap = t.throws(() => instance.exports['trap'](), { instanceOf: TrapError })
      seen.watch('thrown', thrown)
      seen.watch('trap', Object.assign(trap, { instance }))
      instance.close()
    })()
    await assertAllGone(t, seen)
  })
}

test('a cycle through the externrefs of two stores is collected', async (t) => {
  const seen = watcher()
  ;(() => {
    const [a, b] = [cycle((name, value) => seen.watch(`${name} a`, value)), cycle((n, v) => seen.watch(`${n} b`, v))]
    a.exportedGlobal('held')!.value = b
    b.exportedGlobal('held')!.value = a
  })()
  await assertAllGone(t, seen)
})

test('an externref value is let go when wasm has dropped it and the store has collected', async (t) => {
  const engine = new Engine()
  const store = new Store(engine)
  const global = new Global(store, { content: 'externref', mutable: true }, null)
  const seen = watcher()
  ;(() => {
    const value = { big: 'value' }
    global.value = value
    seen.watch('value', value)
    t.is(global.value, value)
  })()
  await collectMuch()
  t.deepEqual(seen.alive(), ['value'])
  global.value = null
  store.gc()
  // The next value that goes in clears what has been given back.
  global.value = 'another'
  await assertAllGone(t, seen)
  t.is(global.value, 'another')
})

test('an instance that only its own finalisation registry knows is reported to it', async (t) => {
  const reported: string[] = []
  const registry = new FinalizationRegistry<string>((name) => reported.push(name))
  ;(() => {
    cycle((name, value) => registry.register(value, name))
  })()
  await collectUntil(() => reported.length === 3)
  t.deepEqual(reported.sort(), ['callback', 'instance', 'runtime'])
})

/** What still works when everything else has been dropped and collected. */
const survivors: Record<string, (instance: ModuleInstance) => () => unknown> = {
  'an exported function': (instance) => {
    const run = instance.exports['run'] as (value: unknown) => number
    return () => run({})
  },
  'a bound exported function': (instance) => (instance.exports['run'] as Function).bind(undefined, null),
  'a Func': (instance) => {
    const func = instance.exportedFunction('run')!
    return () => func.call({})
  },
  'the plain function of a Func': (instance) => {
    const func = instance.exportedFunction('run')!.function
    return () => func({})
  },
  'a Func out of a table': (instance) => {
    const func = instance.exportedTable('funcs')!.get(0) as Func
    return () => func.call({})
  },
  'a table that holds a function': (instance) => {
    const table = instance.exportedTable('funcs')!
    return () => table.get(0).call({})
  },
  'the exports object': (instance) => {
    const { exports } = instance
    return () => exports['run'](null)
  },
  'the instance': (instance) => () => instance.exports['run'](null),
}

for (const [name, take] of Object.entries(survivors)) {
  for (const kind of ['', 'guest']) {
    test(`${name} of ${kind === '' ? 'an anonymous' : 'a named'} instance works when it alone is held`, async (t) => {
      let use: (() => unknown) | undefined
      ;(() => {
        use = take(cycle(() => {}, kind))
      })()
      await collectMuch()
      for (let round = 0; round < 10; round++) {
        t.is(use(), 1)
        gc()
      }
    })
  }
}

test('a memory works when it alone is held', async (t) => {
  const memory = (() => cycle(() => {}).memory!)()
  await collectMuch()
  t.is(memory.writeString(0, 'still here'), 10)
  t.is(memory.grow(3), 1)
  await collectMuch()
  t.is(memory.readString(0, 10), 'still here')
})

test('a global and a table of references work, and hold what is in them, when they alone are held', async (t) => {
  const held = (() => cycle(() => {}).exportedGlobal('held')!)()
  const refs = (() => cycle(() => {}).exportedTable('refs')!)()
  await collectMuch()
  held.value = { in: 'the global' }
  refs.set(3, { in: 'the table' })
  await collectMuch()
  t.deepEqual(held.value, { in: 'the global' })
  t.deepEqual(refs.get(3), { in: 'the table' })
})

test('guests work when their host module is closed and everything else is collected', async (t) => {
  const run = (() => {
    const runtime = new Runtime()
    runtime
      .newHostModuleBuilder('m')
      .newFunctionBuilder()
      .withFunc((n) => n + 1, ['i32'], ['i32'])
      .export('f')
      .newFunctionBuilder()
      .withStackFunc((stack) => void (stack[0] = (stack[0] ?? 0n) + 2n), ['i32'], ['i32'])
      .export('g')
      .instantiate()
    const guest = runtime.instantiate(
      `(module (import "m" "f" (func $f (param i32) (result i32))) (import "m" "g" (func $g (param i32) (result i32)))
         (func (export "run") (param i32) (result i32) (call $g (call $f (local.get 0)))))`,
      { name: '' },
    )
    runtime.module('m')!.close()
    return guest.exports['run'] as (n: number) => number
  })()
  await collectMuch()
  t.is(run(1), 4)
})

const LINKED = '(module (import "m" "f" (func $f (result i32))) (func (export "run") (result i32) (call $f)))'

test('an instance works when its linker, engine, store and module objects are collected', async (t) => {
  const run = (() => {
    const engine = new Engine()
    const linker = new Linker(engine)
    const answer = { n: 42 }
    linker.func('m', 'f', { params: [], results: ['i32'] }, () => answer.n)
    return linker.instantiate(new Store(engine), Module.compileSync(engine, LINKED)).exports['run'] as () => number
  })()
  await collectMuch()
  t.is(run(), 42)
})

test('an InstancePre works when its linker, and the store of what is defined there, are collected', async (t) => {
  const { pre, store } = (() => {
    const engine = new Engine()
    const store = new Store(engine)
    const linker = new Linker(engine)
    linker.define('m', 'f', new FuncClass(store, { params: [], results: ['i32'] }, () => 43))
    linker.func('x', 'y', { params: [], results: [] }, () => {})
    return { pre: linker.instantiatePre(Module.compileSync(engine, LINKED)), store }
  })()
  await collectMuch()
  t.is(pre.instantiate(store).exports['run'](), 43)

  const alone = (() => {
    const engine = new Engine()
    const linker = new Linker(engine)
    const answer = { n: 44 }
    linker.func('m', 'f', { params: [], results: ['i32'] }, () => answer.n)
    return { pre: linker.instantiatePre(Module.compileSync(engine, LINKED)), engine }
  })()
  await collectMuch()
  t.is(alone.pre.instantiate(new Store(alone.engine)).exports['run'](), 44)
})

test('a linker, its instances and the functions that capture them are collected when nothing holds them', async (t) => {
  const seen = watcher()
  ;(() => {
    const engine = new Engine()
    const store = new Store(engine)
    const linker = new Linker(engine)
    const held: { instance?: object } = {}
    const callback = () => (held.instance === undefined ? 0 : 1)
    linker.func('m', 'f', { params: [], results: ['i32'] }, callback)
    const instance = linker.instantiate(store, Module.compileSync(engine, LINKED))
    held.instance = { instance, linker, store }
    t.is(instance.exports['run'](), 1)
    for (const [name, value] of Object.entries({ engine, store, linker, callback, instance })) seen.watch(name, value)
  })()
  await assertAllGone(t, seen)
})

test('functions, globals, tables and memories that are made for a store are collected with it', async (t) => {
  const seen = watcher()
  ;(() => {
    const store = new Store(new Engine())
    const held: object[] = [store]
    const callback = () => void held.length
    const func = new FuncClass(store, { params: [], results: [] }, callback)
    const global = new Global(store, { content: 'externref', mutable: true }, held)
    const table = new Table(store, { element: 'funcref', minimum: 1 }, func)
    const memory = new Memory(store, { minimum: 1 })
    held.push(func, global, table, memory)
    func.call()
    for (const [name, value] of Object.entries({ store, held, callback, func, global, table, memory })) {
      seen.watch(name, value)
    }
  })()
  await assertAllGone(t, seen)
})

test('a compiled module is collected with its runtime, and keeps no instance alive', async (t) => {
  const seen = watcher()
  const runtime = new Runtime()
  const compiled = runtime.compileModuleSync('(module (memory (export "memory") 1))')
  ;(() => {
    for (let i = 0; i < 3; i++) seen.watch(`instance ${i}`, runtime.instantiate(compiled, { name: '' }))
  })()
  await assertAllGone(t, seen)
  t.false(compiled.closed)
})

test('stats() goes back to zero when instances are closed', (t) => {
  const runtime = new Runtime()
  const instances = Array.from({ length: 20 }, () => runtime.instantiate('(module (memory 1))', { name: '' }))
  t.like(runtime.stats(), { stores: 20, instances: 20 })
  t.true(runtime.stats().memoryBytes >= 20 * 65536)
  for (const instance of instances) instance.close()
  t.like(runtime.stats(), { stores: 0, instances: 0, memoryBytes: 0, modules: 0 })
})

test('stats() goes back to zero when instances are collected, also named ones that others import from', async (t) => {
  const runtime = new Runtime()
  ;(() => {
    for (let i = 0; i < 20; i++) runtime.instantiate('(module (memory 1))', { name: '' })
    t.is(runtime.stats().stores, 20)
  })()
  await collectUntil(() => runtime.stats().stores === 0)
  t.like(runtime.stats(), { stores: 0, instances: 0, memoryBytes: 0 })

  runtime.instantiate('(module (memory (export "memory") 1))', { name: 'a' })
  const b = runtime.instantiate('(module (import "a" "memory" (memory 1)) (export "memory" (memory 0)))', { name: 'b' })
  runtime.module('a')!.close()
  t.is(b.memory!.grow(1), 1)
  t.is(runtime.stats().stores, 1)
  b.close()
  t.like(runtime.stats(), { stores: 0, instances: 0, memoryBytes: 0, modules: 0 })
})

test('stats().hostFunctions goes back to zero when a runtime is closed', async (t) => {
  const runtime = new Runtime()
  const host = runtime
    .newHostModuleBuilder('m')
    .newFunctionBuilder()
    .withFunc(() => {}, [], [])
    .export('f')
    .instantiate()
  const guest = runtime.instantiate('(module (import "m" "f" (func $f)) (func (export "run") call $f))', { name: '' })
  guest.exports['run']()
  t.is(runtime.stats().hostFunctions, 1)
  runtime.close()
  t.true(host.closed)
  await collectUntil(() => runtime.stats().hostFunctions === 0)
  t.like(runtime.stats(), { stores: 0, instances: 0, hostFunctions: 0, memoryBytes: 0, modules: 0 })
})

test('stats().hostFunctions of an engine goes back to zero when linkers and stores are collected', async (t) => {
  const engine = new Engine()
  ;(() => {
    for (let i = 0; i < 10; i++) {
      const linker = new Linker(engine)
      const store = new Store(engine)
      linker.func('m', 'f', { params: [], results: ['i32'] }, () => i)
      linker.instantiate(store, Module.compileSync(engine, LINKED))
      t.is(new FuncClass(store, { params: [], results: [] }, () => i).call(), undefined)
    }
    t.true(engine.stats().hostFunctions >= 20)
  })()
  await collectUntil(() => engine.stats().hostFunctions === 0)
  t.like(engine.stats(), { stores: 0, instances: 0, hostFunctions: 0, memoryBytes: 0 })
})
