//! What an engine has done since it was made, and what is alive of its modules: the counters behind `stats()`.
//!
//! The hot paths count in cells of their own store, which are added here when the store ends. Lives on: any thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Default)]
pub struct Counts {
  /// Of stores that have ended.
  calls: AtomicU64,
  host_calls: AtomicU64,
  traps: AtomicU64,
  interrupts: AtomicU64,
  compiled: AtomicU64,
  modules: AtomicU64,
  code_bytes: AtomicU64,
}

/// The counters at one moment.
#[derive(Clone, Copy)]
pub struct Counted {
  pub calls: u64,
  pub host_calls: u64,
  pub traps: u64,
  pub interrupts: u64,
  pub compiled: u64,
  pub modules: u64,
  pub code_bytes: u64,
}

/// A module's code, as long as it is alive.
pub struct CountedCode {
  counts: Arc<Counts>,
  bytes: u64,
}

impl Counts {
  pub fn read(&self) -> Counted {
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    Counted {
      calls: read(&self.calls),
      host_calls: read(&self.host_calls),
      traps: read(&self.traps),
      interrupts: read(&self.interrupts),
      compiled: read(&self.compiled),
      modules: read(&self.modules),
      code_bytes: read(&self.code_bytes),
    }
  }

  /// Takes over what a store has counted that ends.
  pub fn store_ended(&self, calls: u64, host_calls: u64) {
    self.calls.fetch_add(calls, Ordering::Relaxed);
    self.host_calls.fetch_add(host_calls, Ordering::Relaxed);
  }

  pub fn trapped(&self) {
    self.traps.fetch_add(1, Ordering::Relaxed);
  }

  pub fn interrupted(&self) {
    self.interrupts.fetch_add(1, Ordering::Relaxed);
  }

  /// A module was compiled, or loaded.
  pub fn compiled(&self) {
    self.compiled.fetch_add(1, Ordering::Relaxed);
  }

  /// Somebody has a module.
  pub fn code(self: &Arc<Self>, module: &wasmtime::Module) -> CountedCode {
    let image = module.image_range();
    let bytes = u64::try_from(image.end.addr().saturating_sub(image.start.addr())).unwrap_or(u64::MAX);
    self.modules.fetch_add(1, Ordering::Relaxed);
    self.code_bytes.fetch_add(bytes, Ordering::Relaxed);
    CountedCode { counts: Arc::clone(self), bytes }
  }
}

impl Drop for CountedCode {
  fn drop(&mut self) {
    self.counts.modules.fetch_sub(1, Ordering::Relaxed);
    self.counts.code_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
  }
}
