//! Async mode: what a store needs to run calls that can wait.
//!
//! An *operation* is a call or an instantiation. The outermost one is a future, which owns the store and runs wasm on a
//! fiber. V8 is never entered from a fiber. When wasm calls a host function ([`HostFrame`]), the JavaScript function runs on
//! the JavaScript thread's own stack: usually in the middle of the poll ([`direct_call`]), and else the fiber is suspended,
//! and the driver calls the function and resumes the fiber with its result. While a host function waits for its promise the
//! fiber is suspended, too, and further operations can run on the frame, nested on fibers of their own.
//!
//! The future is polled by exactly one thread at a time: the JavaScript thread, or, while its guest computes, a compute
//! thread ([`AwayTask`]). What is not marked otherwise here belongs to whoever polls.

use std::cell::{Cell, RefCell, UnsafeCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use wasmtime::{StoreContextMut, UpdateDeadline};

mod away_task;
mod commands;
mod direct_call;
mod driver;
mod frame;
mod host_call;
mod notice;
mod operation;
mod roots;
mod sleeper;

use crate::compute_pool::ComputePool;
use crate::engine::TaskStats;
use crate::home::Home;
use crate::store::{StoreData, StoreInner};
use crate::ticker::Pulse;

pub use away_task::{AwayTask, Slice};
pub use commands::{CALL, FUNCTIONS};
pub use direct_call::max_used_by_poll;
use direct_call::{Handed, OwnStack};
pub use frame::{HostFrame, host_future};
pub use notice::Notice;
pub use operation::{Operation, Work};
use roots::{Root, Roots};
pub use sleeper::Sleeper;
use sleeper::TaskWaker;

/// Operations that may be nested in each other: every one has a fiber of its own, and each poll goes through all of them.
pub const MAX_NESTED: usize = 500;

/// Why the future has suspended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Signal {
  /// A slice is over.
  None,
  /// The topmost frame wants its JavaScript function called.
  HostCall,
  /// The topmost frame's function was called, and has returned a promise.
  Promise,
  /// The topmost frame's function was called, and the reply is in the frame; but before wasm goes on, the driver has to look
  /// at the clock, or whether the store was closed.
  Replied,
  /// A fault of ours has ended the task in the middle of its poll.
  Ended,
  /// The operation on the topmost frame is done.
  Finished,
  /// Wasm waits for something outside of JavaScript, which will wake it.
  Wait,
}

pub struct Tasks {
  pub pool: Arc<ComputePool>,
  pub pulse: Arc<Pulse>,
  pub home: Arc<Home>,
  /// Ticks of the clock that a slice lasts.
  slice: u64,
  /// Those of the running slice that come after the next look at the guest, which a profile wants sooner.
  left: Cell<u64>,
  /// The outermost operation, and those that are polled by themselves although they are nested.
  roots: Roots,
  /// Where a host call can be made in the middle of the poll; `None` on compute threads.
  own_stack: Cell<Option<OwnStack>>,
  /// What a host call in the middle of a poll leaves to the driver.
  handed: Cell<Option<Handed>>,
  /// Host calls that have not returned, innermost last.
  frames: UnsafeCell<Vec<*mut HostFrame>>,
  signal: Cell<Signal>,
  /// Wakes the future, and knows whether it was woken: wasm has suspended itself, at the end of its slice or in a
  /// collection of its garbage, and can go on at once; or what it has waited for is there.
  waker: Waker,
  woken: Arc<TaskWaker>,
  /// What a compute thread's last poll gave, until the driver at home takes it up.
  arrived: Cell<Option<Poll<()>>>,
  /// Calls that need no answer and were not sent home yet.
  notices: UnsafeCell<Vec<Notice>>,
  /// Those and the ones that are on their way. Any thread.
  undelivered: AtomicUsize,
  /// Synchronous calls under way; they do not yield.
  in_place: Cell<u32>,
  /// Wasm must stop at its next check. Any thread reads it; the JavaScript thread sets it.
  interrupt: AtomicBool,
  /// The engine's interruptions when the outermost operation began; likewise.
  interruptions: AtomicU64,
  // The rest belongs to the JavaScript thread, also while a task is away.
  /// Notices that have come home, and are being run.
  incoming: RefCell<Vec<Notice>>,
  away: Cell<bool>,
  /// Host calls of all time.
  host_calls: Cell<u64>,
  /// Host calls since the beginning of the slice.
  calls: Cell<u32>,
  operations: RefCell<Vec<Option<Box<Operation>>>>,
  free: RefCell<Vec<u32>>,
  /// Operations under way, outermost first.
  active: RefCell<Vec<u32>>,
  /// Whether the innermost waits: for a promise, or for what will wake it.
  parked: Cell<bool>,
}

