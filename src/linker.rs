//! A linker keeps *definitions*; instantiating a module materialises those that it imports in a Wasmtime linker of its
//! own. So a definition without a type gets the importing module's, a host function learns which instance calls it,
//! and another mode of running can materialise the same definitions differently. Lives on: the JavaScript thread.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use napi::JsValue;
use napi::bindgen_prelude::{Env, Unknown};
use napi_derive::napi;
use wasmtime::{AsContextMut, Extern};

use crate::engine::Engine;
use crate::failure::{Failure, FailureKind};
use crate::host_call::HostBinding;
use crate::host_definition::{HostFuncConfig, NO_SLOT, host_func, store_func};
use crate::instance_pre::{Definition, InstancePre, Resolved, Unknowns, link_failure, other_failure};
use crate::module::Module;
use crate::raw_env::{RawEnv, Value};
use crate::shared_memory::SharedMemory;
use crate::store::{Mode, StoreInner};
use crate::wasi::WasiFunc;

/// A set of definitions that modules can import.
#[napi]
pub struct Linker {
  engine: wasmtime::Engine,
  host_functions: Arc<AtomicU32>,
  definitions: RefCell<HashMap<String, HashMap<String, Definition>>>,
  allow_shadowing: Cell<bool>,
  unknowns: Cell<Unknowns>,
}

impl Linker {
  fn insert(&self, module: &str, name: &str, definition: Definition) -> Result<(), Failure> {
    let mut modules = self.definitions.borrow_mut();
    let names = modules.entry(module.to_owned()).or_default();
    if names.contains_key(name) && !self.allow_shadowing.get() {
      return Err(Failure::new(
        FailureKind::Link,
        format!("{module}.{name} is defined already; set allowShadowing to replace it"),
      ));
    }
    names.insert(name.to_owned(), definition);
    Ok(())
  }

  fn get_definition(&self, module: &str, name: &str) -> Option<Definition> {
    self.definitions.borrow().get(module).and_then(|names| names.get(name)).cloned()
  }

  fn check_engine(&self, store: &StoreInner) -> Result<(), Failure> {
    if wasmtime::Engine::same(&store.engine, &self.engine) {
      Ok(())
    } else {
      Err(Failure::type_error("the store belongs to another engine than the linker's"))
    }
  }

  /// Resolves a module's imports; with a store, also checks what belongs to one.
  fn resolve(&self, module: &Module, store: Option<&StoreInner>) -> Result<Resolved, Failure> {
    if !wasmtime::Engine::same(module.engine(), &self.engine) {
      return Err(Failure::type_error("the module was compiled by another engine than the linker's"));
    }
    let compiled = module.compiled()?;
    let imports: Vec<_> =
      compiled.module.imports().map(|import| self.get_definition(import.module(), import.name())).collect();
    let needs_slot = imports.iter().flatten().any(|definition| match definition {
      Definition::Host { func, .. } => func.with_module,
      Definition::Wasi(_) | Definition::Extern { .. } | Definition::Shared(_) => false,
    });
    let needs_wasi = imports.iter().flatten().any(|definition| matches!(definition, Definition::Wasi(_)));
    let mut pre = Resolved {
      engine: self.engine.clone(),
      compiled,
      imports,
      unknowns: self.unknowns.get(),
      needs_slot,
      needs_wasi,
      shared: None,
      shared_async: OnceCell::new(),
    };
    let problems = match store {
      Some(store) => {
        self.check_engine(store)?;
        store.with(|ctx| pre.problems(Some((store.id, ctx))))?
      }
      None => pre.problems(None),
    };
    if !problems.is_empty() {
      return Err(link_failure(problems));
    }
    if pre.is_store_independent() {
      let linker = pre.materialise(None, 0, Mode::Sync)?;
      pre.shared = Some(linker.instantiate_pre(&pre.compiled.module).map_err(other_failure)?);
    }
    Ok(pre)
  }
}

#[napi]
impl Linker {
  #[napi(constructor, catch_unwind)]
  pub fn new(engine: &Engine) -> Self {
    Self {
      engine: engine.inner.clone(),
      host_functions: Arc::clone(&engine.host_functions),
      definitions: RefCell::default(),
      allow_shadowing: Cell::new(false),
      unknowns: Cell::new(Unknowns::Refuse),
    }
  }

