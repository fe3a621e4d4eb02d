import { type Host, packagedPlatforms, platformName } from './addon-platform'

/** What is known about an addon that did not load, or is not the right one. */
export interface AddonFacts {
  readonly host: Host
  readonly nodeVersion: string
  /** Version of the main package. */
  readonly version: string
  /** `NAPI_RS_NATIVE_LIBRARY_PATH`. */
  readonly path: string | undefined
  /** Whether the generated loader was told to take a WASI build, which this package does not have. */
  readonly wasi: boolean
  /** The packages of platforms that can be resolved, by platform, with their versions. */
  readonly installed: ReadonlyMap<string, string>
  /** Messages of all attempts, in their order. */
  readonly attempts: readonly string[]
  /** Where this code is, if a bundler has moved it. */
  readonly bundle: string | undefined
}

const MISSING = /^Cannot find (?:module|package)/
const firstLine = (text: string): string => text.split('\n', 1)[0] ?? ''
const packageOf = (platform: string): string => `node-wasmtime-${platform}`

/** The attempts that can concern this package: the generated loader tries names that it never has, too. */
function relevant(attempts: readonly string[]): string[] {
  return attempts.map(firstLine).filter((line) => !/universal|wasm32-wasi|\.wasi\.cjs/.test(line))
}

/** Why the system refused an addon that is there, as far as its message tells. */
function explainRefusal(message: string, facts: AddonFacts): string | undefined {
  const { host } = facts
  const wanted = /GLIBC_(\d+(?:\.\d+)+)/.exec(message)?.[1]
  if (wanted !== undefined) {
    return (
      `The addon needs glibc ${wanted} or newer, and this system has ${host.glibc ?? 'another C library'}. ` +
      'Use a newer distribution or container image, or build the addon on this system.'
    )
  }
  if (/ld-linux|ld-musl|libc\.musl|libc\.so\.6|symbol not found|undefined symbol: (?:__|gnu_)/.test(message)) {
    return (
      'The addon was built for another C library (glibc or musl) than this system has. This happens when node_modules ' +
      'is copied between a Debian-like and an Alpine system or image: install on the system where the program runs.'
    )
  }
  if (/ELF|too short|not a valid Win32|mach-o|incompatible architecture|not a mach|slice is not valid/i.test(message)) {
    return 'The file is damaged, or was made for another platform: remove it and install again.'
  }
  if (/failed to map segment|operation not permitted|permission denied|code signature/i.test(message)) {
    return (
      'The system does not allow code to be loaded from there: the file is not readable, its file system is mounted ' +
      'with noexec, or a security policy forbids it.'
    )
  }
  return undefined
}

function pathProblem(facts: AddonFacts, path: string): string[] {
  const failure = relevant(facts.attempts)[0] ?? 'unknown error'
  return [
    `NAPI_RS_NATIVE_LIBRARY_PATH is ${JSON.stringify(path)}, which does not load: ${failure}`,
    ...(MISSING.test(failure) ? [] : [explainRefusal(failure, facts) ?? []].flat()),
    'While the variable is set nothing else is tried. Unset it to use the installed package, or set it to the absolute ' +
      'path of a .node file that was built for this platform.',
  ]
}

function unsupportedProblem(facts: AddonFacts): string[] {
  const { os, arch } = facts.host
  const bits32 = ['ia32', 'arm', 'mips', 'mipsel', 'ppc'].includes(arch)
  return [
    `There is no package for ${os} on ${arch}, only for: ${packagedPlatforms.join(', ')}.`,
    ...(bits32 ? ['This Node.js is a 32-bit program: install a 64-bit one, if the processor is.'] : []),
    'Where Wasmtime itself runs, you can build the addon and set NAPI_RS_NATIVE_LIBRARY_PATH to its .node file.',
  ]
}

function refusedProblem(facts: AddonFacts, platform: string): string[] {
  const failure = relevant(facts.attempts).find((line) => !MISSING.test(line))
  if (failure === undefined) {
    return [
      `The package ${packageOf(platform)} is installed, but its .node file is missing: remove node_modules and install again.`,
    ]
  }
  return [
    `The addon is there, but the system does not load it: ${failure}`,
    explainRefusal(failure, facts) ?? 'Remove node_modules and install again; if that does not help, please report it.',
  ]
}

