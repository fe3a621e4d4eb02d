import test from 'ava'

import { CompileError, Runtime } from '../index.mjs'
import type { HostFunctionBuilder, HostModuleBuilder } from '../index.mjs'

/** A host module `host` with one function `fn`. Any argument may be wrong on purpose. */
const define = (
  run: (f: Record<'withFunc' | 'withModuleFunc' | 'withStackFunc' | 'withModuleStackFunc', any>) => any,
) => (run(new Runtime().newHostModuleBuilder('host').newFunctionBuilder()) as HostFunctionBuilder).export('fn')

const nothing = () => {}
const typed = ['withFunc', 'withModuleFunc', 'withStackFunc', 'withModuleStackFunc'] as const

/** The error that compiling gives, after the builder has taken everything without one. */
function compileError(builder: HostModuleBuilder): CompileError {
  try {
    builder.compile()
  } catch (error) {
    if (error instanceof CompileError) return error
    throw error
  }
  throw new Error('it compiles')
}

test('a function builder that was given no function', (t) => {
  const { message } = compileError(define((f) => f))
  t.is(message, 'func[host.fn] has no function: call withFunc or withStackFunc before export')
})

test('what is not a function, in every style', (t) => {
  for (const style of typed) {
    for (const [value, text] of [
      [undefined, 'undefined'],
      [null, 'null'],
      [{}, 'an object'],
      ['fn', 'the string "fn"'],
      [1, 'the number 1'],
    ]) {
      t.is(compileError(define((f) => f[style](value, [], []))).message, `func[host.fn] kind != func: ${text}`, style)
    }
  }
})

test('a parameter or result that is no value type, in every style', (t) => {
  for (const style of typed) {
    for (const [params, results, text] of [
      [['string'], [], 'param[0] is unsupported: string'],
      [['i32', 'int'], [], 'param[1] is unsupported: int'],
      [['I32'], [], 'param[0] is unsupported: I32'],
      [[undefined], [], 'param[0] is unsupported: undefined'],
      [[0x01], [], 'param[0] is unsupported: the number 1'],
      [[], ['i32', 'error'], 'result[1] is unsupported: error'],
      [[], [null], 'result[0] is unsupported: null'],
      [['i31'], ['i33'], 'param[0] is unsupported: i31'],
    ]) {
      t.is(compileError(define((f) => f[style](nothing, params, results))).message, `func[host.fn] ${text}`, style)
    }
  }
})

test('lists of types that are missing or are no lists', (t) => {
  for (const style of ['withStackFunc', 'withModuleStackFunc'] as const) {
    t.regex(
      compileError(define((f) => f[style](nothing))).message,
      /^func\[host\.fn\] param must be an array .* got undefined$/,
    )
  }
  for (const style of typed) {
    const results = compileError(define((f) => f[style](nothing, ['i32'])))
    t.regex(results.message, /^func\[host\.fn\] result must be an array .* got undefined$/, style)
    const params = compileError(define((f) => f[style](nothing, 'i32', [])))
    t.regex(params.message, /^func\[host\.fn\] param must be an array .* got the string "i32"$/, style)
  }
})

test('references do not fit into the slots of a stack', (t) => {
  for (const style of ['withStackFunc', 'withModuleStackFunc'] as const) {
    for (const type of ['externref', 'funcref']) {
      t.is(
        compileError(define((f) => f[style](nothing, ['i32', type], []))).message,
        `func[host.fn] param[1] is unsupported on a stack: ${type}`,
      )
      t.is(
        compileError(define((f) => f[style](nothing, [], [type]))).message,
        `func[host.fn] result[0] is unsupported on a stack: ${type}`,
      )
    }
  }
})

test('more than a thousand parameters or results', (t) => {
  const long = Array.from({ length: 1001 }, () => 'i32')
  for (const [params, results, what] of [
    [long, [], 'param'],
    [[], long, 'result'],
  ] as const) {
    t.is(
      compileError(define((f) => f.withFunc(nothing, params, results))).message,
      `func[host.fn] ${what} must have at most 1000 value types, but has 1001`,
    )
  }
})

test('several results where the multi-value proposal is off', (t) => {
  const runtime = new Runtime({ multiValue: false })
  const builder = (results: 'i32'[]) =>
    runtime
      .newHostModuleBuilder('yetanother')
      .newFunctionBuilder()
      .withFunc(() => results.map(() => 1), [], results)
      .export('fn')
  t.is(
    compileError(builder(['i32', 'i32'])).message,
    'func[yetanother.fn] multiple result types invalid as feature "multi-value" is disabled',
  )
  t.notThrows(() => builder(['i32']).compile())
})

test('names for some parameters or results only, in every style', (t) => {
  for (const style of typed) {
    for (const [run, text] of [
      [(f: HostFunctionBuilder) => f.withParameterNames('a'), 'has 2 params, but 1 params names'],
      [(f: HostFunctionBuilder) => f.withParameterNames('a', 'b', 'c'), 'has 2 params, but 3 params names'],
      [(f: HostFunctionBuilder) => f.withResultNames('a', 'b'), 'has 1 results, but 2 results names'],
    ] as const) {
      const { message } = compileError(define((f) => run(f[style](() => 1, ['i32', 'i32'], ['i32']))))
      t.is(message, `func[host.fn] ${text}`, style)
    }
  }
})

test('names that are not strings', (t) => {
  const make = (run: (f: any) => any) => compileError(define((f) => run(f.withFunc(() => 1, ['i32'], ['i32'])))).message
  t.is(
    make((f) => f.withName(1)),
    'func[host.fn] name must be a string, but got the number 1',
  )
  t.is(
    make((f) => f.withParameterNames(null)),
    'func[host.fn] params names must be strings, but got null',
  )
  t.is(
    make((f) => f.withResultNames({})),
    'func[host.fn] results names must be strings, but got an object',
  )
})

test('a module name or export name that is not a string', (t) => {
  const runtime = new Runtime()
  for (const name of [undefined, null, 1, {}]) {
    t.throws(() => runtime.newHostModuleBuilder(name as never).compile(), {
      instanceOf: TypeError,
      message: /^module name must be a string/,
    })
    const builder = runtime.newHostModuleBuilder('host')
    t.notThrows(() =>
      builder
        .newFunctionBuilder()
        .withFunc(nothing, [], [])
        .export(name as never),
    )
    t.throws(() => builder.compile(), { instanceOf: TypeError, message: /^export name must be a string/ })
  }
})

test('nothing is said before compile, and instantiate says the same as compile', (t) => {
  const runtime = new Runtime()
  const builder = runtime
    .newHostModuleBuilder('env')
    .newFunctionBuilder()
    .withFunc(null as never, [], [])
    .export('a')
  const { message } = compileError(builder)
  t.throws(() => builder.instantiate(), { instanceOf: CompileError, code: 'COMPILE_ERROR', message })
  t.is(runtime.module('env'), undefined)
})

test('the error names the first function that is wrong, and a mended builder compiles', (t) => {
  const builder = new Runtime().newHostModuleBuilder('env')
  for (const name of ['good', 'bad', 'worse']) {
    builder
      .newFunctionBuilder()
      .withFunc(nothing as never, name === 'good' ? [] : ['x' as never], [])
      .export(name)
  }
  t.is(compileError(builder).message, 'func[env.bad] param[0] is unsupported: x')
  for (const name of ['bad', 'worse']) builder.newFunctionBuilder().withFunc(nothing, [], []).export(name)
  t.deepEqual(builder.compile().exportNames, ['good', 'bad', 'worse'])
})
