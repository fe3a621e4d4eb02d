//! A linker keeps *definitions*; instantiating a module materialises those that it imports in a Wasmtime linker of its
//! own. So a definition without a type gets the importing module's, a host function learns which instance calls it,
//! and another mode of running can materialise the same definitions differently. Lives on: the JavaScript thread.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use napi::JsValue;
use napi::bindgen_prelude::{Env, Unknown};
use napi_derive::napi;
use wasmtime::{AsContextMut, Caller, Extern, ExternType, FuncType, StoreContextMut, ValRaw};

use crate::engine::Engine;
use crate::failure::{ErrorDetail, Failure, FailureKind, LinkProblemInfo};
use crate::host_call::HostBinding;
use crate::host_func::{HostFunc, HostFuncInfo};
use crate::instance_slot::InstanceSlot;
use crate::link_check::{current_size, describe_problems, mismatch};
use crate::module::{Compiled, Module};
use crate::raw_env::{RawEnv, Value};
use crate::signature::parse_func_type;
use crate::store::{StoreData, StoreInner};

/// The slot of host functions that belong to no instance.
pub const NO_SLOT: u32 = u32::MAX;

#[derive(Clone)]
enum Definition {
  /// A JavaScript function; without a type it takes that of each import.
  Host { func: Arc<HostFunc>, ty: Option<FuncType> },
  /// Something of one store.
  Extern { store_id: u64, item: Extern },
}

/// What to do with imports that are not defined.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unknowns {
  Refuse,
  Trap,
  Default,
}

/// A set of definitions that modules can import.
#[napi]
pub struct Linker {
  engine: wasmtime::Engine,
  host_functions: Arc<AtomicU32>,
  definitions: RefCell<HashMap<String, HashMap<String, Definition>>>,
  allow_shadowing: Cell<bool>,
  unknowns: Cell<Unknowns>,
}

/// A host function of a linker, as JavaScript describes it.
#[napi(object)]
pub struct HostFuncConfig {
  /// Module name in messages and traces.
  pub module: String,
  /// Function name in messages and traces.
  pub name: String,
  /// Types; both or none. Without them the function takes the type of each import.
  pub params: Option<Vec<String>>,
  pub results: Option<Vec<String>>,
  /// Whether the first argument is the importing instance.
  pub with_module: bool,
}

/// A module whose imports are resolved, ready to be instantiated any number of times.
#[napi]
pub struct InstancePre {
  resolved: RefCell<Option<Rc<Resolved>>>,
}

/// What an [`InstancePre`] holds until it is closed.
struct Resolved {
  engine: wasmtime::Engine,
  compiled: Compiled,
  /// For each import of the module, its definition if there is one.
  imports: Vec<Option<Definition>>,
  unknowns: Unknowns,
  /// Whether an instance needs closures of its own (because a host function wants to know the instance) unless it is
  /// the first of its store.
  needs_slot: bool,
  /// Linked for the first instance of any store; `None` if something belongs to one store.
  shared: Option<wasmtime::InstancePre<StoreData>>,
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
      Definition::Extern { .. } => false,
    });
    let mut pre = Resolved {
      engine: self.engine.clone(),
      compiled,
      imports,
      unknowns: self.unknowns.get(),
      needs_slot,
      shared: None,
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
      let linker = pre.materialise(None, 0)?;
      pre.shared = Some(linker.instantiate_pre(&pre.compiled.module).map_err(other_failure)?);
    }
    Ok(pre)
  }
}

impl Resolved {
  fn is_store_independent(&self) -> bool {
    self.unknowns != Unknowns::Default
      && !self.imports.iter().flatten().any(|definition| matches!(definition, Definition::Extern { .. }))
  }

