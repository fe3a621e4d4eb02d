//! The way home: brings tasks from the compute threads back to the JavaScript thread that they belong to.
//!
//! One threadsafe function for each environment, which keeps the process alive only while a task is away. When the
//! environment ends, `close` waits until every task has come back, so that nothing of it is used from another thread.
//! Lives on: the JavaScript thread, but for `arrive`, `notify` and `interrupt`.

use std::collections::VecDeque;
use std::ffi::c_void;
use std::ptr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use napi::sys;

use crate::env_state::EnvState;
use crate::failure::Failure;
use crate::raw_env::RawEnv;
use crate::store::StoreInner;
use crate::tasks::Notice;

/// A guest yields within a few milliseconds; this bound is for a machine that gives its thread no time.
const PATIENCE: Duration = Duration::from_secs(5);

/// What comes home.
pub enum Arrival {
  Task(*const StoreInner),
  /// Calls that need no answer, of a task that stays away.
  Notices(*const StoreInner, Vec<Notice>),
  /// All calls of an engine were interrupted, and some may wait for promises.
  Interruption,
}

// SAFETY: a store is alive as long as a task of it is away, and it is used only by who has the task.
unsafe impl Send for Arrival {}

pub struct Home {
  state: Mutex<State>,
  /// The last task that was away is back.
  complete: Condvar,
}

struct State {
  /// Null once the environment ends.
  function: sys::napi_threadsafe_function,
  arrivals: VecDeque<Arrival>,
  /// Tasks that are away, or on the list.
  away: u32,
  /// What is on the list waits for the next turn of the event loop, or is being taken up.
  deferred: bool,
}

// SAFETY: `napi_call_threadsafe_function` may be called from any thread as long as the function is not released, and the
// other pointers are those of `Arrival`.
unsafe impl Send for State {}

impl Home {
  pub fn new(env: RawEnv) -> Result<Arc<Self>, Failure> {
    let mut function = ptr::null_mut();
    let name = env.string("node-wasmtime").map_err(|_| Failure::Pending)?;
    // SAFETY: live env; without a JavaScript function `come_home` is what runs, and the out-pointer outlives the call.
    let status = unsafe {
      sys::napi_create_threadsafe_function(
        env.0,
        ptr::null_mut(),
        ptr::null_mut(),
        name.0,
        0,
        1,
        ptr::null_mut(),
        None,
        ptr::null_mut(),
        Some(come_home),
        &raw mut function,
      )
    };
    if status != sys::Status::napi_ok {
      return Err(Failure::internal("the environment gives no threadsafe function"));
    }
    // SAFETY: live env and the function made just now.
    unsafe { sys::napi_unref_threadsafe_function(env.0, function) };
    let state = State { function, arrivals: VecDeque::new(), away: 0, deferred: false };
    Ok(Arc::new(Self { state: Mutex::new(state), complete: Condvar::new() }))
  }

