import { TEXT, guests } from './guests.mjs'

const MEBIBYTE = 1 << 20

/** @param {import('../index.mjs').Runtime} runtime @returns {import('./measure.mjs').Group[]} */
export const memory = (runtime) => [text(runtime), ...copies(runtime)]

function text(runtime) {
  const expected = (count) => count * TEXT.length
  const own = new WebAssembly.Instance(new WebAssembly.Module(guests.text('env')), {
    env: { length: (address, length) => bytes.toString('utf8', address, address + length).length },
  })
  const bytes = Buffer.from(own.exports.memory.buffer)

  runtime
    .newHostModuleBuilder('text')
    .newFunctionBuilder()
    .withModuleFunc(
      (module, address, length) => module.memory.readString(address, length).length,
      ['i32', 'i32'],
      ['i32'],
    )
    .export('length')
    .instantiate()
  const { loop } = runtime.instantiate(guests.text('text'), { name: '' }).exports

  return {
    name: 'host call that reads a string of 32 bytes',
    count: 2e5,
    variants: [
      { name: "Node's WebAssembly, Buffer.toString", side: 'webassembly', run: own.exports.loop, expected },
      { name: 'module.memory.readString', side: 'node-wasmtime', run: loop, expected },
    ],
  }
}

function copies(runtime) {
  const bytes = guests.copy()
  const ownMemory = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports.memory
  const own = new Uint8Array(ownMemory.buffer)
  const { memory } = runtime.instantiate(bytes, { name: '' })
  const target = new Uint8Array(MEBIBYTE)
  const source = new Uint8Array(MEBIBYTE).fill(7)
  const repeat = (operation) => (count) => {
    for (let i = 0; i < count; i++) operation()
  }
  return [
    {
      name: 'copy of 1 MiB out of the memory',
      variants: [
        {
          name: "Node's WebAssembly, target.set",
          side: 'webassembly',
          run: repeat(() => target.set(own.subarray(4096, 4096 + MEBIBYTE))),
        },
        {
          name: "Node's WebAssembly, slice (a new array)",
          side: 'webassembly',
          run: repeat(() => own.slice(4096, 4096 + MEBIBYTE)),
        },
        { name: 'memory.readInto', side: 'node-wasmtime', run: repeat(() => memory.readInto(4096, target)) },
        { name: 'memory.read (a new array)', side: 'node-wasmtime', run: repeat(() => memory.read(4096, MEBIBYTE)) },
      ],
    },
    {
      name: 'copy of 1 MiB into the memory',
      variants: [
        { name: "Node's WebAssembly, set", side: 'webassembly', run: repeat(() => own.set(source, 4096)) },
        { name: 'memory.write', side: 'node-wasmtime', run: repeat(() => memory.write(4096, source)) },
      ],
    },
  ]
}
