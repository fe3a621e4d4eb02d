/**
 * A process that runs files of the suite, one after the other, as its parent (`child-pool.ts`) asks: a file that crashes it
 * or never ends is the end of that file only.
 */
import { Engine, type EngineOptions } from '../../index.mjs'
import type { Answer, Job } from './child-pool.ts'
import { readScript } from './script.ts'
import { ScriptRunner } from './script-runner.ts'

const engines = new Map<string, Engine>()

function engineFor(options: EngineOptions): Engine {
  const key = JSON.stringify(options)
  let engine = engines.get(key)
  if (engine === undefined) {
    engine = new Engine(options)
    engines.set(key, engine)
  }
  return engine
}

process.on('message', async ({ group, name, mode, options }: Job) => {
  const start = performance.now()
  let answer: Answer
  try {
    const outcome = await new ScriptRunner(engineFor(options), mode, readScript(group, name), options).run()
    answer = { ...outcome, ms: performance.now() - start }
  } catch (error) {
    answer = { error: error instanceof Error ? String(error.stack) : String(error) }
  }
  process.send?.(answer)
})
