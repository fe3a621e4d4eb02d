import test from 'ava'
// The compiler, as a library.
import { compileString } from 'assemblyscript/asc'

import { ArgumentError, type AssemblyScriptOptions, ExitError, LinkError, Runtime, assemblyscript } from '../index.mjs'

const source = `
  export function check(n: i32): i32 {
    if (n > 2) throw new RangeError("only up to \\u{1F600}")
    return n
  }
  export function report(): void {
    trace("nothing")
    trace("one", 1, 1.5)
    trace("five", 5, 1, 2, 3, 4, -5)
  }
  export function roll(): f64 { return Math.random() }
`

async function compile(text: string, options: Record<string, unknown> = {}): Promise<Uint8Array> {
  const { error, binary, stderr } = await compileString(text, { optimizeLevel: 2, ...options })
  if (error !== null || binary === null) throw new Error(stderr.toString(), { cause: error })
  return binary
}

const program = compile(source)

async function load(options?: AssemblyScriptOptions) {
  const runtime = new Runtime()
  assemblyscript.instantiate(runtime, options)
  return { runtime, guest: runtime.instantiate(await program, { name: '' }) }
}

test('a program that throws is closed with 255, and its message is the cause of the ExitError', async (t) => {
  const lines: string[] = []
  const { runtime, guest } = await load({
    abort: (text, from) => {
      t.is(from, guest)
      lines.push(text)
    },
  })
  t.is(guest.exports['check'](2), 2)
  const error = t.throws(() => guest.exports['check'](3), { instanceOf: ExitError })
  t.is(error.exitCode, 255)
  t.regex((error.cause as Error).message, /^only up to \u{1F600} at input\.ts:3:\d+$/u)
  t.deepEqual(lines, [(error.cause as Error).message])
  t.true(guest.closed)
  t.is(guest.exitCode, 255)
  runtime.close()
})

test('an asynchronous call is rejected with the same error, in a store of its own and in a shared one', async (t) => {
  for (const name of ['', 'program']) {
    const runtime = new Runtime()
    assemblyscript.instantiate(runtime, { abort: 'ignore' })
    const guest = await runtime.instantiateAsync(await program, { name })
    const error = await t.throwsAsync(() => guest.exports['check'].async(3), { instanceOf: ExitError })
    t.is(error.exitCode, 255)
    t.regex((error.cause as Error).message, /^only up to/)
    t.true(guest.closed)
    runtime.close()
  }
})

test('what the abort function throws is what the call throws, and the instance is closed all the same', async (t) => {
  const { runtime, guest } = await load({
    abort: () => {
      throw new TypeError('mine')
    },
  })
  t.throws(() => guest.exports['check'](3), { instanceOf: TypeError, message: 'mine' })
  t.true(guest.closed)
  runtime.close()
})

test('what a guest writes cannot forge lines, nor drive a terminal', async (t) => {
  const bytes = await compile('export function run(): void { throw new Error("a\\nb\\x1b[2J") }')
  const raw: string[] = []
  const runtime = new Runtime()
  assemblyscript.instantiate(runtime, { abort: (text) => void raw.push(text) })
  const guest = runtime.instantiate(bytes, { name: '' })
  const error = t.throws(() => guest.exports['run'](), { instanceOf: ExitError })
  t.regex((error.cause as Error).message, /^a\\u\{a\}b\\u\{1b\}\[2J at /)
  t.true(raw[0]?.startsWith('a\nb\x1b[2J at '))
  runtime.close()
})

test('trace writes text and the numbers that were given', async (t) => {
  const lines: string[] = []
  const { runtime, guest } = await load({ trace: (text) => void lines.push(text) })
  guest.exports['report']()
  t.deepEqual(lines, ['trace: nothing', 'trace: one 1.5', 'trace: five 1,2,3,4,-5'])
  runtime.close()
})

test('trace does nothing by default', async (t) => {
  const { runtime, guest } = await load()
  t.notThrows(() => guest.exports['report']())
  runtime.close()
})

test('the seed decides what Math.random gives', async (t) => {
  const roll = async (seed?: () => number): Promise<number> => {
    const { runtime, guest } = await load(seed === undefined ? {} : { seed })
    const value: number = guest.exports['roll']()
    runtime.close()
    return value
  }
  t.is(await roll(() => 12345), await roll(() => 12345))
  t.not(await roll(() => 12345), await roll(() => 54321))
  t.not(await roll(), await roll())
})

test('a text that claims to be long is cut, and one that is not there is said to be missing', (t) => {
  const lines: string[] = []
  const runtime = new Runtime()
  assemblyscript.instantiate(runtime, { trace: (text) => void lines.push(text) })
  const guest = runtime.instantiate(`
    (module
      (import "env" "trace" (func $trace (param i32 i32 f64 f64 f64 f64 f64)))
      (memory (export "memory") 64)
      (func (export "trace") (param $at i32) (param $length i32) (param $count i32)
        (if (i32.eqz (i32.eq (local.get $length) (i32.const -1)))
          (then (i32.store (i32.sub (local.get $at) (i32.const 4)) (local.get $length))))
        (call $trace (local.get $at) (local.get $count)
          (f64.const 1) (f64.const 2) (f64.const 3) (f64.const 4) (f64.const 5))))`)
  guest.exports['trace'](16, 3 << 20, 0)
  guest.exports['trace'](16, 0x7fffffff, -3)
  guest.exports['trace'](16, 0, 99)
  guest.exports['trace'](-1, -1, 0)
  guest.exports['trace'](2, -1, 1)
  guest.exports['trace'](0, -1, 2)
  t.is(lines[0]?.length, 'trace: '.length + (1 << 19) + '... (3145728 bytes)'.length)
  t.true(lines[1]?.endsWith('... (2147483647 bytes)'))
  t.deepEqual(lines.slice(2), [
    'trace:  1,2,3,4,5',
    'trace: (no string at 4294967295)',
    'trace: (no string at 2) 1',
    'trace:  1,2',
  ])
  runtime.close()
})

test('they stand beside functions of your own in one module', async (t) => {
  const runtime = new Runtime()
  const builder = runtime
    .newHostModuleBuilder('env')
    .newFunctionBuilder()
    .withFunc(() => 7, [], ['i32'])
    .export('mine')
  t.is(assemblyscript.exportFunctions(builder), builder)
  builder.instantiate()
  const bytes = await compile(
    '@external("env", "mine") declare function mine(): i32; export function run(): i32 { if (mine() != 7) throw new Error("no"); return mine() }',
  )
  t.is(runtime.instantiate(bytes).exports['run'](), 7)
  t.throws(() => assemblyscript.instantiate(runtime), { instanceOf: LinkError })
  runtime.close()
})

test('wrong options are ArgumentErrors that say what was expected', (t) => {
  const runtime = new Runtime()
  const given = (options: unknown) => () => assemblyscript.instantiate(runtime, options as AssemblyScriptOptions)
  t.throws(given({ abort: 'stdout' }), {
    instanceOf: ArgumentError,
    message: "options.abort must be 'stderr', 'ignore' or a function, but got the string \"stdout\"",
  })
  t.throws(given({ trace: 1 }), { instanceOf: ArgumentError, message: /^options\.trace must be 'stdout'/ })
  t.throws(given({ seed: 1 }), { instanceOf: ArgumentError, message: /^options\.seed must be a function/ })
  t.throws(given({ tracing: 'stdout' }), { instanceOf: ArgumentError, message: /tracing/ })
  t.throws(() => assemblyscript.exportFunctions({} as never), {
    instanceOf: ArgumentError,
    message: /^builder must be/,
  })
  runtime.close()
})
