import test from 'ava'

import {
  ArgumentError,
  Engine,
  type GrowRequest,
  LimitError,
  Linker,
  Memory,
  Module,
  type ModuleInstance,
  Runtime,
  Store,
  StoreBusyError,
  Table,
} from '../index.mjs'
import { openRuntime } from './support/async.js'
import { viewsAllowed } from './support/external-buffers.js'
import { thrownBy } from './support/wat.js'

const PAGE = 65536

const growing = `(module
  (memory $a (export "memory") 1) (memory $b (export "other") 0 10)
  (table (export "table") 2 funcref)
  (func (export "growA") (param i32) (result i32) (memory.grow $a (local.get 0)))
  (func (export "growB") (param i32) (result i32) (memory.grow $b (local.get 0)))
  (func (export "growTable") (param i32) (result i32) (table.grow (ref.null func) (local.get 0)))
  (func (export "one") (result i32) i32.const 1))`

const nothing = { memoryBytes: 0, tableElements: 0, instances: 0, memories: 0, tables: 0, refused: [] }

test('memoryBytes counts all memories together, for guest and host, and refuses with -1 and undefined', (t) => {
  const guest = openRuntime(t).instantiate(growing, { limits: { memoryBytes: 4 * PAGE } })
  const { exports, memory } = guest
  t.is(exports['growA'](2), 1)
  t.is(exports['growB'](1), 0)
  t.is(exports['growA'](1), -1)
  t.is(exports['growB'](1), -1)
  t.is(memory!.grow(1), undefined)
  t.is(guest.exportedMemory('other')!.grow(1), undefined)
  t.is(exports['growA'](0), 3)
  t.is(memory!.grow(0), 3)
  const refused = { limit: 'memoryBytes', value: 4 * PAGE, requested: 5 * PAGE }
  t.deepEqual(guest.usage, {
    memoryBytes: 4 * PAGE,
    tableElements: 2,
    instances: 1,
    memories: 2,
    tables: 1,
    refused: [refused, refused, refused, refused],
  })
  t.is(exports['one'](), 1)
})

test('tableElements likewise', (t) => {
  const guest = openRuntime(t).instantiate(growing, { limits: { tableElements: 10 } })
  const table = guest.exportedTable('table')!
  t.is(guest.exports['growTable'](5), 2)
  t.is(table.grow(3, null), 7)
  t.is(guest.exports['growTable'](1), -1)
  t.is(table.grow(1, null), undefined)
  t.is(guest.usage.tableElements, 10)
  const refused = { limit: 'tableElements', value: 10, requested: 11 }
  t.deepEqual(guest.usage.refused, [refused, refused])
})

test('growth that fails for another reason takes nothing, however often a guest tries', (t) => {
  const guest = openRuntime(t).instantiate(growing, { limits: { memoryBytes: 4 * PAGE, tableElements: 10 } })
  const { exports } = guest
  for (let round = 0; round < 50; round++) {
    // Beyond what the type of the memory allows, and beyond its own maximum.
    t.is(exports['growA'](65536), -1)
    t.is(exports['growB'](11), -1)
    t.is(exports['growTable'](-1), -1)
  }
  t.is(guest.usage.memoryBytes, PAGE)
  t.is(guest.usage.tableElements, 2)
  // What was refused before has given nothing back that is in use.
  t.is(exports['growA'](3), 1)
  for (let round = 0; round < 50; round++) t.is(exports['growA'](65536), -1)
  t.is(exports['growA'](1), -1)
  t.is(guest.usage.memoryBytes, 4 * PAGE)
})

test('a memory that may not move fails without taking anything', (t) => {
  const runtime = openRuntime(t, { memoryMayMove: false, memoryReservation: 2 * PAGE, memoryGuardSize: 0 })
  const guest = runtime.instantiate('(module (memory (export "memory") 1))', { limits: { memoryBytes: 10 * PAGE } })
  for (let round = 0; round < 20; round++) t.is(guest.memory!.grow(4), undefined)
  t.is(guest.usage.memoryBytes, PAGE)
  t.is(guest.memory!.grow(1), 1)
  t.is(guest.usage.memoryBytes, 2 * PAGE)
})

