// Compiles the module on the standard input into the cache, and ends. Started by `compile-apart.mjs`.

import { buffer } from 'node:stream/consumers'

// In a project of your own: import { Runtime } from 'node-wasmtime'
import { Runtime } from '../../index.mjs'
import { engineOptions } from './engine-options.mjs'

const runtime = new Runtime(engineOptions(JSON.parse(process.argv[2] ?? '')))
try {
  await runtime.compileModule(await buffer(process.stdin))
  const { hits = 0, written = 0 } = runtime.stats().cache ?? {}
  // Otherwise the server would have to compile it itself.
  if (hits + written === 0) throw new Error('the cache cannot be used')
} catch (error) {
  console.error(String(error).split('\n', 1)[0])
  process.exitCode = 1
}
