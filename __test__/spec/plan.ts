import type { EngineOptions } from '../../index.mjs'

/** What the engine needs for a group of files; all other groups are run with the defaults. */
const groupOptions: Readonly<Record<string, EngineOptions>> = {
  'custom-page-sizes': { customPageSizes: true },
  'wide-arithmetic': { wideArithmetic: true },
  // Files from before these proposals assert that what they allow is an error.
  v1: { multiMemory: false, memory64: false },
  v2: { multiMemory: false, memory64: false },
  'function-references': { multiMemory: false, memory64: false },
  'multi-value': { multiMemory: false, memory64: false },
  'reference-types': { multiMemory: false, memory64: false },
  memory64: { multiMemory: false },
  threads: { sharedMemory: true, multiMemory: false, referenceTypes: false },
}

/** A file some of whose commands are expected to fail. */
export interface KnownFailure {
  /** The lines at which commands fail, all of them; or `'some'`, where the whole file needs what is not there. */
  readonly lines: readonly number[] | 'some'
  readonly reason: string
}

const longSizes =
  'asserts that the size of a memory has at most 5 bytes in the binary format; since 64-bit memories it may have 10'
const lazySegments =
  'asserts that all segments are checked before any is written; since bulk memory operations they are written in turn, and the one that does not fit traps'
const descriptors = 'Wasmtime 48 does not implement custom descriptors'

/**
 * Every file of which something is expected to fail, and why. Nothing is skipped. It is an error as well if something else
 * fails there, or if it passes.
 */
const knownFailures: Readonly<Record<string, KnownFailure>> = {
  'v1/binary-leb128': { lines: [217, 225], reason: longSizes },
  'v2/binary-leb128': { lines: [218, 226], reason: longSizes },
  'reference-types/binary-leb128': { lines: [218, 226], reason: longSizes },
  'reference-types/binary': { lines: [158, 355], reason: longSizes },
  'reference-types/unreached-invalid': {
    lines: [540],
    reason:
      'asserts that targets of an unreachable br_table have one type; since typed function references they need not',
  },
  'mutable-global/linking': { lines: [207, 228, 236, 239, 248, 299, 335, 342, 345, 354], reason: lazySegments },
  ...Object.fromEntries(
    [
      'array_new_exact',
      'binary-descriptors',
      'br_on_cast',
      'br_on_cast_desc_eq',
      'br_on_cast_desc_eq_fail',
      'br_on_cast_fail',
      'descriptors',
      'exact',
      'exact-casts',
      'exact-func-import',
      'ref_cast_desc_eq',
      'ref_get_desc',
      'struct_new_desc',
    ].map((name) => [`custom-descriptors/${name}`, { lines: 'some', reason: descriptors }]),
  ),
}

export function optionsFor(group: string): EngineOptions {
  return groupOptions[group] ?? {}
}

export function knownFailureOf(group: string, name: string): KnownFailure | undefined {
  return knownFailures[`${group}/${name}`]
}

/** The files that `knownFailureOf` knows, as `<group>/<name>`. */
export const filesWithKnownFailures: readonly string[] = Object.keys(knownFailures)
