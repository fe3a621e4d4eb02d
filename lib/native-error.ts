import {
  ArgumentError,
  ArgumentRangeError,
  ClosedError,
  CompileError,
  type ErrorCode,
  ExitError,
  InterruptedError,
  LimitError,
  LinkError,
  type LinkProblem,
  OutOfFuelError,
  StoreBusyError,
  TrapError,
  WasmtimeError,
  causeOf,
} from './errors'
import type { Refusal } from './limits'
import { isTrapCode } from './trap-code'
import { type WasmFrame, attachWasmFrames } from './wasm-frame'

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
  /** `trap`, `interrupted`, `out-of-fuel`: the core dump. */
  readonly coredump?: Uint8Array | undefined
  /** `link`: the imports at fault. */
  readonly problems?: readonly LinkProblem[] | undefined
  /** `exit`: the exit code. */
  readonly exitCode?: number | undefined
  /** `exit`: what the call returned. */
  readonly results?: unknown
  /** `compile`: byte offset in the module. */
  readonly offset?: number | undefined
  /** `limit`: the limit of the store that was reached. */
  readonly limit?: Refusal | undefined
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
