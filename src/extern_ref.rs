//! JavaScript values that wasm holds, as `externref`s.
//!
//! The value itself stays in an array of the store's JavaScript side, so that a cycle through wasm can be collected;
//! wasm's reference holds the index, and gives it back to the free list when Wasmtime collects it.

use std::sync::{Arc, Mutex, PoisonError};

use wasmtime::{ExternRef, Rooted, StoreContextMut};

use crate::failure::Failure;
use crate::raw_env::{RawEnv, Value};
use crate::store::{StoreData, StoreInner};

/// Part of the holder array where the values are.
const VALUES: u32 = 1;
/// Part of the holder array where the JavaScript functions are, by handle.
pub const FUNCTIONS: u32 = 2;

/// Indexes that wasm has given back. Any thread may push, for Wasmtime drops references wherever the store is.
#[derive(Default)]
pub struct FreeList {
  /// Given back, their value not cleared yet.
  freed: Mutex<Vec<u32>>,
  /// Ready for use, and how many indexes there are in all.
  reusable: Mutex<(Vec<u32>, u32)>,
}

/// What an `externref` holds.
pub struct ExternSlot {
  index: u32,
  list: Arc<FreeList>,
}

impl Drop for ExternSlot {
  fn drop(&mut self) {
    self.list.freed.lock().unwrap_or_else(PoisonError::into_inner).push(self.index);
  }
}

impl StoreInner {
  /// Forgets the values of indexes that wasm has given back.
  pub fn clear_freed_values(&self, env: RawEnv) -> Result<(), Failure> {
    let freed = std::mem::take(&mut *self.free_values.freed.lock().unwrap_or_else(PoisonError::into_inner));
    if freed.is_empty() {
      return Ok(());
    }
    let values = self.holder_part(env, VALUES)?;
    let mut reusable = self.free_values.reusable.lock().unwrap_or_else(PoisonError::into_inner);
    for index in freed {
      env.set_element(values, index, env.undefined()).map_err(|_| Failure::Pending)?;
      reusable.0.push(index);
    }
    Ok(())
  }

  /// How many reference values wasm may still hold.
  fn live_values(&self) -> u32 {
    let reusable = self.free_values.reusable.lock().unwrap_or_else(PoisonError::into_inner);
    reusable.1.saturating_sub(u32::try_from(reusable.0.len()).unwrap_or(u32::MAX))
  }

  fn keep_value(&self, env: RawEnv, value: Value) -> Result<u32, Failure> {
    self.clear_freed_values(env)?;
    let values = self.holder_part(env, VALUES)?;
    let mut reusable = self.free_values.reusable.lock().unwrap_or_else(PoisonError::into_inner);
    let index = if let Some(index) = reusable.0.pop() {
      index
    } else {
      let index = reusable.1;
      reusable.1 = index.checked_add(1).ok_or_else(|| Failure::internal("too many reference values"))?;
      index
    };
    env.set_element(values, index, value).map_err(|_| Failure::Pending)?;
    Ok(index)
  }

  /// Keeps a value for an `externref` that is made later.
  pub fn keep_extern(&self, env: RawEnv, value: Value) -> Result<ExternSlot, Failure> {
    let index = self.keep_value(env, value)?;
    Ok(ExternSlot { index, list: Arc::clone(&self.free_values) })
  }

  /// Makes the `externref` of a value that is kept. On the JavaScript thread.
  pub fn extern_ref(
    &self,
    mut ctx: StoreContextMut<'_, StoreData>,
    slot: ExternSlot,
  ) -> wasmtime::Result<Rooted<ExternRef>> {
    // Wasmtime collects when its own heap is full, and an `externref` is small there whatever JavaScript keeps for it.
    if self.live_values() >= self.collect_values_at.get() {
      ctx.gc(None)?;
      // What is given back is ready for use only when its value is cleared, which the next one that is kept will do.
      let freed = self.free_values.freed.lock().unwrap_or_else(PoisonError::into_inner).len();
      let live = self.live_values().saturating_sub(u32::try_from(freed).unwrap_or(u32::MAX));
      self.collect_values_at.set(live.saturating_mul(2).max(1024));
    }
    ExternRef::new(ctx, slot)
  }

  /// The value of an `externref`.
  pub fn kept_value(&self, env: RawEnv, slot: &ExternSlot) -> Result<Value, Failure> {
    let values = self.holder_part(env, VALUES)?;
    env.get_element(values, slot.index).map_err(|_| Failure::Pending)
  }
}