  /// Whether a definition may replace another of the same name.
  #[napi(catch_unwind)]
  pub fn set_allow_shadowing(&self, allow: bool) {
    self.allow_shadowing.set(allow);
  }

  /// What to do with undefined imports: 0 refuses, 1 makes functions that trap, 2 makes default values.
  #[napi(catch_unwind)]
  pub fn set_unknown_imports(&self, policy: u32) {
    self.unknowns.set(match policy {
      1 => Unknowns::Trap,
      2 => Unknowns::Default,
      _ => Unknowns::Refuse,
    });
  }

  /// Defines a JavaScript function. `stack` is the array of the stack style. JavaScript keeps both alive.
  #[napi(catch_unwind)]
  pub fn define_func(
    &self,
    env: Env,
    module: String,
    name: String,
    config: HostFuncConfig,
    #[napi(ts_arg_type = "(...args: any[]) => unknown")] callback: Unknown,
    #[napi(ts_arg_type = "BigUint64Array | undefined")] stack: Option<Unknown>,
  ) -> napi::Result<()> {
    let raw = RawEnv(env.raw());
    let stack = stack.map(|array| Value(array.raw()));
    host_func(raw, &self.engine, config, Value(callback.raw()), stack, &self.host_functions)
      .and_then(|(func, ty)| self.insert(&module, &name, Definition::Host { func, ty }))
      .map_err(|failure| failure.into_napi(raw))
  }

  /// Defines functions of one of WASI's modules; all that it has, or those of these names. Which names there are is told
  /// by `wasiFunctionNames`; others are passed over.
  #[napi(catch_unwind)]
  pub fn define_wasi(&self, env: Env, module: String, names: Option<Vec<String>>) -> napi::Result<()> {
    let wanted = |func: &&WasiFunc| names.as_ref().is_none_or(|names| names.iter().any(|name| name == func.name()));
    for func in WasiFunc::all(&module).iter().filter(wanted) {
      self
        .insert(&module, func.name(), Definition::Wasi(*func))
        .map_err(|failure| failure.into_napi(RawEnv(env.raw())))?;
    }
    Ok(())
  }

  /// Defines something of a store.
  #[napi(catch_unwind)]
  pub fn define_extern(
    &self,
    env: Env,
    module: String,
    name: String,
    #[napi(ts_arg_type = "StoreHandle")] store: Unknown,
    index: u32,
  ) -> napi::Result<()> {
    let raw = RawEnv(env.raw());
    let define = || {
      let store = StoreInner::of(raw, Value(store.raw()))?;
      self.check_engine(&store)?;
      let item = store.extern_at(index)?;
      self.insert(&module, &name, Definition::Extern { store_id: store.id, item })
    };
    define().map_err(|failure| failure.into_napi(raw))
  }

  /// Defines a shared memory.
  #[napi(catch_unwind)]
  pub fn define_shared_memory(
    &self,
    env: Env,
    module: String,
    name: String,
    memory: &SharedMemory,
  ) -> napi::Result<()> {
    memory
      .in_engine(&self.engine)
      .and_then(|memory| self.insert(&module, &name, Definition::Shared(memory)))
      .map_err(|failure| failure.into_napi(RawEnv(env.raw())))
  }

  /// Defines `module.name` also as `asModule.asName`.
  #[napi(catch_unwind)]
  pub fn alias(&self, env: Env, module: String, name: String, as_module: String, as_name: String) -> napi::Result<()> {
    self
      .get_definition(&module, &name)
      .ok_or_else(|| Failure::new(FailureKind::Link, format!("{module}.{name} is not defined")))
      .and_then(|definition| self.insert(&as_module, &as_name, definition))
      .map_err(|failure| failure.into_napi(RawEnv(env.raw())))
  }

  /// Defines all that another linker defines under a module's name, sharing the definitions.
  #[napi(catch_unwind)]
  pub fn define_all_of(&self, env: Env, other: &Linker, module: String, as_module: String) -> napi::Result<()> {
    let names: Vec<_> = {
      let modules = other.definitions.borrow();
      modules.get(&module).into_iter().flatten().map(|(name, item)| (name.clone(), item.clone())).collect()
    };
    for (name, definition) in names {
      self.insert(&as_module, &name, definition).map_err(|failure| failure.into_napi(RawEnv(env.raw())))?;
    }
    Ok(())
  }

