/**
 * `npm run bump -- 48.0.9`: moves to a new patch of Wasmtime, and runs everything. Changes the pins in Cargo.toml and
 * Cargo.lock, the version in package.json, package-lock.json and npm/, and CHANGELOG.md; then builds and tests. What
 * happened is left for you to look at and to commit.
 *
 * - `--package 48.1.0`: the package's own next version; default is the next patch.
 * - `--dry-run`: only says what would change.
 * - `--no-test`: changes the files, and runs nothing.
 */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { bumpCargo, bumpManifest, divided, planBump } from './lib/bump.mjs'
import { releaseSection } from './lib/changelog.mjs'
import { at, readJson, root, run, SetupError, writeJson } from './lib/project.mjs'
import { vendor } from './lib/vendored.mjs'

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

async function change(plan) {
  const { version, wasmtime, crates } = plan
  const today = new Date().toISOString().slice(0, 10)
  const changelog = releaseSection(text('CHANGELOG.md'), version, today, `Wasmtime ${wasmtime}.`)
  writeFileSync(at('Cargo.toml'), bumpCargo(text('Cargo.toml'), plan))
  await vendor()
  await cargo('update', ...Object.keys(crates))
  for (const folder of ['.', ...readdirSync(at('npm')).map((name) => `npm/${name}`)]) {
    const path = at(folder, 'package.json')
    writeJson(path, bumpManifest(readJson(path), version))
  }
  writeJson(at('package-lock.json'), bumpManifest(readJson(at('package-lock.json')), version))
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
