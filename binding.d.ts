/* eslint-disable */
/** A shared memory, seen from JavaScript: an external value that only the addon can read. */
export interface SharedMemoryHandle {
  readonly __memory: unique symbol
}

/** A store, seen from JavaScript: an external value that only the addon can read. */
export interface StoreHandle {
  readonly __store: unique symbol
}

/**
 * Which binding artifact the generated loader actually loaded: `'native'` for
 * a native addon, otherwise the `platformArchABI` of the WASI flavor. Every
 * flavor napi-rs can build is listed, because `NAPI_RS_NATIVE_LIBRARY_PATH`
 * can point the loader at a WASI artifact this package does not build itself.
 */
export declare const __napiBindingTarget: 'native' | 'wasm32-wasi' | 'wasm32-wasip1'

/** How modules are compiled and run. */
export declare class Engine {
  constructor(config: EngineConfig)
  /** Makes the engine known under an id, by which other threads of the process can attach to it while it is alive. */
  share(id: string): void
  /** The engine that is known under an id, for this environment; null if there is none. */
  static attach(id: string): Engine | null
  /** An engine with the same options that compiles for another kind of machine. Nothing can be run with it. */
  forTarget(target: string): Engine
  /** What the cache has done; null if there is none. */
  get cacheStats(): CacheStats | null
  /** Why the cache could not be used, if that is new. */
  takeCacheFailure(): string | null
  /** Whether functions may have several results. */
  get multiValue(): boolean
  /** What is alive. */
  stats(): EngineStats
  /** Has every call stop that runs now in a store of this engine, in whatever environment. */
  interrupt(): void
  /** Closes every store that was made with this object; their instances answer later calls with `ExitError`. */
  closeStores(exitCode: number): void
}

/** A profile under way. */
export declare class GuestProfiler {
  /** Begins a profile of a store: of the modules that have instances in it, and of `modules`. */
  static start(store: StoreHandle, name: string, intervalMs: number, modules: Array<Module>): GuestProfiler
  /** Ends it; gives the profile, as JSON. */
  finish(store: StoreHandle): Uint8Array
}

/** A module whose imports are resolved, ready to be instantiated any number of times. */
export declare class InstancePre {
  /**
   * Makes an instance; gives its slot. `object` is what host functions get as the importing instance. `timeout_ms` stops
   * the start function.
   */
  instantiateIn(store: StoreHandle, object: object, timeoutMs?: number | undefined | null): number
  /**
   * Begins an instance in a store in async mode; gives the number of the operation that makes it. `object` is as for
   * `instantiateIn`; `slot` is that of an attempt before, which found no memory.
   */
  beginInstance(store: StoreHandle, object: object, slot?: number | undefined | null): number
  /** Lets go of the module and the definitions. Instances are not affected. */
  close(): void
}

/** A set of definitions that modules can import. */
export declare class Linker {
  constructor(engine: Engine)
  /** Whether a definition may replace another of the same name. */
  setAllowShadowing(allow: boolean): void
  /** What to do with undefined imports: 0 refuses, 1 makes functions that trap, 2 makes default values. */
  setUnknownImports(policy: number): void
  /** Defines a JavaScript function. `stack` is the array of the stack style. JavaScript keeps both alive. */
  defineFunc(module: string, name: string, config: HostFuncConfig, callback: (...args: any[]) => unknown, stack?: BigUint64Array | undefined): void
  /**
   * Defines functions of one of WASI's modules; all that it has, or those of these names. Which names there are is told
   * by `wasiFunctionNames`; others are passed over.
   */
  defineWasi(module: string, names?: Array<string> | undefined | null): void
  /** Defines something of a store. */
  defineExtern(module: string, name: string, store: StoreHandle, index: number): void
  /** Defines a shared memory. */
  defineSharedMemory(module: string, name: string, memory: SharedMemory): void
  /** Defines `module.name` also as `asModule.asName`. */
  alias(module: string, name: string, asModule: string, asName: string): void
  /** Defines all that another linker defines under a module's name, sharing the definitions. */
  defineAllOf(other: Linker, module: string, asModule: string): void
  /** Forgets all definitions. What is linked already is not affected. */
  close(): void
  /** The names of what a module of the linker defines. */
  names(module: string): Array<string>
  /** The handle of a definition in a store, null if there is none. */
  get(store: StoreHandle, module: string, name: string): number | null
  /** Resolves a module's imports; with a store, what belongs to one is checked at once, too. */
  instantiatePre(module: Module, store?: StoreHandle | undefined): InstancePre
  /** Defines the exports of a command module as functions that make a fresh instance for each call. */
  defineCommand(store: StoreHandle, name: string, module: Module): void
}

