//! A module whose imports are resolved: what it imports is checked, and materialised in a Wasmtime linker of its own for
//! the instance that is to be made. Lives on: the JavaScript thread.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use napi::JsValue;
use napi::bindgen_prelude::{Env, Unknown};
use napi_derive::napi;
use wasmtime::{AsContextMut, Extern, ExternType, FuncType, StoreContextMut};

use crate::failure::{ErrorDetail, Failure, FailureKind, LinkProblemInfo};
use crate::host_call::{HostBinding, HostFailure};
use crate::host_definition::define_host;
use crate::host_func::HostFunc;
use crate::instance_slot::{INSTANCES, InstanceSlot};
use crate::link_check::{current_size, describe_problems, mismatch};
use crate::module::Compiled;
use crate::raw_env::{RawEnv, Value};
use crate::store::{Deadline, Mode, StoreData, StoreInner};
use crate::tasks::{Operation, Work};
use crate::wasi::WasiFunc;

#[derive(Clone)]
pub enum Definition {
  /// A JavaScript function; without a type it takes that of each import.
  Host { func: Arc<HostFunc>, ty: Option<FuncType> },
  /// A function of WASI; what it works with is the store's.
  Wasi(WasiFunc),
  /// Something of one store.
  Extern { store_id: u64, item: Extern },
  /// A shared memory, which any store can import, but which Wasmtime links in one store at a time.
  Shared(wasmtime::SharedMemory),
}

/// What to do with imports that are not defined.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Unknowns {
  Refuse,
  Trap,
  Default,
}

/// A module whose imports are resolved, ready to be instantiated any number of times.
#[napi]
pub struct InstancePre {
  pub(crate) resolved: RefCell<Option<Rc<Resolved>>>,
}

/// What an [`InstancePre`] holds until it is closed.
pub struct Resolved {
  pub engine: wasmtime::Engine,
  pub compiled: Compiled,
  /// For each import of the module, its definition if there is one.
  pub imports: Vec<Option<Definition>>,
  pub unknowns: Unknowns,
  /// Whether an instance needs closures of its own (because a host function wants to know the instance) unless it is
  /// the first of its store.
  pub needs_slot: bool,
  /// Whether a store must have WASI.
  pub needs_wasi: bool,
  /// Linked for the first instance of any store; `None` if something belongs to one store.
  pub shared: Option<wasmtime::InstancePre<StoreData>>,
  /// The same for stores in async mode, made for the first of them.
  pub shared_async: OnceCell<wasmtime::InstancePre<StoreData>>,
}

impl Resolved {
  pub fn is_store_independent(&self) -> bool {
    self.unknowns != Unknowns::Default
      && !self
        .imports
        .iter()
        .flatten()
        .any(|definition| matches!(definition, Definition::Extern { .. } | Definition::Shared(_)))
  }

