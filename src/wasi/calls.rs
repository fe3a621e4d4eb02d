//! How a call of a WASI function runs: until it is done, or until its guest is to be stopped.
//!
//! In sync mode the JavaScript thread waits, in async mode the guest's fiber does ([`Signal::Wait`]). What the guest has
//! written is handed to JavaScript when the function has returned. Lives on: whoever runs the guest.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use wasmtime::{AsContextMut, Caller, Extern, Trap};
use wasmtime_wasi::filesystem::WasiFilesystemCtx;
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::runtime::with_ambient_tokio_runtime;
use wasmtime_wasi::{I32Exit, WasiView};
use wiggle::{GuestError, GuestMemory};

use super::StoreWasi;
use crate::failure::{ErrorDetail, FailureKind, TypedFailure};
use crate::host_call::HostFailure;
use crate::store::{StoreData, StoreInner};
use crate::tasks::{Sleeper, host_future};
use crate::thrown::Thrown;

/// The guest's memory, and what its store has of WASI.
pub fn view<'a>(
  caller: &'a mut Caller<'_, StoreData>,
  memory: Option<&'a Extern>,
  fuel: usize,
) -> wasmtime::Result<(&'a mut WasiP1Ctx, GuestMemory<'a>)> {
  match memory {
    Some(Extern::Memory(memory)) => {
      let (bytes, data) = memory.data_and_store_mut(caller);
      Ok((context(data, fuel)?, GuestMemory::Unshared(bytes)))
    }
    Some(Extern::SharedMemory(memory)) => Ok((context(caller.data_mut(), fuel)?, GuestMemory::Shared(memory.data()))),
    _ => Err(wasmtime::Error::new(HostFailure(TypedFailure {
      kind: FailureKind::Link,
      message:
        "a function of WASI works with the memory of the guest that calls it, which must export it as \"memory\"".into(),
      detail: ErrorDetail::default(),
    }))),
  }
}

/// The bytes that one call of a guest may have copied.
pub fn fuel(caller: &mut Caller<'_, StoreData>) -> usize {
  caller.as_context_mut().hostcall_fuel()
}

fn context(data: &mut StoreData, fuel: usize) -> wasmtime::Result<&mut WasiP1Ctx> {
  let wasi = data.wasi.as_mut().ok_or_else(|| wasmtime::Error::msg("the store has no WASI"))?;
  wasmtime_wasi::p1::wasi_snapshot_preview1::WasiSnapshotPreview1::set_hostcall_fuel(&mut wasi.context, fuel);
  Ok(&mut wasi.context)
}

/// What a guest did wrong, as a trap: an address beyond its memory, say. What is known already stays as it is.
pub fn as_trap(error: wasmtime::Error) -> wasmtime::Error {
  if error.is::<I32Exit>() || error.is::<HostFailure>() || error.is::<Thrown>() || error.is::<Trap>() {
    return error;
  }
  let outside = matches!(
    error.downcast_ref::<GuestError>().map(root),
    Some(GuestError::PtrOutOfBounds(_) | GuestError::PtrOverflow)
  );
  let code = if outside { "memory-out-of-bounds" } else { "other" };
  wasmtime::Error::new(HostFailure(TypedFailure {
    kind: FailureKind::Trap,
    message: format!("in a function of WASI: {error:#}"),
    detail: ErrorDetail { trap_code: Some(code.into()), ..ErrorDetail::default() },
  }))
}

fn root(error: &GuestError) -> &GuestError {
  match error {
    GuestError::InFunc { err, .. } => root(err),
    error => error,
  }
}

/// What `proc_exit` does. Wasmtime's own refuses codes from 126 up, which some languages use.
pub fn exit(code: i32) -> wasmtime::Error {
  wasmtime::Error::new(I32Exit(code))
}

/// While it is dropped only later, a blocking sleep of `poll_oneoff` does not take the thread: it could not be stopped.
/// `wasmtime-wasi` looks at an option of its file system for that; directories are not looked up there any more, since
/// [`StoreWasi::new`] has had them opened.
pub fn swap_files(context: &mut WasiP1Ctx, files: &mut WasiFilesystemCtx) {
  std::mem::swap(context.ctx().ctx.filesystem(), files);
}

/// Runs a function in sync mode: the thread waits.
pub fn block_on<T>(store: *const StoreInner, future: impl Future<Output = wasmtime::Result<T>>) -> wasmtime::Result<T> {
  let mut future = pin!(future);
  let sleeper = Arc::<Sleeper>::default();
  let waker = Waker::from(Arc::clone(&sleeper));
  loop {
    sleeper.prepare();
    let polled = with_ambient_tokio_runtime(|| future.as_mut().poll(&mut Context::from_waker(&waker)));
    if let Poll::Ready(outcome) = polled {
      return outcome.map_err(as_trap);
    }
    // SAFETY: the store inner owns the store that runs this call.
    let stopped = || unsafe { &*store }.must_stop();
    if !sleeper.sleep(stopped) {
      return Err(Trap::Interrupt.into());
    }
  }
}

/// Runs a function in async mode: its guest waits.
pub async fn wait<T>(store: Owner, future: impl Future<Output = wasmtime::Result<T>> + Send) -> wasmtime::Result<T> {
  let mut future = pin!(future);
  std::future::poll_fn(|context| {
    // SAFETY: the store inner owns the store that runs this call.
    let store = unsafe { &*store.pointer() };
    let Some(tasks) = store.tasks() else {
      return Poll::Ready(Err(wasmtime::Error::msg("an asynchronous call of WASI in a synchronous store")));
    };
    if tasks.is_stopped(store) {
      return Poll::Ready(Err(Trap::Interrupt.into()));
    }
    let polled = with_ambient_tokio_runtime(|| future.as_mut().poll(context));
    if polled.is_pending() {
      tasks.signal_wait();
    }
    polled.map_err(as_trap)
  })
  .await
}

/// The store that runs a call.
#[derive(Clone, Copy)]
pub struct Owner(*const StoreInner);

// SAFETY: a call travels with its store's task.
unsafe impl Send for Owner {}
// SAFETY: as above.
unsafe impl Sync for Owner {}

impl Owner {
  pub fn of(caller: &Caller<'_, StoreData>) -> Self {
    Self(caller.data().inner)
  }

  pub fn pointer(self) -> *const StoreInner {
    self.0
  }
}

/// Has JavaScript take what the guest has written, in sync mode.
pub fn deliver(caller: Caller<'_, StoreData>) -> wasmtime::Result<()> {
  match caller.data().wasi.as_deref().and_then(StoreWasi::delivery) {
    // SAFETY: the function has neither parameters nor results.
    Some(binding) => unsafe { binding.call_raw(caller, &mut []) },
    None => Ok(()),
  }
}

/// As `deliver`, in async mode: if JavaScript gives a promise, the guest waits for it.
pub async fn deliver_async(caller: Caller<'_, StoreData>) -> wasmtime::Result<()> {
  let Some(binding) = caller.data().wasi.as_deref().and_then(StoreWasi::delivery) else { return Ok(()) };
  // SAFETY: the binding is the store's own, which runs the call.
  Pin::from(unsafe { host_future(Arc::as_ptr(&binding), caller, &[], &mut []) }).await
}