test('an instance over the limit is a LimitError that names the limit, its value and what was asked for', async (t) => {
  const runtime = openRuntime(t)
  const cases = [
    ['(module (memory 3))', { memoryBytes: 2 * PAGE }, 'memoryBytes', 2 * PAGE, 3 * PAGE],
    ['(module (memory 1) (memory 2))', { memoryBytes: 2 * PAGE }, 'memoryBytes', 2 * PAGE, 3 * PAGE],
    ['(module (table 11 funcref))', { tableElements: 10 }, 'tableElements', 10, 11],
    ['(module (memory 0) (memory 0))', { memories: 1 }, 'memories', 1, 2],
    ['(module (table 0 funcref))', { tables: 0 }, 'tables', 0, 1],
    ['(module)', { instances: 0 }, 'instances', 0, 1],
  ] as const
  for (const [text, limits, limit, value, requested] of cases) {
    const check = (error: unknown): void => {
      t.true(error instanceof LimitError, String(error))
      const { message, code, limit: name, value: actual, requested: wanted } = error as LimitError
      t.deepEqual(
        { code, name, actual, wanted },
        { code: 'LIMIT_EXCEEDED', name: limit, actual: value, wanted: requested },
      )
      t.regex(message, new RegExp(`^limits\\.${limit} of the store is ${value}: .*\\(${requested} in all\\)`))
    }
    check(thrownBy(() => runtime.instantiate(text, { name: '', limits })))
    check(await runtime.instantiateAsync(text, { name: '', limits }).catch((error: unknown) => error))
  }
  t.is(runtime.stats().stores, 0)
})

test('a limit of another kind has no name', (t) => {
  const error = thrownBy(() => openRuntime(t).instantiate('(module (table 10000001 funcref))')) as LimitError
  t.true(error instanceof LimitError)
  t.is(error.limit, undefined)
})

test('a refused instance gives back what it had, and the store stays usable', (t) => {
  const engine = new Engine()
  const store = new Store(engine, { limits: { memoryBytes: 4 * PAGE, tableElements: 10, instances: 10 } })
  const linker = new Linker(engine)
  const instantiate = (text: string) => linker.instantiate(store, Module.compileSync(engine, text))
  for (let round = 1; round <= 5; round++) {
    t.throws(() => instantiate('(module (memory 3) (memory 3) (table 5 funcref))'), { instanceOf: LimitError })
    t.throws(() => instantiate('(module (memory 3) (table 5 funcref) (table 6 funcref))'), { instanceOf: LimitError })
    t.like(store.usage, { memoryBytes: 0, tableElements: 0, instances: 2 * round })
  }
  t.throws(() => instantiate('(module)'), { instanceOf: LimitError, message: /instances/ })
})

test('instances are counted for the life of the store', (t) => {
  const engine = new Engine()
  const store = new Store(engine, { limits: { instances: 2, memories: 3, tables: 2 } })
  const linker = new Linker(engine)
  const module = Module.compileSync(engine, '(module (memory 1))')
  linker.instantiate(store, module)
  linker.instantiate(store, module)
  t.throws(() => linker.instantiate(store, module), { instanceOf: LimitError, message: /limits\.instances .* is 2/ })
  t.is(new Memory(store, { minimum: 1 }).pages, 1)
  t.throws(() => new Memory(store, { minimum: 1 }), { instanceOf: LimitError, message: /limits\.memories .* is 3/ })
  t.is(new Table(store, { element: 'externref', minimum: 1 }).length, 1)
  t.is(new Table(store, { element: 'funcref', minimum: 1 }).length, 1)
  t.throws(() => new Table(store, { element: 'funcref', minimum: 1 }), { message: /limits\.tables .* is 2/ })
  t.like(store.usage, { instances: 2, memories: 3, tables: 2, memoryBytes: 3 * PAGE, tableElements: 2 })
  t.deepEqual(
    store.usage.refused.map(({ limit }) => limit),
    ['instances', 'memories', 'tables'],
  )
  store.close()
  t.deepEqual(store.usage, nothing)
})

