//! What a guest reads from its standard input when JavaScript gives it piece by piece.
//!
//! A guest that finds nothing waits; the JavaScript thread learns that from `is_wanted`, and wakes the guest with what it
//! has. Lives on: any thread.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use bytes::Bytes;
use tokio::io::AsyncRead;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdinStream};
use wasmtime_wasi::p2::pipe::MemoryInputPipe;
use wasmtime_wasi::p2::{InputStream, Pollable, StreamError, StreamResult};

use crate::failure::{FailureKind, TypedFailure};
use crate::host_call::HostFailure;

/// Bytes that wait for the guest before JavaScript is asked to give no more.
const ENOUGH: usize = 64 * 1024;

#[derive(Default)]
struct State {
  pieces: VecDeque<Bytes>,
  length: usize,
  /// There will be no more.
  ended: bool,
  /// What the guest gets instead of the end.
  failure: Option<wasmtime::Error>,
  /// The guest waits, and JavaScript has not been told.
  wanted: bool,
  /// Nobody can give anything, since the JavaScript thread waits for the guest.
  refused: bool,
  waker: Option<Waker>,
}

#[derive(Default)]
pub struct Input(Mutex<State>);

impl Input {
  fn lock(&self) -> MutexGuard<'_, State> {
    self.0.lock().unwrap_or_else(PoisonError::into_inner)
  }

  /// Gives the guest bytes; whether it can take more before it has read them.
  pub fn push(&self, bytes: Vec<u8>) -> bool {
    let mut state = self.lock();
    if !bytes.is_empty() {
      state.length += bytes.len();
      state.pieces.push_back(bytes.into());
    }
    let more = state.length < ENOUGH;
    state.wake();
    more
  }

  /// Ends the stream, with an error if there is one.
  pub fn end(&self, failure: Option<wasmtime::Error>) {
    let mut state = self.lock();
    state.ended = true;
    state.failure = failure;
    state.wake();
  }

  /// Whether the guest waits; JavaScript is told once.
  pub fn take_wanted(&self) -> bool {
    mem::take(&mut self.lock().wanted)
  }

  /// If the guest waits, has its read fail; whether that is so.
  pub fn refuse_if_wanted(&self) -> bool {
    let mut state = self.lock();
    state.refused = mem::take(&mut state.wanted);
    state.refused
  }

  /// Whether a read fails that would have to wait.
  pub fn refuse(&self, refused: bool) {
    let mut state = self.lock();
    state.refused = refused;
    state.wanted = false;
  }
}

impl State {
  fn wake(&mut self) {
    if let Some(waker) = self.waker.take() {
      waker.wake();
    }
  }
}

/// The stream that WASI has.
pub struct InputPipe(pub Arc<Input>);

impl IsTerminal for InputPipe {
  fn is_terminal(&self) -> bool {
    false
  }
}

impl StdinStream for InputPipe {
  fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
    // Only later versions of WASI ask for this one.
    MemoryInputPipe::new(Bytes::new()).async_stream()
  }

  fn p2_stream(&self) -> Box<dyn InputStream> {
    Box::new(Self(Arc::clone(&self.0)))
  }
}

#[async_trait]
impl Pollable for InputPipe {
  async fn ready(&mut self) {
    let input = &self.0;
    poll_fn(|context| {
      let mut state = input.lock();
      if state.length > 0 || state.ended || state.refused {
        return Poll::Ready(());
      }
      state.wanted = true;
      state.waker = Some(context.waker().clone());
      Poll::Pending
    })
    .await;
  }
}

impl InputStream for InputPipe {
  fn read(&mut self, size: usize) -> StreamResult<Bytes> {
    let mut state = self.0.lock();
    if let Some(mut piece) = state.pieces.pop_front() {
      let read = piece.split_to(size.min(piece.len()));
      if !piece.is_empty() {
        state.pieces.push_front(piece);
      }
      state.length -= read.len();
      return Ok(read);
    }
    if let Some(failure) = state.failure.take() {
      return Err(StreamError::Trap(failure));
    }
    if state.ended {
      return Err(StreamError::Closed);
    }
    if state.refused {
      return Err(StreamError::Trap(wasmtime::Error::new(HostFailure(TypedFailure {
        kind: FailureKind::Type,
        message: "the guest reads from a stream, for which a synchronous call cannot wait; use callAsync()".into(),
        detail: crate::failure::ErrorDetail::default(),
      }))));
    }
    Ok(Bytes::new())
  }
}
