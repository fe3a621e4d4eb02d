import { Engine, Linker, Module, Store } from '../index.mjs'
import { guests } from './guests.mjs'

/** @param {import('../index.mjs').Runtime} runtime @returns {import('./measure.mjs').Group[]} */
export const instances = (runtime) => [
  life(runtime, 'instantiate, call once, close', guests.plain()),
  life(runtime, 'instantiate with a memory of 64 KiB, call once, close', guests.withMemory()),
]

// Node's instances cannot be closed: what their collection costs is in the samples only as far as it happens in them.
function life(runtime, name, bytes) {
  const expected = (count) => count
  const own = new WebAssembly.Module(bytes)
  const compiled = runtime.compileModuleSync(bytes)
  const engine = new Engine()
  const pre = new Linker(engine).instantiatePre(Module.compileSync(engine, bytes))
  return {
    name,
    variants: [
      {
        name: "Node's WebAssembly",
        side: 'webassembly',
        expected,
        run(count) {
          let sum = 0
          for (let i = 0; i < count; i++) sum = new WebAssembly.Instance(own).exports.add(sum, 1)
          return sum
        },
      },
      {
        name: 'runtime.instantiate, a store of its own',
        side: 'node-wasmtime',
        expected,
        run(count) {
          let sum = 0
          for (let i = 0; i < count; i++) {
            const instance = runtime.instantiate(compiled, { name: '' })
            sum = instance.exports.add(sum, 1)
            instance.close()
          }
          return sum
        },
      },
      {
        name: 'instancePre.instantiate in a new Store',
        side: 'node-wasmtime',
        expected,
        run(count) {
          let sum = 0
          for (let i = 0; i < count; i++) {
            const store = new Store(engine)
            sum = pre.instantiate(store).exports.add(sum, 1)
            store.close()
          }
          return sum
        },
      },
    ],
  }
}
