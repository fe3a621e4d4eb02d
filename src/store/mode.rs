//! The mode of a store, which decides how its host functions are defined. It is decided once, by the first use that needs
//! one, and for the store's whole life. Lives on: the JavaScript thread.

use std::ptr;
use std::sync::Arc;

use napi::JsValue;
use napi::bindgen_prelude::{Env, Unknown};
use napi_derive::napi;
use wasmtime::Caller;

use super::{StoreData, StoreInner};
use crate::failure::{Failure, FailureKind};
use crate::raw_env::{RawEnv, Value};
use crate::tasks::Tasks;
use crate::ticker::KeptRunning;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
  Undecided,
  /// Host functions are called on the spot, from the wasm on the JavaScript thread's own stack.
  Sync,
  /// Wasm runs on a fiber, which waits for host functions.
  Async,
}

impl Mode {
  fn name(self) -> &'static str {
    match self {
      Self::Undecided => "undecided",
      Self::Sync => "sync",
      Self::Async => "async",
    }
  }
}

impl StoreInner {
  pub fn mode(&self) -> Mode {
    self.mode.get()
  }

  /// What runs calls in async mode; `None` in sync mode.
  #[inline]
  pub fn tasks(&self) -> Option<&Tasks> {
    self.tasks.get().map(|tasks| &**tasks)
  }

  /// Decides the mode, or checks that it is this one.
  pub fn require_mode(&self, env: RawEnv, mode: Mode) -> Result<(), Failure> {
    if self.mode.get() == mode {
      return Ok(());
    }
    if self.mode.get() != Mode::Undecided {
      return Err(Failure::new(
        FailureKind::Link,
        format!(
          "the store is in {} mode, and this needs one in {} mode; a store has one mode for its whole life",
          self.mode.get().name(),
          mode.name()
        ),
      ));
    }
    if mode == Mode::Async {
      self.become_async(env)?;
    }
    self.mode.set(mode);
    Ok(())
  }

  /// The mode, which is sync from now on if it was not decided.
  pub fn decided_mode(&self, env: RawEnv) -> Result<Mode, Failure> {
    if self.mode.get() == Mode::Undecided {
      self.require_mode(env, Mode::Sync)?;
    }
    Ok(self.mode.get())
  }

  fn become_async(&self, env: RawEnv) -> Result<(), Failure> {
    let parts = &self.run_async;
    if !parts.interruptible {
      return Err(Failure::type_error(
        "async mode interrupts guests to share the threads among them, and this engine was made with \
         interruptible: false; leave that option out",
      ));
    }
    if self.with(|ctx| ctx.data().limits.on_grow)? {
      return Err(Failure::type_error(
        "limits.onGrow is for stores in sync mode: in async mode a guest may grow its memory on another thread, where \
         JavaScript cannot be asked. Leave it out, and set limits.memoryBytes and limits.tableElements",
      ));
    }
    let home = self.state.make_home(env)?;
    self.run_async.pulse.add_home(&home);
    let tasks = Tasks::new(Arc::clone(&parts.pool), Arc::clone(&parts.pulse), home, u64::from(parts.slice_ms) + 1);
    let _ = self.tasks.set(Box::new(tasks));
    Ok(())
  }

  /// Whether wasm of the store looks at the epoch.
  pub fn is_interruptible(&self) -> bool {
    self.run_async.interruptible
  }

  /// Has the clock run, until what is returned is dropped.
  pub fn keep_clock(&self) -> std::io::Result<KeptRunning> {
    self.run_async.pulse.keep_running()
  }

  #[inline]
  pub fn is_busy(&self) -> bool {
    self.busy.get()
  }

  pub fn set_busy(&self, busy: bool) {
    self.busy.set(busy);
  }

  /// Makes the caller of a suspended host call the active context, or the store itself. In async mode only: in sync mode
  /// `in_host_call` does it.
  pub fn set_active(&self, caller: *mut Caller<'static, StoreData>, slot: u32) {
    self.caller.set(caller);
    self.caller_slot.set(slot);
    self.busy.set(false);
    self.host_calls.set(self.host_calls.get().wrapping_add(1));
  }

  /// Where Wasmtime's store is; `None` if it is closed.
  pub fn store_pointer(&self) -> Option<*mut wasmtime::Store<StoreData>> {
    // SAFETY: only the address is taken.
    unsafe { &mut *self.store.get() }.as_mut().map(ptr::from_mut)
  }

  /// Calls a function of `lib/operation.ts` with the store's JavaScript side, if that is still there.
  pub fn call_core_hook(&self, env: RawEnv, hook: Option<Value>) {
    let scope = env.open_scope();
    if let Some(hook) = hook
      && let Ok(core) = self.holder_part(env, super::CORE)
      && env.call(env.undefined(), hook, &[core]).is_err()
    {
      // The hook only resolves promises. If JavaScript cannot run any more there is nobody to tell; and an exception, such as
      // the end of the stack, must not stay for whoever calls next.
      env.take_exception();
    }
    env.close_scope(scope);
  }
}

/// Decides the mode of a store: async or sync.
#[napi(catch_unwind)]
pub fn store_require_mode(
  env: Env,
  #[napi(ts_arg_type = "StoreHandle")] store: Unknown,
  is_async: bool,
) -> napi::Result<()> {
  let raw = RawEnv(env.raw());
  let mode = if is_async { Mode::Async } else { Mode::Sync };
  StoreInner::of(raw, Value(store.raw()))
    .and_then(|store| store.require_mode(raw, mode))
    .map_err(|failure| failure.into_napi(raw))
}

/// The mode of a store: `sync`, `async`, or `undecided`.
#[napi(catch_unwind)]
pub fn store_mode(env: Env, #[napi(ts_arg_type = "StoreHandle")] store: Unknown) -> String {
  let raw = RawEnv(env.raw());
  StoreInner::of(raw, Value(store.raw())).map_or(Mode::Undecided, |store| store.mode()).name().to_owned()
}
