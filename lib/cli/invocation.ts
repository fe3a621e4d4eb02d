import type { CompiledModule } from '../compiled-module'
import type { Func } from '../func'
import type { ModuleInstance } from '../module-instance'
import { renderName } from '../wasm-frame'
import { CliError } from './failure'
import { STDOUT, writeAll } from './output'
import { suggestion } from './suggest'
import { parseValues, signatureText, valueText } from './values'

/** What is to be called in an instance. */
export interface Invocation {
  readonly name: string
  readonly args: readonly unknown[]
}

/**
 * Finds out what is to be called: the function of `--invoke` with its arguments, or else the program.
 *
 * @throws {CliError} If the module exports no such function.
 */
export function planInvocation(
  compiled: CompiledModule,
  invoke: string | undefined,
  words: readonly string[],
): Invocation {
  const name = invoke ?? '_start'
  const definition = compiled.exportedFunctions.find(({ exportNames }) => exportNames.includes(name))
  if (definition !== undefined) {
    return { name, args: invoke === undefined ? [] : parseValues(name, definition, words) }
  }
  throw new CliError(
    (invoke === undefined
      ? 'the module exports no function "_start", so it is no program; call another with --invoke'
      : `the module exports no function "${renderName(invoke)}"${suggestion(invoke, namesOf(compiled))}`) +
      listText(compiled),
  )
}

function* namesOf(compiled: CompiledModule): Iterable<string> {
  for (const { exportNames } of compiled.exportedFunctions) yield* exportNames
}

function listText(compiled: CompiledModule): string {
  const shown: string[] = []
  let count = 0
  for (const { exportNames, paramTypes, resultTypes, paramNames } of compiled.exportedFunctions) {
    for (const name of exportNames) {
      if (count++ < MAX_LISTED) shown.push(`\n  ${signatureText(name, paramTypes, resultTypes, paramNames)}`)
    }
  }
  if (count === 0) return '\nIt exports no functions.'
  return `\nIt exports these functions:${shown.join('')}${count > shown.length ? `\n  and ${count - shown.length} more` : ''}`
}

const MAX_LISTED = 30

/** The function in the instance. */
export function functionOf(instance: ModuleInstance, name: string): Func<any, any> {
  const func = instance.exportedFunction(name)
  if (func === undefined) throw new CliError(`the export "${renderName(name)}" is no function`)
  return func
}

/** Prints what a function of `--invoke` has returned, one value a line. */
export function printResults(func: Func<any, any>, result: unknown): void {
  const { results } = func.type
  const values = results.length === 1 ? [result] : ((result as readonly unknown[] | undefined) ?? [])
  const lines = results.map((type, index) => `${valueText(type, values[index])}\n`)
  if (lines.length > 0) writeAll(STDOUT, lines.join(''))
}
