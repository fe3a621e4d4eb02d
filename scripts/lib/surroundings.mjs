/**
 * Other surroundings in which the suite has to pass on the same Node.js: what ava is given, and the files that `npm test` runs
 * there. `npm run test:runtimes` runs all of them.
 */
const spec = (name) => `__test__/${name}.spec.ts`

export const surroundings = {
  /** Each test file is in a Worker. */
  workers: {
    args: ['--config', 'scripts/lib/ava-workers.config.mjs'],
    options: { nodeArgs: ['--expose-gc'] },
    short: ['func', 'linker', 'async-calls', 'memory', 'closing', 'references'].map(spec),
  },
  /** V8 has a memory cage, as in Electron: there are no buffers over native memory. */
  cage: {
    args: [],
    options: { env: { NODE_WASMTIME_NO_EXTERNAL_BUFFERS: '1' } },
    short: ['memory', 'async-modes', 'limits', 'core-dump', 'precompiled', 'wasi-streams', 'compat'].map(spec),
  },
}
