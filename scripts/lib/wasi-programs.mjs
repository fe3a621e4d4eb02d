/** Programs of our own in real languages, built where there is a compiler for them; into `.setup/wasi`. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { root } from './project.mjs'

const sources = join(root, '__test__', 'programs')
const output = join(root, '.setup', 'wasi')

/** Runs a compiler unless its result is newer than the source; false if there is no such compiler. */
function build(source, target, [command, ...args], env = {}) {
  if (existsSync(target) && statSync(target).mtimeMs > statSync(source).mtimeMs) return true
  mkdirSync(output, { recursive: true })
  const { status, error, stderr, stdout } = spawnSync(command, args, {
    encoding: 'utf8',
    cwd: root,
    env: { ...process.env, ...env },
  })
  if (error?.code === 'ENOENT' || /No module named '?ziglang/.test(stderr ?? '')) return false
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${error ?? ''}${stdout}${stderr}`)
  return true
}

/** The program in AssemblyScript; its compiler is among the development tools. */
function buildTools() {
  const target = join(output, 'tools.wasm')
  // Relative: the compiler looks for what the file names beside it only then.
  const shim = './node_modules/@assemblyscript/wasi-shim/asconfig.json'
  const asc = join(root, 'node_modules', 'assemblyscript', 'bin', 'asc.js')
  const source = join(sources, 'tools.ts')
  build(source, target, [process.execPath, asc, source, '-o', target, '--config', shim, '-O'])
  return target
}

/** What the program in AssemblyScript does. */
export function toolPrograms() {
  const programs = []
  const tools = buildTools()
  const tool = (name, args, more) =>
    programs.push({ name: `tools ${name}`, path: tools, args: ['tools', ...args], env: {}, exitCode: 0, ...more })
  tool('args', ['args', 'one', 'zwölf'], { stdout: 'args\none\nzwölf\n', stderr: '' })
  tool('env', ['env', 'HOME'], { env: { HOME: '/here' }, stdout: '/here\n' })
  tool('env missing', ['env', 'PATH'], { stdout: '(not set)\n' })
  tool('stdin', ['upper'], { stdin: 'some text\n'.repeat(1000), stdout: 'SOME TEXT\n'.repeat(1000) })
  tool('exit', ['exit', '42'], { exitCode: 42, stderr: 'exits\n' })
  tool('much', ['many', '10000'], { stdout: Array.from({ length: 10_000 }, (_, n) => `line ${n}\n`).join('') })
  tool('unknown', ['what'], { exitCode: 2 })
  return programs
}

export async function ownPrograms() {
  const programs = toolPrograms()
  const common = { args: ['files', 'one', 'two'], env: { HOME: '/home' }, stdin: 'a\nb\n' }
  const expected = (size, entry) => `arg one\narg two\nHOME /home\nsize ${size}\nentry ${entry}\nstdin a\nstdin b\n`
  const empty = mkdtempSync(join(tmpdir(), 'node-wasmtime-root-'))
  const c = join(output, 'files-c.wasm')
  const zig = [
    'python3',
    '-m',
    'ziglang',
    'cc',
    '-target',
    'wasm32-wasi',
    '-O2',
    '-s',
    '-o',
    c,
    join(sources, 'files.c'),
  ]
  if (build(join(sources, 'files.c'), c, zig)) {
    programs.push({ ...common, name: 'C', path: c, root: empty, exitCode: 7, stdout: expected(8890, 'moved') })
  } else console.log('There is no Python package "ziglang": the program in C is not run.')
  const go = join(output, 'files-go.wasm')
  const compiler = ['go', 'build', '-o', go, join(sources, 'files.go')]
  if (build(join(sources, 'files.go'), go, compiler, { GOOS: 'wasip1', GOARCH: 'wasm' })) {
    programs.push({ ...common, name: 'Go', path: go, root: empty, exitCode: 200, stdout: expected(1 << 20, 'moved') })
  } else console.log('There is no Go: the program in Go is not run.')
  return programs
}
