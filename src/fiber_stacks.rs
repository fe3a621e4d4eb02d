//! Stacks for fibers, kept for the next fiber when one has ended: mapping a stack, the first touch of its pages, and
//! unmapping it cost several times as much as a short call. Lives on: any thread.
//!
//! Wasm cannot read the native stack, so what a guest has left there does not matter to the next one.

use std::ffi::c_void;
use std::ops::Range;
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags, madvise, mmap_anonymous, mprotect, munmap};
use wasmtime::{StackCreator, StackMemory};

use crate::map_budget::{Maps, OF_STACK};

/// Stacks that wait for a fiber, at most.
const MAX_KEPT: usize = 1024;

/// Bytes at the top of a stack that stay in memory while it waits: what a call of some depth needs.
const WARM: usize = 16 * 1024;

/// The stacks of one engine.
pub struct FiberStacks {
  kept: Arc<Mutex<Vec<Mapping>>>,
}

/// The guard page, and above it the stack.
struct Mapping {
  start: *mut c_void,
  length: usize,
  page: usize,
  _maps: Maps,
}

// SAFETY: nothing but its owner uses the mapping, and any thread may unmap it.
unsafe impl Send for Mapping {}
// SAFETY: a shared reference gives only addresses.
unsafe impl Sync for Mapping {}

struct Stack {
  /// `None` only when the stack is being dropped.
  mapping: Option<Mapping>,
  kept: Arc<Mutex<Vec<Mapping>>>,
}

impl FiberStacks {
  pub fn new() -> Self {
    Self { kept: Arc::default() }
  }
}

impl Mapping {
  fn new(size: usize) -> wasmtime::Result<Self> {
    let maps = Maps::take(OF_STACK)?;
    let page = rustix::param::page_size();
    let length = size.next_multiple_of(page).saturating_add(page);
    // SAFETY: a new private mapping at an address of the system's choice.
    let start = unsafe { mmap_anonymous(ptr::null_mut(), length, ProtFlags::empty(), MapFlags::PRIVATE) }
      .map_err(|error| refused(error, "mmap"))?;
    let mapping = Self { start, length, page, _maps: maps };
    // SAFETY: within the mapping that was made just now.
    unsafe { mprotect(start.wrapping_byte_add(page), length - page, MprotectFlags::READ | MprotectFlags::WRITE) }
      .map_err(|error| refused(error, "mprotect"))?;
    Ok(mapping)
  }

  fn bottom(&self) -> *mut c_void {
    self.start.wrapping_byte_add(self.page)
  }

  fn top(&self) -> *mut c_void {
    self.start.wrapping_byte_add(self.length)
  }

  /// Whether nothing was written to what lies just below the warm part, whose `size` lowest bytes are the rest. Whatever goes
  /// deeper leaves something there, but for a frame that is larger than that and empty; then its memory is kept.
  fn is_cool(&self, size: usize) -> bool {
    let length = self.page.min(size);
    let start = self.bottom().wrapping_byte_add(size - length).cast::<u64>();
    // SAFETY: whole words within the mapping, on which no fiber runs; memory that was never written to is zero.
    let words = unsafe { std::slice::from_raw_parts(start, length / size_of::<u64>()) };
    words.iter().fold(0, |all, word| all | word) == 0
  }

  /// Gives the memory of all but the warm part back to the system, if there is any: asking for that is a system call, and
  /// interrupts the process's other threads.
  fn cool(&self) {
    let size = (self.length - self.page).saturating_sub(WARM);
    if size > 0 && !self.is_cool(size) {
      #[cfg(target_os = "linux")]
      let advice = Advice::LinuxDontNeed;
      #[cfg(not(target_os = "linux"))]
      let advice = Advice::DontNeed;
      // SAFETY: within the mapping, on which no fiber runs; what it held is not needed any more.
      let _ = unsafe { madvise(self.bottom(), size, advice) };
    }
  }
}

/// The system's refusal, in words that say what to do.
#[cold]
fn refused(error: rustix::io::Errno, call: &str) -> wasmtime::Error {
  wasmtime::Error::msg(format!(
    "no memory for the stack of an asynchronous call ({call}: {error}). Perhaps a limit of the system is reached: on memory \
     maps (vm.max_map_count), on address space (ulimit -v) or on memory"
  ))
}

impl Drop for Mapping {
  fn drop(&mut self) {
    // SAFETY: the mapping is this one's alone, and nothing uses it any more.
    let _ = unsafe { munmap(self.start, self.length) };
  }
}

// SAFETY: each stack is a mapping of its own, page-aligned, with a guard page below, and zero when it is new. A stack that
// is used again is not zeroed, which Wasmtime asks for only where it was configured, and here it is not.
unsafe impl StackCreator for FiberStacks {
  fn new_stack(&self, size: usize, _zeroed: bool) -> wasmtime::Result<Box<dyn StackMemory>> {
    let known = self.kept.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let mapping = match known {
      Some(mapping) => mapping,
      None => Mapping::new(size)?,
    };
    Ok(Box::new(Stack { mapping: Some(mapping), kept: Arc::clone(&self.kept) }))
  }
}

// SAFETY: the addresses are those of the mapping, which lives as long as this.
unsafe impl StackMemory for Stack {
  fn top(&self) -> *mut u8 {
    self.mapping.as_ref().map_or(ptr::null_mut(), |mapping| mapping.top().cast())
  }

  fn range(&self) -> Range<usize> {
    self.mapping.as_ref().map_or(0..0, |mapping| mapping.bottom().addr()..mapping.top().addr())
  }

  fn guard_range(&self) -> Range<*mut u8> {
    let null: *mut u8 = ptr::null_mut();
    self.mapping.as_ref().map_or(null..null, |mapping| mapping.start.cast()..mapping.bottom().cast())
  }
}

impl Drop for Stack {
  fn drop(&mut self) {
    let Some(mapping) = self.mapping.take() else { return };
    mapping.cool();
    let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() < MAX_KEPT {
      kept.push(mapping);
    } else {
      // Unmapped without the lock.
      drop(kept);
      drop(mapping);
    }
  }
}
