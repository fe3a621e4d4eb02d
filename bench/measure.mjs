/**
 * One way to do an operation.
 *
 * @typedef {object} Variant
 * @property {string} name
 * @property {'floor' | 'webassembly' | 'node-wasmtime'} side What it is measured for. The first `floor` and the first
 * `webassembly` of a group are what the others are compared with.
 * @property {(count: number) => unknown} run Does the operation `count` times.
 * @property {(count: number) => unknown} [expected] What `run` must return; checked before anything is measured.
 */

/**
 * Several ways to do the same operation.
 *
 * @typedef {object} Group
 * @property {string} name
 * @property {number} [count] Operations in one sample; default: as many as take `sampleMs`.
 * @property {Variant[]} variants
 */

/**
 * @typedef {object} Effort
 * @property {number} rounds Samples of each variant.
 * @property {number} sampleMs About how long a sample takes, in milliseconds.
 * @property {number} scale What a group's own `count` is multiplied with.
 */

/**
 * @typedef {object} Row
 * @property {string} group
 * @property {string} name
 * @property {string} side
 * @property {number} ns Median of the samples, in nanoseconds per operation.
 * @property {number} fastest The fastest sample.
 * @property {number} slowest The slowest.
 * @property {number} count Operations in each sample.
 * @property {number} [toFloor] How many times as long as the Node-API floor.
 * @property {number} [toWebAssembly] How many times as long as Node's own WebAssembly.
 */

/**
 * Measures the variants of a group in turns, so that whatever else the machine does meets all of them alike.
 *
 * @param {Group} group
 * @param {Effort} effort
 * @returns {Row[]}
 */
export function measure(group, effort) {
  const runs = group.variants.map((variant) => {
    check(group, variant)
    const count = group.count === undefined ? calibrate(variant, effort.sampleMs) : group.count * effort.scale
    return { variant, count, samples: /** @type {number[]} */ ([]) }
  })
  for (const { variant, count } of runs) variant.run(count)
  for (let round = 0; round < effort.rounds; round++) {
    // Nobody is always the one who comes after the slowest.
    for (let turn = 0; turn < runs.length; turn++) {
      const { variant, count, samples } = runs[(turn + round) % runs.length]
      samples.push(time(variant, count) / count)
    }
  }
  return rowsOf(group, runs)
}

/**
 * What was measured of each variant of a group, beside the first floor and the first WebAssembly of Node.
 *
 * @param {{ name: string }} group
 * @param {{ variant: { name: string, side: string }, count: number, samples: number[] }[]} runs
 * @returns {Row[]}
 */
export function rowsOf(group, runs) {
  /** @type {Row[]} */
  const rows = runs.map(({ variant, count, samples }) => {
    const sorted = samples.toSorted((a, b) => a - b)
    return {
      group: group.name,
      name: variant.name,
      side: variant.side,
      ns: median(sorted),
      fastest: sorted[0],
      slowest: sorted[sorted.length - 1],
      count,
    }
  })
  const floor = rows.find((row) => row.side === 'floor')?.ns
  const own = rows.find((row) => row.side === 'webassembly')?.ns
  for (const row of rows) {
    if (floor !== undefined) row.toFloor = row.ns / floor
    if (own !== undefined) row.toWebAssembly = row.ns / own
  }
  return rows
}

/**
 * @param {Group} group
 * @param {Variant} variant
 */
function check(group, variant) {
  if (variant.expected === undefined) return
  const [got, expected] = [variant.run(10), variant.expected(10)]
  if (got !== expected) throw new Error(`${group.name}, ${variant.name}: 10 operations gave ${got}, not ${expected}`)
}

/**
 * Runs a variant until it has its optimised code, and finds out how many operations fill a sample.
 *
 * @param {Variant} variant
 * @param {number} sampleMs
 */
function calibrate(variant, sampleMs) {
  let count = 1
  for (;;) {
    const ms = time(variant, count) / 1e6
    if (ms >= sampleMs / 2) return Math.max(1, Math.round((count * sampleMs) / ms))
    count *= 2
  }
}

/**
 * @param {Variant} variant
 * @param {number} count
 */
function time(variant, count) {
  const start = process.hrtime.bigint()
  variant.run(count)
  return Number(process.hrtime.bigint() - start)
}

/** @param {number[]} sorted */
export function median(sorted) {
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
