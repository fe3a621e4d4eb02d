import { build } from 'esbuild'

import { at } from './project.mjs'

/** What is loaded as one file: the library, and the command line with its own copy of what it needs of it. */
const entries = ['index', 'cli']

/**
 * Puts the modules of `lib/` together, each entry in place of what the TypeScript compiler made of it: reading seventy small
 * files takes longer than all that is in them. The others stay for the tests.
 */
export async function bundleEntries() {
  await build({
    entryPoints: entries.map((name) => at('lib', `${name}.ts`)),
    outdir: at('dist'),
    bundle: true,
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
}
