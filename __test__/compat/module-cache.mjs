// The cache of compiled code.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { assert, pass, wasmtime } from './check.mjs'

const { Runtime } = wasmtime
const source = '(module (func (export "f") (result i32) (i32.const 7)))'
const directory = mkdtempSync(join(tmpdir(), 'node-wasmtime-'))
try {
  for (const expected of [
    { hits: 0, misses: 1, written: 1 },
    { hits: 1, misses: 0, written: 0 },
  ]) {
    const runtime = new Runtime({ cache: directory })
    const compiled = await runtime.compileModule(source)
    assert.equal(runtime.instantiate(compiled).exports.f(), 7)
    const { hits, misses, written, failures } = runtime.stats().cache
    assert.deepEqual({ hits, misses, written }, expected)
    assert.equal(failures, 0)
    runtime.close()
  }
} finally {
  rmSync(directory, { recursive: true })
}
pass()
