//! WASI preview 1: what a store has of it, and what JavaScript sees of that.
//!
//! The implementation is `wasmtime-wasi`'s. It needs a tokio runtime, of which it makes one for the process, when it is
//! needed for the first time; that one never ends. Lives on: the JavaScript thread, but for what belongs to a store, which
//! is with whoever has the store.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use napi::JsValue;
use napi::bindgen_prelude::{Env, Uint8Array, Unknown};
use napi_derive::napi;
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p1::wasi_snapshot_preview1::fd_prestat_get;
use wiggle::GuestMemory;

mod calls;
mod context;
mod functions;
mod input;
mod output;

use crate::external_buffer::OutBuffer;
use crate::failure::{Failure, FailureKind};
use crate::host_call::HostBinding;
use crate::host_definition::{HostFuncConfig, NO_SLOT, host_func};
use crate::host_func::HostFuncInfo;
use crate::raw_env::{RawEnv, Value};
use crate::store::{Mode, StoreInner};
use crate::thrown::Thrown;
use context::{Streams, WasiConfig, make_context};

pub use functions::WasiFunc;
pub use input::Input;

/// What a store has of WASI.
pub struct StoreWasi {
  context: WasiP1Ctx,
  streams: Arc<Streams>,
  /// Has JavaScript take what the guest has written; `None` if nobody wants that before the end.
  deliver: Option<Arc<HostBinding>>,
}

impl StoreWasi {
  fn new(mut context: WasiP1Ctx, streams: Arc<Streams>, deliver: Option<Arc<HostBinding>>) -> Self {
    // The first call of a function opens the guest's descriptors; a call that cannot do harm, so that nothing depends on
    // which one the guest makes first.
    let _ = fd_prestat_get(&mut context, &mut GuestMemory::Unshared(&mut [0; 16]), 3, 0);
    Self { context, streams, deliver }
  }

  /// What to call if the guest has written something that JavaScript wants at once.
  fn delivery(&self) -> Option<Arc<HostBinding>> {
    let deliver = self.deliver.as_ref()?;
    let Streams { stdout, stderr, .. } = &*self.streams;
    [stdout, stderr].into_iter().flatten().any(|output| output.is_due()).then(|| Arc::clone(deliver))
  }
}

impl StoreInner {
  /// Notes that a guest has called `proc_exit`.
  pub fn note_exit(&self, code: u32) {
    // An access is under way only if a panic passes through.
    let _ = self.with_even_closed(|ctx| ctx.data().wasi.as_ref().map(|wasi| wasi.streams.exit_code.set(code)));
  }

  /// Whether its guests have WASI.
  pub fn has_wasi(&self) -> Result<bool, Failure> {
    self.with(|ctx| ctx.data().wasi.is_some())
  }
}

/// The WASI of one store, as JavaScript sees it. It outlives the store.
#[napi]
pub struct Wasi {
  context: RefCell<Option<WasiP1Ctx>>,
  streams: Arc<Streams>,
  is_async: Cell<bool>,
}

#[napi]
impl Wasi {
  /// Opens the directories.
  #[napi(constructor, catch_unwind)]
  pub fn new(env: Env, config: WasiConfig) -> napi::Result<Self> {
    let (context, streams) = make_context(&config).map_err(|failure| failure.into_napi(RawEnv(env.raw())))?;
    Ok(Self { context: RefCell::new(Some(context)), streams: Arc::new(streams), is_async: Cell::new(config.is_async) })
  }

  /// Gives it to a store, which has none yet. `deliver` is called without arguments when there is something to take; in
  /// async mode the guest waits for the promise that it returns. JavaScript keeps it alive.
  #[napi(catch_unwind)]
  pub fn attach(
    &self,
    env: Env,
    #[napi(ts_arg_type = "StoreHandle")] store: Unknown,
    #[napi(ts_arg_type = "(() => unknown) | undefined")] deliver: Option<Unknown>,
  ) -> napi::Result<()> {
    let raw = RawEnv(env.raw());
    let attach = || {
      let store = StoreInner::of(raw, Value(store.raw()))?;
      store.require_mode(raw, if self.is_async.get() { Mode::Async } else { Mode::Sync })?;
      let deliver = match deliver {
        None => None,
        Some(function) => {
          let config = HostFuncConfig {
            module: "wasi".into(),
            name: "write".into(),
            params: Some(Vec::new()),
            results: Some(Vec::new()),
            with_module: false,
            notify: None,
          };
          let callback = Value(function.raw());
          let (func, ty) = host_func(raw, &store.engine, config, callback, None, &store.host_functions)?;
          ty.map(|ty| Arc::new(HostBinding::new(func, ty, NO_SLOT)))
        }
      };
      let context = self.context.borrow_mut().take();
      let context = context.ok_or_else(|| Failure::internal("this WASI belongs to a store already"))?;
      if let Some(input) = &self.streams.stdin {
        store.set_wasi_input(Arc::clone(input));
      }
      let wasi = Box::new(StoreWasi::new(context, Arc::clone(&self.streams), deliver));
      store.with(|mut ctx| ctx.data_mut().wasi = Some(wasi))
    };
    attach().map_err(|failure| failure.into_napi(raw))
  }

  /// What the guest has written to its standard output since this was called last.
  #[napi(catch_unwind, ts_return_type = "Buffer")]
  pub fn take_stdout(&self) -> OutBuffer {
    self.streams.stdout.as_ref().map(|output| output.take()).unwrap_or_default().into()
  }

  /// The same of its standard error.
  #[napi(catch_unwind, ts_return_type = "Buffer")]
  pub fn take_stderr(&self) -> OutBuffer {
    self.streams.stderr.as_ref().map(|output| output.take()).unwrap_or_default().into()
  }

  /// What the guest has given `proc_exit`; null if it has not called it.
  #[napi(getter, catch_unwind)]
  pub fn exit_code(&self) -> Option<u32> {
    self.streams.exit_code.get().copied()
  }

  /// Gives the guest bytes to read; whether it can take more before it has read them.
  #[napi(catch_unwind)]
  pub fn push_input(&self, bytes: Uint8Array) -> bool {
    self.streams.stdin.as_ref().is_some_and(|input| input.push(bytes.to_vec()))
  }

  /// Ends the guest's input.
  #[napi(catch_unwind)]
  pub fn end_input(&self) {
    if let Some(input) = &self.streams.stdin {
      input.end(None);
    }
  }

  /// Ends it with an error, which the call comes to that reads it.
  #[napi(catch_unwind)]
  pub fn fail_input(&self, env: Env, #[napi(ts_arg_type = "unknown")] reason: Unknown) -> napi::Result<()> {
    let raw = RawEnv(env.raw());
    let state = crate::env_state::EnvState::of(raw)?;
    let host = Arc::new(HostFuncInfo { module: "wasi".into(), name: "stdin".into() });
    if let Some(input) = &self.streams.stdin
      && let Ok(thrown) = Thrown::new(raw, &state, Value(reason.raw()), &host, String::new())
    {
      input.end(Some(wasmtime::Error::new(thrown)));
    }
    Ok(())
  }
}

/// The names of the functions of one of WASI's modules.
#[napi(catch_unwind)]
pub fn wasi_function_names(module: String) -> Vec<String> {
  WasiFunc::all(&module).iter().map(|function| function.name().to_owned()).collect()
}

/// What a module gets that imports WASI where there is none.
pub fn missing() -> Failure {
  Failure::new(
    FailureKind::Link,
    "the module imports functions of WASI, and its store has no WASI: make it with new Store(engine, { wasi: { ... } })",
  )
}
