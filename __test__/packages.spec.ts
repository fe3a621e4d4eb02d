// What the packages say of themselves, and whether all the places that say it agree.
import { readFileSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'

import test from 'ava'

interface Target {
  readonly triple: string
  readonly platform: string
  readonly os: string
  readonly cpu: string
  readonly libc?: string
}

interface Manifest {
  readonly name: string
  readonly version: string
  readonly main: string
  readonly files: string[]
  readonly engines: object
  readonly license: string
  readonly os?: string[]
  readonly cpu?: string[]
  readonly libc?: string[]
  readonly scripts?: Record<string, string>
  readonly dependencies?: object
  readonly optionalDependencies?: object
  readonly publishConfig: object
}

const root = fileURLToPath(new URL('..', import.meta.url))
const read = (...path: string[]): string => readFileSync(join(root, ...path), 'utf8')
const json = <T = Manifest>(...path: string[]): T => JSON.parse(read(...path)) as T

const script = async <T>(name: string): Promise<T> =>
  (await import(new URL(`../scripts/lib/${name}`, import.meta.url).href)) as T
const { targets, targetOf } = await script<{ targets(): Target[]; targetOf(triple: string): Target }>('targets.mjs')
const glibc = await script<{
  newestGlibc(bytes: Buffer): string | undefined
  isNewer(version: string, than: string): boolean
}>('glibc.mjs')
const changelog = await script<{
  sectionOf(text: string, version: string): string | undefined
  releaseSection(text: string, version: string, date: string, entry?: string): string
}>('changelog.mjs')

const main = json('package.json')
const folders = readdirSync(join(root, 'npm')).toSorted()

test('every target has a folder in npm/, and there is no other', (t) => {
  t.deepEqual(
    folders,
    targets()
      .map(({ platform }) => platform)
      .toSorted(),
  )
})

test('all places have one version', (t) => {
  const versions: Record<string, string | undefined> = {
    'package-lock.json': json('package-lock.json').version,
    'Cargo.toml': /^version = "(.*)"$/m.exec(read('Cargo.toml'))?.[1],
    'Cargo.lock': /^name = "node-wasmtime"\nversion = "(.*)"$/m.exec(read('Cargo.lock'))?.[1],
    'binding.js': /bindingPackageVersion !== '([^']+)'/.exec(read('binding.js'))?.[1],
    ...Object.fromEntries(folders.map((folder) => [`npm/${folder}`, json('npm', folder, 'package.json').version])),
  }
  for (const [place, version] of Object.entries(versions)) t.is(version, main.version, place)
})