  /// Everything that is wrong; what belongs to a store is checked only when the store is given.
  fn problems(&self, mut store: Option<(u64, StoreContextMut<'_, StoreData>)>) -> Vec<LinkProblemInfo> {
    let mut problems = Vec::new();
    let mut host_types: HashMap<(&str, &str), FuncType> = HashMap::new();
    for (import, definition) in self.compiled.module.imports().zip(&self.imports) {
      let (module, name, expected) = (import.module(), import.name(), import.ty());
      let problem = |reason: &str, actual: Option<String>| LinkProblemInfo {
        module: module.to_owned(),
        name: name.to_owned(),
        reason: reason.to_owned(),
        expected: Some(crate::extern_type::extern_text(&expected)),
        actual,
      };
      match (definition, &mut store) {
        (None, _) => {
          let trap = self.unknowns == Unknowns::Trap && matches!(expected, ExternType::Func(_));
          if !trap && self.unknowns != Unknowns::Default {
            problems.push(problem("missing", None));
          }
        }
        (Some(Definition::Host { ty: Some(ty), .. }), _) => {
          problems.extend(mismatch(module, name, &expected, &ExternType::Func(ty.clone()), None));
        }
        (Some(Definition::Host { ty: None, .. }), _) => match &expected {
          ExternType::Func(ty) => match host_types.get(&(module, name)) {
            // Wasmtime's linker has one definition a name, so one type.
            Some(first) if !FuncType::eq(first, ty) => problems.push(problem(
              "other",
              Some("it is imported twice with different types; give the host function a type of its own".into()),
            )),
            _ => {
              host_types.insert((module, name), ty.clone());
            }
          },
          _ => problems.push(problem("mismatch", Some("func".into()))),
        },
        (Some(Definition::Extern { .. }), None) => {}
        (Some(Definition::Extern { store_id, item }), Some((id, ctx))) => {
          if store_id == id {
            let actual = item.ty(ctx.as_context_mut());
            problems.extend(mismatch(module, name, &expected, &actual, current_size(item, ctx)));
          } else {
            problems.push(problem("wrong-store", None));
          }
        }
      }
    }
    problems
  }

  /// Puts the definitions into a Wasmtime linker, for the instance in `slot`. All have been checked.
  fn materialise(
    &self,
    mut ctx: Option<StoreContextMut<'_, StoreData>>,
    slot: u32,
  ) -> Result<wasmtime::Linker<StoreData>, Failure> {
    let mut linker = wasmtime::Linker::new(&self.engine);
    // The same name may be imported several times.
    linker.allow_shadowing(true);
    for (import, definition) in self.compiled.module.imports().zip(&self.imports) {
      match definition {
        None => {}
        Some(Definition::Host { func, ty }) => {
          if let Some(ty) = ty.clone().or_else(|| import.ty().func().cloned()) {
            let binding = HostBinding::new(Arc::clone(func), ty.clone(), slot);
            define_host(&mut linker, import.module(), import.name(), ty, binding).map_err(other_failure)?;
          }
        }
        Some(Definition::Extern { item, .. }) => {
          if let Some(ctx) = &mut ctx {
            linker.define(ctx.as_context_mut(), import.module(), import.name(), item.clone()).map_err(other_failure)?;
          }
        }
      }
    }
    match (self.unknowns, ctx) {
      (Unknowns::Trap, _) => linker.define_unknown_imports_as_traps(&self.compiled.module).map_err(other_failure)?,
      (Unknowns::Default, Some(mut ctx)) => {
        linker
          .define_unknown_imports_as_default_values(ctx.as_context_mut(), &self.compiled.module)
          .map_err(other_failure)?;
      }
      _ => {}
    }
    Ok(linker)
  }

  /// Instantiates in `store`; the slot is made first, so that host calls of the start function find `object`.
  fn instantiate(&self, env: RawEnv, store: &StoreInner, object: Value) -> Result<u32, Failure> {
    if !wasmtime::Engine::same(&store.engine, &self.engine) {
      return Err(Failure::type_error("the module was compiled by another engine than the store's"));
    }
    store.with(|_| ())?;
    let info = Arc::clone(&self.compiled.info);
    let index = store.add_slot(InstanceSlot::new(self.compiled.module.clone(), info));
    let instances = store.holder_part(env, 0)?;
    env.set_element(instances, index, object).map_err(|_| Failure::Pending)?;
    let mut outcome = self.run(store, index);
    if matches!(&outcome, Err(failure) if failure.is_limit()) && !store.is_running() {
      // Perhaps what is in the way is only waiting to be collected.
      store.state.collect(env);
      outcome = self.run(store, index);
    }
    let slot = store.slot(index).ok_or_else(|| Failure::internal("the instance's slot is gone"))?;
    match outcome {
      Ok(instance) => {
        slot.instance.set(Some(instance));
        Ok(index)
      }
      Err(failure) => {
        slot.leave(&store.state);
        env.set_element(instances, index, env.undefined()).map_err(|_| Failure::Pending)?;
        Err(failure)
      }
    }
  }

  fn run(&self, store: &StoreInner, slot: u32) -> Result<wasmtime::Instance, Failure> {
    let outcome = match &self.shared {
      Some(shared) if slot == 0 || !self.needs_slot => store.enter(|ctx| shared.instantiate(ctx))?,
      _ => {
        let problems = store.with(|ctx| self.problems(Some((store.id, ctx))))?;
        if !problems.is_empty() {
          return Err(link_failure(problems));
        }
        let linker = store.with(|ctx| self.materialise(Some(ctx), slot))??;
        store.enter(|ctx| linker.instantiate(ctx, &self.compiled.module))?
      }
    };
    outcome.map_err(|error| store.failure(error))
  }
}

/// Defines a host function. Where the signature holds only numbers and vectors the unchecked variant of `func_new` is
/// used: it saves converting to and from `Val`, about 50 ns a call.
fn define_host(
  linker: &mut wasmtime::Linker<StoreData>,
  module: &str,
  name: &str,
  ty: FuncType,
  binding: HostBinding,
) -> wasmtime::Result<()> {
  if binding.is_numeric() {
    let call = move |caller: Caller<'_, StoreData>, slots: &mut [MaybeUninit<ValRaw>]| {
      // SAFETY: Wasmtime hands it initialised parameters of `ty`, with which the binding was made, and room for the results.
      unsafe { binding.call_raw(caller, slots) }
    };
    // SAFETY: the binding was made with the same `ty`, by whose kinds it reads the parameters and writes every result; none
    // is a reference.
    unsafe { linker.func_new_unchecked(module, name, ty, call) }?;
  } else {
    linker.func_new(module, name, ty, move |caller, params, results| binding.call_vals(caller, params, results))?;
  }
  Ok(())
}

