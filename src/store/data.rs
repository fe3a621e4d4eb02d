//! The data of Wasmtime's store: the way back to [`StoreInner`], and what limits it. Lives on: whoever has the store.

use super::StoreInner;
use super::limits::Limits;
use crate::map_budget::Maps;
use crate::wasi::StoreWasi;

/// The data of Wasmtime's store: the way back to [`StoreInner`].
pub struct StoreData {
  pub inner: *const StoreInner,
  pub limits: Limits,
  /// What its guests have of WASI.
  pub wasi: Option<Box<StoreWasi>>,
  /// The maps of the memories.
  pub(super) maps: Maps,
}

// SAFETY: only who has the store follows the pointer, and touches of it what is marked as belonging to that thread.
unsafe impl Send for StoreData {}
// SAFETY: as above.
unsafe impl Sync for StoreData {}
