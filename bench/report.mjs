import { cpus, loadavg } from 'node:os'
import { Runtime } from '../index.mjs'

/** @typedef {import('./measure.mjs').Row} Row */
/** @typedef {import('./measure-async.mjs').Figure} Figure */

/**
 * What the numbers belong to.
 *
 * @param {boolean} quick
 * @param {{ node: string, v8: string } | undefined} jspi The Node.js that JSPI is measured in.
 */
export function describeRun(quick, jspi) {
  const { versions } = new Runtime()
  const processors = cpus()
  return {
    date: new Date().toISOString(),
    versions: {
      node: process.versions.node,
      v8: process.versions.v8,
      nodeWasmtime: versions.nodeWasmtime,
      wasmtime: versions.wasmtime,
      ...(jspi === undefined ? {} : { jspiNode: jspi.node, jspiV8: jspi.v8 }),
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
 * Rows and figures of one group as lines of a table.
 *
 * @param {Row[]} rows
 * @param {Figure[]} [figures]
 */
export function table(rows, figures = []) {
  return [...(rows.length > 0 ? rowLines(rows) : []), ...(figures.length > 0 ? figureLines(figures, rows) : [])].join(
    '\n',
  )
}

/** @param {Row[]} rows */
function rowLines(rows) {
  const head = title(rows) + 'time'.padStart(11) + 'x floor'.padStart(10) + 'x Node'.padStart(10)
  const lines = rows.map(
    ({ name, ns, toFloor, toWebAssembly }) =>
      `  ${name}`.padEnd(56) +
      duration(ns).padStart(11) +
      ratio(toFloor).padStart(10) +
      ratio(toWebAssembly).padStart(10),
  )
  return [head, ...lines]
}

/**
 * @param {Figure[]} figures
 * @param {Row[]} rows Those above them.
 */
function figureLines(figures, rows) {
  const head = rows.length > 0 ? [] : [title(figures) + 'value'.padStart(11) + 'least to greatest'.padStart(20)]
  const lines = figures.map(
    ({ name, unit, value, least, greatest }) =>
      `  ${name}`.padEnd(56) +
      `${amount(value)} ${unit}`.trimEnd().padStart(11) +
      `${amount(least)} to ${amount(greatest)}`.padStart(20),
  )
  return [...head, ...lines]
}

/** @param {{ group: string }[]} lines */
const title = (lines) => (lines[0]?.group ?? '').padEnd(56)

/** @param {number} ns */
function duration(ns) {
  if (ns < 1000) return `${ns.toFixed(1)} ns`
  return ns < 1e6 ? `${(ns / 1000).toFixed(2)} µs` : `${(ns / 1e6).toFixed(2)} ms`
}

/** @param {number} value */
const amount = (value) => (Number.isInteger(value) ? String(value) : digits(value, 1))

/** @param {number | undefined} value */
const ratio = (value) => (value === undefined ? '-' : digits(value, 0))

/**
 * @param {number} value
 * @param {number} most Digits after the point of what is at least 10.
 */
const digits = (value, most) => (value < 0.1 ? value.toPrecision(2) : value.toFixed(value < 10 ? 2 : most))
