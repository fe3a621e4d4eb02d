import { checkOptions } from './call-options'
import { type EngineOptions, checkEngineOptions, engineOptionNames } from './engine-options'
import { type FunctionListenerFactory, checkListenerFactory } from './function-listener'
import { type Limits, checkLimits } from './limits'
import { Listening } from './listening'
import { type Binding, native } from './native'

/** Options of a `Runtime`: those of its engine, and its own. */
export interface RuntimeOptions extends EngineOptions, OwnOptions {}

/** Options of a `Runtime` that do not concern its engine. */
interface OwnOptions {
  /**
   * What the instances of a store may take together. Every instance without a name has a store of its own; all with names
   * share one in each mode. Default: none but what {@link Limits} says.
   */
  readonly limits?: Limits
  /**
   * Makes listeners for the calls between host and guests, of all functions of the runtime's modules and host modules.
   * Default: none, and calls cost nothing more.
   */
  readonly functionListenerFactory?: FunctionListenerFactory
}

/** @internal */
export const ownOptionNames = ['limits', 'functionListenerFactory'] as const

/** @internal What a runtime is made of: an engine, which may be that of another thread, and its own options. */
export class RuntimeParts {
  readonly engine: Binding.Engine
  readonly limits: Limits | undefined
  readonly listening: Listening | undefined

  constructor(engine: Binding.Engine, own: { [name in (typeof ownOptionNames)[number]]?: unknown }) {
    this.engine = engine
    this.limits = checkLimits(own.limits, 'options.limits')
    const make = checkListenerFactory(own.functionListenerFactory, 'options.functionListenerFactory')
    this.listening = make === undefined ? undefined : new Listening(make)
  }
}

/** @internal */
export function checkRuntimeOptions(options: unknown): RuntimeParts {
  if (options instanceof RuntimeParts) return options
  const { limits, functionListenerFactory, ...engine } = checkOptions(options, 'options', [
    ...engineOptionNames,
    ...ownOptionNames,
  ])
  return new RuntimeParts(new native.Engine(checkEngineOptions(engine)), { limits, functionListenerFactory })
}
