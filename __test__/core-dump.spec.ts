import test, { type ExecutionContext } from 'ava'

import { Engine, InterruptedError, Linker, Module, type Runtime, Store, TrapError } from '../index.mjs'
import { openRuntime } from './support/async.ts'
import { type ParsedDump, parseDump, sectionsOf } from './support/core-dump.ts'

const GUEST = `(module $crasher
  (import "env" "host" (func $host))
  (memory (export "memory") 2 5)
  (global $g (mut i32) (i32.const 7))
  (global (export "other") i64 (i64.const 8))
  (data (i32.const 100) "hello")
  (func $inner (i32.store (i32.const 70000) (i32.const 0x01020304)) unreachable)
  (func $outer (export "crash") (global.set $g (i32.const 9)) call $inner)
  (func (export "viaHost") call $host)
  (func (export "hang") (loop (br 0))))`

function world(t: ExecutionContext, options: object): Runtime {
  const runtime = openRuntime(t, options)
  runtime
    .newHostModuleBuilder('env')
    .newFunctionBuilder()
    .withModuleFunc((guest) => void guest.exports['crash'](), [], [])
    .export('host')
    .instantiate()
  return runtime
}

/** The bytes of a memory, as the dump has them. */
function read(dump: ParsedDump, memory: number, offset: number, length: number): string {
  const bytes = Buffer.alloc(length)
  for (const part of dump.data) {
    if (part.memory !== memory) continue
    part.bytes.forEach((byte, index) => {
      const place = part.offset + index - offset
      if (place >= 0 && place < length) bytes[place] = byte
    })
  }
  return bytes.toString('hex')
}

function check(t: ExecutionContext, bytes: Uint8Array | undefined): ParsedDump {
  t.true(bytes instanceof Uint8Array)
  const dump = parseDump(bytes ?? new Uint8Array())
  t.is(dump.program, 'node-wasmtime')
  t.deepEqual(dump.modules, ['crasher'])
  t.deepEqual(
    dump.instances.map(({ module, memories, globals }) => [module, memories, globals.length]),
    [[0, [0], 2]],
  )
  t.deepEqual(dump.memories, [2])
  t.is(dump.globalCount, 2)
  t.is(read(dump, 0, 98, 9), '000068656c6c6f0000')
  t.is(read(dump, 0, 70000, 4), '04030201')
  // The engine of Node.js takes it for the module that it is, and finds the same sections.
  const { Module: NodeModule } = (globalThis as any).WebAssembly
  const module = new NodeModule(bytes)
  for (const name of ['core', 'coremodules', 'coreinstances', 'corestack']) {
    const [section] = NodeModule.customSections(module, name)
    t.deepEqual(new Uint8Array(section), new Uint8Array(sectionsOf(bytes ?? new Uint8Array()).get(name) ?? []))
  }
  return dump
}

test('a trap has a core dump with the stack, the memories and the globals', (t) => {
  const guest = world(t, { coredumpOnTrap: true }).instantiate(GUEST)
  const error = t.throws(() => guest.exports['crash'](), { instanceOf: TrapError })
  const dump = check(t, error.coredump)
  t.deepEqual(
    dump.frames.map(({ instance, func }) => [instance, func]),
    [
      [0, 1],
      [0, 2],
    ],
  )
  t.deepEqual(
    dump.frames.map(({ offset }) => offset),
    error.frames.map((frame) => frame.functionOffset),
  )
  t.false(Object.keys(error).includes('coredump'))
})

test('what is dumped is the moment of the trap', (t) => {
  const guest = world(t, { coredumpOnTrap: true }).instantiate(GUEST)
  const error = t.throws(() => guest.exports['crash'](), { instanceOf: TrapError })
  guest.memory?.writeString(100, 'later')
  guest.close()
  check(t, error.coredump)
})

test('a trap in a nested call has the whole stack, and is dumped once', (t) => {
  const guest = world(t, { coredumpOnTrap: true }).instantiate(GUEST)
  const error = t.throws(() => guest.exports['viaHost'](), { instanceOf: TrapError })
  t.deepEqual(
    check(t, error.coredump).frames.map(({ func }) => func),
    [1, 2, 3],
  )
})

