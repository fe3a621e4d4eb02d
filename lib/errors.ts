import type { LimitName, Refusal } from './limits'
import type { TrapCode } from './trap-code'
import { MAX_ATTACHED_FRAMES, type WasmFrame, isError, ownFrames, renderTrace } from './wasm-frame'

/**
 * Stable identifier of what went wrong, in the `code` of every error that this package makes. Compare with it rather
 * than with messages, which may be reworded in any release.
 */
export type ErrorCode =
  /** The module is malformed, invalid or uses a disabled proposal: {@link CompileError}. */
  | 'COMPILE_ERROR'
  /** An import is missing or does not fit: {@link LinkError}. */
  | 'LINK_ERROR'
  /** WebAssembly code trapped: {@link TrapError}. */
  | 'TRAP'
  /** The module was closed, by `close(exitCode)` or WASI's `proc_exit`: {@link ExitError}. */
  | 'EXIT'
  /** A timeout, the deadline of its store or `interrupt()` stopped the call: {@link InterruptedError}. */
  | 'INTERRUPTED'
  /** A guest's exception that nobody caught, or one that a host function made: `WasmException`. */
  | 'EXCEPTION'
  /** The call used up its fuel: {@link OutOfFuelError}. */
  | 'OUT_OF_FUEL'
  /** A limit on memory, tables or instances was reached: {@link LimitError}. */
  | 'LIMIT_EXCEEDED'
  /** Another call is using the store: {@link StoreBusyError}. */
  | 'STORE_BUSY'
  /** The object was closed, or is no longer valid: {@link ClosedError}. */
  | 'CLOSED'
  /** An argument has the wrong type: {@link ArgumentError}. */
  | 'INVALID_ARGUMENT'
  /** An argument has the right type but a value out of range: {@link ArgumentRangeError}. */
  | 'OUT_OF_RANGE'
  /** The native stack is exhausted: a plain `RangeError` like the one that JavaScript itself throws. */
  | 'STACK_OVERFLOW'
  /** A host function provided by this package failed: a plain {@link WasmtimeError}. */
  | 'HOST_FAILURE'
  /** A bug in this package: a plain {@link WasmtimeError}. */
  | 'INTERNAL'
  /** `require` or `import` found no addon for this platform and version: a plain {@link WasmtimeError}. */
  | 'ADDON_NOT_LOADED'

/** One import that could not be satisfied. */
export interface LinkProblem {
  /** Module name of the import. */
  readonly module: string
  /** Field name of the import. */
  readonly name: string
  /**
   * `missing`: nothing of that name is defined; `mismatch`: it is defined with another type; `wrong-store`: it belongs
   * to another store, or to one of the other mode (sync or async); `other`: see the message.
   */
  readonly reason: 'missing' | 'mismatch' | 'wrong-store' | 'other'
  /** What the module asks for, for example `(i32,i32) i32`. */
  readonly expected?: string
  /** What was found instead. */
  readonly actual?: string
}

/** Options that every error class of this package takes. */
export interface WasmtimeErrorOptions {
  /** The error, or any other value, that led to this one; becomes `error.cause`. */
  readonly cause?: unknown
}

/** Options of errors that stopped WebAssembly code. */
export interface StoppedErrorOptions extends WasmtimeErrorOptions {
  /** The WebAssembly stack, innermost frame first. Default: empty. */
  readonly frames?: readonly WasmFrame[] | undefined
  /** The core dump. */
  readonly coredump?: Uint8Array | undefined
}

/** Options of {@link CompileError}. */
export interface CompileErrorOptions extends WasmtimeErrorOptions {
  /** Where in the module, in bytes from its beginning. */
  readonly offset?: number | undefined
}

/** Options of {@link LinkError}. */
export interface LinkErrorOptions extends WasmtimeErrorOptions {
  /** The imports at fault. Default: empty. */
  readonly problems?: readonly LinkProblem[] | undefined
}

/** Options of {@link LimitError}. */
export interface LimitErrorOptions extends WasmtimeErrorOptions {
  /** The limit of the store that was reached. */
  readonly limit?: Refusal | undefined
}

/** Options of {@link TrapError}. */
export interface TrapErrorOptions extends StoppedErrorOptions {
  /** Why the code trapped. Default: `other`. */
  readonly trapCode?: TrapCode | undefined
}

/** Options of {@link ExitError}. */
export interface ExitErrorOptions extends WasmtimeErrorOptions {
  /** What the call returned although its module was closed meanwhile. */
  readonly results?: unknown
}

/**
 * Base class of the errors that are particular to WebAssembly. Wrong arguments are {@link ArgumentError} and
 * {@link ArgumentRangeError} instead, and what a host function throws reaches the caller as it is.
 */
