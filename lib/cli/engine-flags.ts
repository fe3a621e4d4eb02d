import { type EngineOptions, engineOptionNames } from '../engine-options'
import { ArgumentError, ArgumentRangeError } from '../errors'
import { cacheDirectory } from './cache-directory'
import type { OptionSpec } from './command'
import { UsageError } from './failure'
import { parseSize } from './quantity'
import { suggestion } from './suggest'

/** The option of every command that compiles. */
export const engineOption = {
  type: 'value',
  multiple: true,
  placeholder: 'name=value',
  help: 'an option of the engine, such as optLevel=none, gc=false or maxWasmStack=1MiB; can be repeated',
} as const satisfies OptionSpec

/** Options of the engine that have an option of their own here. */
const elsewhere: { readonly [name: string]: string } = { cache: 'use --cache' }

/**
 * The options of an engine, of which the library checks the values.
 *
 * @throws {UsageError} If there is none of a name.
 */
export function engineFlags(flags: readonly string[] | undefined): EngineOptions {
  const options: { [name: string]: boolean | number | string } = {}
  for (const flag of flags ?? []) {
    const [, name = '', text] = /^([^=]*)(?:=(.*))?$/s.exec(flag) ?? []
    const other = Object.hasOwn(elsewhere, name) ? elsewhere[name] : undefined
    if (other !== undefined) throw new UsageError(`--engine ${name}: ${other}`)
    if (!(engineOptionNames as readonly string[]).includes(name)) {
      throw new UsageError(`--engine: the engine has no option "${name}"${suggestion(name, engineOptionNames)}`)
    }
    // The name alone switches something on.
    options[name] = text === undefined ? true : valueOf(text)
  }
  return options
}

function valueOf(text: string): boolean | number | string {
  if (text === 'true' || text === 'false') return text === 'true'
  return parseSize(text) ?? text
}

/** The directory of the cache, if there is to be one. */
export function cacheFlag(flag: string | true | undefined): string | undefined {
  return flag === true ? cacheDirectory() : flag
}

/** Runs what makes an engine: what it refuses is what was given to the command. */
export function withEngineFlags<T>(make: () => T): T {
  try {
    return make()
  } catch (error) {
    if (!(error instanceof ArgumentError || error instanceof ArgumentRangeError)) throw error
    throw new UsageError(`--engine: ${error.message.replace(/^options\./, '')}`)
  }
}
