//! What wakes a guest that waits for something outside of JavaScript: a timer, a file, a thread.
//!
//! Lives on: any thread may wake; the rest belongs to who polls.

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Wake;
use std::thread::{self, Thread};
use std::time::Duration;

use crate::home::Home;
use crate::store::StoreInner;

/// How often a thread that waits looks whether it should stop.
const LOOK: Duration = Duration::from_millis(5);

/// Wakes a thread that waits for a future.
#[derive(Default)]
pub struct Sleeper {
  woken: AtomicBool,
  thread: Mutex<Option<Thread>>,
}

impl Sleeper {
  /// To be called before each poll.
  pub fn prepare(&self) {
    // A wake from before needs no attention: the poll will see what it was for. This is on the path of every host call.
    self.woken.store(false, Ordering::Relaxed);
  }

  /// Whether it was woken since then.
  pub fn is_woken(&self) -> bool {
    self.woken.load(Ordering::SeqCst)
  }

  /// Waits until it is woken; false if `stopped` says so first.
  pub fn sleep(&self, stopped: impl Fn() -> bool) -> bool {
    *self.lock() = Some(thread::current());
    let woken = loop {
      if self.is_woken() {
        break true;
      }
      if stopped() {
        break false;
      }
      thread::park_timeout(LOOK);
    };
    *self.lock() = None;
    woken
  }

  fn rouse(&self) {
    self.woken.store(true, Ordering::SeqCst);
    if let Some(thread) = &*self.lock() {
      thread.unpark();
    }
  }

  fn lock(&self) -> std::sync::MutexGuard<'_, Option<Thread>> {
    self.thread.lock().unwrap_or_else(PoisonError::into_inner)
  }
}

impl Wake for Sleeper {
  fn wake(self: Arc<Self>) {
    self.rouse();
  }

  fn wake_by_ref(self: &Arc<Self>) {
    self.rouse();
  }
}

/// Wakes a store's task: the thread that waits for it, or, if it is parked, by bringing it home.
pub struct TaskWaker {
  pub sleeper: Sleeper,
  /// The store, while nobody has its task: from `park` to the first wake.
  parked: AtomicPtr<StoreInner>,
  home: Arc<Home>,
}

impl TaskWaker {
  pub fn new(home: Arc<Home>) -> Arc<Self> {
    Arc::new(Self { sleeper: Sleeper::default(), parked: AtomicPtr::new(ptr::null_mut()), home })
  }

  /// Lets go of the task, which counts as away, until it is woken. False if it was woken since the last poll.
  pub fn park(&self, store: &StoreInner) -> bool {
    self.parked.store(ptr::from_ref(store).cast_mut(), Ordering::SeqCst);
    // In this order: `rouse` goes in the reverse one, so one of the two sees the other.
    !self.sleeper.is_woken() || self.parked.swap(ptr::null_mut(), Ordering::SeqCst).is_null()
  }

  /// No wake is for this store any more.
  pub fn forget(&self) {
    self.parked.store(ptr::null_mut(), Ordering::SeqCst);
  }

  pub fn rouse(&self) {
    self.sleeper.rouse();
    let store = self.parked.swap(ptr::null_mut(), Ordering::SeqCst);
    if !store.is_null() {
      self.home.arrive(store);
    }
  }
}

impl Wake for TaskWaker {
  fn wake(self: Arc<Self>) {
    self.rouse();
  }

  fn wake_by_ref(self: &Arc<Self>) {
    self.rouse();
  }
}
