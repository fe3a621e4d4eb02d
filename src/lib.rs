//! node-wasmtime's addon: Wasmtime for Node.js.
//!
//! One concept, one file. The cold paths are `#[napi]` items and appear in `binding.d.ts`; the hot paths (exported
//! functions, host calls, memory, globals, tables) are raw Node-API and are declared in `lib/native.ts`.

mod artifact;
mod bench_floor;
mod broken_pipe;
mod compile_pool;
mod compute_pool;
mod core_dump;
mod engine;
mod engine_counts;
mod env_state;
mod exception;
mod export_func;
mod extern_ref;
mod extern_type;
mod external_buffer;
mod failure;
#[cfg(unix)]
mod fiber_stacks;
mod float_bits;
mod func;
mod gc_handles;
mod gc_object;
mod global;
mod guest_profiler;
mod home;
mod host_call;
mod host_definition;
mod host_func;
mod instance;
mod instance_pre;
mod instance_slot;
mod js_stack;
mod link_check;
mod linker;
mod map_budget;
mod memory;
mod memory_access;
mod memory_view;
mod module;
mod module_cache;
mod module_info;
mod module_outline;
mod raw_call;
mod raw_env;
mod reference;
mod shared_access;
mod shared_handles;
mod shared_memory;
mod signature;
mod stack_slots;
mod store;
mod table;
mod tag;
mod tasks;
mod thrown;
mod ticker;
mod tomb;
mod trace;
mod turn;
mod values;
mod wasi;
mod wasm_features;
mod wasm_text;

use napi::bindgen_prelude::{Env, Object};
use napi::{JsValue, Status};
use napi_derive::napi;

use raw_env::{Callback, RawEnv, Value};

/// Version of the `wasmtime` crate.
pub const WASMTIME_VERSION: &str = env!("WASMTIME_VERSION");

/// Wasmtime's and this addon's versions.
#[napi(object)]
pub struct Versions {
  /// Version of the `wasmtime` crate.
  pub wasmtime: String,
  /// Version of this package's native part.
  pub addon: String,
}

#[napi(catch_unwind)]
pub fn versions() -> Versions {
  Versions { wasmtime: WASMTIME_VERSION.to_owned(), addon: env!("CARGO_PKG_VERSION").to_owned() }
}

/// Prepares an environment that loads the addon and gives it the raw functions.
#[napi(module_exports)]
pub fn initialise(exports: Object, env: Env) -> napi::Result<()> {
  // Wasmtime's signal handlers and the compile threads outlive any one environment, so the image must stay mapped.
  napi::bindgen_prelude::retain_current_module_for_unload_safety();
  let raw = RawEnv(env.raw());
  raw.learn().map_err(|_| napi::Error::new(Status::GenericFailure, "the runtime refused to make a string"))?;
  env_state::EnvState::install(raw.0)?;
  let raw_functions: &[&[(&str, Callback)]] = &[
    memory::FUNCTIONS,
    memory_access::FUNCTIONS,
    memory_view::FUNCTIONS,
    shared_memory::FUNCTIONS,
    shared_access::FUNCTIONS,
    global::FUNCTIONS,
    table::FUNCTIONS,
    gc_object::FUNCTIONS,
    exception::FUNCTIONS,
    func::FUNCTIONS,
    export_func::FUNCTIONS,
    instance::FUNCTIONS,
    tasks::FUNCTIONS,
    tasks::CALL,
    store::FUEL_FUNCTIONS,
    js_stack::FUNCTIONS,
    bench_floor::FUNCTIONS,
    &[("benchAdd", bench_floor::add)],
  ];
  let target = Value(exports.raw());
  for (name, callback) in raw_functions.iter().copied().flatten() {
    raw
      .function(name, *callback, std::ptr::null_mut())
      .and_then(|function| raw.string(name).map(|key| (key, function)))
      .and_then(|pair| raw.define_hidden(target, [pair]))
      .map_err(|_| napi::Error::new(Status::GenericFailure, "the addon's functions could not be defined"))?;
  }
  Ok(())
}
