/**
 * The runtimes that the tests are run on. They come from npm, each into a folder of its own below `.setup/runtimes/`: they
 * are too large to be development dependencies of everybody.
 */
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { at, readJson, run, runNode, SetupError, writeJson } from './project.mjs'

const folderOf = (name) => at('.setup', 'runtimes', name)

const musl = process.platform === 'linux' && !process.report.getReport().header.glibcVersionRuntime
const { platform, arch } = process

/** `node-<platform>-<arch>`, of which each version of Node.js is one. */
const nodePackage = `node-${platform === 'win32' ? 'win' : platform}-${arch}`

function bunPackage(baseline) {
  const cpu = { x64: 'x64', arm64: 'aarch64' }[arch]
  const system = platform === 'win32' ? 'windows' : platform
  return `@oven/bun-${system}-${cpu}${musl ? '-musl' : ''}${baseline && arch === 'x64' ? '-baseline' : ''}`
}

const denoPackage = `@deno/${platform}-${arch}${platform === 'linux' ? '-glibc' : ''}`
const exe = platform === 'win32' ? '.exe' : ''

const node = (version) => ({
  kind: 'node',
  version,
  packages: [nodePackage],
  file: `bin/node${exe}`,
  flags: ['--expose-gc'],
})

/** By the names that `--only` takes. A runtime with several packages takes the first one that runs. */
export const runtimes = {
  node20: node('20.20.2'),
  node22: node('22.23.5'),
  node24: node('24.22.3'),
  node26: node('26.12.1'),
  bun: {
    kind: 'bun',
    version: '1.4.5',
    // The second one does without newer instructions of the processor.
    packages: [bunPackage(false), bunPackage(true)],
    file: `bin/bun${exe}`,
    flags: ['run'],
  },
  deno: {
    kind: 'deno',
    version: '2.9.6',
    packages: [denoPackage],
    file: `deno${exe}`,
    flags: ['run', '--allow-all', '--v8-flags=--expose-gc'],
  },
}

async function npmInstall(folder, spec) {
  const args = ['install', '--prefix', folder, '--no-save', '--ignore-scripts', '--no-package-lock', '--no-audit', spec]
  const program = process.env.npm_execpath
  const { code, output } = program?.endsWith('.js')
    ? await runNode([program, ...args], { capture: true })
    : await run('npm', args, { capture: true, shell: platform === 'win32' })
  if (code !== 0) throw new SetupError(`${spec} cannot be installed. It needs the network.\n${output.trim()}`)
}

/** The version that a program says it has. */
async function versionOf(binary) {
  const { code, output } = await run(binary, ['--version'], { capture: true })
  return code === 0 ? /\d+\.\d+\.\d+/.exec(output)?.[0] : undefined
}

/**
 * Installs a runtime unless it is there. Gives `{ binary, version }`.
 *
 * @throws {SetupError} If it cannot be had, or does not run.
 */
export async function installRuntime(name, say) {
  const { version, packages, file } = runtimes[name]
  const folder = folderOf(name)
  const stamp = at(folder, 'stamp.json')
  const known = readJson(stamp)
  if (known?.version === version && existsSync(known.binary)) return { binary: known.binary, version }
  for (const spec of packages) {
    say(`installing ${spec}@${version}`)
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    await npmInstall(folder, `${spec}@${version}`)
    const binary = at(folder, 'node_modules', spec, file)
    if ((await versionOf(binary)) === version) {
      writeJson(stamp, { version, binary })
      return { binary, version }
    }
  }
  throw new SetupError(`${name} ${version} does not run on this machine: ${packages.join(', ')}`)
}
