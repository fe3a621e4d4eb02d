import test, { type ExecutionContext } from 'ava'

import {
  ClosedError,
  Engine,
  ExitError,
  GuestProfiler,
  Linker,
  Module,
  type ModuleInstance,
  type Runtime,
  Store,
} from '../index.mjs'
import { openRuntime, until } from './support/async.ts'

const GUEST = `(module $spinner
  (import "env" "host" (func $host))
  (func $cold (export "cold"))
  (func $hot (param $n i32) (loop $l (local.set $n (i32.sub (local.get $n) (i32.const 1))) (br_if $l (local.get $n))))
  (func $run (export "run") (param $n i32) (call $hot (local.get $n)))
  (func (export "runTwice") (param $n i32) (call $hot (local.get $n)) (call $host) (call $hot (local.get $n))))`

/** Enough for some dozens of samples on a fast machine. */
const ROUNDS = 100_000_000

interface Profile {
  readonly meta: { readonly interval: number; readonly product: string }
  readonly threads: readonly {
    readonly samples: { readonly stack: readonly (number | null)[]; readonly length: number }
    readonly stackTable: { readonly frame: readonly number[]; readonly prefix: readonly (number | null)[] }
    readonly frameTable: { readonly func: readonly number[] }
    readonly funcTable: { readonly name: readonly number[] }
    readonly stringArray: readonly string[]
  }[]
}

function parse(bytes: Uint8Array): { profile: Profile; stacks: string[] } {
  const profile = JSON.parse(Buffer.from(bytes).toString()) as Profile
  const [thread] = profile.threads
  if (thread === undefined) throw new Error('the profile has no thread')
  const { samples, stackTable, frameTable, funcTable, stringArray } = thread
  const stacks = samples.stack.map((top) => {
    const names: string[] = []
    let at = top ?? -1
    while (at !== -1) {
      const func = frameTable.func[stackTable.frame[at] ?? -1] ?? -1
      names.unshift(stringArray[funcTable.name[func] ?? -1] ?? '?')
      at = stackTable.prefix[at] ?? -1
    }
    return names.join('>')
  })
  return { profile, stacks }
}

function world(t: ExecutionContext, host: (guest: ModuleInstance) => unknown = () => {}): Runtime {
  const runtime = openRuntime(t)
  const builder = runtime.newHostModuleBuilder('env').newFunctionBuilder()
  builder
    .withModuleFunc((guest) => host(guest))
    .export('host')
    .instantiate()
  return runtime
}

test('samples of a sync guest are in the hot function, under its caller', (t) => {
  const guest = world(t).instantiate(GUEST)
  const profiler = guest.startProfiling()
  for (let round = 0; round < 5; round++) guest.exports['run'](ROUNDS)
  const { profile, stacks } = parse(profiler.finish())
  t.is(profile.meta.interval, 1)
  t.true(stacks.length >= 5)
  t.true(stacks.filter((stack) => stack === 'run>hot').length >= stacks.length * 0.9, stacks.join())
  t.false(stacks.some((stack) => stack.includes('cold')))
})

test('samples of an async guest are taken on whichever thread it computes', async (t) => {
  const runtime = world(t, async () => {})
  const guest = await runtime.instantiateAsync(GUEST, { name: '' })
  const profiler = guest.startProfiling({ name: 'spinning', intervalMs: 1 })
  await Promise.all([guest.exports['runTwice'].async(ROUNDS), guest.exports['run'].async(ROUNDS)])
  const { profile, stacks } = parse(profiler.finish())
  t.is(profile.meta.product, 'spinning')
  t.true(stacks.length >= 5)
  t.true(stacks.filter((stack) => stack.endsWith('>hot')).length >= stacks.length * 0.9, stacks.join())
  t.true(stacks.includes('run>hot'))
})

test('a longer interval gives fewer samples, and slices go on as before', async (t) => {
  const guest = await world(t).instantiateAsync(GUEST, { name: '' })
  let counts: number[] = []
  // On a busy machine ticks come together, and a fast one may be done before the second sample: then once more.
  const isClear = () => (counts[1] ?? 0) >= 1 && (counts[1] ?? 0) * 4 < (counts[0] ?? 0)
  for (let attempt = 0; attempt < 5 && !isClear(); attempt++) {
    counts = []
    for (const intervalMs of [1, 20]) {
      const profiler = guest.startProfiling({ intervalMs })
      await guest.exports['run'].async(ROUNDS * 5)
      counts.push(parse(profiler.finish()).stacks.length)
    }
  }
  t.true((counts[1] ?? 0) * 4 < (counts[0] ?? 0), counts.join())
  t.true((counts[1] ?? 0) >= 1)
})

