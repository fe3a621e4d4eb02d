//! Functions of a store: handles, types, calls on a raw stack. Lives on: the JavaScript thread.

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU64, Ordering};

use napi::JsValue;
use napi::bindgen_prelude::{Env, Unknown};
use napi_derive::napi;
use wasmtime::ValRaw;

use crate::export_func::{ExportFunc, INLINE};
use crate::failure::{Failure, FailureKind};
use crate::host_call::HostBinding;
use crate::host_definition::{HostFuncConfig, NO_SLOT, host_func, store_func};
use crate::raw_call::{ARGS, index_arg, number, raw_functions, store_arg};
use crate::raw_env::{RawEnv, Value};
use crate::signature::Signature;
use crate::stack_slots::{raw_from_slots, raw_to_slots, val_from_slots, val_to_slots};
use crate::store::StoreInner;

/// Makes a function of a store from a JavaScript function; gives its handle. JavaScript keeps the callback alive.
#[napi(catch_unwind)]
pub fn func_new(
  env: Env,
  #[napi(ts_arg_type = "StoreHandle")] store: Unknown,
  config: HostFuncConfig,
  #[napi(ts_arg_type = "(...args: any[]) => unknown")] callback: Unknown,
) -> napi::Result<u32> {
  let raw = RawEnv(env.raw());
  let make = || {
    let store = StoreInner::of(raw, Value(store.raw()))?;
    let (func, ty) = host_func(raw, &store.engine, config, Value(callback.raw()), None, &store.host_functions)?;
    let ty = ty.ok_or_else(|| Failure::type_error("a function of a store needs a type"))?;
    let binding = HostBinding::new(func, ty.clone(), NO_SLOT);
    let mode = store.decided_mode(raw)?;
    let func = store.with(|ctx| store_func(ctx, ty, binding, mode))?;
    store.with(|ctx| store.register(func.into(), ctx))
  };
  make().map_err(|failure| failure.into_napi(raw))
}

/// The prepared call of a function handle.
fn export_func<'a>(store: &'a StoreInner, index: u32, slot: u32, name: &str) -> Result<&'a ExportFunc, Failure> {
  let func = if let Some(known) = store.export_func(index) {
    known
  } else {
    let func = store.func_at(index)?;
    // While the guest runs on another thread only the module can tell.
    let known = store.slot(slot).filter(|_| store.is_busy()).and_then(|slot| slot.func_type(name));
    let ty = match known {
      Some(ty) => ty,
      None => store.with_even_closed(|ctx| func.ty(&ctx))?,
    };
    store.add_export_func(index, ExportFunc::new(store, func, Signature::new(ty), store.slot(slot), name))
  };
  // SAFETY: not null, and the store keeps it as long as it lives.
  Ok(unsafe { &*func })
}

/// Prepares a function to be called: gives a handle of its own for `funcCall...`. Arguments: store handle, function
/// handle, slot of the instance that exports it (or -1), name.
fn prepare(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [handle, index, slot, name, ..] = *args;
  let store = store_arg(env, handle)?;
  let name = env.get_string(name).map_err(|_| Failure::type_error("expected a name"))?;
  let export = export_func(&store, index_arg(env, index)?, index_arg(env, slot)?, &name)?;
  let tomb = store.add_tomb(env, std::ptr::from_ref(export))?;
  env.external(tomb.cast_mut().cast()).map_err(|_| Failure::Pending)
}

/// How many parameters a prepared function has. Argument: its handle.
fn param_count(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [handle, ..] = *args;
  let tomb = StoreInner::tomb_of(env, handle)?;
  let export = tomb.target::<ExportFunc>().ok_or_else(|| tomb.failure())?;
  // SAFETY: the tomb of a store that is not freed leads to an export function of it, and nothing runs meanwhile.
  number(env, unsafe { &*export }.signature().params.len() as u64)
}

