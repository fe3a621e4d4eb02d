#!/usr/bin/env node
'use strict'

// Node.js 22 and newer keep the compiled form of JavaScript files, which saves some milliseconds.
require('node:module').enableCompileCache?.()
require('../dist/cli.js').main(process.argv.slice(2))
