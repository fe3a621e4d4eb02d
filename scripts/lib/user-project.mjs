import { existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { at, run, SetupError } from './project.mjs'

/**
 * The environment of a user who has Node.js and npm, a registry, and nothing else: no compiler, no Rust, no other
 * network, no cache and no settings of this machine.
 */
export function userEnvironment(folder, registry) {
  const bin = join(folder, 'bin')
  mkdirSync(bin, { recursive: true })
  if (process.platform === 'win32') {
    const system = join(process.env.SystemRoot ?? 'C:\\Windows', 'System32')
    return { ...base(folder, registry), PATH: [dirname(process.execPath), system].join(delimiter) }
  }
  for (const name of ['npm', 'npx']) symlinkSync(findProgram(name), join(bin, name))
  symlinkSync(process.execPath, join(bin, 'node'))
  // npm's own file begins with `env node`; its shell is /bin/sh, which it would ask for scripts if there were any.
  return { ...base(folder, registry), PATH: bin }
}

function findProgram(name) {
  const folders = (process.env.PATH ?? '').split(delimiter)
  const found = folders.map((folder) => join(folder, name)).find((path) => existsSync(path))
  if (found === undefined) throw new SetupError(`${name} is not in PATH`)
  return found
}

function base(folder, registry) {
  const home = join(folder, 'home')
  mkdirSync(home, { recursive: true })
  const npmrc = join(folder, 'npmrc')
  writeFileSync(
    npmrc,
    `registry=${registry}\ncache=${join(folder, 'cache')}\naudit=false\nfund=false\nupdate-notifier=false\n`,
  )
  // Nothing listens on port 9: what does not go to the loopback interface fails.
  const proxy = 'http://127.0.0.1:9'
  return {
    HOME: home,
    USERPROFILE: home,
    SystemRoot: process.env.SystemRoot ?? '',
    TEMP: folder,
    TMPDIR: folder,
    npm_config_userconfig: npmrc,
    npm_config_globalconfig: join(folder, 'no-npmrc'),
    http_proxy: proxy,
    https_proxy: proxy,
    no_proxy: '127.0.0.1',
  }
}

/** An empty project of a user. */
export class UserProject {
  constructor(folder, env) {
    mkdirSync(folder, { recursive: true })
    this.folder = folder
    this.env = env
    this.write('package.json', `${JSON.stringify({ name: 'user', version: '1.0.0', private: true }, null, 2)}\n`)
  }

  path(...parts) {
    return join(this.folder, ...parts)
  }

  write(name, text) {
    writeFileSync(this.path(name), text)
  }

  json(...parts) {
    return JSON.parse(readFileSync(this.path(...parts), 'utf8'))
  }

  /** The names in `node_modules` that begin with `node-wasmtime`. */
  installed() {
    if (!existsSync(this.path('node_modules'))) return []
    return readdirSync(this.path('node_modules')).filter((name) => name.startsWith('node-wasmtime'))
  }

  /** Runs a program; gives `{ code, stdout, output }`. */
  run(command, ...args) {
    const shell = process.platform === 'win32' && command === 'npm'
    return run(command, args, { capture: true, cwd: this.folder, env: this.env, shell })
  }

  /** Runs a program that must succeed; gives what it wrote to its standard output. */
  async succeed(command, ...args) {
    const { code, stdout, output } = await this.run(command, ...args)
    if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}:\n${output.trim()}`)
    return stdout
  }

  npm(...args) {
    return this.succeed('npm', ...args)
  }

  node(...args) {
    return this.succeed(process.execPath, ...args)
  }
}

/** The README's first example, as CommonJS, as an ES module, and as what it prints. */
export function firstExample() {
  const text = readFileSync(at('README.md'), 'utf8')
  const block = /^```(?:js|ts)\n(.*?)^```$/ms.exec(text)?.[1]
  const line = /^const (\{.*?\}) = require\('node-wasmtime'\)$/m
  if (block === undefined || !line.test(block)) throw new Error('the first example of README.md has no `require`')
  return {
    commonjs: block,
    module: block.replace(line, "import $1 from 'node-wasmtime'"),
    prints: 'hello from the guest\n42\n',
  }
}
