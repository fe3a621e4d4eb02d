// `require` and `import` give the same classes.
import { assert, pass, wasmtime } from './check.mjs'

const imported = await import('../../index.mjs')
const names = Object.keys(wasmtime)
assert.ok(names.length > 40)
for (const name of names) assert.equal(imported[name], wasmtime[name], name)
assert.match(wasmtime.versions().wasmtime, /^\d+\.\d+\.\d+$/)
pass()
