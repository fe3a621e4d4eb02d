import { setImmediate as nextTurn } from 'node:timers/promises'

import test, { type ExecutionContext } from 'ava'

import { ArgumentError, CompileError, Engine, Linker, Module, type ModuleInstance, Runtime, Store } from '../index.mjs'
import { assertExit, runForJson, runNode } from './process/run-node.ts'
import { IDLE } from './support/async.ts'

/** A bound against hangs. */
const LIMIT = 120_000

const GUEST = `(module
  (import "m" "note" (func $note (param i32 i64 f64)))
  (import "m" "call" (func $call (param i32) (result i32)))
  (import "m" "wide" (func $wide (param v128 f32)))
  (func $spin (param i32)
    (loop $again
      (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
      (br_if $again (i32.gt_s (local.get 0) (i32.const 0)))))
  (func (export "notes") (param $n i32) (param $spin i32) (local $i i32)
    (loop $again
      (call $note (local.get $i) (i64.extend_i32_s (local.get $i)) (f64.convert_i32_s (local.get $i)))
      (if (local.get $spin) (then (call $spin (local.get $spin))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_s (local.get $i) (local.get $n)))))
  (func (export "mixed") (param $n i32) (param $spin i32) (local $i i32)
    (loop $again
      (call $note (i32.mul (local.get $i) (i32.const 2)) (i64.const 0) (f64.const 0))
      (if (local.get $spin) (then (call $spin (local.get $spin))))
      (drop (call $call (i32.add (i32.const 1) (i32.mul (local.get $i) (i32.const 2)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_s (local.get $i) (local.get $n)))))
  (func (export "trap") (call $note (i32.const 7) (i64.const 7) (f64.const 7)) unreachable)
  (func (export "wide") (call $wide (v128.const i32x4 1 2 3 4) (f32.const 1.5)))
  (func (export "fine") (result i32) (i32.const 5)))`

interface Host {
  note: (a: number, b: bigint, c: number, module: ModuleInstance | undefined) => unknown
  call: (n: number) => number | Promise<number>
  readonly wide: unknown[][]
}

const styles = ['withFunc', 'withModuleFunc', 'withStackFunc', 'withModuleStackFunc'] as const

async function setUp(t: ExecutionContext, style: (typeof styles)[number] = 'withFunc', mode: 'sync' | 'async' = 'async') {
  t.timeout(LIMIT)
  const runtime = new Runtime()
  t.teardown(() => runtime.close())
  const host: Host = { note: () => {}, call: (n) => n, wide: [] }
  const onStack = (stack: BigUint64Array, module?: ModuleInstance) =>
    void host.note(Number(stack[0]), stack[1]!, new Float64Array(stack.buffer, stack.byteOffset)[2]!, module)
  const builder = runtime.newHostModuleBuilder('m')
  const f = builder.newFunctionBuilder()
  const types = ['i32', 'i64', 'f64'] as const
  if (style === 'withFunc') f.withFunc((a, b, c) => void host.note(a, b, c, undefined), types, [])
  else if (style === 'withModuleFunc') f.withModuleFunc((module, a, b, c) => void host.note(a, b, c, module), types, [])
  else if (style === 'withStackFunc') f.withStackFunc((stack) => onStack(stack), types, [])
  else f.withModuleStackFunc((module, stack) => onStack(stack, module), types, [])
  f.withNotify().export('note')
  builder.newFunctionBuilder().withFunc((n) => host.call(n), ['i32'], ['i32']).export('call')
  builder.newFunctionBuilder().withFunc((...args) => void host.wide.push(args), ['v128', 'f32'], []).withNotify().export('wide')
  builder.instantiate()
  const options = { name: '' }
  const guest = mode === 'sync' ? runtime.instantiate(GUEST, options) : await runtime.instantiateAsync(GUEST, options)
  const run = async (name: string, ...args: number[]): Promise<unknown> =>
    await (mode === 'sync' ? guest.exports[name](...args) : guest.exports[name].async(...args))
  return { runtime, host, guest, run }
} // prettier-ignore

