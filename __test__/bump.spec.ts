import { readFileSync } from 'node:fs'

import test from 'ava'

interface Plan {
  readonly before: string
  readonly wasmtime: string
  readonly current: string
  readonly version: string
  readonly crates: Record<string, string>
}

interface Manifest {
  readonly version: string
  readonly packages?: Record<string, object>
}

const { bumpCargo, bumpManifest, craneliftOf, divided, planBump, wasmtimeOf } = (await import(
  new URL('../scripts/lib/bump.mjs', import.meta.url).href
)) as {
  bumpCargo(cargo: string, plan: Plan): string
  bumpManifest(manifest: object, version: string): Manifest
  craneliftOf(version: string): string
  divided(lock: string): string[]
  planBump(cargo: string, current: string, wasmtime: string, own?: string): Plan
  wasmtimeOf(cargo: string): string
}

const file = (name: string): string => readFileSync(new URL(`../${name}`, import.meta.url), 'utf8')

const cargo = `[package]
name = "node-wasmtime"
version = "48.1.3"

[dependencies]
wasmtime = { version = "=48.0.8", default-features = false }
wasmtime-wasi = { version = "=48.0.8", default-features = false, features = ["p1"] }
cranelift-codegen = { version = "=0.135.8", default-features = false }
wiggle = { version = "=48.0.8", default-features = false }
other = { version = "48.0.8" }
`

test('a plan has every crate, Cranelift with its own numbers, and the next patch of the package', (t) => {
  t.deepEqual(planBump(cargo, '48.1.3', '48.0.11'), {
    before: '48.0.8',
    wasmtime: '48.0.11',
    current: '48.1.3',
    version: '48.1.4',
    crates: { wasmtime: '48.0.11', 'wasmtime-wasi': '48.0.11', wiggle: '48.0.11', 'cranelift-codegen': '0.135.11' },
  })
  t.is(planBump(cargo, '48.1.3', '48.0.9', '48.2.0').version, '48.2.0')
})

test('versions that are no newer patch of the same line are refused, and so are wrong ones of the package', (t) => {
  t.throws(() => planBump(cargo, '48.1.3', '48.0.8'), { message: /not newer than the present 48\.0\.8/ })
  t.throws(() => planBump(cargo, '48.1.3', '48.0.7'), { message: /not newer/ })
  t.throws(() => planBump(cargo, '48.1.3', '49.0.0'), { message: /not of the 48 line/ })
  t.throws(() => planBump(cargo, '48.1.3', 'latest'), { message: /expected a version such as 48\.0\.9, got "latest"/ })
  t.throws(() => planBump(cargo, '48.1.3', '48.0.9', '48.1.3'), { message: /must be newer than 48\.1\.3/ })
  t.throws(() => planBump(cargo, '48.1.3', '48.0.9', '49.0.0'), { message: /begin with 48/ })
  t.throws(() => craneliftOf('48.1.0'), { message: /not known/ })
})

test('Cargo.toml gets the pins and the version, and nothing else changes', (t) => {
  const bumped = bumpCargo(cargo, planBump(cargo, '48.1.3', '48.0.10'))
  const before = cargo.split('\n')
  const changed = bumped.split('\n').filter((line, i) => line !== before[i])
  t.deepEqual(changed, [
    'version = "48.1.4"',
    'wasmtime = { version = "=48.0.10", default-features = false }',
    'wasmtime-wasi = { version = "=48.0.10", default-features = false, features = ["p1"] }',
    'cranelift-codegen = { version = "=0.135.10", default-features = false }',
    'wiggle = { version = "=48.0.10", default-features = false }',
  ])
})

test('a Cargo.toml without one of the pins is an error, not a bump by half', (t) => {
  const without = cargo.replace(/^wiggle.*\n/m, '')
  t.throws(() => bumpCargo(without, planBump(cargo, '48.1.3', '48.0.9')), { message: /does not pin wiggle/ })
  t.throws(() => wasmtimeOf(''), { message: /does not pin wasmtime/ })
  const own = cargo.replace('48.1.3', '48.1.2')
  t.throws(() => bumpCargo(own, planBump(cargo, '48.1.3', '48.0.9')), { message: /no line version = "48\.1\.3"/ })
})

test('manifests and lock files get the version in all of its places', (t) => {
  t.deepEqual(bumpManifest({ name: 'x', version: '1.0.0', os: ['linux'] }, '1.0.1') as object, {
    name: 'x',
    version: '1.0.1',
    os: ['linux'],
  })
  const lock = {
    version: '1.0.0',
    packages: { '': { name: 'x', version: '1.0.0' }, 'node_modules/y': { version: '1.0.0' } },
  }
  t.deepEqual(bumpManifest(lock, '1.0.1').packages, {
    '': { name: 'x', version: '1.0.1' },
    'node_modules/y': { version: '1.0.0' },
  })
})

test('crates that would be there twice are told', (t) => {
  const lock = (...versions: string[]): string =>
    versions.map((version) => `[[package]]\nname = "wasmparser"\nversion = "${version}"\n`).join('\n')
  t.deepEqual(divided(lock('0.254.2')), [])
  t.deepEqual(divided(lock('0.254.2', '0.255.0')), ['wasmparser 0.254.2, 0.255.0'])
})

test('the files of this repository are as the script expects them', (t) => {
  const { version } = JSON.parse(file('package.json')) as Manifest
  const [major, minor, patch] = wasmtimeOf(file('Cargo.toml')).split('.').map(Number)
  const plan = planBump(file('Cargo.toml'), version, `${major}.${minor}.${(patch ?? 0) + 1}`)
  t.is(wasmtimeOf(bumpCargo(file('Cargo.toml'), plan)), plan.wasmtime)
  t.deepEqual(divided(file('Cargo.lock')), [])
  t.is(
    JSON.stringify(bumpManifest(JSON.parse(file('package-lock.json')) as object, version), null, 2) + '\n',
    file('package-lock.json'),
  )
})
