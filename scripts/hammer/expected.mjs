import { ArgumentError, ArgumentRangeError, WasmtimeError } from '../../index.mjs'

/**
 * The word for an error that the API documents: its code. Anything else is a bug, here or in the hammer, and is thrown
 * on.
 */
export function codeOf(error) {
  if (error instanceof WasmtimeError && error.code !== 'INTERNAL') return error.code
  if (error instanceof ArgumentError || error instanceof ArgumentRangeError) return error.code
  if (error instanceof RangeError && error.code === 'STACK_OVERFLOW') return 'STACK_OVERFLOW'
  if (error instanceof RangeError && /Maximum call stack/.test(error.message)) return 'STACK_OVERFLOW'
  throw error
}
