//! Converts values between JavaScript and wasm: the one place where that happens.
//!
//! i32, f32, f64 are numbers; i64 is a bigint (modulo 2^64); v128 is a `Uint8Array` of 16 bytes, little-endian. References
//! are in `reference.rs`.

use wasmtime::{AsContextMut, HeapType, RefType, StoreContextMut, V128, Val, ValRaw, ValType};

use crate::failure::{Failure, FailureKind};
use crate::raw_env::{Kind, RawEnv, Refused, Value};
use crate::reference::{JsReference, ReadyReference};
use crate::signature::{ValueKind, type_name};
use crate::store::{StoreData, StoreInner};
use crate::trace::is_limit;

/// Converts a number or vector. Refused if the value is not of the kind; never runs JavaScript.
#[inline]
pub fn raw_from_js(env: RawEnv, kind: ValueKind, value: Value) -> Result<ValRaw, Refused> {
  match kind {
    ValueKind::I32 => env.get_int32(value).map(ValRaw::i32),
    ValueKind::I64 => env.get_bigint(value).map(ValRaw::i64),
    #[expect(clippy::cast_possible_truncation, reason = "rounding to the nearest f32 is what the conversion means")]
    ValueKind::F32 => env.get_double(value).map(|number| ValRaw::f32((number as f32).to_bits())),
    ValueKind::F64 => env.get_double(value).map(|number| ValRaw::f64(number.to_bits())),
    ValueKind::V128 => vector_from_js(env, value).map(ValRaw::v128),
    ValueKind::Reference => Err(Refused),
  }
}

/// Converts a number or vector to its JavaScript value.
///
/// By reference: copying a slot of 16 bytes of which only some were just written stalls the processor for longer than the
/// rest of the conversion takes.
#[inline]
pub fn raw_to_js(env: RawEnv, kind: ValueKind, raw: &ValRaw) -> Result<Value, Refused> {
  match kind {
    ValueKind::I32 => env.int32(raw.get_i32()),
    ValueKind::I64 => env.bigint(raw.get_i64()),
    ValueKind::F32 => env.double(f64::from(f32::from_bits(raw.get_f32()))),
    ValueKind::F64 => env.double(f64::from_bits(raw.get_f64())),
    ValueKind::V128 => env.bytes(16, |bytes| bytes.copy_from_slice(&raw.get_v128().to_le_bytes())),
    ValueKind::Reference => Err(Refused),
  }
}

/// Converts a number or vector to its JavaScript value; `None` if it is a reference.
#[inline]
pub fn val_to_js(env: RawEnv, val: &Val) -> Option<Result<Value, Refused>> {
  Some(match val {
    Val::I32(number) => env.int32(*number),
    Val::I64(number) => env.bigint(*number),
    Val::F32(bits) => env.double(f64::from(f32::from_bits(*bits))),
    Val::F64(bits) => env.double(f64::from_bits(*bits)),
    Val::V128(bits) => env.bytes(16, |bytes| bytes.copy_from_slice(&bits.as_u128().to_le_bytes())),
    _ => return None,
  })
}

fn vector_from_js(env: RawEnv, value: Value) -> Result<u128, Refused> {
  let (data, length, kind) = env.typed_array(value).ok_or(Refused)?;
  if length != 16 || kind != napi::sys::TypedarrayType::uint8_array || data.is_null() {
    return Err(Refused);
  }
  let mut bytes = [0_u8; 16];
  // SAFETY: Node-API says that the array shows 16 bytes at `data`, and no JavaScript runs in between.
  unsafe { std::ptr::copy_nonoverlapping(data.cast_const(), bytes.as_mut_ptr(), 16) };
  Ok(u128::from_le_bytes(bytes))
}

/// What a type expects, for error messages.
pub fn expectation(ty: &ValType) -> String {
  match ty {
    ValType::I32 | ValType::F32 | ValType::F64 => format!("a number ({ty})"),
    ValType::I64 => "a bigint (i64)".into(),
    ValType::V128 => "a Uint8Array of 16 bytes (v128)".into(),
    ValType::Ref(reference) => expected_reference(reference, &type_name(ty)),
  }
}

