import {
  existsSync, linkSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, lstatSync, symlinkSync, utimesSync,
  writeFileSync,
} from 'node:fs' // prettier-ignore
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'

import test, { type ExecutionContext } from 'ava'

import { openRuntime } from './support/async.ts'
import { type Escapist, nodeEscapist, ourEscapist } from './support/wasi-escapes.ts'

const SECRET = 'the secret'

/** A directory for the guest, "inside", and one beside it that it must not get at. */
function makeWorld(t: ExecutionContext): { inside: string; outside: string } {
  const base = mkdtempSync(join(tmpdir(), 'node-wasmtime-escape-'))
  t.teardown(() => rmSync(base, { recursive: true, force: true }))
  const [inside, outside] = [join(base, 'inside'), join(base, 'outside')]
  mkdirSync(join(inside, 'dir', 'deep'), { recursive: true })
  writeFileSync(join(inside, 'file'), 'own')
  writeFileSync(join(inside, 'dir', 'file'), 'own, too')
  fill(outside)
  const links: [target: string, name: string][] = [
    ['../outside/secret', 'relative'],
    [join(outside, 'secret'), 'absolute'],
    ['../outside', 'directory'],
    [outside, 'absolute-directory'],
    ['relative', 'chain'],
    ['dir/../../outside/secret', 'through'],
    ['..', 'parent'],
    ['/', 'root'],
    ['/proc/self/root', 'proc'],
    ['/proc/self/fd', 'descriptors'],
    ['/proc/self/cwd', 'cwd'],
    ['loop', 'loop'],
    ['../outside/new', 'dangling'],
  ]
  for (const [target, name] of links) symlinkSync(target, join(inside, name))
  symlinkSync('../../outside/secret', join(inside, 'dir', 'relative'))
  return { inside, outside }
}

function fill(outside: string): void {
  mkdirSync(join(outside, 'empty'), { recursive: true })
  writeFileSync(join(outside, 'secret'), SECRET)
  utimesSync(join(outside, 'secret'), 1_000_000, 1_000_000)
}

/** Paths that lead to the secret, for those who let them. */
const paths = (outside: string): string[] => {
  const secret = join(outside, 'secret')
  return [
    '../outside/secret', './../outside/secret', 'dir/../../outside/secret', 'dir/deep/../../../outside/secret',
    '/../outside/secret', '//../outside/secret', 'missing/../../outside/secret', 'file/../../outside/secret',
    secret, `/${secret}`, `.${secret}`, `file://${secret}`, '..\\outside\\secret',
    'relative', 'absolute', 'chain', 'through', 'dir/relative', './dir/../relative', 'relative/', 'relative/.',
    'directory/secret', 'absolute-directory/secret', 'directory/../outside/secret', 'parent/outside/secret',
    `root${secret}`, `proc${secret}`, `/proc/self/root${secret}`,
    'loop', 'dir/deep/../../relative', `${'dir/../'.repeat(1000)}../outside/secret`,
    `${'../'.repeat(100)}${secret.slice(1)}`, `${'x'.repeat(70_000)}`, `${'dir/../'.repeat(9000)}relative`, '\0../outside/secret',
    '../outside/secret\0',
  ] // prettier-ignore
}

/**
 * Paths that lead to the process and the system. They are only read: the control gets there, and must do no harm.
 */
const systemPaths = [
  '/proc/self/environ', 'proc/proc/self/environ', 'descriptors', 'cwd/package.json', 'root/etc/passwd', 'root', 'proc', 'cwd',
  'parent', '', '.', '..', '../', './..',
] // prettier-ignore

/** Parts of what is found there. */
const foreign = ['secret', 'PATH=', '"name"', 'root:', 'outside', 'etc', 'package.json']

/** How everything outside is: names, contents and the times of files. */
function snapshot(outside: string): unknown {
  const names = readdirSync(outside, { recursive: true }).map(String).sort()
  return names.map((name) => {
    const stat = lstatSync(join(outside, name))
    const file = stat.isFile() ? { time: stat.mtimeMs, text: readFileSync(join(outside, name), 'utf8') } : undefined
    return { name, links: stat.nlink, file }
  })
}