test('memories and tables that JavaScript makes count as well', (t) => {
  const engine = new Engine()
  const store = new Store(engine, { limits: { memoryBytes: 2 * PAGE, tableElements: 5 } })
  const memory = new Memory(store, { minimum: 1 })
  t.is(memory.grow(1), 1)
  t.is(memory.grow(1), undefined)
  const error = thrownBy(() => new Memory(store, { minimum: 1 })) as LimitError
  t.is(error.limit, 'memoryBytes')
  const table = new Table(store, { element: 'externref', minimum: 3 })
  t.is(table.grow(2, null), 3)
  t.is(table.grow(1, null), undefined)
  t.is((thrownBy(() => new Table(store, { element: 'funcref', minimum: 1 })) as LimitError).limit, 'tableElements')
  t.deepEqual(store.limits, { memoryBytes: 2 * PAGE, tableElements: 5 })
  t.deepEqual(new Store(engine).limits, {})
})

test('a command instance that is made at each call of a linked function is counted', (t) => {
  const engine = new Engine()
  const store = new Store(engine, { limits: { instances: 4 } })
  const linker = new Linker(engine)
  linker.module(store, 'command', Module.compileSync(engine, '(module (func (export "_start")) (func (export "f")))'))
  const module = Module.compileSync(engine, '(module (import "command" "f" (func $f)) (func (export "run") call $f))')
  const { exports } = linker.instantiate(store, module)
  const calls = Array.from({ length: 6 }, () => {
    try {
      exports['run']()
      return 'done'
    } catch (error) {
      return (error as Error).constructor
    }
  })
  t.deepEqual(calls, ['done', 'done', 'done', LimitError, LimitError, LimitError])
})

test('the limits of a runtime are the default of each store, and a config changes some of them', (t) => {
  const runtime = openRuntime(t, { limits: { memoryBytes: 2 * PAGE, tableElements: 5 } })
  const text = '(module (memory (export "memory") 1) (table (export "table") 1 externref))'
  const first = runtime.instantiate(text, { name: '' })
  const second = runtime.instantiate(text, { name: '', limits: { memoryBytes: 3 * PAGE } })
  t.is(first.memory!.grow(2), undefined)
  t.is(second.memory!.grow(2), 1)
  for (const guest of [first, second]) t.is(guest.exportedTable('table')!.grow(5, null), undefined)
  // Those with names share one store, and so what it may take.
  const named = runtime.instantiate(text, { name: 'one' })
  t.is(runtime.instantiate(text, { name: 'two' }).memory!.grow(1), undefined)
  t.throws(() => runtime.instantiate(text, { name: 'three' }), { instanceOf: LimitError })
  t.is(named.usage.memoryBytes, 2 * PAGE)
  t.throws(() => runtime.newHostModuleBuilder('host').exportMemory('memory', { min: 1 }).instantiate(), {
    instanceOf: LimitError,
  })
})

test('an instance that shares a store can have no limits of its own', async (t) => {
  const runtime = openRuntime(t)
  const limits = { memoryBytes: PAGE }
  const shared = { instanceOf: ArgumentError, message: /shares the store of all named instances.*name: ''/ }
  t.throws(() => runtime.instantiate('(module)', { name: 'n', limits }), shared)
  t.throws(() => runtime.instantiate('(module $n)', { limits }), shared)
  await t.throwsAsync(runtime.instantiateAsync('(module)', { name: 'n', limits }), shared)
  runtime.instantiate('(module (memory (export "m") 1))', { name: 'library' })
  t.throws(() => runtime.instantiate('(module (import "library" "m" (memory 1)))', { name: '', limits }), shared)
  const host = runtime.newHostModuleBuilder('host').compile()
  t.throws(() => runtime.instantiate(host, { limits } as never), { instanceOf: ArgumentError })
  t.throws(() => runtime.instantiate(host, { timeoutMs: 5 } as never), { instanceOf: ArgumentError })
  // The name is free after a refusal.
  t.is(runtime.instantiate('(module)', { name: 'n' }).name, 'n')
})

