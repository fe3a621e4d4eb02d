import test from 'ava'

import {
  ArgumentError,
  LinkError,
  type ModuleInstance,
  Runtime,
  TrapError,
  WasmtimeError,
  emscripten,
} from '../index.mjs'

/**
 * What Emscripten makes of `setjmp` and `longjmp`: `try_(function, value)` calls a function of the table by `invoke_ii`, and
 * gives its result, or, if something has jumped, 1000 and the value that `setThrew` was given.
 */
const text = (save = 'emscripten_stack_get_current', restore = '_emscripten_stack_restore') => `
  (module
    (type $ii (func (param i32) (result i32)))
    (import "env" "invoke_ii" (func $invoke_ii (param i32 i32) (result i32)))
    (import "env" "invoke_v" (func $invoke_v (param i32)))
    (import "env" "_emscripten_throw_longjmp" (func $longjmp))
    (import "env" "emscripten_notify_memory_growth" (func $grown (param i32)))
    (import "host" "work" (func $work (param i32) (result i32)))
    (memory (export "memory") 1)
    (global $stack (mut i32) (i32.const 4096))
    (global $threw (export "threw") (mut i32) (i32.const 0))
    (table (export "__indirect_function_table") 8 funcref)
    (elem (i32.const 1) $double $jump $deep $busy $void)
    (func $double (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
    (func $jump (param i32) (result i32)
      (global.set $stack (i32.sub (global.get $stack) (i32.const 256)))
      (call $longjmp)
      (unreachable))
    ;; A setjmp within a setjmp: the inner one catches.
    (func $deep (param i32) (result i32)
      (i32.add (i32.const 1) (call $invoke_ii (i32.const 2) (local.get 0))))
    (func $busy (param i32) (result i32) (call $work (local.get 0)))
    (func $void)
    (func (export "${save}") (result i32) (global.get $stack))
    (func (export "${restore}") (param i32) (global.set $stack (local.get 0)))
    (func (export "setThrew") (param i32 i32) (global.set $threw (i32.add (global.get $threw) (local.get 0))))
    (func (export "stack") (result i32) (global.get $stack))
    (func (export "grow") (result i32)
      (local i32)
      (local.set 0 (memory.grow (i32.const 1)))
      (call $grown (i32.const 0))
      (local.get 0))
    (func (export "void") (param i32) (call $invoke_v (local.get 0)))
    (func (export "try") (param i32 i32) (result i32)
      (local $result i32)
      (local.set $result (call $invoke_ii (local.get 0) (local.get 1)))
      (if (result i32) (global.get $threw)
        (then (i32.add (i32.const 1000) (global.get $threw)))
        (else (local.get $result)))))`

const DOUBLE = 1
const JUMP = 2
const DEEP = 3
const WORK = 4
const VOID = 5

function open(work: (n: number) => unknown = (n) => n, wat = text(), options: { onMemoryGrowth?: any } = {}) {
  const runtime = new Runtime()
  runtime
    .newHostModuleBuilder('host')
    .newFunctionBuilder()
    .withFunc(work as (n: number) => number, ['i32'], ['i32'])
    .export('work')
    .instantiate()
  const compiled = runtime.compileModuleSync(wat)
  emscripten.instantiateFor(runtime, compiled, options)
  return { runtime, compiled }
}

for (const [save, restore] of [
  ['emscripten_stack_get_current', '_emscripten_stack_restore'],
  ['stackSave', 'stackRestore'],
]) {
  test(`a longjmp goes on at its setjmp, with the guest's stack as it was (${save})`, (t) => {
    const { runtime, compiled } = open(undefined, text(save, restore))
    const guest = runtime.instantiate(compiled, { name: '' })
    t.is(guest.exports['try'](DOUBLE, 21), 42)
    t.is(guest.exports['try'](JUMP, 21), 1001)
    t.is(guest.exports['stack'](), 4096)
    t.is(guest.exports['threw'].value, 1)
    runtime.close()
  })
}

test('a guest with 64-bit addresses', (t) => {
  const runtime = new Runtime({ memory64: true })
  const compiled = runtime.compileModuleSync(`
    (module
      (import "env" "invoke_v" (func $invoke_v (param i64)))
      (import "env" "_emscripten_throw_longjmp" (func $longjmp))
      (global $threw (export "threw") (mut i64) (i64.const 0))
      (table (export "__indirect_function_table") 2 funcref)
      (elem (i32.const 1) $longjmp)
      (func (export "stackSave") (result i64) (i64.const 0))
      (func (export "stackRestore") (param i64))
      (func (export "setThrew") (param i64 i32) (global.set $threw (local.get 0)))
      (func (export "try") (call $invoke_v (i64.const 1))))`)
  emscripten.instantiateFor(runtime, compiled)
  const guest = runtime.instantiate(compiled, { name: '' })
  guest.exports['try']()
  t.is(guest.exports['threw'].value, 1n)
  runtime.close()
})

test('of setjmps within each other the innermost catches', (t) => {
  const { runtime, compiled } = open()
  const guest = runtime.instantiate(compiled, { name: '' })
  t.is(guest.exports['try'](DEEP, 1), 1001)
  t.is(guest.exports['threw'].value, 1)
  runtime.close()
})

test('asynchronous calls: a guest that waits under an invoke_..., jumps there, and fails there', async (t) => {
  const failure = new Error('work failed')
  const { runtime, compiled } = open(async (n) => {
    await new Promise(setImmediate)
    if (n < 0) throw failure
    return n + 1
  })
  const guest = await runtime.instantiateAsync(compiled, { name: '' })
  t.is(await guest.exports['try'].async(WORK, 41), 42)
  t.is(await t.throwsAsync(() => guest.exports['try'].async(WORK, -1)), failure)
  t.is(await guest.exports['try'].async(JUMP, 1), 1001)
  t.is(guest.exports['stack'](), 4096)
  runtime.close()
})