function missingProblem({ installed, version }: AddonFacts, platform: string): string[] {
  const others = [...installed.keys()].map(packageOf)
  const why =
    others.length > 0
      ? `There is ${others.join(' and ')} instead: node_modules was installed on another platform, or for one. ` +
        'Install where the program runs.'
      : 'npm leaves optional dependencies out when it is told so (--omit=optional), and, by a bug, when the lock file ' +
        'or node_modules was made on another platform: https://github.com/npm/cli/issues/4828.'
  return [
    `The package ${packageOf(platform)}, which has the addon for this platform, is not installed.`,
    why,
    'To mend it, remove node_modules and package-lock.json and run `npm install`, or run',
    `  npm install --save-optional ${packageOf(platform)}@${version}`,
  ]
}

function problem(facts: AddonFacts, platform: string): string[] {
  if (facts.path) return pathProblem(facts, facts.path)
  const supported = (packagedPlatforms as readonly string[]).includes(platform)
  const refused = relevant(facts.attempts).some((line) => !MISSING.test(line))
  // An own build may lie beside the loader on any platform, so a refusal is told first.
  if (!supported && (!refused || /^Unsupported/m.test(facts.attempts.join('\n')))) return unsupportedProblem(facts)
  if (refused || facts.installed.has(platform)) return refusedProblem(facts, platform)
  return missingProblem(facts, platform)
}

/** What is told before the problem, because it is likely to be the reason of it. */
function circumstances({ wasi, bundle, attempts }: AddonFacts): string[] {
  const lines: string[] = []
  if (bundle !== undefined) {
    lines.push(`This code was bundled (into ${bundle}), and bundlers leave addons behind: keep node-wasmtime external.`)
  }
  if (wasi) lines.push('NAPI_RS_FORCE_WASI or NAPI_RS_WASI_FLAVOR is set, and there is no WASI build: unset both.')
  if (attempts.some((line) => line.includes('.asar'))) {
    lines.push(
      'The addon is inside an asar archive, from where no system can load it: unpack it (asarUnpack). See docs/electron.md.',
    )
  }
  return lines
}

/** What to say about an addon that did not load: the platform, the reason as far as it is known, and how to mend it. */
export function describeLoadFailure(facts: AddonFacts): string {
  const platform = platformName(facts.host)
  const tried = relevant(facts.attempts)
  return [
    `node-wasmtime cannot load its native addon (${platform}, Node.js ${facts.nodeVersion}).`,
    ...circumstances(facts),
    ...problem(facts, platform),
    ...(tried.length > 1 ? ['Tried:', ...tried.map((line) => `  ${line}`)] : []),
    'More is in docs/packaging.md of the package node-wasmtime.',
  ].join('\n')
}

/** What to say about an addon of another version (`undefined`: one that is no addon of this package at all). */
export function describeWrongAddon(facts: AddonFacts, found: string | undefined): string {
  const platform = platformName(facts.host)
  const { path, version } = facts
  const what = found === undefined ? 'something else' : `version ${found}`
  const [where, mend] = path
    ? [
        `the addon that NAPI_RS_NATIVE_LIBRARY_PATH names (${path})`,
        `Unset the variable, or build the addon from the sources of ${version}.`,
      ]
    : facts.installed.get(platform) === found && found !== undefined
      ? [
          `the addon of the installed package ${packageOf(platform)}`,
          `Both must be the same: remove node_modules and package-lock.json and run \`npm install\`, or run\n` +
            `  npm install --save-optional ${packageOf(platform)}@${version}`,
        ]
      : [
          'the addon that was found',
          `Remove node-wasmtime.${platform}.node, if there is one beside binding.js, or build it again ` +
            '(`npm run build`); else remove node_modules and install again.',
        ]
  return `node-wasmtime is version ${version}, and ${where} is ${what}.\n${mend}`
}
