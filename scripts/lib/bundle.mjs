import { writeFileSync } from 'node:fs'

import { build } from 'esbuild'

import { at } from './project.mjs'

/** What is loaded as one file: the library, and the command line with its own copy of what it needs of it. */
const entries = ['index', 'cli']

/**
 * Puts the modules of `lib/` together, each entry in place of what the TypeScript compiler made of it: reading seventy small
 * files takes longer than all that is in them. The others stay for the tests.
 */
export async function bundleEntries() {
  const { outputFiles } = await build({
    entryPoints: entries.map((name) => at('lib', `${name}.ts`)),
    outdir: at('dist'),
    bundle: true,
    write: false,
    platform: 'node',
    format: 'cjs',
    target: 'node20.19',
    // Errors name classes, and so do programs.
    keepNames: true,
    // What a module does when it is loaded, such as telling native code of a class, is needed for whatever is used of it:
    // that package.json says `sideEffects: false` is for bundlers of programs, which take the whole file or nothing.
    ignoreAnnotations: true,
    // Beside the folder in the package. The generated loader finds the addon by where it is itself.
    external: ['../binding.js', '../package.json'],
    logLevel: 'warning',
  })
  for (const { path, text } of outputFiles) writeFileSync(path, withCheapNames(path, text))
}

const helper = '__name = (target, value) => __defProp('

/**
 * Has only what can be constructed named, which is a class or a function of a module. `keepNames` also names each arrow
 * function whenever one is made, which costs as much as a host call.
 */
function withCheapNames(path, text) {
  const parts = text.split(helper)
  if (parts.length !== 2) throw new Error(`${path}: esbuild names functions in another way than it did`)
  return parts.join('__name = (target, value) => target.prototype === undefined ? target : __defProp(')
}
