//! JavaScript buffers over native memory, where V8 allows them.
//!
//! In a V8 with a memory cage, such as Electron's, every buffer has to lie in the cage, and Node-API refuses those over
//! native memory. What the addon hands over is copied then. Nothing else in the addon, and nothing of napi-rs, makes
//! external buffers. Lives on: the JavaScript thread.

use std::cell::Cell;
use std::ffi::c_void;
use std::rc::Rc;
use std::sync::Arc;

use napi::bindgen_prelude::{ToNapiValue, TypeName};
use napi::{ValueType, sys};

use crate::env_state::EnvState;
use crate::raw_env::{External, RawEnv, Refused, Value};

/// Set in the process's environment when the addon is loaded, to anything, it makes the addon behave as where V8 forbids
/// external buffers.
const NO_EXTERNAL_BUFFERS: &str = "NODE_WASMTIME_NO_EXTERNAL_BUFFERS";

/// Shorter bytes are copied everywhere: that is cheaper than a finaliser.
const MIN_EXTERNAL: usize = 4096;

/// Whether the addon must do as if V8 forbade external buffers.
pub fn are_switched_off() -> bool {
  std::env::var_os(NO_EXTERNAL_BUFFERS).is_some()
}

/// Bytes on their way to JavaScript, where they are a `Uint8Array` with a buffer of its own.
#[derive(Clone)]
pub struct OutBytes(Arc<Vec<u8>>);

/// Bytes on their way to JavaScript, where they are a `Buffer`.
pub struct OutBuffer(Vec<u8>);

impl From<Vec<u8>> for OutBytes {
  fn from(bytes: Vec<u8>) -> Self {
    Self(Arc::new(bytes))
  }
}

impl From<Vec<u8>> for OutBuffer {
  fn from(bytes: Vec<u8>) -> Self {
    Self(bytes)
  }
}

fn may_be_external(env: RawEnv, bytes: &[u8]) -> bool {
  bytes.len() >= MIN_EXTERNAL && EnvState::of(env).is_ok_and(|state| state.external_buffers)
}

unsafe extern "C" fn on_freed(_: sys::napi_env, _: *mut c_void, hint: *mut c_void) {
  // SAFETY: `lend` made the count into this pointer; V8 frees a backing store once, and Node tells of it on this thread.
  drop(unsafe { Rc::from_raw(hint.cast_const().cast::<Lent>()) });
}

/// Bytes that JavaScript has a buffer over, until they are taken back or freed.
type Lent = Cell<Option<Vec<u8>>>;

/// Makes an external value over bytes with `create`, which gets their start and what is to be given to `on_freed`. Gives
/// the bytes back where that is not allowed.
fn lend(
  mut bytes: Vec<u8>,
  create: impl FnOnce(*mut c_void, usize, *mut c_void) -> Result<Value, External>,
) -> Result<Value, Option<Vec<u8>>> {
  // The bytes themselves stay where they are when the vector moves.
  let (start, length) = (bytes.as_mut_ptr().cast::<c_void>(), bytes.len());
  let owner: Rc<Lent> = Rc::new(Cell::new(Some(bytes)));
  let hint = Rc::into_raw(Rc::clone(&owner));
  create(start, length, hint.cast_mut().cast()).map_err(|refusal| {
    if refusal != External::Forbidden {
      // Node calls `on_freed`, or has done so.
      return None;
    }
    // SAFETY: where there is a memory cage Node refuses before it looks at anything, so the count is still ours.
    drop(unsafe { Rc::from_raw(hint) });
    owner.take()
  })
}

fn uint8_array(env: RawEnv, bytes: Vec<u8>) -> Result<Value, Refused> {
  let copy = |bytes: &[u8]| env.bytes(bytes.len(), |target| target.copy_from_slice(bytes));
  if !may_be_external(env, &bytes) {
    return copy(&bytes);
  }
  let length = bytes.len();
  // SAFETY: `lend` keeps the bytes until `on_freed` runs with its hint.
  let make = |start, length, hint| unsafe { env.external_array_buffer(start, length, on_freed, hint) };
  match lend(bytes, make) {
    Ok(buffer) => env.uint8_array(buffer, length),
    Err(Some(bytes)) => copy(&bytes),
    Err(None) => Err(Refused),
  }
}

fn buffer(env: RawEnv, bytes: Vec<u8>) -> Result<Value, Refused> {
  if !may_be_external(env, &bytes) {
    return env.buffer_copy(&bytes);
  }
  // SAFETY: `lend` keeps the bytes until `on_freed` runs with its hint.
  let make = |start, length, hint| unsafe { env.external_buffer(start, length, on_freed, hint) };
  match lend(bytes, make) {
    Ok(buffer) => Ok(buffer),
    Err(Some(bytes)) => env.buffer_copy(&bytes),
    Err(None) => Err(Refused),
  }
}

fn out(value: Result<Value, Refused>) -> napi::Result<sys::napi_value> {
  value.map(|value| value.0).map_err(|_| napi::Error::from_reason("there is no memory for the bytes"))
}

impl TypeName for OutBytes {
  fn type_name() -> &'static str {
    "Uint8Array"
  }

  fn value_type() -> ValueType {
    ValueType::Object
  }
}

impl ToNapiValue for OutBytes {
  unsafe fn to_napi_value(env: sys::napi_env, value: Self) -> napi::Result<sys::napi_value> {
    out(uint8_array(RawEnv(env), Arc::unwrap_or_clone(value.0)))
  }
}

impl TypeName for OutBuffer {
  fn type_name() -> &'static str {
    "Buffer"
  }

  fn value_type() -> ValueType {
    ValueType::Object
  }
}

impl ToNapiValue for OutBuffer {
  unsafe fn to_napi_value(env: sys::napi_env, value: Self) -> napi::Result<sys::napi_value> {
    out(buffer(RawEnv(env), value.0))
  }
}
