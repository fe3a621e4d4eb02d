const values = [
  null, undefined, true, 0, -0, NaN, 1.5, 2 ** 53, 7n, -1n, '', 'text', Symbol('odd'), Symbol.iterator, () => 1, Map,
  new Proxy({}, {}), new Date(0), /x/u, new Map(), Object.create(null), Object.freeze({}), new Uint8Array(4),
] // prettier-ignore

/** Any value of JavaScript, a new object now and then. */
export function odd(random) {
  return random.oneIn(4) ? { odd: random.uint32() } : random.pick(values)
}
