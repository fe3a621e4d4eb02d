//! What JavaScript functions and store handles point to: a few words that outlive the native objects.
//!
//! The words are in `ArrayBuffer`s that the store's JavaScript side holds, so they live exactly as long as anything that
//! points to them, and need neither a reference nor a finaliser: objects with either survive V8's quick collections, and
//! closed instances would pile up until a thorough one. While the store is open a tomb leads to the native object; when
//! the store is freed it is empty and says how it ended. Lives on: the JavaScript thread.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::ptr;

use crate::failure::Failure;
use crate::raw_env::{RawEnv, Value};

/// Tombs in a store's first buffer: the store's own and those of some functions.
const FIRST_CHUNK: usize = 8;

/// All zeros, as V8 hands its memory over, is a valid and empty tomb.
#[repr(C)]
pub struct Tomb {
  target: Cell<*const c_void>,
  /// 0, or one more than the exit code.
  exit: Cell<u64>,
}

impl Tomb {
  /// The native object, as long as there is one.
  #[inline]
  pub fn target<T>(&self) -> Option<*const T> {
    let target = self.target.get();
    (!target.is_null()).then_some(target.cast())
  }

  /// The error of a use after the end.
  #[cold]
  pub fn failure(&self) -> Failure {
    self.exit_code().map_or_else(|| Failure::closed("store"), Failure::exit)
  }

  /// The exit code of the end, `None` if it was an end without one.
  pub fn exit_code(&self) -> Option<u32> {
    u32::try_from(self.exit.get().wrapping_sub(1)).ok()
  }

  pub fn close(&self, exit_code: Option<u32>) {
    self.exit.set(exit_code.map_or(0, |code| u64::from(code) + 1));
    self.target.set(ptr::null());
  }
}

struct Chunk {
  start: *const Tomb,
  length: usize,
}

/// The tombs of one store.
#[derive(Default)]
pub struct Tombs {
  chunks: RefCell<Vec<Chunk>>,
  used: Cell<usize>,
}

impl Tombs {
  /// Makes a tomb that leads to `target`. `buffers` is the JavaScript list that holds the memory.
  pub fn add(&self, env: RawEnv, buffers: Value, target: *const c_void) -> Result<*const Tomb, Failure> {
    let mut chunks = self.chunks.borrow_mut();
    let full = chunks.last().is_none_or(|chunk| chunk.length == self.used.get());
    if full {
      let length = chunks.last().map_or(FIRST_CHUNK, |chunk| chunk.length.saturating_mul(2));
      let number = u32::try_from(chunks.len()).unwrap_or(u32::MAX);
      let (buffer, start) = env.array_buffer(length * size_of::<Tomb>()).map_err(|_| Failure::Pending)?;
      env.set_element(buffers, number, buffer).map_err(|_| Failure::Pending)?;
      chunks.push(Chunk { start: start.cast_const().cast(), length });
      self.used.set(0);
    }
    let Some(chunk) = chunks.last() else { return Err(Failure::internal("no memory for a handle")) };
    let place = self.used.get();
    // SAFETY: `place` is below the chunk's length, and the buffer has room for that many tombs.
    let tomb = unsafe { chunk.start.add(place) };
    self.used.set(place + 1);
    // SAFETY: the buffer is held by `buffers`, its address does not change, and V8 aligns it for 16-byte values.
    unsafe { &*tomb }.target.set(target);
    Ok(tomb)
  }
}
