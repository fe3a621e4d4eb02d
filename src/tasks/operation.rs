//! A call or an instantiation in async mode, from its arguments to its outcome.
//!
//! Lives on: made, begun and finished on the JavaScript thread; `run` is polled by whoever has the store's task.

use std::rc::Rc;

use wasmtime::{AsContextMut, Func, RootScope, StoreContextMut, Val, ValType};

use crate::exception::Broken;
use crate::failure::{Failure, FailureKind, TypedFailure};
use crate::float_bits::Floats;
use crate::host_call::HostFailure;
use crate::instance_pre::Resolved;
use crate::instance_slot::{INSTANCES, InstanceSlot};
use crate::raw_env::{RawEnv, Value};
use crate::reference::{JsReference, Owned};
use crate::store::{FuelBudget, StoreData, StoreInner};
use crate::values::{Ready, results_to_js};

/// What an operation does.
pub enum Work {
  Call(Call),
  /// A module that is linked when the operation begins, and the slot of its instance.
  Instantiate(Rc<Resolved>, u32),
}

pub struct Call {
  pub func: Func,
  pub types: Box<[ValType]>,
  pub params: Vec<Ready>,
  /// How many there will be.
  pub results: usize,
  /// In which form they are wanted.
  pub floats: Floats,
}

/// What an operation has made.
pub enum Made {
  Values(Vec<Owned>),
  Instance(wasmtime::Instance),
}

/// What the future takes with it.
enum Input {
  Call(Call),
  /// Linked, and how many memories and tables come with it.
  Instantiate(wasmtime::InstancePre<StoreData>, u32),
}

pub struct Operation {
  work: Option<Work>,
  input: Option<Input>,
  /// The instance that answers for it when it is closed; null for functions that belong to none.
  slot: *const InstanceSlot,
  /// The slot of the instance that it makes.
  made_slot: Option<u32>,
  floats: Floats,
  pub outcome: Option<Result<Made, Broken>>,
  /// It was asked to stop.
  pub stopped: bool,
  /// It is not under way any more. Set on the JavaScript thread, unlike the outcome.
  pub ended: bool,
  /// It makes an instance for the second time, after it found no memory.
  pub again: bool,
  /// What it may use of its store's fuel.
  pub fuel: Option<u64>,
  /// That, while it is under way. On the JavaScript thread.
  pub budget: Option<FuelBudget>,
}

impl Operation {
  pub fn new(work: Work, slot: *const InstanceSlot) -> Self {
    let (made_slot, floats) = match &work {
      Work::Instantiate(_, slot) => (Some(*slot), Floats::Numbers),
      Work::Call(call) => (None, call.floats),
    };
    Self {
      work: Some(work),
      input: None,
      slot,
      made_slot,
      floats,
      outcome: None,
      stopped: false,
      ended: false,
      again: false,
      fuel: None,
      budget: None,
    }
  }

  pub fn slot(&self) -> Option<&InstanceSlot> {
    // SAFETY: slots live as long as the store, whose operation this is.
    unsafe { self.slot.as_ref() }
  }

  /// Puts the instance that it has made into its slot. The operation has ended, on the JavaScript thread.
  pub fn publish(this: *mut Self, store: &StoreInner) {
    // SAFETY: the operation is in its store's list, and its future has ended.
    let operation = unsafe { &*this };
    if let (Some(slot), Some(Ok(Made::Instance(instance)))) = (operation.made_slot, &operation.outcome)
      && let Some(slot) = store.slot(slot)
    {
      slot.instance.set(Some(*instance));
    }
  }

  /// Whether it calls something of an instance that has failed to start.
  pub fn is_left_behind(&self) -> bool {
    self.made_slot.is_none() && self.slot().is_some_and(|slot| !slot.is_live())
  }

  /// Notes that it was asked to stop. On the JavaScript thread.
  pub fn stop(this: *mut Self) {
    // SAFETY: the operation is in its store's list, and the flag is used on the JavaScript thread alone.
    unsafe { (*this).stopped = true };
  }

