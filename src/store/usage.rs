//! What a store has taken, and what it was refused. Written by whoever has the store; any thread may read it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use napi::JsValue;
use napi::bindgen_prelude::{Env, Unknown};
use napi_derive::napi;

use super::StoreInner;
use crate::raw_env::{RawEnv, Value};

/// Refusals that are remembered, the latest.
const REMEMBERED: usize = 16;

/// A request that a limit has refused.
#[napi(object)]
#[derive(Clone)]
pub struct RefusalInfo {
  /// The limit's name, as in `lib/limits.ts`.
  pub limit: String,
  /// Its value; none for `onGrow`.
  pub value: Option<f64>,
  /// What there would have been in all.
  pub requested: f64,
}

/// What a store has taken.
#[napi(object)]
#[derive(Default)]
pub struct UsageInfo {
  pub memory_bytes: f64,
  pub table_elements: f64,
  pub instances: u32,
  pub memories: u32,
  pub tables: u32,
  /// The latest refusals, oldest first.
  pub refused: Vec<RefusalInfo>,
}

#[derive(Default)]
pub struct Usage {
  pub memory_bytes: AtomicU64,
  pub table_elements: AtomicU64,
  pub instances: AtomicU32,
  pub memories: AtomicU32,
  pub tables: AtomicU32,
  refused: Mutex<VecDeque<RefusalInfo>>,
}

impl Usage {
  fn lock(&self) -> MutexGuard<'_, VecDeque<RefusalInfo>> {
    self.refused.lock().unwrap_or_else(PoisonError::into_inner)
  }

  /// Remembers a refusal.
  pub fn refuse(&self, refusal: RefusalInfo) {
    let mut refused = self.lock();
    if refused.len() >= REMEMBERED {
      refused.pop_front();
    }
    refused.push_back(refusal);
  }

  /// The store has ended: nothing is taken any more.
  pub fn clear(&self) {
    self.memory_bytes.store(0, Ordering::Relaxed);
    self.table_elements.store(0, Ordering::Relaxed);
    for count in [&self.instances, &self.memories, &self.tables] {
      count.store(0, Ordering::Relaxed);
    }
  }

  fn info(&self) -> UsageInfo {
    UsageInfo {
      memory_bytes: double(self.memory_bytes.load(Ordering::Relaxed)),
      table_elements: double(self.table_elements.load(Ordering::Relaxed)),
      instances: self.instances.load(Ordering::Relaxed),
      memories: self.memories.load(Ordering::Relaxed),
      tables: self.tables.load(Ordering::Relaxed),
      refused: self.lock().iter().cloned().collect(),
    }
  }
}

/// A size as JavaScript's number.
#[expect(clippy::cast_precision_loss, reason = "sizes that exist stay below 2^53, and others are only shown")]
pub fn double(size: u64) -> f64 {
  size as f64
}

/// What a store has taken; of one that is closed, nothing.
#[napi(catch_unwind)]
pub fn store_usage(env: Env, #[napi(ts_arg_type = "StoreHandle")] store: Unknown) -> UsageInfo {
  let raw = RawEnv(env.raw());
  StoreInner::of(raw, Value(store.raw())).map_or_else(|_| UsageInfo::default(), |store| store.usage.info())
}
