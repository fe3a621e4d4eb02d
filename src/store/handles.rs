//! What JavaScript has handles to in a store: externs, prepared functions, instances. Lives on: the JavaScript thread.

use std::ptr;

use wasmtime::{Extern, Func, StoreContextMut};

use super::{StoreData, StoreInner};
use crate::export_func::ExportFunc;
use crate::failure::Failure;
use crate::instance_slot::InstanceSlot;

impl StoreInner {
  /// The handle of an extern that belongs to this store.
  pub fn register(&self, item: Extern, ctx: StoreContextMut<'_, StoreData>) -> u32 {
    let address = match &item {
      Extern::Func(func) => Some(func.to_raw(ctx) as usize),
      _ => None,
    };
    if let Some(address) = address
      && let Some(index) = self.func_indexes.borrow().get(&address)
    {
      return *index;
    }
    if address.is_none()
      && let Some(index) = self.known_extern(&item)
    {
      return index;
    }
    let mut externs = self.externs.borrow_mut();
    let index = u32::try_from(externs.len()).unwrap_or(u32::MAX);
    externs.push(item);
    if let Some(address) = address {
      self.func_indexes.borrow_mut().insert(address, index);
    }
    index
  }

  /// The index of something other than a function, if it has one already: the same memory may be exported under several
  /// names and by several instances. Wasmtime shows the identity of its handles only in their debug text; nothing is
  /// formatted before there is a second one.
  fn known_extern(&self, item: &Extern) -> Option<u32> {
    let externs = self.externs.borrow();
    let mut keys = self.extern_keys.borrow_mut();
    let (keyed, map) = &mut *keys;
    if externs.iter().all(|other| matches!(other, Extern::Func(_))) {
      return None;
    }
    for (index, other) in externs.iter().enumerate().skip(*keyed) {
      if !matches!(other, Extern::Func(_)) {
        map.insert(key(other), u32::try_from(index).unwrap_or(u32::MAX));
      }
    }
    *keyed = externs.len();
    map.get(&key(item)).copied()
  }

  #[inline]
  pub fn extern_at(&self, index: u32) -> Result<Extern, Failure> {
    let externs = self.externs.borrow();
    externs.get(index as usize).cloned().ok_or_else(|| Failure::type_error("the handle is not one of this store"))
  }

  pub fn func_at(&self, index: u32) -> Result<Func, Failure> {
    match self.extern_at(index)? {
      Extern::Func(func) => Ok(func),
      _ => Err(Failure::type_error("expected the handle of a function")),
    }
  }

  /// The prepared call of a function handle, if there is one; its address stays valid as long as this store.
  #[inline]
  pub fn export_func(&self, index: u32) -> Option<*const ExportFunc> {
    let funcs = self.export_funcs.borrow();
    funcs.get(index as usize)?.as_ref().map(|func| &raw const **func)
  }

  /// Keeps the prepared call of a function handle that has none yet.
  pub fn add_export_func(&self, index: u32, func: ExportFunc) -> *const ExportFunc {
    let mut funcs = self.export_funcs.borrow_mut();
    let place = index as usize;
    if funcs.len() <= place {
      funcs.resize_with(place + 1, || None);
    }
    match funcs.get_mut(place) {
      Some(entry) => &raw const **entry.get_or_insert_with(|| Box::new(func)),
      None => ptr::null(),
    }
  }

  pub fn add_slot(&self, slot: InstanceSlot) -> u32 {
    let mut slots = self.slots.borrow_mut();
    slots.push(Box::new(slot));
    u32::try_from(slots.len() - 1).unwrap_or(u32::MAX)
  }

  /// A slot's address stays valid as long as this store.
  #[inline]
  pub fn slot(&self, index: u32) -> Option<&InstanceSlot> {
    let slots = self.slots.borrow();
    let slot: *const InstanceSlot = &raw const **slots.get(index as usize)?;
    // SAFETY: slots are boxed and never removed while the store inner lives, which `self` proves.
    Some(unsafe { &*slot })
  }

  pub fn slot_count(&self) -> usize {
    self.slots.borrow().len()
  }
}

/// What tells an extern other than a function from others.
fn key(item: &Extern) -> String {
  match item {
    // Its debug text does not say which one it is. Its address is its own as long as the store has it.
    Extern::SharedMemory(memory) => format!("{:p}", memory.data().as_ptr()),
    other => format!("{other:?}"),
  }
}