/** A compiled module. */
export declare class Module {
  /** Compiles on other threads; the promise gives the module. */
  static compile(engine: Engine, source: Uint8Array | ArrayBufferLike | string): Promise<Module>
  /** Compiles a file on other threads; the promise gives the module. */
  static compileFile(engine: Engine, path: string): Promise<Module>
  /** Compiles while JavaScript waits. */
  static compileSync(engine: Engine, source: Uint8Array | ArrayBufferLike | string): Module
  /** Checks a module without compiling it; throws what is wrong with it. */
  static validate(engine: Engine, source: Uint8Array | ArrayBufferLike | string): void
  /** The compiled code as bytes. */
  serialize(): Buffer
  /** The module of bytes that `serialize` or `precompile` gave. They are trusted. */
  static unsafeDeserialize(engine: Engine, bytes: Uint8Array | ArrayBufferLike): Module
  /** As `unsafeDeserialize`, from a file, which is mapped. */
  static unsafeDeserializeFile(engine: Engine, path: string): Module
  /** Compiles on other threads; the promise gives the bytes that `unsafeDeserialize` takes. */
  static precompile(engine: Engine, source: Uint8Array | ArrayBufferLike | string): Promise<Buffer>
  /** Whether bytes are what `serialize` or `precompile` gave, by their form. */
  static isPrecompiled(bytes: Uint8Array | ArrayBufferLike): boolean
  /** Makes the module known under an id, by which other threads of the process can attach to it while it is not closed. */
  share(id: string): void
  /** The module that is known under an id, for an engine of this environment; null if there is none. */
  static attach(engine: Engine, id: string): Module | null
  /** Name of the name section. */
  get name(): string | null
  get imports(): Array<ImportInfo>
  get exports(): Array<ExportInfo>
  /** The functions of the imports, in their order. */
  get importedFunctions(): Array<FunctionInfo>
  /** The functions of the exports, in their order. */
  get exportedFunctions(): Array<FunctionInfo>
  /** The function that instantiation runs. */
  get startFunction(): FunctionInfo | null
  /** The custom sections, of one name or all. */
  customSections(name?: string | undefined | null): Array<CustomSectionInfo>
  /** Frees the compiled code once no instance uses it. Idempotent. */
  close(): void
  get closed(): boolean
}

/** A memory that threads share. */
export declare class SharedMemory {
  constructor(engine: Engine, config: MemoryConfig)
  /** What the raw functions take. Only as long as this object lives. */
  handle(): SharedMemoryHandle
  /** Where its bytes are: the same number for the same memory. */
  address(): number
  /** Its limits. */
  memoryType(): ExternTypeInfo
  /** Makes it known under an id to all threads of the process, as long as one of them has it. */
  share(id: string): void
  /** The memory that has been shared under an id, null if there is none. */
  static attach(id: string): SharedMemory | null
  /** Lets go of the memory, which lives on as long as others have it. */
  close(): void
}

/** The WASI of one store, as JavaScript sees it. It outlives the store. */
export declare class Wasi {
  /** Opens the directories. */
  constructor(config: WasiConfig)
  /**
   * Gives it to a store, which has none yet. `deliver` is called without arguments when there is something to take; in
   * async mode the guest waits for the promise that it returns. JavaScript keeps it alive.
   */
  attach(store: StoreHandle, deliver?: (() => unknown) | undefined): void
  /** What the guest has written to its standard output since this was called last. */
  takeStdout(): Buffer
  /** The same of its standard error. */
  takeStderr(): Buffer
  /** What the guest has given `proc_exit`; null if it has not called it. */
  get exitCode(): number | null
  /** Gives the guest bytes to read; whether it can take more before it has read them. */
  pushInput(bytes: Uint8Array): boolean
  /** Ends the guest's input. */
  endInput(): void
  /** Ends it with an error, which the call comes to that reads it. */
  failInput(reason: unknown): void
}