  /// Forgets all definitions. What is linked already is not affected.
  #[napi(catch_unwind)]
  pub fn close(&self) {
    self.definitions.take();
  }

  /// The names of what a module of the linker defines.
  #[napi(catch_unwind)]
  pub fn names(&self, module: String) -> Vec<String> {
    self.definitions.borrow().get(&module).map(|names| names.keys().cloned().collect()).unwrap_or_default()
  }

  /// The handle of a definition in a store, null if there is none.
  #[napi(catch_unwind)]
  pub fn get(
    &self,
    env: Env,
    #[napi(ts_arg_type = "StoreHandle")] store: Unknown,
    module: String,
    name: String,
  ) -> napi::Result<Option<u32>> {
    let raw = RawEnv(env.raw());
    let find = || {
      let store = StoreInner::of(raw, Value(store.raw()))?;
      self.check_engine(&store)?;
      let item = match self.get_definition(&module, &name) {
        None => return Ok(None),
        Some(Definition::Extern { store_id, item }) if store_id == store.id => item,
        Some(Definition::Extern { .. }) => {
          return Err(Failure::type_error(format!("{module}.{name} belongs to another store")));
        }
        Some(Definition::Shared(memory)) => memory.into(),
        Some(Definition::Wasi(_)) => {
          return Err(Failure::type_error(format!(
            "{module}.{name} works with the memory of the guest that calls it, so it is nothing by itself"
          )));
        }
        Some(Definition::Host { ty: None, .. }) => {
          return Err(Failure::type_error(format!("{module}.{name} has no type of its own")));
        }
        Some(Definition::Host { func, ty: Some(ty) }) => {
          let binding = HostBinding::new(func, ty.clone(), NO_SLOT);
          let mode = store.decided_mode(raw)?;
          store.with(|ctx| store_func(ctx, ty, binding, mode))?.into()
        }
      };
      store.with(|ctx| store.register(item, ctx)).map(Some)
    };
    find().map_err(|failure| failure.into_napi(raw))
  }

  /// Resolves a module's imports; with a store, what belongs to one is checked at once, too.
  #[napi(catch_unwind)]
  pub fn instantiate_pre(
    &self,
    env: Env,
    module: &Module,
    #[napi(ts_arg_type = "StoreHandle | undefined")] store: Option<Unknown>,
  ) -> napi::Result<InstancePre> {
    let raw = RawEnv(env.raw());
    let resolve = || match store {
      Some(store) => self.resolve(module, Some(&*StoreInner::of(raw, Value(store.raw()))?)),
      None => self.resolve(module, None),
    };
    resolve()
      .map(|resolved| InstancePre { resolved: RefCell::new(Some(Rc::new(resolved))) })
      .map_err(|failure| failure.into_napi(raw))
  }

  /// Defines the exports of a command module as functions that make a fresh instance for each call.
  #[napi(catch_unwind)]
  pub fn define_command(
    &self,
    env: Env,
    #[napi(ts_arg_type = "StoreHandle")] store: Unknown,
    name: String,
    module: &Module,
  ) -> napi::Result<()> {
    let raw = RawEnv(env.raw());
    let define = || {
      let store = StoreInner::of(raw, Value(store.raw()))?;
      let pre = self.resolve(module, Some(&store))?;
      store.require_mode(raw, Mode::Sync)?;
      pre.check_wasi(&store)?;
      let mut linker = store.with(|ctx| pre.materialise(Some(ctx), NO_SLOT, Mode::Sync))??;
      let items = store.enter(|mut ctx| {
        linker.module(ctx.as_context_mut(), &name, &pre.compiled.module)?;
        let exports: Vec<_> = pre.compiled.module.exports().map(|export| export.name().to_owned()).collect();
        let mut items: Vec<(String, Extern)> = Vec::new();
        for export in exports {
          // Of a command Wasmtime defines the functions only: its other exports belong to no instance that lasts.
          if let Ok(item) = linker.get(ctx.as_context_mut(), &name, &export) {
            items.push((export, item));
          }
        }
        Ok(items)
      })?;
      for (export, item) in items.map_err(other_failure)? {
        self.insert(&name, &export, Definition::Extern { store_id: store.id, item })?;
      }
      Ok(())
    };
    define().map_err(|failure: Failure| failure.into_napi(raw))
  }
}
