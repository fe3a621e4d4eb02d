// The body that a plugin writes, in pieces of any size. The pieces are not kept one by one: a million of one byte each
// would take some hundred times their size.

import { PluginFault } from './outcome.mjs'

/** Bytes to begin with. */
const FIRST = 1024

export class ResponseBody {
  #maxBytes
  #buffer = Buffer.alloc(0)
  #size = 0

  /** @param {number} maxBytes */
  constructor(maxBytes) {
    this.#maxBytes = maxBytes
  }

  /**
   * Makes room for the next bytes of the body.
   *
   * @param {number} length
   * @returns {Uint8Array} The room, to be filled before anything else is written.
   */
  append(length) {
    const end = this.#size + length
    if (end > this.#maxBytes) throw new PluginFault('misuse', `a response may have ${this.#maxBytes} bytes`)
    if (end > this.#buffer.length) this.#grow(end)
    const room = this.#buffer.subarray(this.#size, end)
    this.#size = end
    return room
  }

  get bytes() {
    return this.#buffer.subarray(0, this.#size)
  }

  /** @param {number} least */
  #grow(least) {
    const larger = Buffer.alloc(Math.min(this.#maxBytes, Math.max(FIRST, least, 2 * this.#buffer.length)))
    larger.set(this.bytes)
    this.#buffer = larger
  }
}
