/** The crates in `vendor/`: those that are published, each with a patch. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

import { at, run, SetupError } from './project.mjs'

/** What a published crate has besides its sources. */
const left = new Set(['.cargo-ok', '.cargo_vcs_info.json', 'Cargo.lock', 'Cargo.toml.orig'])

/**
 * Makes the patched crates in a temporary folder; nothing in the project changes.
 *
 * @param {string} [version] That of Wasmtime; its internal crates have the same. Default is the one that Cargo.toml pins.
 * @returns {Promise<{ crates: Map<string, string>, install: () => void, remove: () => void }>} Their names, and the folders
 * where they are. `install` puts them into `vendor/`; `remove` takes the temporary folder away.
 */
export async function prepareVendored(version = pinnedVersion()) {
  const folder = mkdtempSync(join(tmpdir(), 'node-wasmtime-vendor-'))
  const remove = () => rmSync(folder, { recursive: true, force: true })
  /** @type {Map<string, string>} */
  const crates = new Map()
  try {
    for (const name of vendored()) crates.set(name, await patchedCrate(name, version, join(folder, name)))
  } catch (error) {
    remove()
    throw error
  }
  function install() {
    for (const [name, made] of crates) {
      rmSync(at('vendor', name), { recursive: true, force: true })
      cpSync(made, at('vendor', name), { recursive: true })
    }
  }
  return { crates, install, remove }
}

/**
 * Makes the crates in `vendor/` anew, for the version that Cargo.toml pins.
 *
 * @param {{ check?: boolean }} [options] `check`: changes nothing, and throws if one would change.
 * @returns {Promise<string[]>} The names of the crates.
 */
export async function vendor({ check = false } = {}) {
  const { crates, install, remove } = await prepareVendored()
  try {
    if (!check) install()
    for (const [name, made] of crates) {
      const found = differences(made, at('vendor', name))
      if (found.length === 0) continue
      throw new SetupError(
        `vendor/${name} is not what is published with its patch: ${found.join(', ')}. Change the patch, and run \`npm run vendor\`.`,
      )
    }
  } finally {
    remove()
  }
  return [...crates.keys()]
}

/** The names of the crates that have a patch. */
function vendored() {
  return readdirSync(at('vendor'))
    .filter((file) => file.endsWith('.patch'))
    .map((file) => file.slice(0, -'.patch'.length))
}

/** The version of Wasmtime that Cargo.toml pins. */
function pinnedVersion() {
  const match = /^wasmtime = \{ version = "=([^"]+)"/m.exec(readFileSync(at('Cargo.toml'), 'utf8'))
  if (match === null) throw new SetupError('Cargo.toml pins no version of wasmtime')
  return match[1]
}

/**
 * Makes a patched crate in a folder.
 *
 * @param {string} name
 * @param {string} version
 * @param {string} folder It is made.
 * @returns {Promise<string>} Where in the folder the crate is.
 */
async function patchedCrate(name, version, folder) {
  // A package of its own that depends on what is published: in the project itself the patched one takes its place.
  const probe = join(folder, 'probe')
  mkdirSync(join(probe, 'src'), { recursive: true })
  writeFileSync(join(probe, 'src', 'lib.rs'), '')
  writeFileSync(
    join(probe, 'Cargo.toml'),
    `[package]\nname = "probe"\nversion = "0.0.0"\nedition = "2024"\n\n[dependencies]\n${name} = "=${version}"\n\n[workspace]\n`,
  )
  const manifest = join(probe, 'Cargo.toml')
  const args = ['metadata', '--format-version', '1', '--manifest-path', manifest]
  const { code, output, stdout } = await run('cargo', args, { capture: true })
  if (code !== 0) throw new SetupError(`cargo cannot fetch ${name} ${version}:\n${output.trim()}`)
  const { packages } = JSON.parse(stdout)
  const source = dirname(packages.find((item) => item.name === name).manifest_path)
  const target = join(folder, name)
  cpSync(source, target, { recursive: true, filter: (path) => !left.has(path.slice(source.length + 1)) })
  const patch = at('vendor', `${name}.patch`)
  const applied = await run('git', ['apply', '--whitespace=nowarn', patch], { capture: true, cwd: target })
  if (applied.code !== 0) {
    throw new SetupError(`${patch} does not apply to version ${version}:\n${applied.output.trim()}`)
  }
  return target
}

/** The files that two folders do not have in common, with the same content. */
function differences(one, two) {
  const files = new Set([one, two].flatMap((folder) => filesIn(folder)))
  return [...files].filter((file) => !isSame(join(one, file), join(two, file))).toSorted()
}

function filesIn(folder) {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
}

function isSame(one, two) {
  return existsSync(one) && existsSync(two) && readFileSync(one).equals(readFileSync(two))
}
