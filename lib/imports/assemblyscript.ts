import { checkChoice, checkOptions } from '../call-options'
import { describe } from '../describe'
import { ArgumentError, ExitError } from '../errors'
import { HostModuleBuilder } from '../host-module-builder'
import type { HostModuleInstance } from '../host-module-instance'
import { ModuleInstance } from '../module-instance'
import type { Runtime } from '../runtime'
import { printable } from '../wasm-frame'

/**
 * What takes a text that a guest has written: `guest` is the instance that it comes from. It is the text as it came; in what
 * goes to the streams of the process, and into errors, control characters are escaped.
 */
export type AssemblyScriptOutput = (text: string, guest: ModuleInstance) => void

/** How the functions behave that AssemblyScript's programs import. */
export interface AssemblyScriptOptions {
  /**
   * Where the message goes with which a program aborts, as in `out of range at assembly/index.ts:12:5`: to the process's
   * standard error (the default), nowhere, or to a function. It is the `cause` of the `ExitError` in any case.
   */
  readonly abort?: 'stderr' | 'ignore' | AssemblyScriptOutput
  /** Where `trace` writes, as in `trace: text 1,2`. Default: nowhere, as in wazero. */
  readonly trace?: 'stdout' | 'stderr' | 'ignore' | AssemblyScriptOutput
  /** Gives the seed of the program's `Math.random`. Default: another random number in each call. */
  readonly seed?: () => number
}

/** Bytes of a guest's text that are read at most; a guest may claim that it has gigabytes. */
const MAXIMUM_TEXT = 1 << 20

/** The exit code of a program that has aborted, as in wazero. */
const ABORTED = 255

/**
 * Exports `abort`, `trace` and `seed` from a host module that is being built, for programs which import other functions
 * from `env`, too.
 *
 * @returns The builder.
 * @throws {ArgumentError} If an option is not what is described there.
 */
export function exportFunctions(builder: HostModuleBuilder, options: AssemblyScriptOptions = {}): HostModuleBuilder {
  if (!(builder instanceof HostModuleBuilder)) {
    throw new ArgumentError(`builder must be a HostModuleBuilder, but got ${describe(builder)}`)
  }
  const given = checkOptions(options, 'options', ['abort', 'trace', 'seed'])
  const writeAbort = outputOf(given.abort ?? 'stderr', 'options.abort', ['stderr', 'ignore'])
  const writeTrace = outputOf(given.trace ?? 'ignore', 'options.trace', ['stdout', 'stderr', 'ignore'])
  const seed = given.seed ?? randomSeed
  if (typeof seed !== 'function') {
    throw new ArgumentError(`options.seed must be a function, but got ${describe(seed)}`)
  }

  const abort = (guest: ModuleInstance, message: number, file: number, line: number, column: number): never => {
    const text = `${readText(guest, message)} at ${readText(guest, file)}:${line >>> 0}:${column >>> 0}`
    const error = new ExitError(ABORTED, { cause: new Error(printable(text)) })
    try {
      writeAbort?.(text, guest)
    } finally {
      ModuleInstance.abort(guest, ABORTED, error)
    }
    throw error
  }
  const trace = (guest: ModuleInstance, message: number, count: number, ...values: number[]): void => {
    if (writeTrace === undefined) return
    const numbers = values.slice(0, Math.max(0, count)).join(',')
    writeTrace(`trace: ${readText(guest, message)}${numbers && ` ${numbers}`}`, guest)
  }
  return builder
    .newFunctionBuilder()
    .withModuleFunc(abort, ['i32', 'i32', 'i32', 'i32'], [])
    .withName('~lib/builtins/abort')
    .withParameterNames('message', 'fileName', 'lineNumber', 'columnNumber')
    .export('abort')
    .newFunctionBuilder()
    .withModuleFunc(trace, ['i32', 'i32', 'f64', 'f64', 'f64', 'f64', 'f64'], [])
    .withName('~lib/builtins/trace')
    .withParameterNames('message', 'nArgs', 'arg0', 'arg1', 'arg2', 'arg3', 'arg4')
    .export('trace')
    .newFunctionBuilder()
    .withFunc(() => seed() as number, [], ['f64'])
    .withName('~lib/builtins/seed')
    .withResultNames('rand')
    .export('seed')
}

/**
 * Makes a host module named `env` with what AssemblyScript's programs import by default: `abort`, `trace` and `seed`.
 *
 * A program that aborts ends: its instance is closed, and the call throws an `ExitError` with `exitCode` 255 whose `cause` has
 * the message.
 *
 * @example
 * ```ts
 * assemblyscript.instantiate(runtime, { trace: 'stdout' })
 * const guest = runtime.instantiate(bytes)
 * ```
 * @throws {ArgumentError} If an option is not what is described there.
 * @throws {LinkError} If there is a module named `env`: then use `exportFunctions` when you build it.
 */
export function instantiate(runtime: Runtime, options: AssemblyScriptOptions = {}): HostModuleInstance {
  return exportFunctions(runtime.newHostModuleBuilder('env'), options).instantiate()
}

function outputOf(
  value: unknown,
  what: string,
  names: readonly ('stdout' | 'stderr' | 'ignore')[],
): AssemblyScriptOutput | undefined {
  if (typeof value === 'function') return value as AssemblyScriptOutput
  const name = checkChoice(value, what, names, ' or a function')
  return name === 'ignore' ? undefined : (text) => void process[name ?? 'stderr'].write(`${printable(text)}\n`)
}

/** A string of AssemblyScript: UTF-16, and before it its length in bytes. A program that gives nonsense gets this far only. */
function readText(guest: ModuleInstance, pointer: number): string {
  const at = pointer >>> 0
  if (at === 0) return ''
  const { memory } = guest
  const length = at < 4 ? undefined : memory?.readUint32Le(at - 4)
  const bytes = length === undefined ? undefined : memory?.read(at, Math.min(length, MAXIMUM_TEXT))
  if (length === undefined || bytes === undefined) return `(no string at ${at})`
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf16le')
  return length > MAXIMUM_TEXT ? `${text}... (${length} bytes)` : text
}

function randomSeed(): number {
  return Math.random() * Number.MAX_SAFE_INTEGER
}