test('a profile can be begun and finished while the guest runs', async (t) => {
  let profiler: GuestProfiler | undefined
  let bytes: Uint8Array | undefined
  const runtime = world(t, (guest) => {
    if (profiler === undefined) profiler = guest.startProfiling()
    else bytes = profiler.finish()
  })
  const sync = runtime.instantiate(GUEST, { name: '' })
  sync.exports['runTwice'](ROUNDS)
  sync.exports['runTwice'](ROUNDS)
  t.true(parse(bytes ?? new Uint8Array()).stacks.length >= 1)
  const guest = await runtime.instantiateAsync(GUEST, { name: '' })
  let stacks: string[] = []
  // How much of its time the profile sees depends on the machine; a test that waits in vain runs into its own bound.
  while (stacks.length === 0) {
    const run = guest.exports['run'].async(ROUNDS * 5)
    await until(() => runtime.stats().tasks.pool > 0 || runtime.stats().tasks.home === 0)
    const away = guest.startProfiling()
    await new Promise((resolve) => setTimeout(resolve, 20))
    stacks = parse(away.finish()).stacks
    await run
  }
  t.true(
    stacks.every((stack) => stack === 'run>hot'),
    stacks.join(),
  )
})

test('a profile outlives its store, and another can follow it', (t) => {
  const guest = world(t).instantiate(GUEST, { name: '' })
  t.is(parse(guest.startProfiling().finish()).stacks.length, 0)
  const profiler = guest.startProfiling()
  guest.exports['run'](ROUNDS)
  guest.close()
  t.true(parse(profiler.finish()).stacks.length >= 1)
  t.throws(() => profiler.finish(), { instanceOf: ClosedError })
  t.throws(() => guest.startProfiling(), { instanceOf: ExitError })
  const store = new Store(new Engine())
  store.close()
  t.throws(() => store.startProfiling(), { instanceOf: ClosedError })
})

test('modules that have no instance yet can be profiled', (t) => {
  const engine = new Engine()
  const store = new Store(engine)
  t.teardown(() => store.close())
  const module = Module.compileSync(
    engine,
    `(module (func $begin (local $n i32) (local.set $n (i32.const ${ROUNDS * 3}))
      (loop $l (local.set $n (i32.sub (local.get $n) (i32.const 1))) (br_if $l (local.get $n)))) (start $begin))`,
  )
  const profiler = store.startProfiling({ modules: [module] })
  new Linker(engine).instantiate(store, module)
  // A sample may be taken before the function has a frame.
  const stacks = parse(profiler.finish()).stacks.filter(Boolean)
  t.true(stacks.length >= 1)
  t.true(
    stacks.every((stack) => stack === 'begin'),
    stacks.join(),
  )
})

test('what cannot be is refused', (t) => {
  const runtime = world(t)
  const guest = runtime.instantiate(GUEST, { name: '' })
  const profiler = guest.startProfiling()
  t.throws(() => guest.startProfiling(), { instanceOf: TypeError, message: /is under way/ })
  profiler.finish()
  for (const intervalMs of [0, 1.5, -1, 1e9, '1']) {
    t.throws(() => guest.startProfiling({ intervalMs: intervalMs as never }), {
      message: /intervalMs must be an integer/,
    })
  }
  t.throws(() => guest.startProfiling({ modules: [{} as never] }), {
    instanceOf: TypeError,
    message: /must be a Module/,
  })
  t.throws(() => guest.startProfiling({ modules: 1 as never }), {
    instanceOf: TypeError,
    message: /modules must be an array/,
  })
  const foreign = Module.compileSync(new Engine(), '(module (func))')
  t.throws(() => guest.startProfiling({ modules: [foreign] }), { instanceOf: TypeError, message: /another engine/ })
  t.throws(() => new (GuestProfiler as new (...args: unknown[]) => unknown)({}, {}), {
    instanceOf: TypeError,
    message: /startProfiling/,
  })
  const plain = openRuntime(t, { interruptible: false }).instantiate('(module (func (export "f")))')
  t.throws(() => plain.startProfiling(), { instanceOf: TypeError, message: /interruptible: false/ })
})

test('deep stacks of native code are still an error while a profile is under way', (t) => {
  const runtime = world(t, (guest) => guest.exports['runTwice'](1))
  const guest = runtime.instantiate(GUEST, { name: '' })
  const profiler = guest.startProfiling()
  t.throws(() => guest.exports['runTwice'](1))
  guest.exports['run'](1)
  profiler.finish()
  t.throws(() => guest.exports['runTwice'](1))
  guest.exports['run'](1)
})
