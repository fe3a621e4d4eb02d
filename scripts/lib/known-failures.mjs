/**
 * What is known to fail on a runtime, and why. A name that is listed and passes is a failure, too, so that this list stays
 * true. The names are those of the runtimes (`runtimes.mjs`), then those of the tests, or of the checks of `__test__/compat/`.
 */
export const knownFailures = {}

/** Why a test fails on a runtime; `undefined` if it must pass. */
export function knownFailure(runtime, test) {
  return knownFailures[runtime]?.[test]
}
