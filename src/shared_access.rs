//! Reading and writing memories that threads share. Other threads may write at any moment, so every access is atomic: of the
//! whole value where it is aligned, else byte by byte. Out of bounds, a read gives `undefined` and a write `false`.
//! Arguments: handle, offset, ... Lives on: the JavaScript thread.

use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

use crate::failure::{Failure, FailureKind};
use crate::memory_access::source_arg;
use crate::raw_call::{ARGS, index_arg, number, raw_functions, size_arg};
use crate::raw_env::{Kind, RawEnv, Refused, Value};
use crate::shared_memory::with_memory;
use crate::values::describe;

/// The bytes of a memory, which cannot move, from `offset` on; `None` if there are fewer than `length`.
fn cells(memory: &wasmtime::SharedMemory, offset: u64, length: usize) -> Option<&[AtomicU8]> {
  let start = usize::try_from(offset).ok()?;
  let bytes = memory.data().get(start..start.checked_add(length)?)?;
  // SAFETY: an `AtomicU8` has the layout of an `UnsafeCell<u8>`, and everyone accesses shared memory atomically: wasm by
  // machine instructions, this addon through these cells.
  Some(unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast(), length) })
}

fn load_bytes(cells: &[AtomicU8], target: &mut [u8]) {
  // SAFETY: any bytes are an `AtomicU64`, and `align_to` sees to the alignment.
  let (head, words, tail) = unsafe { cells.align_to::<AtomicU64>() };
  let (first, rest) = target.split_at_mut(head.len().min(target.len()));
  for (cell, byte) in head.iter().zip(first) {
    *byte = cell.load(Ordering::Relaxed);
  }
  let (middle, last) = rest.split_at_mut((words.len() * 8).min(rest.len()));
  for (word, bytes) in words.iter().zip(middle.chunks_exact_mut(8)) {
    bytes.copy_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
  }
  for (cell, byte) in tail.iter().zip(last) {
    *byte = cell.load(Ordering::Relaxed);
  }
}

fn store_bytes(cells: &[AtomicU8], source: &[u8]) {
  // SAFETY: as in `load_bytes`.
  let (head, words, tail) = unsafe { cells.align_to::<AtomicU64>() };
  let (first, rest) = source.split_at(head.len().min(source.len()));
  for (cell, byte) in head.iter().zip(first) {
    cell.store(*byte, Ordering::Relaxed);
  }
  let (middle, last) = rest.split_at((words.len() * 8).min(rest.len()));
  for (word, bytes) in words.iter().zip(middle.as_chunks::<8>().0) {
    word.store(u64::from_ne_bytes(*bytes), Ordering::Relaxed);
  }
  for (cell, byte) in tail.iter().zip(last) {
    cell.store(*byte, Ordering::Relaxed);
  }
}

/// The cells as one atomic value, if they are aligned for it.
fn as_atomic<T>(cells: &[AtomicU8]) -> Option<&T> {
  if cells.len() != size_of::<T>() || !cells.as_ptr().addr().is_multiple_of(align_of::<T>()) {
    return None;
  }
  // SAFETY: only used with atomic integers, of which any bytes are one; length and alignment were checked just now.
  Some(unsafe { &*cells.as_ptr().cast::<T>() })
}

/// The bytes of a value, in one piece where it is aligned.
macro_rules! load {
  ($atomic:ty, $cells:expr) => {
    match as_atomic::<$atomic>($cells) {
      Some(cell) => cell.load(Ordering::Relaxed).to_ne_bytes(),
      None => {
        let mut bytes = [0; size_of::<$atomic>()];
        load_bytes($cells, &mut bytes);
        bytes
      }
    }
  };
}

macro_rules! store {
  ($atomic:ty, $integer:ty, $cells:expr, $bytes:expr) => {
    match as_atomic::<$atomic>($cells) {
      Some(cell) => cell.store(<$integer>::from_ne_bytes($bytes), Ordering::Relaxed),
      None => store_bytes($cells, &$bytes),
    }
  };
}

/// The kinds of number, as `lib/shared-memory.ts` knows them.
const INT8: u32 = 0;
const UINT8: u32 = 1;
const INT16: u32 = 2;
const UINT16: u32 = 3;
const INT32: u32 = 4;
const UINT32: u32 = 5;
const INT64: u32 = 6;
const UINT64: u32 = 7;
const FLOAT32: u32 = 8;
const FLOAT64: u32 = 9;

fn width(kind: u32) -> usize {
  match kind {
    INT8 | UINT8 => 1,
    INT16 | UINT16 => 2,
    INT32 | UINT32 | FLOAT32 => 4,
    _ => 8,
  }
}

