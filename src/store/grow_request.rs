//! Asks JavaScript whether a memory or a table may grow, in the middle of wasm: `limits.onGrow`.
//!
//! Only in sync mode, where wasm runs on the JavaScript thread's own stack. The store is in use meanwhile, so whatever
//! the function tries with it is refused. Views of memories that have grown before are not detached yet; they show
//! the beginning of what the memory is now, which has not moved. Lives on: the JavaScript thread.

use std::sync::Arc;

use super::StoreInner;
use super::limits::{Growable, Growth};
use super::usage::double;
use crate::exception::Broken;
use crate::failure::Failure;
use crate::host_call::{HostFailure, too_deep};
use crate::host_func::HostFuncInfo;
use crate::raw_env::{Kind, RawEnv, Refused, Value};
use crate::thrown::Thrown;
use crate::values::describe;

/// Whether JavaScript allows a growth; the error carries what the function has thrown.
#[cold]
pub fn ask(store: &StoreInner, growth: Growth) -> wasmtime::Result<bool> {
  let Some(env) = store.state.env() else { return Err(going_down()) };
  if !store.state.js_stack.can_call() {
    return Err(too_deep());
  }
  let scope = env.open_scope();
  let outer = store.asking.replace(true);
  let answer = call(env, store, growth);
  store.asking.set(outer);
  let answer = match answer {
    Ok(answer) => Ok(answer),
    Err(Failure::Pending) => Err(thrown(env, store)),
    Err(Failure::Typed(typed)) => Err(wasmtime::Error::new(HostFailure(*typed))),
    Err(Failure::Thrown(thrown)) => Err(thrown.error),
    // The function is called as JavaScript calls it, so what it throws is a pending exception.
    Err(Failure::ExitWithResults(_) | Failure::Exception(_)) => Err(going_down()),
  };
  env.close_scope(scope);
  answer
}

fn call(env: RawEnv, store: &StoreInner, growth: Growth) -> Result<bool, Failure> {
  let pending = |_: Refused| Failure::Pending;
  let core = store.holder_part(env, super::CORE)?;
  let function = env.get_named(core, c"onGrow").map_err(pending)?;
  let Growth { what, current, desired, maximum } = growth;
  let kind = env.string(if what == Growable::Memory { "memory" } else { "table" }).map_err(pending)?;
  let size = |size: usize| env.double(double(size as u64)).map_err(pending);
  let maximum = maximum.map_or(Ok(env.undefined()), size)?;
  let answer = env.call(core, function, &[kind, size(current)?, size(desired)?, maximum]).map_err(pending)?;
  if env.kind(answer) == Kind::Boolean {
    return Ok(env.strict_equals(answer, env.boolean(true)));
  }
  Err(wrong_answer(env, answer))
}

fn wrong_answer(env: RawEnv, answer: Value) -> Failure {
  let what =
    if env.is_promise(answer) { "a promise, for which a growth cannot wait".to_owned() } else { describe(env, answer) };
  Failure::type_error(format!("limits.onGrow: expected it to return a boolean, got {what}"))
}

fn thrown(env: RawEnv, store: &StoreInner) -> wasmtime::Error {
  let Some(value) = env.take_exception() else { return going_down() };
  let info = Arc::new(HostFuncInfo { module: "limits".to_owned(), name: "onGrow".to_owned() });
  match Thrown::new(env, &store.state, value, &info, String::new()) {
    Ok(thrown) => wasmtime::Error::new(thrown),
    Err(Refused) => going_down(),
  }
}

fn going_down() -> wasmtime::Error {
  wasmtime::Error::msg("JavaScript execution is ending")
}

impl StoreInner {
  /// What a growth that JavaScript has asked for must end with: a limit, or what `onGrow` has thrown.
  pub fn growth_failure(&self, error: wasmtime::Error) -> Option<Failure> {
    let env = self.state.env()?;
    (error.is::<Thrown>() || error.is::<HostFailure>()).then(|| self.failure(env, Broken::without_frames(error)))
  }
}
