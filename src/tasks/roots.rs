//! The futures of a store that are polled by themselves: the outermost operation, and above it each synchronous call that was
//! made in a host function whose own future is in the middle of its poll. Lives on: whoever polls.

use std::cell::{Cell, UnsafeCell};
use std::pin::Pin;
use std::task::{Context, Poll};

use wasmtime::AsContextMut;

use super::{HostFrame, Operation};
use crate::store::StoreData;

type Operations = dyn Future<Output = ()> + Send;

/// What an operation runs on, and itself.
struct Place<T>(*mut T, *mut Operation);
// SAFETY: the future has the store to itself; see `Tasks`.
unsafe impl<T> Send for Place<T> {}

/// A future, by its address: the list may change while it is polled further down the stack.
pub struct Root {
  future: *mut Operations,
  /// It is being polled.
  polled: Cell<bool>,
}

impl Root {
  /// The outermost operation.
  pub fn on_store(store: *mut wasmtime::Store<StoreData>, operation: *mut Operation) -> Self {
    let place = Place(store, operation);
    Self::new(async move {
      let place = place;
      // SAFETY: while the future exists nobody uses the store but through the caller of a waiting frame of it, and it
      // is dropped before the store.
      let store = unsafe { &mut *place.0 };
      // SAFETY: an operation stays where it is while it is under way.
      unsafe { Operation::run(place.1, store.as_context_mut()) }.await;
    })
  }

  /// An operation in the function of a frame that is in the middle of its poll.
  pub fn on_frame(frame: *mut HostFrame, operation: *mut Operation) -> Self {
    let place = Place(HostFrame::at(frame).caller, operation);
    Self::new(async move {
      let place = place;
      // SAFETY: the frame waits for its function, and the future ends, or is dropped, before that returns.
      let caller = unsafe { &mut *place.0 };
      // SAFETY: as in `on_store`.
      unsafe { Operation::run(place.1, caller.as_context_mut()) }.await;
    })
  }

  fn new(future: impl Future<Output = ()> + Send + 'static) -> Self {
    let future: Box<Operations> = Box::new(future);
    Self { future: Box::into_raw(future), polled: Cell::new(false) }
  }
}

impl Drop for Root {
  fn drop(&mut self) {
    // SAFETY: it came from a box and is dropped once. Nobody polls it: see `Roots`.
    drop(unsafe { Box::from_raw(self.future) });
  }
}

/// Innermost last. What runs in a poll of one may add others and removes only those (see `StoreInner::run_in_place`), unless
/// all are forgotten, after a panic.
#[derive(Default)]
pub struct Roots(UnsafeCell<Vec<Root>>);

impl Roots {
  pub fn count(&self) -> usize {
    // SAFETY: only who polls touches the list, and not in the middle of another access.
    unsafe { &*self.0.get() }.len()
  }

  pub fn push(&self, root: Root) {
    // SAFETY: as in `count`.
    unsafe { &mut *self.0.get() }.push(root);
  }

  /// Drops all but the outermost `count`, which unwinds what is suspended.
  pub fn truncate(&self, count: usize) {
    while self.count() > count {
      // SAFETY: as in `count`. The future is dropped when the list is whole again.
      let root = unsafe { &mut *self.0.get() }.pop();
      drop(root);
    }
  }

  /// Forgets all of them, in whatever state they are.
  pub fn leak(&self) {
    // SAFETY: as in `count`.
    let roots = std::mem::take(unsafe { &mut *self.0.get() });
    roots.into_iter().for_each(std::mem::forget);
  }

  /// Polls the innermost one; ready also if there is none.
  pub fn poll(&self, context: &mut Context<'_>) -> Poll<()> {
    // SAFETY: as in `count`. The reference ends before the poll.
    let Some(root) = (unsafe { &*self.0.get() }).last() else { return Poll::Ready(()) };
    // In the middle of its poll only others can run, which are above it.
    if root.polled.replace(true) {
      return Poll::Pending;
    }
    // SAFETY: it is not polled already, and whoever drops it does not do so in its own poll.
    let future = unsafe { &mut *root.future };
    // SAFETY: it stays where it is, in its box, until it is dropped.
    let poll = unsafe { Pin::new_unchecked(future) }.poll(context);
    // SAFETY: as in `count`. If it was leaked there is nothing to note; others are above it only during its poll.
    if let Some(root) = unsafe { &*self.0.get() }.last() {
      root.polled.set(false);
    }
    poll
  }
}
