import { checkBoolean, checkChoice, checkInteger, checkOptions } from './call-options'
import { makeDeterministic } from './determinism'
import { type CacheOptions, checkCache } from './module-cache'
import type { Binding } from './native'

/** Sizes of the pooling allocator; what is left out has Wasmtime's default. */
export interface PoolingOptions {
  /** Instances that can be alive at once; Wasmtime's default is 1000. */
  readonly totalCoreInstances?: number
  /** Memories that can be alive at once; Wasmtime's default is 1000. */
  readonly totalMemories?: number
  /** Tables that can be alive at once; Wasmtime's default is 1000. */
  readonly totalTables?: number
  /** Asynchronous calls that can be under way at once; Wasmtime's default is 1000. */
  readonly totalStacks?: number
  /** Bytes that each memory may grow to; Wasmtime's default is 4 GiB. */
  readonly maxMemorySize?: number
  /** Elements that each table may grow to; Wasmtime's default is 20000. */
  readonly tableElements?: number
}

/**
 * How modules are compiled and run. The switches of WebAssembly proposals have Wasmtime 48's defaults, given with each.
 */
export interface EngineOptions {
  /** 128-bit vectors; default true. */
  readonly simd?: boolean
  /** Relaxed vector operations; default true. Needs `simd`. */
  readonly relaxedSimd?: boolean
  /** Relaxed vector operations give the same results on every processor, at some cost; default false. */
  readonly relaxedSimdDeterministic?: boolean
  /** Atomic operations; default true. */
  readonly threads?: boolean
  /** Garbage-collected structs and arrays; default true. */
  readonly gc?: boolean
  /** Typed function references; default true. */
  readonly functionReferences?: boolean
  /** `externref` and `funcref` values; default true. */
  readonly referenceTypes?: boolean
  /** `memory.copy`, `table.init` and the like; default true. */
  readonly bulkMemory?: boolean
  /** Several results and block parameters; default true. */
  readonly multiValue?: boolean
  /** Exception handling; default true. */
  readonly exceptions?: boolean
  /** Tail calls; default true. */
  readonly tailCall?: boolean
  /** Several memories in a module; default true. */
  readonly multiMemory?: boolean
  /** 64-bit memories and tables; default true. */
  readonly memory64?: boolean
  /** Arithmetic in constant expressions; default true. */
  readonly extendedConst?: boolean
  /** Memories with pages of one byte; default false. */
  readonly customPageSizes?: boolean
  /** 128-bit integer arithmetic; default false. */
  readonly wideArithmetic?: boolean
  /** Hints of modules about which branches are likely, for the compiler; default false. */
  readonly branchHinting?: boolean
  /**
   * Whether memories can be shared between threads: `SharedMemory`, and those that modules define; default false. Wasmtime
   * calls its support for that tier 2: bugs in it are not treated as vulnerabilities.
   */
  readonly sharedMemory?: boolean
  /** How much the compiler optimises; default `'speed'`. */
  readonly optLevel?: 'none' | 'speed' | 'speed-and-size'
  /** The compiler; default `'auto'`, which is Cranelift. */
  readonly strategy?: 'auto' | 'cranelift'
  /** Whether a module's functions are compiled on several threads; default true. */
  readonly parallelCompilation?: boolean
  /**
   * Whether small functions are compiled into those that call them; default false. Programs become a few percent faster,
   * and the checks for interruption cost less, since there are fewer calls. Compiling takes longer, and the frames of an
   * error may lack functions that were compiled into others.
   */
  readonly inlining?: boolean
  /** Native debug information for gdb and lldb; default false. */
  readonly debugInfo?: boolean
  /**
   * Whether code checks at every loop and function if it should stop; default true. Without the checks tight loops run
   * up to twice as fast, and nothing can stop a guest that does not end: `timeoutMs`, `setDeadline`, `interrupt()` and async
   * mode are refused.
   */
  readonly interruptible?: boolean
  /**
   * Whether code counts what it does, so that stores and calls can have `fuel`; default false. Most instructions cost 1; it
   * is Wasmtime's count, the same on every run. Tight loops take up to twice as long.
   */
  readonly fuel?: boolean
  /** Bytes of native stack that wasm may use; default 524288 (512 KiB). */
  readonly maxWasmStack?: number
  /** Bytes of address space that each memory reserves; default 4 GiB on 64-bit machines. */
  readonly memoryReservation?: number
  /** Bytes of inaccessible address space after each memory; default 32 MiB on 64-bit machines. */
  readonly memoryGuardSize?: number
  /** Whether a memory that outgrows its reservation may move; default true. */
  readonly memoryMayMove?: boolean
  /** Whether every NaN result has the same bits on every processor, at some cost; default false. */
  readonly nanCanonicalization?: boolean
  /** Whether traps are found by signal handlers; default true. With false, checks are compiled in instead. */
  readonly signalsBasedTraps?: boolean
  /**
   * Threads on which asynchronous calls compute; they are started when there is work for them. Default: one less than
   * the machine has cores, at least one.
   */
  readonly poolThreads?: number
  /** Milliseconds that an asynchronous call may compute before others have their turn; default 1. */
  readonly sliceMs?: number
  /** Reserves all memory for instances ahead, which makes them cheaper; default false. */
  readonly pooling?: PoolingOptions | boolean
  /**
   * A directory in which compiled modules are kept, so that the next process that compiles the same module with the same
   * options has it at once. Default false: none. Under Node's permission model the program must be allowed to read and
   * write all that is in it (`ERR_ACCESS_DENIED`).
   */
  readonly cache?: string | CacheOptions | false
  /**
   * Whether runs are repeatable: the same module with the same inputs gives the same results, bit by bit, also on another
   * processor; default false. It sets `nanCanonicalization` and `relaxedSimdDeterministic`, and leaves `sharedMemory`
   * off; contradicting them is an error. Guests with WASI need `clock: { fixed }` and `random: { seed }` besides. What your host functions give, when calls are interrupted, and how much memory the machine has for a guest to
   * grow into, are inputs too.
   */
  readonly deterministic?: boolean
  /**
   * Whether a `TrapError` (or an `InterruptedError`, or `OutOfFuelError`) has a `coredump` of the guest; default false. It
   * is as large as what the guest's memories hold, and is made at once. There is none if the store's memories are larger
   * than `maxBytes`, by default 256 MiB, or if it has a global of a type that the format does not know (`exnref`).
   */
  readonly coredumpOnTrap?: boolean | CoredumpOptions
  /**
   * Tells a profiler of the system which code was compiled: `'perfmap'` writes `/tmp/perf-<pid>.map` (for Linux `perf`, on
   * Unix), `'jitdump'` a file `jit-<pid>.dump` in the working directory (for `perf inject`, on Linux), `'vtune'` notifies
   * Intel VTune (on x86-64). Default `'none'`.
   */
  readonly profiler?: 'none' | 'perfmap' | 'jitdump' | 'vtune'
}

