import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { at, platformName, runNode, tool, toolEnv } from './project.mjs'
import { targets } from './targets.mjs'
import { firstExample, UserProject } from './user-project.mjs'

const example = firstExample()
const main = 'node-wasmtime'
const here = `${main}-${platformName()}`

/** The exact versions that the main package must ask for. */
const optionalDependencies = (version) =>
  Object.fromEntries(targets().map(({ platform }) => [`${main}-${platform}`, version]))

/** Runs the example as CommonJS and as an ES module. */
async function runExamples(project) {
  project.write('example.cjs', example.commonjs)
  project.write('example.mjs', example.module)
  assert.equal(await project.node('example.cjs'), example.prints)
  assert.equal(await project.node('example.mjs'), example.prints)
}

/** What TypeScript is asked for, by the name of a check. `out` is the file that it makes of the example. */
const typescript = {
  'node16, CommonJS': { module: 'node16', moduleResolution: 'node16', file: 'example.cts', out: 'example.cjs' },
  'node16, ES module': { module: 'node16', moduleResolution: 'node16', file: 'example.mts', out: 'example.mjs' },
  'nodenext, ES module': { module: 'nodenext', moduleResolution: 'nodenext', file: 'example.mts', out: 'example.mjs' },
  bundler: { module: 'esnext', moduleResolution: 'bundler', file: 'example.mts', out: 'example.mjs' },
}

async function compileAndRun(project, { module, moduleResolution, file, out }) {
  project.write(file, example.module)
  const compilerOptions = {
    module,
    moduleResolution,
    target: 'es2022',
    outDir: 'out',
    strict: true,
    skipLibCheck: false,
    // The compiler and the types of Node.js are the only things that do not come from the local registry.
    types: ['node'],
    typeRoots: [at('node_modules', '@types')],
  }
  project.write('tsconfig.json', JSON.stringify({ compilerOptions, files: [file] }))
  await project.node(tool('typescript', 'tsc'), '-p', '.')
  assert.equal(await project.node(`out/${out}`), example.prints)
}

/**
 * The checks of an installed package, by name, in their order. Each throws if something is not as it should be.
 * `world` has `folder`, `env`, `registry`, `version`, `tarball` (of the main package), `nativeTarball`, `addon` and `command`
 * (see `installTools`).
 */
