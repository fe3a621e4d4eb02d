import type { CompiledModule } from './compiled-module'
import { checkOptions } from './call-options'
import { ExitError, LinkError } from './errors'
import type { Limits } from './limits'
import { type CheckedModuleConfig, checkGiven } from './module-config'
import { Module } from './module'
import { ModuleInstance } from './module-instance'
import { type StopOptions, type Stopper, checkSignal } from './stopper'
import { type WasiHost, hostOf } from './wasi-host'
import type { WasiOptions } from './wasi-options'

/** How a program is run. */
export interface CommandConfig {
  /** What the program finds of WASI; nothing by default. Its output is kept in a `'buffer'` unless this says otherwise. */
  readonly wasi?: WasiOptions
  /** What `context` of the instance is, which host functions get. */
  readonly context?: unknown
  /** What the program may take; what is left out is as in the limits of the runtime. */
  readonly limits?: Limits
  /** The fuel of the program, with the engine option `fuel: true`; default: no bound. */
  readonly fuel?: bigint
  /** Stops the program after so many milliseconds, wherever it is, with an {@link InterruptedError}. */
  readonly timeoutMs?: number
}

/** How a program is run in async mode. */
export interface AsyncCommandConfig extends CommandConfig, StopOptions {}

/** How a program has ended. */
export interface CommandResult {
  /** What it has given `proc_exit`; 0 if it has ended without. */
  readonly exitCode: number
  /** What it has written to its standard output, if that is kept in a `'buffer'`; else empty. */
  readonly stdout: Buffer
  /** The same of its standard error. */
  readonly stderr: Buffer
}

const names = ['wasi', 'context', 'limits', 'fuel', 'timeoutMs'] as const
const asyncNames = [...names, 'signal'] as const

/** @internal */
export function checkCommandConfig(config: unknown): CheckedModuleConfig {
  return check(checkOptions(config, 'config', names), undefined)
}

/** @internal As `checkCommandConfig`, for async mode. */
export function checkAsyncCommandConfig(config: unknown): CheckedModuleConfig {
  const given = checkOptions(config, 'config', asyncNames)
  const signal = checkSignal(given.signal, 'config.signal')
  return check(given, signal)
}

function check(
  given: { [name in (typeof names)[number]]?: unknown },
  signal: AbortSignal | undefined,
): CheckedModuleConfig {
  const { wasi = {} } = given
  return checkGiven({ ...given, wasi, name: '', startFunctions: ['_start'] }, signal, 'buffer')
}

/** @internal Throws if a module is no program. */
export function checkCommand(compiled: CompiledModule): void {
  if (Module.exports(compiled, '_start')) return
  throw new LinkError(
    'the module exports no function "_start", so it is no program; make an instance of it with instantiate() or ' +
      'instantiateAsync(), and call what it exports',
  )
}

/** @internal Frees a program that has ended; gives its WASI. */
export function endCommand(instance: ModuleInstance<any>): WasiHost {
  const { wasi } = ModuleInstance.parts(instance).core
  instance.close()
  if (wasi === undefined) throw new LinkError('the program was run without WASI')
  return wasi
}

/** @internal The WASI of a program that has failed to end by itself; throws the error unless that is an exit code. */
export function exitedHost(error: unknown): WasiHost {
  const host = hostOf(error)
  if (!(error instanceof ExitError) || host?.exitCode === undefined) throw error
  return host
}

/** @internal Waits until the streams of a program that has ended have written everything; gives what it has done. */
export async function commandResult(host: WasiHost, stopper: Stopper | undefined): Promise<CommandResult> {
  await Promise.race([host.finish(), stopped(stopper)])
  return resultOf(host)
}

/** @internal As `commandResult`, without waiting. */
export function commandResultNow(host: WasiHost): CommandResult {
  host.check()
  return resultOf(host)
}

function resultOf(host: WasiHost): CommandResult {
  return { exitCode: host.exitCode ?? 0, stdout: host.takeStdout(), stderr: host.takeStderr() }
}

/** Is rejected when it is time to stop. */
function stopped(stopper: Stopper | undefined): Promise<never> {
  return new Promise((_, reject) => stopper?.watch({ stop: (reason) => reject(reason([])) }))
}
