//! What the threads of a process share with each other: a handle, which can be posted to a Worker, has an id that leads
//! to it here. Plain data of Wasmtime, never anything of a JavaScript environment. Lives on: any thread.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

/// Shared things of one kind, by their ids. They are not kept alive.
pub struct SharedHandles<T>(LazyLock<Mutex<HashMap<String, Weak<T>>>>);

impl<T> SharedHandles<T> {
  pub const fn new() -> Self {
    Self(LazyLock::new(Mutex::default))
  }

  /// Makes something known, and forgets what has ended meanwhile.
  pub fn add(&self, id: String, item: &Arc<T>) {
    let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
    known.retain(|_, item| item.strong_count() > 0);
    known.insert(id, Arc::downgrade(item));
  }

  /// What is known under an id and still alive.
  pub fn get(&self, id: &str) -> Option<Arc<T>> {
    self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id)?.upgrade()
  }
}
