import { createRequire } from 'node:module'

import { type AddonFacts, describeLoadFailure, describeWrongAddon } from './addon-error'
import { currentHost, packagedPlatforms } from './addon-platform'
import { WasmtimeError } from './errors'

/** What every addon of this package has, of whatever version. */
interface Versioned {
  versions?: () => { addon?: unknown }
}

/** The version that an addon says it has; one of somebody else may do anything. */
function versionOf(addon: Versioned | null | undefined): unknown {
  try {
    return addon?.versions?.().addon
  } catch {
    return undefined
  }
}

/** The messages of an error and of all its causes, the oldest first: the order in which the loader tried. */
function messagesOf(error: unknown): string[] {
  const messages: string[] = []
  for (let cause = error; cause instanceof Error && messages.length < 100; cause = cause.cause) {
    messages.unshift(cause.message)
  }
  // The last one is the generated loader's own summary.
  return messages.length > 1 ? messages.slice(0, -1) : messages
}

/** The packages of platforms beside this one. Not seen by bundlers, which would look for all of them. */
function installedPackages(): Map<string, string> {
  const installed = new Map<string, string>()
  const here = typeof __filename === 'string' ? __filename : `${process.cwd()}/none.js`
  const requireHere = createRequire(here)
  for (const platform of packagedPlatforms) {
    try {
      const { version } = requireHere(`node-wasmtime-${platform}/package.json`) as { version?: unknown }
      installed.set(platform, String(version))
    } catch {
      // Not installed, which is the answer.
    }
  }
  return installed
}

/** Where a bundler of somebody else's has put this code; `undefined` if it is a file of the package's own `dist/`. */
function movedTo(): string | undefined {
  if (typeof __filename !== 'string') return 'an ES module'
  if (!/[/\\]dist[/\\][\w-]+\.js$/.test(__filename)) return __filename
  try {
    const { name } = createRequire(__filename)('../package.json') as { name?: unknown }
    return name === 'node-wasmtime' ? undefined : __filename
  } catch {
    return __filename
  }
}

function gather(version: string, attempts: readonly string[]): AddonFacts {
  const { NAPI_RS_NATIVE_LIBRARY_PATH: path, NAPI_RS_FORCE_WASI: force, NAPI_RS_WASI_FLAVOR: flavor } = process.env
  return {
    host: currentHost(),
    nodeVersion: process.versions.node,
    version,
    path: path || undefined,
    wasi: force === 'true' || force === 'error' || Boolean(flavor),
    installed: installedPackages(),
    attempts,
    bundle: movedTo(),
  }
}

function refuse(message: string, cause?: unknown): never {
  throw new WasmtimeError('ADDON_NOT_LOADED', message, cause === undefined ? {} : { cause })
}

/**
 * Loads the addon by the generated loader, and makes sure that it is the one of this version.
 *
 * @throws {WasmtimeError} With the code `ADDON_NOT_LOADED`; its message says what is missing and how to mend it, and its
 * `cause` has all attempts.
 */
export function loadAddon(): object {
  const { version } = require('../package.json') as { version: string }
  let addon: Versioned
  try {
    addon = require('../binding.js') as Versioned
  } catch (cause) {
    refuse(describeLoadFailure(gather(version, messagesOf(cause))), cause)
  }
  // The generated loader compares versions only of packages, and only if a variable is set.
  const found = versionOf(addon)
  if (found !== version) {
    refuse(describeWrongAddon(gather(version, []), typeof found === 'string' ? found : undefined))
  }
  return addon
}
