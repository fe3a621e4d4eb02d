export * as api from './api'
export { ExternType, ValueType } from './api'
export type { AsyncCallOptions, CallOptions, InstantiateOptions } from './call-options'
export { CompiledHostModule } from './compiled-host-module'
export type { AsyncCommandConfig, CommandConfig, CommandResult } from './command'
export { CompiledModule } from './compiled-module'
export { Engine, type EngineStats, type EngineTotals, type PrecompileOptions, type TaskStats } from './engine'
export type { CoredumpOptions, EngineOptions, PoolingOptions } from './engine-options'
export {
  ArgumentError,
  ArgumentRangeError,
  ClosedError,
  CompileError,
  type ErrorCode,
  ExitError,
  InterruptedError,
  LimitError,
  LinkError,
  type LinkProblem,
  OutOfFuelError,
  StoreBusyError,
  TrapError,
  WasmtimeError,
  wasmFramesOf,
} from './errors'
export { Func, type TypedFunc } from './func'
export type { FunctionDefinition } from './function-definition'
export {
  type FunctionCall,
  type FunctionListener,
  type FunctionListenerFactory,
  multiFunctionListenerFactory,
} from './function-listener'
export { ArrayRef, type GcRef, StructRef } from './gc-ref'
export { Global, type GlobalDescription } from './global'
export { GuestProfiler, type ProfilingOptions } from './guest-profiler'
export { HostFunctionBuilder } from './host-function-builder'
export { type HostLimits, HostModuleBuilder } from './host-module-builder'
export { HostModuleInstance } from './host-module-instance'
export * as assemblyscript from './imports/assemblyscript'
export * as emscripten from './imports/emscripten'
export type { AssemblyScriptOptions, AssemblyScriptOutput } from './imports/assemblyscript'
export type { EmscriptenOptions } from './imports/emscripten'
export { Instance } from './instance'
export type { Extern } from './instance-exports'
export type { GrowRequest, LimitName, Limits, Refusal, Usage } from './limits'
export { InstancePre, Linker, type LinkerFuncOptions } from './linker'
export { newHostLoggingListenerFactory, newLoggingListenerFactory } from './logging-listener'
export { Memory, type MemoryLimits } from './memory'
export { Module } from './module'
export type { CacheOptions, CacheStats } from './module-cache'
export type { AsyncModuleConfig, HostModuleConfig, ModuleConfig } from './module-config'
export { ModuleInstance } from './module-instance'
export { Runtime, type RuntimeStats } from './runtime'
export type { RuntimeOptions } from './runtime-options'
export type { SharedHandle } from './shared-handle'
export { SharedMemory, type SharedMemoryLimits } from './shared-memory'
export type { StopOptions } from './stopper'
export { Store, type StoreOptions } from './store'
export type { Mode } from './store-core'
export { Table, type TableDescription } from './table'
export { Tag, type TagDescription } from './tag'
export { type TrapCode, trapCodes } from './trap-code'
export type {
  CustomSection,
  ExternTypeDescription,
  FuncType,
  GlobalType,
  MemoryType,
  ModuleExport,
  ModuleImport,
  ModuleSource,
  TableType,
  TagType,
} from './types'
export type {
  ArgsOf,
  NullableRefTypeName,
  RefTypeName,
  ResultsOf,
  ValueOf,
  ValueTypeLike,
  ValueTypeName,
} from './value-type'
export { type WasiBuffers, wasiOutputOf } from './wasi-host'
export type { WasiInput, WasiInputPieces, WasiOptions, WasiOutput, WasiPreopen } from './wasi-options'
export { type Versions, versions } from './versions'
export { WasmException } from './wasm-exception'
export { type WasmFrame, renderFrame, renderTrace } from './wasm-frame'
export { type PrintOptions, wasm2wat, wat2wasm } from './wasm-text'
