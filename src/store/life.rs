//! The end of a store: closing, freeing, and telling V8 what it weighs; and its beginning as JavaScript sees it.
//!
//! `close` frees a store as soon as no native frame uses it ([`StorePin`]). One that is never closed is freed by the
//! finaliser of its holder array. Lives on: the JavaScript thread.

use std::ffi::c_void;
use std::mem;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use napi::bindgen_prelude::{Env, Unknown};
use napi::{JsValue, sys};
use napi_derive::napi;

use super::limits::{Limits, LimitsConfig};
use super::{Mode, PROBE, StoreInner, TOMBS};
use crate::engine::Engine;
use crate::env_state::EnvState;
use crate::failure::Failure;
use crate::instance_slot::InstanceSlot;
use crate::raw_env::{RawEnv, Value};

/// What the collector is told that an open store weighs besides its memories and tables, in bytes.
pub(super) const BASE_WEIGHT: i64 = 4 * 1024;

/// The exit codes of the instances by slot, left out where there is none.
fn exit_codes(env: RawEnv, slots: &[Box<InstanceSlot>]) -> Value {
  let Ok(list) = env.array(slots.len()) else { return env.undefined() };
  for (slot, index) in slots.iter().zip(0..) {
    let code = slot.exit_code().and_then(|code| env.double(f64::from(code)).ok()).unwrap_or_else(|| env.undefined());
    // Should it fail, JavaScript is ending, and nobody asks for the code.
    let _ = env.set_element(list, index, code);
  }
  list
}

impl StoreInner {
  /// Closes the store: at once, or when the wasm that runs in it has returned.
  pub fn close(&self, env: RawEnv, exit_code: Option<u32>) {
    if let Some(code) = exit_code {
      for slot in self.slots.borrow().iter() {
        slot.close(code, &self.state);
      }
    }
    if self.closed.replace(true) {
      return;
    }
    for slot in self.slots.borrow().iter() {
      slot.leave(&self.state);
    }
    if self.views.any() {
      self.detach_views(env);
    }
    let idle = self.depth.get() == 0
      && match self.tasks() {
        // Between two steps of a task the store is busy, but nobody uses it.
        Some(tasks) => !tasks.is_away(),
        None => !self.busy.get(),
      };
    if idle {
      self.drop_store();
    }
    self.report(env);
    if let Some(tasks) = self.tasks() {
      if tasks.is_away() {
        tasks.interrupt();
      }
      if tasks.any() {
        self.call_core_hook(env, self.state.store_closed(env));
      }
    }
  }

  /// Lets go of all but the box, which the finaliser frees: for a store that JavaScript has lost, in a program that gives
  /// Node no time for finalisers.
  pub fn strip(&self) {
    self.state.release(self.holder.replace(ptr::null_mut()));
    self.export_funcs.take();
    self.func_tombs.take();
    self.externs.take();
    self.extern_keys.take();
    self.func_indexes.take();
    self.slots.take();
    self.gc_handles.clear(&self.state);
  }

  /// Frees a closed store that no native frame uses any more.
  #[cold]
  fn retire(&self) {
    if self.depth.get() > 0 || self.busy.get() || !self.has_finalizer.get() {
      return;
    }
    let Some(env) = self.state.env() else { return };
    // If the holder has been collected already, so have the tombs, and the finaliser is on its way.
    let Some(holder) = env.dereference(self.holder.get()) else { return };
    // Node's `napi_remove_wrap` ends the process while a Worker is being terminated. Setting an element fails then; the
    // finaliser will free the store with its environment.
    let slots = self.slots.borrow();
    // The tomb of the store has one exit code only.
    let codes = if slots.len() > 1 { exit_codes(env, &slots) } else { env.undefined() };
    if env.set_element(holder, PROBE, codes).is_err() || !env.remove_wrap(holder) {
      return;
    }
    self.has_finalizer.set(false);
    // It was closed in the middle of an access, where JavaScript was asked whether something may grow.
    self.drop_store();
    let own_code = slots.first().and_then(|slot| slot.exit_code());
    for (tomb, export) in self.func_tombs.take() {
      // SAFETY: the store owns its export functions until it is dropped below.
      let code = unsafe { &*export }.exit_code();
      // SAFETY: the holder is alive, and with it the memory of the tombs.
      unsafe { &*tomb }.close(code);
    }
    // SAFETY: as above.
    unsafe { &*self.own_tomb.get() }.close(own_code);
    drop(slots);
    self.state.release(self.holder.replace(ptr::null_mut()));
    // SAFETY: `store_new` boxed it, it has no finaliser any more, no tomb leads to it, and no frame uses it.
    drop(unsafe { Box::from_raw(ptr::from_ref(self).cast_mut()) });
  }

