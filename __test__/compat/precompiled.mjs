// Compiled code as bytes, and back.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { assert, pass, thrownBy, wasmtime } from './check.mjs'

const { CompiledModule, Engine, Runtime } = wasmtime
const source = '(module (func (export "f") (result i32) (i32.const 7)))'
const runtime = new Runtime()
const bytes = runtime.compileModuleSync(source).serialize()
assert.ok(Buffer.isBuffer(bytes) && bytes.length > 1000)
const ahead = await new Engine().precompile(source)
const folder = mkdtempSync(join(tmpdir(), 'node-wasmtime-'))
try {
  const path = join(folder, 'module.cwasm')
  writeFileSync(path, ahead)
  for (const compiled of [
    CompiledModule.unsafeDeserialize(runtime, bytes),
    CompiledModule.unsafeDeserialize(runtime, ahead),
    CompiledModule.unsafeDeserializeFile(runtime, path),
  ]) {
    assert.equal(runtime.instantiate(compiled, { name: '' }).exports.f(), 7)
  }
} finally {
  rmSync(folder, { recursive: true })
}
assert.ok(thrownBy(() => CompiledModule.unsafeDeserialize(runtime, bytes.subarray(100))) instanceof Error)
runtime.close()
pass()
