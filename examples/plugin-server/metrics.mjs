// What the server counts, and what is alive, for Prometheus.

import { Counter, Histogram, labels, metric } from './prometheus.mjs'

/** @import { RuntimeStats } from '../../index.mjs' */
/** @import { PluginFolder } from './plugin-folder.mjs' */
/** @import { Sample } from './prometheus.mjs' */

/** Seconds. */
const BOUNDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]

/**
 * What is alive when the page is asked for.
 *
 * @typedef {object} Present
 * @property {number} running Requests that plugins work for.
 * @property {number} waiting Requests that wait for that.
 * @property {number} storedBytes
 * @property {RuntimeStats} stats
 * @property {ReturnType<PluginFolder['describe']>} plugins
 */

export class Metrics {
  #requests = new Counter()
  #durations = new Histogram(BOUNDS)
  #reloads = new Counter()

  /**
   * @param {string} plugin A name that is known: what clients make up must not become a label.
   * @param {string} outcome
   * @param {number} seconds
   */
  finished(plugin, outcome, seconds) {
    this.#requests.add(labels({ plugin, outcome }))
    this.#durations.observe(labels({ plugin }), seconds)
  }

  /**
   * @param {string} plugin
   * @param {'ok' | 'failed' | 'removed'} result
   */
  reloaded(plugin, result) {
    this.#reloads.add(labels({ plugin, result }))
  }

  /** @param {Present} present */
  render({ running, waiting, storedBytes, stats, plugins }) {
    const { tasks, totals, cache } = stats
    return [
      ...metric('plugin_requests_total', 'counter', 'Finished requests.', this.#requests.samples),
      ...this.#durations.render('plugin_request_seconds', 'Time from the first byte to the answer.'),
      ...metric('plugin_reloads_total', 'counter', 'Versions of plugins.', this.#reloads.samples),
      ...metric('plugin_breaker_open', 'gauge', 'Whether a plugin is kept from requests.', openBreakers(plugins)),
      ...metric('plugin_requests_running', 'gauge', 'Requests that plugins work for.', running),
      ...metric('plugin_requests_waiting', 'gauge', 'Requests that wait for that.', waiting),
      ...metric('plugin_stored_bytes', 'gauge', 'Bytes that plugins keep.', storedBytes),
      ...metric('wasmtime_instances', 'gauge', 'Instances that are not closed.', stats.instances),
      ...metric('wasmtime_stores', 'gauge', 'Stores that are not closed.', stats.stores),
      ...metric('wasmtime_memory_bytes', 'gauge', 'Bytes of memories and tables.', stats.memoryBytes),
      ...metric('wasmtime_code_bytes', 'gauge', 'Bytes of compiled code.', stats.codeBytes),
      ...metric('wasmtime_modules', 'gauge', 'Compiled modules.', stats.compiledModules),
      ...metric('wasmtime_tasks', 'gauge', 'Asynchronous calls by what they do.', [
        [labels({ state: 'queued' }), tasks.queued],
        [labels({ state: 'home' }), tasks.home],
        [labels({ state: 'pool' }), tasks.pool],
        [labels({ state: 'parked' }), tasks.parked],
      ]),
      ...metric('wasmtime_calls_total', 'counter', 'Calls of guests.', totals.calls),
      ...metric('wasmtime_host_calls_total', 'counter', 'Calls by guests.', totals.hostCalls),
      ...metric('wasmtime_traps_total', 'counter', 'Calls that trapped.', totals.traps),
      ...metric('wasmtime_interrupts_total', 'counter', 'Calls that were stopped.', totals.interrupts),
      ...metric('wasmtime_cache_total', 'counter', 'Modules by where their code came from.', [
        [labels({ result: 'hit' }), cache?.hits ?? 0],
        [labels({ result: 'miss' }), cache?.misses ?? 0],
        [labels({ result: 'rejected' }), cache?.rejected ?? 0],
      ]),
      ...metric('process_resident_memory_bytes', 'gauge', 'Memory of the process.', process.memoryUsage.rss()),
      '',
    ].join('\n')
  }
}

/**
 * @param {Present['plugins']} plugins
 * @returns {Sample[]}
 */
function openBreakers(plugins) {
  return plugins.map(({ name, breaker }) => [
    labels({ plugin: name }),
    Number(breaker !== undefined && breaker !== 'closed'),
  ])
}
