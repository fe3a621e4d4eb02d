import type { ExecutionContext } from 'ava'

import { Runtime } from '../../index.mjs'

/** A bound against hangs. */
export const LIMIT = 60_000

/** The statistics of a runtime in which nothing is under way. */
export const IDLE = { queued: 0, home: 0, pool: 0, parked: 0 }

export const never = (): Promise<never> => new Promise(() => {})

/** A runtime for a test that must not hang, closed at its end. */
export function openRuntime(t: ExecutionContext, options: object = {}): Runtime {
  t.timeout(LIMIT)
  const runtime = new Runtime(options)
  t.teardown(() => runtime.close())
  return runtime
}

/** Continues when something has come about; a test that waits in vain runs into its own bound. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1))
}

/** Holds objects until the end of a test: a guest that waits for a promise which nobody can settle is collected otherwise. */
export function keep(t: ExecutionContext, ...objects: object[]): void {
  t.teardown(() => void objects)
}
