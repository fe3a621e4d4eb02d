import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'

import test from 'ava'

import { Engine, wat2wasm } from '../index.mjs'
import { assertExit } from './process/run-node.ts'
import { cli, cliFailure, cliOutput, folder, wasmFile } from './support/cli.ts'
import * as guests from './support/wasi-guests.ts'

const invalid = '(module (func (export "f") (result i32)))'

test('compile makes code that run takes if it is told to trust it', async (t) => {
  const path = wasmFile(t, guests.hello)
  const output = join(folder(t), 'hello.cwasm')
  t.is(await cliOutput(t, ['compile', path, '-o', output]), '')
  t.is(Engine.detectPrecompiled(readFileSync(output)), 'module')
  await cliFailure(t, ['run', output], 1, /hello\.cwasm is precompiled.*--allow-precompiled/)
  const outcome = await cli(['run', '--allow-precompiled', output])
  assertExit(t, outcome, 3)
  t.is(outcome.stdout, 'hello\n')
  const piped = await cli(['run', '--allow-precompiled', '-'], { input: readFileSync(output) })
  assertExit(t, piped, 3)
})

test('compile puts its result beside others in the working directory, whole or not at all', async (t) => {
  const cwd = folder(t)
  t.is(await cliOutput(t, ['compile', wasmFile(t, guests.hello, 'tool.wat')], { cwd }), '')
  await cliFailure(t, ['compile', wasmFile(t, '(module)', 'other.wat'), '-o', join(cwd, 'no', 'x')], 1, /cannot write/)
  await cliFailure(t, ['compile', wasmFile(t, invalid, 'bad.wasm')], 1, /bad\.wasm: .*type mismatch/, { cwd })
  await cliFailure(t, ['compile', '-'], 2, /say where the output goes with -o/, { cwd, input: '(module)' })
  await cliFailure(t, ['compile', 'tool.cwasm', '-o', 'x'], 1, /precompiled already/, { cwd })
  await cliFailure(t, ['compile', join(cwd, 'tool.cwasm'), '-o', cwd], 1, /precompiled already/)
  await cliFailure(t, ['compile', wasmFile(t, '(module)'), '-o', cwd], 1, /cannot write .*: it is a directory/)
  t.deepEqual(readdirSync(cwd), ['tool.cwasm'])
})

test('compile takes the options of the engine that the code is for', async (t) => {
  const path = wasmFile(t, '(module (func (export "_start")))')
  const output = join(folder(t), 'x.cwasm')
  await cliOutput(t, ['compile', path, '-o', output, '--engine', 'fuel=true'])
  t.is(await cliOutput(t, ['run', '--allow-precompiled', '--fuel', '1000', output]), '')
  await cliFailure(
    t,
    ['run', '--allow-precompiled', output],
    1,
    /x\.cwasm: the precompiled module cannot be used: .*fuel/,
  )
})

test('compile makes code for other machines, which this one refuses', async (t) => {
  const path = wasmFile(t, guests.hello)
  const other = process.arch === 'arm64' ? 'x86_64' : 'aarch64'
  const output = join(folder(t), 'other.cwasm')
  await cliOutput(t, ['compile', path, '-o', output, '--target', `${other}-unknown-linux-gnu`])
  t.is(readFileSync(output).readUInt16LE(18), other === 'aarch64' ? 183 : 62)
  await cliFailure(t, ['run', '--allow-precompiled', output], 1, /was compiled for architecture/)
  await cliFailure(t, ['compile', path, '-o', output, '--target', 'pdp11-dec-unix'], 2, /--target: .*pdp11/)
})

test('validate says nothing about what is valid, and what is wrong with the first that is not', async (t) => {
  const [good, bad] = [wasmFile(t, guests.hello), wasmFile(t, invalid, 'bad.wasm')]
  t.is(await cliOutput(t, ['validate', good, wasmFile(t, '(module)', 'text.wat')]), '')
  await cliFailure(t, ['validate', good, bad], 1, /bad\.wasm: type mismatch.*offset 0x/)
  await cliFailure(t, ['validate', wasmFile(t, '(module (memory i64 1))'), '--engine', 'memory64=false'], 1, /memory64/)
  await cliFailure(t, ['validate', join(folder(t), 'no.wasm')], 1, /cannot read/)
})

