import { writeFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Readable } from 'node:stream'

import test from 'ava'

import { ArgumentError, Engine, LinkError, Linker, Module, Store } from '../index.mjs'
import { openRuntime } from './support/async.ts'
import { oddValues } from './support/odd-values.ts'
import { cat, hello, reactor } from './support/wasi-guests.ts'

test('each option is checked, and the error names it', async (t) => {
  const runtime = openRuntime(t)
  const cases: [options: object, message: RegExp][] = [
    [{ argv: [] }, /wasi\.argv is not an option; expected args, env/],
    [{ args: 'prog' }, /wasi\.args must be an array/],
    [{ args: ['a', 1] }, /wasi\.args\[1\] must be a string, but got the number 1/],
    [{ args: ['a\0b'] }, /wasi\.args\[0\] must not contain NUL/],
    [{ env: 'all' }, /wasi\.env must be 'inherit'/],
    [{ env: ['A=1'] }, /wasi\.env must be an object/],
    [{ env: { A: 1 } }, /wasi\.env\.A must be a string/],
    [{ env: { A: '1\0' } }, /wasi\.env\.A must not contain NUL/],
    [{ env: { 'A=B': '1' } }, /wasi\.env must have names without/],
    [{ env: { '': '1' } }, /wasi\.env must have names without/],
    [{ env: { 'A\0': '1' } }, /wasi\.env must have names without/],
    [{ preopens: '/tmp' }, /wasi\.preopens must be an object/],
    [{ preopens: ['/tmp'] }, /wasi\.preopens must be an object/],
    [{ preopens: { '/': 5 } }, /wasi\.preopens\["\/"\] must be an object/],
    [{ preopens: { '/': '' } }, /wasi\.preopens\["\/"\] must be the path/],
    [{ preopens: { '/': 'a\0b' } }, /wasi\.preopens\["\/"\] must not contain NUL/],
    [{ preopens: { '': '.' } }, /wasi\.preopens must have paths that the guest can name/],
    [{ preopens: { '/': {} } }, /wasi\.preopens\["\/"\]\.path must be the path/],
    [{ preopens: { '/': { path: '.', write: 1 } } }, /wasi\.preopens\["\/"\]\.write must be a boolean/],
    [{ preopens: { '/': { path: '.', readonly: true } } }, /readonly is not an option; expected path, write/],
    [{ preopens: { '/': new URL('http://x/') } }, /must be a file: URL/],
    [{ stdin: 5 }, /wasi\.stdin must be 'empty'/],
    [{ stdin: {} }, /wasi\.stdin must be 'empty'/],
    [{ stdout: 'pipe' }, /wasi\.stdout must be 'buffer'/],
    [{ stdout: {} }, /wasi\.stdout must be 'buffer'/],
    [{ stderr: 1 }, /wasi\.stderr must be 'buffer'/],
    [{ stdout: 'buffer', stdoutLimit: -1 }, /wasi\.stdoutLimit must be an integer/],
    [{ stdout: 'ignore', stdoutLimit: 1 }, /wasi\.stdoutLimit is for what is kept/],
    [{ clock: 'fast' }, /wasi\.clock must be 'system' or/],
    [{ clock: { fixed: -1 } }, /wasi\.clock\.fixed must be an integer from 0/],
    [{ clock: { fixed: 1.5 } }, /wasi\.clock\.fixed must be an integer from 0/],
    [{ random: 1 }, /wasi\.random must be 'system' or/],
    [{ random: { seed: 2n ** 64n } }, /wasi\.random\.seed must be an integer from 0/],
    [{ network: true }, /wasi\.network must be false/],
  ]
  for (const [wasi, message] of cases) {
    t.throws(() => runtime.runCommandSync(hello, { wasi }), { instanceOf: ArgumentError, message })
    await t.throwsAsync(runtime.runCommand(hello, { wasi }), { instanceOf: ArgumentError, message })
    t.throws(() => runtime.instantiate(reactor, { wasi }), { instanceOf: ArgumentError, message })
    t.throws(() => new Store(new Engine(), { wasi }), { instanceOf: ArgumentError, message })
  }
  t.is(runtime.stats().stores, 0)
})

