//! Host functions as Wasmtime takes them: in a linker, or in one store. Lives on: the JavaScript thread.

use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use napi_derive::napi;
use wasmtime::{Caller, FuncType, StoreContextMut, ValRaw};

use crate::failure::Failure;
use crate::host_call::HostBinding;
use crate::host_func::{HostFunc, HostFuncInfo, HostFuncOptions};
use crate::raw_env::{RawEnv, Value};
use crate::signature::parse_func_type;
use crate::store::{Mode, StoreData};
use crate::tasks::host_future;

/// The slot of host functions that belong to no instance.
pub const NO_SLOT: u32 = u32::MAX;

/// A host function of a linker, as JavaScript describes it.
#[napi(object)]
pub struct HostFuncConfig {
  /// Module name in messages and traces.
  pub module: String,
  /// Function name in messages and traces.
  pub name: String,
  /// Types; both or none. Without them the function takes the type of each import.
  pub params: Option<Vec<String>>,
  pub results: Option<Vec<String>>,
  /// Whether the first argument is the importing instance.
  pub with_module: bool,
  /// Whether the guest does not wait for it.
  pub notify: Option<bool>,
}

/// Defines a host function. Where the signature holds only numbers and vectors the unchecked variant of `func_new` is
/// used: it saves converting to and from `Val`, about 50 ns a call.
pub fn define_host(
  linker: &mut wasmtime::Linker<StoreData>,
  module: &str,
  name: &str,
  ty: FuncType,
  binding: HostBinding,
  mode: Mode,
) -> wasmtime::Result<()> {
  if mode == Mode::Async {
    let binding = Arc::new(binding);
    linker.func_new_async(module, name, ty, move |caller, params, results| {
      // SAFETY: this closure owns the binding, and the linker's definition, which lives as long as the store, owns it.
      unsafe { host_future(Arc::as_ptr(&binding), caller, params, results) }
    })?;
  } else if binding.is_numeric() {
    let call = move |caller: Caller<'_, StoreData>, slots: &mut [MaybeUninit<ValRaw>]| {
      // SAFETY: Wasmtime hands it initialised parameters of `ty`, with which the binding was made, and room for the results.
      unsafe { binding.call_raw(caller, slots) }
    };
    // SAFETY: the binding was made with the same `ty`, by whose kinds it reads the parameters and writes every result; none
    // is a reference.
    unsafe { linker.func_new_unchecked(module, name, ty, call) }?;
  } else {
    linker.func_new(module, name, ty, move |caller, params, results| binding.call_vals(caller, params, results))?;
  }
  Ok(())
}

/// A host function as a function of one store.
pub fn store_func(
  ctx: StoreContextMut<'_, StoreData>,
  ty: FuncType,
  binding: HostBinding,
  mode: Mode,
) -> wasmtime::Func {
  if mode == Mode::Async {
    let binding = Arc::new(binding);
    wasmtime::Func::new_async(ctx, ty, move |caller, params, results| {
      // SAFETY: this closure owns the binding, and the store owns the closure.
      unsafe { host_future(Arc::as_ptr(&binding), caller, params, results) }
    })
  } else if binding.is_numeric() {
    let call = move |caller: Caller<'_, StoreData>, slots: &mut [MaybeUninit<ValRaw>]| {
      // SAFETY: as in `define_host`.
      unsafe { binding.call_raw(caller, slots) }
    };
    // SAFETY: as in `define_host`.
    unsafe { wasmtime::Func::new_unchecked(ctx, ty, call) }
  } else {
    wasmtime::Func::new(ctx, ty, move |caller, params, results| binding.call_vals(caller, params, results))
  }
}

/// Makes a host function from its description, its callback and, for the stack style, its array.
pub fn host_func(
  env: RawEnv,
  engine: &wasmtime::Engine,
  config: HostFuncConfig,
  callback: Value,
  stack: Option<Value>,
  counter: &Arc<AtomicU32>,
) -> Result<(Arc<HostFunc>, Option<FuncType>), Failure> {
  let ty = match (&config.params, &config.results) {
    (Some(params), Some(results)) => Some(parse_func_type(engine, params, results).map_err(Failure::type_error)?),
    _ => None,
  };
  let info = HostFuncInfo { module: config.module, name: config.name };
  let options = HostFuncOptions { with_module: config.with_module, notify: config.notify.unwrap_or(false) };
  let func = HostFunc::new(env, info, callback, options, stack, counter)?;
  Ok((Arc::new(func), ty))
}
