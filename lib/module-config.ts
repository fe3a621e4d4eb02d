import { checkOptions, checkString, checkTimeout } from './call-options'
import { describe } from './describe'
import { ArgumentError } from './errors'
import { type StopOptions, checkSignal } from './stopper'

const MAX_START_FUNCTIONS = 1000

/** How a module is instantiated. */
export interface ModuleConfig {
  /** Name that others import the instance by; `''` for none. Default: the name that the module gives itself. */
  readonly name?: string
  /** Exported functions to call after instantiation, those that are missing skipped. Default `['_start']`. */
  readonly startFunctions?: readonly string[]
  /** What `context` of the instance is at first. */
  readonly context?: unknown
}

/** How a module is instantiated in async mode. */
export interface AsyncModuleConfig extends ModuleConfig, StopOptions {}

const names = ['name', 'startFunctions', 'context'] as const

/** @internal A module's configuration, checked. */
export interface CheckedModuleConfig {
  readonly name: string | undefined
  readonly startFunctions: readonly string[]
  readonly context: unknown
}

/** @internal */
export function checkModuleConfig(config: unknown): CheckedModuleConfig {
  return check(checkOptions(config, 'config', names))
}

/** @internal As `checkModuleConfig`, for async mode. */
export function checkAsyncModuleConfig(
  config: unknown,
): CheckedModuleConfig & { readonly signal: AbortSignal | undefined; readonly timeoutMs: number | undefined } {
  const given = checkOptions(config, 'config', [...names, 'signal', 'timeoutMs'])
  return {
    ...check(given),
    signal: checkSignal(given.signal, 'config.signal'),
    timeoutMs: checkTimeout(given.timeoutMs, 'config.timeoutMs'),
  }
}

function check(given: { [name in (typeof names)[number]]?: unknown }): CheckedModuleConfig {
  const { name, startFunctions = ['_start'], context } = given
  if (!Array.isArray(startFunctions)) {
    throw new ArgumentError(`config.startFunctions must be an array of strings, but got ${describe(startFunctions)}`)
  }
  // Read by index, once: a proxy may have an endless iterator or a different length every time.
  const length = Number(startFunctions.length)
  if (!(length <= MAX_START_FUNCTIONS)) {
    throw new ArgumentError(`config.startFunctions must have at most ${MAX_START_FUNCTIONS} names, but has ${length}`)
  }
  const functions: string[] = []
  for (let index = 0; index < length; index++) {
    const item: unknown = startFunctions[index]
    if (typeof item !== 'string') {
      throw new ArgumentError(`config.startFunctions[${index}] must be a string, but got ${describe(item)}`)
    }
    functions.push(item)
  }
  return { name: checkString(name, 'config.name'), startFunctions: functions, context }
}
