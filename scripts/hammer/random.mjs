/** A small generator of repeatable random numbers (mulberry32). */
export class Random {
  #state

  constructor(seed) {
    this.#state = seed >>> 0
    // Seeds that lie side by side must not begin alike.
    for (let i = 0; i < 4; i++) this.uint32()
  }

  /** A 32-bit number without sign. */
  uint32() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }

  /** A whole number from 0 to `limit - 1`. */
  below(limit) {
    return this.uint32() % limit
  }

  /** True once in `n` times. */
  oneIn(n) {
    return this.below(n) === 0
  }

  /** One of the elements of a list; `undefined` if it is empty. */
  pick(list) {
    return list[this.below(Math.max(list.length, 1))]
  }

  uint64() {
    return (BigInt(this.uint32()) << 32n) | BigInt(this.uint32())
  }

  /** A number of one of the number types, an interesting one every second time. NaN is always the canonical one. */
  number(type) {
    const special = this.oneIn(2)
    switch (type) {
      case 'i32':
        return special ? this.pick([0, 1, -1, 2, 7, 255, 65535, 65536, 2 ** 31 - 1, -(2 ** 31)]) : this.uint32() | 0
      case 'i64': {
        const list = [0n, 1n, -1n, 2n, 65536n, 2n ** 32n, 2n ** 63n - 1n, -(2n ** 63n)]
        return special ? this.pick(list) : BigInt.asIntN(64, this.uint64())
      }
      case 'f32':
        return Math.fround(special ? this.pick(floats) : (this.uint32() | 0) / (1 + this.below(1000)))
      case 'f64':
        return special ? this.pick(floats) : (this.uint32() | 0) / (1 + this.below(1000))
      default:
        throw new TypeError(`not a number type: ${type}`)
    }
  }
}

const floats = [0, -0, 1, -1, 0.5, NaN, Infinity, -Infinity, 2 ** 31, -(2 ** 63), 1e-40, 3.5e38, 1.7e308, 5e-324]
