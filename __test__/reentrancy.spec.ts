import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'

import test from 'ava'

import { type ModuleInstance, Runtime, type Table, TrapError } from '../index.mjs'

const GUEST = `(module $guest
  (import "m" "f" (func $f (param i32) (result i32)))
  (import "m" "pair" (func $pair (param i32) (result i32 i32)))
  (import "m" "ref" (func $ref (param externref i32) (result externref)))
  (import "m" "stack" (func $stack (param i32) (result i32)))
  (memory (export "memory") 1)
  (table (export "table") 2 funcref)
  (global (export "global") (mut i32) (i32.const 0))
  (elem (i32.const 0) $add)
  (func $add (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "f") (param i32) (result i32) (call $f (local.get 0)))
  (func (export "pair") (param i32) (result i32) (i32.add (call $pair (local.get 0))))
  (func (export "ref") (param externref i32) (result externref) (call $ref (local.get 0) (local.get 1)))
  (func (export "stack") (param i32) (result i32) (call $stack (local.get 0)))
  (func (export "size") (result i32) (memory.size))
  (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
  (func (export "trap") (param i32) (result i32) unreachable))`

type Handler = (module: ModuleInstance, n: number) => number

/** Host functions of every style that all do the same thing; `handler` may be set later. */
interface Host {
  handler: Handler
  onRef: (module: ModuleInstance, value: any, n: number) => unknown
}

function hostModule(runtime: Runtime): Host {
  const host: Host = { handler: (_, n) => n, onRef: (_, value) => value }
  runtime
    .newHostModuleBuilder('m')
    .newFunctionBuilder()
    .withModuleFunc((module, n) => host.handler(module, n), ['i32'], ['i32'])
    .export('f')
    .newFunctionBuilder()
    .withModuleFunc((module, n): readonly [number, number] => [host.handler(module, n), 0], ['i32'], ['i32', 'i32'])
    .export('pair')
    .newFunctionBuilder()
    .withModuleFunc((module, value, n) => host.onRef(module, value, n), ['externref', 'i32'], ['externref'])
    .export('ref')
    .newFunctionBuilder()
    .withModuleStackFunc(
      (module, stack) => {
        stack[0] = BigInt(host.handler(module, Number(stack[0])))
      },
      ['i32'],
      ['i32'],
    )
    .export('stack')
    .instantiate()
  return host
}

function setUp(name = ''): { runtime: Runtime; host: Host; guest: ModuleInstance } {
  const runtime = new Runtime({ maxWasmStack: 2 ** 20 })
  const host = hostModule(runtime)
  return { runtime, host, guest: runtime.instantiate(GUEST, { name }) }
}

for (const depth of [1, 10, 100]) {
  for (const style of ['f', 'pair', 'stack'] as const) {
    test(`a host function (${style}) calls the export that called it, to depth ${depth}`, (t) => {
      const { host, guest } = setUp()
      const depths: number[] = []
      host.handler = (module, n) => {
        t.is(module, guest)
        depths.push(n)
        return n === 0 ? 0 : 1 + module.exports[style](n - 1)
      }
      t.is(guest.exports[style](depth), depth)
      t.is(depths.length, depth + 1)
    })
  }

  test(`a host function with references calls the export that called it, to depth ${depth}`, (t) => {
    const { host, guest } = setUp()
    host.onRef = (module, value: { n: number }, n) =>
      n === 0 ? value : module.exports['ref']({ n: value.n + 1, outer: value }, n - 1)
    t.is(guest.exports['ref']({ n: 0 }, depth).n, depth)
  })

  test(`memory, table and globals work at every level to depth ${depth}, by captured handles and by the instance`, (t) => {
    const { host, guest } = setUp()
    const memory = guest.memory!
    const global = guest.exportedGlobal('global')!
    const table = guest.exportedTable('table') as Table
    const add = guest.exportedFunction('add')!
    host.handler = (module, n) => {
      const before = memory.pages
      if (n % 10 === 0) t.is(memory.grow(1), before)
      const now = memory.pages
      // Both handles, and wasm itself, see the same memory at once.
      const ok =
        module.memory!.size === memory.size &&
        module.exports['size']() === now &&
        memory.writeUint32Le(memory.size - 4, n) &&
        module.exports['load'](memory.size - 4) === n &&
        module.memory!.readUint32Le(memory.size - 4) === n
      global.value += 1
      table.set(1, table.get(0))
      const sum = table.get(1).call(n, 1) as number
      if (!ok || sum !== n + 1 || add.call(n, 1) !== sum) t.fail(`at ${n}`)
      const result = n === 0 ? 0 : (module.exports['f'](n - 1) as number)
      // On the way out everything is as the inner levels left it.
      if (memory.readUint32Le(0) === undefined || module.memory!.pages !== memory.pages) t.fail(`after ${n}`)
      return result + 1
    }
    t.is(guest.exports['f'](depth), depth + 1)
    t.is(global.value, depth + 1)
    t.is(memory.pages, 2 + Math.floor(depth / 10))
  })

  test(`an error passes through ${depth} levels unchanged, and may be caught at any of them`, (t) => {
    const { host, guest } = setUp()
    const thrown = { thrown: depth }
    host.handler = (module, n) => {
      if (n === 0) throw thrown
      return module.exports['f'](n - 1)
    }
    t.is(
      t.throws(() => guest.exports['f'](depth), { any: true }),
      thrown,
    )

    host.handler = (module, n) => {
      try {
        return n === 0 ? module.exports['trap'](0) : module.exports['f'](n - 1)
      } catch (error) {
        if (n !== Math.floor(depth / 2)) throw error
        t.true(error instanceof TrapError)
        return n
      }
    }
    t.is(guest.exports['f'](depth), Math.floor(depth / 2))
    t.is(guest.exports['add'](1, 2), 3)
  })
}

