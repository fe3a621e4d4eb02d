//! An engine: how modules are compiled and run. Shared by every module, linker and store made from it.
//! Lives on: the JavaScript thread; Wasmtime's engine inside is shared with the compile threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use napi::bindgen_prelude::Env;
use napi_derive::napi;
use wasmtime::{
  Config, Inlining, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, ProfilingStrategy, Strategy,
  WasmBacktraceDetails,
};

use crate::compute_pool::ComputePool;
use crate::engine_counts::Counts;
use crate::env_state::EnvState;
use crate::failure::{Failure, FailureKind, TypedFailure};
use crate::module_cache::{ModuleCache, OwnName, own_name};
use crate::raw_env::RawEnv;
use crate::shared_handles::SharedHandles;
use crate::store::{StoreInner, StorePin, not_interruptible};
use crate::ticker::Pulse;

/// Frames that an error's trace keeps.
pub const MAX_FRAMES: usize = 64;

/// What the stack of a fiber has beyond wasm's part: for Wasmtime's own code, of which looking up source lines for a
/// trace needs most.
const FIBER_MARGIN: usize = 512 * 1024;

/// Options of an engine; what is left out has Wasmtime's default. `lib/engine-options.ts` documents and checks them.
#[napi(object)]
#[derive(Clone, Default)]
pub struct EngineConfig {
  pub simd: Option<bool>,
  pub relaxed_simd: Option<bool>,
  pub relaxed_simd_deterministic: Option<bool>,
  pub threads: Option<bool>,
  pub gc: Option<bool>,
  pub function_references: Option<bool>,
  pub reference_types: Option<bool>,
  pub bulk_memory: Option<bool>,
  pub multi_value: Option<bool>,
  pub exceptions: Option<bool>,
  pub tail_call: Option<bool>,
  pub multi_memory: Option<bool>,
  pub memory64: Option<bool>,
  pub extended_const: Option<bool>,
  pub custom_page_sizes: Option<bool>,
  pub wide_arithmetic: Option<bool>,
  pub branch_hinting: Option<bool>,
  pub shared_memory: Option<bool>,
  /// `none`, `speed` or `speed-and-size`.
  pub opt_level: Option<String>,
  /// `auto` or `cranelift`.
  pub strategy: Option<String>,
  pub parallel_compilation: Option<bool>,
  pub inlining: Option<bool>,
  pub debug_info: Option<bool>,
  pub interruptible: Option<bool>,
  pub fuel: Option<bool>,
  pub max_wasm_stack: Option<u32>,
  pub memory_reservation: Option<f64>,
  pub memory_guard_size: Option<f64>,
  pub memory_may_move: Option<bool>,
  pub nan_canonicalization: Option<bool>,
  pub signals_based_traps: Option<bool>,
  pub pooling: Option<PoolingConfig>,
  pub pool_threads: Option<u32>,
  pub slice_ms: Option<u32>,
  /// Bytes of memory up to which traps have a core dump; none without it.
  pub coredump_limit: Option<f64>,
  /// `none`, `perfmap`, `jitdump` or `vtune`.
  pub profiler: Option<String>,
  /// What precompiled code is for, as a target triple; for engines that run nothing.
  pub target: Option<String>,
  pub cache: Option<CacheConfig>,
}

/// A directory of compiled modules.
#[napi(object)]
#[derive(Clone)]
pub struct CacheConfig {
  pub directory: String,
  pub max_bytes: f64,
  pub max_age_ms: f64,
  /// Who must own it, where files have owners.
  pub owner: Option<u32>,
}

/// Sizes of the pooling allocator: all memory for instances is reserved ahead, which makes instantiation cheaper.
#[napi(object)]
#[derive(Clone, Default)]
pub struct PoolingConfig {
  pub total_core_instances: Option<u32>,
  pub total_memories: Option<u32>,
  pub total_tables: Option<u32>,
  pub total_stacks: Option<u32>,
  pub max_memory_size: Option<f64>,
  pub table_elements: Option<u32>,
}

/// How modules are compiled and run.
#[napi]
pub struct Engine {
  parts: Arc<EngineParts>,
  /// JavaScript functions of this environment that linkers and stores of this engine can call.
  pub(crate) host_functions: Arc<AtomicU32>,
}

impl std::ops::Deref for Engine {
  type Target = EngineParts;

