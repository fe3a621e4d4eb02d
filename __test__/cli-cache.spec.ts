import { chmodSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs' // prettier-ignore
import { homedir } from 'node:os'
import { join } from 'node:path'

import test, { type ExecutionContext } from 'ava'

import { cacheDirectory } from '../dist/cli/cache-directory.js'
import { assertExit } from './process/run-node.ts'
import { cli, cliFailure, cliOutput, folder, wasmFile } from './support/cli.ts'
import * as guests from './support/wasi-guests.ts'

interface Listing {
  readonly directory: string
  readonly entries: readonly {
    readonly name: string
    readonly bytes: number
    readonly created: string
    readonly used: string
    readonly authentic?: boolean
    readonly module?: string
  }[]
}

async function list(t: ExecutionContext, directory: string, ...flags: string[]): Promise<Listing> {
  return JSON.parse(await cliOutput(t, ['cache', 'list', '--json', ...flags, directory])) as Listing
}

/** A cache with one module in it, and the path of its entry. */
async function filled(t: ExecutionContext): Promise<{ directory: string; entry: string; module: string }> {
  const directory = join(folder(t), 'cache')
  const module = wasmFile(t, '(module $kept (func (export "_start")))')
  await cliOutput(t, ['run', `--cache=${directory}`, module])
  const file = readdirSync(directory).find((name) => name.endsWith('.cwasm'))
  return { directory, entry: join(directory, file ?? ''), module }
}

test('what was compiled once comes from the cache the next time', async (t) => {
  const { directory, entry, module } = await filled(t)
  const before = statSync(entry)
  await cliOutput(t, ['run', `--cache=${directory}`, module])
  const after = statSync(entry)
  // An entry that is written again is another file.
  t.is(after.ino, before.ino)
  t.is((await list(t, directory)).entries.length, 1)
  // Other options of the engine have an entry of their own.
  await cliOutput(t, ['run', `--cache=${directory}`, '--engine', 'optLevel=none', module])
  t.is((await list(t, directory)).entries.length, 2)
  t.deepEqual(
    (await list(t, directory, '--verify')).entries.map(({ authentic, module }) => [authentic, module]),
    [
      [true, 'kept'],
      [true, 'kept'],
    ],
  )
})

test('a damaged entry is told by --verify, and is compiled again, not run', async (t) => {
  const { directory, entry, module } = await filled(t)
  const bytes = readFileSync(entry)
  bytes[100] = (bytes[100] ?? 0) ^ 1
  writeFileSync(entry, bytes)
  t.deepEqual(
    (await list(t, directory, '--verify')).entries.map(({ authentic }) => authentic),
    [false],
  )
  t.regex(await cliOutput(t, ['cache', 'list', '--verify', directory]), /NO/)
  await cliOutput(t, ['run', `--cache=${directory}`, module])
  t.deepEqual(
    (await list(t, directory, '--verify')).entries.map(({ authentic }) => authentic),
    [true],
  )
})

test('cache list shows sizes and times', async (t) => {
  const { directory, entry } = await filled(t)
  const hour = 60 * 60
  const then = Date.now() / 1000 - 50 * hour
  utimesSync(entry, then, then)
  const output = await cliOutput(t, ['cache', 'list', directory])
  t.regex(output, /cache: 1 entry, \d+(\.\d)? KiB\n/)
  t.regex(output, /2 days {2,}2 days/)
  const [item] = (await list(t, directory)).entries
  t.is(item?.bytes, statSync(entry).size)
  t.is(Math.round(Date.parse(item?.used ?? '') / 1000), Math.round(then))
})

test('cache clean removes entries and nothing else', async (t) => {
  const { directory, module } = await filled(t)
  const others = ['notes.txt', 'mine.cwasm', `${'a'.repeat(63)}.cwasm`, 'x.tmp']
  for (const name of others) writeFileSync(join(directory, name), 'keep')
  mkdirSync(join(directory, `${'b'.repeat(64)}.cwasm`))
  const stale = join(directory, `1-2-${'0'.repeat(16)}.tmp`)
  writeFileSync(stale, 'left behind')
  utimesSync(stale, 0, 0)
  const fresh = join(directory, `1-3-${'0'.repeat(16)}.tmp`)
  writeFileSync(fresh, 'being written')
  t.regex(await cliOutput(t, ['cache', 'clean', directory]), /1 entry removed/)
  const left = [...others, `${'b'.repeat(64)}.cwasm`]
  t.deepEqual(readdirSync(directory).sort(), [...left, 'key', `1-3-${'0'.repeat(16)}.tmp`].sort())
  await cliOutput(t, ['run', `--cache=${directory}`, module])
  t.is((await list(t, directory)).entries.length, 1)
  t.regex(await cliOutput(t, ['cache', 'clean', '--all', directory]), /1 entry removed/)
  t.deepEqual(readdirSync(directory).sort(), left.sort())
})

test('cache clean --older-than keeps what is used', async (t) => {
  const { directory, entry, module } = await filled(t)
  await cliOutput(t, ['run', `--cache=${directory}`, '--engine', 'optLevel=none', module])
  const then = Date.now() / 1000 - 8 * 24 * 60 * 60
  utimesSync(entry, then, then)
  t.regex(await cliOutput(t, ['cache', 'clean', '--older-than', '30d', directory]), /0 entries removed/)
  t.regex(await cliOutput(t, ['cache', 'clean', '--older-than', '7d', directory]), /1 entry removed/)
  t.is((await list(t, directory)).entries.length, 1)
  await cliFailure(t, ['cache', 'clean', '--older-than', 'long', directory], 2, /such as 12h or 7d/)
  await cliFailure(t, ['cache', 'clean', '--older-than', '1d', '--all', directory], 2, /use one of them/)
})

test('a key that is none is not removed, for it may be something else', async (t) => {
  const directory = folder(t)
  writeFileSync(join(directory, 'key'), 'a key to something else, and a longer one')
  await cliOutput(t, ['cache', 'clean', '--all', directory])
  t.deepEqual(readdirSync(directory), ['key'])
})

const testUnix = process.platform === 'win32' ? test.skip : test

testUnix('the default is a directory of the user, which need not be there', async (t) => {
  const env = { ...process.env, XDG_CACHE_HOME: join(folder(t), 'xdg') }
  const directory = join(env.XDG_CACHE_HOME, 'node-wasmtime')
  t.is(await cliOutput(t, ['cache', 'list'], { env }), `${directory}: 0 entries, 0 B\n`)
  t.is(await cliOutput(t, ['cache', 'clean'], { env }), `${directory}: 0 entries removed, 0 B\n`)
  assertExit(t, await cli(['run', '--cache', wasmFile(t, guests.hello)], { env }), 3)
  t.regex(await cliOutput(t, ['cache', 'list'], { env }), /: 1 entry, /)
})

test('the default directory is where each system has its caches', (t) => {
  t.is(cacheDirectory('linux', { XDG_CACHE_HOME: '/x' }), join('/x', 'node-wasmtime'))
  t.is(cacheDirectory('linux', { XDG_CACHE_HOME: 'relative' }), join(homedir(), '.cache', 'node-wasmtime'))
  t.is(cacheDirectory('darwin', {}), join(homedir(), 'Library', 'Caches', 'node-wasmtime'))
  t.is(cacheDirectory('win32', { LOCALAPPDATA: 'C:\\local' }), join('C:\\local', 'node-wasmtime'))
})

test('directories that are named must be there', async (t) => {
  const directory = folder(t)
  await cliFailure(t, ['cache', 'list', join(directory, 'no')], 1, /cannot use the cache .*no: there is no such file/)
  await cliFailure(t, ['cache', 'clean', wasmFile(t, '(module)')], 1, /is no directory/)
})

testUnix('a cache that cannot be used is a warning, and the program runs', async (t) => {
  const file = wasmFile(t, guests.hello)
  const outcome = await cli(['run', `--cache=${file}`, file])
  assertExit(t, outcome, 3)
  t.is(outcome.stdout, 'hello\n')
  t.regex(outcome.stderr, /^node-wasmtime: warning: the cache of compiled modules cannot be used: .*\n$/m)
})

test('a guest gets no directory that has the cache in it, leads to it, or is within it', async (t) => {
  const base = folder(t)
  for (const name of ['work', 'other', 'real']) mkdirSync(join(base, name))
  const path = wasmFile(t, '(module (func (export "_start")))')
  const work = join(base, 'work')
  const refused = (cache: string, dir: string): Promise<void> =>
    cliFailure(t, ['run', `--cache=${cache}`, '--dir', dir, path], 2, /the guest could get at the cache/)
  await refused(join(work, 'cache'), work)
  await refused(join(work, 'deep', 'cache'), `${base}:ro`)
  await refused(work, `${work}::/x`)
  await refused(base, work)
  if (process.platform !== 'win32') {
    symlinkSync(join(base, 'real'), join(work, 'link'))
    await refused(join(work, 'link', 'cache'), join(base, 'real'))
    // The guest could exchange the link.
    await refused(join(work, 'link', 'cache'), work)
    symlinkSync(join('work', 'link'), join(base, 'first'))
    await refused(join(base, 'first', 'cache'), work)
    await cliFailure(t, ['run', '--cache', '--dir', base, path], 2, /could get at the cache/, {
      env: { ...process.env, XDG_CACHE_HOME: base },
    })
  }
  await cliOutput(t, ['run', `--cache=${join(base, 'cache')}`, '--dir', join(base, 'other'), path])
  t.deepEqual(readdirSync(work), process.platform === 'win32' ? [] : ['link'])
})

test('cache clean --all keeps a key that may be something else', async (t) => {
  const directory = folder(t)
  writeFileSync(join(directory, 'key'), 'k'.repeat(32))
  writeFileSync(join(directory, 'notes.txt'), 'mine')
  writeFileSync(join(directory, `${'a'.repeat(64)}.cwasm`), 'not authentic')
  const outcome = await cli(['cache', 'clean', '--all', directory])
  assertExit(t, outcome)
  t.regex(outcome.stderr, /key stays: there are other files beside it/)
  t.deepEqual(readdirSync(directory).sort(), ['key', 'notes.txt'])
  rmSync(join(directory, 'notes.txt'))
  await cliOutput(t, ['cache', 'clean', '--all', directory])
  t.deepEqual(readdirSync(directory), [])
})

test('an empty name is no directory', async (t) => {
  await cliFailure(t, ['cache', 'list', ''], 2, /has an empty name/)
  await cliFailure(t, ['cache', 'clean', ''], 2, /has an empty name/)
})

test('cache clean --older-than leaves what may have been used since, unnoted', async (t) => {
  const { directory, entry } = await filled(t)
  const at = (hours: number): void => {
    const then = Date.now() / 1000 - hours * 60 * 60
    utimesSync(entry, then, then)
  }
  at(12.5)
  t.regex(await cliOutput(t, ['cache', 'clean', '--older-than', '12h', directory]), /0 entries removed/)
  at(13.5)
  t.regex(await cliOutput(t, ['cache', 'clean', '--older-than', '12h', directory]), /1 entry removed/)
})

testUnix('cache list --verify says why nothing in a cache is used', async (t) => {
  const { directory } = await filled(t)
  const problem = async (): Promise<unknown> =>
    (JSON.parse(await cliOutput(t, ['cache', 'list', '--json', '--verify', directory])) as { problem?: string }).problem
  t.is(await problem(), undefined)
  for (const [path, mode] of [
    [join(directory, 'key'), 0o644],
    [directory, 0o777],
  ] as const) {
    const { mode: before } = statSync(path)
    chmodSync(path, mode)
    t.regex(String(await problem()), /is open to other users/)
    t.regex(await cliOutput(t, ['cache', 'list', '--verify', directory]), /nothing in it is used: .* is open to other/)
    chmodSync(path, before & 0o777)
  }
  rmSync(join(directory, 'key'))
  t.regex(String(await problem()), /cannot read the key/)
})
