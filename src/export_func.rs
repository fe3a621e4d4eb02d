//! A wasm (or host) function of a store, ready to be called from JavaScript: the hot path into wasm.
//!
//! A JavaScript function (`lib/exported-function.ts`) passes its arguments to one of a few raw functions, together with a
//! handle: an external value that points to a [`Tomb`], which leads to an [`ExportFunc`] as long as its store is not
//! freed. Lives on: the JavaScript thread.

use std::mem::MaybeUninit;
use std::ptr;

use napi::sys;
use wasmtime::{AsContextMut, Func, RootScope, Val, ValRaw};

use crate::failure::Failure;
use crate::float_bits::Floats;
use crate::instance_slot::InstanceSlot;
use crate::raw_call::answer;
use crate::raw_env::{Callback, CallbackInfo, RawEnv, Value};
use crate::signature::{Signature, ValueKind};
use crate::store::{StoreInner, StorePin};
use crate::values::{describe, raw_from_js, raw_to_js, results_to_js};

/// Arguments or results that need no allocation.
pub const INLINE: usize = 8;

pub struct ExportFunc {
  /// Owns this.
  store: *const StoreInner,
  func: Func,
  signature: Signature,
  /// The instance that answers for the function when it is closed; null for functions that belong to none.
  slot: *const InstanceSlot,
  name: Box<str>,
}

impl ExportFunc {
  pub fn new(store: &StoreInner, func: Func, signature: Signature, slot: Option<&InstanceSlot>, name: &str) -> Self {
    Self { store, func, signature, slot: slot.map_or(ptr::null(), ptr::from_ref), name: name.into() }
  }

  pub fn signature(&self) -> &Signature {
    &self.signature
  }

  /// The code that the function's instance was closed with.
  pub fn exit_code(&self) -> Option<u32> {
    self.slot().and_then(InstanceSlot::exit_code)
  }

  pub fn func(&self) -> Func {
    self.func
  }

  pub fn slot_pointer(&self) -> *const InstanceSlot {
    self.slot
  }

  #[inline]
  pub fn store(&self) -> &StoreInner {
    // SAFETY: the store owns this export function, so it is alive.
    unsafe { &*self.store }
  }

  #[inline]
  fn slot(&self) -> Option<&InstanceSlot> {
    // SAFETY: slots live as long as the store.
    unsafe { self.slot.as_ref() }
  }

  #[inline]
  pub fn check_open(&self) -> Result<(), Failure> {
    match self.slot() {
      Some(slot) => match slot.exit_code() {
        None => Ok(()),
        Some(code) => Err(Failure::exit(code)),
      },
      None => Ok(()),
    }
  }

  #[cold]
  pub fn wrong_count(&self, count: usize) -> Failure {
    Failure::type_error(format!(
      "{}: expected {} params, but passed {count}",
      self.display_name(),
      self.signature.params.len()
    ))
  }

  #[cold]
  pub fn wrong_argument(&self, env: RawEnv, floats: Floats, index: usize, value: Value) -> Failure {
    if env.is_exception_pending() {
      return Failure::Pending;
    }
    let expected = self.signature.ty.param(index).map(|ty| floats.expectation(&ty)).unwrap_or_default();
    Failure::type_error(format!(
      "{}: param[{index}] expected {expected}, got {}",
      self.display_name(),
      describe(env, value)
    ))
  }

  fn display_name(&self) -> String {
    match self.slot() {
      Some(slot) => format!("{}.{}{}", slot.info.name(), self.name, self.signature.text()),
      None => format!("{}{}", self.name, self.signature.text()),
    }
  }

  /// Calls with JavaScript arguments.
  #[inline]
  pub fn call(&self, env: RawEnv, args: &[Value]) -> Result<Value, Failure> {
    if args.len() != self.signature.params.len() {
      return Err(self.wrong_count(args.len()));
    }
    if self.store().tasks().is_some() {
      return self.call_in_place(env, Floats::Numbers, args);
    }
    if !self.signature.numeric {
      return self.call_checked(env, Floats::Numbers, args);
    }
    let width = self.signature.width();
    if width <= INLINE {
      let mut slots = [const { MaybeUninit::uninit() }; INLINE];
      self.call_numeric(env, args, &mut slots)
    } else {
      let mut slots = vec![MaybeUninit::uninit(); width];
      self.call_numeric(env, args, &mut slots)
    }
  }