/** The crates that are pinned to one version, with it. */
function pins(): Map<string, string> {
  const lines = read('Cargo.toml').matchAll(/^([\w-]+) = \{ version = "=([\d.]+)"/gm)
  return new Map([...lines].map(([, name = '', version = '']) => [name, version]))
}

test('the crates of Wasmtime are pinned to one version, whose major is that of the package', (t) => {
  const versions = pins()
  t.deepEqual([...versions.keys()].toSorted(), ['cranelift-codegen', 'wasmtime', 'wasmtime-wasi', 'wiggle'])
  const wasmtime = versions.get('wasmtime') ?? ''
  t.is(versions.get('wasmtime-wasi'), wasmtime)
  t.is(versions.get('wiggle'), wasmtime)
  // Cranelift's minor is Wasmtime's major and 87.
  const [major = '', , patch = ''] = wasmtime.split('.')
  t.is(versions.get('cranelift-codegen'), `0.${Number(major) + 87}.${patch}`)
  t.is(main.version.split('.')[0], major)
})

test('the main package has no dependencies, no install scripts and no optionalDependencies before it is published', (t) => {
  t.is(main.dependencies, undefined)
  // A lock file with them cannot be installed from before they are published; `napi pre-publish` writes them.
  t.is(main.optionalDependencies, undefined)
  for (const name of ['preinstall', 'install', 'postinstall', 'prepare', 'prepack']) {
    t.is(main.scripts?.[name], undefined, name)
  }
})

for (const { platform, os, cpu, libc } of targets()) {
  test(`the package of ${platform} is for that platform only, and has nothing but its addon`, (t) => {
    const manifest = json('npm', platform, 'package.json')
    const file = `node-wasmtime.${platform}.node`
    t.is(manifest.name, `node-wasmtime-${platform}`)
    t.deepEqual(manifest.os, [os])
    t.deepEqual(manifest.cpu, [cpu])
    t.deepEqual(manifest.libc, libc === undefined ? undefined : [libc])
    t.is(manifest.main, file)
    t.deepEqual(manifest.files, [file])
    t.deepEqual(manifest.engines, main.engines)
    t.is(manifest.license, main.license)
    t.deepEqual(manifest.publishConfig, main.publishConfig)
    t.is(manifest.scripts, undefined)
    t.is(manifest.dependencies, undefined)
  })
}

test('packages are published with provenance', (t) => {
  t.deepEqual(main.publishConfig, { access: 'public', provenance: true })
})

test('Renovate knows all pinned crates, and keeps them on their line', (t) => {
  const { packageRules } = json<{ packageRules: { matchPackageNames?: string[]; allowedVersions?: string }[] }>(
    'renovate.json',
  )
  const rule = (name: string): RegExp => {
    const allowed = packageRules.find(({ matchPackageNames = [] }) => matchPackageNames.includes(name))?.allowedVersions
    return new RegExp(/^\/(.*)\/$/.exec(allowed ?? '')?.[1] ?? '^$')
  }
  for (const [name, version] of pins()) {
    t.regex(version, rule(name), name)
    const [major = '', minor = '', patch = ''] = version.split('.').map(Number)
    t.notRegex(`${Number(major) + 1}.${minor}.${patch}`, rule(name), name)
    t.notRegex(`${major}.${Number(minor) + 1}.${patch}`, rule(name), name)
  }
})

test('targets are named as npm and napi-rs name them', (t) => {
  t.deepEqual(targetOf('aarch64-unknown-linux-musl'), {
    triple: 'aarch64-unknown-linux-musl',
    platform: 'linux-arm64-musl',
    os: 'linux',
    cpu: 'arm64',
    libc: 'musl',
  })
  t.is(targetOf('x86_64-pc-windows-msvc').platform, 'win32-x64-msvc')
  t.is(targetOf('aarch64-apple-darwin').platform, 'darwin-arm64')
  t.throws(() => targetOf('riscv64gc-unknown-linux-gnu'), { message: /no name is known/ })
})

test('versions of glibc are read from the names of a library, and compared as numbers', (t) => {
  const bytes = Buffer.from('\0GLIBC_2.9\0GLIBC_2.17\0GLIBC_2.2.5\0GLIBC_PRIVATE\0xGLIBC_2.99\0')
  t.is(glibc.newestGlibc(bytes), '2.17')
  t.is(glibc.newestGlibc(Buffer.from('nothing')), undefined)
  t.true(glibc.isNewer('2.28', '2.9'))
  t.true(glibc.isNewer('2.2.5', '2.2'))
  t.false(glibc.isNewer('2.28', '2.28'))
})

test('notes of a release are its section of the changelog', (t) => {
  const text = '# Changelog\n\n## [Unreleased]\n\n### Added\n\n- New.\n\n## [48.0.0] - 2026-01-01\n\n- Old.\n'
  t.is(changelog.sectionOf(text, '48.0.0'), '- Old.')
  t.is(changelog.sectionOf(text, '48.0.1'), undefined)
  const released = changelog.releaseSection(text, '48.1.0', '2026-02-03', 'Wasmtime 48.0.9.')
  t.is(changelog.sectionOf(released, 'Unreleased'), '')
  t.is(changelog.sectionOf(released, '48.1.0'), '### Changed\n\n- Wasmtime 48.0.9.\n\n### Added\n\n- New.')
  t.is(changelog.sectionOf(released, '48.0.0'), '- Old.')
  t.true(released.startsWith('# Changelog\n\n## [Unreleased]\n\n## [48.1.0] - 2026-02-03\n\n'))
  t.throws(() => changelog.releaseSection(released, '48.1.0', '2026-02-03'), { message: /has a heading for 48\.1\.0/ })
  t.throws(() => changelog.releaseSection('# Changelog\n', '48.1.0', '2026-02-03'), { message: /no heading/ })
})
