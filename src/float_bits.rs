//! Floats as their bits, for callers to whom the payload of a NaN matters: a JavaScript number does not keep it.
//! Lives on: the JavaScript thread.

use wasmtime::{StoreContextMut, Val, ValType};

use crate::failure::Failure;
use crate::raw_env::{RawEnv, Refused, Value};
use crate::reference::JsReference;
use crate::store::{StoreData, StoreInner};
use crate::values::{Ready, expectation, val_to_js};

/// What f32 and f64 are in JavaScript; all other types are the same in either form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Floats {
  /// Numbers.
  Numbers,
  /// Bigints: 32 bits, or 64, without sign.
  Bits,
}

impl Floats {
  /// As [`StoreInner::prepare`].
  pub fn prepare(self, env: RawEnv, store: &StoreInner, ty: &ValType, value: Value) -> Result<Option<Ready>, Failure> {
    match (self, ty) {
      (Self::Bits, ValType::F32 | ValType::F64) => Ok(float_from_bits(env, ty, value).ok().map(Ready::Val)),
      _ => store.prepare(env, ty, value),
    }
  }

  /// As [`StoreInner::val_to_reference`].
  pub fn val_to_reference(
    self,
    env: RawEnv,
    store: &StoreInner,
    ctx: StoreContextMut<'_, StoreData>,
    val: Val,
  ) -> Result<JsReference, Failure> {
    match self.number_to_js(env, &val) {
      Some(value) => value.map(JsReference::Value).map_err(|_| Failure::Pending),
      None => store.val_to_reference(env, ctx, val),
    }
  }

  /// As [`val_to_js`].
  pub fn number_to_js(self, env: RawEnv, val: &Val) -> Option<Result<Value, Refused>> {
    match (self, val) {
      (Self::Bits, Val::F32(bits)) => Some(env.bigint_unsigned(u64::from(*bits))),
      (Self::Bits, Val::F64(bits)) => Some(env.bigint_unsigned(*bits)),
      _ => val_to_js(env, val),
    }
  }

  /// As [`expectation`].
  pub fn expectation(self, ty: &ValType) -> String {
    match (self, ty) {
      (Self::Bits, ValType::F32 | ValType::F64) => format!("a bigint, the bits of an {ty}"),
      _ => expectation(ty),
    }
  }
}

/// The float of a type that has the given bits; what lies above an f32's is ignored. Refused if the value is no bigint.
pub fn float_from_bits(env: RawEnv, ty: &ValType, value: Value) -> Result<Val, Refused> {
  let bits = env.get_bigint(value)?.cast_unsigned();
  #[expect(clippy::cast_possible_truncation, reason = "the low half is the value")]
  let low = bits as u32;
  Ok(if matches!(ty, ValType::F32) { Val::F32(low) } else { Val::F64(bits) })
}
