/**
 * Runs programs on one engine, on demand: a child process of `interruption.mjs`. Arguments: `on`, `off` or `v8`; then `real`
 * for the programs of others as well.
 */
import { wat2wasm } from '../index.mjs'
import { loops, realPrograms } from './real-programs.mjs'
import { webAssembly } from './webassembly.mjs'

const [engine, real] = process.argv.slice(2)
if (engine !== 'v8') globalThis.WebAssembly = webAssembly({ interruptible: engine === 'on' })

const programs = real === 'real' ? [...loops, ...realPrograms] : loops
const runs = await Promise.all(programs.map(({ load }) => load(wat2wasm)))

/** Processor time of this process, in ns: what other programs take of the machine does not count. */
function now() {
  const { user, system } = process.cpuUsage()
  return (user + system) * 1000
}

process.on('message', ({ index, atLeastMs }) => {
  const start = now()
  let [count, result] = [0, undefined]
  do {
    result = runs[index]()
    count += 1
  } while (now() - start < atLeastMs * 1e6)
  process.send({ ns: (now() - start) / count, result: String(result?.value ?? result) })
})
process.send('ready')
