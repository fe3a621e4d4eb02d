//! What the raw Node-API functions of this addon have in common. Lives on: the JavaScript thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use napi::sys;

use crate::env_state::EnvState;
use crate::failure::Failure;
use crate::raw_env::{CallbackInfo, RawEnv, Value};
use crate::store::{StoreInner, StorePin};
use crate::values::describe;

/// Arguments of a raw function; missing ones are `undefined`.
pub const ARGS: usize = 5;

/// Runs the body of a raw function: its error becomes the exception, a panic too.
///
/// # Safety
/// `env` and `info` are those that Node passed to the running callback.
#[inline]
pub unsafe fn run(
  env: sys::napi_env,
  info: sys::napi_callback_info,
  body: impl FnOnce(RawEnv, &[Value; ARGS]) -> Result<Value, Failure>,
) -> sys::napi_value {
  let mut call = CallbackInfo::<ARGS>::new();
  // SAFETY: this function's own contract.
  unsafe { call.load(env, info) };
  let raw = RawEnv(env);
  answer(raw, || body(raw, call.args()))
}

/// What a raw function gives back to Node: the value of its body; its error, or a panic, becomes the exception.
#[inline]
pub fn answer(env: RawEnv, body: impl FnOnce() -> Result<Value, Failure>) -> sys::napi_value {
  let failure = match catch_unwind(AssertUnwindSafe(body)) {
    Ok(Ok(value)) => return value.0,
    Ok(Err(failure)) => failure,
    Err(payload) => Failure::panic(&*payload),
  };
  if let Ok(state) = EnvState::of(env) {
    failure.throw(env, &state);
  }
  ptr::null_mut()
}

/// Defines raw functions: `raw_functions! { "name" => body; }` gives `FUNCTIONS`, a list of their JavaScript names and
/// callbacks. A body takes the environment and the arguments.
macro_rules! raw_functions {
  ($($js:literal => $body:expr;)+) => {
    pub const FUNCTIONS: &[(&str, crate::raw_env::Callback)] = &[
      $(($js, {
        unsafe extern "C" fn callback(
          env: napi::sys::napi_env,
          info: napi::sys::napi_callback_info,
        ) -> napi::sys::napi_value {
          // SAFETY: Node passes both to the running callback.
          unsafe { crate::raw_call::run(env, info, $body) }
        }
        callback
      })),+
    ];
  };
}
pub(crate) use raw_functions;

/// The store of a handle.
#[inline]
pub fn store_arg(env: RawEnv, handle: Value) -> Result<StorePin, Failure> {
  StoreInner::of(env, handle)
}

/// An index that the package's own TypeScript passes.
#[inline]
pub fn index_arg(env: RawEnv, value: Value) -> Result<u32, Failure> {
  let number = env.get_int32(value).map_err(|_| Failure::type_error("expected an index"))?;
  #[expect(clippy::cast_sign_loss, reason = "the bits of a u32")]
  let index = number as u32;
  Ok(index)
}

/// A count or an offset: a whole number from 0 to 2^53.
#[inline]
pub fn size_arg(env: RawEnv, value: Value, what: &str) -> Result<u64, Failure> {
  match env.get_double(value) {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be whole and in range")]
    #[expect(clippy::float_cmp, reason = "exactly whole is what is meant")]
    Ok(number) if (0.0..=9_007_199_254_740_992.0).contains(&number) && number.trunc() == number => Ok(number as u64),
    _ => Err(wrong_size(env, value, what)),
  }
}

#[cold]
fn wrong_size(env: RawEnv, value: Value, what: &str) -> Failure {
  let hint = match env.get_double(value) {
    Ok(number) if number < 0.0 => " (an i32 above 2 GiB arrives as a negative number: use value >>> 0)",
    _ => "",
  };
  let kind =
    if env.get_double(value).is_ok() { crate::failure::FailureKind::Range } else { crate::failure::FailureKind::Type };
  Failure::new(kind, format!("{what}: expected a non-negative integer, got {}{hint}", describe(env, value)))
}

/// A number as JavaScript's.
#[inline]
#[expect(clippy::cast_precision_loss, reason = "sizes and offsets stay below 2^53")]
pub fn number(env: RawEnv, value: u64) -> Result<Value, Failure> {
  env.double(value as f64).map_err(|_| Failure::Pending)
}