for (const mode of ['sync', 'async'] as const) {
  for (const style of styles) {
    for (const spin of [0, 2000]) {
      const how = `${mode} mode, ${style}, ${spin === 0 ? 'a guest that only notifies' : 'a guest that computes'}`
      test(`${how}: every note arrives before the call settles, in order, with its arguments`, async (t) => {
        const { host, guest, run } = await setUp(t, style, mode)
        const wrong: number[] = []
        let next = 0
        host.note = (a, b, c, module) => {
          const fits = a === next && b === BigInt(next) && c === next
          if (!fits || module !== (style.includes('Module') ? guest : undefined)) wrong.push(next)
          next++
        }
        await run('notes', 10_000, spin)
        t.is(next, 10_000)
        t.deepEqual(wrong, [])
      })
    }
  }

  test(`${mode} mode: notes and ordinary host calls arrive in the order in which the guest makes them`, async (t) => {
    for (const call of [(n: number) => n, async (n: number) => n, async (n: number) => (await nextTurn(), n)]) {
      for (const spin of [0, 50_000]) {
        if (mode === 'sync' && typeof call(1) !== 'number') continue
        const { host, run } = await setUp(t, 'withFunc', mode)
        const seen: number[] = []
        host.note = (n) => seen.push(n)
        host.call = (n) => (seen.push(n), call(n))
        await run('mixed', 200, spin)
        t.deepEqual(seen, [...Array.from({ length: 400 }).keys()])
      }
    }
  })

  test(`${mode} mode: a note that is made before a trap arrives, and before the rejection`, async (t) => {
    const { host, run } = await setUp(t, 'withFunc', mode)
    const seen: number[] = []
    host.note = (n) => seen.push(n)
    await t.throwsAsync(run('trap'), { code: 'TRAP' })
    t.deepEqual(seen, [7])
    await run('wide')
    t.deepEqual(host.wide, [[new Uint8Array(new Uint32Array([1, 2, 3, 4]).buffer), 1.5]])
  })
}

test('1,000,000 notes of a guest that computes all arrive, and few of them wait at a time', async (t) => {
  const rss = await runForJson<{ count: number; inOrder: boolean; grown: number }>(
    t,
    `const runtime = new wasmtime.Runtime()
    let count = 0, inOrder = true
    // A host that is much slower than its guest.
    const note = (n) => { inOrder &&= n === count++; for (let round = 0; round < 400; round++) Math.sqrt(round) }
    runtime.newHostModuleBuilder('m')
      .newFunctionBuilder().withFunc(note, ['i32', 'i64', 'f64'], []).withNotify().export('note')
      .newFunctionBuilder().withFunc((n) => n, ['i32'], ['i32']).export('call')
      .newFunctionBuilder().withFunc(() => {}, ['v128', 'f32'], []).withNotify().export('wide').instantiate()
    const main = async () => {
      const guest = await runtime.instantiateAsync(${JSON.stringify(GUEST)})
      await guest.exports.notes.async(10000, 500)
      count = 0
      const before = process.memoryUsage().rss
      let most = before
      const timer = setInterval(() => (most = Math.max(most, process.memoryUsage().rss)), 5)
      await guest.exports.notes.async(1000000, 500)
      clearInterval(timer)
      console.log(JSON.stringify({ count, inOrder, grown: (most - before) / 2 ** 20 }))
    }
    main()`,
  )
  t.is(rss.count, 1_000_000)
  t.true(rss.inOrder)
  // A million of them would be more than 100 MB.
  t.true(rss.grown < 60, `${rss.grown} MB`)
})

test('a note that a guest makes in a nested call arrives before that call settles', async (t) => {
  const { host, guest } = await setUp(t)
  const seen: number[] = []
  host.note = (n) => seen.push(n)
  host.call = async (n) => {
    await guest.exports['notes'].async(3, 0)
    seen.push(100)
    return n
  }
  await guest.exports['mixed'].async(2, 0)
  t.deepEqual(seen, [0, 0, 1, 2, 100, 2, 0, 1, 2, 100])
})

test('a notified function may call its guest, which runs later', async (t) => {
  const { runtime, host, guest } = await setUp(t)
  for (const spin of [0, 100_000]) {
    const calls: Promise<unknown>[] = []
    host.note = () => calls.push(guest.exports['fine'].async())
    await guest.exports['notes'].async(100, spin)
    t.is(calls.length, 100)
    t.deepEqual(await Promise.all(calls), Array.from({ length: 100 }, () => 5)) // prettier-ignore
  }
  t.deepEqual(runtime.stats().tasks, IDLE)
})

const prelude = (mode: string) => `
  const runtime = new wasmtime.Runtime()
  let note = () => {}
  runtime.newHostModuleBuilder('m')
    .newFunctionBuilder().withFunc((n) => note(n), ['i32', 'i64', 'f64'], []).withNotify().export('note')
    .newFunctionBuilder().withFunc((n) => n, ['i32'], ['i32']).export('call')
    .newFunctionBuilder().withFunc(() => {}, ['v128', 'f32'], []).withNotify().export('wide').instantiate()
  const text = ${JSON.stringify(GUEST)}
  const make = () => ${mode === 'sync' ? 'runtime.instantiate(text)' : 'runtime.instantiateAsync(text)'}
  const run = async (guest, ...args) => guest.exports.notes${mode === 'sync' ? '' : '.async'}(...args)`

