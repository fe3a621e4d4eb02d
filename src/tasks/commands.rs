//! What `lib/operation.ts` can ask of a store in async mode. Lives on: the JavaScript thread.

use napi::sys;

use super::driver::{InPlace, Progress};
use super::operation::Call;
use super::{Operation, Tasks, Work};
use crate::env_state::{EnvState, STACK_MARGIN};
use crate::export_func::{ExportFunc, INLINE, with_export};
use crate::failure::Failure;
use crate::float_bits::Floats;
use crate::home::take_up;
use crate::raw_call::{ARGS, index_arg, raw_functions, store_arg};
use crate::raw_env::{Callback, RawEnv, Value};
use crate::store::{StoreInner, fuel_arg};
use crate::ticker::Running;
use crate::values::Ready;

/// How an operation goes on, as `lib/operation.ts` knows it.
const PROCEED: u32 = 0;
const FULFILLED: u32 = 1;
const REJECTED: u32 = 2;
const STOP: u32 = 3;

impl Progress {
  /// As `lib/operation.ts` knows it: 0 done, 1 wait for the next turn, 2 it is away, 3 the same and its guest wants
  /// input, or the promise for which its guest waits.
  fn into_value(self, env: RawEnv) -> Result<Value, Failure> {
    let number = match self {
      Self::Done => 0,
      Self::Turn => 1,
      Self::Away => 2,
      Self::Input => 3,
      Self::Waits(promise) => return Ok(promise),
    };
    env.uint32(number).map_err(|_| Failure::Pending)
  }
}

fn tasks_of(store: &StoreInner) -> Result<&Tasks, Failure> {
  store.tasks().ok_or_else(|| {
    Failure::type_error(
      "the instance is in sync mode, whose calls cannot wait; make it with instantiateAsync() to use callAsync()",
    )
  })
}

impl ExportFunc {
  /// An asynchronous call with these arguments, not begun yet.
  fn operation(&self, env: RawEnv, floats: Floats, args: &[Value]) -> Result<Operation, Failure> {
    self.check_open()?;
    let store = self.store();
    let signature = self.signature();
    if args.len() != signature.params.len() {
      return Err(self.wrong_count(args.len()));
    }
    let mut params = Vec::with_capacity(args.len());
    for (index, (ty, arg)) in signature.ty.params().zip(args).enumerate() {
      match floats.prepare(env, store, &ty, *arg)? {
        Some(param) => params.push(param),
        None => return Err(self.wrong_argument(env, floats, index, *arg)),
      }
    }
    Ok(self.operation_with(floats, params))
  }

  fn operation_with(&self, floats: Floats, params: Vec<Ready>) -> Operation {
    let signature = self.signature();
    let types = signature.ty.params().collect();
    let call = Call { func: self.func(), types, params, results: signature.results.len(), floats };
    Operation::new(Work::Call(call), self.slot_pointer())
  }

  /// A synchronous call of a function of a store in async mode. It cannot wait for promises.
  #[cold]
  pub fn call_in_place(&self, env: RawEnv, floats: Floats, args: &[Value]) -> Result<Value, Failure> {
    let operation = self.operation(env, floats, args)?;
    self.store().run_in_place(env, operation)?.finish(env, self.store())
  }

  /// As `call_in_place`, with values that are converted already.
  pub fn call_numbers_in_place(&self, env: RawEnv, vals: Vec<wasmtime::Val>) -> Result<Vec<wasmtime::Val>, Failure> {
    let operation = self.operation_with(Floats::Numbers, vals.into_iter().map(Ready::Val).collect());
    self.store().run_in_place(env, operation)?.finish_numbers(env, self.store())
  }
}

/// Takes back what is left of a synchronous call, also when a panic passes through.
struct Unfinished<'a> {
  tasks: &'a Tasks,
  depth: usize,
  roots: usize,
}

impl Drop for Unfinished<'_> {
  fn drop(&mut self) {
    if self.depth > 0 {
      // Nothing of it may outlive the host function that it was made in. If the store was closed meanwhile, the rest is
      // unwound when the host calls around this have returned.
      self.tasks.roots.truncate(self.roots);
    }
    if let Ok(mut active) = self.tasks.active.try_borrow_mut() {
      active.truncate(self.depth);
    }
  }
}

