//! The slots of a raw stack, as wazero has them: 64 bits each, a 32-bit value in the low half of one, a vector in two.

use std::sync::atomic::{AtomicU64, Ordering};

use wasmtime::{V128, Val, ValRaw};

use crate::signature::ValueKind;

#[inline]
pub fn load_slot(slot: &AtomicU64) -> u64 {
  slot.load(Ordering::Relaxed)
}

#[inline]
pub fn store_slot(memory: &[AtomicU64], place: &mut usize, bits: u64) {
  if let Some(slot) = memory.get(*place) {
    slot.store(bits, Ordering::Relaxed);
  }
  *place += 1;
}

/// A raw value as one slot of a stack, or two for a vector.
#[inline]
pub fn raw_to_slots(kind: ValueKind, raw: &ValRaw) -> (u64, Option<u64>) {
  match kind {
    ValueKind::I32 => (u64::from(raw.get_u32()), None),
    ValueKind::I64 => (raw.get_u64(), None),
    ValueKind::F32 => (u64::from(raw.get_f32()), None),
    ValueKind::F64 => (raw.get_f64(), None),
    ValueKind::V128 => {
      let bits = raw.get_v128();
      #[expect(clippy::cast_possible_truncation, reason = "the two halves of a vector")]
      let halves = (bits as u64, Some((bits >> 64) as u64));
      halves
    }
    ValueKind::Reference => (0, None),
  }
}

/// The next value of a stack; what lies above a 32-bit value's low half is ignored.
#[inline]
pub fn raw_from_slots(kind: ValueKind, slots: &mut impl Iterator<Item = u64>) -> ValRaw {
  let low = slots.next().unwrap_or_default();
  #[expect(clippy::cast_possible_truncation, reason = "the low half is the value")]
  let low32 = low as u32;
  match kind {
    ValueKind::I32 => ValRaw::u32(low32),
    ValueKind::I64 | ValueKind::Reference => ValRaw::u64(low),
    ValueKind::F32 => ValRaw::f32(low32),
    ValueKind::F64 => ValRaw::f64(low),
    ValueKind::V128 => {
      let high = slots.next().unwrap_or_default();
      ValRaw::v128(V128::from(u128::from(low) | (u128::from(high) << 64)).as_u128())
    }
  }
}

/// A number or vector as one slot, or two.
#[inline]
pub fn val_to_slots(val: &Val) -> [Option<u64>; 2] {
  let (kind, raw) = match val {
    Val::I32(number) => (ValueKind::I32, ValRaw::i32(*number)),
    Val::I64(number) => (ValueKind::I64, ValRaw::i64(*number)),
    Val::F32(bits) => (ValueKind::F32, ValRaw::f32(*bits)),
    Val::F64(bits) => (ValueKind::F64, ValRaw::f64(*bits)),
    Val::V128(vector) => (ValueKind::V128, ValRaw::v128(vector.as_u128())),
    _ => (ValueKind::Reference, ValRaw::i64(0)),
  };
  let (low, high) = raw_to_slots(kind, &raw);
  [Some(low), high]
}

/// The next value of a stack, as `raw_from_slots` reads it.
#[inline]
pub fn val_from_slots(kind: ValueKind, slots: &mut impl Iterator<Item = u64>) -> Val {
  val_from_raw(kind, &raw_from_slots(kind, slots))
}

/// A number or vector as Wasmtime's value.
#[inline]
pub fn val_from_raw(kind: ValueKind, raw: &ValRaw) -> Val {
  match kind {
    ValueKind::I32 => Val::I32(raw.get_i32()),
    ValueKind::I64 | ValueKind::Reference => Val::I64(raw.get_i64()),
    ValueKind::F32 => Val::F32(raw.get_f32()),
    ValueKind::F64 => Val::F64(raw.get_f64()),
    ValueKind::V128 => Val::V128(V128::from(raw.get_v128())),
  }
}