fn expected_reference(ty: &RefType, name: &str) -> String {
  let what = match ty.heap_type() {
    HeapType::Extern if !ty.is_nullable() => return "any value but null (externref)".into(),
    HeapType::Any if !ty.is_nullable() => return format!("any value but null ({name})"),
    HeapType::Func | HeapType::ConcreteFunc(_) => "a Func of the same store",
    HeapType::Eq => "a StructRef, an ArrayRef, a whole number of 31 bits",
    HeapType::I31 => "a whole number from -1073741824 to 1073741823",
    HeapType::Struct => "a StructRef",
    HeapType::Array => "an ArrayRef",
    HeapType::ConcreteStruct(_) => "a StructRef of that type",
    HeapType::ConcreteArray(_) => "an ArrayRef of that type",
    HeapType::Exn | HeapType::ConcreteExn(_) => "a WasmException of the same store",
    HeapType::None | HeapType::NoExtern | HeapType::NoFunc | HeapType::NoExn => return format!("null ({name})"),
    _ => return format!("a value of type {name}"),
  };
  let or_null = if ty.is_nullable() { " or null" } else { "" };
  format!("{what}{or_null} ({name})")
}

/// What came instead, for error messages; runs no JavaScript.
pub fn describe(env: RawEnv, value: Value) -> String {
  match env.kind(value) {
    Kind::Undefined => "undefined".into(),
    Kind::Null => "null".into(),
    Kind::Boolean => "a boolean".into(),
    Kind::Number => env.get_double(value).map_or("a number".into(), |number| format!("the number {number}")),
    Kind::String => "a string".into(),
    Kind::Symbol => "a symbol".into(),
    Kind::Function => "a function".into(),
    Kind::External => "an external value".into(),
    Kind::BigInt => "a bigint".into(),
    Kind::Object if env.is_promise(value) => "a promise".into(),
    Kind::Object if env.is_array(value) => "an array".into(),
    Kind::Object => "an object".into(),
  }
}

/// A value whose conversion so far has run all the JavaScript that it may run, and needs no Node-API any more.
pub enum Ready {
  Val(Val),
  Reference(ReadyReference),
}

impl StoreInner {
  /// First half of converting a value of any type; may run JavaScript. `Ok(None)` if the value is not of the type.
  pub fn prepare(&self, env: RawEnv, ty: &ValType, value: Value) -> Result<Option<Ready>, Failure> {
    Ok(match ty {
      ValType::I32 => env.get_int32(value).ok().map(|number| Ready::Val(Val::I32(number))),
      ValType::I64 => env.get_bigint(value).ok().map(|number| Ready::Val(Val::I64(number))),
      #[expect(clippy::cast_possible_truncation, reason = "rounding to the nearest f32 is what the conversion means")]
      ValType::F32 => env.get_double(value).ok().map(|number| Ready::Val(Val::F32((number as f32).to_bits()))),
      ValType::F64 => env.get_double(value).ok().map(|number| Ready::Val(Val::F64(number.to_bits()))),
      ValType::V128 => vector_from_js(env, value).ok().map(|bits| Ready::Val(Val::V128(V128::from(bits)))),
      ValType::Ref(reference) => self.prepare_reference(env, reference, value)?.map(Ready::Reference),
    })
  }

  /// Second half: needs the store, runs no JavaScript and uses no Node-API. `Ok(None)` if the value is not of the type.
  ///
  /// It may collect wasm's garbage. While a fiber is suspended it must run on that fiber, for what the guest holds there is
  /// not seen from elsewhere: see [`StoreInner::with_allocating`].
  pub fn finish(
    &self,
    ctx: StoreContextMut<'_, StoreData>,
    ty: &ValType,
    ready: Ready,
  ) -> Result<Option<Val>, Failure> {
    match ready {
      Ready::Val(val) => Ok(Some(val)),
      Ready::Reference(reference) => {
        self.finish_reference(ctx, ty, reference).map_err(|error| {
          // The guest may have filled the heap in which the reference would have its place.
          let text = error.to_string();
          Failure::new(if is_limit(&text) { FailureKind::Limit } else { FailureKind::Internal }, text)
        })
      }
    }
  }

  /// First half of the way back: needs the store, runs no JavaScript.
  pub fn val_to_reference(
    &self,
    env: RawEnv,
    mut ctx: StoreContextMut<'_, StoreData>,
    val: Val,
  ) -> Result<JsReference, Failure> {
    match val_to_js(env, &val) {
      Some(value) => value.map(JsReference::Value).map_err(|_| Failure::Pending),
      None => self.reference_to_js(env, ctx.as_context_mut(), val),
    }
  }
}

/// No result is `undefined`, one is the value, more are an array.
pub fn results_to_js(env: RawEnv, values: &[Value]) -> Result<Value, Refused> {
  match values {
    [] => Ok(env.undefined()),
    [value] => Ok(*value),
    values => {
      let array = env.array(values.len())?;
      for (index, value) in (0_u32..).zip(values) {
        env.set_element(array, index, *value)?;
      }
      Ok(array)
    }
  }
}
