// The parts of Prometheus' text format that are needed here.

/** A value with its labels. @typedef {readonly [labels: string, value: number]} Sample */

/** Counts by labels. */
export class Counter {
  /** @type {Map<string, number>} */
  #values = new Map()

  /** @param {string} labels As `labels()` makes them. */
  add(labels) {
    this.#values.set(labels, (this.#values.get(labels) ?? 0) + 1)
  }

  /** @returns {Iterable<Sample>} */
  get samples() {
    return this.#values
  }
}

/** How often values fell below each of some bounds, by labels. */
export class Histogram {
  #bounds
  /** @type {Map<string, { buckets: number[], sum: number, count: number }>} */
  #series = new Map()

  /** @param {readonly number[]} bounds Rising. */
  constructor(bounds) {
    this.#bounds = bounds
  }

  /**
   * @param {string} labels
   * @param {number} value
   */
  observe(labels, value) {
    let series = this.#series.get(labels)
    if (series === undefined) {
      series = { buckets: this.#bounds.map(() => 0), sum: 0, count: 0 }
      this.#series.set(labels, series)
    }
    const bucket = this.#bounds.findIndex((bound) => value <= bound)
    if (bucket !== -1) series.buckets[bucket] = (series.buckets[bucket] ?? 0) + 1
    series.sum += value
    series.count++
  }

  /**
   * @param {string} name
   * @param {string} help
   */
  *render(name, help) {
    yield* head(name, 'histogram', help)
    for (const [labels, { buckets, sum, count }] of this.#series) {
      let below = 0
      for (const [index, bound] of this.#bounds.entries()) {
        below += buckets[index] ?? 0
        yield line(`${name}_bucket`, join(labels, `le="${bound}"`), below)
      }
      yield line(`${name}_bucket`, join(labels, 'le="+Inf"'), count)
      yield line(`${name}_sum`, labels, sum)
      yield line(`${name}_count`, labels, count)
    }
  }
}

/** @param {Readonly<Record<string, string>>} values */
export function labels(values) {
  const escape = (/** @type {string} */ value) =>
    value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
  return Object.entries(values)
    .map(([name, value]) => `${name}="${escape(value)}"`)
    .join()
}

/**
 * @param {string} name
 * @param {'counter' | 'gauge'} type
 * @param {string} help
 * @param {Iterable<Sample> | number} samples
 */
export function* metric(name, type, help, samples) {
  yield* head(name, type, help)
  if (typeof samples === 'number') yield line(name, '', samples)
  else for (const [labels, value] of samples) yield line(name, labels, value)
}

/**
 * @param {string} name
 * @param {string} type
 * @param {string} help
 */
function* head(name, type, help) {
  yield `# HELP ${name} ${help}`
  yield `# TYPE ${name} ${type}`
}

/**
 * @param {string} name
 * @param {string} labels
 * @param {number} value
 */
function line(name, labels, value) {
  return labels === '' ? `${name} ${value}` : `${name}{${labels}} ${value}`
}

/**
 * @param {string} first
 * @param {string} second
 */
function join(first, second) {
  return first === '' ? second : `${first},${second}`
}
