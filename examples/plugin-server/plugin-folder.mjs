// The plugins of a folder, each a file <name>.wasm. When a file changes, its plugin is replaced while the server runs.

import { watch } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { LoadFailures } from './load-failures.mjs'
import { readPluginFile } from './plugin-file.mjs'
import { PluginHost } from './plugin-host.mjs'

/** @import { FSWatcher } from 'node:fs' */
/** @import { Config } from './config.mjs' */
/** @import { Log } from './log.mjs' */
/** @import { Metrics } from './metrics.mjs' */
/** @import { Plugin } from './plugin.mjs' */

/** File names become parts of URLs and labels of metrics. */
const FILE = /^([a-z0-9][a-z0-9-]{0,63})\.wasm$/

export class PluginFolder {
  #config
  #host
  #metrics
  #log
  /** What is in service. @type {Map<string, Plugin>} */
  #plugins = new Map()
  #failures
  /** @type {FSWatcher | undefined} */
  #watcher
  /** @type {NodeJS.Timeout | undefined} */
  #debounce
  /** The scans, one after the other. @type {Promise<void>} */
  #scans = Promise.resolve()
  /** Ends the loading of a plugin. */
  #closing = new AbortController()

  /**
   * @param {Config} config
   * @param {PluginHost} host
   * @param {Metrics} metrics
   * @param {Log} log
   */
  constructor(config, host, metrics, log) {
    this.#config = config
    this.#host = host
    this.#metrics = metrics
    this.#log = log
    this.#failures = new LoadFailures(config.retryMs, config.maximumRetryMs, () => void this.scan())
  }

  /** Loads what is there, and watches from then on. */
  async open() {
    // Before the first scan, so that nothing is missed in between.
    this.#watcher = watch(this.#config.folder, () => this.#scanIn(this.#config.debounceMs))
    this.#watcher.on('error', (error) =>
      this.#log.write('error', 'folder is not watched any more', { error: `${error}` }),
    )
    await this.scan()
  }

  /** @param {string} name */
  get(name) {
    return this.#plugins.get(name)
  }

  /** What is in service, and what could not be put there. */
  describe() {
    const names = new Set([...this.#plugins.keys(), ...this.#failures.names])
    return [...names].sort().map((name) => {
      const plugin = this.#plugins.get(name)
      return { name, digest: plugin?.digest, breaker: plugin?.breaker.state, failure: this.#failures.get(name) }
    })
  }

  /** Looks at the folder now. Continues when everything is loaded that could be. */
  scan() {
    this.#scans = this.#scans.then(() => this.#scan())
    return this.#scans
  }

  /** Loads nothing more, and ends what is being loaded. What is in service stays. */
  stopLoading() {
    this.#closing.abort(new Error('the server shuts down'))
    this.#watcher?.close()
    clearTimeout(this.#debounce)
    this.#failures.close()
  }

  /** Takes all plugins out of service, too. Continues when their last requests have ended. */
  async close() {
    this.stopLoading()
    await this.#scans
    await Promise.all([...this.#plugins.values()].map((plugin) => plugin.retire()))
    this.#plugins.clear()
  }

  /** Compilers write a file in pieces, and editors write several: wait until it is quiet. */
  #scanIn(/** @type {number} */ ms) {
    if (this.#closed) return
    clearTimeout(this.#debounce)
    this.#debounce = setTimeout(() => void this.scan(), ms)
  }

  get #closed() {
    return this.#closing.signal.aborted
  }

  async #scan() {
    if (this.#closed) return
    /** @type {string[]} */
    let files
    try {
      files = await readdir(this.#config.folder)
    } catch (error) {
      // Not the same as an empty folder: what is in service stays.
      this.#log.write('error', 'folder cannot be read', { error: `${error}` })
      this.#scanIn(this.#config.retryMs)
      return
    }
    const names = new Set(files.flatMap((file) => FILE.exec(file)?.[1] ?? []))
    for (const name of names) {
      if (this.#closed) return
      await this.#update(name)
    }
    for (const name of new Set([...this.#plugins.keys(), ...this.#failures.names])) {
      if (!names.has(name)) this.#remove(name)
    }
  }

  /** @param {string} name */
  async #update(name) {
    let digest = ''
    try {
      const { folder, moduleBytes } = this.#config
      const bytes = await readPluginFile(join(folder, `${name}.wasm`), moduleBytes)
      digest = PluginHost.digest(bytes)
      if (this.#plugins.get(name)?.digest === digest) {
        // Perhaps what failed was taken back.
        this.#failures.delete(name)
        return
      }
      if (this.#failures.blocks(name, digest)) return
      this.#put(await this.#host.load(name, bytes, this.#closing.signal))
    } catch (error) {
      // That it was not loaded then is not the plugin's failure.
      if (this.#closed) return
      // The version before stays in service.
      const failure = this.#failures.add(name, digest, error)
      if (failure === undefined) return
      this.#metrics.reloaded(name, 'failed')
      this.#log.write('error', 'plugin is not loaded', { plugin: name, ...failure })
    }
  }

  /** From the next request on it is this version. @param {Plugin} plugin */
  #put(plugin) {
    const { name, digest } = plugin
    const before = this.#plugins.get(name)
    this.#plugins.set(name, plugin)
    this.#failures.delete(name)
    this.#metrics.reloaded(name, 'ok')
    this.#log.write('info', 'plugin is loaded', { plugin: name, digest })
    if (before !== undefined) this.#drain(before)
  }

  /** @param {string} name */
  #remove(name) {
    const plugin = this.#plugins.get(name)
    this.#plugins.delete(name)
    this.#failures.delete(name)
    if (plugin === undefined) return
    this.#metrics.reloaded(name, 'removed')
    this.#log.write('info', 'plugin is removed', { plugin: name })
    this.#drain(plugin)
  }

  /** @param {Plugin} plugin */
  #drain(plugin) {
    const { name, digest } = plugin
    void plugin.retire().then(() => this.#log.write('debug', 'plugin is drained', { plugin: name, digest }))
  }
}