impl StoreInner {
  /// Runs an operation to its end, on the store or on the frame of the innermost host call.
  fn run_in_place(&self, env: RawEnv, operation: Operation) -> Result<Box<Operation>, Failure> {
    let tasks = tasks_of(self)?;
    if !self.state.has_stack(STACK_MARGIN) {
      return Err(Failure::stack_overflow());
    }
    if self.is_closed() {
      return Err(Failure::closed("store"));
    }
    if self.is_busy() || tasks.is_away() {
      return Err(Failure::busy());
    }
    let running = Self::start_clock(tasks)?;
    let parked = tasks.parked.get();
    let depth = tasks.active.borrow().len();
    let roots = tasks.roots.count();
    // A call that waits further out may have been stopped, which is nothing to this one; one that it is part of, is. The
    // same goes for interruptions, and for budgets.
    let apart = !self.is_running();
    let outer = apart && tasks.set_interrupt(false);
    let interruptions = apart.then(|| tasks.note_beginning());
    let outer_fuel = self.lift_fuel_budgets();
    let id = tasks.add(operation);
    let unfinished = Unfinished { tasks, depth, roots };
    let outcome = self.begin_in_place(env, tasks, id, &running);
    drop(unfinished);
    if outer {
      tasks.set_interrupt(true);
    }
    if let Some(interruptions) = interruptions {
      tasks.set_beginning(interruptions);
    }
    if let Some(outer_fuel) = outer_fuel {
      self.restore_fuel_budgets(outer_fuel);
    }
    tasks.parked.set(parked);
    let operation = tasks.take(id).ok_or_else(|| Failure::closed("store"));
    outcome?;
    operation
  }
}

impl StoreInner {
  fn begin_in_place(&self, env: RawEnv, tasks: &Tasks, id: u32, running: &Running<'_>) -> Result<(), Failure> {
    let _watch = self.watch_if_armed()?;
    let _in_place = InPlace::new(tasks, true);
    self.begin(tasks, id)?;
    self.advance(env, tasks, running, true).map(|_| ())
  }
}

/// Makes an asynchronous call; gives its number. Arguments: the handle of the function's tomb, then those of the function.
unsafe extern "C" fn op_call<const BITS: bool>(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
  let floats = if BITS { Floats::Bits } else { Floats::Numbers };
  let make = |env: RawEnv, export: &ExportFunc, args: &[Value]| {
    let store = export.store();
    let tasks = tasks_of(store)?;
    let operation = export.operation(env, floats, args)?;
    if store.is_closed() {
      // Reading the arguments can run JavaScript.
      return Err(Failure::closed("store"));
    }
    env.uint32(tasks.add(operation)).map_err(|_| Failure::Pending)
  };
  // SAFETY: Node passes both to the running callback.
  unsafe { with_export::<{ INLINE + 1 }>(env, info, make) }
}

/// Lets an operation go on: begins it, resumes it, or answers the host call that it waits for. Gives how far it got, as
/// [`Progress::into_value`] says; if it is done although a promise has come, that promise in an array. Arguments: store
/// handle, number, how it goes on, the value.
fn step(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [handle, id, how, value, ..] = *args;
  let id = index_arg(env, id)?;
  let done = || Progress::Done.into_value(env);
  // What ends with its store has its error from `finish`.
  let Ok(store) = store_arg(env, handle) else { return done() };
  if store.is_closed() {
    // If the task was away at the close, this is the first moment for it.
    store.end_tasks();
    return done();
  }
  let tasks = tasks_of(&store)?;
  let how = index_arg(env, how)?;
  let turn = store.state.turn();
  let _step = turn.enter();
  if tasks.is_top(id) {
    match how {
      FULFILLED => store.answer(env, tasks, Ok(value)),
      REJECTED => store.answer(env, tasks, Err(value)),
      STOP => StoreInner::stop_waiting(tasks),
      _ => {}
    }
  } else if how == PROCEED && store.can_begin(tasks) {
    if turn.is_over() {
      return Progress::Turn.into_value(env);
    }
    if !store.state.has_stack(STACK_MARGIN) {
      return Err(Failure::stack_overflow());
    }
    // Nothing may come between this and the first poll: what is begun has taken the place of whatever else could begin.
    let running = StoreInner::start_clock(tasks)?;
    store.begin(tasks, id)?;
    return go_on(env, &store, tasks, &running);
  } else {
    return Progress::Turn.into_value(env);
  }
  if store.is_closed() {
    return done();
  }
  if turn.is_over() || !store.state.has_stack(STACK_MARGIN) {
    return Progress::Turn.into_value(env);
  }
  match StoreInner::start_clock(tasks) {
    Ok(running) => go_on(env, &store, tasks, &running),
    Err(failure) => {
      // It is under way, and nothing can end its slices.
      store.close(env, None);
      Err(failure)
    }
  }
}