test('limits are checked', (t) => {
  const engine = new Engine()
  for (const bad of [
    { memoryBytes: -1 }, { memoryBytes: '5' }, { memoryBytes: 1.5 }, { memoryBytes: 5n }, { tables: 2 ** 32 },
    { onGrow: true }, { memory: 5 }, 5, null, 'x',
  ]) {
    t.throws(() => new Store(engine, { limits: bad as never }), { instanceOf: ArgumentError })
    t.throws(() => new Runtime({ limits: bad as never }), { instanceOf: ArgumentError })
    t.throws(() => openRuntime(t).instantiate('(module)', { limits: bad as never }), { instanceOf: ArgumentError })
  } // prettier-ignore
})

test('onGrow is asked about each memory and table, with what it is now and what it would be', (t) => {
  const requests: GrowRequest[] = []
  const limits = {
    memoryBytes: 8 * PAGE,
    onGrow: (request: GrowRequest) => {
      requests.push(request)
      return request.kind === 'memory' ? request.desired <= 3 * PAGE : request.desired <= 4
    },
  }
  const guest = openRuntime(t).instantiate(growing, { limits })
  t.deepEqual(requests.splice(0), [
    { kind: 'memory', current: 0, desired: PAGE, maximum: 2 ** 32 },
    { kind: 'memory', current: 0, desired: 0, maximum: 10 * PAGE },
    { kind: 'table', current: 0, desired: 2, maximum: 2 ** 32 - 1 },
  ])
  t.is(guest.exports['growA'](2), 1)
  t.is(guest.exports['growA'](1), -1)
  t.is(guest.memory!.grow(1), undefined)
  t.is(guest.exports['growTable'](2), 2)
  t.is(guest.exports['growTable'](1), -1)
  t.is(guest.exportedTable('table')!.grow(1, null), undefined)
  // The other limits come first.
  requests.length = 0
  t.is(guest.exports['growA'](6), -1)
  t.is(requests.length, 0)
  t.deepEqual(
    guest.usage.refused.map(({ limit, requested }) => [limit, requested]),
    [['onGrow', 4 * PAGE], ['onGrow', 4 * PAGE], ['onGrow', 5], ['onGrow', 5], ['memoryBytes', 9 * PAGE]], // prettier-ignore
  )
})

test('onGrow may refuse an instance', (t) => {
  const runtime = openRuntime(t, { limits: { onGrow: () => false } })
  const error = thrownBy(() => runtime.instantiate('(module (memory 1))')) as LimitError
  t.true(error instanceof LimitError)
  t.is(error.limit, 'onGrow')
  t.regex(error.message, /limits\.onGrow of the store has refused a memory of 65536/)
  runtime.instantiate('(module)', { name: '' })
})

test('what onGrow throws comes out of the call as the same value, guest or host', (t) => {
  const thrown = [new Error('mine'), 'text', undefined, 5n, Object.freeze(new Error('frozen'))]
  for (const value of thrown) {
    let armed = false
    const onGrow = (): boolean => {
      if (armed) throw value
      return true
    }
    const guest = openRuntime(t).instantiate(growing, { limits: { onGrow } })
    armed = true
    const runs = [
      () => guest.exports['growA'](1),
      () => guest.exports['growTable'](1),
      () => guest.memory!.grow(1),
      () => guest.exportedTable('table')!.grow(1, null),
    ]
    for (const run of runs) {
      let caught: unknown = 'nothing'
      try {
        run()
      } catch (error) {
        caught = error
      }
      t.is(caught, value)
    }
    armed = false
    t.is(guest.exports['growA'](1), 1)
    t.is(guest.usage.memoryBytes, 2 * PAGE)
    const engine = new Engine()
    armed = true
    const store = new Store(engine, { limits: { onGrow } })
    const module = Module.compileSync(engine, '(module (memory 1))')
    for (const run of [
      () => new Linker(engine).instantiate(store, module),
      () => new Memory(store, { minimum: 1 }),
      () => new Table(store, { element: 'funcref', minimum: 1 }),
    ]) {
      try {
        run()
        t.fail()
      } catch (error) {
        t.is(error, value)
      }
    }
  }
})

