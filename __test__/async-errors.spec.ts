import { setImmediate as nextTurn } from 'node:timers/promises'

import test, { type ExecutionContext } from 'ava'

import {
  ArgumentError,
  type HostFunctionBuilder,
  type ModuleInstance,
  Runtime,
  TrapError,
  wasmFramesOf,
} from '../index.mjs'
import { assertExit, runForJson, runNode } from './process/run-node.ts'
import { IDLE } from './support/async.ts'
import { throwingProxy } from './support/odd-values.ts'

/** A bound against hangs. */
const LIMIT = 120_000

const styles = ['withModuleFunc', 'withModuleStackFunc'] as const

const GUEST = `(module $layers
  (import "env" "act" (func $act (param i32) (result i32)))
  (func $inner (param $n i32) (result i32) (call $act (local.get $n)))
  (func $run (export "run") (param $n i32) (result i32) (call $inner (local.get $n)))
  (func $trap (export "trap") (param $n i32) (result i32)
    (drop (call $act (local.get $n))) (i32.load (i32.const -4)))
  (func $div (export "div") (param $n i32) (result i32) (i32.div_s (i32.const 1) (call $act (local.get $n))))
  (memory 1)
  (func (export "fine") (result i32) (i32.const 5)))`

type Handler = (module: ModuleInstance, n: number) => number | Promise<number>

async function setUp(t: ExecutionContext, style: (typeof styles)[number], handler?: Handler) {
  t.timeout(LIMIT)
  const runtime = new Runtime()
  t.teardown(() => runtime.close())
  const host: { handler: Handler } = { handler: handler ?? ((_, n) => n) }
  const define = (f: HostFunctionBuilder) =>
    style === 'withModuleFunc'
      ? f.withModuleFunc((module, n) => host.handler(module, n), ['i32'], ['i32'])
      : f.withModuleStackFunc(
          (module, stack) => {
            const result = host.handler(module, Number(stack[0]))
            if (typeof result !== 'number') return result.then((value) => void (stack[0] = BigInt(value)))
            stack[0] = BigInt(result)
            return undefined
          },
          ['i32'],
          ['i32'],
        )
  define(runtime.newHostModuleBuilder('env').newFunctionBuilder()).export('act').instantiate()
  return { runtime, host, guest: await runtime.instantiateAsync(GUEST, { name: '' }) }
}

/** What a promise is rejected with, in an array: it may be something that resists being awaited. */
async function reasonOf(promise: Promise<unknown>): Promise<[reason: unknown]> {
  try {
    await promise
  } catch (error) {
    return [error]
  }
  throw new Error('it was not rejected')
}

const thrown: readonly (readonly [label: string, make: () => unknown])[] = [
  ['an Error', () => new Error('text')],
  ['a frozen Error', () => Object.freeze(new Error('frozen'))],
  ['a DOMException', () => new DOMException('aborted', 'AbortError')],
  ['a string', () => 'text'],
  ['a symbol', () => Symbol('thrown')],
  ['undefined', () => undefined],
  ['null', () => null],
  ['NaN', () => NaN],
  ['false', () => false],
  ['a bigint', () => 5n],
  ['an object', () => ({ a: 1 })],
  ['a function', () => () => 1],
  ['a proxy whose traps throw', () => throwingProxy(new Error('x'))],
  ['a TrapError made by the host', () => new TrapError('own', { trapCode: 'unreachable' })],
]

const ways: readonly (readonly [label: string, fail: (value: unknown) => Promise<number>])[] = [
  ['throws', (value) => { throw value }], // oxlint-disable-line typescript/only-throw-error
  ['rejects with', async (value) => { throw value }],
  ['rejects with, after an await,', async (value) => { await nextTurn(); throw value }],
] // prettier-ignore

