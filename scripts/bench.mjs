/**
 * Measures what calls, host calls, instances and copies cost, beside Node's own WebAssembly and beside Node-API alone, and
 * what asynchronous calls cost, beside JavaScript's own promises: `npm run bench`, with `-- --quick` for a few seconds'
 * check that everything works. `--output FILE` says where the numbers go; the default is bench/results/latest.json.
 *
 * What interruption costs is measured with programs from npm, which the first run installs into bench/real.
 *
 * Promises are also measured beside V8's own way to wait for them (JSPI), if this Node.js has it, or if the environment
 * variable JSPI_NODE names the binary of one that has.
 */
import { parseArgs } from 'node:util'
import { asyncCalls } from '../bench/async-calls.mjs'
import { calls } from '../bench/calls.mjs'
import { commandLine } from '../bench/cli.mjs'
import { compiling } from '../bench/compiling.mjs'
import { eventLoop } from '../bench/event-loop.mjs'
import { instances } from '../bench/instances.mjs'
import { interruption } from '../bench/interruption.mjs'
import { findJspi } from '../bench/jspi-process.mjs'
import { measure } from '../bench/measure.mjs'
import { measureAsync } from '../bench/measure-async.mjs'
import { memory } from '../bench/memory.mjs'
import { parallel } from '../bench/parallel.mjs'
import { parked } from '../bench/parked.mjs'
import { describeRun, table } from '../bench/report.mjs'
import { waiting } from '../bench/waiting.mjs'
import { Runtime } from '../index.mjs'
import { at, writeJson } from './lib/project.mjs'

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    output: { type: 'string', default: at('bench', 'results', 'latest.json') },
  },
})
const effort = values.quick
  ? {
      rounds: 3,
      sampleMs: 1,
      scale: 0.01,
      loopRounds: 1,
      loopMs: 300,
      parkedRounds: 1,
      parked: 500,
      startRounds: 1,
      real: false,
    }
  : {
      rounds: 11,
      sampleMs: 50,
      scale: 1,
      loopRounds: 5,
      loopMs: 2000,
      parkedRounds: 3,
      parked: 10_000,
      startRounds: 31,
      real: true,
    }

const jspi = await findJspi()
const run = describeRun(values.quick, jspi?.versions)
console.log(
  `node-wasmtime ${run.versions.nodeWasmtime}, Wasmtime ${run.versions.wasmtime}, Node.js ${run.versions.node}` +
    (jspi === undefined ? '' : `, JSPI of Node.js ${jspi.versions.node}`),
)
console.log(`${run.cpu.count} x ${run.cpu.model}. ${run.note}`)
console.log(
  '"x floor" is against the first row of Node-API or JavaScript alone, "x Node" against Node\'s own WebAssembly.\n',
)

const rows = []
const figures = []
function report(moreRows, moreFigures = []) {
  rows.push(...moreRows)
  figures.push(...moreFigures)
  console.log(`${table(moreRows, moreFigures)}\n`)
}
async function reportAsync(groups) {
  for (const group of groups) {
    const measured = await measureAsync(group, effort)
    report(measured.rows, measured.figures)
  }
}

const runtime = new Runtime()
for (const group of [calls, memory, instances].flatMap((groups) => groups(runtime))) report(measure(group, effort))
await reportAsync(await asyncCalls(runtime, jspi))
await reportAsync(waiting(runtime, jspi))
jspi?.close()
const { groups, close } = await parallel()
await reportAsync(groups)
await close()
report([], await eventLoop(runtime, effort))
runtime.close()
report([], await parked(effort))
report([], await commandLine(effort))
report([], await interruption(effort))
report([], await compiling(effort))
writeJson(values.output, { ...run, effort, rows, figures })
console.log(`written to ${values.output}`)