  /// Ends a closed store whose task has come home.
  pub fn end_tasks(&self) {
    if self.depth.get() == 0 && self.tasks().is_some_and(|tasks| !tasks.is_away()) {
      self.drop_store();
    }
  }

  pub(super) fn drop_store(&self) {
    if let Some(tasks) = self.tasks() {
      if tasks.is_away() {
        // When it is home.
        return;
      }
      tasks.abort();
      self.set_active(ptr::null_mut(), 0);
    }
    self.sampling.store_ended();
    // SAFETY: called only when no wasm of the store is on the stack and no access is under way.
    let store = unsafe { (*self.store.get()).take() };
    if let Some(store) = store {
      self.views.bury(store);
    }
    self.bytes.store(0, Ordering::Relaxed);
    self.usage.clear();
  }

  /// Tells the collector how the weight has changed.
  pub fn report(&self, env: RawEnv) {
    let weight = self.memory_bytes().saturating_add(BASE_WEIGHT).max(0);
    env.adjust_external_memory(weight - self.reported.replace(weight));
  }

  /// Bytes of memories and tables.
  pub fn memory_bytes(&self) -> i64 {
    self.bytes.load(Ordering::Relaxed)
  }

  /// Calls of host functions so far.
  pub fn host_calls_made(&self) -> u64 {
    self.tasks().map_or(self.host_calls.get(), crate::tasks::Tasks::host_calls)
  }

  /// Instances that are not closed.
  pub fn instance_count(&self) -> u32 {
    let slots = self.slots.borrow();
    u32::try_from(slots.iter().filter(|slot| slot.is_live()).count()).unwrap_or(u32::MAX)
  }

  pub fn set_registry_index(&self, index: usize) {
    self.registry_index.set(index);
  }

  /// Whether JavaScript has lost every handle.
  pub fn is_abandoned(&self, env: RawEnv) -> bool {
    self.depth.get() == 0 && !self.busy.get() && env.dereference(self.holder.get()).is_none()
  }
}

/// Keeps a store from being freed while a native frame uses it: JavaScript that the frame runs may close it.
pub struct StorePin(*const StoreInner);

impl StorePin {
  #[inline]
  pub fn new(store: &StoreInner) -> Self {
    store.pins.set(store.pins.get() + 1);
    Self(store)
  }
}

impl std::ops::Deref for StorePin {
  type Target = StoreInner;

  #[inline]
  fn deref(&self) -> &StoreInner {
    // SAFETY: a pinned store is not freed by `retire`, and its finaliser cannot run while the JavaScript that called the
    // native frame holds it.
    unsafe { &*self.0 }
  }
}

impl Drop for StorePin {
  #[inline]
  fn drop(&mut self) {
    let pins = self.pins.get() - 1;
    self.pins.set(pins);
    if pins == 0 && self.closed.get() {
      self.retire();
    }
  }
}

impl Drop for StoreInner {
  fn drop(&mut self) {
    self.state.unregister_store(&self.registry_index);
    self.sampling.store_ended();
    self.counts.store_ended(self.calls.get(), self.host_calls_made());
    if let Some(env) = self.state.env() {
      self.close(env, None);
      env.adjust_external_memory(-self.reported.replace(0));
    }
    // In this order, for the suspended fibers belong to the store.
    if let Some(tasks) = self.tasks.get() {
      tasks.abort();
    }
    self.store.get_mut().take();
    self.gc_handles.clear(&self.state);
    self.state.release(self.holder.replace(ptr::null_mut()));
  }
}

