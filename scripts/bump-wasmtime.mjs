/**
 * `npm run bump -- 48.0.9`: moves to a new patch of Wasmtime, and runs everything. Changes the pins in Cargo.toml and
 * Cargo.lock, the version in package.json, package-lock.json and npm/, and CHANGELOG.md; then builds and tests. What
 * happened is left for you to look at and to commit.
 *
 * - `--package 48.1.0`: the package's own next version; default is the next patch.
 * - `--dry-run`: only says what would change.
 * - `--no-test`: changes the files, and runs nothing.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { bumpCargo, bumpManifest, divided, planBump } from './lib/bump.mjs'
import { releaseSection } from './lib/changelog.mjs'
import { at, readJson, root, run, SetupError, writeJson } from './lib/project.mjs'
import { prepareVendored } from './lib/vendored.mjs'

const USAGE = 'usage: npm run bump -- <version of Wasmtime> [--package <version>] [--dry-run] [--no-test]'
const text = (name) => readFileSync(at(name), 'utf8')

/** What is run after a bump; the first one builds the addon and compiles TypeScript. */
const CHECKS = ['test', 'test:spec', 'test:wasi', 'test:install', 'test:hammer']

async function cargo(...args) {
  const { code, missing, output } = await run('cargo', args, { capture: true })
  if (missing) throw new SetupError('cargo is not installed')
  if (code !== 0) throw new SetupError(`cargo ${args.join(' ')} failed:\n${output.trim()}`)
  return output
}

/** Asks the index of crates for each version, before anything is changed. */
async function checkCrates(crates) {
  for (const [name, version] of Object.entries(crates)) {
    await cargo('info', '--quiet', `${name}@${version}`)
    console.log(`bump: ${name} ${version} is published`)
  }
}

/**
 * The Cargo.lock that belongs to a Cargo.toml and to patched crates. It is made in a folder of its own: if a version
 * does not fit, the project must be as it was, or the next bump would begin with half of this one.
 *
 * @param {string} cargoToml
 * @param {Map<string, string>} patched Folders of the crates in `vendor/`.
 * @param {string[]} names What is updated.
 */
async function lockOf(cargoToml, patched, names) {
  const folder = mkdtempSync(join(tmpdir(), 'node-wasmtime-bump-'))
  try {
    mkdirSync(join(folder, 'src'))
    writeFileSync(join(folder, 'src', 'lib.rs'), '')
    writeFileSync(join(folder, 'Cargo.toml'), cargoToml)
    cpSync(at('Cargo.lock'), join(folder, 'Cargo.lock'))
    for (const [name, made] of patched) cpSync(made, join(folder, 'vendor', name), { recursive: true })
    await cargo('update', '--manifest-path', join(folder, 'Cargo.toml'), ...names)
    return readFileSync(join(folder, 'Cargo.lock'), 'utf8')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Makes all that can fail, and then writes all of it. */
async function change(plan) {
  const { version, wasmtime, crates } = plan
  const today = new Date().toISOString().slice(0, 10)
  const changelog = releaseSection(text('CHANGELOG.md'), version, today, `Wasmtime ${wasmtime}.`)
  const cargoToml = bumpCargo(text('Cargo.toml'), plan)
  const manifests = ['.', ...readdirSync(at('npm')).map((name) => `npm/${name}`)]
    .map((folder) => at(folder, 'package.json'))
    .concat(at('package-lock.json'))
    .map((path) => [path, bumpManifest(readJson(path), version)])
  const patched = await prepareVendored(wasmtime)
  try {
    const lock = await lockOf(cargoToml, patched.crates, Object.keys(crates))
    patched.install()
    writeFileSync(at('Cargo.toml'), cargoToml)
    writeFileSync(at('Cargo.lock'), lock)
  } finally {
    patched.remove()
  }
  for (const [path, manifest] of manifests) writeJson(path, manifest)
  writeFileSync(at('CHANGELOG.md'), changelog)
  const several = divided(text('Cargo.lock'))
  if (several.length > 0) {
    throw new SetupError(
      `the addon and Wasmtime ${wasmtime} would use different versions of: ${several.join('; ')}.\n` +
        'Set the one of Wasmtime in Cargo.toml, run `cargo update`, and look whether the code still fits.',
    )
  }
}

async function check() {
  const failed = []
  for (const name of CHECKS) {
    console.log(`bump: npm run ${name}`)
    const { code } = await run('npm', ['run', name], { shell: process.platform === 'win32' })
    if (code !== 0) failed.push(name)
  }
  if (failed.length > 0) throw new SetupError(`failed: ${failed.join(', ')}`)
}

async function main({ positionals: [wasmtime, ...rest], values }) {
  if (wasmtime === undefined || rest.length > 0) throw new SetupError(USAGE)
  let plan
  try {
    plan = planBump(text('Cargo.toml'), readJson(at('package.json')).version, wasmtime, values.package)
  } catch (error) {
    throw new SetupError(error.message)
  }
  await checkCrates(plan.crates)
  console.log(`bump: Wasmtime ${plan.before} to ${wasmtime}, node-wasmtime ${plan.current} to ${plan.version}`)
  if (values['dry-run']) return
  await change(plan)
  console.log('bump: the files are changed; read the release notes of Wasmtime, and "A new patch" in CONTRIBUTING.md')
  if (values['no-test']) return
  await check()
  console.log(`bump: everything passes. Look at \`git diff\`, commit, and tag v${plan.version}.`)
}

process.chdir(root)
const options = { package: { type: 'string' }, 'dry-run': { type: 'boolean' }, 'no-test': { type: 'boolean' } }
try {
  await main(parseArgs({ options, allowPositionals: true }))
} catch (error) {
  if (!(error instanceof SetupError) && !error.code?.startsWith('ERR_PARSE_ARGS')) throw error
  console.error(`bump: ${error.message}`)
  process.exitCode = 1
}
