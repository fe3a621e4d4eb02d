import type { ParsedOptions } from './parse-options'

/** An option of a command. */
export interface OptionSpec {
  /**
   * `flag` takes no value, `value` needs one, and `optional` takes one behind `=` only: what follows after a space may be the
   * module.
   */
  readonly type: 'flag' | 'value' | 'optional'
  /** One letter. */
  readonly short?: string
  /** Whether it can be given several times; else the last one counts. */
  readonly multiple?: true
  /** What the help calls the value. */
  readonly placeholder?: string
  readonly help: string
}

export type OptionSpecs = { readonly [name: string]: OptionSpec }

/** A command of the command line. */
export interface Command<Specs extends OptionSpecs = OptionSpecs> {
  /** Its name, of several words for one within another. */
  readonly name: string
  /** One line, without a full stop at its end. */
  readonly summary: string
  /** What stands behind the name in the usage line. */
  readonly usage: string
  /** A paragraph more of help. */
  readonly details?: string
  readonly options: Specs
  /** How many arguments there may be beside the options; `first` is followed by what is not looked at. */
  readonly positionals: readonly [least: number, most: number] | 'first'
  /** Gives the exit status. */
  run(options: ParsedOptions<Specs>, positionals: readonly string[]): number | Promise<number>
}

/** Makes the types of a command's options follow from its description. */
export function defineCommand<const Specs extends OptionSpecs>(command: Command<Specs>): Command<Specs> {
  return command
}
