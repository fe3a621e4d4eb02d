import { copyFileSync, cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { at, platformName, readJson, run, runNode, SetupError, tool } from './project.mjs'
import { targets } from './targets.mjs'

/** Runs npm and gives what it wrote to its standard output, parsed. */
async function npmJson(args, cwd) {
  const { code, stdout, output } = await run('npm', args, { capture: true, cwd, shell: process.platform === 'win32' })
  if (code !== 0) throw new SetupError(`npm ${args.join(' ')} failed:\n${output.trim()}`)
  return JSON.parse(stdout)
}

/**
 * Lays out in a folder what a release publishes, by the very steps of a release: the license, and `napi pre-publish`,
 * which writes `optionalDependencies`. Packages of other platforms get a text in place of an addon: who installs it on
 * the wrong platform would see it fail.
 */
export async function stagePackages(folder, addon) {
  const { files } = readJson(at('package.json'))
  mkdirSync(folder, { recursive: true })
  // A pattern stands for what it begins with; npm itself picks from that.
  const wanted = files.filter((name) => !name.startsWith('!')).map((name) => name.split('/')[0])
  for (const name of new Set([...wanted, 'package.json', 'README.md', 'LICENSE', 'npm'])) {
    if (!existsSync(at(name))) throw new SetupError(`${name} is missing, which package.json wants to publish`)
    cpSync(at(name), join(folder, name), { recursive: true })
  }
  for (const { platform } of targets()) {
    const file = join(folder, 'npm', platform, `node-wasmtime.${platform}.node`)
    if (platform === platformName()) copyFileSync(addon, file)
    else writeFileSync(file, `no addon: the test of the install has none for ${platform}\n`)
  }
  const steps = [
    [at('scripts', 'prepare-packages.mjs'), folder],
    [tool('@napi-rs/cli', 'napi'), 'pre-publish', '-t', 'npm', '--no-gh-release', '--skip-optional-publish'],
  ]
  for (const step of steps) {
    const { code, output } = await runNode(step, { capture: true, cwd: folder })
    if (code !== 0) throw new SetupError(`${basename(step[0])} failed:\n${output.trim()}`)
  }
}

/** Packs a folder. Gives `{ name, tarball, size, unpackedSize, files }`, sizes in bytes. */
export async function packFolder(folder, destination) {
  const args = ['pack', '--json', '--ignore-scripts', '--offline', '--pack-destination', destination]
  const [packed] = await npmJson(args, folder)
  const { name, filename, size, unpackedSize, files } = packed
  return { name, tarball: join(destination, filename), size, unpackedSize, files: files.map(({ path }) => path) }
}

/** Packs everything that was staged: the main package first, then those of the platforms. */
export async function packStaged(folder, destination) {
  mkdirSync(destination, { recursive: true })
  const packed = [await packFolder(folder, destination)]
  for (const { platform } of targets()) packed.push(await packFolder(join(folder, 'npm', platform), destination))
  return packed
}