/// A host function as a function of one store.
pub fn store_func(ctx: StoreContextMut<'_, StoreData>, ty: FuncType, binding: HostBinding) -> wasmtime::Func {
  if binding.is_numeric() {
    let call = move |caller: Caller<'_, StoreData>, slots: &mut [MaybeUninit<ValRaw>]| {
      // SAFETY: as in `define_host`.
      unsafe { binding.call_raw(caller, slots) }
    };
    // SAFETY: as in `define_host`.
    unsafe { wasmtime::Func::new_unchecked(ctx, ty, call) }
  } else {
    wasmtime::Func::new(ctx, ty, move |caller, params, results| binding.call_vals(caller, params, results))
  }
}

fn link_failure(problems: Vec<LinkProblemInfo>) -> Failure {
  let text = describe_problems(&problems);
  Failure::with_detail(FailureKind::Link, text, ErrorDetail { problems: Some(problems), ..ErrorDetail::default() })
}

fn other_failure(error: wasmtime::Error) -> Failure {
  Failure::new(FailureKind::Link, format!("{error:#}"))
}

/// Makes a host function from its description, its callback and, for the stack style, its array.
pub fn host_func(
  env: RawEnv,
  engine: &wasmtime::Engine,
  config: HostFuncConfig,
  callback: Value,
  stack: Option<Value>,
  counter: &Arc<AtomicU32>,
) -> Result<(Arc<HostFunc>, Option<FuncType>), Failure> {
  let ty = match (&config.params, &config.results) {
    (Some(params), Some(results)) => Some(parse_func_type(engine, params, results).map_err(Failure::type_error)?),
    _ => None,
  };
  let info = HostFuncInfo { module: config.module, name: config.name };
  let func = HostFunc::new(env, info, callback, config.with_module, stack, counter)?;
  Ok((Arc::new(func), ty))
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

  /// Lets the linker's JavaScript functions go, also where they are linked already. For the end of everything.
  #[napi(catch_unwind)]
  pub fn release_funcs(&self) {
    for definition in self.definitions.borrow().values().flat_map(HashMap::values) {
      if let Definition::Host { func, .. } = definition {
        func.release();
      }
    }
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
        Some(Definition::Host { ty: None, .. }) => {
          return Err(Failure::type_error(format!("{module}.{name} has no type of its own")));
        }
        Some(Definition::Host { func, ty: Some(ty) }) => {
          let binding = HostBinding::new(func, ty.clone(), NO_SLOT);
          store.with(|ctx| store_func(ctx, ty, binding))?.into()
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
      self.check_engine(&store)?;
      let pre = self.resolve(module, None)?;
      let problems = store.with(|ctx| pre.problems(Some((store.id, ctx))))?;
      if !problems.is_empty() {
        return Err(link_failure(problems));
      }
      let mut linker = store.with(|ctx| pre.materialise(Some(ctx), NO_SLOT))??;
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
      for (export, item) in items.map_err(|error| store.failure(error))? {
        self.insert(&name, &export, Definition::Extern { store_id: store.id, item })?;
      }
      Ok(())
    };
    define().map_err(|failure: Failure| failure.into_napi(raw))
  }
}

#[napi]
impl InstancePre {
  /// Makes an instance; gives its slot. `object` is what host functions get as the importing instance.
  #[napi(catch_unwind)]
  pub fn instantiate_in(
    &self,
    env: Env,
    #[napi(ts_arg_type = "StoreHandle")] store: Unknown,
    #[napi(ts_arg_type = "object")] object: Unknown,
  ) -> napi::Result<u32> {
    let raw = RawEnv(env.raw());
    let instantiate = || {
      let store = StoreInner::of(raw, Value(store.raw()))?;
      let resolved = self.resolved.borrow().clone().ok_or_else(|| Failure::closed("linked module"))?;
      resolved.instantiate(raw, &store, Value(object.raw()))
    };
    instantiate().map_err(|failure: Failure| failure.into_napi(raw))
  }

  /// Lets go of the module and the definitions. Instances are not affected.
  #[napi(catch_unwind)]
  pub fn close(&self) {
    self.resolved.borrow_mut().take();
  }
}
