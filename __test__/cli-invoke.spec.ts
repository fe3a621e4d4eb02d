import test from 'ava'

import { assertExit } from './process/run-node.ts'
import { TRAPPED, cli, cliFailure, cliOutput, wasmFile } from './support/cli.ts'
import * as guests from './support/wasi-guests.ts'

const math = `(module $math
  (func (export "add") (param $left i32) (param $right i32) (result i32)
    (i32.add (local.get $left) (local.get $right)))
  (func (export "i64") (param i64) (result i64) (local.get 0))
  (func (export "f32") (param f32) (result f32) (local.get 0))
  (func (export "f64") (param f64) (result f64) (local.get 0))
  (func (export "v128") (param v128) (result v128) (local.get 0))
  (func (export "ref") (param externref) (result externref) (local.get 0))
  (func (export "swap") (param i32 i64) (result i64 i32) (local.get 1) (local.get 0))
  (func (export "both") (result f32 funcref) (f32.const 0.1) (ref.null func))
  (func (export "trap") unreachable)
  (func (export "nothing"))
  (memory (export "memory") 1))`

/** Calls a function of the module above; gives the lines that come out. */
const called = async (t: Parameters<typeof cliOutput>[0], name: string, ...words: string[]): Promise<string[]> =>
  (await cliOutput(t, ['run', '--invoke', name, wasmFile(t, math), ...words])).split('\n').slice(0, -1)

test('--invoke prints the results of a function, one a line', async (t) => {
  t.deepEqual(await called(t, 'add', '2', '40'), ['42'])
  t.deepEqual(await called(t, 'add', '-2', '-0x10'), ['-18'])
  t.deepEqual(await called(t, 'swap', '1', '-9223372036854775808'), ['-9223372036854775808', '1'])
  t.deepEqual(await called(t, 'both'), ['0.1', 'null'])
  t.deepEqual(await called(t, 'nothing'), [])
})

test('arguments are read in the forms of their types', async (t) => {
  t.deepEqual(await called(t, 'add', '4294967295', '0'), ['-1'])
  t.deepEqual(await called(t, 'i64', '18446744073709551615'), ['-1'])
  t.deepEqual(await called(t, 'i64', '0x7fff_ffff_ffff_ffff'), ['9223372036854775807'])
  t.deepEqual(await called(t, 'f32', '0.1'), ['0.1'])
  t.deepEqual(await called(t, 'f32', '16777216'), ['16777216'])
  // Nine digits, where the text of the double has seventeen.
  t.deepEqual(await called(t, 'f32', '0.100000024'), ['0.100000024'])
  t.deepEqual(await called(t, 'f64', '-0'), ['-0'])
  t.deepEqual(await called(t, 'f64', '1e300'), ['1e+300'])
  t.deepEqual(await called(t, 'f64', '-inf'), ['-Infinity'])
  t.deepEqual(await called(t, 'f64', 'nan'), ['NaN'])
  const vector = '0x0f0e0d0c0b0a09080706050403020100'
  t.deepEqual(await called(t, 'v128', vector), [vector])
  t.deepEqual(await called(t, 'ref', 'null'), ['null'])
})

test('wrong arguments are refused with the signature of the function', async (t) => {
  const path = wasmFile(t, math)
  for (const [words, message] of [
    [['add', '1'], /add\(left: i32, right: i32\) -> i32 takes 2 arguments, but got 1/],
    [['add', '1', '2', '3'], /takes 2 arguments, but got 3/],
    [['i64'], /takes 1 argument, but got 0/],
    [
      ['add', '1', 'two'],
      /argument 2 of add\(.*\) -> i32 must be an integer from -2147483648 to 4294967295, not "two"/,
    ],
    [['add', '1.5', '2'], /argument 1 of add/],
    [['add', '4294967296', '2'], /argument 1 of add/],
    [['i64', '18446744073709551616'], /must be an integer from -2\^63 to 2\^64 - 1/],
    [['f64', ''], /must be a number, not ""/],
    [['v128', '12'], /32 hexadecimal digits/],
    [['ref', 'x'], /must be "null"/],
  ] as const) {
    const [name, ...rest] = words
    await cliFailure(t, ['run', '--invoke', name, path, ...rest], 2, message)
  }
})

test('a function that is not there is answered with those that are', async (t) => {
  const path = wasmFile(t, math)
  await cliFailure(t, ['run', '--invoke', 'ad', path], 1, /no function "ad"; did you mean "add"\?\nIt exports/)
  await cliFailure(t, ['run', '--invoke', 'memory', path], 1, /no function "memory".*\n.*\n {2}add\(left: i32/)
})

test('a library is initialised before its function is called', async (t) => {
  const initialised = guests.guest(`
    (global $ready (mut i32) (i32.const 0))
    (func (export "_initialize") (global.set $ready (i32.add (global.get $ready) (i32.const 1))))
    (func (export "ready") (result i32) (global.get $ready))`)
  t.is(await cliOutput(t, ['run', '--invoke', 'ready', wasmFile(t, initialised)]), '1\n')
  t.is(await cliOutput(t, ['run', '--invoke', 'tick', wasmFile(t, guests.reactor)]), 'tick\n0\n')
  assertExit(t, await cli(['run', '--invoke', 'exit', wasmFile(t, guests.reactor), '7']), 7)
  t.is(await cliOutput(t, ['run', '--invoke', '_initialize', wasmFile(t, initialised)]), '')
})

test('a function of a program is called instead of the program', async (t) => {
  const program = guests.guest(
    '(func (export "_start") unreachable) (func (export "other") (result i32) (i32.const 4))',
  )
  t.is(await cliOutput(t, ['run', '--invoke', 'other', wasmFile(t, program)]), '4\n')
})

test('a trap in it is one as elsewhere', async (t) => {
  const outcome = await cli(['run', '--invoke', 'trap', wasmFile(t, math)])
  assertExit(t, outcome, TRAPPED)
  t.regex(outcome.stderr, /unreachable\nwasm stack trace:\n\tmath\.\$\d+\(\)/)
})