  fn deref(&self) -> &EngineParts {
    &self.parts
  }
}

/// What the environments that share an engine have in common. Lives on: any thread.
pub struct EngineParts {
  pub inner: wasmtime::Engine,
  pub max_wasm_stack: usize,
  pub memory_reservation: u64,
  pub memory_may_move: bool,
  pub multi_value: bool,
  /// Bytes of memory beyond which there is no core dump.
  pub coredump_limit: i64,
  pub counts: Arc<Counts>,
  pub counts_fuel: bool,
  pub run_async: Arc<RunAsync>,
  pub cache: Option<ModuleCache>,
  /// What it was made with.
  pub config: EngineConfig,
}

/// The engines that have been shared, by the number in their handle.
static SHARED: SharedHandles<EngineParts> = SharedHandles::new();

/// What async mode needs of an engine.
pub struct RunAsync {
  pub pool: Arc<ComputePool>,
  pub pulse: Arc<Pulse>,
  pub slice_ms: u32,
  pub interruptible: bool,
}

/// What is alive of an engine in this environment.
#[napi(object)]
pub struct EngineStats {
  /// Stores that are not closed.
  pub stores: u32,
  /// Instances in them.
  pub instances: u32,
  /// JavaScript functions that linkers and stores can call.
  pub host_functions: u32,
  /// Bytes of the linear memories and tables in them.
  pub memory_bytes: f64,
  /// Asynchronous calls by what they do.
  pub tasks: TaskStats,
  /// Modules that are not closed.
  pub compiled_modules: u32,
  /// Bytes of their code, with the data that belongs to it.
  pub code_bytes: f64,
  /// What the engine has done since it was made.
  pub totals: EngineTotals,
}

/// What an engine has done since it was made.
#[napi(object)]
pub struct EngineTotals {
  /// Calls of exported functions, and instantiations.
  pub calls: f64,
  /// Calls of JavaScript functions by guests.
  pub host_calls: f64,
  /// Calls and instantiations that have ended in a trap.
  pub traps: f64,
  /// Calls and instantiations that were interrupted.
  pub interrupts: f64,
  /// Modules that were compiled or loaded.
  pub compiled_modules: f64,
}

/// What a cache has done since its engine was made.
#[napi(object)]
pub struct CacheStats {
  pub hits: u32,
  pub misses: u32,
  pub rejected: u32,
  pub written: u32,
  pub removed: u32,
  pub failures: u32,
}

/// Asynchronous calls and instantiations that have not settled.
#[napi(object)]
pub struct TaskStats {
  /// They have not begun: they wait for another call in their store, or for their first turn of the event loop.
  pub queued: u32,
  /// They have the JavaScript thread, or wait for their next turn on it.
  pub home: u32,
  /// They compute on another thread, or wait for one.
  pub pool: u32,
  /// They wait for a promise, or for a call that is nested in them.
  pub parked: u32,
}

#[napi]
impl Engine {
  #[napi(constructor, catch_unwind)]
  pub fn new(env: Env, config: EngineConfig) -> napi::Result<Self> {
    Self::make(&config).map_err(|failure| failure.into_napi(RawEnv(env.raw())))
  }

  fn make(options: &EngineConfig) -> Result<Self, Failure> {
    let mut config = Config::new();
    config.wasm_backtrace_max_frames(std::num::NonZeroUsize::new(MAX_FRAMES));
    config.wasm_backtrace_details(WasmBacktraceDetails::Enable);
    apply_proposals(&mut config, options);
    let interruptible = options.interruptible.unwrap_or(true);
    config.epoch_interruption(interruptible);
    let counts_fuel = options.fuel.unwrap_or(false);
    config.consume_fuel(counts_fuel);
    #[cfg(unix)]
    config.with_host_stack(Arc::new(crate::fiber_stacks::FiberStacks::new()));
    apply_compiler(&mut config, options)?;
    apply_memory(&mut config, options);
    if let Some(target) = &options.target {
      config.target(target).map_err(|error| Failure::type_error(format!("{error:#}")))?;
    }
    apply_observation(&mut config, options)?;
    let inner = wasmtime::Engine::new(&config)
      .map_err(|error| Failure::type_error(format!("the engine's options do not fit together: {error:#}")))?;
    let parts = Arc::new(EngineParts {
      max_wasm_stack: inner.get_max_wasm_stack(),
      memory_reservation: inner.get_memory_reservation(),
      memory_may_move: inner.get_memory_may_move(),
      multi_value: options.multi_value.unwrap_or(true),
      coredump_limit: options.coredump_limit.map_or(0, |limit| i64::try_from(bytes(limit)).unwrap_or(i64::MAX)),
      counts: Arc::default(),
      counts_fuel,
      run_async: Arc::new(RunAsync {
        pool: ComputePool::new(options.pool_threads),
        pulse: Pulse::new(&inner),
        slice_ms: options.slice_ms.unwrap_or(1).max(1),
        interruptible,
      }),
      inner,
      cache: options.cache.as_ref().map(open_cache),
      config: options.clone(),
    });
    Ok(Self { parts, host_functions: Arc::default() })
  }

