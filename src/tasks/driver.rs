//! Drives a store's task on the JavaScript thread: polls it, calls the JavaScript functions that its guest wants, and
//! decides when it should give its place to others or go to a compute thread.
//! Lives on: the JavaScript thread.

use std::ptr;

use wasmtime::{AsContextMut, StoreContextMut, Trap};

use super::frame::{Command, HostFrame};
use super::host_call::Answer;
use super::{AwayTask, MAX_NESTED, Operation, Root, Signal, Tasks};
use crate::failure::{Failure, FailureKind};
use crate::raw_env::{RawEnv, Value};
use crate::store::{FuelBudget, StoreData, StoreInner};
use crate::ticker::{Running, ticks};
use crate::wasi::Input;

/// Host calls in a slice that make a guest one which needs the JavaScript thread. Two moves between threads cost some
/// 80 microseconds, as much as a few dozen host calls with what a guest computes in between.
const BURST: u32 = 20;

/// How far the innermost operation got.
#[derive(Clone, Copy)]
pub enum Progress {
  /// It has ended.
  Done,
  /// A host function has returned this promise.
  Waits(Value),
  /// It should go on at the next turn of the event loop.
  Turn,
  /// It computes on another thread, or waits for what will wake it.
  Away,
  /// As `Away`, and its guest waits for input that JavaScript has.
  Input,
}

impl StoreInner {
  /// Whether an operation can begin now: nothing runs, or a host function waits for a promise.
  pub fn can_begin(&self, tasks: &Tasks) -> bool {
    !self.is_running() && !tasks.is_away() && (!tasks.has_root() || !self.is_busy())
  }

  /// Makes an operation the innermost one.
  pub fn begin(&self, tasks: &Tasks, id: u32) -> Result<(), Failure> {
    if tasks.active.borrow().len() >= MAX_NESTED {
      return Err(Failure::stack_overflow());
    }
    let operation = tasks.operation(id).ok_or_else(|| Failure::internal("no such operation"))?;
    // SAFETY: the operation is in the store's list, and has not begun.
    let operation_ref = unsafe { &mut *operation };
    if let Some(code) = operation_ref.slot().and_then(crate::instance_slot::InstanceSlot::exit_code) {
      return Err(Failure::exit(code));
    }
    if operation_ref.is_left_behind() {
      return Err(Failure::closed("instance, which has failed to start,"));
    }
    if operation_ref.stopped {
      return Err(Failure::new(FailureKind::Interrupted, "the call was stopped before it began"));
    }
    operation_ref.prepare(self)?;
    operation_ref.budget = operation_ref.fuel.map(|fuel| self.begin_fuel_budget(fuel)).transpose()?;
    self.calls.set(self.calls.get() + 1);
    let top = tasks.top();
    if top.is_null() {
      tasks.note_beginning();
      tasks.roots.push(self.root(tasks, operation)?);
    } else if HostFrame::at(top).direct {
      tasks.roots.push(Root::on_frame(top, operation));
    } else {
      HostFrame::at(top).command = Some(Command::Operation(operation));
    }
    tasks.active.borrow_mut().push(id);
    Ok(())
  }

  fn root(&self, tasks: &Tasks, operation: *mut Operation) -> Result<Root, Failure> {
    self.sampling.entered();
    self.with(|ctx| tasks.renew_slice(ctx))?;
    Ok(Root::on_store(self.store_pointer().ok_or_else(|| Failure::closed("store"))?, operation))
  }

  /// Gives JavaScript the store through a frame that waits for its function.
  pub(super) fn expose(&self, frame: *mut HostFrame) {
    let frame = HostFrame::at(frame);
    self.set_active(frame.caller, frame.binding().slot());
  }

  /// Takes it back.
  pub(super) fn cover(&self) {
    self.set_active(ptr::null_mut(), 0);
    self.set_busy(true);
  }

