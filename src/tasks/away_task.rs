//! A task while its guest computes: it is polled slice by slice, until it must go home. Lives on: the compute threads.

use std::sync::Arc;
use std::task::Poll;

use super::Signal;
use crate::store::StoreInner;

/// A store's task on its way through the compute threads.
pub struct AwayTask(pub(super) *const StoreInner);

// SAFETY: who has the task has the store, whose parts for the JavaScript thread alone it does not touch.
unsafe impl Send for AwayTask {}

/// What a task does after a slice on a compute thread.
pub enum Slice {
  /// It went home.
  Home,
  /// It wants to go on computing.
  Yielded(AwayTask),
}

impl AwayTask {
  pub fn run_slice(self) -> Slice {
    // SAFETY: the store is alive while its task is away.
    let Some(tasks) = (unsafe { &*self.0 }).tasks() else { return Slice::Home };
    // Once the task is home the store may be gone, and with it the tasks, before this returns.
    let (pulse, home) = (Arc::clone(&tasks.pulse), Arc::clone(&tasks.home));
    let Ok(running) = pulse.run() else {
      // Without the clock nothing would end the slice. At home it goes on as if it had just yielded, and finds the same.
      tasks.arrived.set(Some(Poll::Pending));
      tasks.signal.set(Signal::None);
      tasks.woken.rouse();
      home.arrive(self.0);
      return Slice::Home;
    };
    let polled = tasks.poll_safely();
    if polled.is_pending() && tasks.signal.get() == Signal::None && tasks.has_yielded() {
      if tasks.notice_count() > 0 {
        home.notify(self.0, tasks.take_notices());
      }
      return Slice::Yielded(self);
    }
    tasks.arrived.set(Some(polled));
    drop(running);
    home.arrive(self.0);
    Slice::Home
  }
}
