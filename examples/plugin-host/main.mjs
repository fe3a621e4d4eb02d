// A host for plugins: `npm start`, or `node examples/plugin-host/main.mjs [text file]` once the plugins are compiled.

import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runAttacks } from './attacks.mjs'
import { Host } from './host.mjs'
import { Plugin, createRuntime } from './plugin.mjs'
import { bar, bytes, count, heading, line, logLine, outcome } from './report.mjs'

/** Words that say little about a text. */
const SKIP = 'a an and any are as at be by for from in is it not of on or such that the this to with you your'

const textFile = process.argv[2] ?? fileURLToPath(new URL('../../LICENSE', import.meta.url))

/** @param {string} name */
const pluginFile = (name) => fileURLToPath(new URL(`build/${name}.wasm`, import.meta.url))

/**
 * @param {Plugin} plugin
 * @param {string} text
 */
function showText(plugin, text) {
  const { lines, words, characters } = JSON.parse(plugin.callWithText('count', text) ?? '')
  line(`${basename(textFile)}: ${count(lines)} lines, ${count(words)} words, ${count(characters)} characters`)

  plugin.callWithText('buildIndex', text)

  /** @type {[word: string, times: number][]} */
  const frequent = JSON.parse(plugin.callWithText('frequent', text, 8) ?? '')
  line('its most frequent words:')
  for (const [word, times] of frequent) bar(word, times, frequent[0]?.[1] ?? 1)
  return frequent[0]?.[0] ?? ''
}

/**
 * @param {Plugin} plugin
 * @param {string} word
 */
function showPlaces(plugin, word) {
  /** @type {number[]} */
  const places = JSON.parse(plugin.callWithText('lookup', word) ?? '')
  const more = places.length > 10 ? ` and ${places.length - 10} more` : ''
  line(`"${word}" is on the lines ${places.slice(0, 10).join(', ')}${more}`)
}

const runtime = createRuntime()
try {
  const { wasmtime, nodeWasmtime } = runtime.versions
  console.log(`node-wasmtime ${nodeWasmtime} with Wasmtime ${wasmtime}, Node.js ${process.versions.node}`)
  const host = new Host({ log: logLine, settings: { skip: SKIP } })
  host.define(runtime)

  heading('1. A plugin at work')
  const compiled = await runtime.compileModuleFile(pluginFile('text-tools'))
  const plugin = Plugin.load(runtime, 'text-tools', compiled)
  line(`text-tools exports ${plugin.exports.join(', ')}`)
  const word = showText(plugin, readFileSync(textFile, 'utf8'))
  showPlaces(plugin, word)
  line(`its memory has ${bytes(plugin.memoryBytes)} now`)

  heading('2. Hostile plugins, and what stopped them')
  const hostile = await runtime.compileModuleFile(pluginFile('hostile'))
  for (const { title, stoppedBy } of runAttacks(runtime, host, hostile)) {
    outcome(title, stoppedBy)
    if (stoppedBy === undefined) process.exitCode = 1
  }

  heading('3. And the host goes on')
  line('text-tools still knows what it has read:')
  showPlaces(plugin, word)
  const { stores, instances, hostFunctions, memoryBytes } = runtime.stats()
  line(`alive: ${stores} store, ${instances} instance, ${hostFunctions} host functions, ${bytes(memoryBytes)}`)
} finally {
  runtime.close()
}
const { stores, instances, hostFunctions, memoryBytes } = runtime.stats()
line(`closed: ${stores} stores, ${instances} instances, ${hostFunctions} host functions, ${bytes(memoryBytes)} left`)
