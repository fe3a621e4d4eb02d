//! What the addon keeps for one JavaScript environment (a main thread, a Worker, a renderer frame).
//!
//! One `EnvState` hangs on each environment as its instance data, and everything that belongs to the environment holds
//! an `Arc` of it, so that it outlives the environment itself: from the clean-up hook on, `alive` is false and nothing
//! touches Node-API any more. Lives on: the JavaScript thread; only [`EnvState::release`] may be called from others.

use std::cell::{Cell, OnceCell, RefCell};
use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, ThreadId};

use napi::bindgen_prelude::{Env, Unknown};
use napi::{JsValue, sys};
use napi_derive::napi;

use crate::external_buffer;
use crate::failure::Failure;
use crate::home::Home;
use crate::js_stack::JsStack;
use crate::raw_env::{RawEnv, Value};
use crate::store::{StoreInner, StorePin};
use crate::tasks::max_used_by_poll;
use crate::turn::Turn;

/// What remains free of the native stack below a call into wasm: the host-call trampoline, Node-API and V8's own C++
/// need it even when wasm has used all that it may.
pub const STACK_MARGIN: usize = 128 * 1024;

/// Stores that may be made between two looks for abandoned ones, at least and at most.
const MIN_SWEEP: usize = 256;
const MAX_SWEEP: usize = 2048;

/// Bytes of native memory that make V8 collect on the spot.
const CLAIM: i64 = 1 << 40;

struct DeferredRef(sys::napi_ref);
// SAFETY: the pointer is only carried across threads; it is used on the environment's own thread alone.
unsafe impl Send for DeferredRef {}

pub struct EnvState {
  raw: sys::napi_env,
  thread: ThreadId,
  alive: AtomicBool,
  pub js_stack: JsStack,
  /// Whether to try to make JavaScript buffers over native memory at all.
  pub external_buffers: bool,
  /// The most that a poll may use of the thread's own stack, if that is to be checked.
  pub max_used_by_poll: Option<usize>,
  create_error: Cell<sys::napi_ref>,
  attach_frames: Cell<sys::napi_ref>,
  wrap_func: Cell<sys::napi_ref>,
  wrap_reference: Cell<sys::napi_ref>,
  reference_key: Cell<sys::napi_ref>,
  store_key: Cell<sys::napi_ref>,
  index_key: Cell<sys::napi_ref>,
  arrived: Cell<sys::napi_ref>,
  store_closed: Cell<sys::napi_ref>,
  deferred: Cell<sys::napi_ref>,
  notified: Cell<sys::napi_ref>,
  interrupted: Cell<sys::napi_ref>,
  /// The way back for tasks; made with the first store in async mode.
  home: OnceCell<Arc<Home>>,
  turn: Turn,
  /// Every store whose memory is not freed yet; each knows its place.
  stores: RefCell<Vec<*const StoreInner>>,
  sweep_at: Cell<usize>,
  released: Mutex<Vec<DeferredRef>>,
}

// SAFETY: all but `release` is used only on the environment's own thread: the addon's callbacks run nowhere else, and
// what other threads may hold (a host function's closure inside a linker) calls nothing but `release` when it drops.
unsafe impl Send for EnvState {}
// SAFETY: as above.
unsafe impl Sync for EnvState {}

impl EnvState {
  /// Makes the state of an environment that loads the addon.
  pub fn install(raw: sys::napi_env) -> Result<(), napi::Error> {
    let state = Arc::new(Self {
      raw,
      thread: thread::current().id(),
      alive: AtomicBool::new(true),
      js_stack: JsStack::new(),
      external_buffers: !external_buffer::are_switched_off(),
      max_used_by_poll: max_used_by_poll(),
      create_error: Cell::new(ptr::null_mut()),
      attach_frames: Cell::new(ptr::null_mut()),
      wrap_func: Cell::new(ptr::null_mut()),
      wrap_reference: Cell::new(ptr::null_mut()),
      reference_key: Cell::new(ptr::null_mut()),
      store_key: Cell::new(ptr::null_mut()),
      index_key: Cell::new(ptr::null_mut()),
      arrived: Cell::new(ptr::null_mut()),
      store_closed: Cell::new(ptr::null_mut()),
      deferred: Cell::new(ptr::null_mut()),
      notified: Cell::new(ptr::null_mut()),
      interrupted: Cell::new(ptr::null_mut()),
      home: OnceCell::new(),
      turn: Turn::default(),
      stores: RefCell::default(),
      sweep_at: Cell::new(MIN_SWEEP),
      released: Mutex::default(),
    });
    let for_hook = Arc::into_raw(Arc::clone(&state)).cast_mut().cast::<c_void>();
    // SAFETY: live env (the addon is being loaded); the hook takes back the count that `for_hook` holds.
    unsafe { sys::napi_add_env_cleanup_hook(raw, Some(on_cleanup), for_hook) };
    let data = Arc::into_raw(state).cast_mut().cast::<c_void>();
    // SAFETY: live env; `drop_state` takes back the count that `data` holds when the environment is gone.
    let status = unsafe { sys::napi_set_instance_data(raw, data, Some(drop_state), ptr::null_mut()) };
    if status == sys::Status::napi_ok {
      Ok(())
    } else {
      Err(napi::Error::from_reason("the environment refused the addon's data"))
    }
  }

