import { WasmtimeError } from '../errors'
import { native } from '../native'
import type * as Versions from '../versions'
import type * as Cache from './cache'
import type { Command } from './command'
import type * as Compile from './compile'
import { BrokenPipe, CliError, ExitStatus, UsageError } from './failure'
import type * as Help from './help'
import type * as Inspect from './inspect'
import { STDOUT, note, writeAll } from './output'
import { parseOptions } from './parse-options'
import type * as Run from './run'
import type * as Suggest from './suggest'
import type * as Text from './text'
import type * as Validate from './validate'

/** The commands by their names. Each is loaded when it is needed: starting up is what a short program spends its time with. */
const commands: { readonly [name: string]: () => Command<any> } = {
  run: () => (require('./run') as typeof Run).run,
  compile: () => (require('./compile') as typeof Compile).compile,
  inspect: () => (require('./inspect') as typeof Inspect).inspect,
  validate: () => (require('./validate') as typeof Validate).validate,
  wat: () => (require('./text') as typeof Text).wat,
  wasm: () => (require('./text') as typeof Text).wasm,
  'cache list': () => (require('./cache') as typeof Cache).cacheList,
  'cache clean': () => (require('./cache') as typeof Cache).cacheClean,
}

/**
 * Runs the command line, and ends the process with its exit status.
 *
 * @param args The arguments behind the name of the program.
 */
export function main(args: readonly string[]): void {
  native.endByBrokenPipe()
  process.removeAllListeners('warning')
  process.on('warning', ({ message }) => note(`node-wasmtime: warning: ${message}`))
  try {
    const status = dispatch(args)
    if (typeof status === 'number') end(status)
    else status.then(end, fail)
  } catch (error) {
    fail(error)
  }
}

/** Not at once: warnings come in the next turn of the event loop. What else waits there, such as input, is not waited for. */
function end(status: number): void {
  setImmediate(() => process.exit(status))
}

function fail(error: unknown): void {
  if (error instanceof BrokenPipe) return end(ExitStatus.brokenPipe)
  try {
    note(`node-wasmtime: ${textOf(error)}`)
  } catch {
    // Nobody reads standard error either.
  }
  end(error instanceof CliError ? error.status : ExitStatus.failure)
}

/** What people can do something with; anything else is a bug, whose place must be seen. */
function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const expected = error instanceof CliError || error instanceof WasmtimeError || 'syscall' in error
  return expected ? error.message : (error.stack ?? error.message)
}

function dispatch(args: readonly string[]): number | Promise<number> {
  const [first, second] = args
  if (first === undefined) throw new UsageError(`a command is missing\n\n${help()}`)
  if (first === '--help' || first === '-h') return print(help())
  if (first === '--version' || first === '-V') return print(version())
  if (first === 'help') return second === undefined ? print(help()) : helpOf(args.slice(1))
  const found = find(args)
  if (found === undefined) return unknownCommand(first, args)
  const { help: wanted, options, positionals } = parseOptions(found.command, found.rest)
  return wanted ? printHelp(found.command) : found.command.run(options, positionals)
}

/** The command of the first word, or the first two, and what stands behind it. */
function find(args: readonly string[]): { command: Command<any>; rest: readonly string[] } | undefined {
  for (const words of [2, 1]) {
    const name = args.slice(0, words).join(' ')
    if (Object.hasOwn(commands, name)) return { command: commands[name]?.() as Command<any>, rest: args.slice(words) }
  }
  return undefined
}

/** What stands behind the command does not matter; it is not run. */
function helpOf(args: readonly string[]): number {
  const found = find(args)
  return found === undefined ? unknownCommand(args[0] ?? '', [...args, '--help']) : printHelp(found.command)
}

function printHelp(command: Command<any>): number {
  const { commandHelp } = require('./help') as typeof Help
  return print(commandHelp(command))
}

function unknownCommand(first: string, args: readonly string[]): number {
  const family = Object.keys(commands).filter((name) => name.startsWith(`${first} `))
  if (family.length > 0) {
    if (args.includes('--help') || args.includes('-h')) return print(help())
    throw new UsageError(
      `node-wasmtime ${first} is one of: ${family.map((name) => `node-wasmtime ${name}`).join(', ')}`,
    )
  }
  if (/\.(?:wasm|wat|cwasm)$/.test(first)) {
    throw new UsageError(`"${first}" is no command; to run it: node-wasmtime run ${first}`)
  }
  const { suggestion } = require('./suggest') as typeof Suggest
  const hint = suggestion(first, Object.keys(commands))
  throw new UsageError(`"${first}" is no command${hint === '' ? '; see node-wasmtime --help' : hint}`)
}

function help(): string {
  const { generalHelp } = require('./help') as typeof Help
  return generalHelp(Object.values(commands).map((load) => load()))
}

function version(): string {
  const { versions } = require('../versions') as typeof Versions
  const { nodeWasmtime, wasmtime } = versions()
  return `node-wasmtime ${nodeWasmtime} (Wasmtime ${wasmtime}, Node.js ${process.versions.node})\n`
}

function print(text: string): number {
  writeAll(STDOUT, text)
  return ExitStatus.success
}
