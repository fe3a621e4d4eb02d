// Electron Forge: `npm run package`, `npm run make`, `npm run make:universal`.

import { FusesPlugin } from '@electron-forge/plugin-fuses'
import { FuseV1Options, FuseVersion } from '@electron/fuses'
import { entitlementsOf, fuses, ignore, unpack, x64ArchFiles } from './packaging.mjs'

const { APPLE_IDENTITY, APPLE_ID, APPLE_PASSWORD, APPLE_TEAM_ID, WINDOWS_CERTIFICATE, WINDOWS_PASSWORD } = process.env

/** Whoever has no certificate gets an app that is not signed. */
const osxSign = APPLE_IDENTITY && {
  identity: APPLE_IDENTITY,
  optionsForFile: (path) => ({ hardenedRuntime: true, entitlements: entitlementsOf(path) }),
}
const osxNotarize = osxSign && APPLE_ID && { appleId: APPLE_ID, appleIdPassword: APPLE_PASSWORD, teamId: APPLE_TEAM_ID }
const windowsSign = WINDOWS_CERTIFICATE && {
  certificateFile: WINDOWS_CERTIFICATE,
  certificatePassword: WINDOWS_PASSWORD,
}

export default {
  packagerConfig: {
    appBundleId: 'org.example.plugin-desk',
    asar: { unpack },
    ignore,
    osxUniversal: { x64ArchFiles, mergeASARs: true },
    ...(osxSign && { osxSign }),
    ...(osxNotarize && { osxNotarize }),
    ...(windowsSign && { windowsSign }),
  },
  makers: [{ name: '@electron-forge/maker-zip', config: {} }],
  plugins: [
    new FusesPlugin({
      version: FuseVersion.V1,
      ...Object.fromEntries(Object.entries(fuses).map(([name, value]) => [FuseV1Options[name], value])),
    }),
  ],
}
