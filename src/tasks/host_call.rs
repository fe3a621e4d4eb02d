//! Calls the JavaScript function that a frame wants, and converts what it gives: at once, or when its promise settles.
//! Lives on: the JavaScript thread's own stack, while the frame's fiber is suspended or in the middle of its poll.

use wasmtime::Val;

use super::frame::{HostFrame, StackUse};
use crate::failure::Failure;
use crate::host_call::{HostBinding, INLINE};
use crate::host_func::Stack;
use crate::raw_env::{Kind, RawEnv, Refused, Value};
use crate::signature::ValueKind;
use crate::stack_slots::{load_slot, store_slot, val_from_raw, val_from_slots, val_to_slots};
use crate::store::StoreInner;
use crate::values::{raw_from_js, val_to_js};

/// What a host function answers with.
pub enum Answer {
  /// Its results are in the frame.
  Done,
  /// A promise, or another object with a method `then`.
  Waits(Value),
}

impl HostBinding {
  /// Calls the function for a frame that is the active context of its store.
  ///
  /// # Safety
  /// `frame` waits for its function, and stays where it is while JavaScript runs.
  pub unsafe fn call_for(&self, env: RawEnv, store: &StoreInner, frame: *mut HostFrame) -> Result<Answer, Failure> {
    let params = HostFrame::at(frame).params();
    let array = match &self.func.stack {
      Some(stack) => Some(self.fill_stack(env, stack, params, &mut HostFrame::at(frame).stack)?),
      None => None,
    };
    let result = self.invoke(env, store, params, array)?;
    if self.func.notify {
      // Nobody waits for it: what it rejects with is an unhandled rejection, as of any promise that is dropped.
      return Ok(Answer::Done);
    }
    if self.is_thenable(env, result)? {
      return Ok(Answer::Waits(result));
    }
    // SAFETY: this function's own contract.
    unsafe { self.settle_for(env, store, frame, result) }?;
    Ok(Answer::Done)
  }

  /// Calls the function with natural values, or with the array of the stack style.
  #[inline]
  fn invoke(&self, env: RawEnv, store: &StoreInner, params: &[Val], array: Option<Value>) -> Result<Value, Failure> {
    let undefined = env.undefined();
    let function = self.func.callback(env).ok_or_else(|| self.collected())?;
    let result = if let Some(array) = array {
      if self.func.with_module {
        env.call(undefined, function, &[self.module_object(env, store)?, array])
      } else {
        env.call(undefined, function, &[array])
      }
    } else {
      let (mut inline, mut spilled) = ([undefined; INLINE + 1], Vec::new());
      let args = self.arguments(env, store, &mut inline, &mut spilled)?;
      for (param, arg) in params.iter().zip(args.iter_mut().skip(usize::from(self.func.with_module))) {
        *arg = if let Some(value) = val_to_js(env, param) {
          value.map_err(|_| Failure::Pending)?
        } else {
          reference_argument(env, store, *param)?
        };
      }
      env.call(undefined, function, args)
    };
    result.map_err(|_| Failure::Pending)
  }

  /// Converts the results and puts them into the frame.
  ///
  /// # Safety
  /// As for `call_for`.
  pub unsafe fn settle_for(
    &self,
    env: RawEnv,
    store: &StoreInner,
    frame: *mut HostFrame,
    value: Value,
  ) -> Result<(), Failure> {
    let results = HostFrame::at(frame).results();
    if let Some(stack) = &self.func.stack {
      return self.read_stack(env, stack, &HostFrame::at(frame).stack, results);
    }
    match results {
      [] => Ok(()),
      [result] => self.put(env, store, None, value, result),
      results => {
        let values = self.elements(env, value)?;
        for (index, (value, result)) in values.iter().zip(results).enumerate() {
          self.put(env, store, Some(index), *value, result)?;
        }
        Ok(())
      }
    }
  }

  fn put(
    &self,
    env: RawEnv,
    store: &StoreInner,
    index: Option<usize>,
    value: Value,
    result: &mut Val,
  ) -> Result<(), Failure> {
    let place = index.unwrap_or(0);
    let wrong = || self.wrong_result(env, index, value);
    let kind = self.signature.results.get(place).copied().unwrap_or(ValueKind::Reference);
    if kind != ValueKind::Reference {
      let raw = raw_from_js(env, kind, value).map_err(|_| wrong())?;
      *result = val_from_raw(kind, &raw);
      return Ok(());
    }
    self.put_reference(env, store, index, value, result)
  }

  /// Apart from `put`, whose numbers are the hot path.
  #[cold]
  fn put_reference(
    &self,
    env: RawEnv,
    store: &StoreInner,
    index: Option<usize>,
    value: Value,
    result: &mut Val,
  ) -> Result<(), Failure> {
    let wrong = || self.wrong_result(env, index, value);
    let ty = self.signature.ty.result(index.unwrap_or(0)).ok_or_else(wrong)?;
    let ready = store.prepare(env, &ty, value)?.ok_or_else(wrong)?;
    // Rooted in the scope of the host call, which lasts until its results are in wasm.
    *result = store.with_allocating(|ctx| store.finish(ctx, &ty, ready))??.ok_or_else(wrong)?;
    Ok(())
  }