for (const spin of [0, 50_000]) {
  const how = spin === 0 ? 'a guest that only notifies' : 'a guest that computes on another thread'
  test(`what a notified function throws with ${how} is an uncaught exception, and the rest goes on`, async (t) => {
    const seen = await runForJson<{ errors: string[]; notes: number; fine: number }>(
      t,
      `${prelude('async')}
      const errors = []
      process.on('uncaughtException', (error) => errors.push(error.message))
      let notes = 0
      note = (n) => { notes++; if (n % 100 === 0) throw new Error('note ' + n) }
      const main = async () => {
        const guest = await make()
        await run(guest, 500, ${spin})
        console.log(JSON.stringify({ errors, notes, fine: await guest.exports.fine.async() }))
      }
      main()`,
    )
    t.deepEqual(seen, { errors: [0, 100, 200, 300, 400].map((n) => `note ${n}`), notes: 500, fine: 5 })
    const outcome = await runNode(`${prelude('async')}
      note = (n) => { if (n === 50) throw new Error('nobody catches it') }
      make().then((guest) => run(guest, 100, ${spin})).then(() => setTimeout(() => console.log('too late'), 100))`)
    assertExit(t, outcome, 1)
    t.regex(outcome.stderr, /Error: nobody catches it/)
    t.is(outcome.stdout, '')
  })
}

test('notify is refused with results, with references and without types', async (t) => {
  const { runtime } = await setUp(t)
  for (const [define, message] of [
    [(f) => f.withFunc(() => 1, [], ['i32']), /^func\[n\.f\] with notify cannot have results, but has 1/],
    [(f) => f.withFunc(() => {}, ['i32', 'externref'], []), /^func\[n\.f\] param\[1\] is unsupported with notify: externref/],
    [(f) => f.withModuleFunc(() => {}, ['funcref'], []), /^func\[n\.f\] param\[0\] is unsupported with notify: funcref/],
    [(f) => f.withFunc(() => {}), /^func\[n\.f\] with notify needs types/],
    [(f) => f.withStackFunc(() => {}, [], ['i64', 'i32']), /^func\[n\.f\] with notify cannot have results, but has 2/],
    [(f) => f.withFunc(() => {}, [], []).withNotify('yes' as any), /^func\[n\.f\] notify must be a boolean/],
  ] as [define: (f: ReturnType<ReturnType<Runtime['newHostModuleBuilder']>['newFunctionBuilder']>) => any, message: RegExp][]) {
    const f = runtime.newHostModuleBuilder('n').newFunctionBuilder().withNotify()
    t.throws(() => define(f).export('f').compile(), { instanceOf: CompileError, message })
    const off = runtime.newHostModuleBuilder('n').newFunctionBuilder()
    t.notThrows(() => define(off).withNotify(false).export('f').compile())
  }
  const linker = new Linker(new Engine())
  const refused = { instanceOf: ArgumentError, message: /options\.notify/ }
  t.throws(() => linker.func('m', 'f', { params: [], results: ['i32'] }, () => 1, { notify: true }), refused)
  t.throws(() => linker.func('m', 'f', { params: ['funcref'], results: [] }, () => {}, { notify: true }), refused)
  t.throws(() => linker.func('m', 'f', undefined, () => {}, { notify: true }), refused)
  t.throws(() => linker.func('m', 'f', { params: [], results: [] }, () => {}, { notify: 1 as any }), refused)
}) // prettier-ignore

test('linker.func with notify works in stores of both modes', async (t) => {
  t.timeout(LIMIT)
  const engine = new Engine()
  const linker = new Linker(engine)
  const seen: unknown[] = []
  const type = { params: ['i32'], results: [] } as const
  linker.func('m', 'a', type, (n: number) => seen.push(['a', n]), { notify: true })
  linker.func('m', 'b', type, (instance: unknown, n: number) => seen.push(['b', n, instance]), { notify: true, withInstance: true }) // prettier-ignore
  const module = Module.compileSync(engine, `(module (import "m" "a" (func $a (param i32))) (import "m" "b" (func $b (param i32)))
    (func (export "run") (call $a (i32.const 1)) (call $b (i32.const 2)) (call $a (i32.const 3))))`) // prettier-ignore
  const sync = linker.instantiate(new Store(engine), module)
  sync.getFunc('run')!.call()
  const async = await linker.instantiateAsync(new Store(engine), module)
  async.getFunc('run')!.call()
  await async.getFunc('run')!.callAsync()
  const expected = (instance: unknown) => [['a', 1], ['b', 2, instance], ['a', 3]] // prettier-ignore
  t.deepEqual(seen, [...expected(sync), ...expected(async), ...expected(async)])
})