  /// The state of the environment that runs now.
  pub fn of(env: RawEnv) -> Result<Arc<Self>, napi::Error> {
    let mut data: *mut c_void = ptr::null_mut();
    // SAFETY: live env, and `data` outlives the call.
    let status = unsafe { sys::napi_get_instance_data(env.0, &raw mut data) };
    if status != sys::Status::napi_ok || data.is_null() {
      return Err(napi::Error::from_reason("the addon is not initialised in this environment"));
    }
    let state = data.cast_const().cast::<Self>();
    // SAFETY: `install` put an `Arc`'s pointer there, and its count is held until the environment is gone.
    unsafe { Arc::increment_strong_count(state) };
    // SAFETY: the count that was just added.
    Ok(unsafe { Arc::from_raw(state) })
  }

  /// `None` once the environment shuts down: nothing may touch Node-API then.
  #[inline]
  pub fn env(&self) -> Option<RawEnv> {
    self.alive.load(Ordering::Relaxed).then_some(RawEnv(self.raw))
  }

  /// Whether this thread's stack has `bytes` left.
  #[inline]
  pub fn has_stack(&self, bytes: usize) -> bool {
    self.js_stack.has(bytes)
  }

  /// Gives a reference back, from any thread.
  pub fn release(&self, reference: sys::napi_ref) {
    if reference.is_null() {
      return;
    }
    if thread::current().id() == self.thread {
      if let Some(env) = self.env() {
        env.delete_reference(reference);
      }
    } else {
      self.released.lock().unwrap_or_else(PoisonError::into_inner).push(DeferredRef(reference));
    }
  }

  /// Deletes what other threads gave back.
  pub fn drain_released(&self) {
    let Some(env) = self.env() else { return };
    let list = std::mem::take(&mut *self.released.lock().unwrap_or_else(PoisonError::into_inner));
    for DeferredRef(reference) in list {
      env.delete_reference(reference);
    }
  }

  pub fn register_store(&self, store: *const StoreInner, index: &Cell<usize>) {
    let mut stores = self.stores.borrow_mut();
    index.set(stores.len());
    stores.push(store);
  }

  pub fn unregister_store(&self, index: &Cell<usize>) {
    let mut stores = self.stores.borrow_mut();
    let place = index.replace(usize::MAX);
    if place < stores.len() {
      stores.swap_remove(place);
      if let Some(&moved) = stores.get(place) {
        // SAFETY: a registered store is alive; it unregisters before it is freed.
        unsafe { &*moved }.set_registry_index(place);
      }
    }
  }

  /// Every store that is alive now.
  pub fn stores(&self) -> Vec<*const StoreInner> {
    self.stores.borrow().clone()
  }

  /// Runs `f` on every store that is alive. `f` must not make or free one.
  pub fn for_each_store(&self, mut f: impl FnMut(&StoreInner)) {
    for &store in self.stores.borrow().iter() {
      // SAFETY: a registered store is alive; it unregisters before it is freed.
      f(unsafe { &*store });
    }
  }

  /// Ends stores that JavaScript has lost. Node runs finalisers only when the event loop turns, so a loop that makes
  /// instances without ever yielding would otherwise pile them up.
  pub fn sweep_stores(&self, env: RawEnv) {
    if self.stores.borrow().len() >= self.sweep_at.get() {
      self.sweep_all(env);
    }
  }

  /// Has V8 collect at once, by claiming more native memory than it tolerates, and ends what has been lost: for when the
  /// system has no address space left.
  pub fn collect(&self, env: RawEnv) {
    env.adjust_external_memory(CLAIM);
    env.adjust_external_memory(-CLAIM);
    self.sweep_all(env);
  }

