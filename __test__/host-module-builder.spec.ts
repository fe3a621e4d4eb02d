import test from 'ava'

import { ClosedError, CompileError, LinkError, Runtime, ValueType, WasmtimeError } from '../index.mjs'
import type { HostFunctionBuilder, HostModuleBuilder } from '../index.mjs'

/** The four ways to define a function that takes an i32 and gives it back with one added. */
const styles: readonly (readonly [name: string, define: (f: HostFunctionBuilder) => HostFunctionBuilder])[] = [
  ['withFunc', (f) => f.withFunc((n) => n + 1, ['i32'], ['i32'])],
  ['withModuleFunc', (f) => f.withModuleFunc((_module, n) => n + 1, ['i32'], ['i32'])],
  ['withStackFunc', (f) => f.withStackFunc((stack) => void stack[0]!++, ['i32'], ['i32'])],
  ['withModuleStackFunc', (f) => f.withModuleStackFunc((_module, stack) => void stack[0]!++, ['i32'], ['i32'])],
]

/** Adds a function that gives a constant. */
function constant(builder: HostModuleBuilder, name: string, value: number): HostModuleBuilder {
  return builder
    .newFunctionBuilder()
    .withFunc(() => value, [], ['i32'])
    .export(name)
}

/** What functions of a module without parameters give to a guest. */
function read(runtime: Runtime, module: string, ...names: string[]): number[] {
  const guest = runtime.instantiate(
    `(module ${names.map((name) => `(import "${module}" "${name}" (func (result i32)))`).join('')}
      ${names.map((name, index) => `(export "${name}" (func ${index}))`).join('')})`,
  )
  const values = names.map((name) => guest.exportedFunction(name)!.call() as number)
  guest.close()
  return values
}

/** A guest that exports `run`, the imported `env.<name>` of type (i32) -> (i32). */
const runs = (name: string) =>
  `(module (import "env" "${name}" (func (param i32) (result i32))) (export "run" (func 0)))`

test('every method of a function builder returns that builder, and export returns the module builder', (t) => {
  const runtime = new Runtime()
  const builder = runtime.newHostModuleBuilder('env')
  t.is(builder.newFunctionBuilder.length, 0)
  t.not(builder.newFunctionBuilder(), builder.newFunctionBuilder())
  for (const [name, define] of styles) {
    const f = builder.newFunctionBuilder()
    t.is(define(f), f, name)
    t.is(f.withName('n').withParameterNames('p').withResultNames('r'), f, name)
    t.is(f.export(name), builder, name)
  }
  t.is(builder.exportMemory('m'), builder)
  t.is(builder.exportGlobal('g', 'i32', 1), builder)
  t.is(builder.exportTable('t'), builder)
})

test('a host module that exports nothing compiles and can be instantiated', (t) => {
  const runtime = new Runtime()
  const compiled = runtime.newHostModuleBuilder('env').compile()
  t.is(compiled.name, 'env')
  t.deepEqual(compiled.exportedFunctions, [])
  t.deepEqual(compiled.exportNames, [])
  const instance = runtime.instantiate(compiled)
  t.is(runtime.module('env'), instance)
})

test('a definition has the types, and the export name as name and debug name', (t) => {
  for (const [name, define] of styles) {
    const [definition] = define(new Runtime().newHostModuleBuilder('env').newFunctionBuilder())
      .export('one')
      .compile().exportedFunctions
    t.deepEqual(
      { ...definition },
      {
        moduleName: 'env',
        index: 0,
        name: 'one',
        debugName: 'env.one',
        exportNames: ['one'],
        paramTypes: ['i32'],
        paramNames: [],
        resultTypes: ['i32'],
        resultNames: [],
        isHost: true,
      },
      name,
    )
  }
})

test('withName, withParameterNames and withResultNames show in the definition, in every style', (t) => {
  for (const [name, define] of styles) {
    const instance = define(new Runtime().newHostModuleBuilder('env').newFunctionBuilder())
      .withName('get')
      .withParameterNames('x')
      .withResultNames('x_plus_one')
      .export('1')
      .instantiate()
    const [definition] = instance.exportedFunctionDefinitions
    t.is(definition?.name, 'get', name)
    t.is(definition?.debugName, 'env.get', name)
    t.deepEqual(definition?.exportNames, ['1'], name)
    t.deepEqual(definition?.paramNames, ['x'], name)
    t.deepEqual(definition?.resultNames, ['x_plus_one'], name)
  }
})

