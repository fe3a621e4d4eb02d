import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import test from 'ava'

import { assertExit, root } from './process/run-node.ts'
import { TRAPPED, cli, cliFailure, cliOutput, folder, wasmFile } from './support/cli.ts'
import * as guests from './support/wasi-guests.ts'

test('a program has the streams of the process, and its exit code is the exit status', async (t) => {
  const outcome = await cli(['run', wasmFile(t, guests.hello)])
  assertExit(t, outcome, 3)
  t.is(outcome.stdout, 'hello\n')
  t.is(outcome.stderr, 'oh dear\n')
})

test('a program that returns has the exit status 0', async (t) => {
  t.is(await cliOutput(t, ['run', wasmFile(t, '(module (func (export "_start")))')]), '')
})

for (const code of [0, 1, 200, 255]) {
  test(`proc_exit(${code}) is the exit status ${code}`, async (t) => {
    const text = guests.guest(`(func (export "_start") (call $proc_exit (i32.const ${code})))`)
    assertExit(t, await cli(['run', wasmFile(t, text)]), code)
  })
}

const testUnix = process.platform === 'win32' ? test.skip : test

for (const [code, status] of [
  [256, 1],
  [258, 2],
  [0x8000_0000, 1],
] as const) {
  testUnix(`proc_exit(${code}) is no success`, async (t) => {
    const text = guests.guest(`(func (export "_start") (call $proc_exit (i32.const ${code})))`)
    assertExit(t, await cli(['run', wasmFile(t, text)]), status)
    assertExit(t, await cli(['run', '--profile', join(folder(t), 'profile'), wasmFile(t, text)]), status)
  })
}

test('an exception that nobody catches is as a trap', async (t) => {
  const path = wasmFile(
    t,
    '(module $thrower (tag $t (param i32)) (func $bad (export "_start") (throw $t (i32.const 5))))',
  )
  for (const flags of [[], ['--profile', join(folder(t), 'profile')], ['--coredump', join(folder(t), 'core')]]) {
    const outcome = await cli(['run', ...flags, path])
    assertExit(t, outcome, TRAPPED)
    t.regex(
      outcome.stderr,
      /^node-wasmtime: an exception that nobody caught\nwasm stack trace:\n\tthrower\.bad\(\).*\n/,
      flags.join(' '),
    )
  }
})

test('a function can give what only the garbage collector holds', async (t) => {
  const text = `(module (type $s (struct (field i32)))
    (func (export "make") (result structref) (struct.new $s (i32.const 1))))`
  t.is(await cliOutput(t, ['run', '--invoke', 'make', wasmFile(t, text)]), 'structref\n')
})