  /// Makes the engine known under an id, by which other threads of the process can attach to it while it is alive.
  #[napi(catch_unwind)]
  pub fn share(&self, id: String) {
    SHARED.add(id, &self.parts);
  }

  /// The engine that is known under an id, for this environment; null if there is none.
  #[napi(catch_unwind)]
  pub fn attach(id: String) -> Option<Engine> {
    SHARED.get(&id).map(|parts| Self { parts, host_functions: Arc::default() })
  }

  /// An engine with the same options that compiles for another kind of machine. Nothing can be run with it.
  #[napi(catch_unwind)]
  pub fn for_target(&self, env: Env, target: String) -> napi::Result<Engine> {
    let config = EngineConfig { target: Some(target.clone()), cache: None, ..self.config.clone() };
    // The same options have made an engine before, so it is the target that does not fit.
    let made = Self::make(&config).map_err(|failure| match failure {
      Failure::Typed(typed) => {
        let reason = &typed.message;
        Failure::type_error(format!("options.target: this package cannot compile for \"{target}\": {reason}"))
      }
      other => other,
    });
    made.map_err(|failure| failure.into_napi(RawEnv(env.raw())))
  }

  /// What the cache has done; null if there is none.
  #[napi(getter, catch_unwind)]
  pub fn cache_stats(&self) -> Option<CacheStats> {
    let counts = &self.cache.as_ref()?.counts;
    let read = |counter: &AtomicU32| counter.load(Ordering::Relaxed);
    Some(CacheStats {
      hits: read(&counts.hits),
      misses: read(&counts.misses),
      rejected: read(&counts.rejected),
      written: read(&counts.written),
      removed: read(&counts.removed),
      failures: read(&counts.failures),
    })
  }

  /// Why the cache could not be used, if that is new.
  #[napi(catch_unwind)]
  pub fn take_cache_failure(&self) -> Option<String> {
    self.cache.as_ref()?.take_failure()
  }

  pub(crate) fn parts(&self) -> Arc<EngineParts> {
    Arc::clone(&self.parts)
  }

  /// Whether functions may have several results.
  #[napi(getter, catch_unwind)]
  pub fn multi_value(&self) -> bool {
    self.parts.multi_value
  }

  /// What is alive.
  #[napi(catch_unwind)]
  pub fn stats(&self, env: Env) -> napi::Result<EngineStats> {
    let environment = EnvState::of(RawEnv(env.raw()))?;
    environment.drain_released();
    let counted = self.counts.read();
    let mut stats = EngineStats {
      stores: 0,
      instances: 0,
      host_functions: self.host_functions.load(Ordering::Relaxed),
      memory_bytes: 0.0,
      tasks: TaskStats { queued: 0, home: 0, pool: 0, parked: 0 },
      compiled_modules: u32::try_from(counted.modules).unwrap_or(u32::MAX),
      code_bytes: number(counted.code_bytes),
      totals: EngineTotals {
        calls: 0.0,
        host_calls: 0.0,
        traps: number(counted.traps),
        interrupts: number(counted.interrupts),
        compiled_modules: number(counted.compiled),
      },
    };
    let (mut calls, mut host_calls) = (counted.calls, counted.host_calls);
    environment.for_each_store(|store| {
      if !self.owns(store) {
        return;
      }
      calls += store.calls.get();
      host_calls += store.host_calls_made();
      if !store.is_closed() {
        stats.stores += 1;
        stats.instances += store.instance_count();
        #[expect(clippy::cast_precision_loss, reason = "a double counts bytes exactly up to 8 PiB")]
        let bytes = store.memory_bytes() as f64;
        stats.memory_bytes += bytes;
        if let Some(tasks) = store.tasks() {
          tasks.count(&mut stats.tasks);
        }
      }
    });
    stats.totals.calls = number(calls);
    stats.totals.host_calls = number(host_calls);
    Ok(stats)
  }