  #[inline]
  fn call_numeric(&self, env: RawEnv, args: &[Value], slots: &mut [MaybeUninit<ValRaw>]) -> Result<Value, Failure> {
    for (index, ((kind, arg), slot)) in self.signature.params.iter().zip(args).zip(&mut *slots).enumerate() {
      match raw_from_js(env, *kind, *arg) {
        Ok(raw) => slot.write(raw),
        Err(_) => return Err(self.wrong_argument(env, Floats::Numbers, index, *arg)),
      };
    }
    // SAFETY: every parameter was written just now, `args` being as many as the parameters.
    unsafe { self.call_raw(slots) }?;
    let result = match &*self.signature.results {
      [] => env.undefined(),
      [kind] => match slots.first() {
        // SAFETY: the call has returned, so its results are written.
        Some(slot) => raw_to_js(env, *kind, unsafe { slot.assume_init_ref() }).map_err(|_| Failure::Pending)?,
        None => env.undefined(),
      },
      kinds => Self::many_results(env, kinds, slots)?,
    };
    self.closed_result(result)
  }

  fn many_results(env: RawEnv, kinds: &[ValueKind], slots: &[MaybeUninit<ValRaw>]) -> Result<Value, Failure> {
    let array = env.array(kinds.len()).map_err(|_| Failure::Pending)?;
    for (index, (kind, slot)) in (0_u32..).zip(kinds.iter().zip(slots)) {
      // SAFETY: the call has returned, so its results are written.
      let raw = unsafe { slot.assume_init_ref() };
      let value = raw_to_js(env, *kind, raw).map_err(|_| Failure::Pending)?;
      env.set_element(array, index, value).map_err(|_| Failure::Pending)?;
    }
    Ok(array)
  }

  /// Calls with raw values; `slots` has room for parameters and results. Only for numeric signatures.
  ///
  /// # Safety
  /// The slots of the parameters are written. Those of the results are when this has returned `Ok`.
  #[inline]
  pub unsafe fn call_raw(&self, slots: &mut [MaybeUninit<ValRaw>]) -> Result<(), Failure> {
    self.check_open()?;
    let store = self.store();
    let width = self.signature.width();
    let slots = slots.get_mut(..width).ok_or_else(|| Failure::internal("too few slots"))?;
    let slots: *mut [ValRaw] = ptr::slice_from_raw_parts_mut(slots.as_mut_ptr().cast(), width);
    // SAFETY: `slots` has room for parameters and results, the parameters were converted by the function's own
    // signature, none is a reference, the store is the function's own, and a sync store is never on a fiber.
    let outcome = store.enter(|mut ctx| match unsafe { self.func.call_unchecked(ctx.as_context_mut(), slots) } {
      Ok(()) => Ok(()),
      Err(error) => Err(store.broken_off(ctx, error)),
    })?;
    match outcome {
      Ok(()) => Ok(()),
      Err(end) => Err(store.ended(end)),
    }
  }

  /// A host function may have closed the instance while the call ran: its caller learns that, with the results.
  #[inline]
  pub fn closed_result(&self, result: Value) -> Result<Value, Failure> {
    match self.slot().and_then(InstanceSlot::exit_code) {
      None => Ok(result),
      Some(code) => Err(Failure::ExitWithResults(Box::new((code, result)))),
    }
  }

  /// As `call`, but floats are bigints, their bits.
  fn call_bits(&self, env: RawEnv, args: &[Value]) -> Result<Value, Failure> {
    if args.len() != self.signature.params.len() {
      return Err(self.wrong_count(args.len()));
    }
    if self.store().tasks().is_some() {
      return self.call_in_place(env, Floats::Bits, args);
    }
    self.call_checked(env, Floats::Bits, args)
  }

