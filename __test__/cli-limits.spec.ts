import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

import test from 'ava'

import { assertExit, root } from './process/run-node.ts'
import { TRAPPED, cli, cliFailure, cliOutput, folder, wasmFile } from './support/cli.ts'
import * as guests from './support/wasi-guests.ts'

const endless = '(module $spinner (func $spin (export "_start") (loop br 0)))'
const trap = '(module $bad (memory 1) (func $inner unreachable) (func $outer (export "_start") (call $inner)))'

test('a trap has its reason and its frames on standard error, and the status of an abort', async (t) => {
  const outcome = await cli(['run', wasmFile(t, trap)])
  assertExit(t, outcome, TRAPPED)
  t.regex(
    outcome.stderr,
    /^node-wasmtime: wasm error: unreachable\nwasm stack trace:\n\tbad\.inner\(\).*\n\tbad\.outer\(\).*\n$/,
  )
})

test('--timeout stops a guest that computes', async (t) => {
  const outcome = await cli(['run', '--timeout', '1s', wasmFile(t, endless)])
  assertExit(t, outcome, TRAPPED)
  t.regex(outcome.stderr, /guest\.wasm was stopped after 1000 ms \(--timeout\)\nwasm stack trace:\n\tspinner\.spin/)
})

test('--timeout stops a guest that sleeps, and one that waits for input', async (t) => {
  assertExit(t, await cli(['run', '--timeout', '0.1s', wasmFile(t, guests.sleeper)]), TRAPPED)
  const waiting = await cli(['run', '--timeout=100', wasmFile(t, guests.cat)], { input: 'held open', holdInput: true })
  assertExit(t, waiting, TRAPPED)
  t.is(waiting.stdout, 'held open')
})

test('a guest that ends in time is not stopped', async (t) => {
  t.is(await cliOutput(t, ['run', '--timeout', '1m', wasmFile(t, guests.cat)], { input: 'text' }), 'text')
})

test('--fuel stops a guest, after the same work every time', async (t) => {
  const path = wasmFile(t, endless)
  for (const fuel of ['100000', '1_000']) {
    const outcome = await cli(['run', '--fuel', fuel, path])
    assertExit(t, outcome, TRAPPED)
    t.regex(outcome.stderr, /fuel/)
  }
  const little = wasmFile(t, '(module (func (export "_start") (drop (i32.const 1))))')
  t.is(await cliOutput(t, ['run', '--fuel', '1000', little]), '')
  assertExit(t, await cli(['run', '--fuel', '0', little]), TRAPPED)
})

test('--max-memory limits what a guest has and what it can grow to', async (t) => {
  const grows = guests.guest(`
    (func (export "_start") (call $proc_exit (i32.eq (memory.grow (i32.const 100)) (i32.const -1))))`)
  assertExit(t, await cli(['run', '--max-memory', '1MiB', wasmFile(t, grows)]), 1)
  assertExit(t, await cli(['run', '--max-memory', '1GiB', wasmFile(t, grows)]), 0)
  await cliFailure(t, ['run', '--max-memory=64KiB', wasmFile(t, grows)], 1, /^node-wasmtime: --max-memory is 65536: /)
})

test('values that are no times, sizes or amounts are refused with examples', async (t) => {
  const path = wasmFile(t, trap)
  for (const [option, value, message] of [
    ['--timeout', 'soon', /--timeout must be a time, such as 500ms, 2s or 1m.*, not "soon"/],
    ['--timeout', '99d', /--timeout/],
    ['--fuel', '1.5', /--fuel must be an integer/],
    ['--fuel', '18446744073709551616', /--fuel must be an integer/],
    ['--max-memory', '1 potato', /--max-memory must be a number of bytes.*64MiB/],
    ['--max-memory', '0.3', /--max-memory/],
  ] as const) {
    await cliFailure(t, ['run', option, value, path], 2, message)
  }
})

const testSignals = process.platform === 'win32' ? test.skip : test

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  testSignals(`${signal} ends a guest that computes`, async (t) => {
    const begins = guests.guest(`
      (data (i32.const 1024) "go\\n")
      (func (export "_start") (drop (call $write (i32.const 1) (i32.const 1024) (i32.const 3))) (loop br 0))`)
    const outcome = await cli(['run', wasmFile(t, begins)], {
      started: (child) => child.stdout?.once('data', () => child.kill(signal)),
    })
    t.false(outcome.timedOut)
    t.is(outcome.signal, signal, outcome.stderr)
  })
}

testSignals('a reader that goes away ends the guest, quietly', async (t) => {
  const yes = guests.guest(`
    (data (i32.const 1024) "yes\\n")
    (func (export "_start")
      (loop (drop (call $write (i32.const 1) (i32.const 1024) (i32.const 4))) (br 0)))`)
  const outcome = await cli(['run', wasmFile(t, yes)], {
    started: (child) => child.stdout?.once('data', () => child.stdout?.destroy()),
  })
  t.is(outcome.signal, 'SIGPIPE')
  t.is(outcome.stderr, '')
})

testSignals('so it does the command line itself', async (t) => {
  const functions = Array.from({ length: 20_000 }, (_, index) => `(func (export "f${index}"))`).join('')
  const outcome = await cli(['inspect', '--json', wasmFile(t, `(module ${functions})`)], {
    started: (child) => child.stdout?.once('data', () => child.stdout?.destroy()),
  })
  t.is(outcome.signal, 'SIGPIPE')
  t.is(outcome.stderr, '')
})

