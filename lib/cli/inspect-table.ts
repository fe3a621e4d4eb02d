import type { ExternTypeDescription } from '../types'
import { renderName } from '../wasm-frame'
import type { ModuleReport } from './inspect'
import { nameOf } from './module-file'
import { sizeText } from './quantity'
import { alignRows } from './table'
import { functionText } from './values'

type Item = ModuleReport['imports'][number]

/** A report as tables for people. */
export function outlineTable(report: ModuleReport, withNames: boolean): string {
  const { functions, segments } = report
  const counted = Object.entries(report.names.counts).map(
    ([kind, count]) => `${count} ${kind}${count === 1 ? '' : 's'}`,
  )
  const summary = [
    ['file', `${renderName(nameOf(report.file))} (${sizeText(report.bytes)})`],
    ['name', report.name === null ? '-' : renderName(report.name)],
    [
      'functions',
      `${functions.imported} imported, ${functions.defined} defined (${sizeText(functions.codeBytes)} of code)`,
    ],
    ['segments', `${segments.data} data, ${segments.elements} elements`],
    ['start', report.start === null ? '-' : place(report.start.index, report.start.symbol)],
    ['features', report.features.length === 0 ? '- (WebAssembly 1.0)' : report.features.join(', ')],
    ['names', counted.length === 0 ? '-' : counted.join(', ')],
  ]
  const lists = [
    section(
      'imports',
      report.imports.map((item) => [item.kind, `${quote(item.module)}.${quote(item.name)}`, typeText(item)]),
    ),
    section(
      'exports',
      report.exports.map((item) => [item.kind, quote(item.name), typeText(item)]),
    ),
    ...(['memories', 'tables', 'globals', 'tags'] as const).map((kind) =>
      section(
        kind,
        report[kind].map((item) => [place(item.index, item.symbol), typeText(item)]),
      ),
    ),
    section(
      'custom sections',
      report.customSections.map(({ name, bytes }) => [quote(name), sizeText(bytes)]),
    ),
    withNames
      ? section(
          'function names',
          report.names.functions.map(({ index, name }) => [String(index), renderName(name)]),
        )
      : [],
  ]
  return [...alignRows(summary, ''), ...lists.flat(), ''].join('\n')
}

function section(title: string, rows: readonly (readonly string[])[]): string[] {
  return rows.length === 0 ? [] : ['', `${title} (${rows.length})`, ...alignRows(rows)]
}

/** A name that the module chose, safe to print; in quotes where it is not a plain word. */
function quote(name = ''): string {
  const text = renderName(name.replace(/["\\]/g, '\\$&'))
  return /^[\w$.:/@-]+$/.test(name) ? text : `"${text}"`
}

function place(index: number, symbol: string | undefined): string {
  return symbol === undefined ? String(index) : `${index} $${renderName(symbol)}`
}

function typeText(item: Item): string {
  const type = item as unknown as ExternTypeDescription
  switch (type.kind) {
    case 'func':
    case 'tag':
      return functionText('', type.params, type.results, item.paramNames)
    case 'memory': {
      const { minimum, maximum, pageSize } = type
      const unit = pageSize === 65_536 ? 'pages' : `pages of ${sizeText(pageSize)}`
      return `${range(minimum, maximum)} ${unit}${type.is64 ? ', 64-bit' : ''}${type.shared ? ', shared' : ''}`
    }
    case 'table':
      return `${range(type.minimum, type.maximum)} ${type.element}${type.is64 ? ', 64-bit' : ''}`
    case 'global':
      return `${type.mutable ? 'mutable ' : ''}${type.content}`
  }
}

function range(minimum: number, maximum: number | undefined): string {
  return maximum === undefined ? `${minimum} or more` : `${minimum} to ${maximum}`
}
