/**
 * The parts of the hammer. Each is a module with `run(seed, bytes, step)`, one round; it throws what it finds, and gives
 * counts of what happened. `left()` tells what is alive between rounds, where nothing should be.
 *
 * `kind` says which modules of `module-smith` it takes; `needed` whether it can do nothing without.
 */
export const parts = {
  sequences: {
    kind: 'imports',
    load: async () => ({ run: (await import('./sequences.mjs')).sequences, left: () => [] }),
  },
  differential: {
    kind: 'v8',
    needed: true,
    load: async () => {
      const { differential, differentialLeft } = await import('./differential.mjs')
      return { run: async (...args) => ({ [(await differential(...args)) ?? 'same']: 1 }), left: differentialLeft }
    },
  },
  settings: {
    kind: 'all',
    needed: true,
    load: async () => {
      const { compareSettings, settingsLeft } = await import('./settings.mjs')
      return { run: compareSettings, left: settingsLeft }
    },
  },
  mutation: {
    kind: 'all',
    load: async () => {
      const { mutation, mutationLeft } = await import('./mutation.mjs')
      return { run: mutation, left: mutationLeft }
    },
  },
  workers: {
    load: async () => ({ run: (await import('./workers.mjs')).workers, left: () => [] }),
  },
}