  fn lock(&self) -> MutexGuard<'_, State> {
    self.state.lock().unwrap_or_else(PoisonError::into_inner)
  }

  /// A task goes away; false if the environment is ending, so that it would not be let in again.
  pub fn depart(&self, env: RawEnv) -> bool {
    let mut state = self.lock();
    if state.function.is_null() {
      return false;
    }
    state.away += 1;
    if state.away == 1 {
      // SAFETY: live env, and the function is not released.
      unsafe { sys::napi_ref_threadsafe_function(env.0, state.function) };
    }
    true
  }

  /// A task that went away stays after all.
  pub fn stay(&self, env: RawEnv) {
    self.lock().leave(env);
  }

  /// Brings a task home. On a compute thread.
  pub fn arrive(&self, store: *const StoreInner) {
    let mut state = self.lock();
    if state.function.is_null() {
      state.away -= 1;
      if state.away == 0 {
        self.complete.notify_all();
      }
    } else {
      state.push(Arrival::Task(store));
    }
  }

  /// Sends calls home that need no answer. On a compute thread.
  pub fn notify(&self, store: *const StoreInner, notices: Vec<Notice>) {
    let mut state = self.lock();
    if !state.function.is_null() {
      state.push(Arrival::Notices(store, notices));
    }
  }

  /// Tells the environment of an interruption. On any thread.
  pub fn interrupt(&self) {
    let mut state = self.lock();
    if !state.function.is_null() {
      state.push(Arrival::Interruption);
    }
  }

  /// The next of what has come home; with the last one gone, the threadsafe function will tell of more.
  fn receive(&self, env: RawEnv) -> Option<Arrival> {
    let mut state = self.lock();
    let arrival = state.arrivals.pop_front();
    match arrival {
      None => state.deferred = false,
      Some(Arrival::Task(_)) => state.leave(env),
      Some(Arrival::Notices(..) | Arrival::Interruption) => {}
    }
    arrival
  }

  /// Leaves the rest for the next turn.
  fn defer(&self, first: Option<Arrival>) {
    let mut state = self.lock();
    state.deferred = true;
    if let Some(first) = first {
      state.arrivals.push_front(first);
    }
  }

  /// Lets nothing in any more, and waits until no task is away; false if one does not come.
  pub fn close(&self) -> bool {
    let mut state = self.lock();
    state.function = ptr::null_mut();
    let arrived = state.arrivals.iter().filter(|arrival| matches!(arrival, Arrival::Task(_))).count();
    state.away = state.away.saturating_sub(u32::try_from(arrived).unwrap_or(u32::MAX));
    state.arrivals.clear();
    let (state, _) =
      self.complete.wait_timeout_while(state, PATIENCE, |state| state.away > 0).unwrap_or_else(PoisonError::into_inner);
    state.away == 0
  }
}

impl State {
  fn push(&mut self, arrival: Arrival) {
    self.arrivals.push_back(arrival);
    if !self.deferred {
      self.deferred = true;
      let mode = sys::ThreadsafeFunctionCallMode::nonblocking;
      // SAFETY: the function is not released, since it is not null and `close` makes it so under the same lock.
      unsafe { sys::napi_call_threadsafe_function(self.function, ptr::null_mut(), mode) };
    }
  }

  /// One task fewer is away.
  fn leave(&mut self, env: RawEnv) {
    self.away = self.away.saturating_sub(1);
    if self.away == 0 && !self.function.is_null() {
      // SAFETY: live env, and the function is not released.
      unsafe { sys::napi_unref_threadsafe_function(env.0, self.function) };
    }
  }
}

/// What the threadsafe function runs, on the JavaScript thread.
unsafe extern "C" fn come_home(env: sys::napi_env, _: sys::napi_value, _: *mut c_void, _: *mut c_void) {
  if env.is_null() {
    // The environment is ending.
    return;
  }
  let env = RawEnv(env);
  if let Ok(state) = EnvState::of(env) {
    take_up(env, &state);
  }
}

/// Takes up what has come home, as long as the turn of the event loop lasts; for the rest JavaScript is asked to call again
/// at the next one.
pub fn take_up(env: RawEnv, state: &EnvState) {
  let Some(home) = state.home() else { return };
  let turn = state.turn();
  let _step = turn.enter();
  loop {
    if turn.is_over() {
      home.defer(None);
      break;
    }
    let Some(arrival) = home.receive(env) else { return };
    let (Arrival::Task(store) | Arrival::Notices(store, _)) = &arrival else {
      state.end_interrupted(env);
      continue;
    };
    let pointer = *store;
    // SAFETY: a store is alive as long as its task is away; this one's is until its own arrival is taken up, which is the
    // last that the list has of it.
    let store = unsafe { &*pointer };
    match arrival {
      Arrival::Task(_) => store.task_arrived(env),
      Arrival::Interruption => {}
      Arrival::Notices(_, notices) => {
        let Some(tasks) = store.tasks() else { continue };
        // JavaScript calls `opNotices` in the async context of the call that they belong to.
        tasks.put_incoming(notices);
        store.call_core_hook(env, state.notified(env));
        let rest = tasks.take_incoming();
        if !rest.is_empty() {
          home.defer(Some(Arrival::Notices(pointer, rest)));
          break;
        }
      }
    }
  }
  if let Some(hook) = state.deferred(env) {
    // It only asks for a turn; if JavaScript cannot run any more, nobody waits for what is on the list.
    if env.call(env.undefined(), hook, &[]).is_err() {
      env.take_exception();
    }
  }
}
