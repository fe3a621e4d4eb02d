//! A call from wasm to a JavaScript function: the hot path out of wasm.
//!
//! Runs on the JavaScript thread's own stack, directly through Node-API: a store of this kind is never entered from a
//! fiber or from another thread.

use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wasmtime::{AsContextMut, Caller, FuncType, Val, ValRaw};

use crate::exception::{Raised, raise};
use crate::failure::{Failure, FailureKind, TypedFailure};
use crate::gc_handles::Root;
use crate::host_func::{HostFunc, Stack};
use crate::raw_env::{Kind, RawEnv, Refused, Value};
use crate::reference::JsReference;
use crate::signature::Signature;
use crate::stack_slots::{load_slot, raw_from_slots, raw_to_slots, store_slot};
use crate::store::{StoreData, StoreInner};
use crate::thrown::Thrown;
use crate::values::{describe, expectation, raw_from_js, raw_to_js};

/// Arguments that need no allocation, the instance not counted.
pub const INLINE: usize = 8;

/// A host function bound to the type that an import gives it.
pub struct HostBinding {
  pub func: Arc<HostFunc>,
  pub signature: Signature,
  /// The importing instance's slot; the first of the store if it is not bound to one.
  slot: u32,
}

/// One of our own errors on its way through wasm.
pub struct HostFailure(pub TypedFailure);

impl std::fmt::Debug for HostFailure {
  fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
    f.write_str(&self.0.message)
  }
}

impl std::fmt::Display for HostFailure {
  fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
    f.write_str(&self.0.message)
  }
}

impl std::error::Error for HostFailure {}

impl HostBinding {
  pub fn new(func: Arc<HostFunc>, ty: FuncType, slot: u32) -> Self {
    Self { func, signature: Signature::new(ty), slot }
  }

  /// The slot of the instance that imports it.
  pub fn slot(&self) -> u32 {
    self.slot
  }

  /// Whether guests do not wait for it.
  pub fn is_notify(&self) -> bool {
    self.func.notify
  }

  pub fn is_numeric(&self) -> bool {
    self.signature.numeric
  }

  /// The call for signatures without references: Wasmtime's raw slots, no allocation.
  ///
  /// # Safety
  /// `slots` holds parameters of the binding's signature and has room for its results.
  #[inline]
  pub unsafe fn call_raw(
    &self,
    mut caller: Caller<'_, StoreData>,
    slots: &mut [MaybeUninit<ValRaw>],
  ) -> wasmtime::Result<()> {
    // SAFETY: the store inner owns the store that runs this call.
    let store = unsafe { &*caller.data().inner };
    if store.tasks().is_some() {
      return Err(wrong_mode());
    }
    let Some(env) = store.state.env() else { return Err(going_down()) };
    if !store.state.js_stack.can_call() {
      return Err(too_deep());
    }
    store.renew_scope(env);
    if store.views.any() {
      store.detach_grown_views(env, caller.as_context_mut());
    }
    let outcome = match &self.func.stack {
      // SAFETY: this function's own contract.
      None => unsafe { self.natural(env, store, &mut caller, slots) },
      // SAFETY: as above.
      Some(stack) => unsafe { self.on_stack(env, store, &mut caller, slots, stack) },
    };
    match outcome {
      Ok(()) if store.is_armed() => store.check_time(),
      Ok(()) => Ok(()),
      Err(failure) => Err(raise(caller.as_context_mut(), self.error(env, store, failure))),
    }
  }