fn go_on(env: RawEnv, store: &StoreInner, tasks: &Tasks, running: &Running<'_>) -> Result<Value, Failure> {
  let progress = store.advance(env, tasks, running, false)?;
  if store.is_closed() && !tasks.is_away() {
    if let Progress::Waits(promise) = progress {
      // A host function has closed it and then returned a promise, for which nobody waits; JavaScript sees to it that its
      // rejection is not taken for an unhandled one.
      let list = env.array(1).map_err(|_| Failure::Pending)?;
      env.set_element(list, 0, promise).map_err(|_| Failure::Pending)?;
      return Ok(list);
    }
    return Progress::Done.into_value(env);
  }
  progress.into_value(env)
}

/// The result of an operation that has ended; throws its error. Arguments: store handle, number.
fn finish(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [handle, id, ..] = *args;
  let store = store_arg(env, handle)?;
  let tasks = tasks_of(&store)?;
  let id = index_arg(env, id)?;
  match (tasks.take(id), tasks.operation(id)) {
    (Some(operation), _) => operation.finish(env, &store),
    // The store was closed while it was under way.
    (None, Some(operation)) => Err(Operation::end_of(operation, &store)),
    (None, None) => Err(Failure::internal("no such call")),
  }
}

/// Has an operation stop, wherever it is; if it waits for a promise, `step` must be told as well. Arguments: store
/// handle, number.
fn stop(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [handle, id, ..] = *args;
  let id = index_arg(env, id)?;
  if let Ok(store) = store_arg(env, handle)
    && let Some(tasks) = store.tasks()
    && let Some(operation) = tasks.operation(id)
  {
    Operation::stop(operation);
    if tasks.active.borrow().contains(&id) {
      tasks.interrupt();
    }
  }
  Ok(env.undefined())
}

/// Gives an operation that has not begun a budget. Arguments: store handle, number, fuel.
fn set_fuel(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [handle, id, fuel, ..] = *args;
  let store = store_arg(env, handle)?;
  let operation = tasks_of(&store)?.operation(index_arg(env, id)?).ok_or_else(|| Failure::internal("no such call"))?;
  store.check_fuel()?;
  // SAFETY: the operation is in its store's list, and has not begun.
  unsafe { (*operation).fuel = Some(fuel_arg(env, fuel)?) };
  Ok(env.undefined())
}

/// Forgets an operation that has not begun. Arguments: store handle, number.
fn forget(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [handle, id, ..] = *args;
  if let Ok(store) = store_arg(env, handle)
    && let Some(tasks) = store.tasks()
    && let Some(operation) = tasks.take(index_arg(env, id)?)
  {
    operation.leave_slot(env, &store)?;
  }
  Ok(env.undefined())
}

/// Runs the notices that have just come home, as long as the turn lasts. Argument: store handle.
fn run_notices(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [handle, ..] = *args;
  let store = store_arg(env, handle)?;
  let tasks = tasks_of(&store)?;
  let rest = store.deliver(env, tasks, tasks.take_incoming(), false);
  tasks.put_incoming(rest);
  Ok(env.undefined())
}

/// Takes up what has come home and has not been yet.
fn take_up_arrivals(env: RawEnv, _: &[Value; ARGS]) -> Result<Value, Failure> {
  take_up(env, &*state(env)?);
  Ok(env.undefined())
}

/// Begins a turn of the event loop.
fn begin_turn(env: RawEnv, _: &[Value; ARGS]) -> Result<Value, Failure> {
  state(env)?.turn().begin();
  Ok(env.undefined())
}

/// Whether the tasks have used up their time in this turn of the event loop.
fn turn_is_over(env: RawEnv, _: &[Value; ARGS]) -> Result<Value, Failure> {
  Ok(env.boolean(state(env)?.turn().is_over()))
}

fn state(env: RawEnv) -> Result<std::sync::Arc<EnvState>, Failure> {
  EnvState::of(env).map_err(|error| Failure::internal(error.reason.clone()))
}

/// Those that take any number of arguments.
pub const CALL: &[(&str, Callback)] = &[("opCall", op_call::<false>), ("opCallBits", op_call::<true>)];

raw_functions! {
  "opStep" => step;
  "opFinish" => finish;
  "opStop" => stop;
  "opForget" => forget;
  "opFuel" => set_fuel;
  "opNotices" => run_notices;
  "takeUpArrivals" => take_up_arrivals;
  "turnBegin" => begin_turn;
  "turnIsOver" => turn_is_over;
}