  /// Does what needs the store, on the JavaScript thread, before the operation runs.
  pub fn prepare(&mut self, store: &StoreInner) -> Result<(), Failure> {
    self.input = match self.work.take() {
      Some(Work::Call(call)) => Some(Input::Call(call)),
      Some(Work::Instantiate(resolved, slot)) => {
        let pre = resolved.for_async(store, slot)?;
        let parts = store.admit_instance(&resolved.compiled.module)?;
        Some(Input::Instantiate(pre, parts))
      }
      None => None,
    };
    Ok(())
  }

  /// Runs it in `ctx`, up to its outcome. The first poll is on the JavaScript thread.
  ///
  /// # Safety
  /// `this` stays where it is until the future has ended or is dropped, and nobody else uses it meanwhile but to read and
  /// write `stopped`, and to read whether there is an outcome.
  pub unsafe fn run(this: *mut Self, ctx: StoreContextMut<'_, StoreData>) -> impl Future<Output = ()> + Send {
    // SAFETY: this function's own contract.
    let input = unsafe { (*this).input.take() };
    let this = Pointer(this);
    async move {
      let outcome = match input {
        Some(Input::Call(input)) => call(input, ctx).await.map(Made::Values),
        Some(Input::Instantiate(pre, parts)) => instantiate(pre, parts, ctx).await.map(Made::Instance),
        None => Err(Broken::without_frames(wasmtime::Error::msg("the operation was not prepared"))),
      };
      this.end(outcome);
    }
  }

  /// The result in JavaScript. The operation has ended; `Err` is its own failure.
  pub fn finish(mut self, env: RawEnv, store: &StoreInner) -> Result<Value, Failure> {
    if let Some(slot) = self.made_slot {
      return self.finish_instance(env, store, slot);
    }
    let floats = self.floats;
    let references = self
      .outputs(env, store)?
      .into_iter()
      .map(|output| {
        // Numbers need no store, which a host function may have closed.
        if let Owned::Val(val) = &output
          && let Some(value) = floats.number_to_js(env, val)
        {
          return value.map(JsReference::Value).map_err(|_| Failure::Pending);
        }
        store.with_even_closed(|ctx| {
          let mut scope = RootScope::new(ctx);
          let val = output.to_val(scope.as_context_mut());
          floats.val_to_reference(env, store, scope.as_context_mut(), val)
        })?
      })
      .collect::<Result<Vec<_>, Failure>>()?;
    let values =
      references.into_iter().map(|reference| store.reference_value(env, reference)).collect::<Result<Vec<_>, _>>()?;
    let result = results_to_js(env, &values).map_err(|_| Failure::Pending)?;
    match self.slot().and_then(InstanceSlot::exit_code) {
      None => Ok(result),
      Some(code) => Err(Failure::ExitWithResults(Box::new((code, result)))),
    }
  }

  /// The values of a call with numbers only, in Wasmtime's form.
  pub fn finish_numbers(mut self, env: RawEnv, store: &StoreInner) -> Result<Vec<Val>, Failure> {
    let numbers = self.outputs(env, store)?.into_iter().map(|output| match output {
      Owned::Val(val) => val,
      Owned::Extern(_) | Owned::Any(_) | Owned::Exception(_) => Val::I32(0),
    });
    Ok(numbers.collect())
  }

  /// What a call has given.
  fn outputs(&mut self, env: RawEnv, store: &StoreInner) -> Result<Vec<Owned>, Failure> {
    match self.outcome.take() {
      Some(Ok(Made::Values(outputs))) => Ok(outputs),
      Some(Ok(Made::Instance(_))) => Ok(Vec::new()),
      Some(Err(broken)) => Err(store.failure(env, broken)),
      None => Err(self.unfinished(store)),
    }
  }

  fn finish_instance(&mut self, env: RawEnv, store: &StoreInner, index: u32) -> Result<Value, Failure> {
    let slot = store.slot(index).ok_or_else(|| Failure::internal("the instance's slot is gone"))?;
    let failure = match self.outcome.take() {
      Some(Ok(Made::Instance(_))) => {
        slot.find_exports(store, index)?;
        return env.uint32(index).map_err(|_| Failure::Pending);
      }
      Some(Ok(Made::Values(_))) | None => self.unfinished(store),
      Some(Err(broken)) => store.failure(env, broken),
    };
    if failure.is_shortage() && !self.again && !store.is_closed() {
      // Perhaps what is in the way is only waiting to be collected: to be tried again, in the same slot.
      return Ok(env.null());
    }
    self.leave_slot(env, store)?;
    Err(failure)
  }