/** How core dumps are made. */
export interface CoredumpOptions {
  /** Bytes of a store's memories and tables beyond which there is no dump; default 268435456 (256 MiB). */
  readonly maxBytes?: number
}

const DEFAULT_COREDUMP_LIMIT = 256 * 1024 * 1024

const switches = [
  'simd',
  'relaxedSimd',
  'relaxedSimdDeterministic',
  'threads',
  'gc',
  'functionReferences',
  'referenceTypes',
  'bulkMemory',
  'multiValue',
  'exceptions',
  'tailCall',
  'multiMemory',
  'memory64',
  'extendedConst',
  'customPageSizes',
  'wideArithmetic',
  'branchHinting',
  'sharedMemory',
  'parallelCompilation',
  'inlining',
  'debugInfo',
  'interruptible',
  'fuel',
  'memoryMayMove',
  'nanCanonicalization',
  'signalsBasedTraps',
] as const satisfies readonly (keyof EngineOptions)[]

const sizes = ['memoryReservation', 'memoryGuardSize'] as const satisfies readonly (keyof EngineOptions)[]

const poolingNames = [
  'totalCoreInstances',
  'totalMemories',
  'totalTables',
  'totalStacks',
  'maxMemorySize',
  'tableElements',
] as const satisfies readonly (keyof PoolingOptions)[]

