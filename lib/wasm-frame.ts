import { types } from 'node:util'

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
  return printable(name.length > MAX_RENDERED_NAME ? `${name.slice(0, MAX_RENDERED_NAME)}…` : name)
}

/**
 * @internal A guest's text on one line of its own: it can neither forge lines nor drive a terminal. Control characters, the
 * two Unicode line separators, and the marks that rearrange a line as it is displayed are escaped.
 *
 * @param kept Those of them that stay.
 * @param escape How one is written, by its number.
 */
export function printable(
  text: string,
  kept = '',
  escape = (code: number): string => `\\u{${code.toString(16)}}`,
): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu, (char) =>
    kept.includes(char) ? char : escape(char.charCodeAt(0)),
  )
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

/**
 * Most frames that are kept on one error. A program may throw one and the same error object again and again; without a
 * bound its list would grow for as long as the program runs.
 */
export const MAX_ATTACHED_FRAMES = 256

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

/** @internal */
export function ownFrames(error: object, key: string): readonly WasmFrame[] {
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
/** @internal */
export function isError(value: unknown): value is Error {
  if (typeof value !== 'object' || value === null || types.isProxy(value)) return false
  return types.isNativeError(value) || value instanceof Error
}
