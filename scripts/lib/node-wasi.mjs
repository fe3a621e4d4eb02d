/** Runs a program with `node:wasi`, in a process of its own: the file, then `{ args, env, folder }` as JSON. */
import { readFileSync } from 'node:fs'
import { WASI } from 'node:wasi'

const [path, json] = process.argv.slice(2)
const { args, env, folder } = JSON.parse(json)
const preopens = folder === undefined ? {} : { '/': folder }
const wasi = new WASI({ version: 'preview1', args, env, preopens, returnOnExit: true })
// TypeScript's library for Node has no `WebAssembly`, and this file is checked by none.
const { instance } = await WebAssembly.instantiate(readFileSync(path), wasi.getImportObject())
process.exitCode = wasi.start(instance)
