// Compiles a plugin in a process of its own, which can be ended: compiling cannot be stopped, and a module of some 100 KB
// can be made such that it takes hours. The result comes through the cache, which both processes use.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

// In a project of your own: import { CompileError } from 'node-wasmtime'
import { CompileError } from '../../index.mjs'

/** @import { Config } from './config.mjs' */

/** All that it needs of the server's environment: Windows has to find itself, and the package an addon of one's own. */
const ENVIRONMENT = ['SystemRoot', 'NAPI_RS_NATIVE_LIBRARY_PATH']

/** The code with which the process ends if the module is to blame: it will never compile. */
export const INVALID = 2

/**
 * @param {Uint8Array} bytes
 * @param {Config} config
 * @param {AbortSignal} [signal] Ends the process.
 * @throws {CompileError} If it does not compile.
 * @throws {Error} If it was not compiled in time, or for another reason that may be gone the next time.
 */
export async function compileApart(bytes, config, signal) {
  signal?.throwIfAborted()
  const { cache, maxRunning, memoryBytes, tableElements, compileTimeoutMs } = config
  const settings = JSON.stringify({ cache, maxRunning, memoryBytes, tableElements, compileTimeoutMs })
  const script = fileURLToPath(new URL('compile-process.mjs', import.meta.url))
  const child = spawn(process.execPath, [script, settings], {
    stdio: ['pipe', 'ignore', 'pipe'],
    env: Object.fromEntries(ENVIRONMENT.map((name) => [name, process.env[name]])),
  })
  // Listens before anything else can fail: an error that nobody listens to would end the server.
  const closed = once(child, 'close')
  closed.catch(() => {})
  child.on('error', () => {})
  const kill = () => void child.kill('SIGKILL')
  const timer = setTimeout(kill, compileTimeoutMs)
  signal?.addEventListener('abort', kill, { once: true })
  let reason = ''
  try {
    // Without file descriptors that are free there are no streams either; the error comes later.
    child.stderr?.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
      reason = (reason + text).slice(0, 2000)
    })
    // It may have ended before it has read all.
    child.stdin?.on('error', () => {}).end(bytes)
    const [code] = /** @type {[number | null]} */ (await closed)
    if (code === 0) return
    signal?.throwIfAborted()
    if (code === INVALID) throw new CompileError(reason.trim().replace(/^CompileError: /, ''))
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', kill)
  }
  throw new Error(reason.trim() || `compiling took more than ${compileTimeoutMs} ms, or crashed`)
}
