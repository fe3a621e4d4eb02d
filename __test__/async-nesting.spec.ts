import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'

import test, { type ExecutionContext } from 'ava'

import { type Func, type ModuleInstance, type Table } from '../index.mjs'
import { IDLE, openRuntime } from './support/async.ts'
import { thenable } from './support/odd-values.ts'

/** The same for what nothing else would end. */
const HANG = 20_000

const GUEST = `(module
  (import "m" "f" (func $f (param i32) (result i32)))
  (memory (export "memory") 1)
  (table (export "table") 2 funcref)
  (global (export "global") (mut i32) (i32.const 0))
  (elem (i32.const 0) $add)
  (func $add (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "f") (param i32) (result i32) (call $f (local.get 0)))
  (func (export "twice") (param i32 i32) (result i32) (i32.add (call $f (local.get 0)) (call $f (local.get 1))))
  (func (export "size") (result i32) (memory.size))
  (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
  (func (export "spin") (param i32) (result i32)
    (loop $again
      (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
      (br_if $again (i32.gt_s (local.get 0) (i32.const 0))))
    (i32.const 7)))`

type Handler = (module: ModuleInstance, n: number) => number | Promise<number>

const styles = ['natural', 'stack'] as const

async function setUp(t: ExecutionContext, handler: Handler = (_, n) => n, style: (typeof styles)[number] = 'natural') {
  const runtime = openRuntime(t)
  const host = { handler }
  const f = runtime.newHostModuleBuilder('m').newFunctionBuilder()
  const defined =
    style === 'natural'
      ? f.withModuleFunc((module, n) => host.handler(module, n), ['i32'], ['i32'])
      : f.withModuleStackFunc(
          async (module, stack) => void (stack[0] = BigInt(await host.handler(module, Number(stack[0])))),
          ['i32'],
          ['i32'],
        )
  defined.export('f').instantiate()
  return { runtime, host, guest: await runtime.instantiateAsync(GUEST, { name: '' }) }
}

/** Everything that a host function may do with its guest; gives what it found wrong. */
function useAll(module: ModuleInstance, n: number): string[] {
  const wrong: string[] = []
  const memory = module.memory!
  const table = module.exportedTable('table') as Table
  if (memory.grow(1) !== memory.pages - 1) wrong.push('grow')
  if (!memory.writeUint32Le(memory.size - 4, n)) wrong.push('write')
  if (module.exports['load'](memory.size - 4) !== n) wrong.push('load')
  if (module.exports['size']() !== memory.pages) wrong.push('size')
  module.exportedGlobal('global')!.value += 1
  table.set(1, table.get(0))
  if ((table.get(1) as Func).call(n, 1) !== n + 1) wrong.push('table')
  return wrong.map((what) => `${what} at ${n}`)
}

for (const style of styles) {
  for (const depth of [1, 10, 50]) {
    test(`${style}: host functions use and call their guest before and after an await, to depth ${depth}`, async (t) => {
      const { guest, host } = await setUp(t, undefined, style)
      const wrong: string[] = []
      host.handler = async (module, n) => {
        wrong.push(...useAll(module, n))
        await nextTurn()
        wrong.push(...useAll(module, n))
        if ((await module.exports['add'].async(n, 2)) !== n + 2) wrong.push(`async add at ${n}`)
        const inner = n === 0 ? 0 : ((await module.exports['f'].async(n - 1)) as number)
        wrong.push(...useAll(module, n))
        return inner + 1
      }
      t.is(await guest.exports['f'].async(depth), depth + 1)
      t.deepEqual(wrong, [])
      t.is(guest.exportedGlobal('global')!.value, 3 * (depth + 1))
      t.is(guest.memory!.pages, 1 + 3 * (depth + 1))
    })
  }
}

test('plain calls and asynchronous ones may nest in each other in turn, to depth 50', async (t) => {
  const { guest, host } = await setUp(t)
  host.handler = async (module, n) => {
    if (n === 0) return 0
    await nextTurn()
    // A plain call, whose host function must answer at once, and in it nothing that waits.
    const answer = host.handler
    host.handler = (_, m) => m * 2
    const plain = module.exports['f'](n) as number
    host.handler = answer
    return plain - n * 2 + 1 + ((await module.exports['f'].async(n - 1)) as number)
  }
  t.is(await guest.exports['f'].async(50), 50)
})