test('a plain call of a guest in async mode works, too', async (t) => {
  const { runtime, compiled } = open()
  const guest = await runtime.instantiateAsync(compiled, { name: '' })
  t.is(guest.exports['try'](WORK, 41), 41)
  t.is(guest.exports['try'](JUMP, 1), 1001)
  runtime.close()
})

test('two guests do not share what they jump with', (t) => {
  const { runtime, compiled } = open()
  const [one, two] = [runtime.instantiate(compiled, { name: '' }), runtime.instantiate(compiled, { name: '' })]
  t.is(one.exports['try'](JUMP, 1), 1001)
  t.is(two.exports['try'](DOUBLE, 4), 8)
  t.is(two.exports['threw'].value, 0)
  runtime.close()
})

test('a number that a host function throws is caught as Emscripten does, and nothing else is', (t) => {
  let thrown: unknown
  const { runtime, compiled } = open(() => {
    throw thrown
  })
  const guest = runtime.instantiate(compiled, { name: '' })
  for (thrown of [new Error('mine'), 'text', null, undefined, 5n]) {
    let caught: unknown = 'nothing'
    try {
      guest.exports['try'](WORK, 1)
    } catch (error) {
      caught = error
    }
    t.is(caught, thrown)
  }
  thrown = Infinity
  t.is(guest.exports['try'](WORK, 1), 1001)
  runtime.close()
})

test('a longjmp outside of every invoke_... is an error that says so', (t) => {
  const { runtime } = open()
  const guest = runtime.instantiate('(module (import "env" "_emscripten_throw_longjmp" (func)) (export "f" (func 0)))')
  t.throws(() => guest.exports['f'](), { instanceOf: WasmtimeError, message: /longjmp outside/ })
  runtime.close()
})

test('what call_indirect would trap on traps', (t) => {
  const { runtime, compiled } = open()
  const guest = runtime.instantiate(compiled, { name: '' })
  for (const [index, trapCode] of [
    [0, 'indirect-call-to-null'],
    [8, 'table-out-of-bounds'],
    [-1, 'table-out-of-bounds'],
    [VOID, 'bad-signature'],
  ] as const) {
    const error = t.throws(() => guest.exports['try'](index, 1), { instanceOf: TrapError })
    t.is(error.trapCode, trapCode, `index ${index}`)
  }
  t.is(guest.exports['void'](VOID), undefined)
  t.is(t.throws(() => guest.exports['void'](JUMP), { instanceOf: TrapError }).trapCode, 'bad-signature')
  runtime.close()
})

test('the growth of a memory is notified', (t) => {
  const seen: [ModuleInstance, number, number | undefined][] = []
  const { runtime, compiled } = open(undefined, text(), {
    onMemoryGrowth: (guest: ModuleInstance, index: number) => void seen.push([guest, index, guest.memory?.pages]),
  })
  const guest = runtime.instantiate(compiled, { name: '' })
  t.is(guest.exports['grow'](), 1)
  t.is(seen.length, 1)
  t.is(seen[0]?.[0], guest)
  t.deepEqual(seen[0]?.slice(1), [0, 2])
  runtime.close()
})

test('only what a module imports is exported, and other names are left to you', (t) => {
  const runtime = new Runtime()
  const compiled = runtime.compileModuleSync(`
    (module
      (import "env" "invoke_vii" (func (param i32 i32 i32)))
      (import "env" "invoke_other" (func (param f32)))
      (import "env" "mine" (func))
      (import "other" "invoke_v" (func (param i32))))`)
  const builder = runtime.newHostModuleBuilder('env')
  t.is(emscripten.exportFunctions(builder, compiled), builder)
  const names = builder.compile().exportedFunctions.map((definition) => definition.exportNames[0])
  t.deepEqual(names, ['invoke_vii'])
  runtime.close()
})

test('a guest without the exports that it takes is a LinkError that names the missing one', (t) => {
  const { runtime, compiled } = open(undefined, text('a', 'b'))
  const guest = runtime.instantiate(compiled, { name: '' })
  t.throws(() => guest.exports['try'](DOUBLE, 1), {
    instanceOf: LinkError,
    message: /^invoke_ii needs the guest's export "emscripten_stack_get_current" or "stackSave"/,
  })
  runtime.close()
})

test('wrong arguments are ArgumentErrors', (t) => {
  const { runtime, compiled } = open()
  const builder = runtime.newHostModuleBuilder('env')
  t.throws(() => emscripten.exportFunctions({} as never, compiled), { instanceOf: ArgumentError, message: /^builder/ })
  t.throws(() => emscripten.exportFunctions(builder, {} as never), { instanceOf: ArgumentError, message: /^compiled/ })
  t.throws(() => emscripten.exportFunctions(builder, compiled, { onMemoryGrowth: 1 } as never), {
    instanceOf: ArgumentError,
    message: /^options\.onMemoryGrowth/,
  })
  t.throws(() => emscripten.exportFunctions(builder, compiled, { other: 1 } as never), { instanceOf: ArgumentError })
  runtime.close()
})

test('calls through invoke_... keep nothing', (t) => {
  const { runtime, compiled } = open()
  const guest = runtime.instantiate(compiled, { name: '' })
  guest.exports['try'](DOUBLE, 1)
  const before = runtime.stats()
  for (let i = 0; i < 1000; i += 1) guest.exports['try'](i % 2 === 0 ? DOUBLE : JUMP, 1)
  t.deepEqual({ ...runtime.stats(), totals: undefined }, { ...before, totals: undefined })
  runtime.close()
})
