//! The threads on which tasks compute while the event loop goes on.
//!
//! A task is here while its guest computes for longer than a slice. It is polled slice by slice, and gives its place to
//! the next one that waits; when the guest calls a host function, or is done, it goes home to its JavaScript thread.
//! Threads are started when there is work for them, and end when there has been none for a while.
//! Lives on: any thread.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::tasks::{AwayTask, Slice};

/// How long a thread waits for work before it ends.
const LINGER: Duration = Duration::from_secs(5);

pub struct ComputePool {
  threads: usize,
  state: Mutex<State>,
  work: Condvar,
}

#[derive(Default)]
struct State {
  waiting: VecDeque<AwayTask>,
  threads: usize,
  idle: usize,
}

impl ComputePool {
  /// A pool of at most `threads` threads; by default one less than the machine has cores, at least one.
  pub fn new(threads: Option<u32>) -> Arc<Self> {
    let threads = threads.map_or_else(
      || thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1)),
      |threads| usize::try_from(threads).unwrap_or(usize::MAX),
    );
    Arc::new(Self { threads: threads.max(1), state: Mutex::default(), work: Condvar::new() })
  }

  /// Takes a task over; gives it back if the system has no thread for it.
  pub fn submit(self: &Arc<Self>, task: AwayTask) -> Result<(), AwayTask> {
    let mut state = self.lock();
    if state.idle <= state.waiting.len() && state.threads < self.threads {
      let pool = Arc::clone(self);
      let name = format!("node-wasmtime-task-{}", state.threads);
      match thread::Builder::new().name(name).spawn(move || pool.work()) {
        Ok(_) => state.threads += 1,
        Err(_) if state.threads == 0 => return Err(task),
        Err(_) => {}
      }
    }
    state.waiting.push_back(task);
    drop(state);
    self.work.notify_one();
    Ok(())
  }

  fn lock(&self) -> MutexGuard<'_, State> {
    self.state.lock().unwrap_or_else(PoisonError::into_inner)
  }

  fn work(&self) {
    let mut next = None;
    loop {
      let Some(task) = next.take().or_else(|| self.next()) else { return };
      match task.run_slice() {
        Slice::Home => {}
        Slice::Yielded(task) => {
          let mut state = self.lock();
          state.waiting.push_back(task);
          next = state.waiting.pop_front();
        }
      }
    }
  }

  /// Waits for a task; `None` if none has come for a while, and the thread ends.
  fn next(&self) -> Option<AwayTask> {
    let mut state = self.lock();
    loop {
      if let Some(task) = state.waiting.pop_front() {
        return Some(task);
      }
      state.idle += 1;
      let (guard, timeout) = self.work.wait_timeout(state, LINGER).unwrap_or_else(PoisonError::into_inner);
      state = guard;
      state.idle -= 1;
      if timeout.timed_out() && state.waiting.is_empty() {
        state.threads -= 1;
        return None;
      }
    }
  }
}
