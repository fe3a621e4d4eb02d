//! Calls of host functions that were declared with `notify`: the guest does not wait for them. They are sent home in
//! batches, and are run in their order, before any other host call of the same guest.
//! Lives on: made by whoever polls; run on the JavaScript thread.

use wasmtime::Val;

use super::Tasks;
use crate::failure::Failure;
use crate::host_call::HostBinding;
use crate::raw_env::RawEnv;
use crate::store::StoreInner;
use crate::ticker::ticks;

/// Notices of one guest that may wait; then the guest waits as for any other host function, so that it cannot fill the
/// memory with them.
pub const MAX_WAITING: usize = 4096;

pub struct Notice {
  binding: *const HostBinding,
  params: Box<[Val]>,
}

// SAFETY: the binding lives as long as the store, and the parameters are numbers.
unsafe impl Send for Notice {}

impl Notice {
  pub fn new(binding: *const HostBinding, params: &[Val]) -> Self {
    Self { binding, params: params.into() }
  }
}

impl StoreInner {
  /// Runs notices: all of them, or as long as the turn lasts; gives those that are left. What a function throws is an
  /// uncaught exception, as in a listener of an event.
  pub fn deliver(&self, env: RawEnv, tasks: &Tasks, notices: Vec<Notice>, all: bool) -> Vec<Notice> {
    let turn = self.state.turn();
    let _step = turn.enter();
    let mut tick = ticks();
    let mut notices = notices.into_iter();
    for Notice { binding, params } in notices.by_ref() {
      tasks.notices_delivered(1);
      tasks.count_host_call();
      let scope = env.open_scope();
      // SAFETY: the closure that owns the binding lives as long as the store.
      if let Err(failure) = unsafe { &*binding }.call_for_notice(env, self, &params) {
        let error = match failure {
          Failure::Pending => env.take_exception(),
          failure => failure.into_value(env, &self.state),
        };
        if let Some(error) = error {
          env.fatal_exception(error);
        }
      }
      env.close_scope(scope);
      let now = ticks();
      if !all && now != tick {
        tick = now;
        if turn.is_over() {
          break;
        }
      }
    }
    notices.collect()
  }
}
