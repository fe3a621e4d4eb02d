//! When calls must stop: deadlines of calls and of stores, and interruptions from anywhere.
//!
//! Wasm looks at its engine's epoch at every loop and function, and calls [`StoreInner::on_epoch`] when that has risen. It
//! rises once a millisecond while any call with a deadline runs (`ticker.rs`), and with every interruption. What counts
//! is the clock, and the number of interruptions since the outermost call began: the epoch only makes guests look.
//! Lives on: the JavaScript thread, but for `on_epoch`.

use std::sync::atomic::{Ordering, fence};
use std::time::{Duration, Instant};

use napi::JsValue;
use napi::bindgen_prelude::{Env, Unknown};
use napi_derive::napi;
use wasmtime::{StoreContextMut, Trap, UpdateDeadline};

use super::{StoreData, StoreInner};
use crate::failure::{Failure, FailureKind};
use crate::raw_env::{RawEnv, Value};
use crate::ticker::Running;

/// The moment at which calls must stop.
#[derive(Clone, Copy)]
pub struct Deadline {
  at: Instant,
  origin: Origin,
}

/// Who has set a deadline, for the text of the error.
#[derive(Clone, Copy)]
enum Origin {
  /// A call, with so many milliseconds.
  Call(f64),
  /// `store.setDeadline`.
  Store,
}

impl Deadline {
  /// That of a call which was given so many milliseconds, of which some have passed already.
  pub fn of_call(timeout_ms: f64, spent_ms: f64) -> Self {
    Self { at: after(timeout_ms - spent_ms), origin: Origin::Call(timeout_ms) }
  }

  fn is_over(self) -> bool {
    Instant::now() >= self.at
  }

  fn text(self) -> String {
    match self.origin {
      Origin::Call(timeout_ms) => format!("the call was stopped after {timeout_ms} ms (timeoutMs)"),
      Origin::Store => "the call was stopped: the deadline of its store has passed (setDeadline)".to_owned(),
    }
  }
}

/// So many milliseconds from now; JavaScript has checked that they are at most 2^31.
fn after(milliseconds: f64) -> Instant {
  Instant::now() + Duration::from_secs_f64(milliseconds.max(0.0) / 1000.0)
}

fn earliest(one: Option<Deadline>, other: Option<Deadline>) -> Option<Deadline> {
  match (one, other) {
    (Some(one), Some(other)) => Some(if other.at < one.at { other } else { one }),
    (one, other) => one.or(other),
  }
}

/// Calls that begin while this lives must end by its deadline, or by an earlier one of the calls around them.
pub struct TimeLimit<'a> {
  store: &'a StoreInner,
  outer: Option<Deadline>,
}

impl Drop for TimeLimit<'_> {
  // Most entries have none.
  #[cold]
  fn drop(&mut self) {
    self.store.deadline.set(self.outer);
    self.store.rearm();
  }
}

/// One entry into wasm under a deadline: the clock runs meanwhile.
pub struct Watch<'a> {
  /// Ends after it what the entry had of its own.
  _limit: TimeLimit<'a>,
  _running: Option<Running<'a>>,
}