export function installChecks(world) {
  const { env, version, registry } = world
  const open = (name) => new UserProject(`${world.folder}/${name}`, env)
  const project = open('user project é')
  const checks = []
  const check = (name, run) => checks.push({ name, run })

  check('attw has nothing to say', async () => {
    const args = [world.command('@arethetypeswrong/cli', 'attw'), world.tarball, '--no-emoji', '--format', 'ascii']
    const { code, output } = await runNode(args, { capture: true })
    assert.equal(code, 0, output)
  })

  check('the user has neither Rust nor a compiler', async () => {
    for (const name of ['cargo', 'rustc', 'cc', 'gcc', 'clang', 'cl', 'make', 'python3']) {
      assert.equal((await project.run(name, '--version')).missing, true, `${name} is to be found`)
    }
  })

  check('npm install takes the packages of this platform, and only from the local registry', async () => {
    await project.npm('install', main)
    assert.deepEqual(project.installed(), [main, here].toSorted())
    const lock = project.json('package-lock.json')
    const entries = Object.entries(lock.packages).filter(([path]) => path !== '')
    assert.equal(entries.length, 1 + targets().length)
    for (const [path, entry] of entries) {
      assert.ok(entry.resolved?.startsWith(registry), `${path} comes from ${entry.resolved}`)
      assert.equal(entry.version, version)
      assert.ok(!entry.hasInstallScript, `${path} has an install script`)
    }
  })

  check('the published package asks for every platform, in exactly its own version', () => {
    const manifest = project.json('node_modules', main, 'package.json')
    assert.deepEqual(manifest.optionalDependencies, optionalDependencies(version))
    assert.equal(manifest.dependencies, undefined)
    for (const name of [main, here]) {
      const { scripts = {} } = project.json('node_modules', name, 'package.json')
      const run = ['preinstall', 'install', 'postinstall', 'prepare'].filter((script) => script in scripts)
      assert.deepEqual(run, [], name)
    }
  })

  check("the README's first example runs with require and with import", () => runExamples(project))

  for (const [name, options] of Object.entries(typescript)) {
    check(`TypeScript compiles and runs it (${name})`, () => compileAndRun(project, options))
  }

  check('npm ci installs the same from the lock file', async () => {
    const again = open('again')
    for (const name of ['package.json', 'package-lock.json']) again.write(name, JSON.stringify(project.json(name)))
    await again.npm('ci')
    assert.deepEqual(again.installed(), [main, here].toSorted())
    await runExamples(again)
  })

  check('npm ci takes the lock file to another platform', async () => {
    const moved = open('moved')
    for (const name of ['package.json', 'package-lock.json']) moved.write(name, JSON.stringify(project.json(name)))
    const { platform, os, cpu, libc } = targets().find(({ platform, libc }) => libc && platform !== platformName())
    await moved.npm('ci', `--os=${os}`, `--cpu=${cpu}`, `--libc=${libc}`)
    assert.deepEqual(moved.installed(), [main, `${main}-${platform}`].toSorted())
  })

  check('two tarballs are enough to install without a network', async () => {
    const offline = open('offline')
    offline.env = { ...env, npm_config_registry: 'http://127.0.0.1:9/' }
    await offline.npm('install', '--offline', ...[world.tarball, world.nativeTarball].map((path) => `file:${path}`))
    assert.deepEqual(offline.installed(), [main, here].toSorted())
    await runExamples(offline)
  })

  check('npm chooses the right package for every platform', async () => {
    for (const { platform, os, cpu, libc } of targets()) {
      const other = open(`for ${platform}`)
      const flags = [`--os=${os}`, `--cpu=${cpu}`, ...(libc ? [`--libc=${libc}`] : [])]
      await other.npm('install', main, ...flags)
      assert.deepEqual(other.installed(), [main, `${main}-${platform}`].toSorted())
    }
  })

  check('without its platform package the error names it, and its command mends it', async () => {
    rmSync(project.path('node_modules', here), { recursive: true })
    for (const file of ['example.cjs', 'example.mjs']) {
      const { code, output } = await project.run(process.execPath, file)
      assert.notEqual(code, 0)
      assert.match(output, /ADDON_NOT_LOADED/)
      assert.ok(output.includes(`The package ${here}`), output)
      assert.ok(output.includes('https://github.com/npm/cli/issues/4828'), output)
      const command = /^ {2}npm (install .*)$/m.exec(output)?.[1]
      assert.equal(command, `install --save-optional ${here}@${version}`)
    }
    await project.npm('install', '--save-optional', `${here}@${version}`)
    await runExamples(project)
  })

  check('node_modules that was installed for another platform is told', async () => {
    const { platform } = targets().find(({ platform }) => platform !== platformName())
    const other = open(`for ${platform}`)
    other.write('example.cjs', example.commonjs)
    const { code, output } = await other.run(process.execPath, 'example.cjs')
    assert.notEqual(code, 0)
    assert.ok(output.includes(`There is ${main}-${platform} instead`), output)
  })

  check('an own build is taken by NAPI_RS_NATIVE_LIBRARY_PATH', async () => {
    const own = open('own')
    await own.npm('install', main, '--omit=optional')
    assert.deepEqual(own.installed(), [main])
    own.write('example.cjs', example.commonjs)
    own.env = { ...env, NAPI_RS_NATIVE_LIBRARY_PATH: world.addon }
    assert.equal(await own.node('example.cjs'), example.prints)
  })

  return checks
}

/** `publint`, which is a development tool of the project and needs no registry. */
export async function lintPackage(tarball) {
  const { code, output } = await runNode([tool('publint'), tarball, '--strict'], { capture: true, env: toolEnv() })
  assert.equal(code, 0, output)
}
