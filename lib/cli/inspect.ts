import { type Binding, native } from '../native'
import { defineCommand } from './command'
import { inFile } from './guest'
import { outlineTable } from './inspect-table'
import { jsonText } from './json'
import { binaryOf, readSource } from './module-file'
import { STDOUT, writeAll } from './output'

/** Something that a module imports, exports or has; what there is besides `kind` depends on it, as in `ExternTypeDescription`. */
interface Item {
  readonly kind: string
  /** Position among all of its kind, the imported ones first. */
  readonly index: number
  /** Imports: where it is imported from. */
  readonly module?: string
  /** Imports and exports. */
  readonly name?: string
  /** What the name section calls it; missing if it does not. */
  readonly symbol?: string
  /** Functions: the names of parameters, empty where there is none; missing if none has one. */
  readonly paramNames?: readonly string[]
}

/** What `node-wasmtime inspect --json` prints. Fields are added, but not changed or taken away within a major version. */
export interface ModuleReport {
  /** The path as it was given. */
  readonly file: string
  /** Of the binary format. */
  readonly bytes: number
  /** Of the name section, or null. */
  readonly name: string | null
  readonly imports: readonly Item[]
  readonly exports: readonly Item[]
  readonly functions: { readonly imported: number; readonly defined: number; readonly codeBytes: number }
  readonly memories: readonly Item[]
  readonly tables: readonly Item[]
  readonly globals: readonly Item[]
  readonly tags: readonly Item[]
  readonly segments: { readonly data: number; readonly elements: number }
  /** The function that instantiation runs, or null. */
  readonly start: { readonly index: number; readonly symbol?: string } | null
  /** Proposals without which the module is not valid. */
  readonly features: readonly string[]
  readonly customSections: readonly { readonly name: string; readonly bytes: number }[]
  readonly names: {
    /** How many names there are, by what they name. */
    readonly counts: { readonly [kind: string]: number }
    readonly functions: readonly { readonly index: number; readonly name: string }[]
  }
}

export const inspect = defineCommand({
  name: 'inspect',
  summary: 'Shows what a module imports, exports, has and needs',
  usage: '[options] <module>',
  positionals: [1, 1],
  options: {
    json: { type: 'flag', help: 'as JSON, whose form docs/command-line.md describes' },
    names: { type: 'flag', help: 'with all functions that the name section names; JSON has them anyway' },
  },
  async run({ json = false, names = false }, [path = '']) {
    const file = readSource(path)
    const report = await reportOf(path, () => binaryOf(file))
    writeAll(STDOUT, json ? jsonText(report) : outlineTable(report, names))
    return 0
  },
})

async function reportOf(path: string, read: () => Uint8Array): Promise<ModuleReport> {
  try {
    const binary = read()
    return makeReport(path, binary.length, await native.outlineModule(binary))
  } catch (error) {
    throw inFile(path, error)
  }
}

function makeReport(file: string, bytes: number, outline: Binding.ModuleOutline): ModuleReport {
  const { start, functionNames } = outline
  const startSymbol = functionNames.find(({ index }) => index === start)?.name
  return {
    file,
    bytes,
    name: outline.name ?? null,
    imports: outline.imports.map(itemOf),
    exports: outline.exports.map(itemOf),
    functions: {
      imported: outline.importedFunctions,
      defined: outline.definedFunctions,
      codeBytes: outline.codeBytes,
    },
    memories: outline.memories.map(itemOf),
    tables: outline.tables.map(itemOf),
    globals: outline.globals.map(itemOf),
    tags: outline.tags.map(itemOf),
    segments: { data: outline.dataSegments, elements: outline.elementSegments },
    start: start == null ? null : { index: start, ...(startSymbol === undefined ? {} : { symbol: startSymbol }) },
    features: outline.features,
    customSections: outline.customSections,
    names: {
      counts: Object.fromEntries(outline.nameCounts.map(({ kind, count }) => [kind, count])),
      functions: functionNames,
    },
  }
}

/** Native code says null for what is missing; a report leaves it out. */
function itemOf({ index, module, name, symbol, type, paramNames }: Binding.OutlineItem): Item {
  const { kind, ...rest } = type
  const given = { kind, module, name, index, symbol, ...rest }
  return {
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value != null)),
    ...(paramNames.length === 0 ? {} : { paramNames }),
  } as unknown as Item
}
