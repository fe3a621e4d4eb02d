import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import test, { type ExecutionContext } from 'ava'

import {
  ArgumentError,
  ClosedError,
  CompileError,
  CompiledModule,
  Engine,
  Linker,
  Module,
  Runtime,
  Store,
  wat2wasm,
} from '../index.mjs'

const WAT = `(module $named
  (import "env" "add" (func $add (param $left i32) (param i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 8) "precompiled")
  (@custom "note" "hello")
  (func $run (export "run") (param $n i32) (result i32)
    (if (i32.eqz (local.get $n)) (then (unreachable)))
    (call $add (local.get $n) (i32.const 1))))`

function open(t: ExecutionContext, options: object = {}): Runtime {
  const runtime = new Runtime(options)
  t.teardown(() => runtime.close())
  runtime
    .newHostModuleBuilder('env')
    .newFunctionBuilder()
    .withFunc((a, b) => a + b, ['i32', 'i32'], ['i32'])
    .export('add')
    .instantiate()
  return runtime
}

function folder(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'node-wasmtime-'))
  t.teardown(() => rmSync(path, { recursive: true }))
  return path
}

/** What a module tells and does, which must not depend on how it was made. */
function portrait(t: ExecutionContext, runtime: Runtime, compiled: CompiledModule) {
  const guest = runtime.instantiate(compiled, { name: '' })
  t.is(guest.exports['run'](41), 42)
  t.is(guest.memory?.readString(8, 11), 'precompiled')
  const error = t.throws(() => guest.exports['run'](0), { code: 'TRAP' }) as Error & { frames: object[] }
  return {
    name: compiled.name,
    imports: compiled.imports,
    exports: compiled.exports,
    importedFunctions: compiled.importedFunctions,
    exportedFunctions: compiled.exportedFunctions,
    sections: compiled.customSections().map(({ name, data }) => [name, Buffer.from(data).toString('hex')]),
    frames: error.frames,
  }
}

test('a module comes back from its bytes as it was, names, sections and frames included', async (t) => {
  const [first, second] = [open(t), open(t)]
  const compiled = first.compileModuleSync(WAT)
  const expected = portrait(t, first, compiled)
  const bytes = compiled.serialize()
  t.true(bytes instanceof Buffer)
  t.deepEqual(portrait(t, second, CompiledModule.unsafeDeserialize(second, bytes)), expected)
  // Also from what was deserialized, from a view into something larger, and from an ArrayBuffer.
  const again = CompiledModule.unsafeDeserialize(second, bytes).serialize()
  const larger = new Uint8Array(again.length + 13)
  larger.set(again, 13)
  t.deepEqual(portrait(t, second, CompiledModule.unsafeDeserialize(second, larger.subarray(13))), expected)
  t.deepEqual(portrait(t, second, CompiledModule.unsafeDeserialize(second, larger.slice(13).buffer)), expected)
  const file = join(folder(t), 'module.cwasm')
  writeFileSync(file, bytes)
  const mapped = CompiledModule.unsafeDeserializeFile(second, file)
  t.deepEqual(portrait(t, second, mapped), expected)
  t.deepEqual(mapped.serialize(), bytes)
  const precompiled = await new Engine().precompile(wat2wasm(WAT))
  t.deepEqual(portrait(t, second, CompiledModule.unsafeDeserialize(second, precompiled)), expected)
})

test('a file that is removed, or replaced by another, is still what was mapped', (t) => {
  const runtime = open(t)
  const file = join(folder(t), 'module.cwasm')
  writeFileSync(file, runtime.compileModuleSync(WAT).serialize())
  const compiled = CompiledModule.unsafeDeserializeFile(runtime, file)
  rmSync(file)
  writeFileSync(file, 'something else')
  t.is(runtime.instantiate(compiled, { name: '' }).exports['run'](1), 2)
})

test('the lower layer serializes, precompiles and deserializes as well', async (t) => {
  const engine = new Engine()
  const wat = '(module (func (export "f") (result i64) (i64.const 7)))'
  const run = (module: Module) => new Linker(engine).instantiate(new Store(engine), module).exports['f']()
  t.is(run(Module.unsafeDeserialize(engine, Module.compileSync(engine, wat).serialize())), 7n)
  t.is(run(Module.unsafeDeserialize(engine, await engine.precompile(wat))), 7n)
  const file = join(folder(t), 'f.cwasm')
  writeFileSync(file, await engine.precompile(wat))
  t.is(run(Module.unsafeDeserializeFile(engine, file)), 7n)
})

test('precompiled bytes are told from other bytes', async (t) => {
  const engine = new Engine()
  const bytes = await engine.precompile('(module)')
  t.is(Engine.detectPrecompiled(bytes), 'module')
  t.is(Engine.detectPrecompiled(new Uint8Array(bytes).buffer), 'module')
  for (const other of [
    wat2wasm('(module)'),
    new Uint8Array(),
    bytes.subarray(1),
    bytes.subarray(0, -1),
    new Uint8Array(100),
  ]) {
    t.is(Engine.detectPrecompiled(other), undefined)
  }
  for (const odd of ['text', 7, null, undefined, {}, []]) {
    t.throws(() => Engine.detectPrecompiled(odd as never), { instanceOf: TypeError })
  }
})

/** Numbers of processors in the header of an ELF file. */
const PROCESSORS = { x86_64: 62, aarch64: 183 } as const

