//! A JavaScript function that wasm can import: its definition, which any number of linkers and stores share.
//!
//! The function is held by JavaScript (the linker's list, which every store made from it keeps); here is a weak
//! reference. Lives on: the JavaScript thread; closures inside Wasmtime's linkers may drop it on any.

use std::cell::Cell;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use napi::sys;

use crate::env_state::EnvState;
use crate::failure::Failure;
use crate::raw_env::{RawEnv, Value};

/// What names a host function in messages and traces.
pub struct HostFuncInfo {
  pub module: String,
  pub name: String,
}

impl HostFuncInfo {
  /// `module.name`, or the name alone for a function that belongs to no module.
  pub fn display_name(&self) -> String {
    let mut text = self.module.clone();
    if !text.is_empty() {
      text.push('.');
    }
    let _ = write!(text, "{}", self.name);
    text
  }
}

/// The array that a stack-style function gets. It shows a `SharedArrayBuffer`, which cannot be detached, so its address
/// is good for as long as the array lives.
pub struct Stack {
  array: sys::napi_ref,
  data: *const AtomicU64,
  pub length: usize,
  /// A call is under way: a nested one saves and restores what is in the array.
  pub busy: Cell<bool>,
}

/// How a host function is called.
#[derive(Clone, Copy)]
pub struct HostFuncOptions {
  /// With the importing instance as first argument.
  pub with_module: bool,
  /// Without the guest waiting for it.
  pub notify: bool,
}

pub struct HostFunc {
  pub info: Arc<HostFuncInfo>,
  callback: sys::napi_ref,
  pub stack: Option<Stack>,
  /// Whether the first argument is the importing instance.
  pub with_module: bool,
  /// Whether the guest does not wait for it.
  pub notify: bool,
  state: Arc<EnvState>,
  /// Its engine's count of such functions.
  counter: Arc<AtomicU32>,
}

// SAFETY: used on the JavaScript thread alone; a drop elsewhere only hands the references to `EnvState::release`.
unsafe impl Send for HostFunc {}
// SAFETY: as above.
unsafe impl Sync for HostFunc {}

impl HostFunc {
  pub fn new(
    env: RawEnv,
    info: HostFuncInfo,
    callback: Value,
    options: HostFuncOptions,
    stack: Option<Value>,
    counter: &Arc<AtomicU32>,
  ) -> Result<Self, Failure> {
    let state = EnvState::of(env).map_err(|error| Failure::internal(error.reason.clone()))?;
    let stack = stack.map(|array| Stack::new(env, array)).transpose()?;
    let reference =
      env.reference(callback, 0).map_err(|_| Failure::type_error("a host function must be a function"))?;
    counter.fetch_add(1, Ordering::Relaxed);
    let counter = Arc::clone(counter);
    let HostFuncOptions { with_module, notify } = options;
    Ok(Self { info: Arc::new(info), callback: reference, stack, with_module, notify, state, counter })
  }

  pub fn state(&self) -> &Arc<EnvState> {
    &self.state
  }

  /// The JavaScript function.
  #[inline]
  pub fn callback(&self, env: RawEnv) -> Option<Value> {
    env.dereference(self.callback)
  }
}

impl Drop for HostFunc {
  fn drop(&mut self) {
    self.counter.fetch_sub(1, Ordering::Relaxed);
    self.state.release(self.callback);
    if let Some(stack) = &self.stack {
      self.state.release(stack.array);
    }
  }
}

impl Stack {
  fn new(env: RawEnv, array: Value) -> Result<Self, Failure> {
    let wrong = || Failure::internal("the stack of a host function must be a BigUint64Array over shared memory");
    let (data, length, kind) = env.typed_array(array).ok_or_else(wrong)?;
    let aligned = data.addr() % align_of::<AtomicU64>() == 0;
    if kind != sys::TypedarrayType::biguint64_array || !aligned || (data.is_null() && length > 0) {
      return Err(wrong());
    }
    let array = env.reference(array, 0).map_err(|_| Failure::Pending)?;
    Ok(Self { array, data: data.cast_const().cast(), length, busy: Cell::new(false) })
  }

  #[inline]
  pub fn array(&self, env: RawEnv) -> Option<Value> {
    env.dereference(self.array)
  }

  /// The slots. JavaScript sees the same memory, hence atomics.
  #[inline]
  pub fn slots(&self) -> &[AtomicU64] {
    if self.length == 0 {
      return &[];
    }
    // SAFETY: the array shows `length` aligned 64-bit slots of shared memory that cannot be detached, and the store's
    // JavaScript side keeps it alive while wasm can call the function (`array` was just dereferenced).
    unsafe { std::slice::from_raw_parts(self.data, self.length) }
  }
}
