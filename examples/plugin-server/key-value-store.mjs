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
   * @param {string} plugin
   * @param {string} key
   * @param {Uint8Array} value Is kept as it is; an empty one removes the entry.
   * @returns {boolean} Whether it fitted; if not, nothing has changed.
   */
  set(plugin, key, value) {
    const space = this.#spaces.get(plugin) ?? { bytes: 0, entries: new Map() }
    const before = sizeOf(key, space.entries.get(key))
    const after = sizeOf(key, value.length === 0 ? undefined : value)
    if (after > before && space.bytes - before + after > this.#quota) return false
    if (value.length === 0) space.entries.delete(key)
    else space.entries.set(key, value)
    space.bytes += after - before
    this.#spaces.set(plugin, space)
    return true
  }
}

/**
 * @param {string} key
 * @param {Uint8Array | undefined} value
 */
function sizeOf(key, value) {
  return value === undefined ? 0 : ENTRY + 2 * key.length + value.length
}