  /// Has the clock run, which ends slices. To be called before an operation begins, since one that has begun must be polled.
  pub fn start_clock(tasks: &Tasks) -> Result<Running<'_>, Failure> {
    tasks.pulse.run().map_err(|error| {
      Failure::new(FailureKind::Limit, format!("the thread that ends time slices cannot be started: {error}"))
    })
  }

  /// Runs the innermost operation until it cannot go on. `in_place` does not let go of the JavaScript thread.
  ///
  /// If this fails, or panics, nobody knows what state the task is in, so the store is closed.
  pub fn advance(&self, env: RawEnv, tasks: &Tasks, _: &Running<'_>, in_place: bool) -> Result<Progress, Failure> {
    let _entry = self.drive_entry();
    let _in_place = InPlace::new(tasks, in_place);
    let whole = Whole { store: self, env, tasks };
    let progress = self.go(env, tasks, in_place)?;
    std::mem::forget(whole);
    Ok(progress)
  }

  fn go(&self, env: RawEnv, tasks: &Tasks, in_place: bool) -> Result<Progress, Failure> {
    let turn = self.state.turn();
    let mut tick = ticks();
    let top = tasks.top();
    if !top.is_null() && !self.is_busy() {
      tasks.renew_slice(HostFrame::at(top).context().as_context_mut());
    }
    tasks.parked.set(false);
    if !in_place {
      tasks.calls.set(0);
    }
    loop {
      if !tasks.has_root() {
        return Ok(self.break_down(env, tasks));
      }
      // As in sync mode, a synchronous call goes on to its end, and its caller learns of the close.
      if self.is_closed() && !in_place {
        return Ok(Progress::Done);
      }
      self.cover();
      let polled =
        tasks.arrived.take().unwrap_or_else(|| tasks.poll_with_calls(env, in_place, tick, self.state.max_used_by_poll));
      if polled.is_ready() {
        if !tasks.has_root() {
          return Ok(self.break_down(env, tasks));
        }
        self.end_root(env, tasks);
        return Ok(Progress::Done);
      }
      match tasks.signal.get() {
        Signal::Finished => {
          let budget = self.publish(tasks);
          tasks.pop();
          self.expose(tasks.top());
          self.end_fuel_budget(budget);
          self.flush(env, tasks, true);
          tasks.parked.set(true);
          return Ok(Progress::Done);
        }
        // Wasm waits for something that nobody will give it: there is no going on from here.
        Signal::None if !tasks.has_yielded() => return Ok(self.break_down(env, tasks)),
        Signal::None => {
          if !self.flush(env, tasks, in_place) {
            return Ok(Progress::Turn);
          }
          if in_place || self.is_closed() {
            continue;
          }
          let burst = tasks.calls.replace(0) >= BURST;
          if burst && !turn.is_over() {
            continue;
          }
          return Ok(if !burst && self.depart(env, tasks) { Progress::Away } else { Progress::Turn });
        }
        Signal::Wait => {
          if !self.flush(env, tasks, in_place) {
            tasks.arrived.set(Some(polled));
            return Ok(Progress::Turn);
          }
          if in_place {
            self.wait_in_place(tasks);
          } else if !self.is_closed() && !tasks.has_yielded() {
            if let Some(progress) = self.park(env, tasks) {
              return Ok(progress);
            }
          } else if turn.is_over() {
            return Ok(Progress::Turn);
          }
        }
        Signal::Ended => continue,
        Signal::Replied if self.is_closed() => continue,
        Signal::Replied => self.expose(tasks.top()),
        Signal::Promise => {
          self.expose(tasks.top());
          tasks.parked.set(true);
          return Ok(Progress::Waits(tasks.take_handed()?));
        }
        Signal::HostCall => {
          let frame = tasks.top();
          if !self.flush(env, tasks, in_place) {
            // The call comes when the notices before it have been run.
            tasks.arrived.set(Some(polled));
            return Ok(Progress::Turn);
          }
          self.expose(frame);
          if self.is_closed() && !in_place {
            continue;
          }
          if let Some(promise) = self.host_call(env, tasks, frame, in_place)? {
            tasks.parked.set(true);
            return Ok(Progress::Waits(promise));
          }
          tasks.calls.set(tasks.calls.get() + 1);
        }
      }
      let now = ticks();
      if now != tick && !in_place && tasks.has_root() {
        tick = now;
        if turn.is_over() {
          return Ok(Progress::Turn);
        }
      }
    }
  }

  /// The operation that is polled by itself has ended, in its turn.
  fn end_root(&self, env: RawEnv, tasks: &Tasks) {
    tasks.roots.truncate(tasks.roots.count().saturating_sub(1));
    let budget = self.publish(tasks);
    tasks.pop();
    let top = tasks.top();
    if top.is_null() {
      self.set_busy(false);
    } else {
      self.expose(top);
    }
    self.end_fuel_budget(budget);
    self.flush(env, tasks, true);
  }

  /// Shows JavaScript the instance that the innermost operation has made, before any notice of its start function runs. Gives
  /// the operation's budget, to be ended as soon as the store can be used.
  fn publish(&self, tasks: &Tasks) -> Option<FuelBudget> {
    let id = tasks.active.borrow().last().copied();
    let operation = id.and_then(|id| tasks.operation(id))?;
    Operation::publish(operation, self);
    // SAFETY: the operation is in the store's list, and its future has ended.
    unsafe { &mut *operation }.budget.take()
  }

  /// After a panic, or another fault of ours, nobody knows what state the store is in, so nothing in it can be used again.
  #[cold]
  fn break_down(&self, env: RawEnv, tasks: &Tasks) -> Progress {
    tasks.active.borrow_mut().clear();
    self.close(env, None);
    Progress::Done
  }

  /// Calls the function of a frame; gives the promise that it has returned, if there is one to wait for.
  pub(super) fn host_call(
    &self,
    env: RawEnv,
    tasks: &Tasks,
    frame: *mut HostFrame,
    in_place: bool,
  ) -> Result<Option<Value>, Failure> {
    if tasks.interrupt.load(std::sync::atomic::Ordering::Relaxed) || tasks.is_interrupted() {
      reply(frame, Err(Trap::Interrupt.into()));
      return Ok(None);
    }
    let binding = HostFrame::at(frame).binding();
    tasks.count_host_call();
    self.renew_scope(env);
    // SAFETY: the frame waits for its function: its future is neither polled nor dropped before this returns, for
    // `abort` waits until no driver of the store is on the native stack.
    let answer = unsafe { binding.call_for(env, self, frame) };
    if !tasks.has_root() {
      // What was nested has panicked, and the frame is gone with it.
      return Ok(None);
    }
    match answer {
      Ok(Answer::Done) if in_place && self.is_armed() => reply(frame, self.check_time()),
      Ok(Answer::Done) => reply(frame, Ok(())),
      Ok(Answer::Waits(_)) if in_place => {
        let failure = binding.promise();
        reply(frame, Err(binding.error(env, self, failure)));
      }
      Ok(Answer::Waits(promise)) => {
        HostFrame::at(frame).waits = true;
        // The scope of the host calls ends with this run of the driver.
        return env.escape(self.host_scope.get().scope, promise).map(Some).map_err(|_| Failure::Pending);
      }
      Err(failure) => reply(frame, Err(binding.error(env, self, failure))),
    }
    Ok(None)
  }

  /// Answers the innermost host call with what its promise has settled to.
  pub fn answer(&self, env: RawEnv, tasks: &Tasks, value: Result<Value, Value>) {
    let frame = tasks.top();
    if frame.is_null() {
      return;
    }
    HostFrame::at(frame).waits = false;
    let binding = HostFrame::at(frame).binding();
    let outcome = match value {
      Ok(value) => {
        // Reading the results may run JavaScript.
        let _entry = self.drive_entry();
        // SAFETY: as in `host_call`.
        unsafe { binding.settle_for(env, self, frame, value) }.map_err(|failure| binding.error(env, self, failure))
      }
      Err(reason) => Err(binding.thrown(env, self, reason)),
    };
    if !self.is_closed() && tasks.has_root() {
      reply(frame, outcome);
    }
  }

  /// Answers the innermost host call with an interruption.
  pub fn stop_waiting(tasks: &Tasks) {
    let frame = tasks.top();
    if !frame.is_null() {
      reply(frame, Err(Trap::Interrupt.into()));
    }
  }

  /// Hands the task to a compute thread; false if it must stay.
  fn depart(&self, env: RawEnv, tasks: &Tasks) -> bool {
    if !tasks.home.depart(env) {
      return false;
    }
    tasks.away.set(true);
    if tasks.pool.submit(AwayTask(self)).is_ok() {
      return true;
    }
    tasks.away.set(false);
    tasks.home.stay(env);
    false
  }

  /// Has the thread wait for what will wake the guest of a synchronous call. If that is input of JavaScript's, which cannot
  /// come then, the guest goes on at once, and its read fails.
  #[cold]
  fn wait_in_place(&self, tasks: &Tasks) {
    match self.wasi_input().filter(|input| input.refuse_if_wanted()) {
      Some(input) => {
        self.cover();
        tasks.arrived.set(Some(tasks.poll_safely()));
        input.refuse(false);
      }
      None => {
        tasks.woken.sleeper.sleep(|| tasks.is_stopped(self));
      }
    }
  }

  /// Lets go of a task that waits for what will wake it; `None` if it need not wait any more. Like one that computes, it
  /// keeps the process alive, and its store is busy.
  #[cold]
  fn park(&self, env: RawEnv, tasks: &Tasks) -> Option<Progress> {
    let input = self.wasi_input().is_some_and(Input::take_wanted);
    if !tasks.home.depart(env) {
      // The environment is ending, and nothing will be waited for.
      return Some(Progress::Turn);
    }
    tasks.away.set(true);
    tasks.parked.set(true);
    if tasks.woken.park(self) {
      return Some(if input { Progress::Input } else { Progress::Away });
    }
    tasks.away.set(false);
    tasks.parked.set(false);
    tasks.home.stay(env);
    None
  }

  /// The task is back; JavaScript will take it up.
  pub fn task_arrived(&self, env: RawEnv) {
    let Some(tasks) = self.tasks() else { return };
    tasks.away.set(false);
    tasks.parked.set(false);
    self.call_core_hook(env, self.state.arrived(env));
  }

  /// Runs the notices that have not been sent home; all of them, or as long as the turn lasts. False if some are left.
  fn flush(&self, env: RawEnv, tasks: &Tasks, all: bool) -> bool {
    if tasks.notice_count() == 0 {
      return true;
    }
    let rest = self.deliver(env, tasks, tasks.take_notices(), all);
    let done = rest.is_empty();
    tasks.put_notices(rest);
    done
  }

  /// Accesses the store in a way that may collect wasm's garbage: while a fiber is suspended, on that fiber, since Wasmtime
  /// does not see from elsewhere what the guest holds there. `access` uses no Node-API.
  pub fn with_allocating<R>(&self, access: impl FnOnce(StoreContextMut<'_, StoreData>) -> R) -> Result<R, Failure> {
    let Some(tasks) = self.tasks().filter(|tasks| tasks.has_root()) else { return self.with(access) };
    // Refuses if the store is closed or in use.
    self.with(|_| ())?;
    let frame = tasks.top();
    if frame.is_null() {
      return Err(Failure::internal("the store is in use, but by no host call"));
    }
    if HostFrame::at(frame).direct {
      // Its fiber is not suspended.
      return self.with(access);
    }
    let mut access = Some(access);
    let mut result = None;
    let mut run = |ctx: StoreContextMut<'_, StoreData>| {
      if let Some(access) = access.take() {
        result = Some(access(ctx));
      }
    };
    let run: *mut (dyn FnMut(StoreContextMut<'_, StoreData>) + '_) = &raw mut run;
    #[expect(clippy::transmute_ptr_to_ptr, reason = "a cast cannot change the lifetime")]
    // SAFETY: only the lifetime changes. The frame runs it in the poll below, while it is alive, and not later: what is
    // left of it is taken back.
    let run: *mut (dyn FnMut(StoreContextMut<'_, StoreData>) + 'static) = unsafe { std::mem::transmute(run) };
    let _entry = self.drive_entry();
    HostFrame::at(frame).command = Some(Command::Access(run));
    self.cover();
    let _ = tasks.poll_safely();
    if tasks.has_root() {
      HostFrame::at(frame).command = None;
      self.expose(frame);
    }
    result.ok_or_else(|| Failure::internal("the access did not run"))
  }
}

/// Closes the store unless it is forgotten: the driver was left in the middle.
struct Whole<'a> {
  store: &'a StoreInner,
  env: RawEnv,
  tasks: &'a Tasks,
}

impl Drop for Whole<'_> {
  fn drop(&mut self) {
    self.store.break_down(self.env, self.tasks);
  }
}

fn reply(frame: *mut HostFrame, outcome: wasmtime::Result<()>) {
  HostFrame::at(frame).reply = Some(outcome);
}

/// A synchronous call in async mode: its guest does not yield.
pub struct InPlace<'a>(&'a Tasks, u32);

impl<'a> InPlace<'a> {
  pub fn new(tasks: &'a Tasks, in_place: bool) -> Self {
    let outer = tasks.in_place.get();
    tasks.in_place.set(outer + u32::from(in_place));
    Self(tasks, outer)
  }
}

impl Drop for InPlace<'_> {
  fn drop(&mut self) {
    self.0.in_place.set(self.1);
  }
}
