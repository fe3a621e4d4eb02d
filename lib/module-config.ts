import { checkList, checkOptions, checkString, checkTimeout } from './call-options'
import { describe } from './describe'
import { ArgumentError } from './errors'
import { checkFuel } from './fuel'
import { type Limits, checkLimits } from './limits'
import { type StopOptions, checkSignal } from './stopper'
import { type CheckedWasi, type WasiOptions, checkWasiOptions } from './wasi-options'

const MAX_START_FUNCTIONS = 1000

/** How a module is instantiated. */
export interface ModuleConfig {
  /** Name that others import the instance by; `''` for none. Default: the name that the module gives itself. */
  readonly name?: string
  /** Exported functions to call after instantiation, those that are missing skipped. Default `['_start']`. */
  readonly startFunctions?: readonly string[]
  /** What `context` of the instance is at first. */
  readonly context?: unknown
  /**
   * What the instance may take; what is left out is as in the limits of the runtime. Only for an instance with a store of its
   * own: one without a name (`name: ''`) that imports from no named instance, and no memory, global or table of a host module.
   */
  readonly limits?: Limits
  /** The fuel of the instance, with the engine option `fuel: true`; default: no bound. Only where `limits` are possible. */
  readonly fuel?: bigint
  /** Stops the start functions, all together, after so many milliseconds, with an {@link InterruptedError}. */
  readonly timeoutMs?: number
  /**
   * Gives the guest WASI preview 1. The instance has a store of its own, so it has no name and cannot import from other
   * instances; host functions may stand beside WASI, and a host module called `wasi_snapshot_preview1` replaces single
   * functions of it. When the guest calls `proc_exit`, the instance is closed with that code.
   */
  readonly wasi?: WasiOptions
}

/** How a host module is instantiated: only `name` means something to it, for it has no guest to start or to limit. */
export type HostModuleConfig = Omit<ModuleConfig, 'limits' | 'fuel' | 'timeoutMs' | 'wasi'>

/** How a module is instantiated in async mode. */
export interface AsyncModuleConfig extends ModuleConfig, StopOptions {}

const names = ['name', 'startFunctions', 'context', 'wasi', 'limits', 'fuel', 'timeoutMs'] as const
const asyncNames = [...names, 'signal'] as const

/** @internal A module's configuration, checked. */
export interface CheckedModuleConfig {
  readonly name: string | undefined
  readonly startFunctions: readonly string[]
  readonly context: unknown
  readonly wasi: CheckedWasi | undefined
  /** Only in async mode. */
  readonly signal: AbortSignal | undefined
  readonly timeoutMs: number | undefined
  readonly limits: Limits | undefined
  readonly fuel: bigint | undefined
}

/** @internal */
export function checkModuleConfig(config: unknown): CheckedModuleConfig {
  return checkGiven(checkOptions(config, 'config', names), undefined, 'ignore')
}

/** @internal As `checkModuleConfig`, for async mode. */
export function checkAsyncModuleConfig(config: unknown): CheckedModuleConfig {
  const given = checkOptions(config, 'config', asyncNames)
  const signal = checkSignal(given.signal, 'config.signal')
  return checkGiven(given, signal, 'ignore')
}

const defaultStartFunctions: readonly string[] = Object.freeze(['_start'])

/**
 * @internal Checks what was given, each option read once.
 *
 * @param output Where guests with WASI write to unless they are told otherwise.
 */
export function checkGiven(
  given: { [name in (typeof names)[number]]?: unknown },
  signal: AbortSignal | undefined,
  output: 'ignore' | 'buffer',
): CheckedModuleConfig {
  const wasi = given.wasi === undefined ? undefined : checkWasiOptions(given.wasi, 'config.wasi', output)
  if (wasi !== undefined && given.name !== undefined && given.name !== '') {
    throw new ArgumentError(
      'config.name must be left out, or empty, where config.wasi is given: such an instance has a store of its own, ' +
        'so that nothing can import from it',
    )
  }
  return {
    wasi,
    name: checkString(given.name, 'config.name'),
    startFunctions:
      given.startFunctions === undefined ? defaultStartFunctions : checkStartFunctions(given.startFunctions),
    context: given.context,
    signal,
    timeoutMs: checkTimeout(given.timeoutMs, 'config.timeoutMs'),
    limits: checkLimits(given.limits, 'config.limits'),
    fuel: checkFuel(given.fuel, 'config.fuel'),
  }
}

function checkStartFunctions(startFunctions: unknown): readonly string[] {
  return checkList(startFunctions, 'config.startFunctions', 'strings', MAX_START_FUNCTIONS, (item, what) => {
    if (typeof item === 'string') return item
    throw new ArgumentError(`${what} must be a string, but got ${describe(item)}`)
  })
}
