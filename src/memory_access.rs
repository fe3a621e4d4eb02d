//! Reading and writing linear memory: the hot path. Out of bounds, a read gives `undefined` and a write `false`, and
//! nothing is written in part. Arguments: store handle, memory handle, offset, ... Lives on: the JavaScript thread.

use std::ops::Range;

use wasmtime::Extern;

use crate::failure::Failure;
use crate::raw_call::{ARGS, index_arg, number, raw_functions, size_arg, store_arg};
use crate::raw_env::{RawEnv, Refused, Value};
use crate::values::describe;

/// Runs `f` on the bytes of the memory that the first two arguments name.
#[inline]
fn with_bytes<R>(env: RawEnv, args: &[Value; ARGS], f: impl FnOnce(&mut [u8]) -> R) -> Result<R, Failure> {
  let [handle, index, ..] = *args;
  let store = store_arg(env, handle)?;
  match store.extern_at(index_arg(env, index)?)? {
    Extern::Memory(memory) => store.with(|ctx| f(memory.data_mut(ctx))),
    _ => Err(Failure::type_error("expected the handle of a memory")),
  }
}

#[inline]
fn range(offset: u64, length: usize) -> Option<Range<usize>> {
  let start = usize::try_from(offset).ok()?;
  Some(start..start.checked_add(length)?)
}

#[inline]
fn offset_arg(env: RawEnv, args: &[Value; ARGS]) -> Result<u64, Failure> {
  let [_, _, offset, ..] = *args;
  size_arg(env, offset, "offset")
}

/// Reads `N` bytes.
#[inline]
fn read<const N: usize>(
  env: RawEnv,
  args: &[Value; ARGS],
  convert: impl FnOnce(RawEnv, [u8; N]) -> Result<Value, Refused>,
) -> Result<Value, Failure> {
  let offset = offset_arg(env, args)?;
  let bytes = with_bytes(env, args, |memory| {
    let range = range(offset, N)?;
    memory.get(range).and_then(|bytes| <[u8; N]>::try_from(bytes).ok())
  })?;
  match bytes {
    Some(bytes) => convert(env, bytes).map_err(|_| Failure::Pending),
    None => Ok(env.undefined()),
  }
}

/// Writes `N` bytes.
#[inline]
fn write<const N: usize>(
  env: RawEnv,
  args: &[Value; ARGS],
  expected: &str,
  convert: impl FnOnce(RawEnv, Value) -> Result<[u8; N], Refused>,
) -> Result<Value, Failure> {
  let [_, _, _, value, ..] = *args;
  let offset = offset_arg(env, args)?;
  let bytes = convert(env, value)
    .map_err(|_| Failure::type_error(format!("value: expected {expected}, got {}", describe(env, value))))?;
  write_bytes(env, args, offset, &bytes)
}

fn write_bytes(env: RawEnv, args: &[Value; ARGS], offset: u64, bytes: &[u8]) -> Result<Value, Failure> {
  let written = with_bytes(env, args, |memory| {
    let target = range(offset, bytes.len()).and_then(|range| memory.get_mut(range));
    target.map(|target| target.copy_from_slice(bytes)).is_some()
  })?;
  Ok(env.boolean(written))
}

#[inline]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the low bits, as DataView keeps them")]
fn low8(value: i32) -> u8 {
  value as u8
}

#[inline]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the low bits, as DataView keeps them")]
fn low16(value: i32) -> u16 {
  value as u16
}

/// Bytes as text. ASCII, by far the most common, is taken as Latin-1, which V8 copies without decoding.
fn text(env: RawEnv, bytes: &[u8]) -> Result<Value, Refused> {
  if bytes.is_ascii() { env.string_latin1(bytes) } else { env.string_bytes(bytes) }
}

fn read_string(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [_, _, _, length, ..] = *args;
  let offset = offset_arg(env, args)?;
  let length = size_arg(env, length, "byte count")?;
  let value = with_bytes(env, args, |memory| {
    let range = range(offset, usize::try_from(length).ok()?)?;
    // Making a string runs no JavaScript, so the memory stays as it is.
    memory.get(range).map(|bytes| text(env, bytes))
  })?;
  value.map_or_else(|| Ok(env.undefined()), |value| value.map_err(|_| string_too_long()))
}

#[cold]
fn string_too_long() -> Failure {
  Failure::new(crate::failure::FailureKind::Range, "byte count: the string would be longer than JavaScript allows")
}

fn read_c_string(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [_, _, _, maximum, ..] = *args;
  let offset = offset_arg(env, args)?;
  let maximum = usize::try_from(size_arg(env, maximum, "maximum byte count")?).unwrap_or(usize::MAX);
  let value = with_bytes(env, args, |memory| {
    let rest = memory.get(usize::try_from(offset).ok()?..)?;
    let window = rest.get(..maximum.min(rest.len()))?;
    let end = window.iter().position(|byte| *byte == 0)?;
    window.get(..end).map(|bytes| text(env, bytes))
  })?;
  value.map_or_else(|| Ok(env.undefined()), |value| value.map_err(|_| string_too_long()))
}

