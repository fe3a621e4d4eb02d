import { parseArgs } from 'node:util'

import type { Command, OptionSpecs } from './command'
import { UsageError } from './failure'
import { suggestion } from './suggest'

type Single<Type> = Type extends 'flag' ? true : Type extends 'optional' ? string | true : string

/** Options as they were given; what was not is missing. */
export type ParsedOptions<Specs extends OptionSpecs> = {
  readonly [Name in keyof Specs]?: Specs[Name] extends { multiple: true }
    ? readonly string[]
    : Single<Specs[Name]['type']>
}

interface Parsed {
  readonly help: boolean
  /** Each as its description says; see `ParsedOptions`. */
  readonly options: { readonly [name: string]: string | true | readonly string[] }
  readonly positionals: readonly string[]
}

/**
 * Splits the arguments of a command into options and the rest.
 *
 * Node's own parser does the lexical work. It is told to refuse nothing: its messages do not know the other options, and it
 * has no options whose value may be left out.
 *
 * @throws {UsageError} If they are not what the command takes.
 */
export function parseOptions(command: Command, args: readonly string[]): Parsed {
  const specs: OptionSpecs = { ...command.options, help: { type: 'flag', short: 'h', help: '' } }
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(
      Object.entries(specs).map(([name, { type, short }]) => [
        name,
        { type: type === 'value' ? 'string' : 'boolean', ...(short === undefined ? {} : { short }) },
      ]),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  const options: { [name: string]: string | true | string[] } = {}
  const positionals: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') {
      positionals.push(token.value)
      if (command.positionals !== 'first') continue
      positionals.push(...args.slice(token.index + 1))
      break
    }
    if (token.kind === 'option-terminator') continue
    const spec = Object.hasOwn(specs, token.name) ? specs[token.name] : undefined
    if (spec === undefined) throw unknownOption(command, token.rawName, specs)
    const value = valueOf(spec.type, token)
    if (spec.multiple) ((options[token.name] ??= []) as string[]).push(String(value))
    else options[token.name] = value
  }
  const help = options['help'] === true
  if (!help) checkCount(command, positionals)
  return { help, options, positionals }
}

interface OptionToken {
  readonly rawName: string
  readonly value?: string | undefined
  readonly inlineValue?: boolean | undefined
}

function valueOf(type: 'flag' | 'value' | 'optional', { rawName, value, inlineValue }: OptionToken): string | true {
  if (type === 'flag') {
    if (value !== undefined) throw new UsageError(`option ${rawName} takes no value, but has "${value}"`)
    return true
  }
  if (type === 'optional') {
    if (value === '') throw new UsageError(`option ${rawName}= has no value behind the "="`)
    return value ?? true
  }
  if (value === undefined) throw new UsageError(`option ${rawName} needs a value behind it`)
  // "-" is a file; what else looks like an option most likely is one.
  if (!inlineValue && value.startsWith('-') && value !== '-') {
    throw new UsageError(
      `option ${rawName} needs a value, but the next argument is "${value}"; write ${rawName}=${value} if that is it`,
    )
  }
  return value
}

function unknownOption(command: Command, rawName: string, specs: OptionSpecs): UsageError {
  const hint = rawName.startsWith('--') ? suggestion(rawName.slice(2), Object.keys(specs), '--') : ''
  return new UsageError(`unknown option ${rawName}${hint === '' ? `; see node-wasmtime ${command.name} --help` : hint}`)
}

function checkCount({ name, positionals: expected, usage }: Command, given: readonly string[]): void {
  const [least, most] = expected === 'first' ? [1, Infinity] : expected
  if (given.length >= least && given.length <= most) return
  const what =
    given.length < least ? 'something is missing' : `"${given[most] ?? ''}" is one argument more than it takes`
  throw new UsageError(`${what}; usage: node-wasmtime ${name} ${usage}`)
}
