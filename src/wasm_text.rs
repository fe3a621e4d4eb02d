//! Modules as text, and back. Works on a compile thread, since printer and parser recurse. Lives on: the JavaScript thread,
//! which waits.

use std::io::{Error, ErrorKind, Result as IoResult};

use napi::JsValue;
use napi::bindgen_prelude::{Env, Unknown};
use napi_derive::napi;
use wasmparser::BinaryReaderError;

use crate::compile_pool::on_compile_thread;
use crate::external_buffer::{OutBuffer, OutBytes};
use crate::failure::{ErrorDetail, Failure, FailureKind, TypedFailure};
use crate::module::{bytes_of, check_binary, parse_text};
use crate::raw_env::{RawEnv, Value};

/// How a module is printed, as `lib/wasm-text.ts` has checked it.
#[napi(object)]
pub struct PrintConfig {
  /// Without the bodies of functions and the contents of segments.
  pub skeleton: bool,
  /// With the offset in the binary of each line, as a comment.
  pub offsets: bool,
  /// Instructions within each other, as expressions.
  pub fold: bool,
  /// Bytes that the text may have.
  pub max_length: f64,
}

/// Keeps the text as long as it is short enough: a name of megabytes may be printed at each of its uses.
struct BoundedText {
  text: String,
  limit: usize,
}

impl wasmprinter::Print for BoundedText {
  fn write_str(&mut self, part: &str) -> IoResult<()> {
    if part.len() > self.limit.saturating_sub(self.text.len()) {
      return Err(Error::from(ErrorKind::FileTooLarge));
    }
    // Texts are long enough to find no room.
    self.text.try_reserve(part.len()).map_err(|_| Error::from(ErrorKind::OutOfMemory))?;
    self.text.push_str(part);
    Ok(())
  }
}

fn print(bytes: &[u8], config: &PrintConfig) -> Result<String, Box<TypedFailure>> {
  check_binary(bytes)?;
  #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be a whole number")]
  let limit = config.max_length as usize;
  let mut output = BoundedText { text: String::new(), limit };
  wasmprinter::Config::new()
    .print_skeleton(config.skeleton)
    .print_offsets(config.offsets)
    .fold_instructions(config.fold)
    .print(bytes, &mut output)
    .map_err(|error| {
      let reason = match error.downcast_ref::<Error>().map(Error::kind) {
        Some(ErrorKind::FileTooLarge) => Some(format!("the text of the module would be longer than {limit} bytes")),
        Some(ErrorKind::OutOfMemory) => Some("there is no memory for the text of the module".to_owned()),
        _ => None,
      };
      if let Some(message) = reason {
        return Box::new(TypedFailure { kind: FailureKind::Limit, message, detail: ErrorDetail::default() });
      }
      let offset = error.downcast_ref::<BinaryReaderError>().map(BinaryReaderError::offset);
      Box::new(TypedFailure {
        kind: FailureKind::Compile,
        message: format!("the module cannot be printed: {error:#}"),
        detail: ErrorDetail { offset: offset.and_then(|offset| u32::try_from(offset).ok()), ..Default::default() },
      })
    })?;
  Ok(output.text)
}

/// Prints a module of the binary format; gives the text as UTF-8.
#[napi(catch_unwind, ts_return_type = "Buffer")]
pub fn print_wasm(
  env: Env,
  #[napi(ts_arg_type = "Uint8Array | ArrayBufferLike")] bytes: Unknown,
  config: PrintConfig,
) -> napi::Result<OutBuffer> {
  let raw = RawEnv(env.raw());
  bytes_of(raw, Value(bytes.raw()))
    .and_then(|bytes| on_compile_thread(|| print(&bytes, &config)).map_err(Failure::Typed))
    .map(|text| OutBuffer::from(text.into_bytes()))
    .map_err(|failure| failure.into_napi(raw))
}

/// Translates the text format to the binary format.
#[napi(catch_unwind, js_name = "wat2wasm", ts_return_type = "Uint8Array")]
pub fn wat_to_wasm(env: Env, text: String) -> napi::Result<OutBytes> {
  on_compile_thread(|| parse_text(&text))
    .map(OutBytes::from)
    .map_err(|failure| Failure::Typed(failure).into_napi(RawEnv(env.raw())))
}