  /// The way for any signature: through Wasmtime's checked values.
  #[cold]
  fn call_checked(&self, env: RawEnv, floats: Floats, args: &[Value]) -> Result<Value, Failure> {
    self.check_open()?;
    let store = self.store();
    let mut prepared = Vec::with_capacity(args.len());
    for (index, (ty, arg)) in self.signature.ty.params().zip(args).enumerate() {
      match floats.prepare(env, store, &ty, *arg)? {
        Some(ready) => prepared.push((ty, ready)),
        None => return Err(self.wrong_argument(env, floats, index, *arg)),
      }
    }
    let outcome = store.enter(|ctx| {
      // References made here are rooted for this call only.
      let mut scope = RootScope::new(ctx);
      let mut params = Vec::with_capacity(prepared.len());
      for (index, (ty, ready)) in prepared.into_iter().enumerate() {
        if let Some(val) = store.finish(scope.as_context_mut(), &ty, ready)? {
          params.push(val);
        } else {
          let arg = args.get(index).copied().unwrap_or_else(|| env.undefined());
          return Err(self.wrong_argument(env, floats, index, arg));
        }
      }
      let mut results = vec![Val::I32(0); self.signature.results.len()];
      if let Err(error) = self.func.call(scope.as_context_mut(), &params, &mut results) {
        return Ok(Err(store.broken_off(scope.as_context_mut(), error)));
      }
      // From here on handles must outlive the entry, so the scope that its host calls shared must end first.
      store.end_host_scope(env);
      let references = results
        .into_iter()
        .map(|val| floats.val_to_reference(env, store, scope.as_context_mut(), val))
        .collect::<Result<Vec<_>, _>>()?;
      Ok(Ok(references))
    })?;
    let references = match outcome? {
      Ok(references) => references,
      Err(end) => return Err(store.ended(end)),
    };
    let values =
      references.into_iter().map(|reference| store.reference_value(env, reference)).collect::<Result<Vec<_>, _>>()?;
    let result = results_to_js(env, &values).map_err(|_| Failure::Pending)?;
    self.closed_result(result)
  }
}

/// Calls a function: the raw function behind every exported function. Arguments: the handle of the function's tomb, then
/// those of the function.
unsafe extern "C" fn call_handle<const N: usize>(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
  // SAFETY: Node passes both to the running callback.
  unsafe { with_export::<N>(env, info, |env, export, args| export.call(env, args)) }
}

/// As `call_handle`, with floats as their bits.
unsafe extern "C" fn call_bits(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
  // SAFETY: Node passes both to the running callback.
  unsafe { with_export::<{ INLINE + 1 }>(env, info, |env, export, args| export.call_bits(env, args)) }
}

/// Has a raw function do something with the function to whose tomb its first argument leads, and with its other arguments.
/// `N` is how many are fetched at once, the handle included: Node-API fills every place that it is given, so exactly as
/// many as the function takes are best.
///
/// # Safety
/// `env` and `info` are those of the running callback.
#[inline]
pub unsafe fn with_export<const N: usize>(
  env: sys::napi_env,
  info: sys::napi_callback_info,
  run: impl FnOnce(RawEnv, &ExportFunc, &[Value]) -> Result<Value, Failure>,
) -> sys::napi_value {
  let mut call = CallbackInfo::<N>::new();
  // SAFETY: this function's own contract.
  unsafe { call.load(env, info) };
  let raw = RawEnv(env);
  answer(raw, || {
    let spilled;
    let args = if let Some(args) = call.args().get(..call.count) {
      args
    } else {
      // SAFETY: as above.
      spilled = unsafe { call.all(env, info) };
      &spilled
    };
    let Some((handle, args)) = args.split_first() else { return Err(Failure::internal("no handle")) };
    let tomb = StoreInner::tomb_of(raw, *handle)?;
    let export = tomb.target::<ExportFunc>().ok_or_else(|| tomb.failure())?;
    // SAFETY: the tomb of a store that is not freed leads to an export function of it, which the pin keeps so.
    let export = unsafe { &*export };
    let _pin = StorePin::new(export.store());
    run(raw, export, args)
  })
}

pub const FUNCTIONS: &[(&str, Callback)] = &[
  ("funcCall0", call_handle::<1>),
  ("funcCall1", call_handle::<2>),
  ("funcCall2", call_handle::<3>),
  ("funcCall3", call_handle::<4>),
  ("funcCall4", call_handle::<5>),
  ("funcCallMany", call_handle::<{ INLINE + 1 }>),
  ("funcCallBits", call_bits),
];
