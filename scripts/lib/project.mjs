import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The root folder of the project. */
export const root = fileURLToPath(new URL('../..', import.meta.url))

/** Turns a path relative to the project into an absolute one. */
export const at = (...parts) => resolve(root, ...parts)

/** An expected failure: its message is all that the user needs to see, without a stack. */
export class SetupError extends Error {}

/** Reads and parses a JSON file; `undefined` when it is missing or damaged. */
export function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}

/** Writes a JSON file, making its folder when needed. */
export function writeJson(path, value) {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, JSON.stringify(value, null, 2) + '\n')
}

/** Every file below a path, or the path itself when it is a file; sorted, and empty when there is nothing. */
export function filesOf(path) {
  if (!existsSync(path)) return []
  if (statSync(path).isFile()) return [path]
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .toSorted()
}

/**
 * A hash of the names and contents of files and folders, plus any further text. Modification times do not count:
 * a fresh clone or a restored cache gets new ones.
 */
export function hashOf(paths, ...extra) {
  const hash = createHash('sha256')
  for (const path of paths) {
    for (const file of filesOf(path)) {
      const content = readFileSync(file)
      hash.update(`${relative(root, file).split(sep).join('/')}\0${content.length}\0`)
      hash.update(content)
    }
  }
  for (const text of extra) hash.update(`\0${text}`)
  return hash.digest('hex')
}

/** The name by which napi-rs calls this platform, as in `node-wasmtime.linux-x64-gnu.node`. */
export function platformName() {
  const { platform, arch } = process
  if (platform === 'win32') return `win32-${arch}-msvc`
  if (platform !== 'linux') return `${platform}-${arch}`
  const musl = !process.report.getReport().header.glibcVersionRuntime
  return `linux-${arch}-${musl ? 'musl' : 'gnu'}`
}

/** The version of an installed development tool; part of the hash of whatever the tool makes. */
export const toolVersion = (name) => readJson(at('node_modules', name, 'package.json'))?.version ?? 'none'

/** The arguments that make `node` run a command of an installed package, without a shell or `npx` in between. */
export function tool(name, command = name) {
  const bin = readJson(at('node_modules', name, 'package.json'))?.bin
  const file = typeof bin === 'string' ? bin : bin?.[command]
  if (file === undefined) throw new SetupError(`${name} is not installed: run \`node scripts/setup.mjs\` first`)
  return at('node_modules', name, file)
}

/** The addon that the user brought along, if any. */
export const foreignAddon = () => process.env.NAPI_RS_NATIVE_LIBRARY_PATH || undefined

/**
 * The environment for development tools. Several of them are addons made with napi-rs too, and every loader made by
 * napi-rs follows NAPI_RS_NATIVE_LIBRARY_PATH: they would load our addon in place of their own.
 */
export function toolEnv() {
  const { NAPI_RS_NATIVE_LIBRARY_PATH: _ours, ...env } = process.env
  return env
}

/**
 * Runs a program to its end. With `capture` its output is collected and returned, else it goes straight through; its
 * standard output is also returned alone. A program that cannot be started gives `missing: true`.
 */
export function run(command, args, { capture = false, cwd = root, env = toolEnv(), shell = false } = {}) {
  return new Promise((done) => {
    const output = capture ? 'pipe' : 'inherit'
    const child = spawn(command, args, { cwd, env, shell, stdio: ['ignore', output, output] })
    let text = ''
    let stdout = ''
    child.stdout?.setEncoding('utf8').on('data', (chunk) => {
      text += chunk
      stdout += chunk
    })
    child.stderr?.setEncoding('utf8').on('data', (chunk) => (text += chunk))
    child.on('error', (error) => done({ code: 1, missing: error.code === 'ENOENT', output: error.message, stdout }))
    child.on('close', (code, signal) =>
      done({ code: code ?? 1, missing: false, output: signal ? `${text}\nended by ${signal}` : text, stdout }),
    )
  })
}

/** Runs a JavaScript program with this Node. */
export const runNode = (args, options) => run(process.execPath, args, options)

/** A time span for people: `0.4 s`, `12 s`, `6 min 5 s`. */
export function elapsed(since) {
  const seconds = (performance.now() - since) / 1000
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`
}
