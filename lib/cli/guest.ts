import { basename } from 'node:path'

import { CompiledModule } from '../compiled-module'
import type { EngineOptions } from '../engine-options'
import { CompileError, ExitError, InterruptedError, LimitError, LinkError, OutOfFuelError, TrapError } from '../errors'
// Tells native code of the classes for what guests throw and return.
import '../gc-ref'
import type { ModuleConfig } from '../module-config'
import type { ModuleInstance } from '../module-instance'
import { Runtime } from '../runtime'
import { now } from '../stopper'
import { WasmException } from '../wasm-exception'
import { renderName, renderTrace } from '../wasm-frame'
import { withEngineFlags } from './engine-flags'
import { CliError, ExitStatus, statusOf } from './failure'
import { type Invocation, functionOf, planInvocation, printResults } from './invocation'
import { type ModuleFile, readModule, sourceOf } from './module-file'
import { type Output, note } from './output'
import type * as ProfiledGuest from './profiled-guest'
import { isWatched, withProgress } from './progress'

/** A guest that is to be run, and how. */
export interface GuestRequest {
  readonly path: string
  /** Words of the command line behind the path. */
  readonly args: readonly string[]
  readonly engine: EngineOptions
  readonly config: ModuleConfig
  readonly timeoutMs: number | undefined
  /** The function to call instead of the program. */
  readonly invoke: string | undefined
  /** Files to write. */
  readonly profile: Output | undefined
  readonly coredump: Output | undefined
  readonly allowPrecompiled: boolean
}

/**
 * Runs a guest to its end; gives the exit status.
 *
 * In sync mode, which begins and ends sooner. That the event loop does not go on meanwhile is nobody's loss: without handlers
 * of JavaScript, signals end the process as they end any other.
 */
export function runGuest(request: GuestRequest): number | Promise<number> {
  const file = readModule(request.path)
  const runtime = withEngineFlags(() => new Runtime(request.engine))
  const compiled = makeModule(runtime, file, request)
  if (!(compiled instanceof CompiledModule)) return compiled.then((module) => runModule(runtime, module, request))
  return runModule(runtime, compiled, request)
}

function makeModule(
  runtime: Runtime,
  file: ModuleFile,
  { path, allowPrecompiled }: GuestRequest,
): CompiledModule | Promise<CompiledModule> {
  try {
    if (file.kind === 'precompiled') {
      if (!allowPrecompiled) {
        throw new CliError(
          `${path} is precompiled: it holds machine code, which can do whatever you can do. If you trust whoever made it, ` +
            'say --allow-precompiled',
        )
      }
      return path === '-'
        ? CompiledModule.unsafeDeserialize(runtime, file.bytes)
        : CompiledModule.unsafeDeserializeFile(runtime, path)
    }
    // On other threads only for somebody to look at: it takes longer to begin.
    if (!isWatched()) return runtime.compileModuleSync(sourceOf(file))
    const work = runtime.compileModule(sourceOf(file)).catch((error: unknown) => {
      throw inFile(path, error)
    })
    return withProgress(`compiling ${path}`, file.bytes.length, work)
  } catch (error) {
    throw inFile(path, error)
  }
}

/** Says in which file something is wrong. */
export function inFile(path: string, error: unknown): unknown {
  return error instanceof CompileError ? new CliError(`${path}: ${error.message}`) : error
}

function runModule(runtime: Runtime, compiled: CompiledModule, request: GuestRequest): number | Promise<number> {
  const invocation = planInvocation(compiled, request.invoke, request.args)
  if (request.profile !== undefined) {
    // Only profiles need the code for them.
    const { runProfiled } = require('./profiled-guest') as typeof ProfiledGuest
    return runProfiled(runtime, compiled, invocation, request, request.profile)
  }
  try {
    return runNow(runtime, compiled, invocation, request)
  } catch (error) {
    return endStatus(error, request)
  }
}

