//! Everything that can go wrong, on its way to JavaScript.
//!
//! The classes are TypeScript's (`lib/errors.ts`); a [`Failure`] carries what their factory needs. Lives on: any thread
//! until [`Failure::throw`] or [`Failure::into_value`], which run on the JavaScript thread.

use napi::bindgen_prelude::{ToNapiValue, Unknown};
use napi::{Status, sys};
use napi_derive::napi;

use crate::env_state::EnvState;
use crate::external_buffer::OutBytes;
use crate::raw_env::{RawEnv, Value};
use crate::store::RefusalInfo;
use crate::thrown::Thrown;

/// One function on the stack at the time of an error, innermost first.
#[napi(object)]
#[derive(Clone, Default)]
pub struct FrameInfo {
  pub module_name: Option<String>,
  pub function_index: Option<u32>,
  pub function_name: Option<String>,
  pub signature: Option<String>,
  pub module_offset: Option<u32>,
  pub function_offset: Option<u32>,
  pub file: Option<String>,
  pub line: Option<u32>,
  pub column: Option<u32>,
  pub host: bool,
}

/// One import that cannot be linked.
#[napi(object)]
#[derive(Clone)]
pub struct LinkProblemInfo {
  pub module: String,
  pub name: String,
  /// `missing`, `mismatch`, `wrong-store` or `other`.
  pub reason: String,
  pub expected: Option<String>,
  pub actual: Option<String>,
}

/// What an error carries besides its message.
#[napi(object, object_from_js = false)]
#[derive(Clone, Default)]
pub struct ErrorDetail {
  pub frames: Option<Vec<FrameInfo>>,
  pub trap_code: Option<String>,
  pub problems: Option<Vec<LinkProblemInfo>>,
  pub exit_code: Option<u32>,
  pub offset: Option<u32>,
  #[napi(ts_type = "Uint8Array")]
  pub coredump: Option<OutBytes>,
  /// The limit of the store that was reached.
  pub limit: Option<RefusalInfo>,
}

/// The classes that JavaScript knows; the names are those of `NativeErrorKind` in `lib/errors.ts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
  Compile,
  Link,
  Trap,
  Exit,
  Interrupted,
  OutOfFuel,
  Limit,
  StoreBusy,
  Closed,
  Type,
  Range,
  StackOverflow,
  Internal,
}

impl FailureKind {
  fn name(self) -> &'static str {
    match self {
      Self::Compile => "compile",
      Self::Link => "link",
      Self::Trap => "trap",
      Self::Exit => "exit",
      Self::Interrupted => "interrupted",
      Self::OutOfFuel => "out-of-fuel",
      Self::Limit => "limit",
      Self::StoreBusy => "store-busy",
      Self::Closed => "closed",
      Self::Type => "type",
      Self::Range => "range",
      Self::StackOverflow => "stack-overflow",
      Self::Internal => "internal",
    }
  }
}

pub struct TypedFailure {
  pub kind: FailureKind,
  pub message: String,
  pub detail: ErrorDetail,
}

impl TypedFailure {
  /// What a caught panic becomes.
  #[cold]
  pub fn panic(payload: &(dyn std::any::Any + Send)) -> Self {
    let message = payload
      .downcast_ref::<&str>()
      .map(|text| (*text).to_owned())
      .or_else(|| payload.downcast_ref::<String>().cloned())
      .unwrap_or_else(|| "a panic without a message".to_owned());
    Self { kind: FailureKind::Internal, message, detail: ErrorDetail::default() }
  }
}

/// Each variant is at most a pointer wide, so that the results of the hot paths travel in registers.
pub enum Failure {
  /// A JavaScript exception is pending already, or the environment is going down.
  Pending,
  /// What a host function threw, with the wasm frames it came through.
  Thrown(Box<ThrownFailure>),
  /// An exception of the guest that nobody has caught.
  Exception(Box<ExceptionFailure>),
  /// One of our own errors.
  Typed(Box<TypedFailure>),
  /// An exit code, with the results that the call had (a handle of the current scope).
  ExitWithResults(Box<(u32, Value)>),
}

pub struct ExceptionFailure {
  /// The `WasmException`, a handle of the current scope.
  pub value: Value,
  pub frames: Vec<FrameInfo>,
}

pub struct ThrownFailure {
  /// Holds a [`Thrown`].
  pub error: wasmtime::Error,
  pub frames: Vec<FrameInfo>,
}

