import type { FuncType } from './types'
import type { ValueTypeName } from './value-type'

/** Names, index and types of a function, as wazero's `FunctionDefinition` has them. */
export interface FunctionDefinition {
  /** Name of the module that the function belongs to, empty if it has none. */
  readonly moduleName: string
  /** Position in the module's functions, the imported ones first; -1 if it is not known. */
  readonly index: number
  /** Name in the module, which need not be an export name; empty if it has none. */
  readonly name: string
  /** `module.name`, or `module.$index` without a name. */
  readonly debugName: string
  /** Names that it is exported under. */
  readonly exportNames: readonly string[]
  /** Module and name that it is imported from, `undefined` if it is not imported. */
  readonly import?: { readonly module: string; readonly name: string }
  /** Types of the parameters. */
  readonly paramTypes: readonly ValueTypeName[]
  /** One name for each parameter, or none at all. */
  readonly paramNames: readonly string[]
  /** Types of the results. */
  readonly resultTypes: readonly ValueTypeName[]
  /** One name for each result, or none at all. */
  readonly resultNames: readonly string[]
  /** Whether it is a host function, made from JavaScript. */
  readonly isHost: boolean
}

/** @internal What `makeDefinition` is made from. */
export interface DefinitionParts {
  moduleName: string
  index: number
  name: string
  exportNames?: readonly string[]
  import?: { readonly module: string; readonly name: string }
  type: FuncType
  paramNames?: readonly string[]
  resultNames?: readonly string[]
  isHost?: boolean
}

/** @internal */
export function makeDefinition(parts: DefinitionParts): FunctionDefinition {
  const { moduleName, index, name, type } = parts
  const { params, results } = type
  const names = parts.paramNames ?? []
  return Object.freeze({
    moduleName,
    index,
    name,
    debugName: `${moduleName}.${name === '' ? `$${index}` : name}`,
    exportNames: Object.freeze([...(parts.exportNames ?? [])]),
    ...(parts.import === undefined ? {} : { import: parts.import }),
    paramTypes: params,
    // A name section may name some parameters only, and further locals as well: all or nothing.
    paramNames: Object.freeze(
      names.length >= params.length && names.slice(0, params.length).every((text) => text !== '')
        ? names.slice(0, params.length)
        : [],
    ),
    resultTypes: results,
    resultNames: Object.freeze([...(parts.resultNames ?? [])]),
    isHost: parts.isHost ?? false,
  })
}

/** An object that knows the definitions of its exports. */
interface Defining {
  exportedDefinition(name: string): FunctionDefinition | undefined
}

/** @internal The definition of an exported function; of others only the type is known. */
export function definitionOf(instance: object | undefined, name: string, type: FuncType): FunctionDefinition {
  const known =
    instance !== undefined && 'exportedDefinition' in instance
      ? (instance as Defining).exportedDefinition(name)
      : undefined
  return known ?? makeDefinition({ moduleName: '', index: -1, name, type })
}
