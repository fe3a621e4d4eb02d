import { cpus, loadavg } from 'node:os'
import { Runtime } from '../index.mjs'

/** @typedef {import('./measure.mjs').Row} Row */

/**
 * What the numbers belong to.
 *
 * @param {boolean} quick
 */
export function describeRun(quick) {
  const { versions } = new Runtime()
  const processors = cpus()
  return {
    date: new Date().toISOString(),
    versions: {
      node: process.versions.node,
      v8: process.versions.v8,
      nodeWasmtime: versions.nodeWasmtime,
      wasmtime: versions.wasmtime,
    },
    platform: `${process.platform}-${process.arch}`,
    cpu: { model: processors[0]?.model.trim() ?? 'unknown', count: processors.length },
    load: loadavg(),
    quick,
    note:
      'The machine may be shared: compare rows of one run with each other, not with those of another run.' +
      (quick ? ' A quick run only shows that everything works; its numbers mean little.' : ''),
  }
}

/**
 * Rows of one group as lines of a table.
 *
 * @param {Row[]} rows
 */
export function table(rows) {
  const head =
    `${rows[0]?.group ?? ''}`.padEnd(56) + 'time'.padStart(11) + 'x floor'.padStart(10) + 'x Node'.padStart(10)
  const lines = rows.map(
    ({ name, ns, toFloor, toWebAssembly }) =>
      `  ${name}`.padEnd(56) +
      duration(ns).padStart(11) +
      ratio(toFloor).padStart(10) +
      ratio(toWebAssembly).padStart(10),
  )
  return [head, ...lines].join('\n')
}

/** @param {number} ns */
function duration(ns) {
  if (ns < 1000) return `${ns.toFixed(1)} ns`
  return ns < 1e6 ? `${(ns / 1000).toFixed(2)} µs` : `${(ns / 1e6).toFixed(2)} ms`
}

/** @param {number | undefined} value */
const ratio = (value) => (value === undefined ? '-' : value.toFixed(value < 10 ? 2 : 0))