  /// Everything that is wrong; what belongs to a store is checked only when the store is given.
  pub fn problems(&self, mut store: Option<(u64, StoreContextMut<'_, StoreData>)>) -> Vec<LinkProblemInfo> {
    let mut problems = Vec::new();
    let mut host_types: HashMap<(&str, &str), FuncType> = HashMap::new();
    let mut unknown_types: HashMap<(&str, &str), ExternType> = HashMap::new();
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
            continue;
          }
          // Of two imports of one name Wasmtime makes what the first one asks for, for both.
          match unknown_types.get(&(module, name)) {
            Some(first) if mismatch(module, name, &expected, first, None).is_some() => problems.push(problem(
              "other",
              Some("it is imported twice with different types, so nothing can stand in for it".into()),
            )),
            _ => {
              unknown_types.insert((module, name), expected.clone());
            }
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
        (Some(Definition::Wasi(func)), _) => {
          problems.extend(mismatch(module, name, &expected, &ExternType::Func(func.ty(&self.engine)), None));
        }
        (Some(Definition::Extern { .. }), None) => {}
        (Some(Definition::Shared(memory)), _) => {
          let actual = ExternType::Memory(memory.ty());
          problems.extend(mismatch(module, name, &expected, &actual, Some(memory.size())));
        }
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
  pub fn materialise(
    &self,
    mut ctx: Option<StoreContextMut<'_, StoreData>>,
    slot: u32,
    mode: Mode,
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
            define_host(&mut linker, import.module(), import.name(), ty, binding, mode).map_err(other_failure)?;
          }
        }
        Some(Definition::Shared(memory)) => {
          if let Some(ctx) = &mut ctx {
            linker
              .define(ctx.as_context_mut(), import.module(), import.name(), memory.clone())
              .map_err(other_failure)?;
          }
        }
        Some(Definition::Wasi(func)) => {
          func.define(&mut linker, import.module(), import.name(), mode).map_err(other_failure)?;
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
  fn instantiate(
    &self,
    env: RawEnv,
    store: &StoreInner,
    object: Value,
    deadline: Option<Deadline>,
  ) -> Result<u32, Failure> {
    self.check_engine(store)?;
    store.require_mode(env, Mode::Sync)?;
    self.check_wasi(store)?;
    let _limit = deadline.map(|deadline| store.limit_time(deadline)).transpose()?;
    let index = self.add_slot(env, store, object)?;
    let instances = store.holder_part(env, INSTANCES)?;
    let mut outcome = self.run(store, index);
    if matches!(&outcome, Err(failure) if failure.is_shortage()) && !store.is_running() {
      // Perhaps what is in the way is only waiting to be collected.
      store.state.collect(env);
      let again = self.run(store, index);
      // Wasmtime has counted the first attempt: that it was one too many is not what was wrong.
      if !matches!(&again, Err(Failure::Typed(typed)) if typed.detail.limit.is_some()) {
        outcome = again;
      }
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

  fn check_engine(&self, store: &StoreInner) -> Result<(), Failure> {
    if wasmtime::Engine::same(&store.engine, &self.engine) {
      return Ok(());
    }
    Err(Failure::type_error("the module was compiled by another engine than the store's"))
  }

  /// Fails also if the store is closed or in use.
  pub fn check_wasi(&self, store: &StoreInner) -> Result<(), Failure> {
    if !store.has_wasi()? && self.needs_wasi { Err(crate::wasi::missing()) } else { Ok(()) }
  }

  /// Makes the slot of an instance, so that host calls of the start function find `object`.
  fn add_slot(&self, env: RawEnv, store: &StoreInner, object: Value) -> Result<u32, Failure> {
    let info = Arc::clone(&self.compiled.info);
    let index = store.add_slot(InstanceSlot::new(self.compiled.module.clone(), info));
    let instances = store.holder_part(env, INSTANCES)?;
    env.set_element(instances, index, object).map_err(|_| Failure::Pending)?;
    Ok(index)
  }

  /// What makes the instance in `slot` of a store in async mode.
  pub fn for_async(&self, store: &StoreInner, slot: u32) -> Result<wasmtime::InstancePre<StoreData>, Failure> {
    self.check_wasi(store)?;
    if self.is_store_independent() && (slot == 0 || !self.needs_slot) {
      if let Some(shared) = self.shared_async.get() {
        return Ok(shared.clone());
      }
      let linker = self.materialise(None, 0, Mode::Async)?;
      let made = linker.instantiate_pre(&self.compiled.module).map_err(other_failure)?;
      return Ok(self.shared_async.get_or_init(|| made).clone());
    }
    self.link_in(store, slot, Mode::Async)?.instantiate_pre(&self.compiled.module).map_err(other_failure)
  }

  /// Checks the definitions against the store, and links them for the instance in `slot`.
  fn link_in(&self, store: &StoreInner, slot: u32, mode: Mode) -> Result<wasmtime::Linker<StoreData>, Failure> {
    let problems = store.with(|ctx| self.problems(Some((store.id, ctx))))?;
    if !problems.is_empty() {
      return Err(link_failure(problems));
    }
    store.with(|ctx| self.materialise(Some(ctx), slot, mode))?
  }

  fn run(&self, store: &StoreInner, slot: u32) -> Result<wasmtime::Instance, Failure> {
    match &self.shared {
      Some(shared) if slot == 0 || !self.needs_slot => self.make(store, |ctx| shared.instantiate(ctx)),
      _ => {
        let linker = self.link_in(store, slot, Mode::Sync)?;
        self.make(store, |ctx| linker.instantiate(ctx, &self.compiled.module))
      }
    }
  }

  fn make(
    &self,
    store: &StoreInner,
    instantiate: impl FnOnce(StoreContextMut<'_, StoreData>) -> wasmtime::Result<wasmtime::Instance>,
  ) -> Result<wasmtime::Instance, Failure> {
    let parts = store.admit_instance(&self.compiled.module)?;
    let outcome = store.enter(|mut ctx| {
      let made = StoreInner::make_parts(ctx.as_context_mut(), parts, instantiate);
      made.map_err(|error| store.broken_off(ctx, error))
    })?;
    outcome.map_err(|end| store.ended(end))
  }
}

#[napi]
impl InstancePre {
  /// Makes an instance; gives its slot. `object` is what host functions get as the importing instance. `timeout_ms` stops
  /// the start function.
  #[napi(catch_unwind)]
  pub fn instantiate_in(
    &self,
    env: Env,
    #[napi(ts_arg_type = "StoreHandle")] store: Unknown,
    #[napi(ts_arg_type = "object")] object: Unknown,
    timeout_ms: Option<f64>,
  ) -> napi::Result<u32> {
    let raw = RawEnv(env.raw());
    let instantiate = || {
      let store = StoreInner::of(raw, Value(store.raw()))?;
      let resolved = self.resolved.borrow().clone().ok_or_else(|| Failure::closed("linked module"))?;
      let deadline = timeout_ms.map(|timeout_ms| Deadline::of_call(timeout_ms, 0.0));
      resolved.instantiate(raw, &store, Value(object.raw()), deadline)
    };
    instantiate().map_err(|failure: Failure| failure.into_napi(raw))
  }

  /// Begins an instance in a store in async mode; gives the number of the operation that makes it. `object` is as for
  /// `instantiateIn`; `slot` is that of an attempt before, which found no memory.
  #[napi(catch_unwind)]
  pub fn begin_instance(
    &self,
    env: Env,
    #[napi(ts_arg_type = "StoreHandle")] store: Unknown,
    #[napi(ts_arg_type = "object")] object: Unknown,
    slot: Option<u32>,
  ) -> napi::Result<u32> {
    let raw = RawEnv(env.raw());
    let begin = || {
      let store = StoreInner::of(raw, Value(store.raw()))?;
      let resolved = self.resolved.borrow().clone().ok_or_else(|| Failure::closed("linked module"))?;
      resolved.check_engine(&store)?;
      if store.is_closed() {
        return Err(Failure::closed("store"));
      }
      store.require_mode(raw, Mode::Async)?;
      let again = slot.is_some();
      let slot = match slot {
        Some(slot) => slot,
        None => resolved.add_slot(raw, &store, Value(object.raw()))?,
      };
      let tasks = store.tasks().ok_or_else(|| Failure::internal("no tasks"))?;
      let answers = store.slot(slot).map_or(std::ptr::null(), std::ptr::from_ref);
      let mut operation = Operation::new(Work::Instantiate(resolved, slot), answers);
      operation.again = again;
      Ok(tasks.add(operation))
    };
    begin().map_err(|failure: Failure| failure.into_napi(raw))
  }

  /// Lets go of the module and the definitions. Instances are not affected.
  #[napi(catch_unwind)]
  pub fn close(&self) {
    self.resolved.borrow_mut().take();
  }
}

pub fn link_failure(problems: Vec<LinkProblemInfo>) -> Failure {
  let text = describe_problems(&problems);
  Failure::with_detail(FailureKind::Link, text, ErrorDetail { problems: Some(problems), ..ErrorDetail::default() })
}

pub fn other_failure(error: wasmtime::Error) -> Failure {
  if let Some(HostFailure(typed)) = error.downcast_ref::<HostFailure>() {
    return Failure::with_detail(typed.kind, typed.message.clone(), typed.detail.clone());
  }
  Failure::new(FailureKind::Link, format!("{error:#}"))
}