  #[inline]
  unsafe fn natural(
    &self,
    env: RawEnv,
    store: &StoreInner,
    caller: &mut Caller<'_, StoreData>,
    slots: &mut [MaybeUninit<ValRaw>],
  ) -> Result<(), Failure> {
    let function = self.func.callback(env).ok_or_else(|| self.collected())?;
    let undefined = env.undefined();
    let (mut inline, mut spilled) = ([undefined; INLINE + 1], Vec::new());
    let args = self.arguments(env, store, &mut inline, &mut spilled)?;
    let places = args.iter_mut().skip(usize::from(self.func.with_module));
    for ((kind, slot), arg) in self.signature.params.iter().zip(&*slots).zip(places) {
      // SAFETY: the slots of the parameters are initialised.
      let raw = unsafe { slot.assume_init_ref() };
      *arg = raw_to_js(env, *kind, raw).map_err(|_| Failure::Pending)?;
    }
    match &*self.signature.results {
      [] => store.in_host_call(caller, self.slot, || {
        let result = env.call(undefined, function, args).map_err(|_| Failure::Pending)?;
        self.check_nothing(env, result)
      }),
      [kind] => {
        let result = store.in_host_call(caller, self.slot, || env.call(undefined, function, args));
        let result = result.map_err(|_| Failure::Pending)?;
        let raw = raw_from_js(env, *kind, result).map_err(|_| self.wrong_result(env, None, result))?;
        if let Some(slot) = slots.first_mut() {
          slot.write(raw);
        }
        Ok(())
      }
      kinds => {
        // Reading the array may run JavaScript as well (a getter, a proxy).
        let results = store.in_host_call(caller, self.slot, || {
          let result = env.call(undefined, function, args).map_err(|_| Failure::Pending)?;
          self.elements(env, result)
        })?;
        for (index, ((kind, value), slot)) in kinds.iter().zip(&results).zip(slots).enumerate() {
          let raw = raw_from_js(env, *kind, *value).map_err(|_| self.wrong_result(env, Some(index), *value))?;
          slot.write(raw);
        }
        Ok(())
      }
    }
  }