for (const style of styles) {
  for (const [how, fail] of ways) {
    test(`${style}: what a host function ${how} arrives as it is through 1, 2 and 5 layers`, async (t) => {
      const { runtime, guest, host } = await setUp(t, style)
      for (const [label, make] of thrown) {
        for (const layers of [1, 2, 5]) {
          const value = make()
          host.handler = (module, n) => (n === 1 ? fail(value) : module.exports['run'].async(n - 1))
          const [reason] = await reasonOf(guest.exports['run'].async(layers))
          t.true(Object.is(reason, value), `${label} through ${layers}`)
          t.is(await guest.exports['fine'].async(), 5)
          t.is(guest.exports['fine'](), 5)
          t.deepEqual(runtime.stats().tasks, IDLE)
        }
      }
    })
  }

  test(`${style}: an error carries the frames of every layer, innermost first`, async (t) => {
    const { guest, host } = await setUp(t, style)
    for (const [how, fail] of ways) {
      const error = new Error(how)
      host.handler = (module, n) => (n === 1 ? fail(error) : module.exports['run'].async(n - 1))
      t.is((await reasonOf(guest.exports['run'].async(3)))[0], error)
      const frames = wasmFramesOf(error)
      const names = frames.map((frame) => `${frame.host ? 'host ' : ''}${frame.moduleName}.${frame.functionName}`)
      const layer = ['host env.act', 'layers.inner', 'layers.run']
      t.deepEqual(names, [...layer, ...layer, ...layer], how)
      t.is(frames[0]!.signature, '(i32) i32')
      t.true(frames[1]!.moduleOffset! > 8)
      t.false(Object.keys(error).includes('wasmFrames'))
    }
  })

  test(`${style}: a trap after an await is a TrapError with its code and frames, through every layer the same`, async (t) => {
    const { guest, host } = await setUp(t, style)
    for (const [name, trapCode] of [['trap', 'memory-out-of-bounds'], ['div', 'integer-division-by-zero']] as const) {
      for (const layers of [1, 2, 5]) {
        host.handler = async (module, n) => {
          await nextTurn()
          if (n === 0) return 0
          return (await module.exports[n === 1 ? name : 'run'].async(n - 1)) as number
        }
        const [error] = await reasonOf(guest.exports['run'].async(layers))
        t.true(error instanceof TrapError)
        t.like(error, { code: 'TRAP', trapCode })
        const names = (error as TrapError).frames.map((frame) => frame.functionName)
        t.deepEqual(names, [name], 'the frames of the call that trapped, and of no call around it')
        const all = wasmFramesOf(error).map((frame) => frame.functionName)
        t.deepEqual(all, [name, ...Array.from({ length: layers }, () => ['act', 'inner', 'run']).flat()])
        t.regex((error as TrapError).message, new RegExp(`^wasm error: [^\\n]*\\nwasm stack trace:\\n\\tlayers\\.${name}`))
        t.is(await guest.exports['fine'].async(), 5)
      }
    }
  }) // prettier-ignore

  test(`${style}: a host function may catch what a nested call is rejected with, and go on`, async (t) => {
    const { guest, host } = await setUp(t, style)
    const error = new Error('caught')
    host.handler = async (module, n) => {
      if (n === 0) throw error
      try {
        return (await module.exports[n === 2 ? 'trap' : 'run'].async(n - 1)) as number
      } catch (caught) {
        if (n === 4) throw new Error('replaced', { cause: caught })
        t.is(caught, error)
        return 100
      }
    }
    t.is(await guest.exports['run'].async(1), 100)
    host.handler = async (module, n) => {
      if (n === 1) return 1
      const [caught] = await reasonOf(module.exports['trap'].async(1))
      t.true(caught instanceof TrapError)
      return 7
    }
    t.is(await guest.exports['run'].async(5), 7)
  })
}

test('an error that is thrown through several stores carries the frames of all', async (t) => {
  const error = new Error('through')
  let inner: ModuleInstance | undefined
  for (let level = 0; level < 5; level++) {
    const callee = inner
    const { guest } = await setUp(t, 'withModuleFunc', async (_, n) => {
      await nextTurn()
      if (callee === undefined) throw error
      return (await callee.exports['run'].async(n)) as number
    })
    inner = guest
  }
  t.is((await reasonOf(inner!.exports['run'].async(1)))[0], error)
  t.is(wasmFramesOf(error).filter((frame) => frame.functionName === 'inner').length, 5)
})

test('the stack of an error of this package shows the asynchronous functions that have called', async (t) => {
  const { guest, host } = await setUp(t, 'withModuleFunc')
  host.handler = async () => (await nextTurn(), 0)
  const calls: readonly (readonly [label: string, call: () => Promise<unknown>])[] = [
    ['async', () => guest.exports['trap'].async(1)],
    ['callAsync', () => guest.exportedFunction('trap')!.callAsync(1)],
    ['callAsyncWith', () => guest.exportedFunction('trap')!.callAsyncWith({ context: 1 }, 1)],
    ['callAsyncWith a limit', () => guest.exportedFunction('trap')!.callAsyncWith({ timeoutMs: LIMIT }, 1)],
    ['a wrong argument', () => guest.exportedFunction('trap')!.callAsync('1')],
  ]
  async function innerCaller(call: () => Promise<unknown>): Promise<unknown> {
    return await call()
  }
  async function outerCaller(call: () => Promise<unknown>): Promise<unknown> {
    return await innerCaller(call)
  }
  for (const [label, call] of calls) {
    const error = (await reasonOf(outerCaller(call)))[0] as Error
    t.true(error instanceof TrapError || error instanceof ArgumentError)
    t.regex(error.stack ?? '', /innerCaller[^]*outerCaller/, label)
  }
})

