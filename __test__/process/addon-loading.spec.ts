// What a program is told when its addon is missing or wrong. Each test has a folder like an installed package, in which
// something is amiss, and loads it in a process of its own.
import { execFile } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import anyTest, { type ExecutionContext } from 'ava'

import { currentHost, platformName } from '../../dist/addon-platform.js'
import { root } from './run-node.ts'

const platform = platformName(currentHost())
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
const addonName = `node-wasmtime.${platform}.node`
/** The addon of this checkout, or the one that the tests were given. */
const addon = process.env['NAPI_RS_NATIVE_LIBRARY_PATH'] ?? join(root, addonName)
const test = existsSync(addon) ? anyTest : anyTest.skip

/** A folder with the main package, and what else a test puts there. Made anew for each test, without the addon. */
function install(t: ExecutionContext): { folder: string; add(platform: string, content?: string, of?: string): void } {
  const folder = mkdtempSync(join(tmpdir(), 'node-wasmtime-loading-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const main = join(folder, 'node_modules', 'node-wasmtime')
  mkdirSync(main, { recursive: true })
  for (const name of ['index.js', 'index.mjs', 'binding.js', 'package.json', 'dist']) {
    cpSync(join(root, name), join(main, name), { recursive: true })
  }
  return {
    folder,
    add(name, content, of = version) {
      const path = join(folder, 'node_modules', `node-wasmtime-${name}`)
      mkdirSync(path)
      const file = `node-wasmtime.${name}.node`
      writeFileSync(join(path, 'package.json'), JSON.stringify({ name: `x-${name}`, version: of, main: file }))
      if (content === undefined) symlinkSync(addon, join(path, file))
      else writeFileSync(join(path, file), content)
    },
  }
}

interface Loaded {
  readonly code?: string
  readonly name?: string
  readonly message?: string
  /** Messages of the causes, the outermost first. */
  readonly causes?: string[]
  readonly ok?: boolean
}

const REPORT = `const report = (error) => {
  const causes = []
  for (let cause = error.cause; cause; cause = cause.cause) causes.push(cause.message)
  console.log(JSON.stringify({ code: error.code, name: error.name, message: error.message, causes }))
}
const done = ({ wat2wasm }) => console.log(JSON.stringify({ ok: wat2wasm('(module)').length === 8 }))`

const entries = {
  require: `${REPORT}\ntry { done(require('node-wasmtime')) } catch (error) { report(error) }`,
  again: `${REPORT}\ntry { require('node-wasmtime') } catch {}
    try { done(require('node-wasmtime')) } catch (error) { report(error) }`,
  import: `${REPORT}\nimport('node-wasmtime').then(done, report)`,
  worker: `${REPORT}\nnew (require('node:worker_threads').Worker)("require('node-wasmtime')", { eval: true })
    .on('error', report).on('exit', (code) => code === 0 && console.log('{"ok":true}'))`,
}

function load(
  folder: string,
  {
    entry = 'require',
    env = {},
    preload,
  }: { entry?: keyof typeof entries; env?: NodeJS.ProcessEnv; preload?: string } = {},
): Promise<Loaded> {
  const flags: string[] = []
  if (preload !== undefined) {
    writeFileSync(join(folder, 'preload.cjs'), preload)
    flags.push('--require', join(folder, 'preload.cjs'))
  }
  const clean = { ...process.env, ...env }
  if (!('NAPI_RS_NATIVE_LIBRARY_PATH' in env)) delete clean['NAPI_RS_NATIVE_LIBRARY_PATH']
  delete clean['NODE_OPTIONS']
  const args = [...flags, '-e', entries[entry]]
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { cwd: folder, env: clean, timeout: 120_000 }, (error, stdout, stderr) => {
      // Node 20 ends with an error when CommonJS fails in an `import()`, also if somebody handles the rejection.
      if (error === null || (entry === 'import' && stdout !== '')) resolve(JSON.parse(stdout) as Loaded)
      else reject(new Error([error.message, stderr].join('\n')))
    })
  })
}

