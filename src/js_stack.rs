//! How deep in the native stack JavaScript can still be called.
//!
//! V8 lets JavaScript use a part of the thread's stack only, and wasm, whose stack Wasmtime counts, may go beyond. Calling
//! JavaScript there is a `RangeError` in older versions of V8. Newer ones crash when anything is thrown more than 40 KiB
//! beyond: those of Node.js 24 may, those of Node.js 26 check for it and end the process. Node-API does not tell where the limit is. So JavaScript finds out, by using the stack
//! up, as deep as the wasm that is about to be entered could get; and where it could not, no host function is called.
//! Lives on: the JavaScript thread.

use std::cell::Cell;
use std::ptr;

use napi::bindgen_prelude::{Env, Unknown};
use napi::{JsValue, sys};
use napi_derive::napi;

use crate::env_state::{EnvState, STACK_MARGIN};
use crate::failure::Failure;
use crate::raw_call::raw_functions;
use crate::raw_env::{RawEnv, Value};

/// How much deeper than needed to look, so that entries a little deeper need not look again.
const AHEAD: usize = 256 * 1024;

/// What is known of one environment's stack.
pub struct JsStack {
  /// The lowest address of the thread's stack.
  stack_low: usize,
  /// The function that uses the stack up; null where the engine copes with calls from any depth.
  probe: Cell<sys::napi_ref>,
  /// From here on upwards JavaScript can be called. Zero where that need not be known.
  floor: Cell<usize>,
  /// Whether JavaScript's own limit was met, so that the floor is final.
  is_final: Cell<bool>,
  /// The address that the probe shall reach.
  target: Cell<usize>,
}

#[inline]
fn here() -> usize {
  let marker = 0_u8;
  &raw const marker as usize
}

/// The lowest address of this thread's stack.
fn stack_low() -> usize {
  #[cfg(all(target_os = "linux", target_env = "musl"))]
  if let Some(low) = main_stack_low() {
    return low;
  }
  // Where the platform cannot tell, assume the least that Node gives a thread of its own.
  here().saturating_sub(stacker::remaining_stack().unwrap_or(768 * 1024))
}

/// That of the main thread, where musl takes for the whole stack what of it has been used so far; `None` in other threads.
#[cfg(all(target_os = "linux", target_env = "musl"))]
fn main_stack_low() -> Option<usize> {
  /// What is made use of where there is no limit.
  const MOST: usize = 64 * 1024 * 1024;
  // SAFETY: neither has conditions.
  let is_main = unsafe { libc::getpid() } == unsafe { libc::gettid() };
  if !is_main {
    return None;
  }
  let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
  // SAFETY: `limit` outlives the call.
  if unsafe { libc::getrlimit(libc::RLIMIT_STACK, &raw mut limit) } != 0 {
    return None;
  }
  let mut attributes = std::mem::MaybeUninit::<libc::pthread_attr_t>::uninit();
  // SAFETY: the running thread, and room for its attributes.
  if unsafe { libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) } != 0 {
    return None;
  }
  let (mut used_low, mut used) = (ptr::null_mut(), 0);
  // SAFETY: the attributes were filled just now.
  let status = unsafe { libc::pthread_attr_getstack(attributes.as_ptr(), &raw mut used_low, &raw mut used) };
  // SAFETY: as above; they are not used any more.
  unsafe { libc::pthread_attr_destroy(attributes.as_mut_ptr()) };
  let size = usize::try_from(limit.rlim_cur).map_or(MOST, |size| size.min(MOST));
  (status == 0).then(|| used_low.addr().saturating_add(used).saturating_sub(size))
}

impl JsStack {
  /// Of the thread that runs.
  pub fn new() -> Self {
    Self {
      stack_low: stack_low(),
      probe: Cell::new(ptr::null_mut()),
      floor: Cell::new(0),
      is_final: Cell::new(true),
      target: Cell::new(0),
    }
  }

  /// Whether this thread's stack has `bytes` left.
  #[inline]
  pub fn has(&self, bytes: usize) -> bool {
    here().checked_sub(self.stack_low).is_some_and(|left| left >= bytes)
  }

  /// Whether JavaScript can be called here.
  #[inline]
  pub fn can_call(&self) -> bool {
    here() >= self.floor.get()
  }

  /// Wasm is about to be entered, which may use so many bytes: finds out whether JavaScript can be called from its end.
  #[inline]
  pub fn look_ahead(&self, env: RawEnv, bytes: usize) {
    if !self.is_final.get() && here().saturating_sub(bytes) < self.floor.get() {
      self.find_floor(env, bytes);
    }
  }

  #[cold]
  fn find_floor(&self, env: RawEnv, bytes: usize) {
    let Some(probe) = env.dereference(self.probe.get()) else { return };
    let start = here();
    let end = self.stack_low.saturating_add(STACK_MARGIN);
    self.target.set(start.saturating_sub(bytes.saturating_add(AHEAD)).max(end));
    self.floor.set(start.min(self.floor.get()));
    match env.call(env.undefined(), probe, &[]) {
      Ok(reached) => self.is_final.set(env.strict_equals(reached, env.boolean(false))),
      // JavaScript is ending, or this is its limit already. What is known is enough for this entry.
      Err(_) => drop(env.take_exception()),
    }
  }

  /// The probe is here; whether that is deep enough.
  fn note(&self) -> bool {
    let here = here();
    self.floor.set(here.min(self.floor.get()));
    here <= self.target.get()
  }
}

fn note_stack(env: RawEnv) -> Result<Value, Failure> {
  let state = EnvState::of(env).map_err(|error| Failure::internal(error.reason.clone()))?;
  Ok(env.boolean(state.js_stack.note()))
}

/// Gives the addon, for this environment, a function that calls `noteStack` deeper and deeper in the stack until that gives
/// true, and then gives true; or false if JavaScript's stack ends before.
#[napi(catch_unwind)]
pub fn register_stack_probe(env: Env, #[napi(ts_arg_type = "() => boolean")] probe: Unknown) -> napi::Result<()> {
  let raw = RawEnv(env.raw());
  let state = EnvState::of(raw)?;
  let reference = raw
    .reference(Value(probe.raw()), 1)
    .map_err(|_| napi::Error::from_reason("registerStackProbe expects a function"))?;
  state.release(state.js_stack.probe.replace(reference));
  state.js_stack.floor.set(usize::MAX);
  state.js_stack.is_final.set(false);
  Ok(())
}

raw_functions! {
  "noteStack" => |env, _| note_stack(env);
}