// SAFETY: the future that travels between the threads refers to the tasks. Each field is used by who polls it alone, or by
// the JavaScript thread alone, as is said above, or is made to be shared.
unsafe impl Sync for Tasks {}

impl Tasks {
  pub fn new(pool: Arc<ComputePool>, pulse: Arc<Pulse>, home: Arc<Home>, slice: u64) -> Self {
    let woken = TaskWaker::new(Arc::clone(&home));
    Self {
      pool,
      pulse,
      home,
      slice,
      left: Cell::new(0),
      host_calls: Cell::new(0),
      roots: Roots::default(),
      own_stack: Cell::new(None),
      handed: Cell::new(None),
      frames: UnsafeCell::default(),
      signal: Cell::new(Signal::None),
      waker: Waker::from(Arc::clone(&woken)),
      woken,
      arrived: Cell::new(None),
      notices: UnsafeCell::default(),
      undelivered: AtomicUsize::new(0),
      incoming: RefCell::default(),
      in_place: Cell::new(0),
      interrupt: AtomicBool::new(false),
      interruptions: AtomicU64::new(0),
      away: Cell::new(false),
      calls: Cell::new(0),
      operations: RefCell::default(),
      free: RefCell::default(),
      active: RefCell::default(),
      parked: Cell::new(false),
    }
  }

  /// Whether a compute thread has the task, or will have it.
  pub fn is_away(&self) -> bool {
    self.away.get()
  }

  /// No task is away any more, because the environment has ended.
  pub fn set_home(&self) {
    self.away.set(false);
    self.woken.forget();
  }

  /// Has wasm stop at its next check.
  pub fn interrupt(&self) {
    self.interrupt.store(true, Ordering::Relaxed);
    self.pulse.raise();
    self.woken.rouse();
  }

  /// Whether wasm of `store`, which has these tasks, must stop. Called by who polls.
  pub fn is_stopped(&self, store: &StoreInner) -> bool {
    self.interrupt.load(Ordering::Relaxed) || self.is_interrupted() || (self.in_place.get() > 0 && store.must_stop())
  }

  /// Wasm waits, and will be woken. Called in a poll.
  pub fn signal_wait(&self) {
    self.signal.set(Signal::Wait);
  }

  /// Whether wasm must stop from now on; gives what was before.
  fn set_interrupt(&self, interrupt: bool) -> bool {
    self.interrupt.swap(interrupt, Ordering::Relaxed)
  }

  /// What wasm does when its deadline has passed: at the end of its slice, or sooner, after `sampled` ticks, if there is a
  /// profile.
  pub fn on_epoch(&self, store: &StoreInner, sampled: Option<u64>) -> UpdateDeadline {
    if self.interrupt.load(Ordering::Relaxed) || self.is_interrupted() {
      return UpdateDeadline::Interrupt;
    }
    if self.in_place.get() > 0 {
      return if store.must_stop() { UpdateDeadline::Interrupt } else { UpdateDeadline::Continue(1) };
    }
    let over = self.left.get() == 0;
    if over {
      self.left.set(self.slice);
    }
    let ticks = self.next_look(sampled);
    if over { UpdateDeadline::Yield(ticks) } else { UpdateDeadline::Continue(ticks) }
  }

