import { existsSync, readdirSync } from 'node:fs'

import { at, filesOf, foreignAddon, hashOf, run, runNode, tool } from './project.mjs'
import { electronTypes } from './electron-types.mjs'
import { prepareSuite } from './spec-suite.mjs'
import { addonIsCurrent, generatedFiles } from './steps.mjs'

/** The contents of the generated files, to be taken before the setup may regenerate them. */
export const generatedHash = () => hashOf(generatedFiles.map((file) => at(file)))

async function command(promise) {
  const { code, missing, output } = await promise
  return { ok: code === 0, missing, output: output.trim() }
}

async function cargo(...args) {
  const result = await command(run('cargo', args, { capture: true }))
  // Who brings a built addon needs no Rust; everyone else does, and must hear of it.
  if (result.missing && foreignAddon() !== undefined) return { skipped: 'cargo is not installed' }
  return result
}

/** Crates of their own, which are no part of the addon. */
const tools = readdirSync(at('tools')).filter((name) => existsSync(at('tools', name, 'Cargo.toml')))

const node = (file, ...args) => command(runNode([file, ...args], { capture: true }))

async function vendoredIsCurrent() {
  const result = await cargo('--version')
  return result.ok ? node(at('scripts', 'vendor.mjs'), '--check') : result
}

async function typecheck(project, folder, extension) {
  if (!filesOf(at(folder)).some((file) => file.endsWith(extension))) return { skipped: `no ${extension} in ${folder}/` }
  return node(tool('typescript', 'tsc'), '-p', project, '--noEmit')
}

async function typecheckElectron() {
  const problem = await electronTypes()
  if (problem !== undefined) return { skipped: problem }
  return node(tool('typescript', 'tsc'), '-p', 'examples/electron-app', '--noEmit')
}

function generatedIsCurrent(before) {
  if (foreignAddon() !== undefined) return { skipped: 'the addon was not built here' }
  if (before !== generatedHash()) {
    return { ok: false, output: `${generatedFiles.join(' or ')} was out of date and has been regenerated: commit it.` }
  }
  if (!addonIsCurrent()) return { ok: false, output: 'the addon is not what the present sources build.' }
  return { ok: true }
}

/**
 * The checks that are not tests, in their order. Each gives `{ ok, output }` or `{ skipped: reason }`.
 * `note` tells of one that takes long; `before` is what `generatedHash` gave before the setup.
 */
export const gates = (before) => [
  { name: 'rustfmt', check: () => cargo('fmt', '--check') },
  ...tools.map((tool) => ({
    name: `rustfmt of tools/${tool}`,
    check: () => cargo('fmt', '--check', '--manifest-path', at('tools', tool, 'Cargo.toml')),
  })),
  {
    name: 'clippy',
    note: 'one or two minutes the first time',
    check: () => cargo('clippy', '--release', '--locked', '--', '-D', 'warnings'),
  },
  { name: 'patched crates', check: vendoredIsCurrent },
  { name: 'types of lib', check: () => typecheck('.', 'lib', '.ts') },
  { name: 'types of __test__', check: () => typecheck('__test__', '__test__', '.ts') },
  { name: 'types of examples', check: () => typecheck('examples', 'examples', '.mjs') },
  { name: 'types of examples/electron-app', check: typecheckElectron },
  { name: 'oxlint', check: () => node(tool('oxlint'), '--deny-warnings') },
  { name: 'prettier', check: () => node(tool('prettier'), '--check', '.') },
  { name: 'generated files', check: async () => generatedIsCurrent(before) },
  // What the tests in __test__/spec run.
  { name: 'official test suite', note: 'half a minute the first time', check: prepareSuite },
]