  fn sweep_all(&self, env: RawEnv) {
    let scope = env.open_scope();
    let mut abandoned = Vec::new();
    self.for_each_store(|store| {
      if store.is_abandoned(env) {
        abandoned.push(ptr::from_ref(store));
      }
    });
    env.close_scope(scope);
    for store in abandoned {
      // SAFETY: registered, so alive; nothing has run since it was found. Its finaliser is on its way.
      let store = unsafe { &*store };
      store.close(env, None);
      store.strip();
    }
    // Look again when a quarter more are there, so that the looks cost a constant share of the making; but soon enough
    // that what cannot be seen yet does not use up the address space, 4 GiB for each memory.
    let count = self.stores.borrow().len();
    self.sweep_at.set(count.saturating_add((count / 4).clamp(MIN_SWEEP, MAX_SWEEP)));
  }

  pub fn home(&self) -> Option<&Arc<Home>> {
    self.home.get()
  }

  /// The way back for tasks, made if there is none yet.
  pub fn make_home(self: &Arc<Self>, env: RawEnv) -> Result<Arc<Home>, Failure> {
    if let Some(home) = self.home.get() {
      return Ok(Arc::clone(home));
    }
    let home = Home::new(env)?;
    let _ = self.home.set(Arc::clone(&home));
    let for_hook = Arc::into_raw(Arc::clone(self)).cast_mut().cast::<c_void>();
    // Node runs hooks in the reverse order. This one is added after the threadsafe function, so it comes before the
    // function's own, which closes it.
    // SAFETY: live env; the hook takes back the count that `for_hook` holds.
    unsafe { sys::napi_add_env_cleanup_hook(env.0, Some(on_home_cleanup), for_hook) };
    Ok(home)
  }

  #[inline]
  pub fn turn(&self) -> &Turn {
    &self.turn
  }

  /// Tells JavaScript that the task of a store is back.
  pub fn arrived(&self, env: RawEnv) -> Option<Value> {
    deref(env, &self.arrived)
  }

  /// Has JavaScript run notices of a store.
  pub fn notified(&self, env: RawEnv) -> Option<Value> {
    deref(env, &self.notified)
  }

  /// Ends what waits in stores whose calls were interrupted.
  pub fn end_interrupted(&self, env: RawEnv) {
    for store in self.stores() {
      // JavaScript that the hook runs may free others of the list.
      if !self.stores.borrow().contains(&store) {
        continue;
      }
      // SAFETY: still registered, so alive.
      let store = StorePin::new(unsafe { &*store });
      if store.has_interrupted_task() {
        store.call_core_hook(env, deref(env, &self.interrupted));
      }
    }
  }

  /// Tells JavaScript that more has come home than there is time for in this turn.
  pub fn deferred(&self, env: RawEnv) -> Option<Value> {
    deref(env, &self.deferred)
  }

  /// Tells JavaScript that a store with operations was closed.
  pub fn store_closed(&self, env: RawEnv) -> Option<Value> {
    deref(env, &self.store_closed)
  }

  pub fn create_error(&self, env: RawEnv) -> Option<Value> {
    deref(env, &self.create_error)
  }

  pub fn attach_frames(&self, env: RawEnv) -> Option<Value> {
    deref(env, &self.attach_frames)
  }

  /// Makes the `Func` of a function handle.
  pub fn wrap_func(&self, env: RawEnv) -> Option<Value> {
    deref(env, &self.wrap_func)
  }

  /// Makes the handle of a struct, array or exception.
  pub fn wrap_reference(&self, env: RawEnv) -> Option<Value> {
    deref(env, &self.wrap_reference)
  }

  /// The symbol under which such a handle keeps its number in its store.
  pub fn reference_key(&self, env: RawEnv) -> Option<Value> {
    deref(env, &self.reference_key)
  }

  /// The symbol under which a function or handle object keeps its store's JavaScript side.
  pub fn store_key(&self, env: RawEnv) -> Option<Value> {
    deref(env, &self.store_key)
  }

  /// The symbol under which a function keeps its number in its store.
  pub fn index_key(&self, env: RawEnv) -> Option<Value> {
    deref(env, &self.index_key)
  }
}

unsafe extern "C" fn on_home_cleanup(data: *mut c_void) {
  // SAFETY: `make_home` gave the hook a count of its own; Node runs the hook once, on the environment's thread.
  let state = unsafe { Arc::from_raw(data.cast_const().cast::<EnvState>()) };
  state.alive.store(false, Ordering::Relaxed);
  let Some(home) = state.home.get() else { return };
  state.for_each_store(|store| {
    if let Some(tasks) = store.tasks() {
      tasks.interrupt();
    }
  });
  if home.close() {
    state.for_each_store(|store| {
      if let Some(tasks) = store.tasks() {
        tasks.set_home();
      }
    });
  }
}

