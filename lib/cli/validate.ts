import { Engine } from '../engine'
import { Module } from '../module'
import { defineCommand } from './command'
import { engineFlags, engineOption, withEngineFlags } from './engine-flags'
import { inFile } from './guest'
import { readSource, sourceOf } from './module-file'

export const validate = defineCommand({
  name: 'validate',
  summary: 'Checks modules without compiling them; says nothing about those that are valid',
  usage: '[options] <module...>',
  positionals: [1, Infinity],
  options: { engine: engineOption },
  run(options, paths) {
    const engine = withEngineFlags(() => new Engine(engineFlags(options.engine)))
    for (const path of paths) {
      try {
        Module.validate(engine, sourceOf(readSource(path)))
      } catch (error) {
        throw inFile(path, error)
      }
    }
    return 0
  },
})