/// Reads a number. Arguments: handle, offset, kind.
fn read_number(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [handle, offset, kind, ..] = *args;
  let offset = size_arg(env, offset, "offset")?;
  let kind = index_arg(env, kind)?;
  with_memory(env, handle, |memory| {
    let Some(cells) = cells(memory, offset, width(kind)) else { return Ok(env.undefined()) };
    let value = match kind {
      INT8 => env.int32(i32::from(i8::from_le_bytes(load!(AtomicU8, cells)))),
      UINT8 => env.uint32(u32::from(u8::from_le_bytes(load!(AtomicU8, cells)))),
      INT16 => env.int32(i32::from(i16::from_le_bytes(load!(AtomicU16, cells)))),
      UINT16 => env.uint32(u32::from(u16::from_le_bytes(load!(AtomicU16, cells)))),
      INT32 => env.int32(i32::from_le_bytes(load!(AtomicU32, cells))),
      UINT32 => env.uint32(u32::from_le_bytes(load!(AtomicU32, cells))),
      INT64 => env.bigint(i64::from_le_bytes(load!(AtomicU64, cells))),
      UINT64 => env.bigint_unsigned(u64::from_le_bytes(load!(AtomicU64, cells))),
      FLOAT32 => env.double(f64::from(f32::from_le_bytes(load!(AtomicU32, cells)))),
      FLOAT64 => env.double(f64::from_le_bytes(load!(AtomicU64, cells))),
      _ => return Err(Failure::internal("no such kind of number")),
    };
    value.map_err(|_| Failure::Pending)
  })
}

/// Writes a number, of integers the low bits. Arguments: handle, offset, kind, value.
fn write_number(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [handle, offset, kind, value, ..] = *args;
  let offset = size_arg(env, offset, "offset")?;
  let kind = index_arg(env, kind)?;
  let expected = |what: &str| {
    let text = format!("value: expected {what}, got {}", describe(env, value));
    move |_: Refused| Failure::type_error(text)
  };
  #[expect(clippy::cast_possible_truncation, reason = "rounding to the nearest f32 is what is asked for")]
  let bytes: [u8; 8] = match kind {
    INT64 | UINT64 => env.get_bigint(value).map_err(expected("a bigint"))?.to_le_bytes(),
    FLOAT32 => {
      let number = env.get_double(value).map_err(expected("a number"))? as f32;
      u64::from(number.to_bits()).to_le_bytes()
    }
    FLOAT64 => env.get_double(value).map_err(expected("a number"))?.to_le_bytes(),
    _ => i64::from(env.get_int32(value).map_err(expected("a number"))?).to_le_bytes(),
  };
  let written = with_memory(env, handle, |memory| {
    let Some(cells) = cells(memory, offset, width(kind)) else { return Ok(false) };
    let [b0, b1, b2, b3, ..] = bytes;
    match width(kind) {
      1 => store!(AtomicU8, u8, cells, [b0]),
      2 => store!(AtomicU16, u16, cells, [b0, b1]),
      4 => store!(AtomicU32, u32, cells, [b0, b1, b2, b3]),
      _ => store!(AtomicU64, u64, cells, bytes),
    }
    Ok(true)
  })?;
  Ok(env.boolean(written))
}

/// Copies bytes into a new array. Arguments: handle, offset, how many.
fn read_copy(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [handle, offset, length, ..] = *args;
  let offset = size_arg(env, offset, "offset")?;
  let length = usize::try_from(size_arg(env, length, "byte count")?).unwrap_or(usize::MAX);
  with_memory(env, handle, |memory| match cells(memory, offset, length) {
    Some(cells) => env
      .bytes(length, |target| load_bytes(cells, target))
      .map_err(|_| Failure::new(FailureKind::Range, "byte count: the array would be longer than JavaScript allows")),
    None => Ok(env.undefined()),
  })
}

/// Fills a buffer with the bytes at an offset. Arguments: handle, offset, target.
fn read_into(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [handle, offset, target, ..] = *args;
  let offset = size_arg(env, offset, "offset")?;
  let (data, length) = source_arg(env, target)?;
  let copied = with_memory(env, handle, |memory| {
    let Some(cells) = cells(memory, offset, length) else { return Ok(false) };
    if length > 0 {
      // SAFETY: Node-API says that `length` bytes can be written at `data`, and no JavaScript has run since. They are none of
      // the memory's, to which JavaScript has no views.
      load_bytes(cells, unsafe { std::slice::from_raw_parts_mut(data, length) });
    }
    Ok(true)
  })?;
  Ok(env.boolean(copied))
}

/// Copies all bytes of a buffer into the memory. Arguments: handle, offset, source.
fn write_from(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [handle, offset, source, ..] = *args;
  let offset = size_arg(env, offset, "offset")?;
  let (data, length) = source_arg(env, source)?;
  let copied = with_memory(env, handle, |memory| {
    let Some(cells) = cells(memory, offset, length) else { return Ok(false) };
    if length > 0 {
      // SAFETY: as in `read_into`.
      store_bytes(cells, unsafe { std::slice::from_raw_parts(data, length) });
    }
    Ok(true)
  })?;
  Ok(env.boolean(copied))
}

