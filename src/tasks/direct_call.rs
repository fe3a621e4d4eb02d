//! A host call without suspending the guest: the fiber stays where it is, in the middle of its poll, while the JavaScript
//! function runs on the thread's own stack, below the frames of the poll. Only a promise, or a task that has to give its
//! place to others, needs the driver.
//!
//! Lives on: the JavaScript thread; `call_directly` is reached on fibers.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::Poll;

use super::frame::{HostFrame, Listed};
use super::{Signal, Tasks};
use crate::failure::Failure;
use crate::raw_env::{RawEnv, Value};
use crate::store::StoreInner;
use crate::ticker::ticks;

/// What a host call in the middle of a poll leaves to the driver: the promise that it has returned.
pub type Handed = Result<Value, Failure>;

/// Bytes of the thread's own stack that a poll may use before it is on a fiber. What lies there is some 2 KiB, and up to 5
/// were in use before; without optimisation, several times that. V8 copes with being called, and throwing, up to 40 KiB
/// beyond its own limit.
const USED_BY_POLL: usize = if cfg!(debug_assertions) { 32 * 1024 } else { 12 * 1024 };

/// Windows knows of the stack that a thread is on, and checks that it does not leave it.
const IS_POSSIBLE: bool = cfg!(not(windows));

/// Operations nested in each other whose host calls are made in the middle of their polls. Deeper ones save the stack.
const MAX_DIRECT: usize = 4;

/// Of stacks, as large as any platform wants it.
const ALIGNMENT: usize = 64;

/// Set in the process's environment when the addon is loaded, to a number of bytes, it has a task fail whose poll has used
/// more of the thread's own stack than that. For tests: it is slow.
const MAX_USED_BY_POLL: &str = "NODE_WASMTIME_MAX_USED_BY_POLL";

/// What a stack is painted with to see how much of it is used.
const PAINT: u8 = 0xa5;

/// The most that a poll may use of the thread's own stack, if that is to be checked.
pub fn max_used_by_poll() -> Option<usize> {
  std::env::var(MAX_USED_BY_POLL).ok()?.parse().ok()
}

/// The thread's own stack, as long as the driver polls.
#[derive(Clone, Copy)]
pub struct OwnStack {
  /// From here on downwards nobody uses it.
  free: *mut u8,
  /// Bytes above `free` that the poll must have left alone.
  painted: usize,
  env: RawEnv,
  in_place: bool,
  /// The clock when the driver last looked whether the turn is over.
  tick: u64,
}

impl OwnStack {
  /// Paints what lies between `free` and the part that a poll may use.
  #[cold]
  #[inline(never)]
  fn paint(&mut self, max_used: usize) {
    // This function's own frame is spared.
    const OWN: usize = 512;
    let marker = 0_u8;
    let end = (&raw const marker).addr().saturating_sub(OWN.max(max_used));
    self.painted = end.saturating_sub(self.free.addr());
    for offset in 0..self.painted {
      // SAFETY: below all frames of this thread's stack, and above its end, which the driver has seen to be far away.
      unsafe { self.free.wrapping_byte_add(offset).write_volatile(PAINT) };
    }
  }

  fn is_untouched(&self) -> bool {
    (0..self.painted).all(|offset| {
      // SAFETY: as in `paint`.
      let byte = unsafe { self.free.wrapping_byte_add(offset).read_volatile() };
      byte == PAINT
    })
  }
}

impl Tasks {
  /// Polls, on the JavaScript thread, so that host calls can be made in the middle of it.
  #[inline(never)]
  pub(super) fn poll_with_calls(&self, env: RawEnv, in_place: bool, tick: u64, max_used: Option<usize>) -> Poll<()> {
    if !IS_POSSIBLE || self.active.borrow().len() > MAX_DIRECT {
      return self.poll_safely();
    }
    let marker = 0_u8;
    let free = (&raw const marker).cast_mut().wrapping_byte_sub(USED_BY_POLL);
    let free = free.map_addr(|address| address & !(ALIGNMENT - 1));
    let mut own = OwnStack { free, painted: 0, env, in_place, tick };
    if let Some(max_used) = max_used {
      own.paint(max_used);
    }
    self.own_stack.set(Some(own));
    let polled = self.poll_safely();
    self.own_stack.set(None);
    polled
  }

  /// The promise that a function has returned in the middle of a poll.
  pub(super) fn take_handed(&self) -> Handed {
    self.handed.take().unwrap_or_else(|| Err(Failure::internal("the promise of a host function is gone")))
  }
}

impl StoreInner {
  /// Calls the function of a frame in the middle of the poll, if that can be. Gives the signal with which the frame must
  /// suspend; `None` if the reply is in the frame.
  pub(super) fn call_directly(&self, tasks: &Tasks, frame: *mut HostFrame) -> Option<Signal> {
    let Some(own) = tasks.own_stack.get() else { return Some(Signal::HostCall) };
    if tasks.notice_count() > 0 || (!own.in_place && ticks() != own.tick) {
      return Some(Signal::HostCall);
    }
    if own.painted > 0 && !own.is_untouched() {
      HostFrame::at(frame).reply = Some(Err(wasmtime::Error::msg("a poll has used more of the stack than it may")));
      return None;
    }
    let _listed = Listed::new(tasks, frame);
    let call = || catch_unwind(AssertUnwindSafe(|| self.call_on_own_stack(own, tasks, frame)));
    // SAFETY: the fiber is resumed by `poll_with_calls`, further up on the thread's own stack, and what lies between it and
    // the fiber takes less than `USED_BY_POLL`. The closure does not unwind.
    match unsafe { on_stack(own.free, call) } {
      Ok(signal) => signal,
      Err(panic) => resume_unwind(panic),
    }
  }

  fn call_on_own_stack(&self, own: OwnStack, tasks: &Tasks, frame: *mut HostFrame) -> Option<Signal> {
    // Not for the polls of what is nested.
    tasks.own_stack.set(None);
    HostFrame::at(frame).direct = true;
    self.expose(frame);
    let answer = self.host_call(own.env, tasks, frame, own.in_place);
    if !tasks.has_root() {
      // What was nested has panicked. Nothing of the task can go on.
      return Some(Signal::Ended);
    }
    HostFrame::at(frame).direct = false;
    self.cover();
    tasks.own_stack.set(Some(own));
    match answer.transpose() {
      None => {
        tasks.calls.set(tasks.calls.get() + 1);
        // The function may have taken all the time that there was.
        (!own.in_place && (self.is_closed() || ticks() != own.tick)).then_some(Signal::Replied)
      }
      handed => {
        tasks.handed.set(handed);
        Some(Signal::Promise)
      }
    }
  }
}

/// Runs a closure on the stack that ends at `free`.
///
/// # Safety
/// There is a stack, with room for the closure, and nobody uses it from `free` downwards. The closure does not unwind.
#[cfg(not(windows))]
unsafe fn on_stack<R>(free: *mut u8, call: impl FnOnce() -> R) -> R {
  // SAFETY: this function's own contract.
  unsafe { psm::on_stack(free.wrapping_byte_sub(ALIGNMENT), ALIGNMENT, call) }
}

/// Not reached: `IS_POSSIBLE` is false, so there is no `OwnStack`.
#[cfg(windows)]
unsafe fn on_stack<R>(_: *mut u8, call: impl FnOnce() -> R) -> R {
  call()
}
