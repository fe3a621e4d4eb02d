// Compiles a plugin in a process of its own, which can be ended: compiling cannot be stopped, and a module of some 100 KB
// can be made such that it takes hours. The result comes through the cache, which both processes use.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** @import { Config } from './config.mjs' */

/** All that it needs of the server's environment: Windows has to find itself, and the package an addon of one's own. */
const ENVIRONMENT = ['SystemRoot', 'NAPI_RS_NATIVE_LIBRARY_PATH']

/**
 * @param {Uint8Array} bytes
 * @param {Config} config
 * @throws {Error} If it does not compile, not in time, or not without a crash.
 */
export async function compileApart(bytes, config) {
  const { cache, maxRunning, memoryBytes, tableElements, compileTimeoutMs } = config
  const settings = JSON.stringify({ cache, maxRunning, memoryBytes, tableElements })
  const script = fileURLToPath(new URL('compile-process.mjs', import.meta.url))
  const child = spawn(process.execPath, [script, settings], {
    stdio: ['pipe', 'ignore', 'pipe'],
    timeout: compileTimeoutMs,
    killSignal: 'SIGKILL',
    env: Object.fromEntries(ENVIRONMENT.map((name) => [name, process.env[name]])),
  })
  let reason = ''
  child.stderr.setEncoding('utf8').on('data', (/** @type {string} */ text) => (reason = (reason + text).slice(0, 2000)))
  // It may have ended before it has read all.
  child.stdin.on('error', () => {}).end(bytes)
  const [code] = /** @type {[number | null]} */ (await once(child, 'close'))
  if (code === 0) return
  throw new Error(reason.trim() || `compiling took more than ${compileTimeoutMs} ms, or crashed`)
}