export class WasmtimeError extends Error {
  /** What went wrong, in a form made for programs. */
  readonly code: ErrorCode

  /**
   * @param code What went wrong.
   * @param message For people.
   * @param options The cause, if there is one.
   */
  constructor(code: ErrorCode, message: string, options?: WasmtimeErrorOptions) {
    super(message, causeOf(options))
    this.code = code
  }
}

/** The module could not be compiled: malformed, invalid, or in need of a proposal that is switched off. */
export class CompileError extends WasmtimeError {
  declare readonly code: 'COMPILE_ERROR'
  /** Where in the module, in bytes from its beginning; missing when that is not known. */
  declare readonly offset?: number

  constructor(message: string, options?: CompileErrorOptions) {
    super('COMPILE_ERROR', message, options)
    if (options?.offset !== undefined) this.offset = options.offset
  }
}

/** A module could not be instantiated because imports are missing or do not fit. */
export class LinkError extends WasmtimeError {
  declare readonly code: 'LINK_ERROR'
  /** The imports at fault, in the order of the module's import section; empty when it is not about one import. */
  readonly problems: readonly LinkProblem[]

  constructor(message: string, options?: LinkErrorOptions) {
    super('LINK_ERROR', message, options)
    this.problems = options?.problems ?? []
  }
}

/**
 * WebAssembly code did something that ends it at once, such as an access outside its memory. The message is
 * `wasm error: ` and the reason, with the WebAssembly stack in the lines below.
 */
export class TrapError extends WasmtimeError {
  declare readonly code: 'TRAP'
  /** Why the code trapped. */
  readonly trapCode: TrapCode
  /** The WebAssembly stack, innermost frame first. Not enumerable: the message shows it already. */
  declare readonly frames: readonly WasmFrame[]
  /**
   * The guest at that moment, as a core dump of WebAssembly's tool conventions, if the engine was made with
   * `coredumpOnTrap`: write the bytes to a file for the tools that read it. Not enumerable: it may be as large as the memory.
   */
  declare readonly coredump?: Uint8Array

  /**
   * @param reason The reason alone, without prefix and stack.
   * @param options Code, stack and core dump.
   */
  constructor(reason: string, options?: TrapErrorOptions) {
    const frames = options?.frames ?? []
    super('TRAP', `wasm error: ${reason}${renderTrace(frames)}`, options)
    this.trapCode = options?.trapCode ?? 'other'
    defineHidden(this, 'frames', frames)
    defineCoredump(this, options)
  }
}

/**
 * The module was closed while it ran, or had been closed before the call: by `close(exitCode)`, or by the guest through
 * WASI's `proc_exit`. The message is the one of wazero.
 */
export class ExitError extends WasmtimeError {
  declare readonly code: 'EXIT'
  /** The exit code; 0 means success, but a call that could not go on still throws. */
  readonly exitCode: number
  /** What the call returned, in case the module was closed during the call and the call finished all the same. */
  declare readonly results?: unknown

  constructor(exitCode: number, options?: ExitErrorOptions) {
    super('EXIT', `module closed with exit_code(${exitCode})`, options)
    this.exitCode = exitCode
    if (options?.results !== undefined) this.results = options.results
  }
}

/** A call was stopped: by its `timeoutMs`, the deadline of its store, or `interrupt()`. */
export class InterruptedError extends WasmtimeError {
  declare readonly code: 'INTERRUPTED'
  /** The WebAssembly stack where the call was stopped, innermost frame first. Not enumerable: the message shows it. */
  declare readonly frames: readonly WasmFrame[]
  /** As that of a {@link TrapError}. */
  declare readonly coredump?: Uint8Array

  constructor(message: string, options?: StoppedErrorOptions) {
    const frames = options?.frames ?? []
    super('INTERRUPTED', message + renderTrace(frames), options)
    defineHidden(this, 'frames', frames)
    defineCoredump(this, options)
  }
}

/** A call used up the fuel that it was given. */
export class OutOfFuelError extends WasmtimeError {
  declare readonly code: 'OUT_OF_FUEL'
  /** The WebAssembly stack where the fuel ended, innermost frame first. Not enumerable: the message shows it. */
  declare readonly frames: readonly WasmFrame[]
  /** As that of a {@link TrapError}. */
  declare readonly coredump?: Uint8Array

  constructor(message: string, options?: StoppedErrorOptions) {
    const frames = options?.frames ?? []
    super('OUT_OF_FUEL', message + renderTrace(frames), options)
    defineHidden(this, 'frames', frames)
    defineCoredump(this, options)
  }
}