/** All that a guest can try; gives what has got out. */
function tryAll(guest: Escapist, world: { inside: string; outside: string }): string[] {
  const { inside, outside } = world
  const escapes: string[] = []
  const before = JSON.stringify(snapshot(outside))
  const attempt = (what: string, run: () => unknown) => {
    const got = run()
    const read = typeof got === 'string' && foreign.some((part) => got.includes(part))
    const changed = JSON.stringify(snapshot(outside)) !== before
    if (read || changed) escapes.push(what.slice(0, 60))
    if (changed) {
      rmSync(outside, { recursive: true, force: true })
      fill(outside)
    }
    restore(inside)
  }
  for (const path of systemPaths) {
    attempt(`read ${path}`, () => guest.read(path))
    attempt(`readdir ${path}`, () => guest.readdir(path))
    attempt(`stat ${path}`, () => guest.stat(path))
  }
  for (const path of paths(outside)) {
    const secret = /secret/.test(path)
    const to = (name: string) => path.replace(/secret$/, name)
    attempt(`read ${path}`, () => guest.read(path))
    attempt(`readdir ${path}`, () => guest.readdir(path.replace(/\/?secret$/, '')))
    attempt(`write ${path}`, () => guest.write(path))
    attempt(`truncate ${path}`, () => guest.write(path, 8))
    attempt(`create ${path}`, () => guest.write(to('new'), 1))
    attempt(`set times ${path}`, () => guest.setTimes(path))
    attempt(`mkdir ${path}`, () => guest.mkdir(to('made')))
    attempt(`rmdir ${path}`, () => guest.rmdir(to('empty')))
    if (secret) attempt(`unlink ${path}`, () => guest.unlink(path))
    if (secret) attempt(`rename in ${path}`, () => (guest.rename(path, 'stolen') === 0 ? guest.read('stolen') : 0))
    attempt(`rename out ${path}`, () => guest.rename('file', to('taken')))
    attempt(`link in ${path}`, () => (guest.link(path, 'linked', true) === 0 ? guest.read('linked') : 0))
    attempt(`link out ${path}`, () => guest.link('file', to('linked')))
    attempt(`symlink out ${path}`, () => guest.symlink('file', to('symlinked')))
  }
  for (const target of ['../outside/secret', join(outside, 'secret'), '../outside', '/proc/self/root']) {
    attempt(`a link of its own to ${target}`, () => (guest.symlink(target, 'own') === 0 ? guest.read('own') : 0))
    attempt(`through a link of its own to ${target}`, () =>
      guest.symlink(target, 'own') === 0 ? guest.read('own/secret') : 0,
    )
  }
  return escapes
}

/** What a case may have taken away. */
function restore(inside: string): void {
  if (!existsSync(join(inside, 'file'))) writeFileSync(join(inside, 'file'), 'own')
  for (const name of ['linked', 'stolen', 'own']) rmSync(join(inside, name), { force: true, recursive: true })
}

test('what is inside can be used, by both', (t) => {
  const runtime = openRuntime(t)
  for (const make of [(path: string) => ourEscapist(runtime, path), nodeEscapist]) {
    const { inside } = makeWorld(t)
    const guest = make(inside)
    t.is(guest.read('file'), 'own')
    t.is(guest.read('dir/file'), 'own, too')
    t.is(guest.read('dir/deep/../../file'), 'own')
    t.is(guest.write('new', 1), 0)
    t.is(guest.read('new'), 'overwritten')
    t.is(guest.mkdir('made'), 0)
    t.is(guest.rename('new', 'made/new'), 0)
    t.is(guest.link('made/new', 'hard'), 0)
    t.is(guest.unlink('made/new'), 0)
    t.is(guest.rmdir('made'), 0)
    t.is(guest.symlink('file', 'soft'), 0)
    t.is(guest.read('soft'), 'own')
    t.is(guest.readlink('soft'), 'file')
    t.regex(String(guest.readdir('.')), /soft/)
    t.is(guest.stat('hard'), 0)
    t.is(guest.setTimes('hard'), 0)
  }
})

