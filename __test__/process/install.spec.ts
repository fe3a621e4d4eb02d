import { execFile } from 'node:child_process'
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

import anyTest, { type ExecutionContext, type TestFn } from 'ava'

import { root } from './run-node.ts'

/** A project into which the package was installed from tarballs, as npm would from the registry. */
interface Context {
  readonly directory: string
  /** Project with both packages, and one that has only the main package. */
  readonly full: string
  readonly lonely: string
  readonly files: readonly string[]
  readonly platformFiles: readonly string[]
}

/** The addon that this checkout was built for; without one, or with a foreign one, there is nothing to pack. */
const addon = readdirSync(root).find((name) => /^node-wasmtime\..+\.node$/.test(name))
const platform = addon?.slice('node-wasmtime.'.length, -'.node'.length) ?? ''
const canPack =
  addon !== undefined && existsSync(join(root, 'npm', platform)) && existsSync(join(root, 'dist', 'index.js'))

const anySerial = anyTest as TestFn<Context>
const test = canPack ? anySerial : anySerial.skip

/** Without the addon of this checkout, and without Rust. */
const env = { ...process.env }
delete env['NAPI_RS_NATIVE_LIBRARY_PATH']
delete env['NODE_OPTIONS']
const pathName = Object.keys(env).find((name) => name.toUpperCase() === 'PATH') ?? 'PATH'
env[pathName] = (env[pathName] ?? '')
  .split(delimiter)
  .filter((folder) => !['cargo', 'rustc', 'cargo.exe', 'rustc.exe'].some((name) => existsSync(join(folder, name))))
  .join(delimiter)

interface Ran {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

function run(command: string, args: readonly string[], cwd: string, more: NodeJS.ProcessEnv = {}): Promise<Ran> {
  const shell = process.platform === 'win32' && (command === 'npm' || command === 'npx')
  return new Promise((resolve) => {
    execFile(command, args, { cwd, env: { ...env, ...more }, shell, timeout: 120_000 }, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : Number(error.code ?? -1), stdout, stderr })
    })
  })
}

