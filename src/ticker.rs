//! The clock behind time slices and deadlines: raises the epoch of every engine that has a task, or a call with a deadline,
//! running, once a millisecond.
//!
//! One thread for the process, which ends when nothing has run for a while. An engine is on its list from the first
//! task that runs until a moment after the last, so that a task that begins needs no system call.
//! Lives on: any thread.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use crate::home::Home;

const PERIOD: Duration = Duration::from_millis(1);

/// Ticks without a running task after which an engine leaves the list.
const IDLE_TICKS: u32 = 100;

/// How long the thread waits for an engine to come back before it ends.
const LINGER: Duration = Duration::from_secs(2);

static TICKS: AtomicU64 = AtomicU64::new(0);
static CLOCK: Mutex<Clock> = Mutex::new(Clock { beats: Vec::new(), alive: false });
static LISTED: Condvar = Condvar::new();

struct Clock {
  beats: Vec<Beat>,
  /// Whether the thread runs.
  alive: bool,
}

struct Beat {
  pulse: Arc<Pulse>,
  idle: u32,
}

/// An engine as the clock knows it.
pub struct Pulse {
  engine: wasmtime::Engine,
  running: AtomicU32,
  listed: AtomicBool,
  /// How often all calls were interrupted.
  interruptions: AtomicU64,
  /// Those of the environments with stores in async mode.
  homes: Mutex<Vec<Weak<Home>>>,
}

/// One run of a task, for whose time the engine's epoch rises.
pub struct Running<'a>(&'a Pulse);

impl Drop for Running<'_> {
  fn drop(&mut self) {
    self.0.running.fetch_sub(1, Ordering::SeqCst);
  }
}

/// As [`Running`], for as long as its owner wants.
pub struct KeptRunning(Arc<Pulse>);

impl Drop for KeptRunning {
  fn drop(&mut self) {
    self.0.running.fetch_sub(1, Ordering::SeqCst);
  }
}

impl Pulse {
  pub fn new(engine: &wasmtime::Engine) -> Arc<Self> {
    Arc::new(Self {
      engine: engine.clone(),
      running: AtomicU32::new(0),
      listed: AtomicBool::new(false),
      interruptions: AtomicU64::new(0),
      homes: Mutex::default(),
    })
  }

  /// From now on the epoch rises, until what is returned is dropped. Fails if the system gives no thread for the clock.
  #[inline]
  pub fn run(self: &Arc<Self>) -> std::io::Result<Running<'_>> {
    // In this order: the clock takes the engine off its list in the reverse one, so one of the two sees the other.
    self.running.fetch_add(1, Ordering::SeqCst);
    let running = Running(self);
    if !self.listed.load(Ordering::SeqCst) {
      self.enlist()?;
    }
    Ok(running)
  }

  /// As `run`, without a borrow.
  pub fn keep_running(self: &Arc<Self>) -> std::io::Result<KeptRunning> {
    std::mem::forget(self.run()?);
    Ok(KeptRunning(Arc::clone(self)))
  }

  /// Raises the epoch now, for a task that should stop at once.
  pub fn raise(&self) {
    self.engine.increment_epoch();
  }

  /// How often all calls were interrupted.
  #[inline]
  pub fn interruptions(&self) -> u64 {
    self.interruptions.load(Ordering::SeqCst)
  }

  /// Has every call of the engine that runs now stop, on whatever thread. What waits for a promise is told through its home.
  pub fn interrupt(&self) {
    self.interruptions.fetch_add(1, Ordering::SeqCst);
    self.raise();
    for home in self.homes().iter().filter_map(Weak::upgrade) {
      home.interrupt();
    }
  }

  /// An environment has a store in async mode.
  pub fn add_home(&self, home: &Arc<Home>) {
    let mut homes = self.homes();
    homes.retain(|known| known.strong_count() > 0);
    if !homes.iter().any(|known| known.as_ptr() == Arc::as_ptr(home)) {
      homes.push(Arc::downgrade(home));
    }
  }

  fn homes(&self) -> MutexGuard<'_, Vec<Weak<Home>>> {
    self.homes.lock().unwrap_or_else(PoisonError::into_inner)
  }

  #[cold]
  fn enlist(self: &Arc<Self>) -> std::io::Result<()> {
    let mut clock = lock();
    if !clock.alive {
      thread::Builder::new().name("node-wasmtime-clock".into()).stack_size(128 * 1024).spawn(tick)?;
      clock.alive = true;
    }
    if !self.listed.swap(true, Ordering::SeqCst) {
      clock.beats.push(Beat { pulse: Arc::clone(self), idle: 0 });
    }
    drop(clock);
    LISTED.notify_one();
    Ok(())
  }
}

/// Rises once a millisecond while any task runs.
#[inline]
pub fn ticks() -> u64 {
  TICKS.load(Ordering::Relaxed)
}

fn lock() -> MutexGuard<'static, Clock> {
  CLOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

fn tick() {
  loop {
    thread::sleep(PERIOD);
    TICKS.fetch_add(1, Ordering::Relaxed);
    let mut clock = lock();
    clock.beats.retain_mut(beat);
    if clock.beats.is_empty() {
      let (guard, timeout) = LISTED.wait_timeout(clock, LINGER).unwrap_or_else(PoisonError::into_inner);
      clock = guard;
      if timeout.timed_out() && clock.beats.is_empty() {
        clock.alive = false;
        return;
      }
    }
  }
}

/// One tick of an engine; false if it leaves the list.
fn beat(beat: &mut Beat) -> bool {
  let pulse = &beat.pulse;
  if pulse.running.load(Ordering::SeqCst) > 0 {
    beat.idle = 0;
    pulse.engine.increment_epoch();
    return true;
  }
  beat.idle += 1;
  if beat.idle <= IDLE_TICKS {
    return true;
  }
  pulse.listed.store(false, Ordering::SeqCst);
  // A task that began just before has seen itself on the list.
  if pulse.running.load(Ordering::SeqCst) > 0 && !pulse.listed.swap(true, Ordering::SeqCst) {
    beat.idle = 0;
    return true;
  }
  false
}
