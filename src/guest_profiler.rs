//! Samples of what a store's guests do, for Firefox's profiler.
//!
//! Wasm is interrupted by the clock's epochs, and whoever has the store then takes the sample, on the stack where the wasm
//! runs: nobody else ever looks at a store for it. Between samples the profile lies behind a mutex, so that JavaScript can
//! take it while the guest computes elsewhere. Lives on: samples where the store is; the rest on the JavaScript thread.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use napi::JsValue;
use napi::bindgen_prelude::{Env, Unknown};
use napi_derive::napi;
use wasmtime::AsContext;

use crate::external_buffer::OutBytes;
use crate::failure::Failure;
use crate::module::Module;
use crate::raw_env::{RawEnv, Value};
use crate::store::{StoreData, StoreInner};
use crate::ticker::{KeptRunning, ticks};

/// A store's place for a profile under way.
#[derive(Default)]
pub struct Sampling {
  /// Ticks of the clock between samples; 0 without a profile. Any thread.
  interval: AtomicU64,
  /// The tick at which the next one is due. Who has the store.
  due: AtomicU64,
  profile: Mutex<Option<Profile>>,
}

struct Profile {
  profiler: wasmtime::GuestProfiler,
  /// When the guest was sampled or entered last.
  last: Instant,
  /// Keeps the clock running; `None` once the store has ended.
  running: Option<KeptRunning>,
}

impl Sampling {
  /// Ticks between samples; `None` without a profile.
  #[inline]
  fn interval(&self) -> Option<u64> {
    match self.interval.load(Ordering::Relaxed) {
      0 => None,
      ticks => Some(ticks),
    }
  }

  /// Ticks until the next sample of a guest that runs from now on; `None` without a profile. One that was due while no guest
  /// ran is not made up for: it would hit the beginning of every call.
  #[inline]
  pub fn next(&self) -> Option<u64> {
    self.interval()?;
    let now = ticks();
    let due = self.due.load(Ordering::Relaxed).max(now + 1);
    self.due.store(due, Ordering::Relaxed);
    Some(due - now)
  }

  /// Takes a sample of the wasm that runs in `ctx`, on this thread, if one is due; gives the ticks until the next one.
  #[inline]
  pub fn sample(&self, ctx: impl AsContext<Data = StoreData>) -> Option<u64> {
    let interval = self.interval()?;
    if ticks() >= self.due.load(Ordering::Relaxed) {
      if let Some(profile) = &mut *self.lock() {
        let now = Instant::now();
        let delta = now.duration_since(std::mem::replace(&mut profile.last, now));
        profile.profiler.sample(ctx, delta);
      }
      self.due.store(ticks() + interval, Ordering::Relaxed);
    }
    self.next()
  }

  /// Whether a profile is under way.
  #[inline]
  pub fn is_on(&self) -> bool {
    self.interval().is_some()
  }

  /// The guest begins to run: the time before is not its own.
  pub fn entered(&self) {
    if self.interval().is_some()
      && let Some(profile) = &mut *self.lock()
    {
      profile.last = Instant::now();
    }
  }

  /// Nothing will run in the store any more.
  pub fn store_ended(&self) {
    self.interval.store(0, Ordering::Relaxed);
    if let Some(profile) = &mut *self.lock() {
      profile.running = None;
    }
  }

  fn lock(&self) -> MutexGuard<'_, Option<Profile>> {
    self.profile.lock().unwrap_or_else(PoisonError::into_inner)
  }
}

