import { ArgumentError } from './errors'
import type { Binding } from './native'

/**
 * What an engine must do for the same module with the same inputs to give the same results, bit by bit, on every run and
 * every processor. Each is the option and the value that it must have.
 *
 * Clocks and randomness of WASI are options of each instance, not of the engine: its `wasi` must fix them.
 */
const required = [
  ['nanCanonicalization', true],
  ['relaxedSimdDeterministic', true],
  ['sharedMemory', false],
] as const satisfies readonly (readonly [keyof Binding.EngineConfig, boolean])[]

/**
 * @internal Makes a configuration deterministic.
 *
 * @throws {ArgumentError} If an option that was given contradicts that.
 */
export function makeDeterministic(config: Binding.EngineConfig, what: string): void {
  for (const [name, value] of required) {
    if (config[name] !== undefined && config[name] !== value) {
      throw new ArgumentError(
        `${what}.deterministic needs ${name}: ${value}, but ${what}.${name} is ${config[name]}; leave one of them out`,
      )
    }
    config[name] = value
  }
}
