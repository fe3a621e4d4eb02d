/** The programs of Sightglass, the benchmarks of Wasmtime: real programs, with the output that they should have. */
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/** What a core module of WASI preview 1 alone cannot be, by the first part of the name. */
const unsupported = {
  'cm-online-stats': 'a component, not a core module',
  'image-classification': 'imports wasi-nn',
  'kotlin-richards': 'a component, not a core module',
}

/** @param {string} folder A checkout of Sightglass. */
export function sightglassPrograms(folder) {
  const benchmarks = join(folder, 'benchmarks')
  if (!existsSync(benchmarks)) throw new Error(`${benchmarks} does not exist; is SIGHTGLASS a sightglass?`)
  const files = readdirSync(benchmarks, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.wasm'))
  return files.sort().map((file) => {
    const path = join(benchmarks, file)
    const expected = (stream) => {
      const names = [basename(file, '.wasm'), 'default'].map((name) =>
        join(dirname(path), `${name}.${stream}.expected`),
      )
      const found = names.find((name) => existsSync(name))
      return found === undefined ? undefined : readFileSync(found, 'utf8').trimEnd()
    }
    const name = `sightglass/${file.replace(/(?:\/benchmark)?\.wasm$/, '')}`
    return {
      name,
      path,
      args: [basename(file)],
      env: {},
      exitCode: 0,
      stdout: expected('stdout'),
      stderr: expected('stderr'),
      // The program runs in the folder where it lies, and reads its input by relative paths.
      root: dirname(path),
      guestRoot: '.',
      // As the expected files were written: some without the end of their last line.
      trimmed: true,
      unsupported: unsupported[file.split('/')[0]],
    }
  })
}
