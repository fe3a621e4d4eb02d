/** The blocks of JavaScript and TypeScript in Markdown files, and what it takes to check and to run each by itself. */
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'

import { parseSync } from 'oxc-parser'

import { freeNames } from './free-names.mjs'

/**
 * What blocks may use without saying where it comes from, besides all that the package exports: the surroundings that the
 * text speaks of.
 */
const surroundings = {
  runtime: "import('node-wasmtime').Runtime",
  engine: "import('node-wasmtime').Engine",
  store: "import('node-wasmtime').Store",
  guest: "import('node-wasmtime').ModuleInstance",
  compiled: "import('node-wasmtime').CompiledModule",
  bytes: 'Uint8Array',
  worker: "import('node:worker_threads').Worker",
  parentPort: "import('node:worker_threads').MessagePort",
  signal: 'AbortSignal',
}

/** What of them a block can be run with. The others differ from text to text: a guest has the exports that one is about. */
const runnable = new Set(['runtime'])

/**
 * @typedef {object} Block
 * @property {string} name As in `README.md:12`.
 * @property {'js' | 'ts'} language
 * @property {string} code
 * @property {boolean} isCommonJs Whether it calls `require`.
 * @property {string[]} names What it uses of the package's exports without importing it.
 * @property {string[]} given What it uses of the surroundings.
 * @property {string} heading The one that it stands under.
 * @property {string[]} obstacles Why it cannot be run by itself: what it uses of the surroundings, `TypeScript`, or `no-run`.
 */

/**
 * @param {string} path A Markdown file.
 * @param {readonly string[]} exported The names that the package exports.
 * @returns {Block[]}
 */
export function blocksOf(path, exported) {
  const text = readFileSync(path, 'utf8')
  const blocks = []
  for (const match of text.matchAll(/^( *)```(js|ts|mjs|javascript|typescript)\b([^\n]*)\n([\s\S]*?)^\1```$/gm)) {
    const [, indent, tag, info, body] = match
    const line = text.slice(0, match.index).split('\n').length
    const language = tag === 'ts' || tag === 'typescript' ? 'ts' : 'js'
    const code = body.replaceAll(new RegExp(`^${indent}`, 'gm'), '')
    const prose = text.slice(0, match.index).replaceAll(/^ *```[^]*?^ *```$/gm, '')
    const heading = /^#+ (.*)$/.exec(prose.match(/^#+ .*$/gm)?.at(-1) ?? '')?.[1] ?? ''
    blocks.push(analyse({ name: `${basename(path)}:${line}`, heading, language, code, info: info.trim() }, exported))
  }
  return blocks
}

function analyse({ name, heading, language, code, info }, exported) {
  const { program, errors } = parseSync(`block.${language === 'ts' ? 'mts' : 'mjs'}`, code, { sourceType: 'module' })
  if (errors.length > 0) throw new Error(`${name}: ${errors[0].message}`)
  const free = freeNames(program)
  const missing = (names) => names.filter((known) => free.has(known))
  const given = missing(Object.keys(surroundings))
  return {
    name,
    heading,
    language,
    code,
    isCommonJs: free.has('require'),
    names: missing(exported),
    given,
    obstacles: [
      // `no-run` is for what would go on for ever, or needs a file or a network.
      ...(info === 'no-run' ? [info] : []),
      ...(language === 'js' ? [] : ['TypeScript']),
      ...given.filter((known) => !runnable.has(known)),
    ],
  }
}

/**
 * A file that stands for a block: its code, with what it uses imported or declared.
 *
 * @param {Block} block
 */
export function toTypeScript({ code, isCommonJs, names, given }) {
  const head = [
    names.length === 0 ? '' : `import { ${names.join(', ')} } from 'node-wasmtime'`,
    ...given.map((known) => `declare const ${known}: ${surroundings[known]}`),
    'export {}',
  ]
  return { extension: isCommonJs ? 'cts' : 'mts', text: `${head.filter(Boolean).join('\n')}\n${code}` }
}

/**
 * A program that runs a block.
 *
 * @param {Block} block
 */
export function toProgram({ code, isCommonJs, names, given }) {
  const all = given.includes('runtime') ? [...new Set([...names, 'Runtime'])] : names
  const from = isCommonJs
    ? `const { ${all.join(', ')} } = require('node-wasmtime')`
    : `import { ${all.join(', ')} } from 'node-wasmtime'`
  const head = [all.length === 0 ? '' : from, given.includes('runtime') ? 'const runtime = new Runtime()' : '']
  return { extension: isCommonJs ? 'cjs' : 'mjs', text: `${head.filter(Boolean).join('\n')}\n${code}` }
}
