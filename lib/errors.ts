import { types } from 'node:util'

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
  /** A timeout or an abort signal stopped the call: {@link InterruptedError}. */
  | 'INTERRUPTED'
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

/** Why WebAssembly code trapped. */
export type TrapCode =
  /** The guest's call stack grew beyond its limit. */
  | 'stack-overflow'
  /** A load, store or bulk operation reached outside a memory. */
  | 'memory-out-of-bounds'
  /** An atomic operation had an address that is not a multiple of its size. */
  | 'heap-misaligned'
  /** A table was accessed outside its length. */
  | 'table-out-of-bounds'
  /** `call_indirect` found a null in the table. */
  | 'indirect-call-to-null'
  /** `call_indirect` found a function of another type than it expected. */
  | 'bad-signature'
  /** A signed division does not fit its type: the lowest integer divided by -1. */
  | 'integer-overflow'
  /** An integer was divided by zero. */
  | 'integer-division-by-zero'
  /** A float that is NaN, or too large, was converted to an integer. */
  | 'bad-conversion-to-integer'
  /** The `unreachable` instruction was executed; compilers emit it for panics, aborts and failed assertions. */
  | 'unreachable'
  /** The code ran past its deadline. */
  | 'interrupt'
  /** The code used up its fuel. */
  | 'out-of-fuel'
  /** `memory.atomic.wait` was used on a memory that is not shared. */
  | 'atomic-wait-non-shared-memory'
  /** A reference that must not be null was null. */
  | 'null-reference'
  /** A garbage-collected array was accessed outside its length. */
  | 'array-out-of-bounds'
  /** An object was larger than the garbage-collected heap can ever hold. */
  | 'allocation-too-large'
  /** A reference was cast to a type that it does not have. */
  | 'cast-failure'
  /** A suspension had a tag that nobody up the stack handles. */
  | 'unhandled-tag'
  /** A continuation was resumed a second time. */
  | 'continuation-already-consumed'
  /** The guest threw an exception that nobody caught. */
  | 'uncaught-exception'
  /** Any trap that this list has no name for. */
  | 'other'

// Spelled out as a record so that the compiler insists on every member of the union.
const trapCodeTable: Readonly<Record<TrapCode, true>> = {
  'stack-overflow': true,
  'memory-out-of-bounds': true,
  'heap-misaligned': true,
  'table-out-of-bounds': true,
  'indirect-call-to-null': true,
  'bad-signature': true,
  'integer-overflow': true,
  'integer-division-by-zero': true,
  'bad-conversion-to-integer': true,
  unreachable: true,
  interrupt: true,
  'out-of-fuel': true,
  'atomic-wait-non-shared-memory': true,
  'null-reference': true,
  'array-out-of-bounds': true,
  'allocation-too-large': true,
  'cast-failure': true,
  'unhandled-tag': true,
  'continuation-already-consumed': true,
  'uncaught-exception': true,
  other: true,
}

/** Every {@link TrapCode}, in the order in which the type documents them. */
export const trapCodes: readonly TrapCode[] = Object.freeze(Object.keys(trapCodeTable) as TrapCode[])

/** One function on the WebAssembly stack at the moment of an error. */
export interface WasmFrame {
  /** Name of the module instance; missing when it has none. */
  readonly moduleName?: string
  /** Index of the function in its module, imported functions first. */
  readonly functionIndex?: number
  /** Name of the function from the module's name section, or as given to the host-module builder. */
  readonly functionName?: string
  /** Parameter and result types, for example `(i32,i64) i32`. */
  readonly signature?: string
  /** Byte offset of the instruction from the beginning of the module. */
  readonly moduleOffset?: number
  /** Byte offset of the instruction from the beginning of the function's body. */
  readonly functionOffset?: number
  /** Source file, where the module has debug information. */
  readonly file?: string
  /** Line in the source file, counted from 1. */
  readonly line?: number
  /** Column in the source file, counted from 1. */
  readonly column?: number
  /** `true` for the host function that the error came out of, `false` for WebAssembly code. */
  readonly host: boolean
}

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

/** Options of {@link TrapError}. */
export interface TrapErrorOptions extends StoppedErrorOptions {
  /** Why the code trapped. Default: `other`. */
  readonly trapCode?: TrapCode | undefined
  /** The serialized core dump. */
  readonly coredump?: Uint8Array | undefined
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
  /** The serialized core dump, if the runtime was told to make one. Not enumerable: it may be as large as the memory. */
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
    if (options?.coredump !== undefined) defineHidden(this, 'coredump', options.coredump)
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

/** A call was stopped by its timeout or abort signal; `cause` is then the signal's reason. */
export class InterruptedError extends WasmtimeError {
  declare readonly code: 'INTERRUPTED'
  /** The WebAssembly stack where the call was stopped, innermost frame first. Not enumerable: the message shows it. */
  declare readonly frames: readonly WasmFrame[]

