import { printWasm, wat2wasm } from '../wasm-text'
import { defineCommand } from './command'
import { defaultOutput } from './compile'
import { CliError } from './failure'
import { inFile } from './guest'
import { readSource } from './module-file'
import { openOutput } from './output'

/** What a buffer of Node.js can hold in every version. */
const MAX_TEXT = 2 ** 32 - 1

export const wat = defineCommand({
  name: 'wat',
  summary: 'Prints a module as text',
  usage: '[options] <module>',
  positionals: [1, 1],
  options: {
    output: {
      type: 'value',
      short: 'o',
      placeholder: 'file',
      help: 'where it goes; default: standard output',
    },
    skeleton: { type: 'flag', help: 'without the bodies of functions and the contents of segments' },
    offsets: { type: 'flag', help: 'with the offset in the binary of each line' },
    fold: { type: 'flag', help: 'with instructions within each other, as expressions' },
  },
  run({ output = '-', ...options }, [path = '']) {
    const { kind, bytes } = readSource(path)
    const destination = openOutput(output)
    try {
      const binary = kind === 'text' ? wat2wasm(bytes.toString()) : bytes
      destination.write(printWasm(binary, options, MAX_TEXT))
    } catch (error) {
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
    output: {
      type: 'value',
      short: 'o',
      placeholder: 'file',
      help: 'where it goes, - being standard output; default: the name of the text with .wasm, in this directory',
    },
  },
  run({ output }, [path = '']) {
    const { kind, bytes } = readSource(path)
    if (kind !== 'text') throw new CliError(`${path} is in the binary format already`)
    const destination = openOutput(output ?? defaultOutput(path, '.wasm'))
    try {
      destination.write(wat2wasm(bytes.toString()))
    } catch (error) {
      throw inFile(path, error)
    }
    return 0
  },
})