test('all machines that there are packages for can be compiled for; code for others is refused here', async (t) => {
  const engine = new Engine({ fuel: true })
  const here = process.arch === 'arm64' ? 'aarch64' : 'x86_64'
  const refused = { instanceOf: CompileError, message: /^the precompiled module cannot be used: .*compiled for/ }
  for (const processor of ['x86_64', 'aarch64'] as const) {
    for (const system of ['unknown-linux-gnu', 'unknown-linux-musl', 'apple-darwin', 'pc-windows-msvc']) {
      const target = `${processor}-${system}`
      const bytes = await engine.precompile(WAT, { target })
      t.is(Engine.detectPrecompiled(bytes), 'module', target)
      t.is(bytes.toString('latin1', 0, 4), '\x7fELF', target)
      t.is(bytes.readUInt16LE(18), PROCESSORS[processor], target)
      if (processor === here) continue
      t.throws(() => Module.unsafeDeserialize(engine, bytes), refused, target)
      const file = join(folder(t), 'other.cwasm')
      writeFileSync(file, bytes)
      t.throws(() => Module.unsafeDeserializeFile(engine, file), refused, target)
    }
  }
})

test('another machine of the same kind can be compiled for; its code is refused here', async (t) => {
  const engine = new Engine()
  const system = process.platform === 'win32' ? 'unknown-linux-gnu' : 'pc-windows-msvc'
  const processor = process.arch === 'arm64' ? 'aarch64' : 'x86_64'
  const bytes = await engine.precompile('(module (func (export "f")))', { target: `${processor}-${system}` })
  t.is(Engine.detectPrecompiled(bytes), 'module')
  t.throws(() => Module.unsafeDeserialize(engine, bytes), {
    instanceOf: CompileError,
    message: /cannot be used: .*compiled/,
  })
  for (const target of ['nonsense', '', 'x86_64-nonsense-nonsense', 'wasm32-wasip1', 'riscv64gc-unknown-linux-gnu']) {
    await t.throwsAsync(engine.precompile('(module)', { target }), {
      instanceOf: ArgumentError,
      message: /options\.target/,
    })
  }
})

test('bytes of other options, and bytes that are damaged in their form, are a CompileError', async (t) => {
  const [engine, other] = [new Engine(), new Engine({ interruptible: false })]
  const bytes = Module.compileSync(engine, WAT).serialize()
  const refused = { instanceOf: CompileError, message: /^the precompiled module cannot be used: / }
  t.throws(() => Module.unsafeDeserialize(other, bytes), refused)
  const file = join(folder(t), 'damaged.cwasm')
  for (const damaged of [
    bytes.subarray(0, -1),
    bytes.subarray(1),
    bytes.subarray(0, 100),
    new Uint8Array(),
    wat2wasm(WAT),
    Buffer.concat([bytes, bytes]),
  ]) {
    t.throws(() => Module.unsafeDeserialize(engine, damaged), refused)
    writeFileSync(file, damaged)
    t.throws(() => Module.unsafeDeserializeFile(engine, file), refused)
  }
  // The lengths at the end, which say where everything is.
  for (let place = bytes.length - 32; place < bytes.length; place++) {
    const damaged = Buffer.from(bytes)
    damaged[place] = (damaged[place] ?? 0) ^ 0x55
    t.throws(() => Module.unsafeDeserialize(engine, damaged), refused)
    writeFileSync(file, damaged)
    t.throws(() => Module.unsafeDeserializeFile(engine, file), refused)
  }
  t.throws(() => Module.unsafeDeserializeFile(engine, `${file}.not`), { ...refused, message: /cannot read .*damaged/ })
  t.throws(() => Module.unsafeDeserializeFile(engine, tmpdir()), refused)
  t.deepEqual(readFileSync(file).length, bytes.length)
})

test('wrong arguments and closed modules are refused with words that help', async (t) => {
  const runtime = open(t)
  const compiled = runtime.compileModuleSync('(module)')
  const bytes = compiled.serialize()
  t.throws(() => CompiledModule.unsafeDeserialize(new Engine(), bytes), {
    instanceOf: ArgumentError,
    message: /runtime must be a Runtime/,
  })
  t.throws(() => Module.unsafeDeserialize(runtime as never, bytes), {
    instanceOf: ArgumentError,
    message: /engine must be an Engine/,
  })
  for (const odd of [undefined, null, 7, {}]) {
    t.throws(() => Module.unsafeDeserialize(new Engine(), odd as never), { instanceOf: TypeError })
    t.throws(() => Module.unsafeDeserializeFile(new Engine(), odd as never), { instanceOf: ArgumentError })
    await t.throwsAsync(new Engine().precompile(odd as never), { instanceOf: TypeError })
  }
  t.throws(() => Module.unsafeDeserialize(new Engine(), 'text' as never), { instanceOf: TypeError })
  await t.throwsAsync(new Engine().precompile('(module (func (result i32)))'), {
    instanceOf: CompileError,
    message: /type mismatch|expected i32/,
  })
  await t.throwsAsync(new Engine().precompile('(module)', { cpu: 1 } as never), { instanceOf: ArgumentError })
  compiled.close()
  t.throws(() => compiled.serialize(), { instanceOf: ClosedError })
  runtime.close()
  t.throws(() => CompiledModule.unsafeDeserialize(runtime, bytes), { instanceOf: ClosedError })
})
