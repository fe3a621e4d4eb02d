/**
 * ava's configuration for test files in Workers instead of processes, as `npm run test:runtimes -- --only workers` runs
 * them. V8's own flags cannot be given to a Worker, but those of the main thread hold in its Workers as well.
 */
import { readFileSync } from 'node:fs'

const { ava } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))

export default {
  ...ava,
  // These start processes, which are the same whoever starts them.
  files: [
    ...ava.files,
    '!__test__/process/**',
    '!__test__/spec/**',
    ...['bench', 'compat', 'docs', 'examples'].map((name) => `!__test__/${name}.spec.ts`),
  ],
  workerThreads: true,
  filterNodeArgumentsForWorkerThreads: (argument) => argument !== '--expose-gc',
}
