// How the app is packaged, as plain data, without the packager: `forge.config.mjs` hands it on.

import { fileURLToPath } from 'node:url'

/** @param {string} name */
const signing = (name) => fileURLToPath(new URL(`signing/${name}.plist`, import.meta.url))

/** What Electron can do and this app does not need: switched off in the binary itself. */
export const fuses = {
  // Without it, `ELECTRON_RUN_AS_NODE=1` makes the signed app a Node.js for everyone. Utility processes do not need it.
  RunAsNode: false,
  EnableNodeOptionsEnvironmentVariable: false,
  EnableNodeCliInspectArguments: false,
  EnableCookieEncryption: true,
  EnableEmbeddedAsarIntegrityValidation: true,
  OnlyLoadAppFromAsar: true,
  // The page has a scheme of its own.
  GrantFileProtocolExtraPrivileges: false,
}

/**
 * The entitlements of a file of the app, on macOS. Only the helper in which plugins run may execute what it has made.
 *
 * @param {string} path
 */
export function entitlementsOf(path) {
  return signing(path.includes('(Plugin).app') ? 'plugin-host' : 'app')
}

/** Addons cannot be loaded from an archive. Without `/`, the pattern is for names of files anywhere. */
export const unpack = '*.node'

/** For universal apps: both addons are in both halves, each for one processor, and must not be joined. */
export const x64ArchFiles = '**/node-wasmtime.darwin-*.node'

/** What stays out of the app. */
export const ignore = [/^\/(plugin|signing)($|\/)/, /^\/[^/]+\.mjs$/, /^\/(asconfig|tsconfig)\.json$/, /^\/README\.md$/]
