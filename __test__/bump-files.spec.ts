// What `npm run bump` writes, in a copy of what it works on, with a program in place of cargo.
import { execFile } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import test, { type ExecutionContext } from 'ava'

const root = fileURLToPath(new URL('..', import.meta.url))
const name = 'wasmtime-internal-cranelift'

// On Windows, what is started as cargo must be an .exe.
const testCargo = process.platform === 'win32' ? test.skip : test

/** Says what it is asked for, and things on its standard error besides; `crate/` is what it says is published. */
const CARGO = `#!${process.execPath}
const { existsSync, readFileSync, writeFileSync } = require('node:fs')
const { dirname, join } = require('node:path')
const [command, ...args] = process.argv.slice(2)
const manifest = args[args.indexOf('--manifest-path') + 1]
console.error('a warning {"packages"')
if (existsSync(join(__dirname, 'fails-' + command))) process.exit(101)
if (command === 'metadata') {
  const [, version] = /"=(.*)"/.exec(readFileSync(manifest, 'utf8'))
  const manifestPath = join(__dirname, 'crate', 'Cargo.toml')
  console.log(JSON.stringify({ packages: [{ name: '${name}', version, manifest_path: manifestPath }] }))
}
if (command === 'update') {
  const folder = args.includes('--manifest-path') ? dirname(manifest) : '.'
  const [, version] = /^wasmtime = .*"=(.*?)"/m.exec(readFileSync(join(folder, 'Cargo.toml'), 'utf8'))
  readFileSync(join(folder, 'vendor', '${name}', 'lib.rs'))
  writeFileSync(join(folder, 'Cargo.lock'), '# of ' + version + '\\n')
}
console.error('done')
`

interface Copy {
  readonly folder: string
  /** Runs `npm run bump -- --no-test` with further arguments; gives what it says on its standard error. */
  bump(...args: string[]): Promise<string>
  /** The content of all files that a bump may change. */
  files(): Record<string, string>
}

function copyProject(t: ExecutionContext): Copy {
  t.timeout(60_000)
  const folder = mkdtempSync(join(tmpdir(), 'bump-test-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  for (const part of [
    'scripts',
    'npm',
    'package.json',
    'package-lock.json',
    'Cargo.toml',
    'Cargo.lock',
    'CHANGELOG.md',
  ]) {
    cpSync(join(root, part), join(folder, part), { recursive: true })
  }
  mkdirSync(join(folder, 'vendor', name), { recursive: true })
  writeFileSync(join(folder, 'vendor', name, 'lib.rs'), 'patched before\n')
  writeFileSync(
    join(folder, 'vendor', `${name}.patch`),
    '--- a/lib.rs\n+++ b/lib.rs\n@@ -1,2 +1,2 @@\n first\n-second\n+patched\n',
  )
  mkdirSync(join(folder, 'bin', 'crate'), { recursive: true })
  writeFileSync(join(folder, 'bin', 'crate', 'Cargo.toml'), '')
  writeFileSync(join(folder, 'bin', 'crate', 'lib.rs'), 'first\nsecond\n')
  writeFileSync(join(folder, 'bin', 'cargo'), CARGO)
  chmodSync(join(folder, 'bin', 'cargo'), 0o755)
  // The package.json above must not say what kind of module that program is.
  writeFileSync(join(folder, 'bin', 'package.json'), '{"type":"commonjs"}')
  return {
    folder,
    async bump(...args) {
      const env = { ...process.env, PATH: `${join(folder, 'bin')}${delimiter}${process.env['PATH']}` }
      const file = join(folder, 'scripts', 'bump-wasmtime.mjs')
      try {
        await promisify(execFile)(process.execPath, [file, ...args, '--no-test'], { env })
        return ''
      } catch (error) {
        return (error as { stderr: string }).stderr
      }
    },
    files() {
      const paths = ['package.json', 'package-lock.json', 'Cargo.toml', 'Cargo.lock', 'CHANGELOG.md']
      paths.push(...readdirSync(join(folder, 'npm')).map((own) => join('npm', own, 'package.json')))
      paths.push(...readdirSync(join(folder, 'vendor', name)).map((own) => join('vendor', name, own)))
      return Object.fromEntries(paths.map((path) => [path, readFileSync(join(folder, path), 'utf8')]))
    },
  }
}

/** The next patch of the Wasmtime that is pinned now. */
function nextPatch(): string {
  const [, line, patch] =
    /^wasmtime = .*?"=(\d+\.\d+)\.(\d+)"/m.exec(readFileSync(join(root, 'Cargo.toml'), 'utf8')) ?? []
  return `${line}.${Number(patch) + 1}`
}

testCargo('a bump changes the pins, the locks, the manifests, the changelog and the patched crates', async (t) => {
  const { bump, files } = copyProject(t)
  const version = nextPatch()
  const before = files()
  t.is(await bump(version), '')
  const after = files()
  t.deepEqual(
    Object.keys(after).filter((path) => after[path] === before[path]),
    [],
  )
  t.true(after['Cargo.toml']?.includes(`wasmtime = { version = "=${version}"`))
  t.is(after['Cargo.lock'], `# of ${version}\n`)
  t.is(after[join('vendor', name, 'lib.rs')], 'first\npatched\n')
})

for (const [what, breakIt, message] of [
  [
    'a patch that does not apply',
    (folder: string) => writeFileSync(join(folder, 'bin', 'crate', 'lib.rs'), 'all is new\n'),
    /does not apply to version/,
  ],
  [
    'a crate that cannot be fetched',
    (folder: string) => writeFileSync(join(folder, 'bin', 'fails-metadata'), ''),
    /cargo cannot fetch/,
  ],
  [
    'crates that do not fit together',
    (folder: string) => writeFileSync(join(folder, 'bin', 'fails-update'), ''),
    /cargo update .* failed/,
  ],
] as const) {
  testCargo(`${what} stops a bump before anything is changed, and it can be run again`, async (t) => {
    const { folder, bump, files } = copyProject(t)
    const before = files()
    breakIt(folder)
    t.regex(await bump(nextPatch()), message)
    t.deepEqual(files(), before)
    writeFileSync(join(folder, 'bin', 'crate', 'lib.rs'), 'first\nsecond\n')
    for (const command of ['metadata', 'update']) rmSync(join(folder, 'bin', `fails-${command}`), { force: true })
    t.is(await bump(nextPatch()), '')
  })
}
