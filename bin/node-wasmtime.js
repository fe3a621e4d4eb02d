#!/usr/bin/env node
'use strict'

try {
  require('../dist/cli.js').main(process.argv.slice(2))
} catch (error) {
  // Its message says all that there is to say.
  if (error?.code !== 'ADDON_NOT_LOADED') throw error
  console.error(`node-wasmtime: ${error.message}`)
  process.exitCode = 1
}