  /// Whether a store was made with this object, not with another one that has attached to the same engine.
  fn owns(&self, store: &StoreInner) -> bool {
    Arc::ptr_eq(&store.host_functions, &self.host_functions)
  }

  /// Has every call stop that runs now in a store of this engine, in whatever environment.
  #[napi(catch_unwind)]
  pub fn interrupt(&self, env: Env) -> napi::Result<()> {
    let raw = RawEnv(env.raw());
    if !self.run_async.interruptible {
      return Err(Failure::type_error(not_interruptible("interrupt()")).into_napi(raw));
    }
    self.run_async.pulse.interrupt();
    let state = EnvState::of(raw)?;
    state.for_each_store(|store| {
      if wasmtime::Engine::same(&store.engine, &self.inner) {
        store.heed_interruption();
      }
    });
    // What waits here need not wait for the next turn of the event loop.
    state.end_interrupted(raw);
    Ok(())
  }

  /// Closes every store that was made with this object; their instances answer later calls with `ExitError`.
  #[napi(catch_unwind)]
  pub fn close_stores(&self, env: Env, exit_code: u32) -> napi::Result<()> {
    let raw = RawEnv(env.raw());
    let state = EnvState::of(raw)?;
    for store in state.stores() {
      // SAFETY: registered, so alive; closing one frees no other.
      let store = StorePin::new(unsafe { &*store });
      if self.owns(&store) {
        store.close(raw, Some(exit_code));
      }
    }
    Ok(())
  }
}

fn open_cache(config: &CacheConfig) -> ModuleCache {
  ModuleCache::new(
    config.directory.clone().into(),
    bytes(config.max_bytes),
    Duration::from_millis(bytes(config.max_age_ms)),
    config.owner,
  )
}

/// The name of the module in an entry of a cache, empty if it has none; null if the entry is not authentic.
#[napi(catch_unwind)]
pub fn examine_cache_entry(config: CacheConfig, name: String) -> Option<String> {
  open_cache(&config).examine(&name)
}

/// Why nothing in a cache can be used; null if it can.
#[napi(catch_unwind)]
pub fn cache_problem(config: CacheConfig) -> Option<String> {
  open_cache(&config).problem()
}

/// What a file in a cache is by its name: `entry`, `temporary`, or `key`; null if it is not the cache's own.
#[napi(catch_unwind)]
pub fn cache_file_kind(name: String) -> Option<&'static str> {
  own_name(&name).map(|own| match own {
    OwnName::Entry => "entry",
    OwnName::Temporary => "temporary",
    OwnName::Key => "key",
  })
}

fn apply_proposals(config: &mut Config, options: &EngineConfig) {
  type Switch = fn(&mut Config, bool) -> &mut Config;
  let switches: [(Option<bool>, Switch); 19] = [
    (options.reference_types, Config::wasm_reference_types),
    (options.function_references, Config::wasm_function_references),
    (options.gc, Config::wasm_gc),
    (options.simd, Config::wasm_simd),
    (options.relaxed_simd, Config::wasm_relaxed_simd),
    (options.relaxed_simd_deterministic, Config::relaxed_simd_deterministic),
    (options.threads, Config::wasm_threads),
    (options.bulk_memory, Config::wasm_bulk_memory),
    (options.multi_value, Config::wasm_multi_value),
    (options.exceptions, Config::wasm_exceptions),
    (options.tail_call, Config::wasm_tail_call),
    (options.multi_memory, Config::wasm_multi_memory),
    (options.memory64, Config::wasm_memory64),
    (options.extended_const, Config::wasm_extended_const),
    (options.custom_page_sizes, Config::wasm_custom_page_sizes),
    (options.wide_arithmetic, Config::wasm_wide_arithmetic),
    (options.branch_hinting, Config::wasm_branch_hinting),
    (options.shared_memory, Config::shared_memory),
    (options.debug_info, Config::debug_info),
  ];
  for (value, switch) in switches {
    if let Some(value) = value {
      switch(config, value);
    }
  }
}

