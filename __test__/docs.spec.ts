import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import test from 'ava'
import { parseSync } from 'oxc-parser'

import * as wasmtime from '../index.mjs'

interface Block {
  readonly name: string
  readonly heading: string
  readonly obstacles: readonly string[]
  readonly language: 'js' | 'ts'
}

const { freeNames } = (await import(new URL('../scripts/lib/free-names.mjs', import.meta.url).href)) as {
  freeNames: (program: object) => Set<string>
}
const { blocksOf, toProgram, toTypeScript } = (await import(
  new URL('../scripts/lib/doc-blocks.mjs', import.meta.url).href
)) as {
  blocksOf: (path: string, exported: readonly string[]) => Block[]
  toTypeScript: (block: Block) => { extension: string; text: string }
  toProgram: (block: Block) => { extension: string; text: string }
}

const root = fileURLToPath(new URL('..', import.meta.url))
const documents = [
  'README.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
]
const blocks = documents.flatMap((path) => blocksOf(join(root, path), Object.keys(wasmtime)))
const run = promisify(execFile)

/** A place with the package in `node_modules`, as users have it. */
function place(name: string): string {
  const folder = join(root, '.setup', 'docs', name)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(join(folder, 'node_modules'), { recursive: true })
  symlinkSync(root, join(folder, 'node_modules', 'node-wasmtime'), 'junction')
  return folder
}

const fileName = ({ name }: Block): string => name.replaceAll(/[^\w-]+/g, '-')

test('every block of code in the documents has types that fit', async (t) => {
  t.true(blocks.length > 15)
  const folder = place('types')
  for (const [language, strict] of [
    ['js', false],
    ['ts', true],
  ] as const) {
    const own = join(folder, language)
    mkdirSync(own)
    for (const block of blocks) {
      if (block.language !== language) continue
      const { extension, text } = toTypeScript(block)
      writeFileSync(join(own, `${fileName(block)}.${extension}`), text)
    }
    const options = {
      compilerOptions: {
        target: 'es2024',
        lib: ['es2024', 'esnext.disposable'],
        module: 'nodenext',
        types: ['node'],
        typeRoots: [join(root, 'node_modules', '@types')],
        noEmit: true,
        strict,
      },
      include: ['*.mts', '*.cts'],
    }
    writeFileSync(join(own, 'tsconfig.json'), JSON.stringify(options))
    const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
    try {
      await run(process.execPath, [tsc, '-p', own])
      t.pass()
    } catch (error) {
      t.fail((error as { stdout: string }).stdout)
    }
  }
})

test('every link in the documents leads somewhere', (t) => {
  const broken: string[] = []
  for (const path of [...documents, 'CONTRIBUTING.md', 'RATIONALE.md', 'SECURITY.md']) {
    const text = readFileSync(join(root, path), 'utf8')
    for (const [, target = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue
      const [file = '', anchor] = target.split('#')
      const full = file === '' ? join(root, path) : join(root, dirname(path), file)
      const found = existsSync(full) && (anchor === undefined || anchorsOf(full).has(anchor))
      if (!found) broken.push(`${path}: ${target}`)
    }
  }
  t.deepEqual(broken, [])
})

/** The anchors of a document's headings, as GitHub makes them. */
function anchorsOf(path: string): ReadonlySet<string> {
  const headings = readFileSync(path, 'utf8')
    .replaceAll(/^```[\s\S]*?^```/gm, '')
    .matchAll(/^#+ (.*)$/gm)
  const slug = (text: string): string =>
    text
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-')
  return new Set(Array.from(headings, ([, text = '']) => slug(text.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1'))))
}

/** The blocks that are not run, and why: by document and heading, as lines change all the time. */
const notRun = [
  'README.md, Guests that wait: bytes',
  'README.md, Guests that are stopped: bytes',
  'README.md, Programs: bytes',
  'async.md, Asynchronous calls: bytes',
  'async.md, Stopping: guest',
  'command-line.md, Looking into modules: TypeScript',
  'compiled-code.md, Compiled code: bytes',
  'control.md, Deadlines, fuel and limits: bytes',
  'host-functions.md, Ready host modules: bytes',
  'security.md, Compiling: no-run',
  'security.md, Compiling: no-run',
  'security.md, A host for untrusted guests: bytes',
  'wasi.md, WASI: bytes',
  'wasi.md, WASI: bytes',
  'wazero-compatibility.md, A program in both: TypeScript, bytes',
  'workers.md, Sharing an engine and modules: compiled, worker',
  'workers.md, Sharing an engine and modules: parentPort',
  'workers.md, Sharing a memory: parentPort',
  'workers.md, Ending a Worker: worker',
]

test('all blocks can run by themselves but those that are known not to', (t) => {
  const found = blocks
    .filter(({ obstacles }) => obstacles.length > 0)
    .map(({ name, heading, obstacles }) => `${name.replace(/:\d+$/, '')}, ${heading}: ${obstacles.join(', ')}`)
  t.deepEqual(found.sort(), notRun.toSorted())
})

const free = (code: string): string[] => [...freeNames(parseSync('code.mts', code).program)].sort()

test('a name that a function or a block binds is free outside of it only', (t) => {
  t.deepEqual(free('f((guest) => guest.memory)'), ['f'])
  t.deepEqual(free('f((guest) => guest.memory); guest.close()'), ['f', 'guest'])
  t.deepEqual(free('function f({ a, b: [c = d], ...e }, g = a) { return [a, c, e, g, f] }'), ['d'])
  t.deepEqual(free('{ const a = 1; use(a) } a'), ['a', 'use'])
  t.deepEqual(free('use(later()); function later() { if (x) { var y } return y }'), ['use', 'x'])
  t.deepEqual(free('for (const i of list) i(); for (let j = 0; j < n; j++) j; i'), ['i', 'list', 'n'])
  t.deepEqual(free('try { a() } catch ({ message }) { message } finally { message }'), ['a', 'message'])
  t.deepEqual(free('import { x as y } from "z"; export const o = { x: y, [k]: y.x, s }; export { o as p }'), ['k', 's'])
  t.deepEqual(free('class A extends B { m(guest) { return this.guest + guest } guest = 1 }'), ['B'])
  t.deepEqual(free('const f = (guest: Guest): Result => guest'), ['Guest', 'Result'])
  t.deepEqual(free('switch (a) { case b: { } default: const c = 1; c } again: for (;;) { break again }'), ['a', 'b'])
})

test('the blocks that can run by themselves run', async (t) => {
  const folder = place('run')
  const programs = blocks.filter(({ obstacles }) => obstacles.length === 0)
  const queue = [...programs]
  const failed: string[] = []
  const work = async (): Promise<void> => {
    for (let block = queue.shift(); block !== undefined; block = queue.shift()) {
      const { extension, text } = toProgram(block)
      const file = join(folder, `${fileName(block)}.${extension}`)
      writeFileSync(file, text)
      try {
        // The documents show views of memories, also when the tests run as where there are none.
        const env = { ...process.env, NODE_WASMTIME_NO_EXTERNAL_BUFFERS: undefined }
        await run(process.execPath, [file], { cwd: folder, timeout: 60_000, env })
      } catch (error) {
        failed.push(`${block.name}\n${(error as { stderr: string }).stderr}`)
      }
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, work))
  t.deepEqual(failed, [])
})
