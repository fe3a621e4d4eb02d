import { checkBoolean, checkInteger, checkOptions } from './call-options'
import { describe } from './describe'
import { ArgumentError } from './errors'
import { type Binding, native } from './native'

/** How a module is printed. */
export interface PrintOptions {
  /** Whether bodies of functions and contents of segments are left out; default false. */
  readonly skeleton?: boolean
  /** Whether comments give the offset of each line in the binary; default false. */
  readonly offsets?: boolean
  /** Whether instructions stand within each other, as expressions; default false: one a line. */
  readonly fold?: boolean
  /**
   * Bytes that the text may have, in UTF-8; default (and at most) 536870888, the longest text that JavaScript can hold. A
   * short module with long names can have a very long text.
   */
  readonly maxLength?: number
}

/** The longest string of V8. */
const MAX_STRING = 2 ** 29 - 24

/**
 * Translates WAT text to the binary format.
 *
 * @throws {CompileError} If the text is not valid.
 */
export function wat2wasm(text: string): Uint8Array {
  if (typeof text !== 'string') throw new ArgumentError(`text must be a string, but got ${describe(text)}`)
  return native.wat2wasm(text)
}

/**
 * Translates a module of the binary format to WAT text. The module need not be valid, as long as it can be read.
 *
 * @param bytes The module; a component is refused.
 * @throws {CompileError} If it cannot be read.
 * @throws {LimitError} If the text would be longer than `maxLength`.
 *
 * @example
 * ```ts
 * wasm2wat(await readFile('module.wasm'), { skeleton: true })
 * ```
 */
export function wasm2wat(bytes: Uint8Array | ArrayBufferView | ArrayBuffer, options?: PrintOptions): string {
  const given = checkOptions(options, 'options', ['skeleton', 'offsets', 'fold', 'maxLength'])
  const maxLength = checkInteger(given.maxLength, 'options.maxLength', 0, MAX_STRING) ?? MAX_STRING
  return printWasm(bytes, given, maxLength).toString()
}

/** @internal As `wasm2wat`, as UTF-8, which may be longer than what JavaScript can hold as text. */
export function printWasm(
  bytes: Uint8Array | ArrayBufferView | ArrayBuffer,
  given: { readonly [name in 'skeleton' | 'offsets' | 'fold']?: unknown },
  maxLength: number,
): Buffer {
  if (typeof bytes === 'string') {
    throw new ArgumentError('bytes must be a module of the binary format, but got a string; wat2wasm() translates text')
  }
  const config: Binding.PrintConfig = {
    skeleton: checkBoolean(given.skeleton, 'options.skeleton') ?? false,
    offsets: checkBoolean(given.offsets, 'options.offsets') ?? false,
    fold: checkBoolean(given.fold, 'options.fold') ?? false,
    maxLength,
  }
  return native.printWasm(bytes as Uint8Array, config)
}
