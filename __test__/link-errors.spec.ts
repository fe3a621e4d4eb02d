import test from 'ava'

import { LinkError, Runtime } from '../index.mjs'
import type { LinkProblem } from '../index.mjs'

function makeRuntime(): Runtime {
  const runtime = new Runtime()
  runtime
    .newHostModuleBuilder('env')
    .newFunctionBuilder()
    .withFunc((n) => n, ['i32'], ['i32'])
    .export('f')
    .newFunctionBuilder()
    .withFunc(() => [1, 2n], [], ['i32', 'i64'])
    .export('pair')
    .newFunctionBuilder()
    .withFunc(() => {})
    .export('untyped')
    .exportGlobal('g', 'i32', 1)
    .exportMemory('m', { min: 1 })
    .exportTable('t', { min: 1 })
    .instantiate()
  runtime.instantiate('(module $lib (func (export "half") (param i32) (result i32) (local.get 0)))')
  return runtime
}

/** The error of a module with these imports. */
function linkError(imports: string, runtime = makeRuntime()): LinkError {
  try {
    runtime.instantiate(`(module ${imports})`, { name: 'guest' })
  } catch (error) {
    if (error instanceof LinkError) return error
    throw error
  }
  throw new Error('it links')
}

/** Without the types, whose texts other tests look at. */
const brief = ({ problems }: LinkError) => problems.map(({ module, name, reason }) => `${module}.${name} ${reason}`)

test('an import from a module that is not there names the module', (t) => {
  const error = linkError('(import "nowhere" "f" (func))')
  t.is(error.message, 'module[nowhere] not instantiated')
  t.is(error.code, 'LINK_ERROR')
  t.is(error.name, 'LinkError')
  t.deepEqual(brief(error), ['nowhere.f missing'])
})

test('an import that the module does not export names both', (t) => {
  t.is(linkError('(import "env" "nothing" (func))').message, '"nothing" is not exported in module "env"')
  t.is(linkError('(import "lib" "nothing" (func))').message, '"nothing" is not exported in module "lib"')
})

test('a function of another type is a mismatch of signatures, the wanted one first', (t) => {
  for (const [type, text] of [
    ['(param i64) (result i32)', 'i64_i32 != i32_i32'],
    ['(param i32)', 'i32_null != i32_i32'],
    ['(result i32)', 'null_i32 != i32_i32'],
    ['(param i32 f32) (result i32)', 'i32f32_i32 != i32_i32'],
    ['(param i32) (result i32 f64)', 'i32_i32f64 != i32_i32'],
    ['', 'null_null != i32_i32'],
    ['(param v128 externref funcref)', 'v128externreffuncref_null != i32_i32'],
  ]) {
    const error = linkError(`(import "env" "f" (func ${type}))`)
    t.is(error.message, `import func[env.f]: signature mismatch: ${text}`)
  }
  const error = linkError('(import "env" "pair" (func (result i64 i32)))')
  t.is(error.message, 'import func[env.pair]: signature mismatch: null_i64i32 != null_i32i64')
})

test('functions of guests are compared in the same way as those of host modules', (t) => {
  const error = linkError('(import "lib" "half" (func (param f64) (result f64)))')
  t.is(error.message, 'import func[lib.half]: signature mismatch: f64_f64 != i32_i32')
  t.deepEqual(brief(error), ['lib.half mismatch'])
})

test('all imports that are missing or do not fit are listed at once, in the order of the module', (t) => {
  const error = linkError(`
    (import "env" "f" (func (param i64) (result i32)))
    (import "nowhere" "x" (memory 1))
    (import "env" "pair" (func (result i32 i64)))
    (import "env" "nothing" (global i32))
    (import "lib" "half" (func))
    (import "env" "untyped" (func (param i32)))`)
  t.deepEqual(error.message.split('\n'), [
    '4 imports cannot be linked:',
    'import func[env.f]: signature mismatch: i64_i32 != i32_i32',
    'module[nowhere] not instantiated',
    '"nothing" is not exported in module "env"',
    'import func[lib.half]: signature mismatch: null_null != i32_i32',
  ])
  t.deepEqual(brief(error), ['env.f mismatch', 'nowhere.x missing', 'env.nothing missing', 'lib.half mismatch'])
})

test('each problem has what is wanted and what was found', (t) => {
  const error = linkError('(import "env" "f" (func (param i64) (result i32))) (import "env" "x" (func (param f32)))')
  const [mismatch, missing] = error.problems as [LinkProblem, LinkProblem]
  t.regex(mismatch.expected ?? '', /\(i64\) i32/)
  t.regex(mismatch.actual ?? '', /\(i32\) i32/)
  t.regex(missing.expected ?? '', /\(f32\)/)
  t.is(missing.actual, undefined)
})

