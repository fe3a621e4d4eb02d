import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs' // prettier-ignore
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import test, { type ExecutionContext } from 'ava'

import { ArgumentError, CompileError, Engine, Module, Runtime } from '../index.mjs'
import type { CacheStats } from '../index.mjs'
import { runForJson } from './process/run-node.ts'

const wat = (n: number) => `(module $m${n} (func (export "f") (result i32) (i32.const ${n})))`

function folder(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'node-wasmtime-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}

function open(t: ExecutionContext, cache: string | object, options: object = {}): Runtime {
  const runtime = new Runtime({ cache: cache as string, ...options })
  t.teardown(() => runtime.close())
  return runtime
}

/** What the module of a number gives, and what the cache has counted meanwhile. */
function compile(runtime: Runtime, n: number): { value: number; did: Partial<CacheStats> } {
  const before = runtime.stats().cache as CacheStats
  const guest = runtime.instantiate(runtime.compileModuleSync(wat(n)), { name: '' })
  const value = guest.exports['f']() as number
  const after = runtime.stats().cache as CacheStats
  guest.close()
  const did = Object.fromEntries(
    Object.entries(after).flatMap(([name, count]) => {
      const more = (count as number) - before[name as keyof CacheStats]
      return more === 0 ? [] : [[name, more]]
    }),
  )
  return { value, did }
}

const entries = (path: string) => readdirSync(path).filter((name) => name.endsWith('.cwasm'))

const compiled = { misses: 1, written: 1 }
const cached = { hits: 1 }

test('what one runtime has compiled another one has from the cache, by every way to compile', async (t) => {
  const cache = folder(t)
  const first = open(t, cache)
  t.deepEqual(compile(first, 1), { value: 1, did: compiled })
  t.deepEqual(compile(first, 1), { value: 1, did: cached })
  const second = open(t, { directory: cache })
  t.deepEqual(compile(second, 1), { value: 1, did: cached })
  const module = await second.compileModule(wat(1))
  t.is(module.name, 'm1')
  t.is(module.exportedFunctions[0]?.exportNames[0], 'f')
  const file = join(cache, 'source.wat')
  writeFileSync(file, wat(1))
  await second.compileModuleFile(file)
  const engine = new Engine({ cache })
  Module.compileSync(engine, wat(1))
  await Module.compile(engine, wat(1))
  await Module.fromFile(engine, file)
  t.is(second.stats().cache?.hits, 3)
  t.is(engine.stats().cache?.hits, 3)
  t.is(entries(cache).length, 1)
  t.false('cache' in open(t, false as never).stats())
})

test('the directory is made, and all in it belongs to its owner alone', (t) => {
  const cache = join(folder(t), 'a', 'b')
  compile(open(t, cache), 1)
  if (process.platform !== 'win32') {
    t.is(statSync(cache).mode & 0o777, 0o700)
    for (const name of readdirSync(cache)) t.is(statSync(join(cache, name)).mode & 0o777, 0o600, name)
  }
  t.is(readFileSync(join(cache, 'key')).length, 32)
  t.deepEqual(readdirSync(cache).length, 2)
})

test('other options and other modules have entries of their own', (t) => {
  const cache = folder(t)
  t.deepEqual(compile(open(t, cache), 1).did, compiled)
  t.deepEqual(compile(open(t, cache), 2).did, compiled)
  t.deepEqual(compile(open(t, cache, { interruptible: false }), 1).did, compiled)
  t.deepEqual(compile(open(t, cache, { optLevel: 'none' }), 1).did, compiled)
  t.deepEqual(compile(open(t, cache, { optLevel: 'none' }), 1).did, cached)
  t.is(entries(cache).length, 4)
})

test('an entry that is damaged anywhere, or cut off, or empty, is compiled again, and mended', (t) => {
  const cache = folder(t)
  const runtime = open(t, cache)
  compile(runtime, 7)
  const path = join(cache, entries(cache)[0] ?? '')
  const good = readFileSync(path)
  const places = Array.from({ length: 40 }, (_, i) => Math.floor((i / 40) * good.length))
  const damaged = [
    ...[...places, good.length - 1, good.length - 32, good.length - 33, good.length - 64].map((place) => {
      const bytes = Buffer.from(good)
      bytes[place] = (bytes[place] ?? 0) ^ 1
      return bytes
    }),
    good.subarray(0, good.length / 2),
    good.subarray(0, 10),
    Buffer.alloc(0),
    Buffer.concat([good, good]),
    Buffer.alloc(good.length),
  ]
  for (const bytes of damaged) {
    writeFileSync(path, bytes)
    t.deepEqual(compile(runtime, 7), { value: 7, did: { ...compiled, rejected: 1 } })
    t.deepEqual(compile(runtime, 7), { value: 7, did: cached })
  }
})

test('an entry under the name of another module, or made with another key, is never run', (t) => {
  const cache = folder(t)
  const runtime = open(t, cache)
  compile(runtime, 1)
  const [one = ''] = entries(cache)
  compile(runtime, 2)
  const two = entries(cache).find((name) => name !== one) ?? ''
  cpSync(join(cache, one), join(cache, two))
  t.deepEqual(compile(runtime, 2), { value: 2, did: { ...compiled, rejected: 1 } })
  // A stranger who has a key of his own, and the rest.
  const other = folder(t)
  compile(open(t, other), 1)
  cpSync(join(other, one), join(cache, one))
  t.deepEqual(compile(runtime, 1), { value: 1, did: { ...compiled, rejected: 1 } })
  cpSync(join(other, 'key'), join(cache, 'key'))
  t.deepEqual(compile(runtime, 2), { value: 2, did: { ...compiled, rejected: 1 } })
})

test('a directory that is removed while it is used is made again', (t) => {
  const cache = join(folder(t), 'cache')
  const runtime = open(t, cache)
  compile(runtime, 1)
  rmSync(cache, { recursive: true })
  t.deepEqual(compile(runtime, 1), { value: 1, did: compiled })
  // Another process makes another key.
  rmSync(join(cache, 'key'))
  t.deepEqual(compile(open(t, cache), 1), { value: 1, did: { ...compiled, rejected: 1 } })
  t.deepEqual(compile(runtime, 1), { value: 1, did: cached })
})

/** Things in the way of a cache, and what is said of them. */
const obstacles: { readonly [what: string]: readonly [(path: string) => void, RegExp] } = {
  'a file where the directory should be': [(path) => writeFileSync(path, ''), /cannot make the directory/],
  'a key that is too short': [(path) => (mkdirSync(path, 0o700), writeFileSync(join(path, 'key'), 'short', { mode: 0o600 })), /is not a key; remove it/], // prettier-ignore
  'a key that is too long': [(path) => (mkdirSync(path, 0o700), writeFileSync(join(path, 'key'), Buffer.alloc(33), { mode: 0o600 })), /is not a key; remove it/], // prettier-ignore
  'a directory in place of the key': [(path) => mkdirSync(join(path, 'key'), { recursive: true, mode: 0o700 }), /the key/], // prettier-ignore
  ...(process.platform === 'win32'
    ? {}
    : {
        'a key that others can read': [(path) => (mkdirSync(path, 0o700), writeFileSync(join(path, 'key'), Buffer.alloc(32), { mode: 0o640 })), /open to other users; remove it, and everything beside it, or chmod 600/], // prettier-ignore
        'a directory that others can write to': [(path) => (mkdirSync(path), chmodSync(path, 0o777)), /open to other users; chmod 700/], // prettier-ignore
      }),
}

for (const [what, [make, message]] of Object.entries(obstacles)) {
  test.serial(`with ${what} everything is compiled, and a warning says why, once`, async (t) => {
    const cache = join(folder(t), 'cache')
    make(cache)
    const warnings: Error[] = []
    const listener = (warning: Error) => void warnings.push(warning)
    process.on('warning', listener)
    t.teardown(() => process.off('warning', listener))
    const runtime = open(t, cache)
    t.deepEqual(compile(runtime, 1), { value: 1, did: { failures: 1 } })
    t.deepEqual(compile(runtime, 2), { value: 2, did: { failures: 1 } })
    t.is((await runtime.compileModule(wat(3))).name, 'm3')
    await new Promise((resolve) => setImmediate(resolve))
    const ours = warnings.filter((warning) => 'code' in warning && warning.code === 'NODE_WASMTIME_CACHE')
    t.is(ours.length, 1)
    t.regex(ours[0]?.message ?? '', message)
    t.true(ours[0]?.message.includes(cache))
  })
}

test('an entry that cannot be read, or replaced, is compiled each time', (t) => {
  const cache = folder(t)
  const runtime = open(t, cache)
  compile(runtime, 1)
  const path = join(cache, entries(cache)[0] ?? '')
  rmSync(path)
  mkdirSync(path)
  const { value, did } = compile(runtime, 1)
  t.is(value, 1)
  t.true((did.failures ?? 0) >= 1)
  t.is(did.misses, 1)
  t.deepEqual(
    readdirSync(cache).filter((name) => name.endsWith('.tmp')),
    [],
  )
})

test('what was not used for longest goes when there is too much, and what is too old', (t) => {
  const cache = folder(t)
  compile(open(t, cache), 0)
  const size = statSync(join(cache, entries(cache)[0] ?? '')).size
  for (let n = 1; n < 4; n++) compile(open(t, cache), n)
  // Each looks at the rest of the directory once in a while, and when it has written for the first time.
  t.is(entries(cache).length, 4)
  const before = new Set(entries(cache))
  for (const name of before) utimesSync(join(cache, name), new Date(), new Date(Date.now() - 10_000))
  t.deepEqual(compile(open(t, { directory: cache, maxBytes: (size * 3.5) | 0 }), 5), {
    value: 5,
    did: { ...compiled, removed: 2 },
  })
  t.is(entries(cache).length, 3)
  t.is(entries(cache).filter((name) => !before.has(name)).length, 1)
  t.deepEqual(compile(open(t, { directory: cache, maxAgeMs: 5000 }), 6).did, { ...compiled, removed: 2 })
  t.is(entries(cache).length, 2)
  // What is larger than the whole is not kept.
  t.deepEqual(compile(open(t, { directory: cache, maxBytes: 100 }), 7), { value: 7, did: { misses: 1 } })
  t.is(entries(cache).length, 2)
})

test('an entry that is used becomes young again', (t) => {
  const cache = folder(t)
  compile(open(t, cache), 1)
  const path = join(cache, entries(cache)[0] ?? '')
  const old = new Date(Date.now() - 24 * 60 * 60 * 1000)
  utimesSync(path, old, old)
  t.deepEqual(compile(open(t, cache), 1).did, cached)
  t.true(Date.now() - statSync(path).mtimeMs < 60 * 60 * 1000)
})

test('what a process has left half written goes after a while, and other files stay', (t) => {
  const cache = folder(t)
  compile(open(t, cache), 1)
  const old = new Date(Date.now() - 2 * 60 * 60 * 1000)
  const files = {
    abandoned: join(cache, `1-2-${'0'.repeat(16)}.tmp`),
    current: join(cache, `4-5-${'0'.repeat(16)}.tmp`),
    foreign: join(cache, 'notes.txt'),
  }
  for (const file of Object.values(files)) writeFileSync(file, 'x')
  utimesSync(files.abandoned, old, old)
  utimesSync(files.foreign, old, old)
  compile(open(t, { directory: cache, maxAgeMs: 1000 * 60 }), 2)
  t.deepEqual(Object.values(files).map(existsSync), [false, true, true])
})

test('files of others stay, however old and whatever their extensions', (t) => {
  const cache = folder(t)
  mkdirSync(join(cache, 'x.tmp'))
  mkdirSync(join(cache, `1-2-${'0'.repeat(16)}.tmp`))
  const others = ['notes.tmp', 'tool.cwasm', `${'A'.repeat(64)}.cwasm`, `1-2-${'0'.repeat(15)}.tmp`, `1-2-3-${'0'.repeat(16)}.tmp`, `-1-${'0'.repeat(16)}.tmp`] // prettier-ignore
  const own = [`${'a'.repeat(64)}.cwasm`, `7-2-${'0'.repeat(16)}.tmp`]
  for (const name of [...others, ...own]) writeFileSync(join(cache, name), 'x')
  for (const name of readdirSync(cache)) utimesSync(join(cache, name), 0, 0)
  t.deepEqual(compile(open(t, cache), 1).did, { ...compiled, removed: 1 })
  const left = readdirSync(cache)
  t.deepEqual(
    [...others, 'x.tmp', `1-2-${'0'.repeat(16)}.tmp`].filter((name) => !left.includes(name)),
    [],
  )
  t.deepEqual(
    own.filter((name) => left.includes(name)),
    [],
  )
})

test('errors of modules are what they are without a cache, and leave nothing', (t) => {
  const cache = folder(t)
  const runtime = open(t, cache)
  t.throws(() => runtime.compileModuleSync('(module (func (result i32)))'), { instanceOf: CompileError })
  t.throws(() => runtime.compileModuleSync(new Uint8Array(3)), { instanceOf: CompileError })
  t.deepEqual(entries(cache), [])
})

test('options of the cache are checked', (t) => {
  for (const cache of [
    '',
    'a\0b',
    true,
    7,
    [],
    {},
    { directory: 7 },
    { directory: 'x', size: 1 },
    { directory: 'x', maxBytes: -1 },
    { directory: 'x', maxAgeMs: 0.5 },
    null,
  ]) {
    t.throws(() => new Runtime({ cache: cache as string }), { instanceOf: ArgumentError, message: /options\.cache/ })
  }
  t.notThrows(() => new Runtime({ cache: false }))
})

test('several processes at once fill and use one directory, which one of them empties in between', async (t) => {
  const cache = join(folder(t), 'cache')
  const script = `
    const { rmSync, readdirSync } = require('node:fs')
    const [cache, me] = process.argv.slice(-2)
    let sum = 0
    for (let round = 0; round < 30; round++) {
      const runtime = new wasmtime.Runtime({ cache })
      for (let n = 0; n < 4; n++) {
        const wat = '(module (func (export "f") (result i32) (i32.const ' + (n + round % 3) + ')))'
        const guest = runtime.instantiate(runtime.compileModuleSync(wat), { name: '' })
        sum += guest.exports.f()
      }
      runtime.close()
      if (me === '0' && round % 7 === 3) {
        for (const name of readdirSync(cache)) rmSync(cache + '/' + name, { force: true })
      }
    }
    console.log(JSON.stringify(sum))`
  const expected = Array.from({ length: 30 }, (_, round) => 6 + 4 * (round % 3)).reduce((a, b) => a + b)
  const sums = await Promise.all(
    [0, 1, 2, 3].map((me) => runForJson<number>(t, script, { args: [cache, String(me)], flags: ['--no-warnings'] })),
  )
  t.deepEqual(sums, [expected, expected, expected, expected])
})
