/**
 * Makes the patched crates in `vendor/` of what is published and of `vendor/<crate>.patch`: `npm run vendor`, after the version of
 * Wasmtime in Cargo.toml or a patch has changed. `npm run vendor -- --check` changes nothing, and fails if they differ.
 */
import { SetupError } from './lib/project.mjs'
import { vendor } from './lib/vendored.mjs'

const check = process.argv.includes('--check')
try {
  for (const name of await vendor({ check })) {
    console.log(`vendor/${name} ${check ? 'is what is published, with its patch' : 'is made anew'}`)
  }
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  console.error(error.message)
  process.exitCode = 1
}