test('a stack function that is called again inside itself finds its own stack again', (t) => {
  const { runtime } = setUp()
  const seen: [number, bigint[]][] = []
  const held: { run?: (a: bigint, b: number) => bigint } = {}
  runtime
    .newHostModuleBuilder('s')
    .newFunctionBuilder()
    .withStackFunc(
      (stack) => {
        const [a, n] = [stack[0]!, Number(stack[1])]
        if (n > 0) held.run!(a + 1n, n - 1)
        // The inner call has used the same array.
        seen.push([n, [...stack]])
        stack[0] = a * 2n
      },
      ['i64', 'i32'],
      ['i64'],
    )
    .export('f')
    .instantiate()
  held.run = runtime.instantiate(
    `(module (import "s" "f" (func $f (param i64 i32) (result i64)))
       (func (export "run") (param i64 i32) (result i64) (call $f (local.get 0) (local.get 1))))`,
    { name: '' },
  ).exports['run']
  t.is(held.run!(10n, 3), 20n)
  t.deepEqual(seen, [
    [0, [13n, 0n]],
    [1, [12n, 1n]],
    [2, [11n, 2n]],
    [3, [10n, 3n]],
  ])
})

test('the styles may call each other in turn, to depth 100', (t) => {
  const { host, guest } = setUp()
  const styles = ['f', 'pair', 'stack', 'ref']
  const go = (module: ModuleInstance, n: number): number => {
    if (n === 0) return 0
    const style = styles[n % 4] as string
    return 1 + (style === 'ref' ? module.exports[style](n, n - 1) : module.exports[style](n - 1))
  }
  host.handler = go
  host.onRef = (module, _, n) => go(module, n)
  t.is(guest.exports['f'](100), 100)
})

test('calls go back and forth between the stores of several runtimes, to depth 140', (t) => {
  const all = Array.from({ length: 7 }, () => setUp())
  for (const { host } of all) {
    host.handler = (_, n) => {
      if (n === 0) return 0
      const next = all[n % 7]!.guest
      next.memory!.writeByte(0, n)
      return 1 + next.exports['f'](n - 1)
    }
  }
  t.is(all[0]!.guest.exports['f'](140), 140)
  for (const { guest } of all) t.not(guest.memory!.readByte(0), 0)
})

test('a host function makes runtimes and instances of its own, and calls them', (t) => {
  const { host, guest } = setUp()
  host.handler = (_, n) => {
    const inner = setUp()
    inner.host.handler = (module, m) => module.exports['add'](m, 1)
    const result = inner.guest.exports['f'](n) as number
    inner.runtime.close()
    return n === 0 ? result : result + guest.exports['f'](n - 1)
  }
  t.is(guest.exports['f'](20), 231)
})

for (const [kind, name] of [
  ['its own store', 'guest'],
  ['another store', ''],
] as const) {
  test(`a host function instantiates modules in ${kind}, to depth 50`, (t) => {
    const { runtime, host, guest } = setUp(name)
    const compiled = runtime.compileModuleSync(GUEST)
    const made: ModuleInstance[] = [guest]
    host.handler = (module, n) => {
      t.true(module === made.at(-1))
      if (n === 0) return 0
      made.push(runtime.instantiate(compiled, { name: name === '' ? '' : `guest${n}` }))
      return 1 + made.at(-1)!.exports['f'](n - 1)
    }
    t.is(guest.exports['f'](50), 50)
    t.is(made.length, 51)
    t.is(runtime.stats().stores, name === '' ? 51 : 1)
    t.is(runtime.stats().instances, 51)
    for (const instance of made) t.is(instance.exports['add'](2, 2), 4)
  })
}