test('naming no parameters and no results is the same as not naming them', (t) => {
  const make = (name: (f: HostFunctionBuilder) => HostFunctionBuilder) =>
    name(
      new Runtime()
        .newHostModuleBuilder('env')
        .newFunctionBuilder()
        .withFunc((n) => n, ['i32'], ['i32']),
    )
      .export('f')
      .compile().exportedFunctions
  t.deepEqual(
    make((f) => f.withParameterNames().withResultNames()),
    make((f) => f),
  )
})

test('value types can be given as bytes of ValueType, and definitions show their names', (t) => {
  const { I32, I64, F32, F64, Externref } = ValueType
  const [definition] = new Runtime()
    .newHostModuleBuilder('env')
    .newFunctionBuilder()
    .withFunc((_a, _b, _c, _d, e) => [e, 1n], [I32, I64, F32, F64, Externref], [Externref, 'i64'])
    .export('f')
    .compile().exportedFunctions
  t.deepEqual(definition?.paramTypes, ['i32', 'i64', 'f32', 'f64', 'externref'])
  t.deepEqual(definition?.resultTypes, ['externref', 'i64'])
})

test('functions are in the order of the first export of each name, not in that of newFunctionBuilder', (t) => {
  const builder = new Runtime().newHostModuleBuilder('env')
  const first = builder.newFunctionBuilder().withFunc(() => {}, [], [])
  const second = builder.newFunctionBuilder().withFunc((n) => n, ['i64'], ['i64'])
  second.export('2')
  builder.exportMemory('memory')
  first.export('1')
  const compiled = builder.compile()
  t.deepEqual(compiled.exportNames, ['2', 'memory', '1'])
  t.deepEqual(
    compiled.exportedFunctions.map(({ name, index }) => [name, index]),
    [
      ['2', 0],
      ['1', 1],
    ],
  )
})

test('exporting a name again replaces the function and keeps the first position', (t) => {
  const runtime = new Runtime()
  const builder = runtime.newHostModuleBuilder('env')
  constant(constant(constant(builder, 'a', 1), 'b', 2), 'a', 3)
  const compiled = builder.compile()
  t.deepEqual(compiled.exportNames, ['a', 'b'])
  t.deepEqual(
    compiled.exportedFunctions.map(({ index }) => index),
    [0, 1],
  )
  runtime.instantiate(compiled)
  t.deepEqual(read(runtime, 'env', 'a', 'b'), [3, 2])
})

test('a name can be taken over by an export of another kind', (t) => {
  const compiled = constant(new Runtime().newHostModuleBuilder('env'), 'x', 1).exportMemory('x', { min: 1 }).compile()
  t.deepEqual(compiled.exportNames, ['x'])
  t.deepEqual(compiled.exportedFunctions, [])
})

test('changes of the builder after compile have no effect on what was compiled', (t) => {
  const runtime = new Runtime()
  const builder = constant(runtime.newHostModuleBuilder('env'), 'a', 1)
  const before = builder.compile()
  constant(constant(builder, 'a', 2), 'b', 3)
  const after = builder.compile()
  t.deepEqual(before.exportNames, ['a'])
  t.deepEqual(after.exportNames, ['a', 'b'])
  runtime.instantiate(before, { name: 'before' })
  runtime.instantiate(after, { name: 'after' })
  t.deepEqual(read(runtime, 'before', 'a'), [1])
  t.deepEqual(read(runtime, 'after', 'a', 'b'), [2, 3])
})

test('export takes the function as it is then: later changes of its builder and of its lists have no effect', (t) => {
  const runtime = new Runtime()
  const builder = runtime.newHostModuleBuilder('env')
  const results: 'i32'[] = ['i32']
  const f = builder
    .newFunctionBuilder()
    .withFunc(() => 1, [], results)
    .withName('one')
  f.export('one')
  results.push('i32')
  f.withFunc(() => 2, [], ['i32'])
    .withName('two')
    .export('two')
  const instance = builder.instantiate()
  t.deepEqual(
    instance.exportedFunctionDefinitions.map(({ name, resultTypes }) => [name, resultTypes]),
    [
      ['one', ['i32']],
      ['two', ['i32']],
    ],
  )
  t.deepEqual(read(runtime, 'env', 'one', 'two'), [1, 2])
})

test('one function builder can export under several names, in every style, each with a name of its own', (t) => {
  for (const [style, define] of styles) {
    const runtime = new Runtime()
    const builder = runtime.newHostModuleBuilder('env')
    const f = define(builder.newFunctionBuilder())
    f.export('a')
    f.export('b')
    const instance = builder.instantiate()
    t.deepEqual(
      instance.exportedFunctionDefinitions.map(({ name, index, exportNames }) => [name, index, exportNames]),
      [
        ['a', 0, ['a']],
        ['b', 1, ['b']],
      ],
      style,
    )
    for (const name of ['a', 'b']) t.is(runtime.instantiate(runs(name)).exportedFunction('run')!.call(41), 42, style)
  }
})