  /// The outermost operation begins: interruptions from now on concern it. Gives what was before.
  fn note_beginning(&self) -> u64 {
    self.interruptions.swap(self.pulse.interruptions(), Ordering::Relaxed)
  }

  /// Takes `note_beginning` back.
  fn set_beginning(&self, interruptions: u64) {
    self.interruptions.store(interruptions, Ordering::Relaxed);
  }

  /// Whether an interruption has come since the outermost operation began.
  pub fn is_interrupted(&self) -> bool {
    self.interruptions.load(Ordering::Relaxed) != self.pulse.interruptions()
  }

  /// Begins a slice. A synchronous call looks at every tick if its time is over.
  pub fn renew_slice(&self, mut ctx: StoreContextMut<'_, StoreData>) {
    // SAFETY: the store inner owns the store whose context this is.
    let sampled = unsafe { &*ctx.data().inner }.sampling.next();
    self.left.set(self.slice);
    let ticks = self.next_look(sampled);
    ctx.set_epoch_deadline(if self.in_place.get() > 0 { 1 } else { ticks });
  }

  /// Ticks until wasm is to be looked at again, taken from what is left of the slice.
  fn next_look(&self, sampled: Option<u64>) -> u64 {
    let left = self.left.get();
    let ticks = sampled.map_or(left, |ticks| ticks.min(left));
    self.left.set(left - ticks);
    ticks
  }

  /// Calls of host functions so far, notices included.
  pub fn host_calls(&self) -> u64 {
    self.host_calls.get()
  }

  fn count_host_call(&self) {
    self.host_calls.set(self.host_calls.get() + 1);
  }

  /// Runs the innermost root, and with it the innermost operation, until it suspends.
  fn poll(&self) -> Poll<()> {
    self.signal.set(Signal::None);
    self.woken.sleeper.prepare();
    self.roots.poll(&mut Context::from_waker(&self.waker))
  }

  /// As `poll`; a panic ends the task, whose futures are in no state to be used or dropped.
  fn poll_safely(&self) -> Poll<()> {
    if let Ok(poll) = catch_unwind(AssertUnwindSafe(|| self.poll())) {
      return poll;
    }
    self.roots.leak();
    // SAFETY: as in `top`; the frames are the futures'.
    unsafe { &mut *self.frames.get() }.clear();
    Poll::Ready(())
  }

  /// Whether wasm can go on after it has suspended itself.
  fn has_yielded(&self) -> bool {
    self.woken.sleeper.is_woken()
  }

  /// Whether an operation is under way that an interruption has hit, and no other thread has it.
  pub fn is_waiting_interrupted(&self) -> bool {
    // One that waits for what will wake it is away, and no other thread has it all the same.
    (!self.away.get() || self.parked.get()) && self.is_interrupted() && self.has_root()
  }

  fn has_root(&self) -> bool {
    self.roots.count() > 0
  }

  /// The innermost host call; null if there is none.
  fn top(&self) -> *mut HostFrame {
    // SAFETY: only who polls touches the list, and not in the middle of another access.
    unsafe { &*self.frames.get() }.last().copied().unwrap_or(std::ptr::null_mut())
  }

  fn push_frame(&self, frame: *mut HostFrame) {
    // SAFETY: as in `top`.
    unsafe { &mut *self.frames.get() }.push(frame);
  }

  fn remove_frame(&self, frame: *mut HostFrame) {
    // SAFETY: as in `top`.
    let frames = unsafe { &mut *self.frames.get() };
    if let Some(place) = frames.iter().rposition(|known| *known == frame) {
      frames.remove(place);
    }
  }

  /// Whether the guest may leave another notice, rather than wait until those before have been run.
  fn has_room_for_notice(&self) -> bool {
    self.undelivered.load(Ordering::Relaxed) < notice::MAX_WAITING
  }

  fn notices_delivered(&self, count: usize) {
    self.undelivered.fetch_sub(count, Ordering::Relaxed);
  }

  fn add_notice(&self, notice: Notice) {
    self.undelivered.fetch_add(1, Ordering::Relaxed);
    // SAFETY: as in `top`.
    unsafe { &mut *self.notices.get() }.push(notice);
  }

