import type { CompiledModule } from '../compiled-module'
import type { Func } from '../func'
import type { ModuleInstance } from '../module-instance'
import { CliError } from './failure'
import { STDOUT, writeAll } from './output'
import { suggestion } from './suggest'
import { functionText, parseValues, valueText } from './values'

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
  const functions = compiled.exportedFunctions.flatMap(({ exportNames, paramTypes, paramNames, resultTypes }) =>
    exportNames.map((name) => functionText(name, paramTypes, resultTypes, paramNames)),
  )
  const names = compiled.exportedFunctions.flatMap(({ exportNames }) => exportNames)
  throw new CliError(
    (invoke === undefined
      ? 'the module exports no function "_start", so it is no program; call another with --invoke'
      : `the module exports no function "${invoke}"${suggestion(invoke, names)}`) + listText(functions),
  )
}

function listText(functions: readonly string[]): string {
  if (functions.length === 0) return '\nIt exports no functions.'
  const shown = functions.slice(0, 30).map((text) => `\n  ${text}`)
  const rest = functions.length > shown.length ? `\n  and ${functions.length - shown.length} more` : ''
  return `\nIt exports these functions:${shown.join('')}${rest}`
}

/** The function in the instance. */
export function functionOf(instance: ModuleInstance, name: string): Func<any, any> {
  const func = instance.exportedFunction(name)
  if (func === undefined) throw new CliError(`the export "${name}" is no function`)
  return func
}

/** Prints what a function of `--invoke` has returned, one value a line. */
export function printResults(func: Func<any, any>, result: unknown): void {
  const { results } = func.type
  const values = results.length === 1 ? [result] : ((result as readonly unknown[] | undefined) ?? [])
  const lines = results.map((type, index) => `${valueText(type, values[index])}\n`)
  if (lines.length > 0) writeAll(STDOUT, lines.join(''))
}
