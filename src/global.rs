//! Globals. Lives on: the JavaScript thread.

use napi::JsValue;
use napi::bindgen_prelude::{Env, Unknown};
use napi_derive::napi;
use wasmtime::{AsContextMut, Extern, Global, GlobalType, Mutability, RootScope, StoreContextMut};

use crate::failure::{Failure, FailureKind};
use crate::float_bits::{Floats, float_from_bits};
use crate::raw_call::{ARGS, index_arg, raw_functions, store_arg};
use crate::raw_env::{RawEnv, Value};
use crate::reference::JsReference;
use crate::signature::parse_type_name;
use crate::store::{StoreData, StoreInner};
use crate::values::{Ready, describe, expectation};

fn global_at(store: &StoreInner, index: u32) -> Result<Global, Failure> {
  match store.extern_at(index)? {
    Extern::Global(global) => Ok(global),
    _ => Err(Failure::type_error("expected the handle of a global")),
  }
}

/// Type of a global.
#[napi(object)]
pub struct GlobalConfig {
  pub content: String,
  pub mutable: bool,
}

/// Makes a global in a store; gives its handle.
#[napi(catch_unwind)]
pub fn global_new(
  env: Env,
  #[napi(ts_arg_type = "StoreHandle")] store: Unknown,
  config: GlobalConfig,
  #[napi(ts_arg_type = "unknown")] value: Unknown,
) -> napi::Result<u32> {
  let raw = RawEnv(env.raw());
  let make = || {
    let store = StoreInner::of(raw, Value(store.raw()))?;
    let content = parse_type_name(&config.content)
      .ok_or_else(|| Failure::type_error(format!("\"{}\" is not a value type", config.content)))?;
    let mutability = if config.mutable { Mutability::Var } else { Mutability::Const };
    let value = Value(value.raw());
    let ready = store.prepare(raw, &content, value)?.ok_or_else(|| wrong_value(raw, "value", &content, value))?;
    with_ready(raw, &store, &content, value, ready, |mut ctx, val| {
      let global = Global::new(ctx.as_context_mut(), GlobalType::new(content.clone(), mutability), val)
        .map_err(|error| Failure::new(FailureKind::Limit, format!("the global could not be made: {error:#}")))?;
      Ok(store.register(global.into(), ctx))
    })
  };
  make().map_err(|failure| failure.into_napi(raw))
}

#[cold]
pub fn wrong_value(env: RawEnv, what: &str, ty: &wasmtime::ValType, value: Value) -> Failure {
  Failure::type_error(format!("{what}: expected {}, got {}", expectation(ty), describe(env, value)))
}

/// Finishes a conversion and uses the value, all in one access to the store, so that a reference stays rooted. `use_val`
/// may run on a fiber, so it uses no Node-API.
pub fn with_ready<R>(
  env: RawEnv,
  store: &StoreInner,
  ty: &wasmtime::ValType,
  value: Value,
  ready: Ready,
  use_val: impl FnOnce(StoreContextMut<'_, StoreData>, wasmtime::Val) -> Result<R, Failure>,
) -> Result<R, Failure> {
  let used = store.with_allocating(|ctx| {
    let mut scope = RootScope::new(ctx);
    match store.finish(scope.as_context_mut(), ty, ready)? {
      Some(val) => use_val(scope.as_context_mut(), val).map(Some),
      None => Ok(None),
    }
  })??;
  used.ok_or_else(|| wrong_value(env, "value", ty, value))
}

/// Reads something that may be a reference, and converts it.
pub fn read_val(
  env: RawEnv,
  store: &StoreInner,
  read: impl FnOnce(StoreContextMut<'_, StoreData>) -> Result<Option<wasmtime::Val>, Failure>,
) -> Result<Option<Value>, Failure> {
  let reference: Option<JsReference> = store.with(|ctx| {
    let mut scope = RootScope::new(ctx);
    match read(scope.as_context_mut())? {
      Some(val) => store.val_to_reference(env, scope.as_context_mut(), val).map(Some),
      None => Ok(None),
    }
  })??;
  reference.map(|reference| store.reference_value(env, reference)).transpose()
}

fn get(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [handle, index, ..] = *args;
  let store = store_arg(env, handle)?;
  let global = global_at(&store, index_arg(env, index)?)?;
  let value = read_val(env, &store, |ctx| Ok(Some(global.get(ctx))))?;
  Ok(value.unwrap_or_else(|| env.undefined()))
}

fn set(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [handle, index, value, ..] = *args;
  let store = store_arg(env, handle)?;
  let global = global_at(&store, index_arg(env, index)?)?;
  let ty = store.with(|ctx| global.ty(&ctx))?;
  if ty.mutability() == Mutability::Const {
    return Err(Failure::type_error("the global is immutable"));
  }
  let content = ty.content();
  let ready = store.prepare(env, content, value)?.ok_or_else(|| wrong_value(env, "value", content, value))?;
  with_ready(env, &store, content, value, ready, |ctx, val| {
    global.set(ctx, val).map_err(|error| Failure::type_error(format!("{error:#}")))
  })?;
  Ok(env.undefined())
}

/// The bits of a float.
fn get_bits(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [handle, index, ..] = *args;
  let store = store_arg(env, handle)?;
  let global = global_at(&store, index_arg(env, index)?)?;
  let val = store.with(|mut ctx| match global.ty(&ctx).content() {
    wasmtime::ValType::F32 | wasmtime::ValType::F64 => Some(global.get(ctx.as_context_mut())),
    _ => None,
  })?;
  let bits = val.and_then(|val| Floats::Bits.number_to_js(env, &val));
  bits.ok_or_else(|| Failure::internal("the global holds no float"))?.map_err(|_| Failure::Pending)
}

/// Sets a float to that of the given bits.
fn set_bits(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [handle, index, value, ..] = *args;
  let store = store_arg(env, handle)?;
  let global = global_at(&store, index_arg(env, index)?)?;
  let ty = store.with(|ctx| global.ty(&ctx))?;
  let val = float_from_bits(env, ty.content(), value)
    .map_err(|_| Failure::type_error(format!("bits: expected a bigint, got {}", describe(env, value))))?;
  store.with(|ctx| global.set(ctx, val))?.map_err(|error| Failure::type_error(format!("{error:#}")))?;
  Ok(env.undefined())
}

raw_functions! {
  "globalGet" => get;
  "globalSet" => set;
  "globalGetBits" => get_bits;
  "globalSetBits" => set_bits;
}