impl StoreInner {
  /// Has calls end by a deadline, until what is returned is dropped.
  pub fn limit_time(&self, deadline: Deadline) -> Result<TimeLimit<'_>, Failure> {
    self.check_interruptible("timeoutMs")?;
    Ok(self.limit_time_to(Some(deadline)))
  }

  fn limit_time_to(&self, deadline: Option<Deadline>) -> TimeLimit<'_> {
    let outer = self.deadline.get();
    self.deadline.set(earliest(outer, deadline));
    self.rearm();
    TimeLimit { store: self, outer }
  }

  fn check_interruptible(&self, what: &str) -> Result<(), Failure> {
    if self.run_async.interruptible {
      return Ok(());
    }
    Err(Failure::type_error(not_interruptible(what)))
  }

  /// Whether the slow paths of entries and host calls must look.
  pub fn rearm(&self) {
    let limited = self.deadline.get().is_some() || self.standing.get().is_some();
    self.armed.set(limited || self.sampling.is_on() || self.is_interrupted());
  }

  /// The outermost call begins: interruptions from now on concern it.
  #[inline]
  pub(super) fn note_beginning(&self) {
    self.interruptions.set(self.pulse.interruptions());
  }

  /// Whether an interruption has come since the outermost call began.
  fn is_interrupted(&self) -> bool {
    match self.tasks() {
      Some(tasks) => tasks.is_interrupted(),
      None => self.interruptions.get() != self.pulse.interruptions(),
    }
  }

  /// Whether a call that waits, or could go on, was interrupted.
  pub fn has_interrupted_task(&self) -> bool {
    !self.is_closed() && self.tasks().is_some_and(crate::tasks::Tasks::is_waiting_interrupted)
  }

  /// Begins an entry into wasm: under a watch if a deadline, or an interruption, may concern it.
  #[inline]
  pub fn watch_if_armed(&self) -> Result<Option<Watch<'_>>, Failure> {
    if self.is_armed() { self.watch().map(Some) } else { Ok(None) }
  }

  /// Begins an entry into wasm that a deadline, or an interruption, may concern. Fails if it is time already.
  #[cold]
  fn watch(&self) -> Result<Watch<'_>, Failure> {
    let limit = self.limit_time_to(self.standing.get());
    if self.must_stop() {
      return Err(self.interrupted());
    }
    if !self.is_running() {
      self.sampling.next();
      self.sampling.entered();
    }
    let running = match self.deadline.get() {
      None => None,
      Some(_) => Some(self.pulse.run().map_err(|error| {
        Failure::new(FailureKind::Limit, format!("the thread that watches deadlines cannot be started: {error}"))
      })?),
    };
    Ok(Watch { _limit: limit, _running: running })
  }

  /// The guest goes on after a host call: fails if it is time to stop.
  #[cold]
  pub fn check_time(&self) -> wasmtime::Result<()> {
    if self.must_stop() { Err(Trap::Interrupt.into()) } else { Ok(()) }
  }

  /// Whether what runs must stop. On the JavaScript thread.
  pub fn must_stop(&self) -> bool {
    self.is_interrupted() || self.deadline.get().is_some_and(Deadline::is_over)
  }

  /// What wasm does when the epoch has risen. On the thread that runs it.
  pub(super) fn on_epoch(ctx: &StoreContextMut<'_, StoreData>) -> UpdateDeadline {
    // SAFETY: the store inner owns the store whose wasm runs.
    let store = unsafe { &*ctx.data().inner };
    // Wasm has read the epoch, which was raised after the interruption was counted.
    fence(Ordering::SeqCst);
    let sampled = store.sampling.sample(ctx);
    match store.tasks() {
      Some(tasks) => tasks.on_epoch(store, sampled),
      None if store.must_stop() => UpdateDeadline::Interrupt,
      None => UpdateDeadline::Continue(1),
    }
  }

  /// Why wasm was interrupted.
  pub fn interruption_text(&self) -> String {
    match earliest(self.deadline.get(), self.standing.get()) {
      _ if self.is_interrupted() => "the call was interrupted (interrupt())".to_owned(),
      Some(deadline) if deadline.is_over() => deadline.text(),
      _ => "the call was interrupted".to_owned(),
    }
  }

  /// What a call ends with that must stop before it has begun.
  fn interrupted(&self) -> Failure {
    Failure::new(FailureKind::Interrupted, self.interruption_text())
  }

  /// An interruption has been counted on this thread: wasm in the middle of a host call must see it when it goes on.
  pub fn heed_interruption(&self) {
    if self.is_running() {
      self.armed.set(true);
    }
  }
}

/// Why an engine without checks cannot do what was asked.
pub fn not_interruptible(what: &str) -> String {
  format!(
    "{what} needs code that checks at every loop and function if it should stop, and this engine was made with \
     interruptible: false, which leaves the checks out: nothing can stop its guests. Leave that option out"
  )
}

/// The deadline of all later calls of a store, so many milliseconds from now; `undefined` for none.
#[napi(catch_unwind)]
pub fn store_set_deadline(
  env: Env,
  #[napi(ts_arg_type = "StoreHandle")] store: Unknown,
  milliseconds: Option<f64>,
) -> napi::Result<()> {
  let raw = RawEnv(env.raw());
  let set = || {
    let store = StoreInner::of(raw, Value(store.raw()))?;
    if milliseconds.is_some() {
      store.check_interruptible("setDeadline")?;
    }
    store.standing.set(milliseconds.map(|time| Deadline { at: after(time), origin: Origin::Store }));
    store.rearm();
    Ok(())
  };
  set().map_err(|failure: Failure| failure.into_napi(raw))
}