  constructor(message: string, options?: StoppedErrorOptions) {
    const frames = options?.frames ?? []
    super('INTERRUPTED', message + renderTrace(frames), options)
    defineHidden(this, 'frames', frames)
  }
}

/** A call used up the fuel that it was given. */
export class OutOfFuelError extends WasmtimeError {
  declare readonly code: 'OUT_OF_FUEL'
  /** The WebAssembly stack where the fuel ended, innermost frame first. Not enumerable: the message shows it. */
  declare readonly frames: readonly WasmFrame[]

  constructor(message: string, options?: StoppedErrorOptions) {
    const frames = options?.frames ?? []
    super('OUT_OF_FUEL', message + renderTrace(frames), options)
    defineHidden(this, 'frames', frames)
  }
}

/** A limit of the store was reached: bytes of memory, table elements, or the number of instances, memories or tables. */
export class LimitError extends WasmtimeError {
  declare readonly code: 'LIMIT_EXCEEDED'

  constructor(message: string, options?: WasmtimeErrorOptions) {
    super('LIMIT_EXCEEDED', message, options)
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

/** Most frames that {@link renderTrace} shows. */
const MAX_RENDERED_FRAMES = 30

/** Longest name from a module that is shown, in UTF-16 units: a hostile name section may hold megabytes. */
const MAX_RENDERED_NAME = 256

/**
 * Renders one frame in the manner of wazero: `module.name(i32,i32) i32`, followed by ` (file:line:column)` where the
 * module has debug information, else by ` (at 0x1f)`, the offset in the module, if that is known. A module without a
 * name is left empty and a function without one is shown as `$` and its index. Control characters in names are
 * escaped, so that a guest cannot forge lines of a log.
 *
 * @param frame The frame.
 */
export function renderFrame(frame: WasmFrame): string {
  const index = frame.functionIndex === undefined ? '?' : String(frame.functionIndex)
  const name = frame.functionName ? renderName(frame.functionName) : `$${index}`
  return `${renderName(frame.moduleName ?? '')}.${name}${frame.signature ?? ''}${renderPlace(frame)}`
}

function renderPlace(frame: WasmFrame): string {
  if (frame.file) {
    let place = renderName(frame.file)
    if (frame.line !== undefined) {
      place += `:${frame.line}`
      if (frame.column !== undefined) place += `:${frame.column}`
    }
    return ` (${place})`
  }
  return frame.moduleOffset === undefined ? '' : ` (at 0x${frame.moduleOffset.toString(16)})`
}

/** @internal A name that a guest chose, safe to print. */
export function renderName(name: string): string {
  const head = name.length > MAX_RENDERED_NAME ? `${name.slice(0, MAX_RENDERED_NAME)}…` : name
  // Control characters, the two Unicode line separators, and the marks that rearrange a line as it is displayed.
  return head.replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu, (char) => `\\u{${char.charCodeAt(0).toString(16)}}`)
}

/**
 * Renders a WebAssembly stack as the lines that follow an error's message.
 *
 * @param frames The stack, innermost frame first; from the 31st on they are left out, and a line says so.
 * @returns Text that begins with a line break, or `''` for no frames.
 */
export function renderTrace(frames: readonly WasmFrame[]): string {
  if (frames.length === 0) return ''
  let text = '\nwasm stack trace:'
  for (const frame of frames.slice(0, MAX_RENDERED_FRAMES)) text += `\n\t${renderFrame(frame)}`
  return frames.length > MAX_RENDERED_FRAMES ? `${text}\n\t... maybe followed by omitted frames` : text
}

/** What the addon can ask {@link createNativeError} for. */
export type NativeErrorKind =
  | 'compile'
  | 'link'
  | 'trap'
  | 'exit'
  | 'interrupted'
  | 'out-of-fuel'
  | 'limit'
  | 'store-busy'
  | 'closed'
  | 'type'
  | 'range'
  | 'stack-overflow'
  | 'host-failure'
  | 'internal'

/** What the addon tells about an error; each kind reads what concerns it. */
export interface NativeErrorDetail {
  /** `trap`, `interrupted`, `out-of-fuel`, and as `wasmFrames` for every other kind: innermost frame first. */
  readonly frames?: readonly WasmFrame[] | undefined
  /** `trap`: a {@link TrapCode}; text that is none becomes `other`. */
  readonly trapCode?: string | undefined
  /** `trap`: the serialized core dump. */
  readonly coredump?: Uint8Array | undefined
  /** `link`: the imports at fault. */
  readonly problems?: readonly LinkProblem[] | undefined
  /** `exit`: the exit code. */
  readonly exitCode?: number | undefined
  /** `exit`: what the call returned. */
  readonly results?: unknown
  /** `compile`: byte offset in the module. */
  readonly offset?: number | undefined
  /** Every kind: becomes `error.cause`. */
  readonly cause?: unknown
}

/**
 * Makes the error object for a failure in the addon. The addon calls this instead of constructing the classes, so that
 * it needs to know one function only.
 *
 * @param kind Which class.
 * @param message The text; `exit` and `stack-overflow` have a fixed one and ignore it. For `trap` the reason alone.
 * @param detail More about the failure.
 * @returns The error; it is never thrown from here.
 * @internal
 */
export function createNativeError(
  kind: NativeErrorKind,
  message: string,
  detail: NativeErrorDetail | undefined,
): Error {
  const error = constructNativeError(kind, message, detail ?? {})
  // The factory's own lines would take places of the ten that a stack usually has.
  Error.captureStackTrace(error, createNativeError)
  if (detail?.frames !== undefined && !('frames' in error)) attachWasmFrames(error, detail.frames)
  return error
}

function constructNativeError(kind: NativeErrorKind, message: string, detail: NativeErrorDetail): Error {
  switch (kind) {
    case 'compile':
      return new CompileError(message, detail)
    case 'link':
      return new LinkError(message, detail)
    case 'trap': {
      const trapCode = isTrapCode(detail.trapCode) ? detail.trapCode : 'other'
      // The engine's own texts begin with a prefix that says what `wasm error: ` says already.
      const reason = message.replace(/^wasm trap: /, '') || trapCode
      const { frames, coredump, cause } = detail
      return new TrapError(reason, { frames, coredump, trapCode, cause })
    }
    case 'exit':
      // An exit whose code got lost must not look like success.
      return new ExitError(detail.exitCode ?? 1, detail)
    case 'interrupted':
      return new InterruptedError(message, detail)
    case 'out-of-fuel':
      return new OutOfFuelError(message, detail)
    case 'limit':
      return new LimitError(message, detail)
    case 'store-busy':
      return new StoreBusyError(message, detail)
    case 'closed':
      return new ClosedError(message, detail)
    case 'type':
      return new ArgumentError(message, detail)
    case 'range':
      return new ArgumentRangeError(message, detail)
    case 'stack-overflow': {
      // The text of V8's own error, because existing code recognises a stack overflow by it.
      const error = new RangeError('Maximum call stack size exceeded', causeOf(detail))
      return Object.assign(error, { code: 'STACK_OVERFLOW' satisfies ErrorCode })
    }
    case 'host-failure':
      return new WasmtimeError('HOST_FAILURE', message, detail)
    default:
      // 'internal', and any kind that an addon of another version may send.
      return new WasmtimeError(
        'INTERNAL',
        `${message} (this is a bug in node-wasmtime: please report it with what led to it)`,
        detail,
      )
  }
}

function isTrapCode(value: unknown): value is TrapCode {
  return typeof value === 'string' && Object.hasOwn(trapCodeTable, value)
}

/** Only a cause that is there, since `{ cause: undefined }` would give the error a property `cause`. */
function causeOf(options: WasmtimeErrorOptions | undefined): ErrorOptions | undefined {
  return options?.cause === undefined ? undefined : { cause: options.cause }
}

/** Defines a property that neither `console.log` nor a serializer shows; otherwise like one that was assigned. */
function defineHidden(target: object, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, enumerable: false, writable: true, configurable: true })
}

