//! Linear memories: making, measuring, growing. Reading and writing are in `memory_access.rs`.
//! Lives on: the JavaScript thread.

use napi::JsValue;
use napi::bindgen_prelude::{Env, Unknown};
use napi_derive::napi;
use wasmtime::{AsContextMut, Extern, Memory, MemoryTypeBuilder};

use crate::failure::{Failure, FailureKind};
use crate::raw_call::{ARGS, index_arg, number, raw_functions, size_arg, store_arg};
use crate::raw_env::{RawEnv, Value};
use crate::store::{Parts, StoreInner};

fn memory_at(store: &StoreInner, index: u32) -> Result<Memory, Failure> {
  match store.extern_at(index)? {
    Extern::Memory(memory) => Ok(memory),
    _ => Err(Failure::type_error("expected the handle of a memory")),
  }
}

/// Limits of a memory in pages.
#[napi(object)]
pub struct MemoryConfig {
  pub minimum: f64,
  pub maximum: Option<f64>,
  pub is64: Option<bool>,
}

/// Makes a memory in a store; gives its handle.
#[napi(catch_unwind)]
pub fn memory_new(
  env: Env,
  #[napi(ts_arg_type = "StoreHandle")] store: Unknown,
  config: MemoryConfig,
) -> napi::Result<u32> {
  let raw = RawEnv(env.raw());
  let make = || {
    let store = StoreInner::of(raw, Value(store.raw()))?;
    let ty = MemoryTypeBuilder::new()
      .min(pages(config.minimum))
      .max(config.maximum.map(pages))
      .memory64(config.is64.unwrap_or(false))
      .build()
      .map_err(|error| Failure::new(FailureKind::Range, format!("the memory's limits are impossible: {error:#}")))?;
    store.admit(Parts { memories: 1, ..Parts::default() })?;
    let index = store.with(|mut ctx| {
      let memory = StoreInner::make_parts(ctx.as_context_mut(), 1, |ctx| Memory::new(ctx, ty))?;
      Ok(store.register(memory.into(), ctx))
    })?;
    store.report(raw);
    index.map_err(|error: wasmtime::Error| {
      let text = format!("the memory could not be made: {error:#}");
      store.growth_failure(error).unwrap_or_else(|| Failure::new(FailureKind::Limit, text))
    })
  };
  make().map_err(|failure| failure.into_napi(raw))
}

/// A number of pages that JavaScript checked to be a whole number from 0 to 2^53.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the conversion saturates")]
pub fn pages(number: f64) -> u64 {
  number as u64
}

/// Bytes that the memory has now.
fn byte_size(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [handle, index, ..] = *args;
  let store = store_arg(env, handle)?;
  let memory = memory_at(&store, index_arg(env, index)?)?;
  let size = store.with(|ctx| memory.data_size(&ctx))?;
  number(env, size as u64)
}

/// Pages that the memory has now.
fn page_count(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [handle, index, ..] = *args;
  let store = store_arg(env, handle)?;
  let memory = memory_at(&store, index_arg(env, index)?)?;
  let size = store.with(|ctx| memory.size(&ctx))?;
  number(env, size)
}

/// Grows by a number of pages; gives the previous number, `undefined` if it cannot grow that far.
fn grow(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [handle, index, delta, ..] = *args;
  let store = store_arg(env, handle)?;
  let memory = memory_at(&store, index_arg(env, index)?)?;
  let delta = size_arg(env, delta, "pages")?;
  let previous = store.with(|mut ctx| {
    let previous = memory.grow(ctx.as_context_mut(), delta);
    if store.views.any() {
      store.detach_grown_views(env, ctx);
    }
    previous
  })?;
  store.report(env);
  match previous {
    Ok(previous) => number(env, previous),
    Err(error) => store.growth_failure(error).map_or_else(|| Ok(env.undefined()), Err),
  }
}

raw_functions! {
  "memoryByteSize" => byte_size;
  "memoryPages" => page_count;
  "memoryGrow" => grow;
}