test('directories that are missing, or none, are errors that say which', (t) => {
  const runtime = openRuntime(t)
  const path = mkdtempSync(join(tmpdir(), 'node-wasmtime-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  const file = join(path, 'file')
  writeFileSync(file, '')
  const run = (host: string | URL) => runtime.runCommandSync(hello, { wasi: { preopens: { '/data': host } } })
  t.throws(() => run(join(path, 'missing')), { instanceOf: ArgumentError, message: /"\/data".*missing.*No such file/s })
  t.throws(() => run(file), { instanceOf: ArgumentError, message: /"\/data".*Not a directory/s })
  t.is(run(pathToFileURL(path)).exitCode, 3)
  t.is(run(path).exitCode, 3)
  t.is(runtime.stats().stores, 0)
})

test('a stream to read from needs async mode', async (t) => {
  const runtime = openRuntime(t)
  const message = /wasi\.stdin must be text.*runCommand\(\)/
  for (const stdin of [Readable.from(['a']), new Blob(['a']).stream()]) {
    t.throws(() => runtime.runCommandSync(cat, { wasi: { stdin } }), { instanceOf: ArgumentError, message })
  }
  const stdin = Readable.from(['a'])
  t.is((await runtime.runCommand(cat, { wasi: { stdin } })).stdout.toString(), 'a')
})

test('values of every kind are taken or refused, and nothing crashes', async (t) => {
  const runtime = openRuntime(t)
  const program = runtime.compileModuleSync(hello)
  const library = runtime.compileModuleSync(reactor)
  const options = ['args', 'env', 'preopens', 'stdin', 'stdout', 'stderr', 'stdoutLimit', 'clock', 'random', 'network']
  for (const [label, make] of oddValues) {
    for (const option of options) {
      const wasi = { stdout: 'buffer', [option]: make() } as object
      try {
        runtime.runCommandSync(program, { wasi })
      } catch (error) {
        t.true(error instanceof Error, `${option}: ${label}`)
      }
      try {
        await runtime.runCommand(program, { wasi })
      } catch (error) {
        t.true(error instanceof Error, `${option}: ${label}`)
      }
    }
    t.notThrows(() => {
      try {
        runtime.instantiate(library, { wasi: make() }).close()
      } catch (error) {
        if (!(error instanceof Error)) throw error
      }
    }, label)
  }
  t.is(runtime.stats().stores, 0)
})

test('a locked stream is refused', (t) => {
  const runtime = openRuntime(t)
  const stream = new WritableStream()
  stream.getWriter()
  t.throws(() => runtime.runCommandSync(hello, { wasi: { stdout: stream } }), { instanceOf: TypeError })
})

test('the lower layer: a store with WASI, a linker with its functions', async (t) => {
  const engine = new Engine()
  const module = Module.compileSync(engine, reactor)
  const linker = new Linker(engine).wasi()
  t.throws(() => linker.instantiate(new Store(engine), module), { instanceOf: LinkError, message: /new Store.*wasi/ })
  t.throws(() => linker.wasi(), { instanceOf: LinkError, message: /defined already/ })

  const chunks: string[] = []
  const store = new Store(engine, { wasi: { stdout: (chunk) => chunks.push(chunk.toString()) } })
  t.is(store.mode, 'sync')
  const first = linker.instantiate(store, module)
  const second = linker.instantiate(store, module)
  first.getFunc('tick')?.call()
  second.getFunc('tick')?.call()
  t.deepEqual(chunks, ['tick\n', 'tick\n'])
  t.throws(() => first.getFunc('exit')?.call(4), { message: /exit_code\(4\)/ })
  t.true(store.closed)

  const other = new Store(engine, { mode: 'async', wasi: { stdout: 'buffer' } })
  const third = await linker.instantiateAsync(other, module)
  await third.getFunc('tick')?.callAsync()
  t.is(other.wasi?.takeStdout().toString(), 'tick\n')
  other.close()
  t.is(new Store(engine).wasi, undefined)

  // A function of the program's own takes the place of one of WASI.
  linker.allowShadowing = true
  linker.func(
    'wasi_snapshot_preview1',
    'fd_write',
    { params: ['i32', 'i32', 'i32', 'i32'], results: ['i32'] },
    () => 76,
  )
  const last = linker.instantiate(new Store(engine, { wasi: {} }), module)
  t.is(last.getFunc('tick')?.call(), 76)
  t.throws(() => linker.get(new Store(engine), 'wasi_snapshot_preview1', 'fd_read'), { instanceOf: TypeError })
})
