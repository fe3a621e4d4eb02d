import { createRequire } from 'node:module'
import { guests } from './guests.mjs'

/** Functions of the addon that do nothing but go through Node-API; not part of the public API. */
const { benchAdd, benchCallback, benchCallbackScoped } = createRequire(import.meta.url)('../binding.js')

const tick = (sum, one) => (sum + one) | 0

/** @param {import('../index.mjs').Runtime} runtime @returns {import('./measure.mjs').Group[]} */
export const calls = (runtime) => [exportCall(runtime), hostCall(runtime)]

// Every loop is written out: closures made by one function share what the compiler learns, and so would disturb
// each other.
function exportCall(runtime) {
  const bytes = guests.plain()
  const own = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports.add
  const instance = runtime.instantiate(bytes, { name: '' })
  const { add } = instance.exports
  const func = instance.exportedFunction('add')
  const stack = new BigUint64Array(2)
  const view = new Int32Array(stack.buffer)
  const expected = (count) => count
  const variants = [
    {
      name: "Node's WebAssembly",
      side: 'webassembly',
      expected,
      run(count) {
        let sum = 0
        for (let i = 0; i < count; i++) sum = own(sum, 1)
        return sum
      },
    },
    {
      name: 'exports.add(a, b)',
      side: 'node-wasmtime',
      expected,
      run(count) {
        let sum = 0
        for (let i = 0; i < count; i++) sum = add(sum, 1)
        return sum
      },
    },
    {
      name: 'func.call(a, b)',
      side: 'node-wasmtime',
      expected,
      run(count) {
        let sum = 0
        for (let i = 0; i < count; i++) sum = func.call(sum, 1)
        return sum
      },
    },
    {
      name: 'func.callWithStack(stack)',
      side: 'node-wasmtime',
      expected,
      run(count) {
        view[0] = 0
        for (let i = 0; i < count; i++) {
          view[2] = 1
          func.callWithStack(stack)
        }
        return view[0]
      },
    },
  ]
  if (benchAdd !== undefined) {
    variants.unshift({
      name: 'Node-API alone',
      side: 'floor',
      expected,
      run(count) {
        let sum = 0
        for (let i = 0; i < count; i++) sum = benchAdd(sum, 1)
        return sum
      },
    })
  }
  return { name: 'export call (i32, i32) -> i32', variants }
}

function hostCall(runtime) {
  const types = [['i32', 'i32'], ['i32']]
  const expected = (count) => count

  /** The guest's loop, with the host function that `define` gives the builder. */
  const loop = (name, define) => {
    define(runtime.newHostModuleBuilder(name).newFunctionBuilder()).export('tick').instantiate()
    return runtime.instantiate(guests.tick(name), { name: '' }).exports.loop
  }

  // What `stack.buffer` is stays the same, so a view of it is made once.
  const kept = () => {
    let known
    let view
    return (stack) => {
      if (stack !== known) {
        known = stack
        view = new Int32Array(stack.buffer)
      }
      return view
    }
  }
  const [viewOf, moduleViewOf] = [kept(), kept()]
  const ownModule = new WebAssembly.Module(guests.tick('env'))
  const own = new WebAssembly.Instance(ownModule, { env: { tick: (sum, one) => tick(sum, one) } }).exports.loop

  const variants = [
    { name: "Node's WebAssembly", side: 'webassembly', run: own, expected },
    {
      name: 'withFunc((a, b) => ...)',
      side: 'node-wasmtime',
      run: loop('natural', (builder) => builder.withFunc((sum, one) => (sum + one) | 0, ...types)),
      expected,
    },
    {
      name: 'withModuleFunc((module, a, b) => ...)',
      side: 'node-wasmtime',
      run: loop('module', (builder) => builder.withModuleFunc((_module, sum, one) => (sum + one) | 0, ...types)),
      expected,
    },
    {
      name: 'withStackFunc((stack) => ...)',
      side: 'node-wasmtime',
      run: loop('stack', (builder) =>
        builder.withStackFunc(
          (stack) => {
            const view = viewOf(stack)
            view[0] = (view[0] + view[2]) | 0
          },
          ...types,
        ),
      ),
      expected,
    },
    {
      name: 'withModuleStackFunc((module, stack) => ...)',
      side: 'node-wasmtime',
      run: loop('module-stack', (builder) =>
        builder.withModuleStackFunc(
          (_module, stack) => {
            const view = moduleViewOf(stack)
            view[0] = (view[0] + view[2]) | 0
          },
          ...types,
        ),
      ),
      expected,
    },
  ]
  if (benchCallback !== undefined) {
    variants.unshift(
      {
        name: 'Node-API alone, a scope for 128 calls',
        side: 'floor',
        run: (count) => benchCallback((sum, one) => (sum + one) | 0, count),
        expected,
      },
      {
        name: 'Node-API alone, a scope for each call',
        side: 'floor',
        run: (count) => benchCallbackScoped((sum, one) => (sum + one) | 0, count),
        expected,
      },
    )
  }
  return { name: 'host call (i32, i32) -> i32, from a loop in the guest', count: 1e6, variants }
}