fn deref(env: RawEnv, reference: &Cell<sys::napi_ref>) -> Option<Value> {
  env.dereference(reference.get())
}

unsafe extern "C" fn on_cleanup(data: *mut c_void) {
  // SAFETY: `install` gave the hook a count of its own; Node runs the hook once, on the environment's thread.
  let state = unsafe { Arc::from_raw(data.cast_const().cast::<EnvState>()) };
  state.alive.store(false, Ordering::Relaxed);
}

unsafe extern "C" fn drop_state(_: sys::napi_env, data: *mut c_void, _: *mut c_void) {
  // SAFETY: `install` gave the instance data a count of its own; Node finalises it once.
  drop(unsafe { Arc::from_raw(data.cast_const().cast::<EnvState>()) });
}

/// Gives the addon, for this environment, the functions that take up tasks: one for those that come home, one for those
/// whose store was closed, one that calls `takeUpArrivals` at the next turn of the event loop, one that runs notices,
/// and one for those that were interrupted. Called once by `lib/operation.ts` when it is loaded.
#[napi(catch_unwind)]
pub fn register_tasks(
  env: Env,
  #[napi(ts_arg_type = "(core: any) => void")] arrived: Unknown,
  #[napi(ts_arg_type = "(core: any) => void")] store_closed: Unknown,
  #[napi(ts_arg_type = "() => void")] deferred: Unknown,
  #[napi(ts_arg_type = "(core: any) => void")] notified: Unknown,
  #[napi(ts_arg_type = "(core: any) => void")] interrupted: Unknown,
) -> napi::Result<()> {
  let raw = RawEnv(env.raw());
  let state = EnvState::of(raw)?;
  let cells = [
    (&state.arrived, arrived),
    (&state.store_closed, store_closed),
    (&state.deferred, deferred),
    (&state.notified, notified),
    (&state.interrupted, interrupted),
  ];
  for (cell, value) in cells {
    let reference = raw
      .reference(Value(value.raw()), 1)
      .map_err(|_| napi::Error::from_reason("registerTasks expects five functions"))?;
    state.release(cell.replace(reference));
  }
  Ok(())
}

/// Gives the addon, for this environment, the functions that make and annotate errors, the one that
/// wraps functions, and the two symbols that mark functions. Called once by `lib/func.ts` when it is loaded.
#[napi(catch_unwind)]
pub fn register_environment(
  env: Env,
  #[napi(ts_arg_type = "(kind: string, message: string, detail: any) => Error")] create_error: Unknown,
  #[napi(ts_arg_type = "(thrown: unknown, frames: any) => void")] attach_frames: Unknown,
  #[napi(ts_arg_type = "(core: any, index: number) => object")] wrap_func: Unknown,
  #[napi(ts_arg_type = "symbol")] store_key: Unknown,
  #[napi(ts_arg_type = "symbol")] index_key: Unknown,
) -> napi::Result<()> {
  let raw = RawEnv(env.raw());
  let state = EnvState::of(raw)?;
  for (cell, value) in [
    (&state.create_error, create_error),
    (&state.attach_frames, attach_frames),
    (&state.wrap_func, wrap_func),
    (&state.store_key, store_key),
    (&state.index_key, index_key),
  ] {
    let reference = raw
      .reference(Value(value.raw()), 1)
      .map_err(|_| napi::Error::from_reason("registerEnvironment expects three functions and two symbols"))?;
    state.release(cell.replace(reference));
  }
  Ok(())
}

/// Gives the addon, for this environment, the function that makes the handles of structs, arrays and exceptions, and the
/// symbol under which they keep their numbers. Called once by `lib/gc-ref.ts` when it is loaded.
#[napi(catch_unwind)]
pub fn register_references(
  env: Env,
  #[napi(ts_arg_type = "(core: any, index: number, kind: number, tag: number, payload: any) => object")] wrap: Unknown,
  #[napi(ts_arg_type = "symbol")] key: Unknown,
) -> napi::Result<()> {
  let raw = RawEnv(env.raw());
  let state = EnvState::of(raw)?;
  for (cell, value) in [(&state.wrap_reference, wrap), (&state.reference_key, key)] {
    let reference = raw
      .reference(Value(value.raw()), 1)
      .map_err(|_| napi::Error::from_reason("registerReferences expects a function and a symbol"))?;
    state.release(cell.replace(reference));
  }
  Ok(())
}
