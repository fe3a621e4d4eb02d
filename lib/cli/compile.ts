import { basename, extname, resolve } from 'node:path'

import { Engine } from '../engine'
import { ArgumentError } from '../errors'
import { defineCommand } from './command'
import { engineFlags, engineOption, withEngineFlags } from './engine-flags'
import { CliError, UsageError } from './failure'
import { inFile } from './guest'
import { readSource, sourceOf } from './module-file'
import { openOutput, outputOption } from './output'
import { withProgress } from './progress'

export const compile = defineCommand({
  name: 'compile',
  summary: 'Compiles a module to machine code, for node-wasmtime run --allow-precompiled',
  usage: '[options] <module>',
  details:
    'The result fits the same version of this package and the same options of the engine: give --engine, and --engine ' +
    'fuel=true for run --fuel, here as well. In JavaScript, CompiledModule.unsafeDeserializeFile takes it.',
  positionals: [1, 1],
  options: {
    output: outputOption(
      'where it goes, - being standard output; default: the name of the module with .cwasm, in this directory',
    ),
    target: {
      type: 'value',
      placeholder: 'triple',
      help: 'the machine that it is for, such as aarch64-unknown-linux-gnu; default: this one, with all that its processor can do',
    },
    engine: engineOption,
  },
  async run({ output, target, engine: flags }, [path = '']) {
    const file = readSource(path)
    const destination = openOutput(output ?? defaultOutput(path, '.cwasm'))
    const engine = withEngineFlags(() => new Engine(engineFlags(flags)))
    const work = engine.precompile(sourceOf(file), target === undefined ? {} : { target })
    destination.write(await withProgress(`compiling ${path}`, file.bytes.length, work).catch(explain))
    return 0

    function explain(error: unknown): never {
      if (target === undefined || !(error instanceof ArgumentError)) throw inFile(path, error)
      throw new UsageError(`--target: ${error.message.replace(/^options\.target: /, '')}`)
    }
  },
})

/** The name of an input with another extension, in the working directory. */
export function defaultOutput(path: string, extension: string): string {
  if (path === '-') throw new UsageError('say where the output goes with -o, since the input has no name')
  const output = basename(path, extname(path)) + extension
  if (resolve(output) !== resolve(path)) return output
  throw new CliError(`${path} would be overwritten; say where the output goes with -o`)
}