const pretend = (os: string, arch: string): string =>
  `Object.defineProperty(process, 'platform', { value: '${os}' }); Object.defineProperty(process, 'arch', { value: '${arch}' })`

test('with the right addon the package loads by every entry point', async (t) => {
  const { folder, add } = install(t)
  add(platform)
  for (const entry of Object.keys(entries) as (keyof typeof entries)[]) {
    t.deepEqual(await load(folder, { entry }), { ok: true }, entry)
  }
})

test('without it the error is the same by every entry point, and also the second time', async (t) => {
  const { folder } = install(t)
  const first = await load(folder)
  t.is(first.code, 'ADDON_NOT_LOADED')
  t.is(first.name, 'WasmtimeError')
  t.true(first.message?.includes(`node-wasmtime-${platform}@${version}`), first.message)
  t.true(first.message?.includes('https://github.com/npm/cli/issues/4828'), first.message)
  for (const entry of ['again', 'import'] as const) {
    const { message, code, causes } = await load(folder, { entry })
    t.deepEqual({ message, code }, { message: first.message, code: first.code }, entry)
    t.is(causes?.length, first.causes?.length)
  }
  // From a Worker errors arrive as copies.
  t.is((await load(folder, { entry: 'worker' })).message, first.message)
})

test('the causes have every attempt', async (t) => {
  const { folder } = install(t)
  const { causes = [] } = await load(folder)
  for (const what of [`./${addonName}`, `node-wasmtime-${platform}`]) {
    t.true(
      causes.some((text) => text.startsWith(`Cannot find module '${what}'`)),
      what,
    )
  }
})

test('node_modules of another platform is told', async (t) => {
  const { folder, add } = install(t)
  const other = platform === 'darwin-arm64' ? 'win32-x64-msvc' : 'darwin-arm64'
  add(other, 'not for here')
  const { message = '' } = await load(folder)
  t.true(message.includes(`There is node-wasmtime-${other} instead`), message)
})

test('a damaged addon is told to be there, and that the system does not load it', async (t) => {
  const { folder, add } = install(t)
  add(platform, 'this is no shared library, and longer than a header of one would be '.repeat(10))
  const { message = '', causes = [] } = await load(folder)
  t.regex(message, /The addon is there, but the system does not load it: /)
  t.regex(message, /is damaged, or was made for another platform/)
  t.true(causes.some((text) => text.includes(addonName)))
  t.notRegex(message, /is not installed/)
})

test('an empty file, as a broken download leaves it', async (t) => {
  const { folder, add } = install(t)
  add(platform, '')
  t.regex((await load(folder)).message ?? '', /is damaged, or was made for another platform/)
})

test('a package without its .node file is told to be incomplete', async (t) => {
  const { folder, add } = install(t)
  add(platform, '')
  const path = join(folder, 'node_modules', `node-wasmtime-${platform}`)
  for (const name of readdirSync(path)) if (name.endsWith('.node')) rmSync(join(path, name))
  t.regex((await load(folder)).message ?? '', /is installed, but its \.node file is missing/)
})

test('platforms without a package', async (t) => {
  const { folder } = install(t)
  const freebsd = await load(folder, { preload: pretend('freebsd', 'riscv64') })
  t.regex(freebsd.message ?? '', /There is no package for freebsd on riscv64, only for: linux-x64-gnu/)
  const riscv = await load(folder, { preload: pretend('linux', 'riscv64') })
  t.regex(riscv.message ?? '', /There is no package for linux on riscv64/)
  const bits = await load(folder, { preload: pretend('win32', 'ia32') })
  t.regex(bits.message ?? '', /This Node\.js is a 32-bit program/)
})

