/**
 * Makes the patched crates in `vendor/` of what is published and of `vendor/<crate>.patch`: `npm run vendor`, after the version of
 * Wasmtime in Cargo.toml or a patch has changed. `npm run vendor -- --check` changes nothing, and fails if they differ.
 */
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { at, SetupError } from './lib/project.mjs'
import { differences, patchedCrate, vendored } from './lib/vendored.mjs'

const check = process.argv.includes('--check')
try {
  for (const name of vendored()) {
    const folder = mkdtempSync(join(tmpdir(), 'node-wasmtime-vendor-'))
    try {
      const made = await patchedCrate(name, folder)
      const target = at('vendor', name)
      if (check) {
        const found = differences(made, target)
        if (found.length > 0)
          throw new SetupError(`vendor/${name} is not what is published with its patch: ${found.join(', ')}`)
        console.log(`vendor/${name} is what is published, with its patch`)
      } else {
        rmSync(target, { recursive: true, force: true })
        cpSync(made, target, { recursive: true })
        console.log(`vendor/${name} is made anew`)
      }
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  console.error(error.message)
  process.exitCode = 1
}