  /// Room for the arguments, in one of the two places; the instance, if it is wanted, is there already.
  #[inline]
  pub fn arguments<'a>(
    &self,
    env: RawEnv,
    store: &StoreInner,
    inline: &'a mut [Value; INLINE + 1],
    spilled: &'a mut Vec<Value>,
  ) -> Result<&'a mut [Value], Failure> {
    let count = self.signature.params.len() + usize::from(self.func.with_module);
    let args = if let Some(args) = inline.get_mut(..count) { args } else { spill(spilled, env.undefined(), count) };
    if self.func.with_module
      && let Some(first) = args.first_mut()
    {
      *first = self.module_object(env, store)?;
    }
    Ok(args)
  }

  unsafe fn on_stack(
    &self,
    env: RawEnv,
    store: &StoreInner,
    caller: &mut Caller<'_, StoreData>,
    slots: &mut [MaybeUninit<ValRaw>],
    stack: &Stack,
  ) -> Result<(), Failure> {
    let function = self.func.callback(env).ok_or_else(|| self.collected())?;
    let array = stack.array(env).ok_or_else(|| self.collected())?;
    let memory = stack.slots();
    // The array stays the same for every call, so an outer call's values wait here while an inner one uses it.
    let nested = stack.busy.replace(true);
    let saved = if nested { save(memory) } else { Vec::new() };
    let mut place = 0;
    for (kind, slot) in self.signature.params.iter().zip(&*slots) {
      // SAFETY: the slots of the parameters are initialised.
      let raw = unsafe { slot.assume_init_ref() };
      let (low, high) = raw_to_slots(*kind, raw);
      store_slot(memory, &mut place, low);
      if let Some(high) = high {
        store_slot(memory, &mut place, high);
      }
    }
    let undefined = env.undefined();
    let module = self.func.with_module.then(|| self.module_object(env, store)).transpose();
    let result = store.in_host_call(caller, self.slot, || {
      let result = match module? {
        Some(module) => env.call(undefined, function, &[module, array]),
        None => env.call(undefined, function, &[array]),
      };
      // Only native promises here, as `async` functions return them: looking for other thenables would make this style
      // slower than natural values.
      let result = result.map_err(|_| Failure::Pending)?;
      if env.is_promise(result) { Err(self.promise()) } else { Ok(()) }
    });
    let mut place = memory.iter().map(load_slot);
    for (kind, slot) in self.signature.results.iter().zip(slots) {
      slot.write(raw_from_slots(*kind, &mut place));
    }
    stack.busy.set(nested);
    if nested {
      restore(memory, &saved);
    }
    result
  }

  /// The call for signatures with references.
  pub fn call_vals(
    &self,
    mut caller: Caller<'_, StoreData>,
    params: &[Val],
    results: &mut [Val],
  ) -> wasmtime::Result<()> {
    // SAFETY: the store inner owns the store that runs this call.
    let store = unsafe { &*caller.data().inner };
    if store.tasks().is_some() {
      return Err(wrong_mode());
    }
    let Some(env) = store.state.env() else { return Err(going_down()) };
    if !store.state.js_stack.can_call() {
      return Err(too_deep());
    }
    store.renew_scope(env);
    if store.views.any() {
      store.detach_grown_views(env, caller.as_context_mut());
    }
    match self.with_references(env, store, &mut caller, params, results) {
      Ok(()) if store.is_armed() => store.check_time(),
      Ok(()) => Ok(()),
      Err(failure) => Err(raise(caller.as_context_mut(), self.error(env, store, failure))),
    }
  }

  fn with_references(
    &self,
    env: RawEnv,
    store: &StoreInner,
    caller: &mut Caller<'_, StoreData>,
    params: &[Val],
    results: &mut [Val],
  ) -> Result<(), Failure> {
    let function = self.func.callback(env).ok_or_else(|| self.collected())?;
    let params = params
      .iter()
      .map(|val| store.val_to_reference(env, caller.as_context_mut(), *val))
      .collect::<Result<Vec<JsReference>, _>>()?;
    let module = self.func.with_module.then(|| self.module_object(env, store)).transpose()?;
    let types: Vec<_> = self.signature.ty.results().collect();
    // All that may run JavaScript: making `Func`s, the call, reading the results.
    let (values, ready) = store.in_host_call(caller, self.slot, || {
      let mut args = Vec::with_capacity(params.len() + 1);
      args.extend(module);
      for param in params {
        args.push(store.reference_value(env, param)?);
      }
      let result = env.call(env.undefined(), function, &args).map_err(|_| Failure::Pending)?;
      let values = match types.len() {
        0 => {
          self.check_nothing(env, result)?;
          Vec::new()
        }
        1 => vec![result],
        _ => self.elements(env, result)?,
      };
      let mut ready = Vec::with_capacity(values.len());
      for (index, (ty, value)) in types.iter().zip(&values).enumerate() {
        if types.len() == 1 && env.is_promise(*value) && !is_any(ty) {
          return Err(self.promise());
        }
        ready.push(store.prepare(env, ty, *value)?.ok_or_else(|| self.wrong_result(env, Some(index), *value))?);
      }
      Ok((values, ready))
    })?;
    let mut finished: Vec<(usize, Option<Val>)> = Vec::with_capacity(ready.len());
    for (index, (ty, ready)) in types.iter().zip(ready).enumerate() {
      finished.push((index, store.finish(caller.as_context_mut(), ty, ready)?));
    }
    for ((index, val), target) in finished.into_iter().zip(results) {
      let value = values.get(index).copied().unwrap_or_else(|| env.undefined());
      *target = val.ok_or_else(|| self.wrong_result(env, Some(index), value))?;
    }
    Ok(())
  }

  pub fn module_object(&self, env: RawEnv, store: &StoreInner) -> Result<Value, Failure> {
    match store.slot(self.slot) {
      Some(slot) => slot.object(env, store, self.slot),
      None => Ok(env.undefined()),
    }
  }

  /// The elements of an array of as many results as the signature has.
  pub fn elements(&self, env: RawEnv, result: Value) -> Result<Vec<Value>, Failure> {
    let count = self.signature.results.len();
    if !env.is_array(result) {
      if env.is_promise(result) {
        return Err(self.promise());
      }
      return Err(self.mismatch(format!("expected an array of {count} results, got {}", describe(env, result))));
    }
    let length = env.array_length(result).map_err(|_| Failure::Pending)?;
    if usize::try_from(length) != Ok(count) {
      return Err(self.mismatch(format!("expected an array of {count} results, got one of {length}")));
    }
    (0..length).map(|index| env.get_element(result, index).map_err(|_| Failure::Pending)).collect()
  }

  /// A function without results may return anything but a promise, which would be lost. May run JavaScript.
  #[inline]
  fn check_nothing(&self, env: RawEnv, result: Value) -> Result<(), Failure> {
    if env.kind(result) == Kind::Object { self.check_object(env, result) } else { Ok(()) }
  }

  #[cold]
  fn check_object(&self, env: RawEnv, result: Value) -> Result<(), Failure> {
    let Ok(then) = env.get_named(result, c"then") else {
      // The value is of no use to anyone; that it resists being looked at is nobody's error.
      env.take_exception();
      return Ok(());
    };
    if env.kind(then) == Kind::Function { Err(self.promise()) } else { Ok(()) }
  }

  #[cold]
  pub fn promise(&self) -> Failure {
    self.mismatch("it returned a promise, which a synchronous call cannot wait for".into())
  }

  #[cold]
  pub fn wrong_result(&self, env: RawEnv, index: Option<usize>, value: Value) -> Failure {
    if env.is_exception_pending() {
      return Failure::Pending;
    }
    if env.is_promise(value) {
      return self.promise();
    }
    let expected = self.signature.ty.result(index.unwrap_or(0)).map(|ty| expectation(&ty)).unwrap_or_default();
    let place = index.map_or_else(|| "the result".to_owned(), |index| format!("result[{index}]"));
    self.mismatch(format!("expected {place} to be {expected}, got {}", describe(env, value)))
  }

  #[cold]
  pub fn mismatch(&self, text: String) -> Failure {
    Failure::type_error(format!("host function {}{}: {text}", self.func.info.display_name(), self.signature.text()))
  }

  #[cold]
  pub fn collected(&self) -> Failure {
    Failure::internal(format!("host function {} was collected", self.func.info.display_name()))
  }

  /// The error that carries what the function has thrown, or what its promise was rejected with.
  #[cold]
  pub fn thrown(&self, env: RawEnv, store: &StoreInner, value: Value) -> wasmtime::Error {
    if let Ok(Some(Root::Exception(exception))) = store.own_gc_root_of(env, value) {
      return wasmtime::Error::new(Raised::new(exception));
    }
    match Thrown::new(env, self.func.state(), value, &self.func.info, self.signature.text()) {
      Ok(thrown) => wasmtime::Error::new(thrown),
      Err(Refused) => going_down(),
    }
  }

  /// The error that carries a failure through wasm.
  #[cold]
  pub fn error(&self, env: RawEnv, store: &StoreInner, failure: Failure) -> wasmtime::Error {
    match failure {
      Failure::Typed(typed) => wasmtime::Error::new(HostFailure(*typed)),
      Failure::Thrown(thrown) => thrown.error,
      Failure::Exception(exception) => self.thrown(env, store, exception.value),
      Failure::ExitWithResults(exit) => {
        let (code, _) = *exit;
        wasmtime::Error::new(HostFailure(TypedFailure {
          kind: FailureKind::Exit,
          message: format!("module closed with exit_code({code})"),
          detail: crate::failure::ErrorDetail { exit_code: Some(code), ..Default::default() },
        }))
      }
      Failure::Pending => match env.take_exception() {
        Some(value) => self.thrown(env, store, value),
        None => going_down(),
      },
    }
  }
}