test('an export name may be empty; the function is then called by its index', (t) => {
  const runtime = new Runtime()
  const builder = runtime
    .newHostModuleBuilder('env')
    .newFunctionBuilder()
    .withFunc((n) => -n, ['i32'], ['i32'])
    .export('')
  const [definition] = builder.instantiate().exportedFunctionDefinitions
  t.is(definition?.name, '')
  t.is(definition?.debugName, 'env.$0')
  t.is(runtime.instantiate(runs('')).exportedFunction('run')!.call(42), -42)
})

test('one compiled host module can be instantiated under several names', (t) => {
  const runtime = new Runtime()
  const compiled = constant(runtime.newHostModuleBuilder('env'), 'f', 7).compile()
  const one = runtime.instantiate(compiled, { name: 'env.1' })
  const two = runtime.instantiate(compiled, { name: 'env.2' })
  t.is(runtime.module('env'), undefined)
  t.is(runtime.module('env.1'), one)
  t.is(runtime.module('env.2'), two)
  t.deepEqual([one.name, two.name], ['env.1', 'env.2'])
  one.close()
  t.deepEqual(read(runtime, 'env.2', 'f'), [7])
})

test('an instance has the name of the builder, which cannot be instantiated twice', (t) => {
  const runtime = new Runtime()
  const builder = constant(runtime.newHostModuleBuilder('env'), 'f', 1)
  const instance = builder.instantiate()
  t.is(instance.name, 'env')
  t.is(runtime.module('env'), instance)
  const message = 'module[env] has already been instantiated'
  t.throws(() => builder.instantiate(), { instanceOf: LinkError, message })
  t.throws(() => runtime.newHostModuleBuilder('env').instantiate(), { instanceOf: LinkError, message })
  t.is(runtime.module('env'), instance)
  instance.close()
  t.is(runtime.module('env'), undefined)
  const again = builder.instantiate()
  t.is(runtime.module('env'), again)
})

test('exportedFunction of a host module is an error, however it was instantiated and got', (t) => {
  const runtime = new Runtime()
  const builder = constant(runtime.newHostModuleBuilder('env'), 'f', 1)
  const made = [builder.instantiate(), runtime.instantiate(builder.compile(), { name: 'other' }), runtime.module('env')]
  for (const instance of made) {
    for (const name of ['f', 'missing']) {
      t.throws(() => instance!.exportedFunction(name), {
        instanceOf: WasmtimeError,
        message: 'calling ExportedFunction is forbidden on host modules. See the note on ExportedFunction interface',
      })
    }
  }
})

test('a compiled host module outlives its instances, until it is closed itself', (t) => {
  const runtime = new Runtime()
  const compiled = constant(runtime.newHostModuleBuilder('env'), 'f', 5).compile()
  runtime.instantiate(compiled).close()
  t.false(compiled.closed)
  runtime.instantiate(compiled)
  compiled.close()
  compiled.close()
  t.true(compiled.closed)
  t.deepEqual(read(runtime, 'env', 'f'), [5])
  t.throws(() => runtime.instantiate(compiled, { name: 'again' }), {
    instanceOf: ClosedError,
    message: /^source module must be compiled before instantiation/,
  })
})

test('the name of a host module must not be empty, neither of the builder nor in the config', (t) => {
  const runtime = new Runtime()
  const builder = runtime.newHostModuleBuilder('')
  t.throws(() => builder.compile(), { instanceOf: CompileError, message: 'a module name must not be empty' })
  t.throws(() => runtime.instantiate(runtime.newHostModuleBuilder('env').compile(), { name: '' }), {
    instanceOf: LinkError,
    message: 'a module name must not be empty',
  })
})

test('a host module can be instantiated by its own runtime only, and no more once that is closed', (t) => {
  const runtime = new Runtime()
  const builder = runtime.newHostModuleBuilder('env')
  const compiled = builder.compile()
  t.throws(() => new Runtime().instantiate(compiled), { instanceOf: TypeError, code: 'INVALID_ARGUMENT' })
  runtime.close(2)
  const closed = { instanceOf: ClosedError, message: 'runtime closed with exit_code(2)' }
  t.throws(() => builder.compile(), closed)
  t.throws(() => builder.instantiate(), closed)
  t.throws(() => runtime.instantiate(compiled), closed)
})
