/** The parts of the suite's runner, none of which may take what is wrong for right. */
import { fileURLToPath } from 'node:url'

import test from 'ava'

import { Engine, wat2wasm } from '../../index.mjs'
import { type Answer, ChildPool } from './child-pool.ts'
import type { Command, Constant } from './script.ts'
import { ScriptRunner } from './script-runner.ts'
import { HostReferences, type Exact, exactOf, matches } from './values.ts'
import { verdict } from './verdict.ts'

const hosts = new HostReferences()
const is = (expected: Constant, type: string, actual: Exact) => matches(expected, type, actual, hosts)

test('a canonical NaN has one payload, an arithmetic one any that is quiet, and a number its bits', (t) => {
  const canonical: Constant = { type: 'f32', value: 'nan:canonical' }
  t.true(is(canonical, 'f32', 0x7fc0_0000n))
  t.true(is(canonical, 'f32', 0xffc0_0000n))
  for (const bits of [0x7fc0_0001n, 0x7fa0_0000n, 0x7f80_0000n, 0n]) t.false(is(canonical, 'f32', bits))
  const arithmetic: Constant = { type: 'f64', value: 'nan:arithmetic' }
  t.true(is(arithmetic, 'f64', 0xfff8_0000_0000_0001n))
  for (const bits of [0x7ff4_0000_0000_0000n, 0x7ff0_0000_0000_0000n, 0n]) t.false(is(arithmetic, 'f64', bits))
  t.true(is({ type: 'f32', value: '2147483648' }, 'f32', 0x8000_0000n))
  t.false(is({ type: 'f32', value: '2147483648' }, 'f32', 0n))
})

test('the type of a result counts, and each lane of a vector', (t) => {
  t.true(is({ type: 'i32', value: '-1' }, 'i32', 0xffff_ffffn))
  t.false(is({ type: 'i32', value: '1' }, 'i64', 1n))
  t.false(is({ type: 'f32', value: '1' }, 'i32', 1n))
  const lanes: Constant = { type: 'v128', lane_type: 'f32', value: ['nan:canonical', '1', '2', '3'] }
  t.true(is(lanes, 'v128', 0x0000_0003_0000_0002_0000_0001_7fc0_0000n))
  t.false(is(lanes, 'v128', 0x0000_0004_0000_0002_0000_0001_7fc0_0000n))
  const bytes: Constant = { type: 'v128', lane_type: 'i16', value: ['-1', '2', '0', '0', '0', '0', '0', '32768'] }
  t.is(exactOf(bytes, hosts), 0x8000_0000_0000_0000_0000_0000_0002_ffffn)
  t.true(is(bytes, 'v128', 0x8000_0000_0000_0000_0000_0000_0002_ffffn))
  t.true(
    is(
      {
        type: 'either',
        values: [
          { type: 'i32', value: '1' },
          { type: 'i32', value: '2' },
        ],
      },
      'i32',
      2n,
    ),
  )
  t.false(
    is(
      {
        type: 'either',
        values: [
          { type: 'i32', value: '1' },
          { type: 'i32', value: '2' },
        ],
      },
      'i32',
      3n,
    ),
  )
})

test('references are null, of a kind, or the very object', (t) => {
  t.true(is({ type: 'externref', value: '1' }, 'externref', hosts.of('1')))
  t.false(is({ type: 'externref', value: '1' }, 'externref', hosts.of('2')))
  t.false(is({ type: 'externref', value: '1' }, 'externref', null))
  t.true(is({ type: 'refnull' }, 'anyref', null))
  t.false(is({ type: 'nullfuncref' }, 'funcref', undefined))
  t.false(is({ type: 'funcref' }, 'funcref', null))
  t.false(is({ type: 'funcref' }, 'funcref', {}))
  t.true(is({ type: 'i31ref' }, 'anyref', 5))
  t.false(is({ type: 'structref' }, 'anyref', 5))
  t.false(is({ type: 'structref' }, 'i32', 5n))
})

const failure = (line: number) => ({ line, command: 'assert_return', message: 'wrong' })
const answer = (...lines: number[]): Answer => ({
  commands: 9,
  assertions: 9,
  passed: 9 - lines.length,
  failures: lines.map(failure),
  ms: 1,
})

test('a file is as expected only if exactly what is listed fails', (t) => {
  const known = { lines: [3, 5], reason: 'because' }
  const whole = { lines: 'some', reason: 'because' } as const
  t.is(verdict(answer(), undefined), undefined)
  t.is(verdict(answer(3, 5), known), undefined)
  t.is(verdict(answer(7), whole), undefined)
  t.regex(verdict(answer(3), undefined) ?? '', /^line 3: assert_return: wrong$/)
  t.regex(verdict(answer(3), known) ?? '', /^expected to fail, but passes: line 5 \(because\)$/)
  t.regex(verdict(answer(3, 5, 6), known) ?? '', /^line 6/)
  t.regex(verdict(answer(), whole) ?? '', /the whole file passes/)
  t.is(verdict({ error: 'gone' }, whole), 'gone')
})

