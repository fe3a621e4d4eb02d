// Numbers for Prometheus, in its text format.

/** @import { RuntimeStats } from '../../index.mjs' */

export class Metrics {
  /** Finished requests by their labels. @type {Map<string, number>} */
  #requests = new Map()

  /**
   * @param {string} route A name that is known: what clients make up must not become a label.
   * @param {number} status
   */
  finished(route, status) {
    const labels = `route="${route}",status="${status}"`
    this.#requests.set(labels, (this.#requests.get(labels) ?? 0) + 1)
  }

  /**
   * @param {number} running Requests that a plugin works for.
   * @param {RuntimeStats} stats
   */
  render(running, stats) {
    const { tasks } = stats
    return [
      ...metric('plugin_requests_total', 'counter', 'Finished requests.', this.#requests),
      ...metric('plugin_requests_running', 'gauge', 'Requests that a plugin works for.', [['', running]]),
      ...metric('wasmtime_stores', 'gauge', 'Stores that are not closed.', [['', stats.stores]]),
      ...metric('wasmtime_memory_bytes', 'gauge', 'Bytes of memories and tables.', [['', stats.memoryBytes]]),
      ...metric('wasmtime_tasks', 'gauge', 'Asynchronous calls by what they do.', [
        ['state="queued"', tasks.queued],
        ['state="home"', tasks.home],
        ['state="pool"', tasks.pool],
        ['state="parked"', tasks.parked],
      ]),
      '',
    ].join('\n')
  }
}

/**
 * @param {string} name
 * @param {'counter' | 'gauge'} type
 * @param {string} help
 * @param {Iterable<readonly [labels: string, value: number]>} samples
 */
function* metric(name, type, help, samples) {
  yield `# HELP ${name} ${help}`
  yield `# TYPE ${name} ${type}`
  for (const [labels, value] of samples) yield labels === '' ? `${name} ${value}` : `${name}{${labels}} ${value}`
}
