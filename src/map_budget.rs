//! How many memory maps the process may still make. Linux gives it 65,530 by default, and when they are used up V8 ends the
//! process as soon as it wants one for itself. So stacks and memories are counted, and refused in time.
//! Lives on: any thread.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Maps of a fiber's stack: the stack and its guard page.
pub const OF_STACK: usize = 2;

/// Maps of a linear memory: what can be used of it, and what lies around it.
pub const OF_MEMORY: usize = 3;

static USED: AtomicUsize = AtomicUsize::new(0);

/// Maps that were taken; they are given back when this is dropped.
#[derive(Debug, Default)]
pub struct Maps(usize);

/// What stacks and memories may use together; the rest is for the process itself.
fn limit() -> usize {
  static LIMIT: OnceLock<usize> = OnceLock::new();
  *LIMIT.get_or_init(|| {
    let text = std::fs::read_to_string("/proc/sys/vm/max_map_count").unwrap_or_default();
    text.trim().parse::<usize>().map_or(usize::MAX, |most| most - most / 8)
  })
}

impl Maps {
  /// Takes so many maps; the error says what to do.
  pub fn take(count: usize) -> wasmtime::Result<Self> {
    let used = USED.fetch_add(count, Ordering::Relaxed).saturating_add(count);
    let maps = Self(count);
    if used <= limit() {
      return Ok(maps);
    }
    Err(wasmtime::Error::msg(format!(
      "the limit of the system on the memory maps of a process is nearly reached: stacks and memories have {} of them. Every \
       asynchronous call under way needs {OF_STACK}, every memory up to {OF_MEMORY}. Close instances, or raise \
       vm.max_map_count (sysctl)",
      used - count
    )))
  }

  /// Takes over what another one has.
  pub fn join(&mut self, mut other: Self) {
    self.0 += std::mem::take(&mut other.0);
  }
}

impl Drop for Maps {
  fn drop(&mut self) {
    USED.fetch_sub(self.0, Ordering::Relaxed);
  }
}
