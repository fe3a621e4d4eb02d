//! The data of Wasmtime's store: the way back to [`StoreInner`], and the count of what memories and tables take.
//! Lives on: whoever has the store.

use std::mem;
use std::sync::atomic::Ordering;

use super::StoreInner;
use crate::map_budget::{Maps, OF_MEMORY};

/// Elements that a table may have: the limit of the browsers, from the JavaScript API of WebAssembly.
const MAX_TABLE_ELEMENTS: usize = 10_000_000;

/// The data of Wasmtime's store: the way back to [`StoreInner`].
pub struct StoreData {
  pub inner: *const StoreInner,
  pub(super) last_growth: i64,
  /// The maps of the memories.
  pub(super) maps: Maps,
}

// SAFETY: only who has the store follows the pointer, and touches of it what is marked as belonging to that thread.
unsafe impl Send for StoreData {}
// SAFETY: as above.
unsafe impl Sync for StoreData {}

impl StoreData {
  fn grow(&mut self, bytes: usize) {
    self.last_growth = i64::try_from(bytes).unwrap_or(i64::MAX);
    // SAFETY: the store inner owns the store whose data this is, so it is alive.
    let inner = unsafe { &*self.inner };
    inner.bytes.fetch_add(self.last_growth, Ordering::Relaxed);
  }

  fn undo(&mut self) {
    // SAFETY: as in `grow`.
    let inner = unsafe { &*self.inner };
    inner.bytes.fetch_sub(mem::take(&mut self.last_growth), Ordering::Relaxed);
  }
}

/// Counts what memories and tables take, and refuses tables that no real program has: their elements are allocated, not
/// only reserved, so one instruction could take all memory of the machine.
impl wasmtime::ResourceLimiter for StoreData {
  fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
    if current == 0 {
      // It is being made.
      self.maps.join(Maps::take(OF_MEMORY)?);
    }
    self.grow(desired.saturating_sub(current));
    Ok(true)
  }

  fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
    self.undo();
    Ok(())
  }

  fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
    if desired > MAX_TABLE_ELEMENTS {
      return Ok(false);
    }
    self.grow(desired.saturating_sub(current).saturating_mul(size_of::<usize>()));
    Ok(true)
  }

  fn table_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
    self.undo();
    Ok(())
  }
}