impl StoreInner {
  fn start_profile(&self, name: &str, interval: u64, extra: &[&Module]) -> Result<(), Failure> {
    if self.is_closed() {
      return Err(Failure::closed("store"));
    }
    if !self.is_interruptible() {
      return Err(Failure::type_error(
        "profiling interrupts guests to look at them, and this engine was made with interruptible: false; leave that \
         option out",
      ));
    }
    if self.sampling.lock().is_some() {
      return Err(Failure::type_error("a profile of this store is under way; finish it first"));
    }
    let mut modules: Vec<(String, wasmtime::Module)> = Vec::new();
    let mut add = |module: &wasmtime::Module| {
      if !modules.iter().any(|(_, known)| known.image_range() == module.image_range()) {
        modules.push((module.name().unwrap_or("guest").to_owned(), module.clone()));
      }
    };
    for slot in 0..self.slot_count() {
      if let Some(slot) = u32::try_from(slot).ok().and_then(|slot| self.slot(slot)) {
        add(&slot.module);
      }
    }
    for module in extra {
      if !wasmtime::Engine::same(module.engine(), &self.engine) {
        return Err(Failure::type_error("a module to profile was compiled by another engine than the store's"));
      }
      add(&module.compiled()?.module);
    }
    let profiler = wasmtime::GuestProfiler::new(&self.engine, name, Duration::from_millis(interval), modules)
      .map_err(|error| Failure::internal(error.to_string()))?;
    let running = self.keep_clock().map_err(|error| {
      Failure::new(crate::failure::FailureKind::Limit, format!("the thread of the clock cannot be started: {error}"))
    })?;
    *self.sampling.lock() = Some(Profile { profiler, last: Instant::now(), running: Some(running) });
    self.sampling.due.store(ticks() + interval, Ordering::Relaxed);
    self.sampling.interval.store(interval, Ordering::Relaxed);
    self.rearm();
    // A guest that waits already; one that computes elsewhere learns of it at the end of its slice.
    if self.tasks().is_some() && !self.is_busy() {
      self.with(|mut ctx| ctx.set_epoch_deadline(interval))?;
    }
    Ok(())
  }
}

/// A profile under way.
#[napi]
pub struct GuestProfiler {
  sampling: Arc<Sampling>,
  finished: Cell<bool>,
}

#[napi]
impl GuestProfiler {
  /// Begins a profile of a store: of the modules that have instances in it, and of `modules`.
  #[napi(factory, catch_unwind)]
  pub fn start(
    env: Env,
    #[napi(ts_arg_type = "StoreHandle")] store: Unknown,
    name: String,
    interval_ms: u32,
    modules: Vec<&Module>,
  ) -> napi::Result<Self> {
    let raw = RawEnv(env.raw());
    let start = || {
      let store = StoreInner::of(raw, Value(store.raw()))?;
      store.start_profile(&name, u64::from(interval_ms.max(1)), &modules)?;
      Ok(Self { sampling: Arc::clone(&store.sampling), finished: Cell::new(false) })
    };
    start().map_err(|failure: Failure| failure.into_napi(raw))
  }

  /// Ends it; gives the profile, as JSON.
  #[napi(catch_unwind, ts_return_type = "Uint8Array")]
  pub fn finish(&self, env: Env, #[napi(ts_arg_type = "StoreHandle")] store: Unknown) -> napi::Result<OutBytes> {
    let raw = RawEnv(env.raw());
    let finish = || {
      if self.finished.replace(true) {
        return Err(Failure::closed("profile"));
      }
      self.sampling.interval.store(0, Ordering::Relaxed);
      if let Ok(store) = StoreInner::of(raw, Value(store.raw())) {
        store.rearm();
      }
      let profile = self.sampling.lock().take().ok_or_else(|| Failure::closed("profile"))?;
      let mut bytes = Vec::new();
      profile.profiler.finish(&mut bytes).map_err(|error| Failure::internal(error.to_string()))?;
      Ok(OutBytes::from(bytes))
    };
    finish().map_err(|failure: Failure| failure.into_napi(raw))
  }
}

impl Drop for GuestProfiler {
  fn drop(&mut self) {
    // One that is forgotten: the store is, too, since the JavaScript side of this holds it.
    if !self.finished.get() {
      self.sampling.interval.store(0, Ordering::Relaxed);
      self.sampling.lock().take();
    }
  }
}
