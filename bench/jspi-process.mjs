import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { hasJspi, jspiOperations } from './jspi.mjs'

/**
 * Where V8's JSPI can be measured.
 *
 * @typedef {object} Jspi
 * @property {{ node: string, v8: string }} versions Of the Node.js that runs it.
 * @property {(operation: 'call' | 'settled' | 'timers') => Partial<import('./measure-async.mjs').AsyncVariant>} variant
 * @property {() => void} close
 */

/**
 * This process if it has JSPI, or else one of the binary that JSPI_NODE names.
 *
 * @returns {Promise<Jspi | undefined>} `undefined` if there is no JSPI to be had.
 */
export async function findJspi() {
  if (hasJspi) {
    const operations = jspiOperations()
    const { node, v8 } = process.versions
    return { versions: { node, v8 }, variant: (operation) => ({ run: operations[operation] }), close() {} }
  }
  const binary = process.env['JSPI_NODE']
  if (binary === undefined || binary === '') return undefined
  const found = (await start(binary, [])) ?? (await start(binary, ['--experimental-wasm-jspi']))
  if (found === undefined) throw new Error(`JSPI_NODE: ${binary} has no WebAssembly.Suspending`)
  return found
}

/**
 * @param {string} binary
 * @param {string[]} flags
 * @returns {Promise<Jspi | undefined>}
 */
async function start(binary, flags) {
  const child = fork(fileURLToPath(new URL('jspi.mjs', import.meta.url)), [], { execPath: binary, execArgv: flags })
  const ended = new Promise((_resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (code, signal) => reject(new Error(`the process of JSPI_NODE ended: ${signal ?? code}`)))
  })
  // Whoever waits for an answer sees it.
  ended.catch(() => {})
  const answer = async () => (await Promise.race([once(child, 'message'), ended]))[0]
  const { versions } = await answer()
  if (versions === undefined) {
    child.disconnect()
    return undefined
  }
  return {
    versions,
    variant: (operation) => ({
      timed(count) {
        const answered = answer()
        child.send({ operation, count })
        return answered
      },
    }),
    close: () => child.disconnect(),
  }
}
