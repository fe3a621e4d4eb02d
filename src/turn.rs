//! How much of the JavaScript thread's time the tasks of an environment may use before the event loop goes on.
//! Lives on: the JavaScript thread.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Time for all tasks together in one turn of the event loop.
const BUDGET: Duration = Duration::from_millis(4);

#[derive(Default)]
pub struct Turn {
  /// Time used in this turn, but for the step under way.
  used: Cell<Duration>,
  /// When the outermost step began; `None` outside of any.
  began: Cell<Option<Instant>>,
}

/// One step of a task; steps nest when a host function calls another guest.
pub struct Step<'a> {
  turn: &'a Turn,
  outermost: bool,
}

impl Turn {
  /// The event loop has gone round.
  pub fn begin(&self) {
    self.used.set(Duration::ZERO);
    if self.began.get().is_some() {
      self.began.set(Some(Instant::now()));
    }
  }

  /// Counts the time until what is returned is dropped.
  pub fn enter(&self) -> Step<'_> {
    let outermost = self.began.get().is_none();
    if outermost {
      self.began.set(Some(Instant::now()));
    }
    Step { turn: self, outermost }
  }

  /// Whether the time is used up.
  pub fn is_over(&self) -> bool {
    let running = self.began.get().map_or(Duration::ZERO, |began| began.elapsed());
    self.used.get() + running >= BUDGET
  }
}

impl Drop for Step<'_> {
  fn drop(&mut self) {
    if self.outermost
      && let Some(began) = self.turn.began.take()
    {
      self.turn.used.set(self.turn.used.get() + began.elapsed());
    }
  }
}
