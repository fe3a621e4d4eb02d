//! One instance's place in its store, made before instantiation so that host calls of its start function can name it.
//! Lives on: the JavaScript thread.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ptr;
use std::sync::Arc;

use napi::sys;
use wasmtime::{AsContextMut, Extern, FuncType};

use crate::env_state::EnvState;
use crate::failure::Failure;
use crate::module_info::ModuleInfo;
use crate::raw_env::{RawEnv, Value};
use crate::store::StoreInner;

/// Part of the holder array where the instance objects are, by slot.
pub const INSTANCES: u32 = 0;

pub struct InstanceSlot {
  /// `None` until instantiation, start function included, is over.
  pub instance: Cell<Option<wasmtime::Instance>>,
  pub module: wasmtime::Module,
  pub info: Arc<ModuleInfo>,
  exit_code: Cell<Option<u32>>,
  live: Cell<bool>,
  /// Weak; the JavaScript object that host functions get, fetched at the first such call.
  object: Cell<sys::napi_ref>,
  exports: RefCell<HashMap<Box<str>, Option<u32>>>,
}

impl InstanceSlot {
  pub fn new(module: wasmtime::Module, info: Arc<ModuleInfo>) -> Self {
    Self {
      instance: Cell::new(None),
      module,
      info,
      exit_code: Cell::new(None),
      live: Cell::new(true),
      object: Cell::new(ptr::null_mut()),
      exports: RefCell::default(),
    }
  }

  /// The exit code of a closed instance.
  #[inline]
  pub fn exit_code(&self) -> Option<u32> {
    self.exit_code.get()
  }

  /// The first code wins.
  pub fn close(&self, code: u32, state: &EnvState) {
    if self.exit_code.get().is_none() {
      self.exit_code.set(Some(code));
    }
    self.leave(state);
  }

  /// Neither closed itself, nor its store, nor failed to start.
  pub fn is_live(&self) -> bool {
    self.live.get()
  }

  /// The end of the instance.
  pub fn leave(&self, state: &EnvState) {
    if self.live.replace(false) {
      state.release(self.object.replace(ptr::null_mut()));
    }
  }

  /// The handle of an export, `None` if there is none of that name.
  pub fn export(&self, store: &StoreInner, own_slot: u32, name: &str) -> Result<Option<u32>, Failure> {
    if let Some(known) = self.exports.borrow().get(name) {
      return Ok(*known);
    }
    let index = if let Some(instance) = self.instance.get() {
      store.with(|mut ctx| {
        instance.get_export(ctx.as_context_mut(), name).map(|item| store.register(item, ctx.as_context_mut()))
      })?
    } else {
      // Only while the start function runs is there a caller but no instance yet.
      if store.is_busy() {
        return Err(Failure::busy());
      }
      if store.caller_slot.get() != own_slot {
        return Ok(None);
      }
      let found: Option<Extern> = store.caller_export(name);
      match found {
        Some(item) => Some(store.with(|ctx| store.register(item, ctx))?),
        // It may be there later: not while the guest starts on another thread can it be seen.
        None => return Ok(None),
      }
    };
    self.exports.borrow_mut().insert(name.into(), index);
    Ok(index)
  }

  /// Looks all exports up, so that they can be found while the guest runs on another thread.
  pub fn find_exports(&self, store: &StoreInner, own_slot: u32) -> Result<(), Failure> {
    for export in self.module.exports() {
      self.export(store, own_slot, export.name())?;
    }
    Ok(())
  }

  /// The type of an exported function, which needs no store.
  pub fn func_type(&self, name: &str) -> Option<FuncType> {
    self.module.get_export(name).and_then(|ty| ty.func().cloned())
  }

  /// The JavaScript object of the instance, for host functions that want it.
  #[inline]
  pub fn object(&self, env: RawEnv, store: &StoreInner, own_slot: u32) -> Result<Value, Failure> {
    if let Some(object) = env.dereference(self.object.get()) {
      return Ok(object);
    }
    let instances = store.holder_part(env, INSTANCES)?;
    let object = env.get_element(instances, own_slot).map_err(|_| Failure::Pending)?;
    if let Ok(reference) = env.reference(object, 0) {
      store.state.release(self.object.replace(reference));
    }
    Ok(object)
  }
}