test('the bundle of the command line tells native code of the same as that of the library', (t) => {
  const registered = (name: string): string[] =>
    [...new Set(readFileSync(join(root, 'dist', name), 'utf8').match(/\bregister[A-Z]\w+(?=\()/g))].sort()
  t.deepEqual(registered('cli.js'), registered('index.js'))
  t.true(registered('cli.js').length > 2)
})

test('a start function that ends the program is enough', async (t) => {
  const text = guests.guest('(func $begin (call $proc_exit (i32.const 5))) (start $begin) (func (export "_start"))')
  assertExit(t, await cli(['run', wasmFile(t, text)]), 5)
})

test('everything behind the module goes to the guest as it is', async (t) => {
  const path = wasmFile(t, guests.args, 'tool.wasm')
  const words = ['--dir', '-x', '--', '--help', 'a b', '', 'ü']
  t.is(await cliOutput(t, ['run', path, ...words]), ['tool.wasm', ...words].map((word) => `${word}\0`).join(''))
  t.is(await cliOutput(t, ['run', '--', path, '--env', 'A=b']), 'tool.wasm\0--env\0A=b\0')
  t.is(await cliOutput(t, ['run', '--argv0', 'other', path, 'a']), 'other\0a\0')
})

test('a guest sees no variables but those that it is given', async (t) => {
  const path = wasmFile(t, guests.environ)
  const env = { ...process.env, CLI_TEST: 'from outside', CLI_EMPTY: '' }
  t.is(await cliOutput(t, ['run', path], { env }), '')
  const flags = ['--env', 'A=1', '--env=B=x=y', '--env', 'CLI_TEST', '--env', 'CLI_EMPTY', '--env', 'NOT_THERE_AT_ALL']
  t.is(await cliOutput(t, ['run', ...flags, path], { env }), 'A=1\0B=x=y\0CLI_TEST=from outside\0CLI_EMPTY=\0')
  const all = (await cliOutput(t, ['run', '--inherit-env', '--env', 'CLI_TEST=mine', path], { env })).split('\0')
  t.true(all.includes('CLI_TEST=mine'))
  t.true(all.some((pair) => /^path=./i.test(pair)))
  await cliFailure(t, ['run', '--env', '=x', path], 2, /--env must be NAME=value or NAME/)
})

/** Makes the file "out" in its first directory, with "made" in it; exits with the error number. */
const writer = guests.guest(`
  (data (i32.const 1024) "out")
  (data (i32.const 1040) "made")
  (func (export "_start")
    (local $fd i32)
    (local.set $fd (call $open (i32.const 3) (i32.const 1024) (i32.const 3) (i32.const 1) (i64.const 64)))
    (if (i32.lt_s (local.get $fd) (i32.const 0))
      (then (call $proc_exit (i32.sub (i32.const 0) (local.get $fd)))))
    (call $proc_exit (call $write (local.get $fd) (i32.const 1040) (i32.const 4))))`)

for (const [flag, writable] of [
  ['', true],
  [':rw', true],
  [':ro', false],
  ['::/data', true],
  ['::/data:ro', false],
] as const) {
  test(`--dir host${flag} gives a directory that can be ${writable ? 'written to' : 'read only'}`, async (t) => {
    const directory = folder(t)
    const { status, stderr } = await cli(['run', '--dir', `${directory}${flag}`, wasmFile(t, writer)])
    // Not permitted, or a file system that can only be read.
    t.true(
      writable ? status === 0 : status === 63 || status === 69 || status === 2 || status === 76,
      `${status} ${stderr}`,
    )
    t.is(existsSync(join(directory, 'out')) && readFileSync(join(directory, 'out'), 'utf8'), writable && 'made')
  })
}

test('directories that are not there, or are there twice, are refused', async (t) => {
  const path = wasmFile(t, guests.hello)
  const directory = folder(t)
  await cliFailure(t, ['run', '--dir', join(directory, 'no'), path], 2, /--dir .*no" is no directory/)
  await cliFailure(t, ['run', '--dir', path, path], 2, /guest\.wasm" is no directory/)
  await cliFailure(t, ['run', '--dir', '::/x', path], 2, /--dir must be host, host::guest/)
  await cliFailure(t, ['run', '--dir', `${directory}::/a`, '--dir', `${directory}::/a`, path], 2, /another directory/)
})

test('standard input reaches the guest, however long it is, and its output is not cut', async (t) => {
  const input = 'all of it\n'.repeat(200_000)
  const stdout = await cliOutput(t, ['run', wasmFile(t, guests.cat)], { input })
  t.is(stdout.length, input.length)
  t.true(stdout === input)
})

test('large output goes through a pipe', async (t) => {
  t.is((await cliOutput(t, ['run', wasmFile(t, guests.big)])).length, 1024 * 1024 + 1)
})

test('a module can be text, whatever its name, and come from standard input', async (t) => {
  const wat = wasmFile(t, guests.hello, 'hello.wat')
  assertExit(t, await cli(['run', wat]), 3)
  const bytes = readFileSync(wasmFile(t, guests.hello))
  const outcome = await cli(['run', '-'], { input: bytes })
  assertExit(t, outcome, 3)
  t.is(outcome.stdout, 'hello\n')
  assertExit(t, await cli(['run', '-'], { input: guests.hello }), 3)
})

test('a module that is no program says what it exports', async (t) => {
  const path = wasmFile(t, '(module (func (export "add") (param $a i32) (param $b i64) (result f64) (f64.const 0)))')
  await cliFailure(
    t,
    ['run', path],
    1,
    /no function "_start".*--invoke\nIt exports these functions:\n {2}add\(a: i32, b: i64\) -> f64/,
  )
  await cliFailure(t, ['run', wasmFile(t, '(module)')], 1, /It exports no functions/)
})

test('imports that nobody offers are named', async (t) => {
  const text = '(module (import "env" "log" (func (param i32))) (func (export "_start")))'
  await cliFailure(t, ['run', wasmFile(t, text)], 1, /guest\.wasm imports what .*:\n {2}env\.log: func \(i32\)\n$/)
  const wrong = '(module (import "wasi_snapshot_preview1" "fd_write" (func)) (func (export "_start")))'
  await cliFailure(
    t,
    ['run', wasmFile(t, wrong)],
    1,
    /fd_write: func \(\), but there it is func \(i32,i32,i32,i32\) i32/,
  )
})

test('what cannot be read, or is no module, is said in a line', async (t) => {
  const directory = folder(t)
  const named = (name: string, data: string | Uint8Array): string => {
    writeFileSync(join(directory, name), data)
    return join(directory, name)
  }
  await cliFailure(t, ['run', join(directory, 'not.wasm')], 1, /cannot read .*not\.wasm: there is no such file/)
  await cliFailure(t, ['run', directory], 1, /cannot read .*: it is a directory/)
  await cliFailure(t, ['run', named('empty.wasm', '')], 1, /empty\.wasm is empty/)
  await cliFailure(t, ['run', named('x.png', Buffer.from([0x89, 0x50, 0, 255]))], 1, /x\.png is no WebAssembly module/)
  await cliFailure(t, ['run', named('x.js', 'let x = 1')], 1, /x\.js: invalid WAT: expected `\(`/)
  const broken = Buffer.from(readFileSync(wasmFile(t, guests.hello))).subarray(0, -3)
  await cliFailure(t, ['run', named('cut.wasm', broken)], 1, /cut\.wasm: .*end/)
  await cliFailure(t, ['run', '-'], 1, /standard input is empty/, { input: '' })
  const component = Buffer.from([0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0])
  await cliFailure(t, ['run', named('component.wasm', component)], 1, /WebAssembly component, not a core module/)
})

test('engine options are those of the library, by name and value', async (t) => {
  const path = wasmFile(t, '(module (func (export "_start") (drop (i8x16.splat (i32.const 1)))))')
  t.is(await cliOutput(t, ['run', '--engine', 'optLevel=none', '--engine', 'maxWasmStack=1MiB', path]), '')
  await cliFailure(
    t,
    ['run', '--engine', 'simd=false', '--engine', 'relaxedSimd=false', path],
    1,
    /guest\.wasm: .*SIMD/i,
  )
  await cliFailure(t, ['run', '--engine', 'optLevl=none', path], 2, /no option "optLevl"; did you mean "optLevel"/)
  await cliFailure(t, ['run', '--engine', 'optLevel=fast', path], 2, /--engine: optLevel must be 'none'/)
  await cliFailure(t, ['run', '--engine', 'cache=x', path], 2, /use --cache/)
})

test('names that every object has are names as others', async (t) => {
  t.is(
    await cliOutput(t, ['run', '--env', 'toString', '--env', '__proto__=x', wasmFile(t, guests.environ)]),
    '__proto__=x\0',
  )
  const directory = folder(t)
  assertExit(t, await cli(['run', '--dir', `${directory}::__proto__`, wasmFile(t, writer)]), 0)
  t.is(readFileSync(join(directory, 'out'), 'utf8'), 'made')
})

const hasPython = process.platform !== 'win32' && spawnSync('python3', ['--version']).status === 0
const testPython = hasPython ? test : test.skip

testPython('standard input that does not wait is waited for', async (t) => {
  const path = wasmFile(t, '(module (func (export "_start")))')
  // Node.js cannot make a pipe that does not wait for a child. The command line has long begun to read when something comes.
  const unblock = 'import os, sys; os.set_blocking(0, False); os.execv(sys.argv[1], sys.argv[1:])'
  const command = [process.execPath, join(root, 'bin', 'node-wasmtime.js'), 'validate', '-']
  const words = ['python3', '-c', unblock, ...command].map((word) => `'${word}'`).join(' ')
  const { status, stderr } = spawnSync('sh', ['-c', `(sleep 2; cat '${path}') | ${words}`], {
    encoding: 'utf8',
    timeout: 60_000,
  })
  t.is(status, 0, stderr)
  t.is(stderr, '')
})
