//! What Node-API costs by itself: the floor that the benchmark compares with. Not part of the public API.
//! Lives on: the JavaScript thread.

use napi::Status;
use napi::bindgen_prelude::{AsyncTask, Env, FnArgs, Function, Task};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;

use crate::failure::Failure;
use crate::raw_call::{ARGS, index_arg, raw_functions};
use crate::raw_env::{CallbackInfo, RawEnv, Value};

/// Adds two i32 with nothing around it: the cheapest possible native function of that shape.
pub unsafe extern "C" fn add(env: napi::sys::napi_env, info: napi::sys::napi_callback_info) -> napi::sys::napi_value {
  let mut call = CallbackInfo::<2>::new();
  // SAFETY: Node passes both to the running callback.
  unsafe { call.load(env, info) };
  let env = RawEnv(env);
  let [left, right] = call.args();
  let sum = env.get_int32(*left).unwrap_or_default().wrapping_add(env.get_int32(*right).unwrap_or_default());
  env.int32(sum).map_or(std::ptr::null_mut(), |value| value.0)
}

/// Calls a JavaScript function `(i32, i32) -> i32` again and again from a native loop.
fn call_loop(env: RawEnv, args: &[Value; ARGS], calls_per_scope: u32) -> Result<Value, Failure> {
  let [function, count, ..] = *args;
  let count = index_arg(env, count)?;
  let reference = env.reference(function, 1).map_err(|_| Failure::type_error("expected a function"))?;
  let mut last = 0;
  let mut done = 0;
  while done < count {
    let scope = env.open_scope();
    for _ in 0..calls_per_scope.min(count - done) {
      let function = env.dereference(reference).ok_or(Failure::Pending)?;
      let number = |value: i32| env.int32(value).map_err(|_| Failure::Pending);
      let args = [number(last)?, number(1)?];
      let result = env.call(env.undefined(), function, &args).map_err(|_| Failure::Pending)?;
      last = env.get_int32(result).unwrap_or_default();
      done += 1;
    }
    env.close_scope(scope);
  }
  env.delete_reference(reference);
  env.int32(last).map_err(|_| Failure::Pending)
}

raw_functions! {
  "benchCallback" => |env, args| call_loop(env, args, 128);
  "benchCallbackScoped" => |env, args| call_loop(env, args, 1);
}

type RoundTripFunction = ThreadsafeFunction<FnArgs<(i32, i32)>, i32, FnArgs<(i32, i32)>, Status, false>;

/// Calls from a thread of their own, each waiting for the answer to the one before.
pub struct RoundTrips {
  function: RoundTripFunction,
  count: u32,
}

impl Task for RoundTrips {
  type Output = i32;
  type JsValue = i32;

  fn compute(&mut self) -> napi::Result<i32> {
    let (answers, answer) = std::sync::mpsc::channel();
    let mut last = 0;
    for _ in 0..self.count {
      let answers = answers.clone();
      let status = self.function.call_with_return_value(
        (last, 1).into(),
        ThreadsafeFunctionCallMode::NonBlocking,
        move |value, _| {
          // The receiver is gone only when the environment is, too.
          let _ = answers.send(value);
          Ok(())
        },
      );
      if status != Status::Ok {
        return Err(napi::Error::from_reason("the environment is ending"));
      }
      last = answer.recv().map_err(|_| napi::Error::from_reason("the environment is ending"))??;
    }
    Ok(last)
  }

  fn resolve(&mut self, _: Env, output: i32) -> napi::Result<i32> {
    Ok(output)
  }
}

/// Calls a JavaScript function `(i32, i32) -> i32` from another thread, one threadsafe-function round trip for each call:
/// what async mode would cost if the guest were always elsewhere.
#[napi(catch_unwind, skip_typescript)]
pub fn bench_round_trip(
  callback: Function<FnArgs<(i32, i32)>, i32>,
  count: u32,
) -> napi::Result<AsyncTask<RoundTrips>> {
  let function = callback.build_threadsafe_function().build()?;
  Ok(AsyncTask::new(RoundTrips { function, count }))
}