  /// Gives up the slot of an instance that was not made.
  pub fn leave_slot(&self, env: RawEnv, store: &StoreInner) -> Result<(), Failure> {
    let Some(index) = self.made_slot else { return Ok(()) };
    if let Some(slot) = store.slot(index) {
      slot.leave(&store.state);
    }
    match store.holder_part(env, INSTANCES) {
      Ok(instances) => env.set_element(instances, index, env.undefined()).map_err(|_| Failure::Pending),
      Err(_) => Ok(()),
    }
  }

  /// What an operation ends with that is under way in a closed store.
  pub fn end_of(this: *mut Self, store: &StoreInner) -> Failure {
    // SAFETY: the operation is in its store's list; the slot is never written after it was made.
    let slot = unsafe { (*this).slot };
    // SAFETY: as in `slot`.
    unfinished(unsafe { slot.as_ref() }, store)
  }

  fn unfinished(&self, store: &StoreInner) -> Failure {
    unfinished(self.slot(), store)
  }
}

/// What an operation ends with that had no end of its own.
fn unfinished(slot: Option<&InstanceSlot>, store: &StoreInner) -> Failure {
  match slot.and_then(InstanceSlot::exit_code) {
    Some(code) => Failure::exit(code),
    None if store.is_closed() => Failure::closed("store"),
    None => Failure::internal("the call ended without an outcome"),
  }
}

struct Pointer(*mut Operation);
// SAFETY: the operation travels with the store's task; see `Operation::run`.
unsafe impl Send for Pointer {}

impl Pointer {
  fn end(self, outcome: Result<Made, Broken>) {
    // SAFETY: see `Operation::run`.
    unsafe { (*self.0).outcome = Some(outcome) };
  }
}

async fn call(call: Call, ctx: StoreContextMut<'_, StoreData>) -> Result<Vec<Owned>, Broken> {
  let Call { func, types, params, results, .. } = call;
  // References made here are rooted for this call only.
  let mut scope = RootScope::new(ctx);
  let mut vals = Vec::with_capacity(params.len());
  for (index, (param, ty)) in params.into_iter().zip(&types).enumerate() {
    let inner = scope.as_context_mut().data().inner;
    // SAFETY: the store inner owns the store whose context this is; the first poll of an operation, up to here, is on the
    // JavaScript thread.
    let val = unsafe { &*inner }.finish(scope.as_context_mut(), ty, param);
    match val {
      Ok(Some(val)) => vals.push(val),
      Ok(None) => {
        let expected = crate::values::expectation(ty);
        return Err(refused(format!("param[{index}] expected {expected}, got a value of another type")));
      }
      Err(Failure::Typed(typed)) => {
        return Err(Broken::without_frames(wasmtime::Error::new(HostFailure(*typed))));
      }
      Err(_) => return Err(refused(format!("param[{index}] could not be passed"))),
    }
  }
  let mut values = vec![Val::I32(0); results];
  if let Err(error) = func.call_async(&mut scope, &vals, &mut values).await {
    return Err(Broken::new(scope.as_context_mut(), error));
  }
  let mut outputs = Vec::with_capacity(values.len());
  for val in values {
    match Owned::new(scope.as_context_mut(), val) {
      Ok(owned) => outputs.push(owned),
      Err(error) => return Err(Broken::new(scope.as_context_mut(), error)),
    }
  }
  Ok(outputs)
}

async fn instantiate(
  pre: wasmtime::InstancePre<StoreData>,
  parts: u32,
  mut ctx: StoreContextMut<'_, StoreData>,
) -> Result<wasmtime::Instance, Broken> {
  ctx.data_mut().begin_making(parts);
  let made = pre.instantiate_async(&mut ctx).await;
  ctx.data_mut().end_making();
  match made {
    Ok(instance) => Ok(instance),
    Err(error) => Err(Broken::new(ctx, error)),
  }
}

fn refused(message: String) -> Broken {
  let typed = TypedFailure { kind: FailureKind::Type, message, detail: crate::failure::ErrorDetail::default() };
  Broken::without_frames(wasmtime::Error::new(HostFailure(typed)))
}
