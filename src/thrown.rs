//! A JavaScript value on its way through wasm: what a host function threw, carried inside a `wasmtime::Error`.
//!
//! The value is kept in a one-element array, because Node-API 8 can only reference objects and anything may be thrown.
//! Lives on: any thread may drop it; the value is read on the JavaScript thread.

use std::fmt;
use std::sync::Arc;

use napi::sys;

use crate::env_state::EnvState;
use crate::host_func::HostFuncInfo;
use crate::raw_env::{RawEnv, Refused, Value};

pub struct Thrown {
  reference: sys::napi_ref,
  state: Arc<EnvState>,
  /// The host function that threw.
  pub host: Arc<HostFuncInfo>,
  /// Its signature in wazero's form.
  pub signature: String,
}

// SAFETY: the reference is read only on the JavaScript thread (`value` takes its env), and given back from any thread
// through `EnvState::release`.
unsafe impl Send for Thrown {}
// SAFETY: as above.
unsafe impl Sync for Thrown {}

impl Thrown {
  pub fn new(
    env: RawEnv,
    state: &Arc<EnvState>,
    value: Value,
    host: &Arc<HostFuncInfo>,
    signature: String,
  ) -> Result<Self, Refused> {
    let holder = env.array(1)?;
    env.set_element(holder, 0, value)?;
    Ok(Self { reference: env.reference(holder, 1)?, state: Arc::clone(state), host: Arc::clone(host), signature })
  }

  pub fn value(&self, env: RawEnv) -> Option<Value> {
    let holder = env.dereference(self.reference)?;
    env.get_element(holder, 0).ok()
  }
}

impl Drop for Thrown {
  fn drop(&mut self) {
    self.state.release(self.reference);
  }
}

impl fmt::Debug for Thrown {
  fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "a value thrown by {}", self.host.display_name())
  }
}

impl fmt::Display for Thrown {
  fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    fmt::Debug::fmt(self, f)
  }
}

impl std::error::Error for Thrown {}