const guest = wat2wasm(`(module
  (func (export "one") (result i32) (i32.const 1))
  (func (export "nan") (result f32) (f32.const nan:0x200000))
  (func (export "trap") unreachable))`)

async function failuresOf(commands: readonly object[], mode: 'sync' | 'async'): Promise<string[]> {
  const module = { type: 'module', line: 1, filename: 'a.wasm', module_type: 'binary' }
  const script = { commands: [module, ...commands] as Command[], module: () => guest }
  const { failures } = await new ScriptRunner(new Engine(), mode, script).run()
  return failures.map(({ line, message }) => `${line} ${message}`)
}

for (const mode of ['sync', 'async'] as const) {
  test(`what does not hold is a failure, in ${mode} mode`, async (t) => {
    const invoke = (field: string) => ({ type: 'invoke', field, args: [] })
    const commands = [2, 3, 4].flatMap((line) => [
      { type: 'assert_return', line, action: invoke('one'), expected: [{ type: 'i32', value: '1' }] },
      { type: 'assert_return', line: line + 3, action: invoke('one'), expected: [{ type: 'i32', value: '2' }] },
      { type: 'assert_return', line: line + 6, action: invoke('one'), expected: [] },
      {
        type: 'assert_return',
        line: line + 9,
        action: invoke('nan'),
        expected: [{ type: 'f32', value: 'nan:arithmetic' }],
      },
      {
        type: 'assert_return',
        line: line + 12,
        action: invoke('nan'),
        expected: [{ type: 'f32', value: '2141192192' }],
      },
      { type: 'assert_trap', line: line + 15, action: invoke('trap'), text: 'unreachable' },
      { type: 'assert_trap', line: line + 18, action: invoke('trap'), text: 'integer overflow' },
      { type: 'assert_trap', line: line + 21, action: invoke('one'), text: 'unreachable' },
      { type: 'assert_exception', line: line + 24, action: invoke('trap') },
      { type: 'assert_return', line: line + 27, action: invoke('none'), expected: [] },
    ])
    const lines = (await failuresOf(commands, mode)).map((text) => Number.parseInt(text, 10)).toSorted((a, b) => a - b)
    const wrong = [3, 6, 9, 18, 21, 24, 27].flatMap((offset) => [2, 3, 4].map((line) => line + offset))
    t.deepEqual(
      lines,
      wrong.toSorted((a, b) => a - b),
    )
  })
}

test('a valid module is no malformed, invalid, unlinkable or uninstantiable one, and an unknown command no command', async (t) => {
  const types = [
    'assert_malformed',
    'assert_malformed_custom',
    'assert_invalid',
    'assert_invalid_custom',
    'assert_unlinkable',
  ]
  const commands = types.map((type, index) => ({ type, line: index + 2, filename: 'a.wasm', text: '' }))
  const failures = await failuresOf(
    [
      ...commands,
      { type: 'assert_uninstantiable', line: 7, filename: 'a.wasm', text: 'unreachable' },
      { type: 'assert_suspension', line: 8 },
      { type: 'register', line: 9, name: '$none', as: 'b' },
    ],
    'sync',
  )
  t.is(failures.length, 8)
  for (const text of failures.slice(0, 6)) t.regex(text, /^\d Error: it did not fail$/)
  t.regex(failures[6] ?? '', /does not know the command assert_suspension/)
  t.regex(failures[7] ?? '', /no instance \$none/)
})

const oddProgram = fileURLToPath(new URL('fixtures/odd-child.ts', import.meta.url))
const oddJob = (name: string) => ({ group: 'x', name, mode: 'sync', options: {} }) as const

test('a child that crashes or ends is the end of its own file only', async (t) => {
  const pool = new ChildPool(1, oddProgram)
  const answers = await Promise.all(['fine', 'crash', 'fine', 'exit', 'fine'].map((name) => pool.run(oddJob(name))))
  pool.close()
  t.deepEqual(
    answers.map((one) => ('error' in one ? one.error : 'fine')),
    ['fine', 'the process that ran it ended with SIGKILL', 'fine', 'the process that ran it ended with 7', 'fine'],
  )
})

test('a child that hangs is ended', async (t) => {
  const pool = new ChildPool(1, oddProgram, 500)
  t.deepEqual(await pool.run(oddJob('hang')), { error: 'it has not ended after 0.5 s' })
  pool.close()
})

test('a file that is not there is an error', async (t) => {
  const pool = new ChildPool(1)
  const answer = await pool.run({ group: 'latest', name: 'no such file', mode: 'sync', options: {} })
  pool.close()
  t.regex('error' in answer ? answer.error : '', /ENOENT/)
})
