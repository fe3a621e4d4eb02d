// What a plugin may try, and what stops it.

import { TrapError } from '../../index.mjs'
import { Plugin } from './plugin.mjs'

/** @import { CompiledModule, Runtime } from '../../index.mjs' */
/** @import { Host } from './host.mjs' */

/** Characters of an error's message that are shown. */
const MAX_MESSAGE = 100

/**
 * @typedef {object} Attack
 * @property {string} title
 * @property {(plugin: Plugin) => unknown} run
 */

/** What the plugin in `plugin/hostile.ts` tries. @type {readonly Attack[]} */
const attacks = [
  { title: 'gives up in the middle', run: (plugin) => plugin.call('crash') },
  { title: 'reads outside its memory', run: (plugin) => plugin.call('peek') },
  { title: 'writes outside its memory', run: (plugin) => plugin.call('poke') },
  { title: 'divides by zero', run: (plugin) => plugin.call('divide', 0) },
  { title: 'calls itself without end', run: (plugin) => plugin.call('recurse', 0) },
  { title: 'takes all memory it can get', run: (plugin) => plugin.call('devour') },
  { title: 'throws an error of its own', run: (plugin) => plugin.call('fail') },
  { title: 'asks the host for a file', run: (plugin) => plugin.call('steal') },
  { title: "fills the host's store", run: (plugin) => plugin.call('hoard') },
  { title: 'hands the host a wrong address', run: (plugin) => plugin.call('lie') },
  { title: 'returns a wrong length', run: (plugin) => plugin.take(plugin.call('overstate')) },
]

/** Plugins that do not get as far as running, in WebAssembly's text format. */
const stillborn = [
  { title: 'is no WebAssembly at all', source: Buffer.from('#!/bin/sh\nrm -rf /\n') },
  {
    title: 'is not well typed',
    source: '(module (func (export "run") (result i32) (i64.const 1)))',
  },
  {
    title: 'wants a function that nobody offers',
    source: `(module (import "host" "exec" (func (param i32 i32)))
      (memory (export "memory") 1 1) (func (export "alloc")) (func (export "free")))`,
  },
  {
    title: 'wants memory without a limit',
    source: '(module (memory (export "memory") 1) (func (export "alloc")) (func (export "free")))',
  },
]

/**
 * @typedef {object} Outcome
 * @property {string} title
 * @property {string | undefined} stoppedBy `undefined` if nothing did.
 */

/**
 * Lets hostile plugins loose, each attack in an instance of its own.
 *
 * @param {Runtime} runtime
 * @param {Host} host
 * @param {CompiledModule} compiled The plugin in `plugin/hostile.ts`.
 * @returns {Generator<Outcome>}
 */
export function* runAttacks(runtime, host, compiled) {
  for (const { title, source } of stillborn) {
    yield attempt(host, title, () => Plugin.load(runtime, 'stillborn', runtime.compileModuleSync(source)).close())
  }
  for (const { title, run } of attacks) {
    const plugin = Plugin.load(runtime, 'hostile', compiled)
    yield attempt(host, title, () => run(plugin))
    plugin.close()
  }
}

/**
 * @param {Host} host
 * @param {string} title
 * @param {() => unknown} run
 * @returns {Outcome}
 */
function attempt(host, title, run) {
  host.thrown = undefined
  try {
    run()
    return { title, stoppedBy: undefined }
  } catch (error) {
    return { title, stoppedBy: explain(error, host) }
  }
}

/**
 * @param {unknown} error
 * @param {Host} host
 */
function explain(error, host) {
  if (!(error instanceof Error)) return String(error)
  // The lines after the first are the WebAssembly stack.
  const [message = ''] = error.message.split('\n', 1)
  const text = `${error.name}: ${message.length > MAX_MESSAGE ? `${message.slice(0, MAX_MESSAGE)}…` : message}`
  if (error instanceof TrapError) return `${text} [in ${error.frames[0]?.functionName ?? 'a function without name'}]`
  // What a host function throws comes out of the plugin's call as it is, not as a copy.
  return error === host.thrown ? `${text} [the host's own object]` : text
}