/** A directory of compiled modules. */
export interface CacheConfig {
  directory: string
  maxBytes: number
  maxAgeMs: number
  /** Who must own it, where files have owners. */
  owner?: number
}

/** What a file in a cache is by its name: `entry`, `temporary`, or `key`; null if it is not the cache's own. */
export declare function cacheFileKind(name: string): string | null

/** Why nothing in a cache can be used; null if it can. */
export declare function cacheProblem(config: CacheConfig): string | null

/** What a cache has done since its engine was made. */
export interface CacheStats {
  hits: number
  misses: number
  rejected: number
  written: number
  removed: number
  failures: number
}

/** Has V8 collect at once, and frees the stores that JavaScript has lost: for when the system has no memory left. */
export declare function collectStores(): void

/** A custom section. */
export interface CustomSectionInfo {
  name: string
  data: Buffer
}

/**
 * Has the process end by SIGPIPE, as programs do by default, where Node.js has it go on with an error. For the command line
 * alone: it holds for the whole process. Nothing happens where there are no such signals.
 */
export declare function endByBrokenPipe(): void

/** Options of an engine; what is left out has Wasmtime's default. `lib/engine-options.ts` documents and checks them. */
export interface EngineConfig {
  simd?: boolean
  relaxedSimd?: boolean
  relaxedSimdDeterministic?: boolean
  threads?: boolean
  gc?: boolean
  functionReferences?: boolean
  referenceTypes?: boolean
  bulkMemory?: boolean
  multiValue?: boolean
  exceptions?: boolean
  tailCall?: boolean
  multiMemory?: boolean
  memory64?: boolean
  extendedConst?: boolean
  customPageSizes?: boolean
  wideArithmetic?: boolean
  branchHinting?: boolean
  sharedMemory?: boolean
  /** `none`, `speed` or `speed-and-size`. */
  optLevel?: string
  /** `auto` or `cranelift`. */
  strategy?: string
  parallelCompilation?: boolean
  inlining?: boolean
  debugInfo?: boolean
  interruptible?: boolean
  fuel?: boolean
  maxWasmStack?: number
  memoryReservation?: number
  memoryGuardSize?: number
  memoryMayMove?: boolean
  nanCanonicalization?: boolean
  signalsBasedTraps?: boolean
  pooling?: PoolingConfig
  poolThreads?: number
  sliceMs?: number
  /** Bytes of memory up to which traps have a core dump; none without it. */
  coredumpLimit?: number
  /** `none`, `perfmap`, `jitdump` or `vtune`. */
  profiler?: string
  /** What precompiled code is for, as a target triple; for engines that run nothing. */
  target?: string
  cache?: CacheConfig
}

/** What is alive of an engine in this environment. */
export interface EngineStats {
  /** Stores that are not closed. */
  stores: number
  /** Instances in them. */
  instances: number
  /** JavaScript functions that linkers and stores can call. */
  hostFunctions: number
  /** Bytes of the linear memories and tables in them. */
  memoryBytes: number
  /** Asynchronous calls by what they do. */
  tasks: TaskStats
  /** Modules that are not closed. */
  compiledModules: number
  /** Bytes of their code, with the data that belongs to it. */
  codeBytes: number
  /** What the engine has done since it was made. */
  totals: EngineTotals
}

/** What an engine has done since it was made. */
export interface EngineTotals {
  /** Calls of exported functions, and instantiations. */
  calls: number
  /** Calls of JavaScript functions by guests. */
  hostCalls: number
  /** Calls and instantiations that have ended in a trap. */
  traps: number
  /** Calls and instantiations that were interrupted. */
  interrupts: number
  /** Modules that were compiled or loaded. */
  compiledModules: number
}