function runNow(runtime: Runtime, compiled: CompiledModule, invocation: Invocation, request: GuestRequest): number {
  const left = clock(request.timeoutMs)
  const instance = runtime.instantiate(compiled, { ...request.config, startFunctions: [], ...left() })
  for (const { name, args } of callsOf(instance, invocation)) {
    const func = functionOf(instance, name)
    const result: unknown = func.callWith(left(), ...args)
    if (name === request.invoke) printResults(func, result)
  }
  return statusOf(instance.exitCode ?? ExitStatus.success)
}

/** What is to be called, one after the other. A guest that its own start function has ended successfully is done. */
export function callsOf(instance: ModuleInstance, invocation: Invocation): readonly Invocation[] {
  if (instance.closed) return []
  const initialize = { name: '_initialize', args: [] }
  const isLibrary = invocation.name !== '_start' && instance.exportedFunction(initialize.name) !== undefined
  return isLibrary && invocation.name !== initialize.name ? [initialize, invocation] : [invocation]
}

/** Gives what is left of the time for the whole guest, as an option of calls. */
export function clock(timeoutMs: number | undefined): () => { readonly timeoutMs?: number } {
  if (timeoutMs === undefined) return () => ({})
  const end = now() + timeoutMs
  return () => ({ timeoutMs: Math.max(0, end - now()) })
}

/** The exit status of a guest that has not come to its end by returning; throws what is not the guest's. */
export function endStatus(error: unknown, { timeoutMs, coredump, path }: GuestRequest): number {
  if (error instanceof ExitError) return statusOf(error.exitCode)
  if (!isEndOfGuest(error)) throw outsideOfGuest(error, path)
  note(`node-wasmtime: ${endText(error, path, timeoutMs)}`)
  if (coredump !== undefined) {
    if (error instanceof WasmException) note('node-wasmtime: there is no core dump, since exceptions have none')
    else if (error.coredump === undefined) {
      note('node-wasmtime: there is no core dump, since the guest is too large for one')
    } else {
      coredump.write(error.coredump)
      note(`node-wasmtime: a core dump was written to ${coredump.path}`)
    }
  }
  return ExitStatus.trap
}

type EndOfGuest = TrapError | InterruptedError | OutOfFuelError | WasmException

function isEndOfGuest(error: unknown): error is EndOfGuest {
  return (
    error instanceof TrapError ||
    error instanceof InterruptedError ||
    error instanceof OutOfFuelError ||
    error instanceof WasmException
  )
}

/** What has kept a guest from beginning. */
function outsideOfGuest(error: unknown, path: string): unknown {
  if (error instanceof LinkError) return unlinkable(path, error)
  if (!(error instanceof LimitError)) return error
  return new CliError(error.message.replace(/^limits\.memoryBytes of the store/, '--max-memory'))
}

function endText(error: EndOfGuest, path: string, timeoutMs: number | undefined): string {
  if (error instanceof WasmException) return `an exception that nobody caught${renderTrace(error.frames)}`
  if (!(error instanceof InterruptedError)) return error.message
  return `${basename(path)} was stopped after ${timeoutMs} ms (--timeout)${renderTrace(error.frames)}`
}

/** Names all imports that cannot be given. */
function unlinkable(path: string, { message, problems }: LinkError): CliError {
  if (problems.length === 0) return new CliError(message)
  const lines = problems.slice(0, MAX_PROBLEMS).map(({ module, name, expected = '', actual }) => {
    const found = actual === undefined ? '' : `, but there it is ${actual}`
    return `\n  ${renderName(module)}.${renderName(name)}: ${expected}${found}`
  })
  const rest = problems.length - lines.length
  return new CliError(
    `${path} imports what it cannot be given; there is WASI preview 1 and nothing else:${lines.join('')}` +
      (rest > 0 ? `\n  and ${rest} more` : ''),
  )
}

const MAX_PROBLEMS = 20