/** @internal Names of all options. */
export const engineOptionNames = [
  ...switches,
  ...sizes,
  'optLevel',
  'strategy',
  'maxWasmStack',
  'pooling',
  'poolThreads',
  'sliceMs',
  'cache',
  'deterministic',
  'coredumpOnTrap',
  'profiler',
] as const satisfies readonly (keyof EngineOptions)[]

/** @internal Checks the options and turns them into what native code takes. */
export function checkEngineOptions(options: unknown, what = 'options'): Binding.EngineConfig {
  const given = checkOptions(options, what, engineOptionNames)
  const config: Binding.EngineConfig = {}
  for (const name of switches) {
    const value = checkBoolean(given[name], `${what}.${name}`)
    if (value !== undefined) config[name] = value
  }
  for (const name of sizes) {
    const value = checkInteger(given[name], `${what}.${name}`, 0, Number.MAX_SAFE_INTEGER)
    if (value !== undefined) config[name] = value
  }
  // 64 KiB is what the smallest useful guest needs; beyond 64 MiB no thread that Node.js makes has the stack.
  const stack = checkInteger(given.maxWasmStack, `${what}.maxWasmStack`, 2 ** 16, 2 ** 26)
  if (stack !== undefined) config.maxWasmStack = stack
  const level = checkChoice(given.optLevel, `${what}.optLevel`, ['none', 'speed', 'speed-and-size'])
  if (level !== undefined) config.optLevel = level
  const strategy = checkChoice(given.strategy, `${what}.strategy`, ['auto', 'cranelift'])
  if (strategy !== undefined) config.strategy = strategy
  const threads = checkInteger(given.poolThreads, `${what}.poolThreads`, 1, 1024)
  if (threads !== undefined) config.poolThreads = threads
  const slice = checkInteger(given.sliceMs, `${what}.sliceMs`, 1, 1000)
  if (slice !== undefined) config.sliceMs = slice
  if (given.pooling === true) config.pooling = {}
  else if (given.pooling !== undefined && given.pooling !== false) config.pooling = checkPooling(given.pooling, what)
  const cache = checkCache(given.cache, `${what}.cache`)
  if (cache !== undefined) config.cache = cache
  const profiler = checkChoice(given.profiler, `${what}.profiler`, ['none', 'perfmap', 'jitdump', 'vtune'])
  if (profiler !== undefined) config.profiler = profiler
  const limit = checkCoredump(given.coredumpOnTrap, `${what}.coredumpOnTrap`)
  if (limit !== undefined) config.coredumpLimit = limit
  if (checkBoolean(given.deterministic, `${what}.deterministic`)) makeDeterministic(config, what)
  return config
}

/** The limit of core dumps, `undefined` if there are to be none. */
function checkCoredump(value: unknown, what: string): number | undefined {
  if (value === undefined || value === false) return undefined
  if (value === true) return DEFAULT_COREDUMP_LIMIT
  const { maxBytes } = checkOptions(value, what, ['maxBytes'])
  return checkInteger(maxBytes, `${what}.maxBytes`, 0, Number.MAX_SAFE_INTEGER) ?? DEFAULT_COREDUMP_LIMIT
}

function checkPooling(options: unknown, what: string): Binding.PoolingConfig {
  const given = checkOptions(options, `${what}.pooling`, poolingNames)
  const config: Binding.PoolingConfig = {}
  for (const name of poolingNames) {
    const top = name === 'maxMemorySize' ? Number.MAX_SAFE_INTEGER : 2 ** 32 - 1
    const value = checkInteger(given[name], `${what}.pooling.${name}`, 0, top)
    if (value !== undefined) config[name] = value
  }
  return config
}