/** What an error carries besides its message. */
export interface ErrorDetail {
  frames?: Array<FrameInfo>
  trapCode?: string
  problems?: Array<LinkProblemInfo>
  exitCode?: number
  offset?: number
  coredump?: Uint8Array
  /** The limit of the store that was reached. */
  limit?: RefusalInfo
}

/** The name of the module in an entry of a cache, empty if it has none; null if the entry is not authentic. */
export declare function examineCacheEntry(config: CacheConfig, name: string): string | null

/** An export of a module. */
export interface ExportInfo {
  name: string
  type: ExternTypeInfo
}

/** The type of what a handle of a store stands for. */
export declare function externType(store: StoreHandle, index: number): ExternTypeInfo

/** The type of something that can be imported or exported. Which fields there are depends on `kind`. */
export interface ExternTypeInfo {
  /** `func`, `memory`, `global`, `table` or `tag`. */
  kind: string
  /** Functions and tags: types of the parameters. */
  params?: Array<string>
  /** Functions and tags: types of the results. */
  results?: Array<string>
  /** Globals: type of the value. */
  content?: string
  /** Globals: whether it can be set. */
  mutable?: boolean
  /** Tables: type of the elements. */
  element?: string
  /** Memories (pages) and tables (elements): the least size. */
  minimum?: number
  /** Memories (pages) and tables (elements): the greatest size, left out if there is none. */
  maximum?: number
  /** Memories and tables: whether indexes are i64. */
  is64?: boolean
  /** Memories: whether it can be shared between threads. */
  shared?: boolean
  /** Memories: bytes of a page. */
  pageSize?: number
}

/** One function on the stack at the time of an error, innermost first. */
export interface FrameInfo {
  moduleName?: string
  functionIndex?: number
  functionName?: string
  signature?: string
  moduleOffset?: number
  functionOffset?: number
  file?: string
  line?: number
  column?: number
  host: boolean
}

/** Makes a function of a store from a JavaScript function; gives its handle. JavaScript keeps the callback alive. */
export declare function funcNew(store: StoreHandle, config: HostFuncConfig, callback: (...args: any[]) => unknown): number

/** A function that a module imports or exports, with its names. */
export interface FunctionInfo {
  /** Index in the module's function index space. */
  index: number
  /** Name of the name section, empty if there is none. */
  name: string
  paramNames: Array<string>
}

/** Type of a global. */
export interface GlobalConfig {
  content: string
  mutable: boolean
}

/** Makes a global in a store; gives its handle. */
export declare function globalNew(store: StoreHandle, config: GlobalConfig, value: unknown): number

/** A host function of a linker, as JavaScript describes it. */
export interface HostFuncConfig {
  /** Module name in messages and traces. */
  module: string
  /** Function name in messages and traces. */
  name: string
  /** Types; both or none. Without them the function takes the type of each import. */
  params?: Array<string>
  results?: Array<string>
  /** Whether the first argument is the importing instance. */
  withModule: boolean
  /** Whether the guest does not wait for it. */
  notify?: boolean
}

/** An import of a module. */
export interface ImportInfo {
  module: string
  name: string
  type: ExternTypeInfo
}

/** Limits of a store; what is left out has none. `lib/limits.ts` documents and checks them. */
export interface LimitsConfig {
  memoryBytes?: number
  tableElements?: number
  instances?: number
  memories?: number
  tables?: number
  /** Whether JavaScript is asked as well; the function is `onGrow` of the `StoreCore`. */
  onGrow?: boolean
}

/** One import that cannot be linked. */
export interface LinkProblemInfo {
  module: string
  name: string
  /** `missing`, `mismatch`, `wrong-store` or `other`. */
  reason: string
  expected?: string
  actual?: string
}

/** Limits of a memory in pages. */
export interface MemoryConfig {
  minimum: number
  maximum?: number
  is64?: boolean
}

/** Makes a memory in a store; gives its handle. */
export declare function memoryNew(store: StoreHandle, config: MemoryConfig): number

