import { existsSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { at, hashOf, readJson, run, SetupError, writeJson } from './project.mjs'

const folder = at('tools', 'module-smith')
const binary = at(
  'target',
  'module-smith',
  'release',
  process.platform === 'win32' ? 'module-smith.exe' : 'module-smith',
)
const stamp = at('.setup', 'module-smith.json')
const sources = () => hashOf([join(folder, 'src'), join(folder, 'Cargo.toml'), join(folder, 'Cargo.lock')])

/** Whether the tool is what its present sources build. */
export const smithIsCurrent = () => existsSync(binary) && readJson(stamp)?.sources === sources()

/**
 * Builds the tool that makes random modules if its sources have changed. False if there is no cargo; throws a
 * `SetupError` if it does not build.
 */
export async function buildModuleSmith(say = () => {}) {
  if (smithIsCurrent()) return true
  if ((await run('cargo', ['--version'], { capture: true })).code !== 0) return false
  say('building tools/module-smith takes about a minute')
  const args = ['build', '--release', '--locked', '--target-dir', at('target', 'module-smith')]
  const { code, output } = await run('cargo', args, { capture: true, cwd: folder })
  if (code !== 0) throw new SetupError(`tools/module-smith did not build:\n${output.trim()}`)
  writeJson(stamp, { sources: sources() })
  return true
}

/**
 * Makes modules of a kind (`v8`, `all` or `imports`) for the seeds from `first` on.
 *
 * @returns The folder with `<kind>-<seed>.wasm`; remove it when it is not needed any more.
 */
export async function makeModules(kind, first, count) {
  const made = mkdtempSync(join(tmpdir(), 'node-wasmtime-modules-'))
  const { code, output } = await run(binary, [kind, String(first), String(count), made], { capture: true })
  if (code !== 0) throw new SetupError(`module-smith failed:\n${output.trim()}`)
  return made
}