/// Calls with a raw stack, results included. Arguments: store handle, function handle, `BigUint64Array`. The function
/// must have been prepared before.
fn call_with_stack(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [handle, index, stack, ..] = *args;
  let store = store_arg(env, handle)?;
  let export = store.export_func(index_arg(env, index)?).ok_or_else(|| Failure::internal("funcPrepare comes first"))?;
  // SAFETY: the store keeps it as long as it lives, and `store` pins that.
  let export = unsafe { &*export };
  let signature = export.signature();
  if !signature.numeric {
    return Err(Failure::type_error("references cannot be passed on a raw stack; use call() or callBits()"));
  }
  let needed = |kinds: &[crate::signature::ValueKind]| kinds.iter().map(|kind| kind.slots()).sum::<usize>();
  let (params, results) = (needed(&signature.params), needed(&signature.results));
  let slots = stack_arg(env, stack)?;
  if slots.len() < params {
    return Err(too_short(format!("need {params} params, but stack size is {}", slots.len())));
  }
  if slots.len() < results {
    return Err(too_short(format!("need {results} results, but stack size is {}", slots.len())));
  }
  if store.tasks().is_some() {
    let mut place = slots.iter().map(|slot| slot.load(Ordering::Relaxed));
    let params = signature.params.iter().map(|kind| val_from_slots(*kind, &mut place)).collect();
    let values = export.call_numbers_in_place(env, params)?;
    let slots = stack_arg(env, stack)?;
    if slots.len() < results {
      return Err(too_short(format!("need {results} results, but stack size is {}", slots.len())));
    }
    for (slot, bits) in slots.iter().zip(values.iter().flat_map(val_to_slots).flatten()) {
      slot.store(bits, Ordering::Relaxed);
    }
    return export.closed_result(env.undefined());
  }
  let width = signature.width();
  let mut inline = [MaybeUninit::new(ValRaw::i64(0)); INLINE];
  let mut spilled;
  let values = if let Some(values) = inline.get_mut(..width) {
    values
  } else {
    spilled = vec![MaybeUninit::new(ValRaw::i64(0)); width];
    &mut spilled
  };
  let mut place = slots.iter().map(|slot| slot.load(Ordering::Relaxed));
  for (kind, value) in signature.params.iter().zip(&mut *values) {
    value.write(raw_from_slots(*kind, &mut place));
  }
  let host_calls = store.host_calls();
  // SAFETY: every slot is initialised.
  unsafe { export.call_raw(values) }?;
  // If the guest has called JavaScript, the array may be detached or shorter now.
  let slots = if store.host_calls() == host_calls { slots } else { stack_arg(env, stack)? };
  if slots.len() < results {
    return Err(too_short(format!("need {results} results, but stack size is {}", slots.len())));
  }
  let mut place = slots.iter();
  for (kind, value) in signature.results.iter().zip(&*values) {
    // SAFETY: every slot was initialised, and the call has written its results.
    let (low, high) = raw_to_slots(*kind, unsafe { value.assume_init_ref() });
    for bits in [Some(low), high].into_iter().flatten() {
      if let Some(slot) = place.next() {
        slot.store(bits, Ordering::Relaxed);
      }
    }
  }
  export.closed_result(env.undefined())
}

#[cold]
fn too_short(message: String) -> Failure {
  Failure::new(FailureKind::Range, message)
}

/// The slots of a `BigUint64Array`, until JavaScript runs again. Other threads may share its memory, hence atomics.
fn stack_arg<'a>(env: RawEnv, stack: Value) -> Result<&'a [AtomicU64], Failure> {
  match env.typed_array(stack) {
    Some((_, 0, napi::sys::TypedarrayType::biguint64_array)) => Ok(&[]),
    Some((data, length, napi::sys::TypedarrayType::biguint64_array)) if !data.is_null() => {
      // SAFETY: Node-API says that the array shows `length` aligned 64-bit elements at `data`, which stay there until
      // JavaScript runs again, and the callers do not use the slice beyond that.
      Ok(unsafe { std::slice::from_raw_parts(data.cast_const().cast(), length) })
    }
    _ => Err(Failure::type_error("stack: expected a BigUint64Array")),
  }
}

raw_functions! {
  "funcPrepare" => prepare;
  "funcParamCount" => param_count;
  "funcCallWithStack" => call_with_stack;
}
