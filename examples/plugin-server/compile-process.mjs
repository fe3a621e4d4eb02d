// Compiles the module on the standard input into the cache, and ends. Started by `compile-apart.mjs`.

import { buffer } from 'node:stream/consumers'

// In a project of your own: import { CompileError, Runtime } from 'node-wasmtime'
import { CompileError, Runtime } from '../../index.mjs'
import { INVALID } from './compile-apart.mjs'
import { engineOptions } from './engine-options.mjs'

const settings = JSON.parse(process.argv[2] ?? '')
// The server ends it then. If the server is gone, nobody does. Compiling is off this thread, so the timer can fire; a
// signal, because an exit would wait for the thread that compiles.
setTimeout(() => process.kill(process.pid, 'SIGKILL'), settings.compileTimeoutMs).unref()

const runtime = new Runtime(engineOptions(settings))
try {
  await runtime.compileModule(await buffer(process.stdin))
  const { hits = 0, written = 0 } = runtime.stats().cache ?? {}
  // Otherwise the server would have to compile it itself.
  if (hits + written === 0) throw new Error('the cache cannot be used')
} catch (error) {
  console.error(String(error).split('\n', 1)[0])
  process.exitCode = error instanceof CompileError ? INVALID : 1
}
