import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import test, { type ExecutionContext } from 'ava'

import {
  ArgumentError,
  type AsyncCommandConfig,
  type CommandResult,
  ExitError,
  LimitError,
  LinkError,
  type Runtime,
  TrapError,
  wasiOutputOf,
} from '../index.mjs'
import { openRuntime } from './support/async.ts'
import { args, big, cat, environ, guest, hello, reactor, world } from './support/wasi-guests.ts'

function tempDir(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'node-wasmtime-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}

type Run = (
  runtime: Runtime,
  source: string,
  config?: Omit<AsyncCommandConfig, 'signal' | 'timeoutMs'>,
) => Promise<CommandResult>

/** What holds in both modes. */
const both = test.macro({
  title: (title = '', mode: 'sync' | 'async') => `${mode}: ${title}`,
  async exec(t, mode: 'sync' | 'async', check: (t: ExecutionContext, runtime: Runtime, run: Run) => Promise<void>) {
    const run: Run = async (runtime, source, config) =>
      mode === 'sync' ? runtime.runCommandSync(source, config) : await runtime.runCommand(source, config)
    await check(t, openRuntime(t), run)
  },
})

function inBoth(title: string, check: (t: ExecutionContext, runtime: Runtime, run: Run) => Promise<void>): void {
  test(title, both, 'sync', check)
  test(title, both, 'async', check)
}

inBoth('a program gives its exit code and what it has written', async (t, runtime, run) => {
  const { exitCode, stdout, stderr } = await run(runtime, hello)
  t.is(exitCode, 3)
  t.is(stdout.toString(), 'hello\n')
  t.is(stderr.toString(), 'oh dear\n')
  t.is(runtime.stats().stores, 0)
})

inBoth('a program that just returns has exit code 0', async (t, runtime, run) => {
  const { exitCode, stdout } = await run(runtime, cat)
  t.is(exitCode, 0)
  t.is(stdout.length, 0)
})

inBoth('exit codes beyond 125 are exit codes', async (t, runtime, run) => {
  for (const code of [0, 125, 126, 255, 0xffff_ffff]) {
    const source = guest(`(func (export "_start") (call $proc_exit (i32.const ${code})))`)
    t.is((await run(runtime, source)).exitCode, code)
  }
})

inBoth('arguments and environment are what was given, and nothing else', async (t, runtime, run) => {
  const list = async (source: string, wasi: object) => (await run(runtime, source, { wasi })).stdout.toString()
  t.is(await list(args, {}), '')
  t.is(await list(environ, {}), '')
  t.is(await list(args, { args: ['prog', '--flag', '', 'grüße'] }), 'prog\0--flag\0\0grüße\0')
  t.is(await list(environ, { env: { LANG: 'C', EMPTY: '', NOT: undefined } }), 'LANG=C\0EMPTY=\0')
  process.env['NODE_WASMTIME_TEST'] = 'here'
  t.regex(await list(environ, { env: 'inherit' }), /(^|\0)NODE_WASMTIME_TEST=here\0/)
})

inBoth('standard input is text or bytes', async (t, runtime, run) => {
  const text = 'grüße\n'.repeat(50_000)
  for (const stdin of [text, Buffer.from(text), new Uint8Array(Buffer.from(text)).buffer]) {
    const { stdout } = await run(runtime, cat, { wasi: { stdin } })
    t.is(stdout.toString(), text)
  }
})

inBoth('output up to the limit is kept, and more ends the program', async (t, runtime, run) => {
  const { stdout } = await run(runtime, big)
  t.is(stdout.length, 2 ** 20 + 1)
  const exact = await run(runtime, big, { wasi: { stdoutLimit: 2 ** 20 + 1 } })
  t.is(exact.stdout.length, 2 ** 20 + 1)
  const error = await t.throwsAsync(run(runtime, big, { wasi: { stdoutLimit: 1000 } }), { instanceOf: LimitError })
  t.regex(error?.message ?? '', /1000 bytes to stdout.*stdoutLimit/)
  t.is(wasiOutputOf(error)?.stdout.length, 1000)
  t.is(wasiOutputOf(error)?.stdout.length, 1000, 'also when it is asked for again')
  t.is(runtime.stats().stores, 0)
})

inBoth('a program that traps has an error, with what it had written', async (t, runtime, run) => {
  const source = guest(`
    (data (i32.const 1024) "panicked\\n")
    (func (export "_start")
      (drop (call $write (i32.const 2) (i32.const 1024) (i32.const 9)))
      unreachable)`)
  const error = await t.throwsAsync(run(runtime, source), { instanceOf: TrapError })
  t.is(wasiOutputOf(error)?.stderr.toString(), 'panicked\n')
  t.is(wasiOutputOf(new Error('another')), undefined)
})

inBoth('clocks and randomness can be fixed', async (t, runtime, run) => {
  const wasi = { clock: { fixed: 1_700_000_000_123_456_789n }, random: { seed: 42 } }
  const first = (await run(runtime, world, { wasi })).stdout
  const again = (await run(runtime, world, { wasi })).stdout
  t.deepEqual(again, first)
  t.is(first.readBigUInt64LE(16), 1_700_000_000_123_456_789n)
  t.is(first.readBigUInt64LE(24), 0n)
  const other = (await run(runtime, world, { wasi: { random: { seed: 2n ** 64n - 1n } } })).stdout
  t.notDeepEqual(other.subarray(0, 16), first.subarray(0, 16))
  const real = (await run(runtime, world)).stdout
  t.notDeepEqual(real.subarray(0, 16), (await run(runtime, world)).stdout.subarray(0, 16))
  const now = Number(real.readBigUInt64LE(16) / 1_000_000n)
  t.true(Math.abs(now - Date.now()) < 600_000)
})

/** Opens the file "f" of the first directory with these flags and rights; exits with the error number. */
const opener = (flags: number, rights: string, body: string): string =>
  guest(`
    (data (i32.const 1024) "f")
    (data (i32.const 1040) "written")
    (func (export "_start")
      (local $fd i32) (local $n i32)
      (local.set $fd (call $open (i32.const 3) (i32.const 1024) (i32.const 1) (i32.const ${flags}) (i64.const ${rights})))
      (if (i32.lt_s (local.get $fd) (i32.const 0))
        (then (call $proc_exit (i32.sub (i32.const 0) (local.get $fd)))))
      ${body})`)

const reader = opener(
  0,
  '2',
  `(local.set $n (call $read (local.get $fd) (i32.const 4096) (i32.const 1000)))
   (drop (call $write (i32.const 1) (i32.const 4096) (local.get $n)))`,
)
const writer = opener(9, '64', `(call $proc_exit (call $write (local.get $fd) (i32.const 1040) (i32.const 7)))`)

inBoth('a directory can be read, and written to only where that is said', async (t, runtime, run) => {
  const path = tempDir(t)
  writeFileSync(join(path, 'f'), 'content')
  t.is((await run(runtime, reader, { wasi: { preopens: { '/': path } } })).stdout.toString(), 'content')
  t.is((await run(runtime, reader)).exitCode, 8, 'EBADF: no directory')
  t.is((await run(runtime, writer, { wasi: { preopens: { '/': path } } })).exitCode, 63, 'EPERM')
  t.is((await run(runtime, writer, { wasi: { preopens: { '/': { path, write: false } } } })).exitCode, 63)
  t.is(readFileSync(join(path, 'f'), 'utf8'), 'content')
  t.is((await run(runtime, writer, { wasi: { preopens: { '/': { path, write: true } } } })).exitCode, 0)
  t.is(readFileSync(join(path, 'f'), 'utf8'), 'written')
})

inBoth('host functions stand beside WASI, and replace single functions of it', async (t, runtime, run) => {
  const seen: unknown[] = []
  runtime
    .newHostModuleBuilder('env')
    .newFunctionBuilder()
    .withModuleFunc((mod, code) => void seen.push(mod.context, code), ['i32'], [])
    .export('note')
    .instantiate()
  runtime
    .newHostModuleBuilder('wasi_snapshot_preview1')
    .newFunctionBuilder()
    .withModuleFunc(
      (mod, at, length) => (mod.memory?.write(at, Buffer.alloc(length, 'r')) === true ? 0 : 21),
      ['i32', 'i32'],
      ['i32'],
    )
    .export('random_get')
    .instantiate()
  const source = guest(
    `(func (export "_start")
      (call $note (i32.const 7))
      (drop (call $random_get (i32.const 1024) (i32.const 4)))
      (drop (call $write (i32.const 1) (i32.const 1024) (i32.const 4))))`,
    '(import "env" "note" (func $note (param i32)))',
  )
  const { stdout } = await run(runtime, source, { context: 'here' })
  t.is(stdout.toString(), 'rrrr')
  t.deepEqual(seen, ['here', 7])
})

inBoth('wasi_unstable is there as well', async (t, runtime, run) => {
  const source = hello.replaceAll('wasi_snapshot_preview1', 'wasi_unstable')
  const { exitCode, stdout } = await run(runtime, source)
  t.is(exitCode, 3)
  t.is(stdout.toString(), 'hello\n')
})

inBoth('what is no program is refused', async (t, runtime, run) => {
  const error = await t.throwsAsync(run(runtime, reactor), { instanceOf: LinkError })
  t.regex(error?.message ?? '', /_start.*instantiate/)
})

inBoth('a guest that calls WASI without a memory gets an error that says so', async (t, runtime, run) => {
  const source = `(module (import "wasi_snapshot_preview1" "random_get" (func $f (param i32 i32) (result i32)))
    (func (export "_start") (drop (call $f (i32.const 0) (i32.const 0)))))`
  await t.throwsAsync(run(runtime, source), { instanceOf: LinkError, message: /must export it as "memory"/ })
})

inBoth('an address beyond the memory is a trap, an error number where it is not used', async (t, runtime, run) => {
  const source = guest(`(func (export "_start")
    (call $proc_exit (call $random_get (i32.const 131000) (i32.const 1000))))`)
  const error = await t.throwsAsync(run(runtime, source), { instanceOf: TrapError })
  t.is(error?.trapCode, 'memory-out-of-bounds')
  t.regex(error?.message ?? '', /WASI/)
  t.is(error?.frames[0]?.functionName, undefined)
  const list = guest(`(func (export "_start")
    (call $proc_exit (call $fd_write (i32.const 1) (i32.const 131064) (i32.const 100) (i32.const 8))))`)
  await t.throwsAsync(run(runtime, list), { instanceOf: TrapError })
})

inBoth('a wrong type of a function is a link error', async (t, runtime, run) => {
  const source = `(module (import "wasi_snapshot_preview1" "random_get" (func (param i64) (result i32)))
    (func (export "_start")))`
  const error = await t.throwsAsync(run(runtime, source), { instanceOf: LinkError })
  t.regex(error?.message ?? '', /random_get.*signature mismatch: i64_i32 != i32i32_i32/)
})

test('a start function that exits is as one that is called', async (t) => {
  const runtime = openRuntime(t)
  const source = (code: number) =>
    guest(`(func $begin (call $proc_exit (i32.const ${code}))) (start $begin) (func (export "_start") unreachable)`)
  t.is((await runtime.runCommand(source(0))).exitCode, 0)
  t.is((await runtime.runCommand(source(5))).exitCode, 5)
  t.is(runtime.runCommandSync(source(0)).exitCode, 0)
  t.is(runtime.runCommandSync(source(5)).exitCode, 5)
})

test('instantiate runs a program too, and its exit code is that of the instance', async (t) => {
  const runtime = openRuntime(t)
  const wasi = { stdout: 'buffer' } as const
  const failed = t.throws(() => runtime.instantiate(hello, { wasi }), { instanceOf: ExitError })
  t.is(failed?.exitCode, 3)
  t.is(wasiOutputOf(failed)?.stdout.toString(), 'hello\n')
  const asyncError = await t.throwsAsync(runtime.instantiateAsync(hello, { wasi }), { instanceOf: ExitError })
  t.is(asyncError?.exitCode, 3)
  const zero = hello.replace('$proc_exit (i32.const 3)', '$proc_exit (i32.const 0)')
  const instance = runtime.instantiate(zero, { wasi })
  t.true(instance.closed)
  t.is(instance.exitCode, 0)
  t.is(instance.wasi?.takeStdout().toString(), 'hello\n')
})

test('a library is called by the host, and what it exits with is an error and its end', async (t) => {
  const runtime = openRuntime(t)
  const config = { startFunctions: ['_initialize'], wasi: { stdout: 'buffer' } } as const
  const instance = runtime.instantiate(reactor, config)
  t.is(instance.exportedGlobal('ready')?.value, 1)
  t.is(instance.exports['tick'](), 0)
  t.is(instance.wasi?.takeStdout().toString(), 'tick\n')
  t.is(instance.exports['tick'](), 0)
  t.is(instance.wasi?.takeStdout().toString(), 'tick\n')
  const error = t.throws(() => instance.exports['exit'](0), { instanceOf: ExitError })
  t.is(error?.exitCode, 0)
  t.true(instance.closed)
  t.is(instance.exitCode, 0)
  t.throws(() => instance.exports['tick'](), { instanceOf: ExitError })

  const other = await runtime.instantiateAsync(reactor, config)
  t.is(await other.exports['tick'].async(), 0)
  t.is(other.exports['tick'](), 0)
  t.is(other.wasi?.takeStdout().toString(), 'tick\ntick\n')
  const late = await t.throwsAsync(() => other.exports['exit'].async(9), { instanceOf: ExitError })
  t.is(late?.exitCode, 9)
  t.is(other.exitCode, 9)
  await t.throwsAsync(() => other.exports['tick'].async(), { instanceOf: ExitError })
  t.is(runtime.stats().stores, 0)
})

test('without the option there is no WASI, and the error says so', (t) => {
  const runtime = openRuntime(t)
  const error = t.throws(() => runtime.instantiate(hello), { instanceOf: LinkError })
  t.regex(error?.message ?? '', /wasi_snapshot_preview1.*config has no wasi/)
  t.is(runtime.runCommandSync(hello).exitCode, 3)
  t.throws(() => runtime.instantiate(hello), { instanceOf: LinkError })
})

test('an instance with WASI has a store of its own: no name, and nothing to import from others', (t) => {
  const runtime = openRuntime(t)
  t.throws(() => runtime.instantiate(reactor, { name: 'lib', wasi: {} }), {
    instanceOf: ArgumentError,
    message: /name/,
  })
  runtime.instantiate('(module (memory (export "m") 1))', { name: 'other' })
  const source = guest('', '(import "other" "m" (memory $other 1))').replace(
    /\(memory \(export[^)]*\) 2\)/,
    '(export "memory" (memory $other))',
  )
  t.throws(() => runtime.instantiate(source, { wasi: {} }), { instanceOf: LinkError, message: /store of its own/ })
  const named = reactor.replace('(module', '(module $named')
  runtime.instantiate(named, { wasi: {} })
  runtime.instantiate(named, { wasi: {} })
  t.is(runtime.module('named'), undefined)
})

inBoth('a guest cannot have files open without end', async (t, runtime, run) => {
  const path = tempDir(t)
  writeFileSync(join(path, 'f'), '')
  const source = guest(`
    (data (i32.const 1024) "f")
    (func (export "_start")
      (loop $more
        (br_if $more (i32.ge_s (call $open (i32.const 3) (i32.const 1024) (i32.const 1) (i32.const 0) (i64.const 2))
          (i32.const 0)))))`)
  const error = await t.throwsAsync(run(runtime, source, { wasi: { preopens: { '/': path } } }), {
    instanceOf: TrapError,
  })
  t.regex(error?.message ?? '', /resource table/)
})
