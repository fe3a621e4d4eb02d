/**
 * Measures what calls, host calls, instances and copies cost, beside Node's own WebAssembly and beside Node-API alone:
 * `npm run bench`, with `-- --quick` for a few seconds' check that everything works. `--output FILE` says where the
 * numbers go; the default is bench/results/latest.json.
 */
import { parseArgs } from 'node:util'
import { calls } from '../bench/calls.mjs'
import { instances } from '../bench/instances.mjs'
import { measure } from '../bench/measure.mjs'
import { memory } from '../bench/memory.mjs'
import { describeRun, table } from '../bench/report.mjs'
import { Runtime } from '../index.mjs'
import { at, writeJson } from './lib/project.mjs'

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    output: { type: 'string', default: at('bench', 'results', 'latest.json') },
  },
})
const effort = values.quick ? { rounds: 3, sampleMs: 1, scale: 0.01 } : { rounds: 11, sampleMs: 50, scale: 1 }

const run = describeRun(values.quick)
console.log(
  `node-wasmtime ${run.versions.nodeWasmtime}, Wasmtime ${run.versions.wasmtime}, Node.js ${run.versions.node}`,
)
console.log(`${run.cpu.count} x ${run.cpu.model}. ${run.note}`)
console.log('"x floor" is against the first row of Node-API alone, "x Node" against Node\'s own WebAssembly.\n')

const runtime = new Runtime()
const rows = []
for (const group of [calls, memory, instances].flatMap((groups) => groups(runtime))) {
  const measured = measure(group, effort)
  rows.push(...measured)
  console.log(`${table(measured)}\n`)
}
runtime.close()
writeJson(values.output, { ...run, effort, rows })
console.log(`written to ${values.output}`)