async function succeed(command: string, args: readonly string[], cwd: string): Promise<string> {
  const { status, stdout, stderr } = await run(command, args, cwd)
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${status}\n${stdout}\n${stderr}`)
  return stdout
}

/** Packs a folder; gives the tarball and the files in it. */
async function pack(folder: string, destination: string): Promise<{ tarball: string; files: string[] }> {
  const args = ['pack', '--json', '--offline', '--ignore-scripts', '--pack-destination', destination]
  const [packed] = JSON.parse(await succeed('npm', args, folder)) as { filename: string; files: { path: string }[] }[]
  if (packed === undefined) throw new Error('npm has packed nothing')
  return { tarball: join(destination, packed.filename), files: packed.files.map(({ path }) => path) }
}

/** An empty project with tarballs installed, offline. */
async function project(folder: string, tarballs: readonly string[]): Promise<string> {
  mkdirSync(folder)
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'user', version: '1.0.0', private: true }))
  const sources = tarballs.map((path) => `file:${path}`)
  await succeed('npm', ['install', '--offline', '--no-audit', '--no-fund', '--ignore-scripts', ...sources], folder)
  return folder
}

/** The README's first example, as CommonJS. */
function example(t: ExecutionContext<Context>): string {
  const text = readFileSync(join(root, 'README.md'), 'utf8')
  const block = /^```(?:js|ts)\n(.*?)^```$/ms.exec(text)?.[1]
  t.truthy(block, 'the README has no example')
  return block ?? ''
}

anySerial.before(async (t) => {
  if (!canPack) return
  // The name with spaces and beyond ASCII is on purpose.
  const directory = mkdtempSync(join(tmpdir(), 'node wasmtime é '))
  const copy = join(directory, 'platform')
  cpSync(join(root, 'npm', platform), copy, { recursive: true })
  copyFileSync(join(root, addon ?? ''), join(copy, addon ?? ''))
  const main = await pack(root, directory)
  const native = await pack(copy, directory)
  t.context = {
    directory,
    full: await project(join(directory, 'full'), [main.tarball, native.tarball]),
    lonely: await project(join(directory, 'lonely'), [main.tarball]),
    files: main.files,
    platformFiles: native.files,
  }
})

anySerial.after.always((t) => {
  if (canPack && t.context.directory !== undefined) rmSync(t.context.directory, { recursive: true, force: true })
})

test('the package has what it needs at run time, and neither sources nor tests', (t) => {
  const allowed =
    /^(?:index\.(?:js|mjs|d\.ts|d\.mts)|binding\.(?:js|d\.ts)|bin\/node-wasmtime\.js|dist\/(?:index|cli)\.js|dist\/(?:[\w-]+\/)*[\w-]+\.d\.ts|docs\/[\w-]+\.md|package\.json|README\.md|LICENSE|CHANGELOG\.md)$/
  t.deepEqual(
    t.context.files.filter((path) => !allowed.test(path)),
    [],
  )
  for (const name of [
    'index.js',
    'index.mjs',
    'index.d.ts',
    'binding.js',
    'dist/index.js',
    'dist/index.d.ts',
    'dist/cli.js',
    'bin/node-wasmtime.js',
    'LICENSE',
  ]) {
    t.true(t.context.files.includes(name), name)
  }
})

test('the package of a platform has the addon, and no code but that', (t) => {
  t.true(t.context.platformFiles.includes(addon ?? ''))
  t.deepEqual(
    t.context.platformFiles.filter((path) => path !== addon && !/^(?:package\.json|README\.md|LICENSE)$/.test(path)),
    [],
  )
})

test('the packages have no install scripts and no dependencies', (t) => {
  for (const name of ['node-wasmtime', `node-wasmtime-${platform}`]) {
    const path = join(t.context.full, 'node_modules', name, 'package.json')
    const { scripts = {}, dependencies = {} } = JSON.parse(readFileSync(path, 'utf8')) as Record<string, object>
    t.deepEqual(
      Object.keys(scripts).filter((script) => ['preinstall', 'install', 'postinstall', 'prepare'].includes(script)),
      [],
    )
    t.deepEqual(dependencies, {})
  }
})

test("the README's first example runs with require, where there is no Rust", async (t) => {
  t.false((env[pathName] ?? '').split(delimiter).some((folder) => existsSync(join(folder, 'cargo'))))
  const script = example(t)
  t.regex(script, /require\('node-wasmtime'\)/)
  writeFileSync(join(t.context.full, 'example.cjs'), script)
  const stdout = await succeed(process.execPath, ['example.cjs'], t.context.full)
  t.is(stdout, 'hello from the guest\n42\n')
})

test("the README's first example runs with import", async (t) => {
  const script = example(t).replace(/^const (\{.*?\}) = require\('node-wasmtime'\)$/m, "import $1 from 'node-wasmtime'")
  t.regex(script, /^import \{/)
  writeFileSync(join(t.context.full, 'example.mjs'), script)
  const stdout = await succeed(process.execPath, ['example.mjs'], t.context.full)
  t.is(stdout, 'hello from the guest\n42\n')
})

test('the command line is installed as node-wasmtime', async (t) => {
  const text = '(module (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))'
  writeFileSync(join(t.context.full, 'add.wat'), text)
  const args = ['--offline', '--no-install', 'node-wasmtime', 'run', '--invoke', 'add', 'add.wat', '2', '40']
  t.is(await succeed('npx', args, t.context.full), '42\n')
})

test('require and import give one and the same module instance', async (t) => {
  const script = `import * as esm from 'node-wasmtime'
    import { createRequire } from 'node:module'
    const cjs = createRequire(import.meta.url)('node-wasmtime')
    console.log(Object.keys(cjs).every((name) => esm[name] === cjs[name]), esm.Runtime === cjs.Runtime)`
  writeFileSync(join(t.context.full, 'both.mjs'), script)
  t.is(await succeed(process.execPath, ['both.mjs'], t.context.full), 'true true\n')
})

test('TypeScript finds the declarations for require and for import', async (t) => {
  const script = `import { Runtime, type ModuleInstance, api } from 'node-wasmtime'
    const instance: ModuleInstance<{ run(n: number): number }> = new Runtime().instantiate('(module)')
    export const n: number = instance.exports.run(1)
    // @ts-expect-error it takes a bigint
    export const slot = api.decodeI32('no bigint')`
  const types = ['--types', 'node', '--typeRoots', join(root, 'node_modules', '@types')]
  const lib = ['--target', 'es2022', '--lib', 'es2023,esnext.disposable']
  const options = ['--noEmit', '--strict', '--module', 'nodenext', ...lib, ...types]
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  for (const extension of ['mts', 'cts']) {
    writeFileSync(join(t.context.full, `types.${extension}`), script)
    const { status, stdout } = await run(process.execPath, [tsc, ...options, `types.${extension}`], t.context.full)
    t.is(status, 0, stdout)
  }
})

test('files inside the package cannot be required, except its package.json', async (t) => {
  const script = `console.log(require('node-wasmtime/package.json').name)
    for (const path of ['binding.js', 'dist/index.js', 'dist/native.js', 'index.js']) {
      try { require('node-wasmtime/' + path); console.log(path) } catch (error) { console.log(error.code) }
    }`
  const stdout = await succeed(process.execPath, ['-e', script], t.context.full)
  t.is(stdout, `node-wasmtime\n${'ERR_PACKAGE_PATH_NOT_EXPORTED\n'.repeat(4)}`)
})

test('without the package of the platform the error names it, and says what to do', async (t) => {
  const { status, stderr } = await run(process.execPath, ['-e', "require('node-wasmtime')"], t.context.lonely)
  t.is(status, 1)
  t.true(stderr.includes(`The package node-wasmtime-${platform}, which has the addon for this platform`), stderr)
  t.true(stderr.includes(`npm install --save-optional node-wasmtime-${platform}@`), stderr)
  t.regex(stderr, /remove node_modules and package-lock\.json/)
  t.regex(stderr, /\[cause\]/)
})

test('publint has nothing to say about the package', async (t) => {
  const main = readdirSync(t.context.directory).find((name) => /^node-wasmtime-\d.*\.tgz$/.test(name)) ?? ''
  const publint = join(root, 'node_modules', 'publint', 'src', 'cli.js')
  const { status, stdout } = await run(process.execPath, [publint, main, '--strict'], t.context.directory)
  t.is(status, 0, stdout)
})