fn read_copy(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [_, _, _, length, ..] = *args;
  let offset = offset_arg(env, args)?;
  let length = usize::try_from(size_arg(env, length, "byte count")?).unwrap_or(usize::MAX);
  // The array is made outside of the access to the store: it may collect garbage.
  let fits = with_bytes(env, args, |memory| range(offset, length).is_some_and(|range| memory.get(range).is_some()))?;
  if !fits {
    return Ok(env.undefined());
  }
  let mut failure = None;
  let array = env.bytes(length, |target| {
    let copied = with_bytes(env, args, |memory| {
      if let Some(source) = range(offset, length).and_then(|range| memory.get(range)) {
        target.copy_from_slice(source);
      }
    });
    failure = copied.err();
  });
  match failure {
    Some(failure) => Err(failure),
    None => array.map_err(|_| string_too_long()),
  }
}

/// The bytes of a `Uint8Array` or other buffer source that was passed to read into or write from.
pub fn source_arg(env: RawEnv, value: Value) -> Result<(*mut u8, usize), Failure> {
  env.buffer_source(value).ok_or_else(|| {
    Failure::type_error(format!("bytes: expected a typed array, DataView or ArrayBuffer, got {}", describe(env, value)))
  })
}

fn read_into(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [_, _, _, target, ..] = *args;
  let offset = offset_arg(env, args)?;
  let (data, length) = source_arg(env, target)?;
  let copied = with_bytes(env, args, |memory| match range(offset, length).and_then(|range| memory.get(range)) {
    Some(source) => {
      if length > 0 {
        // SAFETY: Node-API says that `length` bytes can be written at `data`, and no JavaScript has run since. `copy`
        // allows that the target is a view of this very memory.
        unsafe { std::ptr::copy(source.as_ptr(), data, length) };
      }
      true
    }
    None => false,
  })?;
  Ok(env.boolean(copied))
}

fn write_from(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [_, _, _, source, ..] = *args;
  let offset = offset_arg(env, args)?;
  let (data, length) = source_arg(env, source)?;
  let copied = with_bytes(env, args, |memory| match range(offset, length).and_then(|range| memory.get_mut(range)) {
    Some(target) => {
      if length > 0 {
        // SAFETY: Node-API says that `length` bytes can be read at `data`, and no JavaScript has run since. `copy`
        // allows that the source is a view of this very memory.
        unsafe { std::ptr::copy(data.cast_const(), target.as_mut_ptr(), length) };
      }
      true
    }
    None => false,
  })?;
  Ok(env.boolean(copied))
}

fn write_string(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [_, _, _, value, ..] = *args;
  let offset = offset_arg(env, args)?;
  let text = env
    .get_string(value)
    .map_err(|_| Failure::type_error(format!("text: expected a string, got {}", describe(env, value))))?;
  let written = with_bytes(env, args, |memory| {
    let target = range(offset, text.len()).and_then(|range| memory.get_mut(range));
    target.map(|target| target.copy_from_slice(text.as_bytes())).is_some()
  })?;
  if written { number(env, text.len() as u64) } else { Ok(env.boolean(false)) }
}

raw_functions! {
  "memoryReadByte" => |env, args| read(env, args, |env, bytes: [u8; 1]| env.uint32(u32::from(u8::from_le_bytes(bytes))));
  "memoryReadInt8" => |env, args| read(env, args, |env, bytes| env.int32(i32::from(i8::from_le_bytes(bytes))));
  "memoryReadUint16" => |env, args| read(env, args, |env, bytes| env.uint32(u32::from(u16::from_le_bytes(bytes))));
  "memoryReadInt16" => |env, args| read(env, args, |env, bytes| env.int32(i32::from(i16::from_le_bytes(bytes))));
  "memoryReadUint32" => |env, args| read(env, args, |env, bytes| env.uint32(u32::from_le_bytes(bytes)));
  "memoryReadInt32" => |env, args| read(env, args, |env, bytes| env.int32(i32::from_le_bytes(bytes)));
  "memoryReadUint64" => |env, args| read(env, args, |env, bytes| env.bigint_unsigned(u64::from_le_bytes(bytes)));
  "memoryReadInt64" => |env, args| read(env, args, |env, bytes| env.bigint(i64::from_le_bytes(bytes)));
  "memoryReadFloat32" => |env, args| read(env, args, |env, bytes| env.double(f64::from(f32::from_le_bytes(bytes))));
  "memoryReadFloat64" => |env, args| read(env, args, |env, bytes| env.double(f64::from_le_bytes(bytes)));
  "memoryReadString" => read_string;
  "memoryReadCString" => read_c_string;
  "memoryRead" => read_copy;
  "memoryReadInto" => read_into;
  "memoryWriteInt8" => |env, args| {
    write(env, args, "a number", |env, value| env.get_int32(value).map(|value| low8(value).to_le_bytes()))
  };
  "memoryWriteInt16" => |env, args| {
    write(env, args, "a number", |env, value| env.get_int32(value).map(|value| low16(value).to_le_bytes()))
  };
  "memoryWriteInt32" => |env, args| {
    write(env, args, "a number", |env, value| env.get_int32(value).map(i32::to_le_bytes))
  };
  "memoryWriteInt64" => |env, args| {
    write(env, args, "a bigint", |env, value| env.get_bigint(value).map(i64::to_le_bytes))
  };
  "memoryWriteFloat32" => |env, args| {
    #[expect(clippy::cast_possible_truncation, reason = "rounding to the nearest f32 is what is asked for")]
    write(env, args, "a number", |env, value| env.get_double(value).map(|value| (value as f32).to_le_bytes()))
  };
  "memoryWriteFloat64" => |env, args| {
    write(env, args, "a number", |env, value| env.get_double(value).map(f64::to_le_bytes))
  };
  "memoryWrite" => write_from;
  "memoryWriteString" => write_string;
}
