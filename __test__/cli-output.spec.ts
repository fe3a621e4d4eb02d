import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import test from 'ava'

import { assertExit, runNode } from './process/run-node.ts'
import { TRAPPED, cli, cliFailure, cliOutput, folder, wasmFile } from './support/cli.ts'
import * as guests from './support/wasi-guests.ts'

const testUnix = process.platform === 'win32' ? test.skip : test

/** Puts a link of a name, to a target, into its first directory, in place of what is there; then traps. */
const linker = (name: string, target: string): string =>
  guests.guest(
    `(data (i32.const 1024) "${name}")
    (data (i32.const 1280) "${target}")
    (func (export "_start")
      (drop (call $unlink (i32.const 3) (i32.const 1024) (i32.const ${name.length})))
      (drop (call $rename (i32.const 3) (i32.const 1024) (i32.const ${name.length})
        (i32.const 3) (i32.const 1536) (i32.const 4)))
      (if (call $symlink (i32.const 1280) (i32.const ${target.length}) (i32.const 3) (i32.const 1024) (i32.const ${name.length}))
        (then (call $proc_exit (i32.const 9))))
      unreachable)
    (data (i32.const 1536) "away")`,
    `(import "wasi_snapshot_preview1" "path_unlink_file" (func $unlink (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_rename" (func $rename (param i32 i32 i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_symlink" (func $symlink (param i32 i32 i32 i32 i32) (result i32)))`,
  )

for (const [option, existing] of [
  ['--coredump', false],
  ['--coredump', true],
  ['--profile', false],
  ['--profile', true],
] as const) {
  testUnix(
    `${option} does not follow a link that the guest puts at its ${existing ? 'old' : 'new'} file`,
    async (t) => {
      const base = folder(t)
      const directory = join(base, 'work')
      mkdirSync(directory)
      const victim = join(base, 'victim.txt')
      writeFileSync(victim, 'precious')
      const file = join(directory, 'out.file')
      if (existing) writeFileSync(file, 'old')
      const outcome = await cli([
        'run',
        '--dir',
        directory,
        option,
        file,
        wasmFile(t, linker('out.file', '../victim.txt')),
      ])
      assertExit(t, outcome, TRAPPED)
      t.is(readFileSync(victim, 'utf8'), 'precious')
      t.true(statSync(file).size > 100)
      t.deepEqual(readdirSync(directory), ['out.file'])
    },
  )
}

testUnix('a file is not written where the guest has exchanged its directory', async (t) => {
  const base = folder(t)
  mkdirSync(join(base, 'outside'))
  mkdirSync(join(base, 'work', 'sub'), { recursive: true })
  const outcome = await cli([
    'run',
    '--dir',
    join(base, 'work'),
    '--coredump',
    join(base, 'work', 'sub', 'out.core'),
    wasmFile(t, linker('sub', '../outside')),
  ])
  assertExit(t, outcome, 1)
  t.regex(outcome.stderr, /cannot write .*out\.core: what .*sub leads to has been changed meanwhile/)
  t.deepEqual(readdirSync(join(base, 'outside')), [])
})

const trap = '(module (func (export "_start") unreachable))'

testUnix('dumps and profiles are for their owner alone, and files that are there keep their mode', async (t) => {
  const directory = folder(t)
  const [core, profile, kept] = ['core', 'profile', 'kept'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ]
  writeFileSync(kept, 'old')
  chmodSync(kept, 0o664)
  const path = wasmFile(t, trap)
  assertExit(t, await cli(['run', '--coredump', core, '--profile', profile, path]), TRAPPED)
  assertExit(t, await cli(['run', '--coredump', kept, path]), TRAPPED)
  const mode = (file: string): number => statSync(file).mode & 0o777
  t.deepEqual([core, profile, kept].map(mode), [0o600, 0o600, 0o664])
  t.is(readFileSync(kept).toString('latin1', 0, 4), '\0asm')
})

testUnix('a link, a pipe and standard output that the user names are written to', async (t) => {
  const directory = folder(t)
  const target = join(directory, 'target')
  const link = join(directory, 'link')
  writeFileSync(target, '#'.repeat(100_000))
  symlinkSync('target', link)
  const path = wasmFile(t, trap)
  await cliOutput(t, ['wat', '-o', link, path])
  t.regex(readFileSync(target, 'utf8'), /^\(module[^#]*\)\n$/)
  t.regex(await cliOutput(t, ['wat', '-o', '/dev/stdout', path]), /^\(module/)
  const pipe = join(directory, 'pipe')
  execFileSync('mkfifo', [pipe])
  const reader = runNode("process.stdout.write(require('node:fs').readFileSync(process.argv[1]))", { args: [pipe] })
  await cliOutput(t, ['wat', '-o', pipe, path])
  t.regex((await reader).stdout, /^\(module/)
})

test('the name of an output may be as long as names can be', async (t) => {
  const file = join(folder(t), 'n'.repeat(255))
  await cliOutput(t, ['wat', '-o', file, wasmFile(t, trap)])
  t.regex(readFileSync(file, 'utf8'), /^\(module/)
})

const isRoot = process.getuid?.() === 0
const testUser = process.platform === 'win32' || isRoot ? test.skip : test

testUser('a file in a directory that cannot be written to is written itself', async (t) => {
  const directory = folder(t)
  const file = join(directory, 'out')
  writeFileSync(file, '#'.repeat(100_000))
  chmodSync(directory, 0o500)
  await cliOutput(t, ['wat', '-o', file, wasmFile(t, trap)])
  t.regex(readFileSync(file, 'utf8'), /^\(module[^#]*\)\n$/)
  await cliFailure(t, ['wat', '-o', join(directory, 'new'), wasmFile(t, trap)], 1, /cannot write .*permission denied/)
  chmodSync(directory, 0o700)
})
