/**
 * Completes the packages before they are published; a part of `prepublishOnly`. The packages of the platforms get the
 * license, and where a workflow publishes, all get the address of their repository, without which npm records no
 * provenance. What it writes is not committed.
 */
import { copyFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { readJson, writeJson } from './lib/project.mjs'
import { targets } from './lib/targets.mjs'

const folder = resolve(process.argv[2] ?? '.')
const { GITHUB_REPOSITORY: repository, GITHUB_SERVER_URL: server = 'https://github.com' } = process.env

function addRepository(path, directory) {
  const manifest = readJson(path)
  if (manifest === undefined) throw new Error(`${path} is missing or damaged`)
  if (!repository || manifest.repository !== undefined) return
  const address = { type: 'git', url: `git+${server}/${repository}.git`, ...(directory && { directory }) }
  writeJson(path, { ...manifest, repository: address })
}

addRepository(join(folder, 'package.json'))
for (const { platform } of targets()) {
  copyFileSync(join(folder, 'LICENSE'), join(folder, 'npm', platform, 'LICENSE'))
  addRepository(join(folder, 'npm', platform, 'package.json'), `npm/${platform}`)
}
