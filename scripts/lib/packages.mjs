import { existsSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { at, hashOf, readJson, run, runNode, SetupError, writeJson } from './project.mjs'

const stampFile = at('node_modules', '.setup-stamp')

/**
 * The optional packages that the lock file's packages ask for and that it does not list. A registry that lacks some
 * platforms' packages makes npm leave them out of the lock file, and then `npm ci` refuses it on every machine.
 */
export function missingFromLock(lock) {
  const listed = new Set(Object.keys(lock.packages).map((path) => path.split('node_modules/').at(-1)))
  const wanted = Object.values(lock.packages).flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}))
  return wanted.filter((name) => !listed.has(name))
}

async function npm(...args) {
  const program = process.env.npm_execpath
  const { code } = program?.endsWith('.js')
    ? await runNode([program, ...args])
    : await run('npm', args, { shell: process.platform === 'win32' })
  return code === 0
}

/** Installs the development tools when there are none, or when the lock file has changed since. */
export async function installPackages(say) {
  const lock = readJson(at('package-lock.json'))
  if (lock === undefined) throw new SetupError('package-lock.json is missing or damaged')
  const { devDependencies } = readJson(at('package.json')) ?? {}
  if (!isDeepStrictEqual(devDependencies, lock.packages[''].devDependencies)) {
    throw new SetupError('package-lock.json does not agree with package.json: run `npm install` and commit both')
  }
  const sources = hashOf([at('package-lock.json')])
  const installed = existsSync(at('node_modules', '.package-lock.json'))
  if (installed && readJson(stampFile)?.sources === sources) return 'up to date'

  // `install` keeps to the versions of the lock file as well, and with --no-save it leaves that file alone.
  const missing = missingFromLock(lock).length
  const args = missing === 0 ? ['ci'] : ['install', '--no-save']
  if (missing > 0) say(`the lock file lacks ${missing} packages of other platforms, so this is not \`npm ci\``)
  if (!(await npm(...args, '--no-audit', '--no-fund'))) {
    throw new SetupError(`\`npm ${args.join(' ')}\` failed: see the messages above. It needs the network.`)
  }
  writeJson(stampFile, { sources })
  return 'installed'
}