/** A limit of the store was reached: bytes of memory, table elements, or the number of instances, memories or tables. */
export class LimitError extends WasmtimeError {
  declare readonly code: 'LIMIT_EXCEEDED'
  /** The name of the limit in the store's `limits`; missing if it was a limit of the engine or the system. */
  declare readonly limit?: LimitName
  /** What the limit is; missing for `onGrow`. */
  declare readonly value?: number
  /** What there would have been in all, if `limit` is known. */
  declare readonly requested?: number

  constructor(message: string, options?: LimitErrorOptions) {
    super('LIMIT_EXCEEDED', message, options)
    const refusal = options?.limit
    if (refusal === undefined) return
    this.limit = refusal.limit
    if (refusal.value !== undefined) this.value = refusal.value
    this.requested = refusal.requested
  }
}

/** An asynchronous call is running in the store, so nothing else can use it before that call has settled. */
export class StoreBusyError extends WasmtimeError {
  declare readonly code: 'STORE_BUSY'

  constructor(message: string, options?: WasmtimeErrorOptions) {
    super('STORE_BUSY', message, options)
  }
}

/** Something was used after it had been closed, or outside the host call that it was valid for. */
export class ClosedError extends WasmtimeError {
  declare readonly code: 'CLOSED'

  constructor(message: string, options?: WasmtimeErrorOptions) {
    super('CLOSED', message, options)
  }
}

/** An argument has the wrong type. Its `name` is `TypeError`, as for any other wrong argument in JavaScript. */
export class ArgumentError extends TypeError {
  /** Always `INVALID_ARGUMENT`. */
  readonly code: 'INVALID_ARGUMENT'

  constructor(message: string, options?: WasmtimeErrorOptions) {
    super(message, causeOf(options))
    this.code = 'INVALID_ARGUMENT'
  }
}

/** An argument has the right type but is out of range. Its `name` is `RangeError`. */
export class ArgumentRangeError extends RangeError {
  /** Always `OUT_OF_RANGE`. */
  readonly code: 'OUT_OF_RANGE'

  constructor(message: string, options?: WasmtimeErrorOptions) {
    super(message, causeOf(options))
    this.code = 'OUT_OF_RANGE'
  }
}

// Names belong on the prototypes: V8 writes the first line of `stack` while the base constructor runs, before a field
// of a subclass exists. Written as text, they also survive a bundler that renames classes.
for (const [errorClass, name] of [
  [WasmtimeError, 'WasmtimeError'],
  [CompileError, 'CompileError'],
  [LinkError, 'LinkError'],
  [TrapError, 'TrapError'],
  [ExitError, 'ExitError'],
  [InterruptedError, 'InterruptedError'],
  [OutOfFuelError, 'OutOfFuelError'],
  [LimitError, 'LimitError'],
  [StoreBusyError, 'StoreBusyError'],
  [ClosedError, 'ClosedError'],
] as const) {
  defineHidden(errorClass.prototype, 'name', name)
}

/** Only a cause that is there, since `{ cause: undefined }` would give the error a property `cause`. */
/** @internal The cause in the form of JavaScript's own constructors. */
export function causeOf(options: WasmtimeErrorOptions | undefined): ErrorOptions | undefined {
  return options?.cause === undefined ? undefined : { cause: options.cause }
}

/** @internal Gives an interruption the core dump of the one that it takes the place of. */
export function withCoredumpOf(from: unknown, to: unknown): unknown {
  if (from instanceof InterruptedError && to instanceof InterruptedError) defineCoredump(to, from)
  return to
}

function defineCoredump(target: object, options: { readonly coredump?: Uint8Array | undefined } | undefined): void {
  if (options?.coredump !== undefined) defineHidden(target, 'coredump', options.coredump)
}

/** Defines a property that neither `console.log` nor a serializer shows; otherwise like one that was assigned. */
function defineHidden(target: object, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, enumerable: false, writable: true, configurable: true })
}

/**
 * The WebAssembly frames that an error passed through.
 *
 * @param error Anything: an error of this package, or what a host function threw.
 * @returns The frames, innermost first; empty when there are none. Never throws.
 */
export function wasmFramesOf(error: unknown): readonly WasmFrame[] {
  try {
    if (!isError(error)) return []
    // An error that stopped one layer of WebAssembly may have been thrown on through further ones by a host function.
    const stopped = error instanceof WasmtimeError ? ownFrames(error, 'frames') : []
    // Cut, because anyone can put an array there, of any length.
    return [...stopped, ...ownFrames(error, 'wasmFrames').slice(0, MAX_ATTACHED_FRAMES)]
  } catch {
    return []
  }
}