test('an asynchronous call has one, also when it has trapped on another thread', async (t) => {
  const runtime = world(t, { coredumpOnTrap: true })
  const guest = await runtime.instantiateAsync(GUEST, { name: '' })
  const error = await t.throwsAsync(guest.exportedFunction('crash')!.callAsync(), { instanceOf: TrapError })
  t.deepEqual(
    check(t, error.coredump).frames.map(({ func }) => func),
    [1, 2],
  )
  const nested = await t.throwsAsync(guest.exportedFunction('viaHost')!.callAsync(), { instanceOf: TrapError })
  t.deepEqual(
    check(t, nested.coredump).frames.map(({ func }) => func),
    [1, 2, 3],
  )
  const away = await runtime.instantiateAsync(
    `(module $away (memory 1) (global $n (mut i32) (i32.const 0))
      (func (export "crash")
        (loop $l (global.set $n (i32.add (global.get $n) (i32.const 1)))
          (br_if $l (i32.lt_u (global.get $n) (i32.const 100000000))))
        (i32.store (i32.const 16) (i32.const 0x11223344)) unreachable))`,
    { name: '' },
  )
  const computed = await t.throwsAsync(away.exportedFunction('crash')!.callAsync(), { instanceOf: TrapError })
  t.is(read(parseDump(computed.coredump ?? new Uint8Array()), 0, 16, 4), '44332211')
})

test('an interrupted call has one', async (t) => {
  const runtime = world(t, { coredumpOnTrap: true })
  const guest = await runtime.instantiateAsync(GUEST, { name: '' })
  const call = t.throwsAsync(guest.exportedFunction('hang')!.callAsync(), { instanceOf: InterruptedError })
  // Not before it computes: one that has not begun has no stack.
  while (runtime.stats().tasks.pool === 0) await new Promise((resolve) => setTimeout(resolve, 1))
  runtime.interrupt()
  const error = await call
  const dump = parseDump(error.coredump ?? new Uint8Array())
  t.deepEqual(
    dump.frames.map(({ func }) => func),
    [4],
  )
})

test('a start function and the lower layer have one', (t) => {
  const engine = new Engine({ coredumpOnTrap: true })
  const store = new Store(engine)
  t.teardown(() => store.close())
  const module = Module.compileSync(engine, '(module $s (func $f unreachable) (start $f))')
  const error = t.throws(() => new Linker(engine).instantiate(store, module), { instanceOf: TrapError })
  t.deepEqual(parseDump(error.coredump ?? new Uint8Array()).modules, ['s'])
})

test('there is none unless it is wanted, nor for what a host function has thrown', (t) => {
  const guest = world(t, {}).instantiate(GUEST)
  t.false('coredump' in t.throws(() => guest.exports['crash'](), { instanceOf: TrapError }))
  const runtime = openRuntime(t, { coredumpOnTrap: true })
  const thrown = new Error('of the host')
  runtime
    .newHostModuleBuilder('env')
    .newFunctionBuilder()
    .withFunc(() => {
      throw thrown
    })
    .export('host')
    .instantiate()
  const other = runtime.instantiate(GUEST)
  t.is(
    t.throws(() => other.exports['viaHost']()),
    thrown,
  )
  t.false('coredump' in thrown)
})

test('memories that are too large are not dumped, and their trap comes all the same', (t) => {
  for (const [maxBytes, dumped] of [
    [131071, false],
    [131072 + 64, true],
  ] as const) {
    const guest = world(t, { coredumpOnTrap: { maxBytes } }).instantiate(GUEST)
    const error = t.throws(() => guest.exports['crash'](), { instanceOf: TrapError })
    t.is(error.coredump !== undefined, dumped)
  }
})

test('what the format cannot express does not hide the trap', (t) => {
  const guest = world(t, { coredumpOnTrap: true }).instantiate(
    '(module (global (export "g") (mut exnref) (ref.null exn)) (func (export "crash") unreachable))',
  )
  const error = t.throws(() => guest.exports['crash'](), { instanceOf: TrapError })
  t.is(error.trapCode, 'unreachable')
  t.is(error.coredump, undefined)
})

test('references in globals are dumped as null', (t) => {
  const guest = world(t, { coredumpOnTrap: true }).instantiate(
    `(module (global (mut externref) (ref.null extern)) (global (mut funcref) (ref.func $f)) (global (mut anyref) (ref.null any))
      (func $f (export "crash") unreachable))`,
  )
  const error = t.throws(() => guest.exports['crash'](), { instanceOf: TrapError })
  t.is(parseDump(error.coredump ?? new Uint8Array()).globalCount, 3)
})

test('the option is checked', (t) => {
  for (const value of [1, 'yes', null]) {
    t.throws(() => new Engine({ coredumpOnTrap: value as never }), { instanceOf: TypeError, message: /coredumpOnTrap/ })
  }
  t.throws(() => new Engine({ coredumpOnTrap: { maxBytes: -1 } }), { message: /coredumpOnTrap.maxBytes must be/ })
  t.throws(() => new Engine({ coredumpOnTrap: { maximum: 1 } as never }), { message: /maximum is not an option/ })
})