test('the stack of an error of instantiateAsync shows who has called it', async (t) => {
  const { runtime, host } = await setUp(t, 'withModuleFunc')
  host.handler = async () => (await nextTurn(), 0)
  async function starter(): Promise<unknown> {
    return await runtime.instantiateAsync(`(module (import "env" "act" (func $f (param i32) (result i32)))
      (func $start (drop (call $f (i32.const 1))) unreachable) (start $start))`)
  }
  const error = (await reasonOf(starter()))[0] as Error
  t.true(error instanceof TrapError)
  t.regex(error.stack ?? '', /starter/)
})

test('the stack of what a host function throws is its own', async (t) => {
  const { guest, host } = await setUp(t, 'withModuleFunc')
  async function inHostFunction(): Promise<number> {
    await nextTurn()
    throw new Error('own')
  }
  host.handler = async () => await inHostFunction()
  const error = (await reasonOf(guest.exports['run'].async(1)))[0] as Error
  t.regex(error.stack ?? '', /^Error: own\n +at inHostFunction/)
})

const prelude = `
  const { Runtime } = wasmtime
  const runtime = new Runtime()
  let act = (n) => n
  runtime.newHostModuleBuilder('env').newFunctionBuilder().withFunc((n) => act(n), ['i32'], ['i32']).export('act').instantiate()
  const text = ${JSON.stringify(GUEST)}
  const turn = () => new Promise((resolve) => setImmediate(resolve))`

test('a rejected call that nobody handles ends the process, as any unhandled rejection does', async (t) => {
  for (const [act, pattern] of [
    ["throw new Error('at once')", /Error: at once/],
    ["await turn(); throw new Error('later')", /Error: later/],
    ['await turn(); return "x"', /host function env\.act/],
  ] as const) {
    const outcome = await runNode(`${prelude}
      act = async () => { ${act} }
      runtime.instantiateAsync(text).then((guest) => { guest.exports.run.async(1); setTimeout(() => console.log('too late'), 1000) })`)
    assertExit(t, outcome, 1)
    t.regex(outcome.stderr, pattern)
    t.is(outcome.stdout, '')
  }
})

test('an unhandled rejection is reported once with the very value, and a handled one never', async (t) => {
  const seen = await runForJson<string[]>(
    t,
    `${prelude}
    const seen = []
    process.on('unhandledRejection', (reason) => seen.push(String(reason?.message ?? reason)))
    const main = async () => {
      act = async (n) => { await turn(); throw new Error('e' + n) }
      const guest = await runtime.instantiateAsync(text)
      guest.exports.run.async(1)
      guest.exports.run.async(2).catch(() => {})
      guest.exports.run.async(3).then(() => {})
      guest.exportedFunction('run').callAsyncWith({ timeoutMs: 100000 }, 4)
      guest.exports.run.async('x')
      await guest.exports.run.async(5).catch(() => {})
      for (let round = 0; round < 5; round++) await turn()
      console.log(JSON.stringify(seen.sort()))
    }
    main()`,
  )
  t.deepEqual(
    seen.map((text) => text.replace(/:.*/s, '')),
    ['e1', 'e3', 'e4', 'layers.run(i32) i32'],
  )
})

test('a promise that a plain call cannot wait for is the host function\u2019s own, with its unhandled rejection', async (t) => {
  const seen = await runForJson<string[]>(
    t,
    `${prelude}
    const seen = []
    process.on('unhandledRejection', (reason) => seen.push(reason.message))
    const main = async () => {
      act = async () => { await turn(); throw new Error('own') }
      const guest = await runtime.instantiateAsync(text)
      try { guest.exports.run(1) } catch (error) { seen.push(error.name) }
      for (let round = 0; round < 5; round++) await turn()
      console.log(JSON.stringify(seen))
    }
    main()`,
  )
  t.deepEqual(seen, ['TypeError', 'own'])
})