test('onGrow must return a boolean', (t) => {
  for (const answer of [undefined, 1, 'yes', {}, Promise.resolve(true)]) {
    let armed = false
    const onGrow = (): any => (armed ? answer : true)
    const guest = openRuntime(t).instantiate(growing, { limits: { onGrow } })
    armed = true
    const wrong = { instanceOf: ArgumentError, message: /limits\.onGrow: expected it to return a boolean/ }
    t.throws(() => guest.exports['growA'](1), wrong)
    t.throws(() => guest.memory!.grow(1), wrong)
  }
})

test('onGrow cannot use the store, whatever it tries, but others', (t) => {
  const runtime = openRuntime(t)
  const other = runtime.instantiate(growing, { name: '' })
  const errors: unknown[] = []
  let armed = false
  const onGrow = (): boolean => {
    if (!armed) return true
    const { memory } = guest
    for (const use of [
      () => guest.exports['one'](),
      () => guest.exports['growA'](1),
      () => memory!.grow(1),
      () => memory!.readByte(0),
      () => memory!.view(),
      () => guest.exportedTable('table')!.length,
      () => guest.exportedFunction('one')!.callWith({ timeoutMs: 5 }),
    ]) {
      errors.push(thrownBy(use))
    }
    return other.exports['one']() === 1
  }
  const guest: ModuleInstance = runtime.instantiate(growing, { name: '', limits: { onGrow } })
  armed = true
  // So that its functions are prepared.
  t.is(guest.exports['one'](), 1)
  t.is(guest.memory!.readByte(0), 0)
  void guest.exportedTable('table')
  void guest.exports['growA']
  for (const grow of [() => guest.exports['growA'](1), () => guest.memory!.grow(1)]) {
    errors.length = 0
    grow()
    t.is(errors.length, 7)
    for (const error of errors) {
      t.true(error instanceof StoreBusyError, String(error))
      t.regex((error as Error).message, /limits\.onGrow/)
    }
  }
  t.is(guest.exports['one'](), 1)
})

/** The bytes of a view in another buffer; Node.js 20 copies them, later versions have a way to move them. */
function move(view: Uint8Array): ArrayBuffer {
  const buffer = view.buffer as ArrayBuffer & { transfer?(): ArrayBuffer }
  return buffer.transfer?.() ?? structuredClone(buffer)
}

test('onGrow may close the instance, its store or the runtime', (t) => {
  for (const what of ['instance', 'runtime'] as const) {
    for (const by of ['guest', 'host', 'table'] as const) {
      const runtime = openRuntime(t)
      let armed = false
      const onGrow = (): boolean => {
        if (armed) (what === 'instance' ? guest : runtime).close(3)
        return true
      }
      const guest = runtime.instantiate(growing, { name: '', limits: { onGrow } })
      const { memory } = guest
      const table = guest.exportedTable('table')!
      const grow = guest.exports['growA']
      const moved = viewsAllowed ? move(memory!.view()) : memory!.read(0, 1)!.buffer
      armed = true
      if (by === 'guest') t.throws(() => grow(1), { code: 'EXIT' })
      else if (by === 'host') memory!.grow(1)
      else table.grow(1, null)
      t.is(guest.exitCode, 3)
      t.throws(() => grow(1), { code: 'EXIT' })
      t.is(new Uint8Array(moved)[0], 0)
      t.is(runtime.stats().stores, 0)
    }
  }
})

