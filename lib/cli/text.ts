import { LimitError } from '../errors'
import { printWasm } from '../wasm-text'
import { defineCommand } from './command'
import { defaultOutput } from './compile'
import { CliError, UsageError } from './failure'
import { inFile } from './guest'
import { binaryOf, readSource } from './module-file'
import { openOutput, outputOption } from './output'
import { sizeOption } from './quantity'

/** What a buffer of Node.js can hold in every version. */
const MAX_TEXT = 2 ** 32 - 1

/** Few modules have a longer text, but a short one with a long name that is used everywhere can. */
const DEFAULT_LENGTH = 512 * 2 ** 20

export const wat = defineCommand({
  name: 'wat',
  summary: 'Prints a module as text',
  usage: '[options] <module>',
  positionals: [1, 1],
  options: {
    output: outputOption('where it goes; default: standard output'),
    skeleton: { type: 'flag', help: 'without the bodies of functions and the contents of segments' },
    offsets: { type: 'flag', help: 'with the offset in the binary of each line' },
    'max-length': {
      type: 'value',
      placeholder: 'size',
      help: 'what the text may have; default: 512MiB',
    },
    fold: { type: 'flag', help: 'with instructions within each other, as expressions' },
  },
  run({ output = '-', 'max-length': length, ...options }, [path = '']) {
    const maxLength = sizeOption('--max-length', length) ?? DEFAULT_LENGTH
    if (maxLength > MAX_TEXT) throw new UsageError('--max-length must be at most 4294967295, what a buffer can hold')
    const file = readSource(path)
    const destination = openOutput(output)
    try {
      destination.write(printWasm(binaryOf(file), options, maxLength))
    } catch (error) {
      if (error instanceof LimitError) throw new CliError(`${path}: ${error.message} (--max-length)`)
      throw inFile(path, error)
    }
    return 0
  },
})

export const wasm = defineCommand({
  name: 'wasm',
  summary: 'Translates text (WAT) to the binary format',
  usage: '[options] <text>',
  positionals: [1, 1],
  options: {
    output: outputOption(
      'where it goes, - being standard output; default: the name of the text with .wasm, in this directory',
    ),
  },
  run({ output }, [path = '']) {
    const file = readSource(path)
    if (file.kind !== 'text') throw new CliError(`${path} is in the binary format already`)
    const destination = openOutput(output ?? defaultOutput(path, '.wasm'))
    try {
      destination.write(binaryOf(file))
    } catch (error) {
      throw inFile(path, error)
    }
    return 0
  },
})