for (const which of ['inner', 'outer'] as const) {
  test(`closing the ${which} of two nested instances at depth leaves the other one working`, (t) => {
    const [outer, inner] = [setUp(), setUp()]
    outer.host.handler = (_, n) => inner.guest.exports['f'](n) + 1
    inner.host.handler = (_, n) => {
      if (n > 0) return outer.guest.exports['f'](n - 1) + 1
      const closed = which === 'inner' ? inner.guest : outer.guest
      closed.close(9)
      t.true(closed.closed)
      t.throws(() => closed.exports['add'](1, 1), { code: 'EXIT' })
      return 0
    }
    // The closed one's own calls end with its exit code, once they return.
    t.like(
      t.throws(() => outer.guest.exports['f'](10)),
      { code: 'EXIT', exitCode: 9 },
    )
    const [open, gone] = which === 'inner' ? [outer, inner] : [inner, outer]
    t.is(open.guest.exports['add'](1, 1), 2)
    t.is(open.runtime.stats().stores, 1)
    t.is(gone.runtime.stats().stores, 0)
    t.throws(() => gone.guest.exports['add'](1, 1), { code: 'EXIT' })
  })
}

test('an instance that is closed at depth runs on until its calls return, and its memory is freed then', (t) => {
  const { runtime, host, guest } = setUp()
  const memory = guest.memory!
  const codes: string[] = []
  host.handler = (module, n) => {
    if (n > 0) {
      const error = t.throws<Error & { code: string }>(() => module.exports['f'](n - 1))!
      codes.push(error.code)
      return n
    }
    module.close(1)
    t.true(runtime.stats().stores <= 1)
    t.throws(() => memory.grow(1), { code: 'CLOSED' })
    return 0
  }
  t.like(
    t.throws(() => guest.exports['f'](3)),
    { code: 'EXIT', exitCode: 1 },
  )
  t.deepEqual(codes, ['EXIT', 'EXIT', 'EXIT'])
  t.like(runtime.stats(), { stores: 0, instances: 0, memoryBytes: 0 })
})

test('closing the runtime at depth lets the running guest end, with its exit code', (t) => {
  const { runtime, host, guest } = setUp()
  const seen: number[] = []
  host.handler = (_, n) => {
    seen.push(n)
    if (n === 1) runtime.close(4)
    return n
  }
  const twice = runtime.instantiate(
    `(module (import "m" "f" (func $f (param i32) (result i32)))
       (func (export "run") (result i32) (i32.add (call $f (i32.const 1)) (call $f (i32.const 2)))))`,
    { name: '' },
  )
  t.like(
    t.throws(() => twice.exports['run']()),
    { code: 'EXIT', exitCode: 4 },
  )
  t.deepEqual(seen, [1, 2])
  t.throws(() => guest.exports['add'](1, 2), { code: 'EXIT' })
  t.throws(() => runtime.instantiate('(module)'), { code: 'CLOSED' })
})

test('a getter in the results of a host function may call the guest again', (t) => {
  const { runtime } = setUp()
  const held: { run?: (n: number) => number } = {}
  runtime
    .newHostModuleBuilder('g')
    .newFunctionBuilder()
    .withFunc((n) => Object.defineProperty([0, n], 0, { get: () => (n === 0 ? 0 : held.run!(n - 1)) }))
    .export('f')
    .instantiate()
  held.run = runtime.instantiate(
    `(module (import "g" "f" (func $f (param i32) (result i32 i32)))
       (func (export "run") (param i32) (result i32) (i32.add (call $f (local.get 0)))))`,
    { name: '' },
  ).exports['run']
  t.is(held.run!(100), 5050)
})

const programs = {
  styles: 'host functions of every style call the export that called them',
  references: 'host functions with references call the export that called them',
  resources: 'memory, tables and globals work at every level',
  stores: 'calls go back and forth between seven stores',
  errors: 'what a host function throws comes out unchanged',
  close: 'an instance is closed at the bottom, and ends when its calls have returned',
}
for (const [program, what] of Object.entries(programs)) {
  test(`${what}, to depth 1,000 in a Worker with a large stack`, async (t) => {
    const worker = new Worker(fileURLToPath(new URL('process/fixtures/deep.cjs', import.meta.url)), {
      workerData: { program, depth: 1000 },
      resourceLimits: { stackSizeMb: 32 },
      execArgv: [],
    })
    // An error in the Worker rejects both. Its end may be told in the same turn as its message.
    const exit = once(worker, 'exit')
    const [message] = (await once(worker, 'message')) as unknown[]
    t.is(message, 'done')
    await exit
  })
}