fn apply_compiler(config: &mut Config, options: &EngineConfig) -> Result<(), Failure> {
  if let Some(level) = &options.opt_level {
    config.cranelift_opt_level(match level.as_str() {
      "none" => OptLevel::None,
      "speed" => OptLevel::Speed,
      "speed-and-size" => OptLevel::SpeedAndSize,
      other => {
        return Err(Failure::type_error(format!(
          "optLevel: expected \"none\", \"speed\" or \"speed-and-size\", got \"{other}\""
        )));
      }
    });
  }
  if let Some(strategy) = &options.strategy {
    config.strategy(match strategy.as_str() {
      "auto" => Strategy::Auto,
      "cranelift" => Strategy::Cranelift,
      other => {
        return Err(Failure::type_error(format!("strategy: expected \"auto\" or \"cranelift\", got \"{other}\"")));
      }
    });
  }
  if let Some(size) = options.max_wasm_stack {
    config.max_wasm_stack(size as usize);
  }
  // JavaScript never runs on a fiber, so beyond wasm's part there is only Wasmtime's own code.
  let wasm = options.max_wasm_stack.map_or(512 * 1024, |size| size as usize);
  config.async_stack_size(wasm.saturating_add(FIBER_MARGIN));
  if let Some(value) = options.parallel_compilation {
    config.parallel_compilation(value);
  }
  if let Some(value) = options.inlining {
    config.compiler_inlining(if value { Inlining::Yes } else { Inlining::No });
  }
  if let Some(value) = options.nan_canonicalization {
    config.cranelift_nan_canonicalization(value);
  }
  if let Some(value) = options.signals_based_traps {
    config.signals_based_traps(value);
  }
  Ok(())
}

fn apply_memory(config: &mut Config, options: &EngineConfig) {
  if let Some(size) = options.memory_reservation.map(bytes) {
    config.memory_reservation(size);
  }
  if let Some(size) = options.memory_guard_size.map(bytes) {
    config.memory_guard_size(size);
  }
  if let Some(value) = options.memory_may_move {
    config.memory_may_move(value);
  }
  if let Some(pooling) = &options.pooling {
    let mut pool = PoolingAllocationConfig::default();
    if let Some(count) = pooling.total_core_instances {
      pool.total_core_instances(count);
    }
    if let Some(count) = pooling.total_memories {
      pool.total_memories(count);
    }
    if let Some(count) = pooling.total_tables {
      pool.total_tables(count);
    }
    if let Some(count) = pooling.total_stacks {
      pool.total_stacks(count);
    }
    if let Some(size) = pooling.max_memory_size.map(bytes) {
      pool.max_memory_size(usize::try_from(size).unwrap_or(usize::MAX));
    }
    if let Some(count) = pooling.table_elements {
      pool.table_elements(count as usize);
    }
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
  }
}

fn apply_observation(config: &mut Config, options: &EngineConfig) -> Result<(), Failure> {
  config.coredump_on_trap(options.coredump_limit.is_some());
  if let Some(profiler) = &options.profiler {
    config.profiler(match profiler.as_str() {
      "none" => ProfilingStrategy::None,
      "perfmap" => ProfilingStrategy::PerfMap,
      "jitdump" => ProfilingStrategy::JitDump,
      "vtune" => ProfilingStrategy::VTune,
      other => {
        return Err(Failure::type_error(format!(
          "profiler: expected \"none\", \"perfmap\", \"jitdump\" or \"vtune\", got \"{other}\""
        )));
      }
    });
  }
  Ok(())
}

/// A counter as JavaScript's number.
#[expect(clippy::cast_precision_loss, reason = "a double counts exactly up to 2^53")]
fn number(count: u64) -> f64 {
  count as f64
}

/// A size from JavaScript, which checked that it is a whole number from 0 to 2^53.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the conversion saturates")]
fn bytes(number: f64) -> u64 {
  number as u64
}

/// What went wrong in Wasmtime while compiling or validating.
pub fn compile_failure(error: &wasmtime::Error) -> TypedFailure {
  let detail = crate::failure::ErrorDetail {
    offset: error.downcast_ref::<wasmparser::BinaryReaderError>().and_then(|error| u32::try_from(error.offset()).ok()),
    ..Default::default()
  };
  TypedFailure { kind: FailureKind::Compile, message: format!("{error:#}"), detail }
}
