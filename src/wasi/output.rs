//! What a guest writes to its standard output or error: kept for JavaScript to take.
//!
//! A write only appends here. Who wants the bytes at once is called when the WASI function has returned, on the JavaScript
//! thread's own stack (`calls.rs`). Lives on: any thread.

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::pipe::SinkOutputStream;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use crate::failure::{FailureKind, TypedFailure};
use crate::host_call::HostFailure;

/// Bytes that one write of the guest may have.
const PERMIT: usize = 64 * 1024;

/// One of the two streams.
pub struct Output {
  /// For messages.
  name: &'static str,
  bytes: Mutex<Vec<u8>>,
  /// Bytes that may be kept; `None` if they are fetched after every write.
  limit: Option<usize>,
  /// There are bytes that JavaScript should fetch at once.
  due: AtomicBool,
}

impl Output {
  pub fn new(name: &'static str, limit: Option<usize>) -> Arc<Self> {
    Arc::new(Self { name, bytes: Mutex::default(), limit, due: AtomicBool::new(false) })
  }

  /// What has been written since this was called last.
  pub fn take(&self) -> Vec<u8> {
    self.due.store(false, Ordering::Relaxed);
    mem::take(&mut *self.bytes.lock().unwrap_or_else(PoisonError::into_inner))
  }

  /// Whether JavaScript should fetch something now.
  pub fn is_due(&self) -> bool {
    self.due.load(Ordering::Relaxed)
  }

  fn append(&self, new: &[u8]) -> Result<(), StreamError> {
    let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(limit) = self.limit else {
      bytes.extend_from_slice(new);
      self.due.store(!bytes.is_empty(), Ordering::Relaxed);
      return Ok(());
    };
    let room = limit.saturating_sub(bytes.len());
    bytes.extend_from_slice(new.get(..room).unwrap_or(new));
    if new.len() <= room {
      return Ok(());
    }
    let name = self.name;
    Err(StreamError::Trap(wasmtime::Error::new(HostFailure(TypedFailure {
      kind: FailureKind::Limit,
      message: format!(
        "the guest has written more than {limit} bytes to {name}; raise wasi.{name}Limit, or take what is written in \
         pieces with a stream or a callback"
      ),
      detail: crate::failure::ErrorDetail::default(),
    }))))
  }
}

/// The stream that WASI has.
pub struct OutputPipe(pub Arc<Output>);

impl IsTerminal for OutputPipe {
  fn is_terminal(&self) -> bool {
    false
  }
}

impl StdoutStream for OutputPipe {
  fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
    // Only later versions of WASI ask for this one.
    StdoutStream::async_stream(&SinkOutputStream)
  }

  fn p2_stream(&self) -> Box<dyn OutputStream> {
    Box::new(Self(Arc::clone(&self.0)))
  }
}

#[async_trait]
impl Pollable for OutputPipe {
  async fn ready(&mut self) {}
}

impl OutputStream for OutputPipe {
  fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
    self.0.append(&bytes)
  }

  fn flush(&mut self) -> StreamResult<()> {
    Ok(())
  }

  fn check_write(&mut self) -> StreamResult<usize> {
    Ok(PERMIT)
  }
}
