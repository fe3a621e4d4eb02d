// The way out for plugins: requests to origins that are on a list, and nowhere else.

/** A plugin asked for what it may not have. It is told so, and goes on. */
export class RefusedError extends Error {
  /** @override */
  name = 'RefusedError'
}

/** @typedef {{ status: number, body: Uint8Array }} Answer */

export class Outbound {
  #origins
  #maxBytes

  /**
   * @param {readonly string[]} origins What may be asked, such as `https://api.example.com`: scheme, host and port.
   * @param {number} maxBytes Bytes of an answer.
   */
  constructor(origins, maxBytes) {
    this.#origins = new Set(origins.map((origin) => new URL(origin).origin))
    this.#maxBytes = maxBytes
  }

  /**
   * @param {string} url As the plugin wrote it.
   * @param {AbortSignal} signal
   * @returns {Promise<Answer>}
   * @throws {RefusedError}
   */
  async get(url, signal) {
    // Parsed once, and what was parsed is what is asked: `https://api.example.com@evil.test` has the origin evil.test.
    const target = URL.canParse(url) ? new URL(url) : undefined
    if (target === undefined || !this.#origins.has(target.origin)) throw new RefusedError('not on the list')
    // A redirect would lead away from the list.
    const response = await fetch(target, { signal, redirect: 'error', credentials: 'omit' })
    /** @type {Uint8Array[]} */
    const chunks = []
    let size = 0
    for await (const chunk of response.body ?? []) {
      size += chunk.length
      if (size > this.#maxBytes) throw new RefusedError(`the answer has more than ${this.#maxBytes} bytes`)
      chunks.push(chunk)
    }
    return { status: response.status, body: Buffer.concat(chunks) }
  }
}