/** What is in a module. */
export interface ModuleOutline {
  /** Of the name section. */
  name?: string
  imports: Array<OutlineItem>
  exports: Array<OutlineItem>
  /** All memories, tables, globals and tags, imported ones first. */
  memories: Array<OutlineItem>
  tables: Array<OutlineItem>
  globals: Array<OutlineItem>
  tags: Array<OutlineItem>
  importedFunctions: number
  definedFunctions: number
  /** Index of the function that instantiation runs. */
  start?: number
  dataSegments: number
  elementSegments: number
  codeBytes: number
  functionNames: Array<OutlineName>
  /** How many names the name section has, by what they name. */
  nameCounts: Array<OutlineCount>
  customSections: Array<OutlineSection>
  /** Proposals without which the module is not valid. */
  features: Array<string>
}

/** How many names of a kind there are. */
export interface OutlineCount {
  kind: string
  count: number
}

/** One import or export, or a memory, table, global or tag. */
export interface OutlineItem {
  /** Position in its index space. */
  index: number
  /** Imports: the module that it is imported from. */
  module?: string
  /** Imports and exports. */
  name?: string
  /** What the name section calls it. */
  symbol?: string
  type: ExternTypeInfo
  /** Functions: what the name section calls the parameters, empty where it does not; empty if it names none. */
  paramNames: Array<string>
}

/** What is in a module of the binary format. */
export declare function outlineModule(bytes: Uint8Array | ArrayBufferLike): Promise<ModuleOutline>

/** A function that the name section names. */
export interface OutlineName {
  index: number
  name: string
}

export interface OutlineSection {
  name: string
  bytes: number
}

/** Sizes of the pooling allocator: all memory for instances is reserved ahead, which makes instantiation cheaper. */
export interface PoolingConfig {
  totalCoreInstances?: number
  totalMemories?: number
  totalTables?: number
  totalStacks?: number
  maxMemorySize?: number
  tableElements?: number
}

/** A directory of the host that the guest sees. */
export interface PreopenConfig {
  guest: string
  host: string
  write: boolean
}

/** How a module is printed, as `lib/wasm-text.ts` has checked it. */
export interface PrintConfig {
  /** Without the bodies of functions and the contents of segments. */
  skeleton: boolean
  /** With the offset in the binary of each line, as a comment. */
  offsets: boolean
  /** Instructions within each other, as expressions. */
  fold: boolean
  /** Bytes that the text may have. */
  maxLength: number
}

/** Prints a module of the binary format; gives the text as UTF-8. */
export declare function printWasm(bytes: Uint8Array | ArrayBufferLike, config: PrintConfig): Buffer

/** A request that a limit has refused. */
export interface RefusalInfo {
  /** The limit's name, as in `lib/limits.ts`. */
  limit: string
  /** Its value; none for `onGrow`. */
  value?: number
  /** What there would have been in all. */
  requested: number
}

/**
 * Gives the addon, for this environment, the functions that make and annotate errors, the one that
 * wraps functions, and the two symbols that mark functions. Called once by `lib/func.ts` when it is loaded.
 */
export declare function registerEnvironment(createError: (kind: string, message: string, detail: any) => Error, attachFrames: (thrown: unknown, frames: any) => void, wrapFunc: (core: any, index: number) => object, storeKey: symbol, indexKey: symbol): void

/**
 * Gives the addon, for this environment, the function that makes the handles of structs, arrays and exceptions, and the
 * symbol under which they keep their numbers. Called once by `lib/gc-ref.ts` when it is loaded.
 */
export declare function registerReferences(wrap: (core: any, index: number, kind: number, tag: number, payload: any) => object, key: symbol): void

/**
 * Gives the addon, for this environment, a function that calls `noteStack` deeper and deeper in the stack until that gives
 * true, and then gives true; or false if JavaScript's stack ends before.
 */
export declare function registerStackProbe(probe: () => boolean): void

/**
 * Gives the addon, for this environment, the functions that take up tasks: one for those that come home, one for those
 * whose store was closed, one that calls `takeUpArrivals` at the next turn of the event loop, one that runs notices,
 * and one for those that were interrupted. Called once by `lib/operation.ts` when it is loaded.
 */