test('nothing gets out', (t) => {
  const world = makeWorld(t)
  t.deepEqual(tryAll(ourEscapist(openRuntime(t), world.inside), world), [])
  t.is(readFileSync(join(world.outside, 'secret'), 'utf8'), SECRET)
  const control = makeWorld(t)
  const escapes = tryAll(nodeEscapist(control.inside), control)
  t.log(`node:wasi, the control: ${escapes.length} ways out, such as ${escapes.slice(0, 5).join('; ')}`)
})

test('nothing can be changed where that is not allowed', (t) => {
  const { inside, outside } = makeWorld(t)
  const guest = ourEscapist(openRuntime(t), inside, false)
  const before = [snapshot(outside), snapshot(join(inside, 'dir'))]
  t.is(guest.read('file'), 'own')
  t.is(guest.stat('dir'), 0)
  const refused = [
    guest.write('file'), guest.write('file', 8), guest.write('new', 1), guest.write('new', 9), guest.mkdir('made'),
    guest.rmdir('dir/deep'), guest.unlink('file'), guest.rename('file', 'moved'), guest.link('file', 'linked'),
    guest.symlink('file', 'soft'), guest.setTimes('file'),
  ] // prettier-ignore
  t.true(
    refused.every((error) => error !== 0),
    String(refused),
  )
  t.deepEqual([snapshot(outside), snapshot(join(inside, 'dir'))], before)
  t.is(readFileSync(join(inside, 'file'), 'utf8'), 'own')
  t.false(existsSync(join(inside, 'new')))
})

test('descriptors of the process are not the guest’s', (t) => {
  const { inside } = makeWorld(t)
  const guest = ourEscapist(openRuntime(t), inside)
  for (let fd = 4; fd < 200; fd++) t.is(guest.readFd(fd), 8, `EBADF for ${fd}`)
  t.is(guest.read('file', 4), 8)
  t.is(guest.read('file', 0), 8)
  t.is(guest.readFd(0), '', 'the empty input')
})

test('a hard link that the host has made is inside', (t) => {
  const { inside, outside } = makeWorld(t)
  linkSync(join(outside, 'secret'), join(inside, 'shared'))
  t.is(ourEscapist(openRuntime(t), inside).read('shared'), SECRET)
})

/** While a guest reads, another thread puts a link to the outside in the place of a directory, again and again. */
async function race(t: ExecutionContext, make: (path: string) => Escapist): Promise<{ own: number; escapes: number }> {
  const { inside, outside } = makeWorld(t)
  writeFileSync(join(inside, 'dir', 'secret'), 'own')
  symlinkSync(outside, join(inside, 'swap'))
  const guest = make(inside)
  const worker = new Worker(
    `const { workerData } = require('node:worker_threads')
     const { renameSync } = require('node:fs')
     const [dir, swap, other] = ['dir', 'swap', 'other'].map((name) => workerData.inside + '/' + name)
     for (;;) {
       renameSync(dir, other); renameSync(swap, dir); renameSync(other, swap)
       renameSync(dir, other); renameSync(swap, dir); renameSync(other, swap)
     }`,
    { eval: true, workerData: { inside } },
  )
  await new Promise((resolve) => worker.once('online', resolve))
  let own = 0
  let escapes = 0
  // At least so often, until the other thread has had its chance.
  for (let round = 0, seen = 0; round < 3000 || (seen < 50 && round < 200_000); round++) {
    const got = guest.read('dir/secret')
    // What it writes itself, too, is its own.
    if (got === 'own' || got === 'overwritten') own += 1
    else seen += 1
    if (got === SECRET) escapes += 1
    if (guest.write('dir/secret') === 0 && readFileSync(join(outside, 'secret'), 'utf8') !== SECRET) {
      escapes += 1
      writeFileSync(join(outside, 'secret'), SECRET)
    }
  }
  await worker.terminate()
  return { own, escapes }
}

test('a directory that becomes a link at the wrong moment lets nothing out', async (t) => {
  const runtime = openRuntime(t)
  const ours = await race(t, (path) => ourEscapist(runtime, path))
  t.is(ours.escapes, 0)
  t.true(ours.own > 0)
  const control = await race(t, nodeEscapist)
  t.log(`node:wasi, the control: ${control.escapes} times out`)
})
