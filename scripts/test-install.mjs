/**
 * `npm run test:install`: packs everything as a release does, publishes it to a registry on the loopback interface, and
 * installs and uses it as a user without Rust, compiler and network would. `-- --dist` takes the addon of
 * `npm run build:dist`, as it is published, and holds its size to a bound. Ends with `<n> passed, <n> failed`.
 */
import { existsSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { installChecks, lintPackage } from './lib/install-checks.mjs'
import { installTools } from './lib/install-tools.mjs'
import { startRegistry } from './lib/local-registry.mjs'
import { at, elapsed, platformName, readJson, root, run, SetupError } from './lib/project.mjs'
import { packStaged, stagePackages } from './lib/staging.mjs'
import { addonFile, buildTypeScript } from './lib/steps.mjs'
import { userEnvironment } from './lib/user-project.mjs'

const KIB = 1024
const MIB = 1024 * KIB

/** The most that may be published, in bytes: some more than it is today, so that growth is noticed. */
const BOUNDS = {
  main: { packed: 300 * KIB, unpacked: 1200 * KIB },
  dist: { packed: 8 * MIB, unpacked: 22 * MIB },
  release: { packed: 12 * MIB, unpacked: 36 * MIB },
}

const say = (text) => console.log(`install: ${text}`)
const count = { passed: 0, failed: 0 }

async function check(name, run) {
  const start = performance.now()
  try {
    await run()
    count.passed += 1
    console.log(`✓ ${name} (${elapsed(start)})`)
  } catch (error) {
    count.failed += 1
    console.log(`✗ ${name} (${elapsed(start)})\n${String(error.stack ?? error).replaceAll(/^/gm, '    ')}`)
  }
}

function findAddon(dist) {
  const file = dist ? at('artifacts', 'dist', `node-wasmtime.${platformName()}.node`) : addonFile()
  if (existsSync(file)) return file
  throw new SetupError(`${relative(root, file)} is missing: run \`npm run ${dist ? 'build:dist' : 'build'}\` first`)
}

function checkSize({ name, size, unpackedSize }, { packed, unpacked }) {
  const text = (bytes) => (bytes < MIB ? `${(bytes / KIB).toFixed(0)} KiB` : `${(bytes / MIB).toFixed(1)} MiB`)
  say(`${name}: ${text(size)} packed (at most ${text(packed)}), ${text(unpackedSize)} unpacked (${text(unpacked)})`)
  if (size > packed || unpackedSize > unpacked) throw new Error(`${name} has outgrown the bounds in test-install.mjs`)
}

async function publish(packed, registry, folder) {
  const npmrc = join(folder, 'publisher.npmrc')
  writeFileSync(npmrc, `registry=${registry.url}\n${registry.npmrc}`)
  for (const { tarball } of packed) {
    // Provenance comes from a workflow, which this is not.
    const args = ['publish', tarball, '--provenance=false', '--userconfig', npmrc, '--registry', registry.url]
    const { code, output } = await run('npm', args, { capture: true, cwd: folder, shell: process.platform === 'win32' })
    if (code !== 0) throw new SetupError(`npm publish failed:\n${output.trim()}`)
  }
}

async function main(dist) {
  const addon = findAddon(dist)
  say(`dist: ${await buildTypeScript()}`)
  const command = await installTools(say)
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'node-wasmtime-install-')))
  let registry
  try {
    await stagePackages(join(folder, 'staged'), addon)
    const packed = await packStaged(join(folder, 'staged'), join(folder, 'tarballs'))
    const native = packed.find(({ name }) => name.endsWith(platformName()))
    await check('the main package is not too big', () => checkSize(packed[0], BOUNDS.main))
    await check('the addon is not too big', () => checkSize(native, dist ? BOUNDS.dist : BOUNDS.release))
    for (const { name, files } of packed) {
      await check(`${name} has its license`, () => {
        if (!files.includes('LICENSE')) throw new Error(files.join(', '))
      })
    }
    await check('publint has nothing to say', () => lintPackage(packed[0].tarball))

    registry = await startRegistry(command('verdaccio'), join(folder, 'registry'))
    await publish(packed, registry, folder)
    say(`${packed.length} packages are published to ${registry.url}`)
    const env = userEnvironment(join(folder, 'user'), registry.url)
    const { version } = readJson(at('package.json'))
    const tarballs = { tarball: packed[0].tarball, nativeTarball: native.tarball }
    const world = { folder, env, registry: registry.url, version, ...tarballs, addon, command }
    for (const { name, run } of installChecks(world)) await check(name, run)
  } finally {
    await registry?.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

const [option, ...rest] = process.argv.slice(2)
if (rest.length > 0 || (option !== undefined && option !== '--dist')) {
  console.error('usage: npm run test:install [-- --dist]')
  process.exitCode = 2
} else {
  process.chdir(root)
  try {
    await main(option === '--dist')
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    count.failed += 1
    console.error(`✗ ${error.message}`)
  }
  console.log(`\n${count.passed} passed, ${count.failed} failed`)
  process.exitCode = count.failed > 0 || count.passed === 0 ? 1 : 0
}
