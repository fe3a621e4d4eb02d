//! Turns Wasmtime's errors into ours, with the wasm frames they came through. Lives on: the JavaScript thread.

use wasmtime::{Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use crate::engine::MAX_FRAMES;
use crate::exception::Broken;
use crate::external_buffer::OutBytes;
use crate::failure::{ErrorDetail, ExceptionFailure, Failure, FailureKind, FrameInfo, ThrownFailure};
use crate::host_call::HostFailure;
use crate::raw_env::RawEnv;
use crate::reference::JsReference;
use crate::store::StoreInner;
use crate::thrown::Thrown;

/// The code that JavaScript knows a trap by, and its text in wazero's words where it has any.
fn trap_code(trap: Trap) -> (&'static str, String) {
  let text = trap.to_string();
  let text = text.strip_prefix("wasm trap: ").unwrap_or(&text).to_owned();
  match trap {
    Trap::StackOverflow => ("stack-overflow", "stack overflow".into()),
    Trap::MemoryOutOfBounds => ("memory-out-of-bounds", text),
    Trap::HeapMisaligned => ("heap-misaligned", text),
    Trap::TableOutOfBounds => ("table-out-of-bounds", "out of bounds table access".into()),
    Trap::IndirectCallToNull => ("indirect-call-to-null", "indirect call to null".into()),
    Trap::BadSignature => ("bad-signature", text),
    Trap::IntegerOverflow => ("integer-overflow", text),
    Trap::IntegerDivisionByZero => ("integer-division-by-zero", text),
    Trap::BadConversionToInteger => ("bad-conversion-to-integer", text),
    Trap::UnreachableCodeReached => ("unreachable", "unreachable".into()),
    Trap::Interrupt => ("interrupt", text),
    Trap::OutOfFuel => ("out-of-fuel", text),
    Trap::AtomicWaitNonSharedMemory => ("atomic-wait-non-shared-memory", text),
    Trap::NullReference => ("null-reference", text),
    Trap::ArrayOutOfBounds => ("array-out-of-bounds", text),
    Trap::AllocationTooLarge => ("allocation-too-large", text),
    Trap::CastFailure => ("cast-failure", text),
    Trap::UnhandledTag => ("unhandled-tag", text),
    Trap::ContinuationAlreadyConsumed => ("continuation-already-consumed", text),
    _ => ("other", text),
  }
}

impl StoreInner {
  /// Sorts what came out of wasm.
  #[cold]
  pub fn failure(&self, env: RawEnv, broken: Broken) -> Failure {
    let Broken { error, outer_frames, exception, coredump } = broken;
    match exception {
      None => self.sorted(error, outer_frames, coredump),
      Some(exception) => {
        let reference = self.with_even_closed(|ctx| self.uncaught_to_js(env, ctx, &exception));
        match reference.and_then(|reference| reference) {
          Ok(reference) => self.exception_failure(env, &error, outer_frames, reference),
          Err(failure) => failure,
        }
      }
    }
  }

  /// The failure of an exception that nobody has caught.
  #[cold]
  pub fn exception_failure(
    &self,
    env: RawEnv,
    error: &wasmtime::Error,
    outer_frames: usize,
    reference: JsReference,
  ) -> Failure {
    let trace = error.downcast_ref::<WasmBacktrace>();
    let frames = trace.map(|trace| self.frames(trace, outer_frames)).unwrap_or_default();
    match self.reference_value(env, reference) {
      Ok(value) => Failure::Exception(Box::new(ExceptionFailure { value, frames })),
      Err(failure) => failure,
    }
  }

  /// An error whose trace ends with so many frames of outer calls.
  fn sorted(&self, error: wasmtime::Error, outer_frames: usize, coredump: Option<OutBytes>) -> Failure {
    let trace = error.downcast_ref::<WasmBacktrace>();
    let mut frames = trace.map(|trace| self.frames(trace, outer_frames)).unwrap_or_default();
    if let Some(thrown) = error.downcast_ref::<Thrown>() {
      frames.insert(
        0,
        FrameInfo {
          module_name: Some(thrown.host.module.clone()),
          function_name: Some(thrown.host.name.clone()),
          signature: Some(thrown.signature.clone()),
          host: true,
          ..FrameInfo::default()
        },
      );
      return Failure::Thrown(Box::new(ThrownFailure { error, frames }));
    }
    if let Some(HostFailure(typed)) = error.downcast_ref::<HostFailure>() {
      let mut detail = typed.detail.clone();
      detail.frames = Some(frames);
      return Failure::with_detail(typed.kind, typed.message.clone(), detail);
    }
    if let Some(I32Exit(code)) = error.downcast_ref::<I32Exit>() {
      return self.exited(code.cast_unsigned());
    }
    let trap = error.downcast_ref::<Trap>().copied();
    let detail = ErrorDetail { frames: Some(frames), coredump, ..ErrorDetail::default() };
    match trap {
      Some(Trap::Interrupt) => self.counts.interrupted(),
      None if !error.is::<wasmtime::ThrownException>() => {}
      _ => self.counts.trapped(),
    }
    match trap {
      Some(Trap::Interrupt) => Failure::with_detail(FailureKind::Interrupted, self.interruption_text(), detail),
      Some(Trap::OutOfFuel) => Failure::with_detail(FailureKind::OutOfFuel, "all fuel was consumed", detail),
      Some(trap) => {
        let (code, text) = trap_code(trap);
        let detail = ErrorDetail { trap_code: Some(code.to_owned()), ..detail };
        Failure::with_detail(FailureKind::Trap, text, detail)
      }
      // What `defineUnknownImportsAsTraps` put in the place of a function.
      None if error.is::<wasmtime::UnknownImportError>() => {
        let detail = ErrorDetail { trap_code: Some("other".into()), ..detail };
        Failure::with_detail(FailureKind::Trap, error.root_cause().to_string(), detail)
      }
      None => {
        let text = error.root_cause().to_string();
        let kind = if is_limit(&text) {
          FailureKind::Limit
        } else if text.contains("shared memory") {
          // A module with a shared memory compiles, but the engine does not allow it one.
          FailureKind::Link
        } else {
          FailureKind::Internal
        };
        Failure::with_detail(kind, text, detail)
      }
    }
  }

  /// A guest has called `proc_exit`: nothing in its store can be called any more.
  #[cold]
  fn exited(&self, code: u32) -> Failure {
    self.note_exit(code);
    if let Some(env) = self.state.env() {
      self.close(env, Some(code));
    }
    Failure::exit(code)
  }

  /// The frames of the call that failed. Wasmtime's trace goes on with the calls that this one is nested in, which the
  /// error has not passed (yet).
  fn frames(&self, trace: &WasmBacktrace, outer: usize) -> Vec<FrameInfo> {
    let frames = trace.frames();
    let count = if frames.len() < MAX_FRAMES { frames.len().saturating_sub(outer) } else { frames.len() };
    frames
      .iter()
      .take(count)
      .map(|frame| {
        let info = self.module_info(frame.module());
        let symbol = frame.symbols().first();
        FrameInfo {
          module_name: frame.module().name().map(str::to_owned),
          function_index: Some(frame.func_index()),
          function_name: frame.func_name().map(str::to_owned),
          signature: info.and_then(|info| info.signature_text(frame.func_index())),
          module_offset: frame.module_offset().and_then(|offset| u32::try_from(offset).ok()),
          function_offset: frame.func_offset().and_then(|offset| u32::try_from(offset).ok()),
          file: symbol.and_then(|symbol| symbol.file()).map(str::to_owned),
          line: symbol.and_then(wasmtime::FrameSymbol::line),
          column: symbol.and_then(wasmtime::FrameSymbol::column),
          host: false,
        }
      })
      .collect()
  }

  fn module_info(&self, module: &wasmtime::Module) -> Option<std::sync::Arc<crate::module_info::ModuleInfo>> {
    let image = module.image_range();
    (0..self.slot_count())
      .filter_map(|index| self.slot(u32::try_from(index).ok()?))
      .find(|slot| slot.module.image_range() == image)
      .map(|slot| std::sync::Arc::clone(&slot.info))
  }
}

/// Wasmtime reports allocation that the system or a limit refused as plain text.
pub fn is_limit(text: &str) -> bool {
  ["minimum size", "resource limit", "Cannot allocate", "out of memory", "exceeds", "limit"]
    .iter()
    .any(|hint| text.contains(hint))
}