/// How many bytes there are before a zero byte; `undefined` if there is none. Arguments: handle, offset, how many bytes to
/// search at most.
fn find_zero(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [handle, offset, maximum, ..] = *args;
  let offset = size_arg(env, offset, "offset")?;
  let maximum = size_arg(env, maximum, "maximum byte count")?;
  let found = with_memory(env, handle, |memory| {
    let rest = (memory.data_size() as u64).checked_sub(offset).map(|rest| rest.min(maximum));
    let length = rest.and_then(|rest| usize::try_from(rest).ok());
    let cells = length.and_then(|length| cells(memory, offset, length));
    Ok(cells.and_then(|cells| cells.iter().position(|cell| cell.load(Ordering::Relaxed) == 0)))
  })?;
  match found {
    Some(length) => number(env, length as u64),
    None => Ok(env.undefined()),
  }
}

/// The atomic operations, as `lib/shared-memory.ts` knows them.
macro_rules! operate {
  ($cell:expr, $operation:expr, $value:expr, $replacement:expr) => {
    match $operation {
      LOAD => $cell.load(Ordering::SeqCst),
      STORE => {
        $cell.store($value, Ordering::SeqCst);
        $value
      }
      ADD => $cell.fetch_add($value, Ordering::SeqCst),
      SUB => $cell.fetch_sub($value, Ordering::SeqCst),
      AND => $cell.fetch_and($value, Ordering::SeqCst),
      OR => $cell.fetch_or($value, Ordering::SeqCst),
      XOR => $cell.fetch_xor($value, Ordering::SeqCst),
      EXCHANGE => $cell.swap($value, Ordering::SeqCst),
      COMPARE_EXCHANGE => {
        let (Ok(before) | Err(before)) =
          $cell.compare_exchange($value, $replacement, Ordering::SeqCst, Ordering::SeqCst);
        before
      }
      _ => return Err(Failure::internal("no such operation")),
    }
  };
}

const LOAD: u32 = 0;
const STORE: u32 = 1;
const ADD: u32 = 2;
const SUB: u32 = 3;
const AND: u32 = 4;
const OR: u32 = 5;
const XOR: u32 = 6;
const EXCHANGE: u32 = 7;
const COMPARE_EXCHANGE: u32 = 8;

/// An atomic operation; gives the value before (of a store, the new one). Arguments: handle, offset, operation, value (a
/// number for 32 bits, a bigint for 64), replacement.
fn atomic(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [handle, offset, operation, value, replacement] = *args;
  let offset = size_arg(env, offset, "offset")?;
  let operation = index_arg(env, operation)?;
  let wide = env.kind(value) == Kind::BigInt;
  let expected = |what: &str, value: Value| {
    Failure::type_error(format!(
      "{what}: expected {}, got {}",
      if wide { "a bigint" } else { "a number or a bigint" },
      describe(env, value)
    ))
  };
  let misaligned = || Failure::new(FailureKind::Range, "offset: an atomic value must be aligned to its size");
  let outcome = if wide {
    let value = env.get_bigint(value).map_err(|_| Failure::Pending)?;
    let replacement = match operation {
      COMPARE_EXCHANGE => env.get_bigint(replacement).map_err(|_| expected("replacement", replacement))?,
      _ => 0,
    };
    with_memory(env, handle, |memory| {
      let Some(cells) = cells(memory, offset, 8) else { return Ok(None) };
      let cell = as_atomic::<AtomicI64>(cells).ok_or_else(misaligned)?;
      Ok(Some(env.bigint(operate!(cell, operation, value, replacement))))
    })?
  } else {
    let number = env.get_int32(value).map_err(|_| expected("value", value))?;
    let replacement = match operation {
      COMPARE_EXCHANGE => env.get_int32(replacement).map_err(|_| expected("replacement", replacement))?,
      _ => 0,
    };
    with_memory(env, handle, |memory| {
      let Some(cells) = cells(memory, offset, 4) else { return Ok(None) };
      let cell = as_atomic::<AtomicI32>(cells).ok_or_else(misaligned)?;
      Ok(Some(env.int32(operate!(cell, operation, number, replacement))))
    })?
  };
  match outcome {
    Some(value) => value.map_err(|_| Failure::Pending),
    None => Ok(env.undefined()),
  }
}

raw_functions! {
  "sharedReadNumber" => read_number;
  "sharedWriteNumber" => write_number;
  "sharedRead" => read_copy;
  "sharedReadInto" => read_into;
  "sharedWrite" => write_from;
  "sharedFindZero" => find_zero;
  "sharedAtomic" => atomic;
}
