import { median, rowsOf } from './measure.mjs'

/** @typedef {import('./measure.mjs').Effort} Effort */
/** @typedef {import('./measure.mjs').Row} Row */

/**
 * One way to do an asynchronous operation.
 *
 * @typedef {object} AsyncVariant
 * @property {string} name
 * @property {'floor' | 'webassembly' | 'node-wasmtime'} side As for a `Variant`.
 * @property {(count: number) => unknown} [run] Does the operation `count` times; what it returns is awaited.
 * @property {(count: number) => Promise<Timed>} [timed] Instead of `run`: does it elsewhere, where it is timed as well.
 * @property {(count: number) => unknown} [expected] What it must give; checked before anything is measured.
 * @property {number} [share] The part of the group's `count` that it does, for what is much slower than the others.
 */

/**
 * @typedef {object} Timed
 * @property {unknown} result
 * @property {number} ns How long all of it took.
 */

/**
 * Several ways to do the same operation.
 *
 * @typedef {object} AsyncGroup
 * @property {string} name
 * @property {number} [count] Operations in one sample; default: as many as take `sampleMs`.
 * @property {boolean} [whole] The count is the same whatever the effort.
 * @property {AsyncVariant[]} variants
 * @property {Ratio[]} [ratios]
 */

/**
 * Two variants to compare, round by round.
 *
 * @typedef {object} Ratio
 * @property {string} name
 * @property {string} of Name of the variant whose time is divided.
 * @property {string} by Name of the one that it is divided by.
 */

/**
 * What is not a time for each operation.
 *
 * @typedef {object} Figure
 * @property {string} group
 * @property {string} name
 * @property {'x' | '%' | 'ms' | 'KiB' | ''} unit Empty for what is counted.
 * @property {number} value Median of the samples, unless the name says otherwise.
 * @property {number} least
 * @property {number} greatest
 * @property {number} samples
 */

/**
 * Measures the variants of a group in turns, as `measure` does, each awaited before the next one begins.
 *
 * @param {AsyncGroup} group
 * @param {Effort} effort
 * @returns {Promise<{ rows: Row[], figures: Figure[] }>}
 */
export async function measureAsync(group, effort) {
  const runs = []
  for (const variant of group.variants) {
    await check(group, variant)
    const count = await countOf(group, variant, effort)
    runs.push({ variant, count, samples: /** @type {number[]} */ ([]) })
  }
  for (const { variant, count } of runs) await time(variant, count)
  for (let round = 0; round < effort.rounds; round++) {
    for (let turn = 0; turn < runs.length; turn++) {
      const { variant, count, samples } = runs[(turn + round) % runs.length]
      samples.push((await time(variant, count)).ns / count)
    }
  }
  const samplesOf = (name) => runs.find(({ variant }) => variant.name === name)?.samples
  const figures = (group.ratios ?? []).flatMap(({ name, of, by }) => {
    const [left, right] = [samplesOf(of), samplesOf(by)]
    if (left === undefined || right === undefined) return []
    return [
      figure(
        group.name,
        name,
        'x',
        left.map((ns, round) => ns / right[round]),
      ),
    ]
  })
  return { rows: rowsOf(group, runs), figures }
}

/**
 * A figure of its samples.
 *
 * @param {string} group
 * @param {string} name
 * @param {Figure['unit']} unit
 * @param {number[]} samples
 * @returns {Figure}
 */
export function figure(group, name, unit, samples) {
  const sorted = samples.toSorted((a, b) => a - b)
  const [least, greatest] = [sorted[0], sorted[sorted.length - 1]]
  return { group, name, unit, value: median(sorted), least, greatest, samples: sorted.length }
}

/**
 * @param {AsyncGroup} group
 * @param {AsyncVariant} variant
 */
async function check(group, variant) {
  if (variant.expected === undefined) return
  const count = group.whole ? (group.count ?? 1) : 10
  const [{ result }, expected] = [await time(variant, count), variant.expected(count)]
  if (result === expected) return
  throw new Error(`${group.name}, ${variant.name}: ${count} operations gave ${result}, not ${expected}`)
}

/**
 * @param {AsyncGroup} group
 * @param {AsyncVariant} variant
 * @param {Effort} effort
 */
async function countOf(group, variant, effort) {
  if (group.count !== undefined) {
    const scale = group.whole ? 1 : effort.scale
    return Math.max(1, Math.round(group.count * scale * (variant.share ?? 1)))
  }
  let count = 1
  for (;;) {
    const ms = (await time(variant, count)).ns / 1e6
    if (ms >= effort.sampleMs / 2) return Math.max(1, Math.round((count * effort.sampleMs) / ms))
    count *= 2
  }
}

/**
 * @param {AsyncVariant} variant
 * @param {number} count
 * @returns {Promise<Timed>}
 */
async function time(variant, count) {
  if (variant.timed !== undefined) return await variant.timed(count)
  const start = process.hrtime.bigint()
  const result = await variant.run?.(count)
  return { result, ns: Number(process.hrtime.bigint() - start) }
}
