import { existsSync, readdirSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import {
  at,
  filesOf,
  foreignAddon,
  hashOf,
  platformName,
  readJson,
  run,
  runNode,
  SetupError,
  tool,
  toolVersion,
  writeJson,
} from './project.mjs'

// Stamps are kept in the project, not in target/: `cargo clean` leaves the built addon in place and usable.
const stampOf = (name) => at('.setup', `${name}.json`)

/** The generated loader of the addon and its types; both are committed. */
export const generatedFiles = ['binding.js', 'binding.d.ts']

/** What the addon is built from. */
const addonSources = ['src', 'vendor', 'Cargo.toml', 'Cargo.lock', 'build.rs', '.cargo'].map((path) => at(path))

/** The addon that this platform's loader looks for in the project. */
export const addonFile = () => at(`node-wasmtime.${platformName()}.node`)

/** Checks that this Node is one of those the package is made for. */
export async function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major < 20 || (major === 20 && minor < 19)) {
    throw new SetupError(
      `Node.js 20.19 or newer is needed, and this is ${process.version}.\n` +
        'Install a current release from https://nodejs.org or with a version manager (`nvm install 22`, `fnm use 22`).',
    )
  }
  return process.version
}

function addonState() {
  const { name, version, napi } = readJson(at('package.json')) ?? {}
  return {
    sources: hashOf(addonSources, JSON.stringify({ name, version, napi }), toolVersion('@napi-rs/cli')),
    addon: hashOf([addonFile()]),
    generated: hashOf(generatedFiles.map((file) => at(file))),
  }
}

/** Says whether the addon and its loader are what the last build of the present sources made. */
export function addonIsCurrent() {
  if (!existsSync(addonFile())) return false
  const stamp = readJson(stampOf('addon'))
  const state = addonState()
  return Object.keys(state).every((key) => stamp?.[key] === state[key])
}

async function checkCargo() {
  const { code, output } = await run('cargo', ['--version'], { capture: true })
  if (code === 0) return
  throw new SetupError(
    'the addon has to be built, and cargo does not run:\n' +
      `  ${output.trim()}\n` +
      'Install Rust from https://rustup.rs (the version that Cargo.toml asks for as rust-version, or newer), or set\n' +
      'NAPI_RS_NATIVE_LIBRARY_PATH to an addon that is already built for this version.',
  )
}

/** Builds the addon and its loader when the Rust sources have changed since the last build. */
export async function buildAddon(say) {
  const foreign = foreignAddon()
  if (foreign !== undefined) {
    if (!existsSync(foreign)) throw new SetupError(`NAPI_RS_NATIVE_LIBRARY_PATH names no file: ${foreign}`)
    return 'not built: NAPI_RS_NATIVE_LIBRARY_PATH names one'
  }
  if (addonIsCurrent()) return 'up to date'
  await checkCargo()
  say(
    existsSync(at('target', 'release'))
      ? 'building what has changed'
      : 'the first build compiles Wasmtime and takes 5 to 12 minutes; later ones take seconds to a minute',
  )
  // In CI a lock file that does not fit is a mistake in the commit; here it is a dependency just being added.
  const locked = process.env.CI ? ['--', '--locked'] : []
  const args = ['build', '--platform', '--release', '--js', 'binding.js', '--dts', 'binding.d.ts', ...locked]
  const { code } = await runNode([tool('@napi-rs/cli', 'napi'), ...args])
  if (code !== 0) throw new SetupError('the addon did not build: see the messages above')
  if (!existsSync(addonFile())) throw new SetupError(`the build made no ${basename(addonFile())}`)
  writeJson(stampOf('addon'), addonState())
  return 'built'
}

/** Compiles lib/ to dist/ when the TypeScript sources have changed. */
export async function buildTypeScript() {
  if (filesOf(at('lib')).length === 0) return 'skipped: there is no lib/'
  const inputs = ['lib', 'tsconfig.json', 'binding.d.ts', 'scripts/lib/bundle.mjs'].map((path) => at(path))
  const sources = hashOf(inputs, toolVersion('typescript'), toolVersion('esbuild'))
  const stamp = readJson(stampOf('dist'))
  if (existsSync(at('dist')) && stamp?.sources === sources && stamp.dist === hashOf([at('dist')])) return 'up to date'
  // Emptied first, so that the output of a source file that is gone does not stay behind and get published.
  rmSync(at('dist'), { recursive: true, force: true })
  const { code, output } = await runNode([tool('typescript', 'tsc')], { capture: true })
  if (code !== 0) throw new SetupError(`lib/ does not compile:\n${output.trim()}`)
  // Not before the packages are installed.
  const { bundleEntries } = await import('./bundle.mjs')
  await bundleEntries()
  writeJson(stampOf('dist'), { sources, dist: hashOf([at('dist')]) })
  return 'compiled'
}

/** The AssemblyScript plugins of the examples. */
function findPlugins() {
  if (!existsSync(at('examples'))) return []
  return readdirSync(at('examples')).flatMap((example) => {
    const folder = at('examples', example, 'plugin')
    if (!existsSync(folder)) return []
    return readdirSync(folder)
      .filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'))
      .map((file) => ({ example, file, name: basename(file, '.ts') }))
  })
}

/** What was compiled of a source that is gone would still be loaded by an example that loads all there are. */
function removeStale(plugins) {
  for (const example of new Set(plugins.map((plugin) => plugin.example))) {
    const folder = at('examples', example, 'build')
    const wanted = new Set(plugins.filter((plugin) => plugin.example === example).map(({ name }) => `${name}.wasm`))
    for (const file of readdirSync(folder)) if (file.endsWith('.wasm') && !wanted.has(file)) rmSync(join(folder, file))
  }
}

/** Compiles `examples/<example>/plugin/<name>.ts` to `examples/<example>/build/<name>.wasm` where it has changed. */
export async function buildPlugins(say) {
  const plugins = findPlugins()
  if (plugins.length === 0) return 'skipped: there are none'
  const stamp = readJson(stampOf('plugins')) ?? {}
  const next = {}
  let compiled = 0
  for (const { example, file, name } of plugins) {
    const cwd = at('examples', example)
    const output = at('examples', example, 'build', `${name}.wasm`)
    const config = at('examples', example, 'asconfig.json')
    const sources = hashOf([at(cwd, 'plugin'), config], toolVersion('assemblyscript'))
    const key = `${example}/${name}`
    if (stamp[key]?.sources !== sources || !existsSync(output) || stamp[key].output !== hashOf([output])) {
      say(`${example}/plugin/${file}`)
      // An asconfig.json in the example's folder is found by the compiler itself and replaces these options.
      const options = existsSync(config) ? [] : ['--optimize']
      const args = [tool('assemblyscript', 'asc'), `plugin/${file}`, '-o', `build/${name}.wasm`, ...options]
      const result = await runNode(args, { capture: true, cwd })
      if (result.code !== 0) {
        throw new SetupError(`examples/${example}/plugin/${file} does not compile:\n${result.output.trim()}`)
      }
      compiled += 1
    }
    next[key] = { sources, output: hashOf([output]) }
    writeJson(stampOf('plugins'), { ...stamp, ...next })
  }
  removeStale(plugins)
  writeJson(stampOf('plugins'), next)
  return compiled === 0 ? `up to date (${plugins.length})` : `compiled ${compiled} of ${plugins.length}`
}
