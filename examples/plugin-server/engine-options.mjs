// The options of the engine. Code in the cache is found again by an engine with the same ones only, so the process that
// compiles and the server that runs have them from here.

/** @import { EngineOptions } from '../../index.mjs' */
/** @import { Config } from './config.mjs' */

/** Tables of an instance. */
export const TABLES = 4

/** Instances that are not for requests. */
const SPARE = 8

/**
 * @param {Pick<Config, 'cache' | 'maxRunning' | 'memoryBytes' | 'tableElements'>} config
 * @returns {EngineOptions}
 */
export function engineOptions({ cache, maxRunning, memoryBytes, tableElements }) {
  // Those that run, and some for versions that are tried.
  const instances = maxRunning + SPARE
  return {
    fuel: true,
    cache,
    // Memory for all of them is set aside once: making and freeing an instance takes half as long.
    pooling: {
      totalCoreInstances: instances,
      totalMemories: instances,
      totalTables: instances * TABLES,
      totalStacks: instances,
      maxMemorySize: memoryBytes,
      tableElements,
    },
    // Guests have no use for these here. What is off cannot be attacked.
    threads: false,
    multiMemory: false,
    memory64: false,
  }
}