  /// Whether the result must be waited for. May run JavaScript (a getter of `then`).
  #[inline]
  fn is_thenable(&self, env: RawEnv, value: Value) -> Result<bool, Failure> {
    if !matches!(env.kind(value), Kind::Object | Kind::Function) {
      return Ok(false);
    }
    if env.is_promise(value) {
      return Ok(true);
    }
    if env.is_array(value) {
      return Ok(false);
    }
    match env.get_named(value, c"then") {
      Ok(then) => Ok(env.kind(then) == Kind::Function),
      // The value is of no use to anyone; that it resists being looked at is nobody's error.
      Err(Refused) if self.signature.results.is_empty() => {
        env.take_exception();
        Ok(false)
      }
      Err(Refused) => Err(Failure::Pending),
    }
  }

  fn fill_stack(&self, env: RawEnv, stack: &Stack, params: &[Val], place: &mut StackUse) -> Result<Value, Failure> {
    let mut slots = params.iter().flat_map(val_to_slots);
    if !stack.busy.get() {
      let array = stack.array(env).ok_or_else(|| self.collected())?;
      stack.busy.set(true);
      *place = StackUse::Shared;
      let memory = stack.slots();
      let mut position = 0;
      for bits in slots.by_ref().flatten() {
        store_slot(memory, &mut position, bits);
      }
      return Ok(array);
    }
    // An overlapping call has the function's array until its promise settles.
    let (buffer, data) = env.array_buffer(stack.length * 8).map_err(|_| Failure::Pending)?;
    let array = env.biguint64_array(buffer, stack.length).map_err(|_| Failure::Pending)?;
    let bytes: Vec<u8> = slots.flatten().take(stack.length).flat_map(u64::to_ne_bytes).collect();
    if !bytes.is_empty() {
      // SAFETY: the buffer has room for `length` slots of eight bytes, and nobody else sees it yet.
      unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), data, bytes.len()) };
    }
    *place = StackUse::Own(env.reference(array, 1).map_err(|_| Failure::Pending)?);
    Ok(array)
  }

  fn read_stack(&self, env: RawEnv, stack: &Stack, place: &StackUse, results: &mut [Val]) -> Result<(), Failure> {
    let values: Vec<u64> = match place {
      StackUse::None => Vec::new(),
      StackUse::Shared => stack.slots().iter().map(load_slot).collect(),
      StackUse::Own(reference) => {
        let array = env.dereference(*reference).ok_or_else(|| self.collected())?;
        match env.typed_array(array) {
          Some((data, length, _)) if length == stack.length && !data.is_null() => {
            let mut bytes = vec![0_u8; length * 8];
            // SAFETY: Node-API says that the array shows `length` elements of eight bytes at `data`, and no JavaScript runs.
            unsafe { std::ptr::copy_nonoverlapping(data.cast_const(), bytes.as_mut_ptr(), bytes.len()) };
            let (slots, _) = bytes.as_chunks::<8>();
            slots.iter().map(|slot| u64::from_ne_bytes(*slot)).collect()
          }
          Some((_, 0, _)) if stack.length == 0 => Vec::new(),
          _ => return Err(self.mismatch("its stack was detached before its promise settled".into())),
        }
      }
    };
    let mut values = values.into_iter();
    for (kind, result) in self.signature.results.iter().zip(results) {
      *result = val_from_slots(*kind, &mut values);
    }
    Ok(())
  }

  /// Gives the array of a call in the stack style back. On the JavaScript thread.
  pub fn release_stack(&self, place: &mut StackUse) {
    match std::mem::replace(place, StackUse::None) {
      StackUse::None => {}
      StackUse::Shared => {
        if let Some(stack) = &self.func.stack {
          stack.busy.set(false);
        }
      }
      StackUse::Own(reference) => self.func.state().release(reference),
    }
  }

  /// Calls the function for a notice: its results, if any, are nobody's.
  pub fn call_for_notice(&self, env: RawEnv, store: &StoreInner, params: &[Val]) -> Result<(), Failure> {
    let mut place = StackUse::None;
    let array = match &self.func.stack {
      Some(stack) => Some(self.fill_stack(env, stack, params, &mut place)?),
      None => None,
    };
    let result = self.invoke(env, store, params, array);
    self.release_stack(&mut place);
    result.map(|_| ())
  }
}

/// A reference that wasm passes, for JavaScript.
#[cold]
fn reference_argument(env: RawEnv, store: &StoreInner, val: Val) -> Result<Value, Failure> {
  let reference = store.with_even_closed(|ctx| store.val_to_reference(env, ctx, val))??;
  store.reference_value(env, reference)
}
