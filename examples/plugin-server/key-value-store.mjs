// What plugins keep from one request to the next, in place of a database. Each plugin has its own, with a quota.

/** Bytes that an entry takes beyond its key and its value, roughly: many empty entries are not free either. */
const ENTRY = 64

export class KeyValueStore {
  #quota
  /** By plugin. @type {Map<string, { bytes: number, entries: Map<string, Uint8Array> }>} */
  #spaces = new Map()

  /** @param {number} quota Bytes that each plugin may keep. */
  constructor(quota) {
    this.#quota = quota
  }

  /** Bytes that all plugins keep together. */
  get bytes() {
    let sum = 0
    for (const { bytes } of this.#spaces.values()) sum += bytes
    return sum
  }

  /**
   * @param {string} plugin
   * @param {string} key
   */
  get(plugin, key) {
    return this.#spaces.get(plugin)?.entries.get(key)
  }

  /**
   * Whether there is room for a value.
   *
   * @param {string} plugin
   * @param {string} key
   * @param {number} length Bytes of the value.
   */
  fits(plugin, key, length) {
    const { bytes = 0, entries } = this.#spaces.get(plugin) ?? {}
    const before = sizeOf(key, entries?.get(key)?.length)
    const after = sizeOf(key, length)
    return after <= before || bytes - before + after <= this.#quota
  }

  /**
   * @param {string} plugin
   * @param {string} key
   * @param {Uint8Array} value Is kept as it is; an empty one removes the entry.
   * @returns {boolean} Whether it fitted; if not, nothing has changed.
   */
  set(plugin, key, value) {
    if (!this.fits(plugin, key, value.length)) return false
    const space = this.#spaces.get(plugin) ?? { bytes: 0, entries: new Map() }
    space.bytes += sizeOf(key, value.length) - sizeOf(key, space.entries.get(key)?.length)
    if (value.length === 0) space.entries.delete(key)
    else space.entries.set(key, value)
    this.#spaces.set(plugin, space)
    return true
  }
}

/**
 * @param {string} key
 * @param {number} length Bytes of the value: nothing is kept for none.
 */
function sizeOf(key, length = 0) {
  return length === 0 ? 0 : ENTRY + 2 * key.length + length
}