export declare function registerTasks(arrived: (core: any) => void, storeClosed: (core: any) => void, deferred: () => void, notified: (core: any) => void, interrupted: (core: any) => void): void

/** The shared memory of a handle of a store. */
export declare function sharedMemoryOf(store: StoreHandle, index: number): SharedMemory

/** Closes a store. With an exit code its instances answer later calls with an `ExitError`. */
export declare function storeClose(store: StoreHandle, exitCode?: number | undefined | null): void

/**
 * Collects the store's garbage: reference values that wasm no longer holds, and objects of wasm that JavaScript no longer
 * holds.
 */
export declare function storeGc(store: StoreHandle): void

export declare function storeIsClosed(store: StoreHandle): boolean

/** The mode of a store: `sync`, `async`, or `undecided`. */
export declare function storeMode(store: StoreHandle): string

/**
 * Makes a store. `holder` is the array of the store's JavaScript side; it must live as long as anything that can
 * reach the store, and the store ends when it is gone. Without `isAsync` the first use decides the mode. With
 * `limits.onGrow`, JavaScript asks the function of that name of the `StoreCore`.
 */
export declare function storeNew(engine: Engine, holder: unknown[], isAsync?: boolean | undefined | null, limits?: LimitsConfig | undefined | null): StoreHandle

/** Decides the mode of a store: async or sync. */
export declare function storeRequireMode(store: StoreHandle, isAsync: boolean): void

/** The deadline of all later calls of a store, so many milliseconds from now; `undefined` for none. */
export declare function storeSetDeadline(store: StoreHandle, milliseconds?: number | undefined | null): void

/** What a store has taken; of one that is closed, nothing. */
export declare function storeUsage(store: StoreHandle): UsageInfo

/** Type and limits of a table. */
export interface TableConfig {
  element: string
  minimum: number
  maximum?: number
}

/** Makes a table in a store, filled with `init`; gives its handle. */
export declare function tableNew(store: StoreHandle, config: TableConfig, init: unknown): number

/** Makes a tag in a store; gives its handle. */
export declare function tagNew(store: StoreHandle, params: Array<string>): number

/** Asynchronous calls and instantiations that have not settled. */
export interface TaskStats {
  /** They have not begun: they wait for another call in their store, or for their first turn of the event loop. */
  queued: number
  /** They have the JavaScript thread, or wait for their next turn on it. */
  home: number
  /** They compute on another thread, or wait for one. */
  pool: number
  /** They wait for a promise, or for a call that is nested in them. */
  parked: number
}

/** What a store has taken. */
export interface UsageInfo {
  memoryBytes: number
  tableElements: number
  instances: number
  memories: number
  tables: number
  /** The latest refusals, oldest first. */
  refused: Array<RefusalInfo>
}

export declare function versions(): Versions

/** Wasmtime's and this addon's versions. */
export interface Versions {
  /** Version of the `wasmtime` crate. */
  wasmtime: string
  /** Version of this package's native part. */
  addon: string
}

/** Options of WASI, as `lib/wasi-options.ts` has checked them. */
export interface WasiConfig {
  args: Array<string>
  /** Names and values, one after the other. */
  env: Array<string>
  preopens: Array<PreopenConfig>
  /** `empty`, `inherit`, `bytes` or `pieces`. */
  stdin: string
  stdinBytes?: Uint8Array
  /** `buffer`, `pieces`, `inherit` or `ignore`. */
  stdout: string
  stderr: string
  /** Bytes that a buffer keeps. */
  stdoutLimit: number
  stderrLimit: number
  /** Seconds and nanoseconds at which the clock stands still. */
  fixedClock?: Array<number>
  /** The seed of all randomness, 32 bits a number, the lower ones first. */
  seed?: Array<number>
  /** Whether it is for a store in async mode. */
  isAsync: boolean
}

/** The names of the functions of one of WASI's modules. */
export declare function wasiFunctionNames(module: string): Array<string>

/** Translates the text format to the binary format. */
export declare function wat2wasm(text: string): Uint8Array