impl Failure {
  #[cold]
  pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
    Self::with_detail(kind, message, ErrorDetail::default())
  }

  #[cold]
  pub fn with_detail(kind: FailureKind, message: impl Into<String>, detail: ErrorDetail) -> Self {
    Self::Typed(Box::new(TypedFailure { kind, message: message.into(), detail }))
  }

  #[cold]
  pub fn type_error(message: impl Into<String>) -> Self {
    Self::new(FailureKind::Type, message)
  }

  #[cold]
  pub fn closed(what: &str) -> Self {
    Self::new(FailureKind::Closed, format!("the {what} is closed"))
  }

  #[cold]
  pub fn exit(code: u32) -> Self {
    let detail = ErrorDetail { exit_code: Some(code), ..ErrorDetail::default() };
    Self::with_detail(FailureKind::Exit, format!("module closed with exit_code({code})"), detail)
  }

  #[cold]
  pub fn busy() -> Self {
    Self::new(
      FailureKind::StoreBusy,
      "an asynchronous call is running in the store; await it, or use callAsync(), which waits for its turn",
    )
  }

  #[cold]
  pub fn stack_overflow() -> Self {
    Self::new(FailureKind::StackOverflow, "Maximum call stack size exceeded")
  }

  #[cold]
  pub fn internal(message: impl Into<String>) -> Self {
    Self::new(FailureKind::Internal, message)
  }

  /// Whether the system had not enough: no limit of the store's own.
  pub fn is_shortage(&self) -> bool {
    matches!(self, Self::Typed(typed) if typed.kind == FailureKind::Limit && typed.detail.limit.is_none())
  }

  /// What a caught panic becomes.
  #[cold]
  pub fn panic(payload: &(dyn std::any::Any + Send)) -> Self {
    Self::Typed(Box::new(TypedFailure::panic(payload)))
  }

  /// Makes this the pending exception.
  #[cold]
  pub fn throw(self, env: RawEnv, state: &EnvState) {
    if let Some(value) = self.into_value(env, state) {
      env.throw(value);
    }
  }

  /// The value to throw or reject with; `None` if an exception is pending.
  #[cold]
  pub fn into_value(self, env: RawEnv, state: &EnvState) -> Option<Value> {
    match self {
      Self::Pending => None,
      Self::Thrown(thrown) => {
        let ThrownFailure { error, frames } = *thrown;
        let value = error.downcast_ref::<Thrown>().and_then(|thrown| thrown.value(env))?;
        attach_frames(env, state, value, frames);
        Some(value)
      }
      Self::Exception(exception) => {
        let ExceptionFailure { value, frames } = *exception;
        attach_frames(env, state, value, frames);
        Some(value)
      }
      Self::Typed(typed) => {
        let TypedFailure { kind, message, detail } = *typed;
        let detail = to_value(env, detail).unwrap_or_else(|| env.undefined());
        create(env, state, kind, &message, detail)
      }
      Self::ExitWithResults(exit) => {
        let (code, results) = *exit;
        let detail = ErrorDetail { exit_code: Some(code), ..ErrorDetail::default() };
        let detail = to_value(env, detail)?;
        env.set_named(detail, c"results", results).ok()?;
        create(env, state, FailureKind::Exit, &format!("module closed with exit_code({code})"), detail)
      }
    }
  }

  /// Throws, and gives the `napi::Error` that tells napi-rs so.
  #[cold]
  pub fn into_napi(self, env: RawEnv) -> napi::Error {
    match EnvState::of(env) {
      Ok(state) => {
        self.throw(env, &state);
        napi::Error::new(Status::PendingException, "an exception is pending")
      }
      Err(error) => error,
    }
  }

  /// The same as a rejection's reason, for work that ends in a promise.
  #[cold]
  pub fn into_rejection(self, env: RawEnv) -> napi::Error {
    let Ok(state) = EnvState::of(env) else { return napi::Error::from_reason("the environment is going down") };
    match self.into_value(env, &state) {
      // SAFETY: `value` was made in this environment and is a handle of the current scope.
      Some(value) => napi::Error::from(unsafe { Unknown::from_raw_unchecked(env.0, value.0) }),
      None => napi::Error::new(Status::PendingException, "an exception is pending"),
    }
  }
}

fn attach_frames(env: RawEnv, state: &EnvState, value: Value, frames: Vec<FrameInfo>) {
  if let (Some(attach), Some(frames)) = (state.attach_frames(env), to_value(env, frames)) {
    // The helper never throws; if the environment is going down there is nothing to report to.
    let _ = env.call(env.undefined(), attach, &[value, frames]);
  }
}

fn create(env: RawEnv, state: &EnvState, kind: FailureKind, message: &str, detail: Value) -> Option<Value> {
  let message_value = env.string(message).ok()?;
  if let Some(factory) = state.create_error(env) {
    let kind = env.string(kind.name()).ok()?;
    if let Ok(error) = env.call(env.undefined(), factory, &[kind, message_value, detail]) {
      return Some(error);
    }
    // The factory itself was hit by a stack overflow: its RangeError says so.
    return env.take_exception();
  }
  let mut error = std::ptr::null_mut();
  // SAFETY: live env, a string handle, no code, and an out-pointer that outlives the call.
  let status = unsafe { sys::napi_create_error(env.0, std::ptr::null_mut(), message_value.0, &raw mut error) };
  (status == sys::Status::napi_ok).then_some(Value(error))
}

/// Converts one of the `#[napi(object)]` structures.
pub fn to_value<T: ToNapiValue>(env: RawEnv, value: T) -> Option<Value> {
  // SAFETY: live env; the conversion makes handles in the current scope.
  unsafe { T::to_napi_value(env.0, value) }.ok().map(Value)
}