test('each platform that there is a package for is told that package', async (t) => {
  const { folder } = install(t)
  const platforms = [
    ['darwin', 'x64', 'darwin-x64'],
    ['darwin', 'arm64', 'darwin-arm64'],
    ['win32', 'x64', 'win32-x64-msvc'],
    ['win32', 'arm64', 'win32-arm64-msvc'],
  ] as const
  for (const [os, arch, name] of platforms) {
    const { message = '' } = await load(folder, { preload: pretend(os, arch) })
    t.true(message.includes(`npm install --save-optional node-wasmtime-${name}@${version}`), message)
  }
})

test('a glibc that is too old is told with both versions', async (t) => {
  const { folder, add } = install(t)
  add(platform, 'x')
  // The words of the dynamic loader of glibc, as Node passes them on.
  const preload = `const Module = require('node:module')
    const { '.node': load } = Module._extensions
    Module._extensions['.node'] = (module, file) => {
      throw Object.assign(new Error("/lib64/libc.so.6: version \`GLIBC_2.99' not found (required by " + file + ')'), { code: 'ERR_DLOPEN_FAILED' })
    }`
  const { message = '' } = await load(folder, { preload })
  t.regex(message, /The addon needs glibc 2\.99 or newer, and this system has /)
})

test('the addon of another version is refused, though nobody asked for a check', async (t) => {
  const { folder, add } = install(t)
  add(platform)
  const path = join(folder, 'node_modules', 'node-wasmtime', 'package.json')
  const manifest = JSON.parse(readFileSync(path, 'utf8')) as object
  writeFileSync(path, JSON.stringify({ ...manifest, version: '48.99.0' }))
  const { message = '', code } = await load(folder)
  t.is(code, 'ADDON_NOT_LOADED')
  t.true(message.includes('node-wasmtime is version 48.99.0'), message)
  t.true(message.includes(`node-wasmtime-${platform} is version ${version}`), message)
  t.true(message.includes(`npm install --save-optional node-wasmtime-${platform}@48.99.0`), message)
})

test('the variable with the path of an addon wins over the installed package', async (t) => {
  const { folder, add } = install(t)
  add(platform, 'damaged')
  t.deepEqual(await load(folder, { env: { NAPI_RS_NATIVE_LIBRARY_PATH: addon } }), { ok: true })
})

test('a path that does not load, and one of an addon that is not ours', async (t) => {
  const { folder, add } = install(t)
  add(platform)
  const gone = join(folder, 'gone.node')
  const { message = '' } = await load(folder, { env: { NAPI_RS_NATIVE_LIBRARY_PATH: gone } })
  t.true(message.includes(`NAPI_RS_NATIVE_LIBRARY_PATH is ${JSON.stringify(gone)}, which does not load`), message)
  const foreign = join(folder, 'foreign.cjs')
  writeFileSync(foreign, 'exports.other = 1')
  const other = await load(folder, { env: { NAPI_RS_NATIVE_LIBRARY_PATH: foreign } })
  t.is(other.code, 'ADDON_NOT_LOADED')
  t.regex(other.message ?? '', /names \(.*foreign\.cjs\) is something else\./)
})

test('settings for WASI builds, of which there is none, are told', async (t) => {
  const { folder, add } = install(t)
  add(platform)
  const { message = '', code } = await load(folder, { env: { NAPI_RS_FORCE_WASI: 'error' } })
  t.is(code, 'ADDON_NOT_LOADED')
  t.regex(message, /there is no WASI build: unset both/)
  // `true` only prefers it.
  t.deepEqual(await load(folder, { env: { NAPI_RS_FORCE_WASI: 'true' } }), { ok: true })
})

test('code that was moved by a bundler is told to keep the package external', async (t) => {
  const { folder } = install(t)
  const main = join(folder, 'node_modules', 'node-wasmtime')
  // A bundle is one file elsewhere; for the loader that is the same as another name.
  cpSync(join(main, 'dist'), join(main, 'out'), { recursive: true })
  rmSync(join(main, 'dist'), { recursive: true })
  writeFileSync(join(main, 'index.js'), "module.exports = require('./out/index')")
  t.regex((await load(folder)).message ?? '', /bundled \(into .*out.index\.js\).*keep node-wasmtime external/)
})
