//! The JavaScript handles of garbage-collected objects of wasm: structs, arrays and exceptions.
//!
//! A handle holds its object rooted, so the object lives as long as the handle. The handle itself is held weakly: V8 decides
//! how long it lives, and the next sweep unroots what it has collected. Node's own finalisers would need a turn of the event
//! loop, and a program that never yields would pile objects up. The same object is the same handle: it is found by its
//! address in wasm's heap, which stays the same as long as the object is rooted, since the collector that is compiled in
//! (deferred reference counting) never moves one.
//! Lives on: the JavaScript thread; roots may be dropped on any.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::Hasher;
use std::ptr;

use napi::sys;
use wasmtime::{AnyRef, AsContext, ExnRef, GcRef, OwnedRooted, Rooted};

use crate::env_state::EnvState;
use crate::failure::Failure;
use crate::raw_env::{RawEnv, TypeTag, Value};
use crate::reference::JsReference;
use crate::store::{CORE, StoreInner};

/// Marks handles, so that they are told from other objects without running any of their code.
const TAG: TypeTag = TypeTag { lower: 0x9c5e_0d0f_77a1_4b32, upper: 0x8a6b_21f4_c3d9_0e57 };

/// Live handles at which the first look for collected ones is taken.
const MIN_SWEEP: usize = 256;

/// What a handle stands for.
#[derive(Clone)]
pub enum Root {
  Struct(OwnedRooted<AnyRef>),
  Array(OwnedRooted<AnyRef>),
  Exception(OwnedRooted<ExnRef>),
}

impl Root {
  /// The number by which `lib/gc-ref.ts` knows the kind.
  fn kind(&self) -> u32 {
    match self {
      Self::Struct(_) => 0,
      Self::Array(_) => 1,
      Self::Exception(_) => 2,
    }
  }
}

/// An object on its way to JavaScript, whose handle may not exist yet.
pub struct GcObject {
  pub root: Root,
  /// Where it is in wasm's heap.
  pub address: u32,
  /// Exceptions only: the handle of the tag.
  pub tag: u32,
  /// Exceptions only: the values that it carries, if they are known.
  pub payload: Option<Vec<JsReference>>,
}

impl GcObject {
  pub fn new(root: Root, address: u32) -> Self {
    Self { root, address, tag: 0, payload: None }
  }
}

struct Entry {
  root: Root,
  address: u32,
  /// Weak.
  handle: sys::napi_ref,
}

#[derive(Default)]
struct Table {
  entries: Vec<Option<Entry>>,
  free: Vec<u32>,
  by_address: HashMap<u32, u32>,
  sweep_at: usize,
}

/// All handles of one store.
#[derive(Default)]
pub struct GcHandles(RefCell<Table>);

/// Reads the address that a reference hashes.
#[derive(Default)]
struct Address(u32);

impl Hasher for Address {
  fn finish(&self) -> u64 {
    u64::from(self.0)
  }

  fn write(&mut self, bytes: &[u8]) {
    for byte in bytes {
      self.0 = self.0.rotate_left(8) ^ u32::from(*byte);
    }
  }

  fn write_u32(&mut self, address: u32) {
    self.0 = address;
  }
}

/// Where an object is in wasm's heap.
pub fn address_of<T: GcRef>(ctx: impl AsContext, object: &Rooted<T>) -> wasmtime::Result<u32> {
  let mut address = Address::default();
  object.ref_hash(ctx, &mut address)?;
  Ok(address.0)
}

impl GcHandles {
  /// Whether there may be any.
  #[inline]
  pub fn any(&self) -> bool {
    !self.0.borrow().by_address.is_empty()
  }

  /// The handle of an object, if it has one.
  pub fn known(&self, env: RawEnv, address: u32) -> Option<Value> {
    let table = self.0.borrow();
    let index = table.by_address.get(&address)?;
    env.dereference(table.entries.get(*index as usize)?.as_ref()?.handle)
  }

  /// What the handle of a number stands for.
  pub fn root(&self, index: u32) -> Option<Root> {
    self.0.borrow().entries.get(index as usize)?.as_ref().map(|entry| entry.root.clone())
  }

  /// Keeps an object for a handle that is about to be made; gives its number.
  fn reserve(&self, env: RawEnv, state: &EnvState, root: Root, address: u32) -> Result<u32, Failure> {
    let mut table = self.0.borrow_mut();
    let live = table.entries.len() - table.free.len();
    if live >= table.sweep_at.max(MIN_SWEEP) {
      table.sweep(env, state);
    }
    let entry = Some(Entry { root, address, handle: ptr::null_mut() });
    let index = if let Some(index) = table.free.pop() {
      if let Some(place) = table.entries.get_mut(index as usize) {
        *place = entry;
      }
      index
    } else {
      let index = u32::try_from(table.entries.len()).map_err(|_| Failure::internal("too many references"))?;
      table.entries.push(entry);
      index
    };
    // An entry of the same object whose handle was collected goes with the next sweep.
    table.by_address.insert(address, index);
    Ok(index)
  }

  fn set_handle(&self, index: u32, handle: sys::napi_ref) {
    if let Some(Some(entry)) = self.0.borrow_mut().entries.get_mut(index as usize) {
      entry.handle = handle;
    }
  }

