import { copyFileSync, existsSync, mkdirSync } from 'node:fs'
import { at, hashOf, readJson, run, SetupError, writeJson } from './project.mjs'

const source = (name) => at('tools', 'install-test', name)
const folder = at('.setup', 'install-test')
const files = ['package.json', 'package-lock.json', '.npmrc']
const stamp = at('.setup', 'install-test.json')

/**
 * Installs what only `npm run test:install` needs, in a folder apart: it is bigger than all other development tools
 * together. Gives a function that finds a command of a package there.
 */
export async function installTools(say) {
  const sources = hashOf(files.map(source))
  if (!existsSync(at(folder, 'node_modules')) || readJson(stamp)?.sources !== sources) {
    say('installing verdaccio and attw, once')
    mkdirSync(folder, { recursive: true })
    for (const name of files) copyFileSync(source(name), at(folder, name))
    const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
    const { code, output } = await run('npm', args, { capture: true, cwd: folder, shell: process.platform === 'win32' })
    if (code !== 0) throw new SetupError(`npm ci in .setup/install-test failed:\n${output.trim()}`)
    writeJson(stamp, { sources })
  }
  return (name, command = name) => {
    const { bin } = readJson(at(folder, 'node_modules', name, 'package.json')) ?? {}
    const file = typeof bin === 'string' ? bin : bin?.[command]
    if (file === undefined) throw new SetupError(`${name} was not installed in .setup/install-test`)
    return at(folder, 'node_modules', name, file)
  }
}
