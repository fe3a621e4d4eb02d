// What the processes of the app say to each other, and the checks of it. Everything is plain data: it crosses borders of
// processes, where classes and methods of errors do not survive.

/** Plugins have names that can stand in a list, a log and a file name. */
const NAME = /^[a-z0-9][a-z0-9-]{0,63}$/

/** Characters of a text that a plugin works on, and of the one that it answers with. */
export const MAX_TEXT = 1024 * 1024

/** Bytes of a plugin's file: the time that compiling takes grows with them. */
export const MAX_MODULE = 16 * 1024 * 1024

/** Milliseconds that a call may be given at most. */
export const MAX_TIMEOUT = 60_000

/** A plugin that is loaded. @typedef {{ name: string, functions: string[] }} PluginInfo */

/**
 * An error as plain data.
 *
 * @typedef {object} PlainError
 * @property {string} code What went wrong, for programs: `TRAP`, `INTERRUPTED`, `LIMIT_EXCEEDED`, `COMPILE_ERROR` and so on are
 * those of node-wasmtime; the app's own are `BAD_REQUEST`, `NO_SUCH_PLUGIN`, `BAD_PLUGIN`, `ABORTED`, `HOST_GONE` and `INTERNAL`.
 * @property {string} message For people. It may contain texts of the plugin: show it as text, never as HTML.
 * @property {string} [trapCode] Why it trapped.
 */

/** @typedef {{ ok: true, value: unknown } | { ok: false, error: PlainError }} Result */

/** One call that is asked of the host process. @typedef {{ id: number, method: string, args: unknown[] }} Call */

/** The call with this id is not wanted any more. @typedef {{ cancel: number }} Cancel */

/** @typedef {{ id: number, result: Result }} Reply */

/** An error of the app's own, with a code that survives the border. */
export class CodedError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   */
  constructor(code, message) {
    super(message)
    this.code = code
  }
}

/** @param {unknown} error @returns {PlainError} */
export function plainError(error) {
  if (!(error instanceof Error)) return { code: 'INTERNAL', message: 'something that is no error was thrown' }
  const { code, trapCode, message } = /** @type {Error & { code?: unknown, trapCode?: unknown }} */ (error)
  // The first line: those of node-wasmtime have the plugin's stack in the next ones.
  const [line = ''] = message.split('\n')
  return {
    code: typeof code === 'string' ? code : 'INTERNAL',
    message: line.slice(0, 500),
    ...(typeof trapCode === 'string' ? { trapCode } : {}),
  }
}

/** @param {unknown} value */
export function checkName(value) {
  if (typeof value === 'string' && NAME.test(value)) return value
  throw new CodedError('BAD_REQUEST', 'a plugin has a name of 1 to 64 letters, digits and hyphens')
}

/** @param {unknown} value */
export function checkText(value) {
  if (typeof value === 'string' && value.length <= MAX_TEXT) return value
  throw new CodedError('BAD_REQUEST', `a text of at most ${MAX_TEXT} characters was expected`)
}

/** @param {unknown} value */
export function checkFunction(value) {
  if (typeof value === 'string' && value.length > 0 && value.length <= 200) return value
  throw new CodedError('BAD_REQUEST', 'the name of a function was expected')
}

/** @param {unknown} value */
export function checkBytes(value) {
  if (value instanceof Uint8Array && value.length <= MAX_MODULE) return value
  throw new CodedError('BAD_REQUEST', `a module of at most ${MAX_MODULE} bytes was expected`)
}

/** @param {unknown} value */
export function checkTimeout(value) {
  if (typeof value === 'number' && value >= 0 && value <= MAX_TIMEOUT) return value
  throw new CodedError('BAD_REQUEST', `a time from 0 to ${MAX_TIMEOUT} ms was expected`)
}

/** @param {unknown} value */
export function checkId(value) {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw new CodedError('BAD_REQUEST', 'an id was expected')
}