test('a missing module is named once, however much is imported from it', (t) => {
  const error = linkError(
    '(import "nowhere" "a" (func)) (import "nowhere" "b" (func)) (import "nowhere" "c" (memory 1))',
  )
  t.is(error.message, 'module[nowhere] not instantiated')
  t.is(error.problems.length, 3)
})

test('an import of another kind shows both kinds', (t) => {
  for (const [wanted, expected, actual] of [
    ['"f" (memory 1)', 'memory', 'func'],
    ['"g" (func)', 'func', 'global'],
    ['"m" (table 1 funcref)', 'table', 'memory'],
    ['"t" (global i32)', 'global', 'table'],
  ] as const) {
    const name = wanted.slice(1, 2)
    const { message } = linkError(`(import "env" ${wanted})`)
    t.regex(message, new RegExp(`^import ${expected}\\[env\\.${name}\\]: type mismatch: ${expected}.* != ${actual}`))
  }
})

test('a global whose type or mutability differs, a memory and a table that are too small do not fit', (t) => {
  for (const [wanted, expected, actual] of [
    ['(import "env" "g" (global i64))', /i64/, /i32/],
    ['(import "env" "g" (global (mut i32)))', /mut/, /i32/],
    ['(import "env" "m" (memory 2))', /2/, /1/],
    ['(import "env" "m" (memory 1 5))', /5/, /1/],
    ['(import "env" "t" (table 2 funcref))', /2/, /1/],
    ['(import "env" "t" (table 1 externref))', /externref/, /funcref/],
  ] as const) {
    const error = linkError(wanted)
    t.deepEqual(
      error.problems.map(({ reason }) => reason),
      ['mismatch'],
      wanted,
    )
    t.regex(error.problems[0]?.expected ?? '', expected, wanted)
    t.regex(error.problems[0]?.actual ?? '', actual, wanted)
    t.true(error.message.includes(`${error.problems[0]?.expected} != ${error.problems[0]?.actual}`), wanted)
  }
})

test('a guest that could not be linked leaves nothing behind, and links once the imports are there', (t) => {
  const runtime = makeRuntime()
  const before = runtime.stats()
  const compiled = runtime.compileModuleSync('(module (import "late" "f" (func)) (func (export "run") (call 0)))')
  const message = 'module[late] not instantiated'
  t.throws(() => runtime.instantiate(compiled, { name: 'guest' }), { instanceOf: LinkError, message })
  t.is(runtime.module('guest'), undefined)
  t.is(runtime.stats().stores, before.stores)
  let calls = 0
  runtime
    .newHostModuleBuilder('late')
    .newFunctionBuilder()
    .withFunc(() => void calls++, [], [])
    .export('f')
    .instantiate()
  runtime.instantiate(compiled, { name: 'guest' }).exports['run']()
  t.is(calls, 1)
})

test('what a module exports can be imported only while its instance is open', (t) => {
  const runtime = makeRuntime()
  const imports = '(import "lib" "half" (func (param i32) (result i32)))'
  t.notThrows(() => runtime.instantiate(`(module ${imports})`))
  runtime.module('lib')?.close()
  t.is(linkError(imports, runtime).message, 'module[lib] not instantiated')
})

test('control characters in import names are in the problems as they are, and cannot forge lines of the message', (t) => {
  const error = linkError('(import "env" "a\\0ab" (func))')
  t.is(error.problems[0]?.name, 'a\nb')
  t.is(error.message, '"a\\u{a}b" is not exported in module "env"')
  const forged = linkError('(import "no\\0awhere" "f" (func))')
  t.false(forged.message.includes('\n'), forged.message)
})

test('a function whose type only looks the same does not fit', (t) => {
  const runtime = makeRuntime()
  runtime.instantiate(
    `(module $types
      (type $plain (func))
      (type $open (sub (func)))
      (rec (type $first (func)) (type $second (func)))
      (func (export "open") (type $open))
      (func (export "second") (type $second))
      (func (export "plain") (type $plain)))`,
  )
  for (const imports of [
    '(import "types" "open" (func))',
    '(import "types" "second" (func))',
    '(type $open (sub (func))) (import "types" "plain" (func (type $open)))',
    // Host functions have plain types.
    '(type $open (sub (func (param i32) (result i32)))) (import "env" "f" (func (type $open)))',
  ]) {
    const error = linkError(imports, runtime)
    t.is(error.problems[0]?.reason, 'mismatch', imports)
    t.regex(error.message, /signature mismatch: \S+.* != .+ whose type is declared differently/, imports)
  }
  const fits =
    '(type $plain (func)) (type $open (sub (func))) (import "types" "open" (func (type $open))) (import "types" "plain" (func (type $plain)))'
  t.notThrows(() => runtime.instantiate(`(module ${fits})`, { name: 'fits' }))
})