for (const [kind, name] of [
  ['stores of their own', () => ''],
  ['the shared store', (n: number) => `guest${n}`],
] as const) {
  test(`host functions instantiate other modules in ${kind}, and call them, to depth 50`, async (t) => {
    const { runtime, host } = await setUp(t)
    const compiled = await runtime.compileModule(GUEST)
    const made: ModuleInstance[] = []
    const make = async (n: number) => {
      made.push(await runtime.instantiateAsync(compiled, { name: name(n) }))
      return made.at(-1)!
    }
    host.handler = async (module, n) => {
      t.is(module, made.at(-1)!)
      if (n === 0) return 0
      const next = await make(n)
      return 1 + ((await next.exports['f'].async(n - 1)) as number)
    }
    t.is(await (await make(0)).exports['f'].async(50), 50)
    t.is(made.length, 51)
    for (const instance of made) t.is(await instance.exports['add'].async(2, 2), 4)
    runtime.close()
    t.like(runtime.stats(), { stores: 0, instances: 0, tasks: IDLE })
  })
}

test('an instance in sync mode may be made, called and closed in a host function of one in async mode', async (t) => {
  const { runtime, guest, host } = await setUp(t)
  host.handler = (_, n) => (n < 0 ? n : inside())
  const inside = async () => {
    const before = runtime.instantiate(GUEST, { name: '' })
    await nextTurn()
    const result = before.exports['f'](-5) as number
    before.close()
    return result
  }
  t.is(await guest.exports['f'].async(5), -5)
})

test('calls from store to store and back into the first do not deadlock', async (t) => {
  const all = await Promise.all(Array.from({ length: 3 }, () => setUp(t)))
  for (const { host } of all) {
    host.handler = async (_, n) => {
      if (n === 0) return 0
      if (n % 2 === 0) await nextTurn()
      const next = all[n % 3]!.guest
      return 1 + ((await next.exports['f'].async(n - 1)) as number)
    }
  }
  t.is(await all[0]!.guest.exports['f'].async(100), 100)
  // With calls of others before and behind.
  const before = all.map(({ guest }) => guest.exports['add'].async(1, 1))
  const call = all[0]!.guest.exports['f'].async(30)
  const behind = all.map(({ guest }) => guest.exports['spin'].async(1000))
  t.is(await call, 30)
  t.deepEqual(await Promise.all([...before, ...behind]), [2, 2, 2, 7, 7, 7])
})

test('a thenable that begins its work only when it is waited for, as query builders do, may call the guest', async (t) => {
  const { guest, host } = await setUp(t)
  host.handler = (module, n) => {
    if (n === 0) return n
    return thenable((resolve) => {
      module.exports['f'].async(n - 1).then((value: number) => resolve(value + 1))
    }) as Promise<number>
  }
  const outer = guest.exports['f'].async(20)
  const winner = await Promise.race([outer, sleep(HANG, 'deadlock')])
  t.is(winner, 20)
})

test('endless recursion through asynchronous host functions ends in an error, and everything goes on', async (t) => {
  const { runtime, guest, host } = await setUp(t)
  for (let round = 0; round < 3; round++) {
    host.handler = async (module, n) => (await module.exports['f'].async(n + 1)) as number
    const error = await t.throwsAsync(guest.exports['f'].async(0), { instanceOf: RangeError })
    t.is((error as RangeError & { code?: string }).code, 'STACK_OVERFLOW')
    t.deepEqual(runtime.stats().tasks, IDLE)
    host.handler = (_, n) => n
    t.is(await guest.exports['f'].async(1), 1)
  }
})

test('endless recursion through plain calls in host functions ends in an error, and everything goes on', async (t) => {
  const { runtime, guest, host } = await setUp(t)
  for (let round = 0; round < 3; round++) {
    host.handler = (module, n) => module.exports['f'](n + 1) as number
    await t.throwsAsync(guest.exports['f'].async(0), { instanceOf: RangeError })
    t.throws(() => guest.exports['f'](0), { instanceOf: RangeError })
    t.deepEqual(runtime.stats().tasks, IDLE)
    host.handler = (_, n) => n
    t.is(await guest.exports['f'].async(1), 1)
  }
})