test('wat prints text that means the same module, and wasm translates it back', async (t) => {
  const path = wasmFile(t, guests.hello)
  const cwd = folder(t)
  const text = await cliOutput(t, ['wat', path])
  t.regex(text, /^\(module/)
  t.deepEqual(wat2wasm(text), new Uint8Array(readFileSync(path)))
  await cliOutput(t, ['wat', path, '-o', 'again.wat'], { cwd })
  await cliOutput(t, ['wasm', 'again.wat'], { cwd })
  t.deepEqual(readFileSync(join(cwd, 'again.wasm')), readFileSync(path))
  t.is(await cliOutput(t, ['wat', join(cwd, 'again.wat')]), text)
  assertExit(t, await cli(['run', join(cwd, 'again.wasm')]), 3)
})

test('a text may begin with the mark that some editors put there', async (t) => {
  const path = wasmFile(t, '\ufeff(module (func (export "_start")))', 'marked.wat')
  t.is(await cliOutput(t, ['run', path]), '')
  t.is(await cliOutput(t, ['validate', path]), '')
  t.regex(await cliOutput(t, ['inspect', path]), /_start/)
  t.regex(await cliOutput(t, ['wat', path]), /^\(module/)
})

test('an output in another directory than its input may have the same name', async (t) => {
  const path = wasmFile(t, '(module)', 'same.cwasm')
  const cwd = folder(t)
  await cliOutput(t, ['compile', path], { cwd })
  t.true(existsSync(join(cwd, 'same.cwasm')))
  await cliFailure(t, ['compile', './same.cwasm'], 1, /precompiled already/, { cwd })
  writeFileSync(join(cwd, 'same.cwasm'), readFileSync(path))
  await cliFailure(t, ['compile', `${cwd}/./same.cwasm`], 1, /would be overwritten/, { cwd })
})

test('wat can leave out bodies, give offsets and nest instructions', async (t) => {
  const path = wasmFile(t, '(module (func (result i32) (i32.add (i32.const 1) (i32.const 2))))')
  t.notRegex(await cliOutput(t, ['wat', '--skeleton', path]), /i32\.const/)
  t.regex(await cliOutput(t, ['wat', '--offsets', path]), /\(;@[\da-f]+\s*;\)/)
  t.regex(await cliOutput(t, ['wat', '--fold', path]), /\(i32\.add\s+\(i32\.const 1\)/)
})

test('wat and wasm refuse what they cannot translate', async (t) => {
  const path = wasmFile(t, guests.hello)
  const cut = join(folder(t), 'cut.wasm')
  writeFileSync(cut, readFileSync(path).subarray(0, 100))
  await cliFailure(t, ['wat', cut], 1, /cut\.wasm: the module cannot be printed/)
  await cliFailure(t, ['wasm', path], 1, /in the binary format already/)
  await cliFailure(
    t,
    ['wasm', wasmFile(t, '(module (func (nonsense)))', 'x.wat')],
    1,
    /x\.wat: invalid WAT:[^]*nonsense/,
  )
  await cliFailure(t, ['wat', path, '-o', join(folder(t), 'a', 'b')], 1, /cannot write/)
})

const rich = `(module $rich
  (type $callback (func (param i32)))
  (import "env" "log" (func $log (param i32 i32)))
  (import "env" "heap" (memory $heap 1 4))
  (import "env" "base" (global $base i32))
  (import "env" "odd name" (table 1 2 funcref))
  (func $start)
  (start $start)
  (global $count (export "count") (mut i64) (i64.const 0))
  (table $callbacks (export "callbacks") 3 externref)
  (tag $failure (export "failure") (param i32 i64))
  (func $add (export "add") (export "sum") (param $left i32) (param $right i32) (result i32 i32)
    (local.get $left) (i32.extend8_s (local.get $right)))
  (export "memory" (memory $heap))
  (data (i32.const 0) "x")
  (@custom "note" "hello"))`

test('inspect shows in tables what is in a module', async (t) => {
  const output = await cliOutput(t, ['inspect', wasmFile(t, rich, 'rich.wasm')])
  for (const line of [
    /^file +.*rich\.wasm \(\d+ B\)$/m,
    /^name +rich$/m,
    /^functions +1 imported, 2 defined \(\d+ B of code\)$/m,
    /^start +1 \$start$/m,
    /^features +mutable-global, sign-extension, multi-value, reference-types, exceptions$/m,
    /^imports \(4\)$/m,
    /^ +func +env\.log +\(i32, i32\)$/m,
    /^ +memory +env\.heap +1 to 4 pages$/m,
    /^ +global +env\.base +i32$/m,
    /^ +table +env\."odd name" +1 to 2 funcref$/m,
    /^ +func +add +\(left: i32, right: i32\) -> \(i32, i32\)$/m,
    /^ +func +sum +\(left: i32, right: i32\) -> \(i32, i32\)$/m,
    /^ +tag +failure +\(i32, i64\)$/m,
    /^ +1 \$count +mutable i64$/m,
    /^ +1 \$callbacks +3 or more externref$/m,
    /^ +note +5 B$/m,
  ]) {
    t.regex(output, line)
  }
  t.notRegex(output, /function names/)
  t.regex(await cliOutput(t, ['inspect', '--names', wasmFile(t, rich)]), /^function names \(3\)\n {2}0 {2}log\n/m)
})

test('inspect --json has a form that programs can rely on', async (t) => {
  const path = wasmFile(t, rich, 'rich.wasm')
  const report = JSON.parse(await cliOutput(t, ['inspect', '--json', path])) as Record<string, any>
  t.is(
    Object.keys(report).join(' '),
    'file bytes name imports exports functions memories tables globals tags segments start features customSections names',
  )
  t.is(basename(report['file']), 'rich.wasm')
  t.is(report['bytes'], readFileSync(path).length)
  t.is(report['name'], 'rich')
  t.deepEqual(report['imports'][0], {
    kind: 'func',
    module: 'env',
    name: 'log',
    index: 0,
    symbol: 'log',
    params: ['i32', 'i32'],
    results: [],
  })
  t.deepEqual(report['imports'][1], {
    kind: 'memory',
    module: 'env',
    name: 'heap',
    index: 0,
    symbol: 'heap',
    minimum: 1,
    maximum: 4,
    is64: false,
    shared: false,
    pageSize: 65_536,
  })
  t.deepEqual(
    report['exports'].map(({ kind, name, index }: Record<string, unknown>) => `${kind} ${name} ${index}`),
    ['global count 1', 'table callbacks 1', 'tag failure 0', 'func add 2', 'func sum 2', 'memory memory 0'],
  )
  t.deepEqual(report['exports'][3].paramNames, ['left', 'right'])
  t.deepEqual(report['start'], { index: 1, symbol: 'start' })
  t.deepEqual(report['segments'], { data: 1, elements: 0 })
  t.deepEqual(report['customSections'][0], { name: 'note', bytes: 5 })
  t.deepEqual(report['names'].functions[2], { index: 2, name: 'add' })
  t.is(report['names'].counts.local, 2)
})

test('inspect names what a module needs of newer WebAssembly, and nothing that it does not', async (t) => {
  for (const [text, ...features] of [
    ['(module (memory 1) (func (export "f") (result i32) (i32.load (i32.const 0))))'],
    ['(module (func (drop (i8x16.splat (i32.const 1)))))', 'simd'],
    ['(module (memory 1) (func (memory.copy (i32.const 0) (i32.const 1) (i32.const 2))))', 'bulk-memory'],
    ['(module (memory i64 1))', 'memory64'],
    ['(module (memory 1) (memory 1))', 'multi-memory'],
    ['(module (func $f (return_call $f)))', 'tail-call'],
    ['(module (memory 1 1 shared))', 'threads'],
    ['(module (global (export "g") (mut i32) (i32.const 0)))', 'mutable-global'],
    ['(module (func (param f32) (result i32) (i32.trunc_sat_f32_s (local.get 0))))', 'saturating-float-to-int'],
    ['(module (memory 0 (pagesize 1)))', 'custom-page-sizes'],
    ['(module (global i32 (i32.add (i32.const 1) (i32.const 2))))', 'extended-const'],
  ] as const) {
    const report = JSON.parse(await cliOutput(t, ['inspect', '--json', wasmFile(t, text)])) as { features: string[] }
    t.deepEqual(report.features, features, text)
  }
})

test('inspect prints what a module has chosen so that it does no harm, and refuses what is not valid', async (t) => {
  const output = await cliOutput(t, ['inspect', wasmFile(t, '(module (func (export "\\1b[31m\\0a"))) ')])
  t.regex(output, /"\\u\{1b\}\[31m\\u\{a\}"/)
  await cliFailure(t, ['inspect', wasmFile(t, invalid, 'bad.wasm')], 1, /bad\.wasm: type mismatch/)
  t.true(existsSync(wasmFile(t, invalid)))
})