  fn take_notices(&self) -> Vec<Notice> {
    // SAFETY: as in `top`.
    std::mem::take(unsafe { &mut *self.notices.get() })
  }

  /// Puts notices back that were taken and not run, before those that have come since.
  fn put_notices(&self, mut first: Vec<Notice>) {
    // SAFETY: as in `top`.
    let notices = unsafe { &mut *self.notices.get() };
    first.append(notices);
    *notices = first;
  }

  /// Holds notices that have come home until they are run.
  pub fn put_incoming(&self, notices: Vec<Notice>) {
    *self.incoming.borrow_mut() = notices;
  }

  pub fn take_incoming(&self) -> Vec<Notice> {
    self.incoming.take()
  }

  fn notice_count(&self) -> usize {
    // SAFETY: as in `top`.
    unsafe { &*self.notices.get() }.len()
  }

  /// Keeps an operation; gives its number.
  pub fn add(&self, operation: Operation) -> u32 {
    let mut operations = self.operations.borrow_mut();
    let operation = Some(Box::new(operation));
    if let Some(id) = self.free.borrow_mut().pop()
      && let Some(place) = operations.get_mut(id as usize)
    {
      *place = operation;
      return id;
    }
    operations.push(operation);
    u32::try_from(operations.len() - 1).unwrap_or(u32::MAX)
  }

  /// Where an operation is; it stays there until it is taken.
  fn operation(&self, id: u32) -> Option<*mut Operation> {
    let mut operations = self.operations.borrow_mut();
    operations.get_mut(id as usize)?.as_mut().map(|operation| &raw mut **operation)
  }

  /// Takes an operation that is not under way.
  fn take(&self, id: u32) -> Option<Box<Operation>> {
    if self.active.borrow().contains(&id) {
      return None;
    }
    let operation = self.operations.borrow_mut().get_mut(id as usize)?.take();
    if operation.is_some() {
      self.free.borrow_mut().push(id);
    }
    operation
  }

  fn is_top(&self, id: u32) -> bool {
    self.active.borrow().last() == Some(&id)
  }

  /// The innermost operation is done: those that remain decide whether wasm goes on.
  fn pop(&self) {
    let ended = self.active.borrow_mut().pop();
    let mut operations = self.operations.borrow_mut();
    if let Some(operation) = ended.and_then(|id| operations.get_mut(id as usize)?.as_mut()) {
      operation.ended = true;
    }
    let stopped = |id: &u32| operations.get(*id as usize).and_then(Option::as_ref).is_some_and(|one| one.stopped);
    self.interrupt.store(self.active.borrow().iter().any(stopped), Ordering::Relaxed);
  }

  /// Whether any operation has not been taken.
  pub fn any(&self) -> bool {
    self.operations.borrow().len() > self.free.borrow().len()
  }

  /// Unwinds all that is suspended. Only on the JavaScript thread, with no task away and no poll on the stack.
  pub fn abort(&self) {
    self.roots.truncate(0);
    // SAFETY: as in `top`; the frames went with the roots.
    unsafe { &mut *self.frames.get() }.clear();
    let dropped = self.take_notices().len();
    self.notices_delivered(dropped);
    self.arrived.set(None);
    self.active.borrow_mut().clear();
    self.interrupt.store(false, Ordering::Relaxed);
    self.parked.set(false);
  }

  /// Adds its operations to the statistics.
  pub fn count(&self, stats: &mut TaskStats) {
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let all = self.operations.borrow().iter().flatten().filter(|operation| !operation.ended).count();
    let active = self.active.borrow().len();
    stats.queued += number(all.saturating_sub(active));
    if active > 0 {
      stats.parked += number(active - 1);
      let place = match (self.away.get(), self.parked.get()) {
        (_, true) => &mut stats.parked,
        (true, false) => &mut stats.pool,
        (false, false) => &mut stats.home,
      };
      *place += 1;
    }
  }
}
