/**
 * Makes a fresh clone ready to use: development tools, the addon, dist/ and the plugins of the examples. Whatever is
 * up to date already is left alone, so it can be run at any time: `node scripts/setup.mjs` or `npm start`.
 */
import { realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { installPackages } from './lib/packages.mjs'
import { elapsed, root, SetupError } from './lib/project.mjs'
import { buildAddon, buildPlugins, buildTypeScript, checkNode } from './lib/steps.mjs'

/** The steps of the setup in their order; each gives a word on what it did, or throws. */
const steps = [
  ['Node.js', checkNode],
  ['packages', installPackages],
  ['addon', buildAddon],
  ['dist', buildTypeScript],
  ['plugins', buildPlugins],
]

/** Runs every step, with a line for each. Throws a `SetupError` at the first that fails. */
export async function setup() {
  for (const [name, step] of steps) {
    const start = performance.now()
    const say = (text) => console.log(`setup: ${name}: ${text}`)
    say(`${await step(say)} (${elapsed(start)})`)
  }
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === realpathSync(fileURLToPath(import.meta.url))) {
  process.chdir(root)
  try {
    await setup()
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    console.error(`setup: ${error.message}`)
    process.exitCode = 1
  }
}