test('nested: a host function grows in the middle of a call, and onGrow throws through both', (t) => {
  const runtime = openRuntime(t)
  const thrown = new Error('no')
  runtime.newHostModuleBuilder('host').newFunctionBuilder().withFunc(() => guest.exports.grow(1), [], ['i32'])
    .export('grow').instantiate() // prettier-ignore
  const onGrow = ({ current }: GrowRequest): boolean => {
    if (current > 0) throw thrown
    return true
  }
  const guest: ModuleInstance<any> = runtime.instantiate<any>(
    `(module (import "host" "grow" (func $grow (result i32))) (memory (export "memory") 1)
      (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
      (func (export "run") (result i32) call $grow))`,
    { name: '', limits: { onGrow } },
  )
  t.is(
    thrownBy(() => guest.exports.run()),
    thrown,
  )
  t.is(guest.usage.memoryBytes, PAGE)
})

test("the heap of wasm's own structs counts as memory", (t) => {
  const text = `(module (type $a (array (mut i64)))
    (global $keep (mut (ref null $a)) (ref.null $a))
    (func (export "make") (param i32) (global.set $keep (array.new_default $a (local.get 0)))))`
  const guest = openRuntime(t).instantiate(text, { name: '', limits: { memoryBytes: 4 * PAGE } })
  guest.exports['make'](100)
  t.true(guest.usage.memoryBytes > 0)
  t.throws(() => guest.exports['make'](100_000))
  t.true(guest.usage.memoryBytes <= 4 * PAGE)
  guest.exports['make'](100)
})

test('async mode: limits for guest and host, at home and on another thread', async (t) => {
  const runtime = openRuntime(t)
  const text = `(module (memory (export "memory") 1)
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
    (func (export "slowGrow") (param i32) (result i32) (local i32)
      (loop $l (br_if $l (i32.lt_u (local.tee 1 (i32.add (local.get 1) (i32.const 1))) (i32.const 50000000))))
      (memory.grow (local.get 0))))`
  const guest = await runtime.instantiateAsync(text, { name: '', limits: { memoryBytes: 3 * PAGE } })
  t.is(await guest.exports['grow'].async(1), 1)
  t.is(await guest.exports['grow'].async(2), -1)
  t.is(await guest.exports['slowGrow'].async(2), -1)
  t.is(await guest.exports['slowGrow'].async(1), 2)
  t.is(guest.memory!.grow(1), undefined)
  t.is(guest.usage.memoryBytes, 3 * PAGE)
  t.is(guest.usage.refused.length, 3)
})

test('async mode: onGrow is refused with the reason', async (t) => {
  const onGrow = (): boolean => true
  const refused = { instanceOf: ArgumentError, message: /limits\.onGrow is for stores in sync mode/ }
  const runtime = openRuntime(t)
  await t.throwsAsync(runtime.instantiateAsync('(module)', { name: '', limits: { onGrow } }), refused)
  const engine = new Engine()
  t.throws(() => new Store(engine, { mode: 'async', limits: { onGrow } }), refused)
  const store = new Store(engine, { limits: { onGrow } })
  const module = Module.compileSync(engine, '(module)')
  await t.throwsAsync(new Linker(engine).instantiateAsync(store, module), refused)
  new Linker(engine).instantiate(store, module)
  await t.throwsAsync(openRuntime(t, { limits: { onGrow } }).instantiateAsync('(module)', { name: 'n' }), refused)
})

test('a start function that grows an imported memory of no pages is answered with -1, as at any other time', async (t) => {
  const engine = new Engine()
  const module = Module.compileSync(
    engine,
    `(module (import "m" "memory" (memory 0 5)) (global (export "g") (mut i32) (i32.const 7))
      (func $s (global.set 0 (memory.grow (i32.const 1)))) (start $s))`,
  )
  for (const mode of ['sync', 'async'] as const) {
    const store = new Store(engine, { mode, limits: { memoryBytes: 0 } })
    const linker = new Linker(engine).define('m', 'memory', new Memory(store, { minimum: 0, maximum: 5 }))
    const made = mode === 'sync' ? linker.instantiate(store, module) : await linker.instantiateAsync(store, module)
    t.is(made.exports['g'].value, -1, mode)
    t.deepEqual(store.usage.refused, [{ limit: 'memoryBytes', value: 0, requested: 65536 }])
    store.close()
  }
})