test('--coredump writes a dump when a guest traps, and only then', async (t) => {
  const file = join(folder(t), 'guest.core')
  const outcome = await cli(['run', '--coredump', file, wasmFile(t, trap)])
  assertExit(t, outcome, TRAPPED)
  t.regex(outcome.stderr, /unreachable[^]*a core dump was written to .*guest\.core\n$/)
  const dump = readFileSync(file)
  t.is(dump.toString('latin1', 0, 4), '\0asm')
  t.true(dump.includes('corestack'))
  const other = join(folder(t), 'none.core')
  await cliOutput(t, ['run', '--coredump', other, wasmFile(t, '(module (func (export "_start")))')])
  t.false(existsSync(other))
  await cliFailure(t, ['run', '--coredump', join(other, 'x'), wasmFile(t, trap)], 1, /cannot write .*no such file/)
})

/** Something to do for a while, in functions with names. */
const busy = `(module
  (func $work (param i32) (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
  (func (export "_start") (call $work (i32.const 100000000))))`

test('--profile writes a profile of a program', async (t) => {
  const file = join(folder(t), 'profile.json')
  const outcome = await cli(['run', '--profile', file, wasmFile(t, busy)])
  assertExit(t, outcome)
  t.regex(outcome.stderr, /a profile was written to .*profile\.json\n$/)
  const profile = readFileSync(file, 'utf8')
  t.true(Array.isArray((JSON.parse(profile) as { threads: unknown }).threads))
  t.true(profile.includes('work'))
})

test('--profile leaves exit codes, traps and timeouts as they are, and writes the profile', async (t) => {
  for (const [text, status, ...flags] of [
    [guests.hello, 3],
    [trap, TRAPPED],
    [endless, TRAPPED, '--timeout', '200ms'],
  ] as const) {
    const file = join(folder(t), 'profile.json')
    assertExit(t, await cli(['run', '--profile', file, ...flags, wasmFile(t, text)]), status)
    t.true(statSync(file).size > 0)
  }
})

testSignals('--profile writes what it has when the guest is stopped with Ctrl-C', async (t) => {
  const file = join(folder(t), 'profile.json')
  const begins = guests.guest(`
    (data (i32.const 1024) "go\\n")
    (func $spin (loop br 0))
    (func (export "_start") (drop (call $write (i32.const 1) (i32.const 1024) (i32.const 3))) (call $spin))`)
  const outcome = await cli(['run', '--profile', file, wasmFile(t, begins)], {
    started: (child) => child.stdout?.once('data', () => setTimeout(() => child.kill('SIGINT'), 100)),
  })
  t.is(outcome.signal, 'SIGINT', outcome.stderr)
  t.true(readFileSync(file, 'utf8').includes('spin'))
})

test('--profile says that there is none, or that it cannot be written, beside how the guest ended', async (t) => {
  const starts = wasmFile(t, '(module (func $s unreachable) (start $s) (func (export "_start")))')
  const outcome = await cli(['run', '--profile', join(folder(t), 'profile.json'), starts])
  assertExit(t, outcome, TRAPPED)
  t.regex(outcome.stderr, /unreachable[^]*there is no profile, since the guest has ended in its start function/)
})

testSignals('--profile that cannot be written is told after Ctrl-C and traps, and is a failure', async (t) => {
  const begins = guests.guest(`
    (data (i32.const 1024) "go\\n")
    (func (export "_start") (drop (call $write (i32.const 1) (i32.const 1024) (i32.const 3))) (loop br 0))`)
  const gone = join(folder(t), 'gone')
  for (const [text, end] of [
    [begins, 'SIGINT'],
    [guests.guest(`(data (i32.const 1024) "go\\n")
      (func (export "_start") (drop (call $write (i32.const 1) (i32.const 1024) (i32.const 3))) (drop (call $sleep (i64.const 1000000000))) unreachable)`), TRAPPED], // prettier-ignore
    [guests.guest(`(data (i32.const 1024) "go\\n")
      (func (export "_start") (drop (call $write (i32.const 1) (i32.const 1024) (i32.const 3))) (drop (call $sleep (i64.const 1000000000))))`), 1], // prettier-ignore
  ] as const) {
    mkdirSync(gone)
    const outcome = await cli(['run', '--profile', join(gone, 'profile.json'), wasmFile(t, text)], {
      started: (child) =>
        child.stdout?.once('data', () => {
          rmdirSync(gone)
          if (end === 'SIGINT') child.kill(end)
        }),
    })
    t.is(outcome.signal ?? outcome.status, end, outcome.stderr)
    t.regex(outcome.stderr, /node-wasmtime: cannot write .*profile\.json: there is no such file/)
  }
})

const hasTerminal = process.platform === 'linux' && spawnSync('script', ['--version']).status === 0
const testTerminal = hasTerminal ? test : test.skip

testTerminal('on a terminal a long compilation shows that it goes on, and leaves nothing behind', (t) => {
  const body = '(local.set 0 (i32.add (local.get 0) (i32.mul (local.get 0) (i32.const 3))))'.repeat(30)
  const functions = `(func (param i32) (result i32) ${body} (local.get 0))`.repeat(3000)
  const path = wasmFile(t, `(module ${functions} (func (export "_start")))`, 'large.wasm')
  const command = [process.execPath, join(root, 'bin', 'node-wasmtime.js'), 'run', path].map((word) => `'${word}'`)
  const { status, stdout } = spawnSync('script', ['-qec', command.join(' '), '/dev/null'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 120_000,
  })
  t.is(status, 0, stdout)
  t.regex(stdout, /compiling \S*large\.wasm \(\d+ KiB\) \d+\.\d s/)
  t.true(stdout.endsWith('\r\x1b[K'))
})