#[cold]
fn spill(place: &mut Vec<Value>, undefined: Value, count: usize) -> &mut [Value] {
  place.resize(count, undefined);
  place
}

#[cold]
fn save(memory: &[AtomicU64]) -> Vec<u64> {
  memory.iter().map(load_slot).collect()
}

#[cold]
fn restore(memory: &[AtomicU64], saved: &[u64]) {
  for (slot, bits) in memory.iter().zip(saved) {
    slot.store(*bits, Ordering::Relaxed);
  }
}

/// Whether a promise is as good as any other value.
fn is_any(ty: &wasmtime::ValType) -> bool {
  matches!(ty, wasmtime::ValType::Ref(reference) if matches!(reference.heap_type(), wasmtime::HeapType::Extern | wasmtime::HeapType::Any))
}

/// Nothing may be thrown here, so the error is made where wasm was entered.
#[cold]
pub fn too_deep() -> wasmtime::Error {
  match Failure::stack_overflow() {
    Failure::Typed(typed) => wasmtime::Error::new(HostFailure(*typed)),
    _ => going_down(),
  }
}

/// JavaScript is never entered from a fiber; linking sees to that, and this makes sure.
#[cold]
fn wrong_mode() -> wasmtime::Error {
  wasmtime::Error::msg("a synchronous host function in a store in async mode")
}

#[cold]
fn going_down() -> wasmtime::Error {
  wasmtime::Error::msg("JavaScript execution is ending")
}