  /// Takes `reserve` back, for a handle that could not be made.
  #[cold]
  fn forget(&self, index: u32) {
    let mut table = self.0.borrow_mut();
    if let Some(entry) = table.entries.get_mut(index as usize).and_then(Option::take) {
      table.by_address.remove(&entry.address);
      table.free.push(index);
    }
  }

  /// Unroots what JavaScript has lost.
  pub fn sweep(&self, env: RawEnv, state: &EnvState) {
    self.0.borrow_mut().sweep(env, state);
  }

  /// Lets go of everything.
  pub fn clear(&self, state: &EnvState) {
    for entry in self.0.take().entries.into_iter().flatten() {
      state.release(entry.handle);
    }
  }
}

impl Table {
  fn sweep(&mut self, env: RawEnv, state: &EnvState) {
    for (index, place) in (0_u32..).zip(&mut self.entries) {
      // Each look makes a handle of V8's.
      let scope = env.open_scope();
      // One without a reference is being given its handle just now, which may run JavaScript.
      let lost = place.as_ref().is_some_and(|entry| !entry.handle.is_null() && env.dereference(entry.handle).is_none());
      env.close_scope(scope);
      if lost && let Some(entry) = place.take() {
        state.release(entry.handle);
        if self.by_address.get(&entry.address) == Some(&index) {
          self.by_address.remove(&entry.address);
        }
        self.free.push(index);
      }
    }
    let live = self.entries.len() - self.free.len();
    self.sweep_at = live.saturating_mul(2);
  }
}

/// What a JavaScript value is as a handle.
enum Found {
  Own(Root),
  /// One of another store.
  Foreign,
  Nothing,
}

impl StoreInner {
  /// The handle of an object: the one that it has, or a new one, made by the package's own TypeScript.
  pub fn gc_handle(&self, env: RawEnv, object: GcObject) -> Result<Value, Failure> {
    if let Some(known) = self.gc_handles.known(env, object.address) {
      return Ok(known);
    }
    let core = self.holder_part(env, CORE)?;
    let wrap = self.state.wrap_reference(env).ok_or_else(|| Failure::internal("the environment is not registered"))?;
    let GcObject { root, address, tag, payload } = object;
    let payload = payload.map_or_else(|| Ok(env.undefined()), |payload| self.array_of(env, payload))?;
    let kind = env.uint32(root.kind()).map_err(|_| Failure::Pending)?;
    let tag = env.uint32(tag).map_err(|_| Failure::Pending)?;
    let index = self.gc_handles.reserve(env, &self.state, root, address)?;
    let made =
      env.uint32(index).and_then(|number| env.call(env.undefined(), wrap, &[core, number, kind, tag, payload]));
    let Ok(handle) = made else {
      self.gc_handles.forget(index);
      return Err(Failure::Pending);
    };
    self.adopt(env, index, handle)?;
    Ok(handle)
  }

  /// Makes a JavaScript object the handle of a new object of wasm; gives its number.
  pub fn adopt_gc_handle(&self, env: RawEnv, root: Root, address: u32, handle: Value) -> Result<u32, Failure> {
    let index = self.gc_handles.reserve(env, &self.state, root, address)?;
    self.adopt(env, index, handle)?;
    Ok(index)
  }

  /// Makes a JavaScript object the handle of a number.
  fn adopt(&self, env: RawEnv, index: u32, handle: Value) -> Result<(), Failure> {
    let Ok(reference) = env.tag(handle, &TAG).and_then(|()| env.reference(handle, 0)) else {
      self.gc_handles.forget(index);
      return Err(Failure::Pending);
    };
    self.gc_handles.set_handle(index, reference);
    Ok(())
  }

  /// What a value stands for, if it is a handle; refuses one of another store. Runs none of the value's own code.
  pub fn gc_root_of(&self, env: RawEnv, value: Value) -> Result<Option<Root>, Failure> {
    match self.look_up(env, value)? {
      Found::Own(root) => Ok(Some(root)),
      Found::Foreign => Err(Failure::type_error("the reference belongs to another store")),
      Found::Nothing => Ok(None),
    }
  }

  /// As `gc_root_of`; a handle of another store is a value like any other.
  pub fn own_gc_root_of(&self, env: RawEnv, value: Value) -> Result<Option<Root>, Failure> {
    if !self.gc_handles.any() {
      return Ok(None);
    }
    match self.look_up(env, value)? {
      Found::Own(root) => Ok(Some(root)),
      Found::Foreign | Found::Nothing => Ok(None),
    }
  }

  fn look_up(&self, env: RawEnv, value: Value) -> Result<Found, Failure> {
    if !env.has_tag(value, &TAG) {
      return Ok(Found::Nothing);
    }
    let (Some(store_key), Some(number_key)) = (self.state.store_key(env), self.state.reference_key(env)) else {
      return Ok(Found::Nothing);
    };
    // Own properties that cannot be changed: no code runs.
    let owner = env.get_property(value, store_key).map_err(|_| Failure::Pending)?;
    if !env.strict_equals(owner, self.holder_part(env, CORE)?) {
      return Ok(Found::Foreign);
    }
    let index = env.get_property(value, number_key).map_err(|_| Failure::Pending)?;
    let index = env.get_int32(index).ok().and_then(|index| u32::try_from(index).ok());
    let root = index.and_then(|index| self.gc_handles.root(index));
    root.map(Found::Own).ok_or_else(|| Failure::closed("store"))
  }
}