unsafe extern "C" fn finalize(_: sys::napi_env, data: *mut c_void, _: *mut c_void) {
  // SAFETY: `store_new` boxed it, and nobody else frees it while it has this finaliser.
  let inner = unsafe { Box::from_raw(data.cast::<StoreInner>()) };
  if inner.is_running() || inner.pins.get() > 0 || inner.tasks().is_some_and(crate::tasks::Tasks::is_away) {
    // `process.exit()` inside a host call tears the environment down above wasm frames that will never go on. Or a
    // compute thread has not given the task back in time.
    mem::forget(inner);
    return;
  }
  // Deno runs finalisers before the clean-up hooks when it ends, so closing can still reach JavaScript. The last pin of a
  // frame that this makes must not free what is being freed.
  inner.pins.set(1);
  drop(inner);
}

/// Makes a store. `holder` is the array of the store's JavaScript side; it must live as long as anything that can
/// reach the store, and the store ends when it is gone. Without `isAsync` the first use decides the mode. With
/// `limits.onGrow`, JavaScript asks the function of that name of the `StoreCore`.
#[napi(catch_unwind, ts_return_type = "StoreHandle")]
pub fn store_new(
  env: Env,
  engine: &Engine,
  #[napi(ts_arg_type = "unknown[]")] holder: Unknown,
  is_async: Option<bool>,
  limits: Option<LimitsConfig>,
) -> napi::Result<Unknown<'static>> {
  let raw = RawEnv(env.raw());
  let state = EnvState::of(raw)?;
  state.sweep_stores(raw);
  let make = || {
    let holder = Value(holder.raw());
    let limits = limits.map(Limits::from).unwrap_or_default();
    let inner = StoreInner::new(raw, Arc::clone(&state), engine, holder, limits)?;
    if let Some(is_async) = is_async {
      inner.require_mode(raw, if is_async { Mode::Async } else { Mode::Sync })?;
    }
    let data: *const c_void = ptr::from_ref(&*inner).cast();
    let tomb = inner.tombs.add(raw, inner.holder_part(raw, TOMBS)?, data)?;
    inner.own_tomb.set(tomb);
    let handle = raw.external(tomb.cast_mut().cast()).map_err(|_| Failure::Pending)?;
    raw.wrap(holder, data.cast_mut(), finalize).map_err(|_| Failure::Pending)?;
    inner.has_finalizer.set(true);
    // From here on the finaliser, or `retire`, owns the box.
    let _ = Box::into_raw(inner);
    Ok(handle)
  };
  let handle = make().map_err(|failure: Failure| failure.into_napi(raw))?;
  // SAFETY: a handle of this environment and of the running callback's scope.
  Ok(unsafe { Unknown::from_raw_unchecked(raw.0, handle.0) })
}

/// Closes a store. With an exit code its instances answer later calls with an `ExitError`.
#[napi(catch_unwind)]
pub fn store_close(env: Env, #[napi(ts_arg_type = "StoreHandle")] store: Unknown, exit_code: Option<u32>) {
  let raw = RawEnv(env.raw());
  // One that is freed already needs no closing.
  if let Ok(inner) = StoreInner::of(raw, Value(store.raw())) {
    inner.close(raw, exit_code);
  }
}

#[napi(catch_unwind)]
pub fn store_is_closed(env: Env, #[napi(ts_arg_type = "StoreHandle")] store: Unknown) -> bool {
  let raw = RawEnv(env.raw());
  StoreInner::of(raw, Value(store.raw())).map_or(true, |store| store.is_closed())
}

/// Collects the store's garbage: reference values that wasm no longer holds, and objects of wasm that JavaScript no longer
/// holds.
#[napi(catch_unwind)]
pub fn store_gc(env: Env, #[napi(ts_arg_type = "StoreHandle")] store: Unknown) -> napi::Result<()> {
  let raw = RawEnv(env.raw());
  let collect = || {
    let inner = StoreInner::of(raw, Value(store.raw()))?;
    inner.gc_handles.sweep(raw, &inner.state);
    inner.with_allocating(|mut ctx| ctx.gc(None))?.map_err(|error| Failure::internal(error.to_string()))?;
    inner.clear_freed_values(raw)
  };
  collect().map_err(|failure| failure.into_napi(raw))
}

/// Has V8 collect at once, and frees the stores that JavaScript has lost: for when the system has no memory left.
#[napi(catch_unwind)]
pub fn collect_stores(env: Env) -> napi::Result<()> {
  let raw = RawEnv(env.raw());
  EnvState::of(raw)?.collect(raw);
  Ok(())
}