/**
 * Most frames that are kept on one error. A program may throw one and the same error object again and again; without a
 * bound its list would grow for as long as the program runs.
 */
const MAX_ATTACHED_FRAMES = 256

/**
 * Adds WebAssembly frames to a value that a host function threw, as its non-enumerable property `wasmFrames`. A value
 * that travels through several layers of WebAssembly collects the frames of each, innermost first.
 *
 * Only errors that can be extended get them; any other value is left alone, and so is a property `wasmFrames` of the
 * program's own that is not an array. Never throws, whatever the value is.
 *
 * @param thrown What the host function threw, or its promise was rejected with.
 * @param frames The frames of this layer, innermost first.
 * @internal
 */
export function attachWasmFrames(thrown: unknown, frames: readonly WasmFrame[]): void {
  try {
    if (frames.length === 0 || !isError(thrown) || !Object.isExtensible(thrown)) return
    const own = Object.getOwnPropertyDescriptor(thrown, 'wasmFrames')
    const before = own === undefined ? [] : framesIn(own)
    if (before === undefined || before.length >= MAX_ATTACHED_FRAMES) return
    // A new array each time: the one that is there may be frozen, or kept by somebody who read it.
    const value = [...before, ...frames].slice(0, MAX_ATTACHED_FRAMES)
    // Reflect, because it answers false where the property cannot be redefined.
    Reflect.defineProperty(thrown, 'wasmFrames', { value, enumerable: false, writable: true, configurable: true })
  } catch {
    // The original value must reach the caller; its decoration is worth no second error.
  }
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

function ownFrames(error: object, key: string): readonly WasmFrame[] {
  const own = Object.getOwnPropertyDescriptor(error, key)
  return (own === undefined ? undefined : framesIn(own)) ?? []
}

/** The array in a property, unless it is hidden behind a getter or a proxy, both of which would run foreign code. */
function framesIn(property: PropertyDescriptor): readonly WasmFrame[] | undefined {
  const value: unknown = property.value
  return !types.isProxy(value) && Array.isArray(value) ? (value as readonly WasmFrame[]) : undefined
}

/**
 * Errors of any realm, and objects that inherit from this realm's `Error`, such as the `DOMException` of an aborted
 * signal. Not proxies: whatever is asked of them is answered by their traps.
 */
function isError(value: unknown): value is Error {
  if (typeof value !== 'object' || value === null || types.isProxy(value)) return false
  return types.isNativeError(value) || value instanceof Error
}
