// Structured logs: one JSON object a line.

/** @typedef {'debug' | 'info' | 'warn' | 'error'} Level */

/** @type {readonly Level[]} */
export const levels = ['debug', 'info', 'warn', 'error']

export class Log {
  #least
  #write
  #fields

  /**
   * @param {Level} least What is less important is left out.
   * @param {(line: string) => void} [write]
   * @param {Readonly<Record<string, unknown>>} [fields] What each line has.
   */
  constructor(least, write = (line) => void process.stdout.write(line), fields = {}) {
    this.#least = least
    this.#write = write
    this.#fields = fields
  }

  /** A log whose lines have some more fields. @param {Readonly<Record<string, unknown>>} fields */
  with(fields) {
    return new Log(this.#least, this.#write, { ...this.#fields, ...fields })
  }

  /**
   * @param {Level} level
   * @param {string} message What happened: one of a few texts, so that logs can be searched. What varies is in the fields.
   * @param {Readonly<Record<string, unknown>>} [fields]
   */
  write(level, message, fields = {}) {
    if (levels.indexOf(level) < levels.indexOf(this.#least)) return
    // As JSON, a text of a guest can neither begin a line of its own nor send escape sequences to a terminal.
    this.#write(`${JSON.stringify({ time: new Date().toISOString(), level, message, ...this.#fields, ...fields })}\n`)
  }
}
