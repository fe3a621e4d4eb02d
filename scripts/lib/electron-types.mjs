import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { at, readJson, run } from './project.mjs'

const folder = at('.setup', 'electron-types')

/**
 * Gets the types of Electron that the example app is checked against, in the version that its package.json names. They are
 * one file of Electron's package, of 200 KB; as a development dependency it would bring some twenty packages more, and
 * other types of Node.js than ours, to everybody who works on this project.
 *
 * @returns `undefined` if they are there, or else why not.
 */
export async function electronTypes() {
  const version = readJson(at('examples', 'electron-app', 'package.json'))?.devDependencies?.electron
  if (version === undefined) return 'examples/electron-app/package.json names no version of electron'
  const current = readJson(join(folder, 'package', 'package.json'))
  if (current?.version === version && existsSync(join(folder, 'package', 'electron.d.ts'))) return undefined

  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  // Runs no script of the package, and checks its hash against the registry's.
  const packed = await run('npm', ['pack', `electron@${version}`, '--pack-destination', folder], {
    capture: true,
    shell: process.platform === 'win32',
  })
  if (packed.code !== 0) return `electron@${version} could not be fetched: it needs the network`
  const archive = readdirSync(folder).find((file) => file.endsWith('.tgz'))
  const unpacked = await run('tar', ['-xzf', archive ?? ''], { capture: true, cwd: folder })
  if (unpacked.code !== 0) return `electron@${version} could not be unpacked: ${unpacked.output.trim()}`
  return undefined
}
