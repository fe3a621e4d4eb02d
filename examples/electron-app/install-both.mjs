// Puts the addons of both kinds of Macs into node_modules, for a universal app. npm installs that of this machine only.

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

const { version } = JSON.parse(
  readFileSync(new URL('node_modules/node-wasmtime/package.json', import.meta.url), 'utf8'),
)
const packages = ['x64', 'arm64'].map((arch) => `node-wasmtime-darwin-${arch}@${version}`)
// Both at once, as npm would take one away when the other comes; `--force` because one is for another processor.
const { status } = spawnSync('npm', ['install', '--no-save', '--force', ...packages], {
  stdio: 'inherit',
  shell: process.platform === 'win32',
})
process.exitCode = status ?? 1
