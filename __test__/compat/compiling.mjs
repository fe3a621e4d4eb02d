// Modules of bytes and of text, compiled here and on other threads; what is wrong with them is told.
import { assert, pass, thrownBy, wasmtime } from './check.mjs'

const { CompileError, Runtime, wat2wasm } = wasmtime
const runtime = new Runtime()
const bytes = wat2wasm(
  '(module $adder (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))',
)
assert.ok(bytes instanceof Uint8Array)

for (const compiled of [runtime.compileModuleSync(bytes), await runtime.compileModule(bytes)]) {
  assert.equal(compiled.name, 'adder')
  assert.equal(runtime.instantiate(compiled, { name: '' }).exports.add(2, 40), 42)
}
assert.equal(
  runtime.instantiate(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length)).exports.add(1, 1),
  2,
)

const wrong = thrownBy(() => runtime.compileModuleSync(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 99)))
assert.ok(wrong instanceof CompileError && wrong instanceof Error)
assert.equal(wrong.code, 'COMPILE_ERROR')
assert.equal(typeof wrong.offset, 'number')
await assert.rejects(runtime.compileModule('(module (func (result i32)))'), CompileError)
await Promise.all(Array.from({ length: 20 }, () => runtime.compileModule(bytes)))
runtime.close()
pass()
