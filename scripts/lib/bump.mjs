/** The crates that are pinned to Wasmtime's version, and Cranelift, whose minor is Wasmtime's major and 87. */
const PINNED = ['wasmtime', 'wasmtime-wasi', 'wiggle']
const CRANELIFT = 'cranelift-codegen'

/** Crates whose types or errors cross between Wasmtime and the addon: there must be one version of each. */
export const SHARED = ['wasmparser', 'wasmprinter', 'tokio', 'bytes', 'rustix', 'cranelift-codegen']

/** `48.0.9` as `[48, 0, 9]`; throws if it is no version of three numbers. */
export function parseVersion(text) {
  const numbers = /^(\d+)\.(\d+)\.(\d+)$/.exec(text ?? '')?.slice(1)
  if (numbers === undefined) throw new Error(`expected a version such as 48.0.9, got ${JSON.stringify(text)}`)
  return numbers.map(Number)
}

function compare(a, b) {
  const [x, y] = [parseVersion(a), parseVersion(b)]
  const index = x.findIndex((number, i) => number !== y[i])
  return index === -1 ? 0 : x[index] - y[index]
}

/** The version of Cranelift that belongs to one of Wasmtime. */
export function craneliftOf(wasmtime) {
  const [major, minor, patch] = parseVersion(wasmtime)
  if (minor !== 0) throw new Error(`it is not known which Cranelift belongs to Wasmtime ${wasmtime}`)
  return `0.${major + 87}.${patch}`
}

const pinOf = (cargo, crate) => new RegExp(`^${crate} = \\{ version = "=([\\d.]+)"`, 'm').exec(cargo)?.[1]

/** The version of Wasmtime that Cargo.toml asks for. */
export function wasmtimeOf(cargo) {
  const version = pinOf(cargo, 'wasmtime')
  if (version === undefined) throw new Error('Cargo.toml does not pin wasmtime as `wasmtime = { version = "=48.0.8"`')
  return version
}

/**
 * What a bump changes: the crates with their versions, and the package's own. Without `own` that is the next patch.
 * Throws if the wanted version is not a newer one of the same major.
 */
export function planBump(cargo, current, wasmtime, own) {
  const before = wasmtimeOf(cargo)
  const [major] = parseVersion(before)
  if (parseVersion(wasmtime)[0] !== major) {
    throw new Error(`Wasmtime ${wasmtime} is not of the ${major} line: another line is a release of its own, by hand`)
  }
  if (compare(wasmtime, before) <= 0) throw new Error(`Wasmtime ${wasmtime} is not newer than the present ${before}`)
  const [packageMajor, minor, patch] = parseVersion(current)
  const version = own ?? `${packageMajor}.${minor}.${patch + 1}`
  if (parseVersion(version)[0] !== major || compare(version, current) <= 0) {
    throw new Error(`the package's version must be newer than ${current} and begin with ${major}., got ${version}`)
  }
  const crates = { ...Object.fromEntries(PINNED.map((name) => [name, wasmtime])), [CRANELIFT]: craneliftOf(wasmtime) }
  return { before, wasmtime, current, version, crates }
}

/** Cargo.toml with the pins and the version of a plan. */
export function bumpCargo(cargo, { crates, current, version }) {
  let text = cargo
  for (const [name, wanted] of Object.entries(crates)) {
    const pin = pinOf(text, name)
    if (pin === undefined) throw new Error(`Cargo.toml does not pin ${name}`)
    text = text.replace(`${name} = { version = "=${pin}"`, `${name} = { version = "=${wanted}"`)
  }
  const own = `version = "${current}"`
  if (!text.includes(`\n${own}\n`)) throw new Error(`Cargo.toml has no line ${own}`)
  return text.replace(`\n${own}\n`, `\nversion = "${version}"\n`)
}

/** A manifest of npm, or its lock file, with another version. */
export function bumpManifest(manifest, version) {
  const { packages } = manifest
  if (packages === undefined) return { ...manifest, version }
  return { ...manifest, version, packages: { ...packages, '': { ...packages[''], version } } }
}

/** The crates of {@link SHARED} that a Cargo.lock has in several versions, as `name 1.0.0, 2.0.0`. */
export function divided(lock) {
  return SHARED.flatMap((name) => {
    const versions = [...lock.matchAll(new RegExp(`^name = "${name}"\\nversion = "(.*)"$`, 'gm'))].map(([, v]) => v)
    return versions.length > 1 ? [`${name} ${versions.join(', ')}`] : []
  })
}
