//! The native side of a store: Wasmtime's store, what JavaScript has handles to, and the one way to get at it.
//!
//! Every operation goes through [`StoreInner::with`] (or [`StoreInner::enter`], when it runs wasm). It uses the `Caller`
//! of the innermost host call if there is one, else the store itself, and it refuses a second access while one is under
//! way, so there is never a second `&mut`. The JavaScript side (`lib/store-core.ts`) holds all callbacks and reference
//! values in one array, the holder; native code has only a weak reference to it. Whatever can reach the store in
//! JavaScript holds that array, and reaches the native store through a [`Tomb`]. A store is freed by `close`, as soon as
//! no native frame uses it ([`StorePin`]); one that is never closed, by its finaliser when the array has been collected.
//! Lives on: the JavaScript thread.

use std::cell::{Cell, OnceCell, RefCell, UnsafeCell};
use std::collections::HashMap;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

use napi::sys;
use wasmtime::{AsContextMut, Caller, Extern, StoreContextMut};

mod data;
mod deadline;
mod fuel;
mod grow_request;
mod handles;
mod life;
mod limits;
mod mode;
mod usage;

use crate::engine::{Engine, EngineParts, RunAsync};
use crate::engine_counts::Counts;
use crate::env_state::{EnvState, STACK_MARGIN};
use crate::export_func::ExportFunc;
use crate::extern_ref::FreeList;
use crate::failure::{Failure, FailureKind};
use crate::gc_handles::GcHandles;
use crate::guest_profiler::Sampling;
use crate::instance_slot::InstanceSlot;
use crate::map_budget::Maps;
use crate::memory_view::Views;
use crate::raw_env::{RawEnv, Value};
use crate::tasks::Tasks;
use crate::ticker::Pulse;
use crate::tomb::{Tomb, Tombs};
use crate::wasi::Input;

pub use data::StoreData;
pub use deadline::{Deadline, not_interruptible};
use fuel::Fuel;
pub use fuel::{FUNCTIONS as FUEL_FUNCTIONS, FuelBudget, fuel_arg};
use life::BASE_WEIGHT;
pub use life::StorePin;
use limits::Limits;
pub use limits::Parts;
pub use mode::Mode;
pub use usage::RefusalInfo;
use usage::Usage;

/// Part of the holder array with the `StoreCore`.
pub const CORE: u32 = 3;

/// Part of the holder array with the memory of the tombs.
const TOMBS: u32 = 6;

/// Part of the holder array that is empty, to try whether JavaScript objects can still be changed.
const PROBE: u32 = 7;

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

/// Host calls that share a handle scope.
const CALLS_PER_SCOPE: u32 = 128;

/// A handle scope that the host calls of one entry into wasm share, renewed every so many calls: a scope costs Node a
/// heap allocation, and the handles of a million calls cannot wait for the end.
#[derive(Clone, Copy)]
pub struct HostScope {
  pub scope: sys::napi_escapable_handle_scope,
  pub calls: u32,
}

impl HostScope {
  const NONE: Self = Self { scope: ptr::null_mut(), calls: 0 };
}

pub struct StoreInner {
  /// Tells stores apart, also ones that no longer exist.
  pub id: u64,
  pub state: Arc<EnvState>,
  pub engine: wasmtime::Engine,
  /// What Workers can attach to as long as anything of it is alive.
  pub parts: Arc<EngineParts>,
  pub host_functions: Arc<AtomicU32>,
  store: UnsafeCell<Option<wasmtime::Store<StoreData>>>,
  /// The caller of the innermost host call that JavaScript runs in, null outside of any.
  caller: Cell<*mut Caller<'static, StoreData>>,
  /// The slot of the instance that made that host call.
  pub caller_slot: Cell<u32>,
  busy: Cell<bool>,
  mode: Cell<Mode>,
  /// Only in async mode.
  tasks: OnceCell<Box<Tasks>>,
  run_async: Arc<RunAsync>,
  pulse: Arc<Pulse>,
  /// When what runs now must stop: the earliest deadline of the calls on the native stack.
  deadline: Cell<Option<Deadline>>,
  /// The deadline of all later calls.
  standing: Cell<Option<Deadline>>,
  /// Whether entries and host calls must look at the two, or for an interruption.
  armed: Cell<bool>,
  /// The engine's interruptions when the outermost call began.
  interruptions: Cell<u64>,
  counts_fuel: bool,
  fuel: Fuel,
  pub usage: Usage,
  /// JavaScript is being asked whether something may grow.
  asking: Cell<bool>,
  /// Where JavaScript puts what guests read.
  wasi_input: OnceCell<Arc<Input>>,
  /// Entries into wasm on the native stack.
  depth: Cell<u32>,
  closed: Cell<bool>,
  host_calls: Cell<u64>,
  pub host_scope: Cell<HostScope>,
  /// The externs that JavaScript has handles to; a handle is an index. They live as long as Wasmtime's own, that is
  /// until the store ends, so nothing is ever removed.
  externs: RefCell<Vec<Extern>>,
  /// How many of them have been entered in the map, and the map: see `known_extern`.
  extern_keys: RefCell<(usize, HashMap<String, u32>)>,
  /// The index of each function that has one, by its address in the store: the same function gets the same handle.
  func_indexes: RefCell<HashMap<usize, u32>>,
  /// The prepared calls of functions, by handle.
  export_funcs: RefCell<Vec<Option<Box<ExportFunc>>>>,
  #[expect(clippy::vec_box, reason = "exported functions and host calls keep pointers to slots")]
  slots: RefCell<Vec<Box<InstanceSlot>>>,
  /// Weak; an array: instances by slot, extern values, functions by index.
  holder: Cell<sys::napi_ref>,
  /// The tomb that the store's handle points to, and those of its functions.
  own_tomb: Cell<*const Tomb>,
  func_tombs: RefCell<Vec<(*const Tomb, *const ExportFunc)>>,
  tombs: Tombs,
  /// Native frames that use the store.
  pins: Cell<u32>,
  pub free_values: Arc<FreeList>,
  /// Live reference values at which the store's garbage is collected.
  pub collect_values_at: Cell<u32>,
  /// Structs, arrays and exceptions that JavaScript has.
  pub gc_handles: GcHandles,
  pub views: Views,
  pub memory_reservation: u64,
  pub memory_may_move: bool,
  stack_needed: usize,
  pub sampling: Arc<Sampling>,
  /// Bytes of memory beyond which there is no core dump.
  pub coredump_limit: i64,
  pub counts: Arc<Counts>,
  /// Entries into wasm.
  pub calls: Cell<u64>,
  /// Written by whoever has the store: a guest's memory may grow on a compute thread.
  bytes: AtomicI64,
  reported: Cell<i64>,
  registry_index: Cell<usize>,
  has_finalizer: Cell<bool>,
}

/// Resets `busy` even when a panic passes through.
struct Busy<'a>(&'a Cell<bool>);

impl Drop for Busy<'_> {
  fn drop(&mut self) {
    self.0.set(false);
  }
}

/// One entry into wasm, or run of the driver of async mode; its end restores what was there before, even when a panic
/// passes through.
pub struct Entry<'a> {
  store: &'a StoreInner,
  depth: u32,
  outer_scope: HostScope,
}

impl Drop for Entry<'_> {
  #[inline]
  fn drop(&mut self) {
    let store = self.store;
    store.depth.set(self.depth);
    let HostScope { scope, .. } = store.host_scope.replace(self.outer_scope);
    if !scope.is_null()
      && let Some(env) = store.state.env()
    {
      env.close_escapable_scope(scope);
    }
    if store.views.any() {
      store.check_views();
    }
    if self.depth == 0
      && (store.closed.get() || store.bytes.load(Ordering::Relaxed) != store.reported.get() - BASE_WEIGHT)
    {
      store.settle();
    }
  }
}

impl StoreInner {
  fn new(
    env: RawEnv,
    state: Arc<EnvState>,
    engine: &Engine,
    holder: Value,
    limits: Limits,
  ) -> Result<Box<Self>, Failure> {
    let holder = env.reference(holder, 0).map_err(|_| Failure::Pending)?;
    let inner = Box::new(Self {
      id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
      engine: engine.inner.clone(),
      parts: engine.parts(),
      host_functions: Arc::clone(&engine.host_functions),
      store: UnsafeCell::new(None),
      caller: Cell::new(ptr::null_mut()),
      caller_slot: Cell::new(0),
      busy: Cell::new(false),
      mode: Cell::new(Mode::Undecided),
      tasks: OnceCell::new(),
      run_async: Arc::clone(&engine.run_async),
      pulse: Arc::clone(&engine.run_async.pulse),
      deadline: Cell::new(None),
      standing: Cell::new(None),
      armed: Cell::new(false),
      interruptions: Cell::new(0),
      counts_fuel: engine.counts_fuel,
      fuel: Fuel::default(),
      usage: Usage::default(),
      asking: Cell::new(false),
      wasi_input: OnceCell::new(),
      depth: Cell::new(0),
      closed: Cell::new(false),
      host_calls: Cell::new(0),
      host_scope: Cell::new(HostScope::NONE),
      externs: RefCell::default(),
      extern_keys: RefCell::default(),
      func_indexes: RefCell::default(),
      export_funcs: RefCell::default(),
      slots: RefCell::default(),
      holder: Cell::new(holder),
      own_tomb: Cell::new(ptr::null()),
      func_tombs: RefCell::default(),
      tombs: Tombs::default(),
      pins: Cell::new(0),
      free_values: Arc::default(),
      collect_values_at: Cell::new(1024),
      gc_handles: GcHandles::default(),
      views: Views::default(),
      memory_reservation: engine.memory_reservation,
      memory_may_move: engine.memory_may_move,
      stack_needed: engine.max_wasm_stack.saturating_add(STACK_MARGIN),
      sampling: Arc::default(),
      coredump_limit: engine.coredump_limit,
      counts: Arc::clone(&engine.counts),
      calls: Cell::new(0),
      bytes: AtomicI64::new(0),
      reported: Cell::new(0),
      registry_index: Cell::new(usize::MAX),
      has_finalizer: Cell::new(false),
      state,
    });
    let data = StoreData { inner: &raw const *inner, limits, wasi: None, maps: Maps::default() };
    let mut store =
      wasmtime::Store::try_new(&engine.inner, data).map_err(|error| Failure::internal(error.to_string()))?;
    store.limiter(|data| data);
    if engine.run_async.interruptible {
      // Whenever the epoch has risen, for whatever reason, wasm looks if this concerns it.
      store.set_epoch_deadline(1);
      store.epoch_deadline_callback(|ctx| Ok(Self::on_epoch(&ctx)));
    }
    if engine.counts_fuel {
      store.set_fuel(fuel::UNBOUNDED).map_err(|error| Failure::internal(error.to_string()))?;
    }
    // SAFETY: nobody else has seen `inner` yet.
    unsafe { *inner.store.get() = Some(store) };
    inner.state.register_store(&raw const *inner, &inner.registry_index);
    inner.report(env);
    Ok(inner)
  }

  /// The store behind a handle that `store_new` made.
  #[inline]
  pub fn of(env: RawEnv, handle: Value) -> Result<StorePin, Failure> {
    let tomb = Self::tomb_of(env, handle)?;
    match tomb.target::<Self>() {
      // SAFETY: the tomb of a store that is not freed leads to it.
      Some(store) => Ok(StorePin::new(unsafe { &*store })),
      None => Err(tomb.failure()),
    }
  }

  /// The tomb behind a handle.
  #[inline]
  pub fn tomb_of<'a>(env: RawEnv, handle: Value) -> Result<&'a Tomb, Failure> {
    let data = env.get_external(handle).map_err(|_| Failure::type_error("expected a store handle"))?;
    // SAFETY: the package's own TypeScript passes only externals that `store_new` made (they never leave private
    // fields), together with what holds the tomb's memory.
    Ok(unsafe { &*data.cast_const().cast::<Tomb>() })
  }

  /// Makes the tomb of an export function of this store.
  pub fn add_tomb(&self, env: RawEnv, export: *const ExportFunc) -> Result<*const Tomb, Failure> {
    let buffers = self.holder_part(env, TOMBS)?;
    let tomb = self.tombs.add(env, buffers, export.cast())?;
    self.func_tombs.borrow_mut().push((tomb, export));
    Ok(tomb)
  }

  #[inline]
  pub fn is_closed(&self) -> bool {
    self.closed.get()
  }

  /// Where JavaScript puts what guests read; `None` if they read nothing of JavaScript's.
  pub fn wasi_input(&self) -> Option<&Input> {
    self.wasi_input.get().map(|input| &**input)
  }

  pub fn set_wasi_input(&self, input: Arc<Input>) {
    let _ = self.wasi_input.set(input);
  }

  /// Whether wasm of this store is on the native stack.
  pub fn is_running(&self) -> bool {
    self.depth.get() > 0
  }

  /// Runs `f` with the active context: the innermost host call's caller, or the store itself.
  #[inline]
  pub fn with<R>(&self, f: impl FnOnce(StoreContextMut<'_, StoreData>) -> R) -> Result<R, Failure> {
    if self.closed.get() {
      return Err(Failure::closed("store"));
    }
    self.with_even_closed(f)
  }

  /// As `with`, also after a close that waits for running wasm to end.
  #[inline]
  pub fn with_even_closed<R>(&self, f: impl FnOnce(StoreContextMut<'_, StoreData>) -> R) -> Result<R, Failure> {
    if self.busy.replace(true) {
      return Err(self.busy_failure());
    }
    let _busy = Busy(&self.busy);
    let caller = self.caller.get();
    if caller.is_null() {
      // SAFETY: `busy` was false, so no other reference into the store is in use, and with no caller none is suspended
      // further down the stack.
      match unsafe { &mut *self.store.get() } {
        Some(store) => Ok(f(store.as_context_mut())),
        None => Err(Failure::closed("store")),
      }
    } else {
      // SAFETY: `caller` points to the local of the host call that is entered now and removed before it returns; that
      // frame waits for JavaScript, and `busy` was false, so nobody else uses it.
      Ok(f(unsafe { &mut *caller }.as_context_mut()))
    }
  }

  /// Looks an export up in the caller of the innermost host call: the only way while an instance is still starting.
  pub fn caller_export(&self, name: &str) -> Option<Extern> {
    let caller = self.caller.get();
    if caller.is_null() || self.busy.replace(true) {
      return None;
    }
    let _busy = Busy(&self.busy);
    // SAFETY: as in `with`.
    unsafe { &mut *caller }.get_export(name)
  }

  /// Runs wasm: as `with`, after making sure that the native stack suffices.
  #[inline]
  pub fn enter<R>(&self, run: impl FnOnce(StoreContextMut<'_, StoreData>) -> R) -> Result<R, Failure> {
    let depth = self.depth.get();
    // A nested entry keeps the limit of the first one, and traps by itself when it is reached.
    let needed = if depth == 0 {
      self.note_beginning();
      self.stack_needed
    } else {
      STACK_MARGIN
    };
    if !self.state.has_stack(needed) {
      return Err(Failure::stack_overflow());
    }
    if depth == 0
      && let Some(env) = self.state.env()
    {
      self.state.js_stack.look_ahead(env, needed);
    }
    self.calls.set(self.calls.get().wrapping_add(1));
    let _watch = self.watch_if_armed()?;
    let _entry = self.drive_entry();
    self.with(run)
  }

  /// Whether a guest that goes on after a host call must look if it should stop: see [`Self::check_time`].
  #[inline]
  pub fn is_armed(&self) -> bool {
    self.armed.get()
  }

  #[cold]
  fn busy_failure(&self) -> Failure {
    if self.asking.get() {
      return Failure::new(
        FailureKind::StoreBusy,
        "limits.onGrow is asked in the middle of an instruction of the guest, so it cannot use the store",
      );
    }
    Failure::busy()
  }

  /// Native code that uses the store is on the stack until what is returned is dropped: a close waits for that.
  #[inline]
  pub fn drive_entry(&self) -> Entry<'_> {
    let depth = self.depth.get();
    let entry = Entry { store: self, depth, outer_scope: self.host_scope.replace(HostScope::NONE) };
    self.depth.set(depth + 1);
    entry
  }

  /// After the outermost entry: ends a store that was closed meanwhile, reports what the guest grew.
  #[cold]
  fn settle(&self) {
    if self.closed.get() {
      self.drop_store();
    }
    if let Some(env) = self.state.env() {
      self.report(env);
    }
  }

  /// The handle scope for the next host call: see [`HostScope`].
  #[inline]
  pub fn renew_scope(&self, env: RawEnv) {
    let HostScope { scope, calls } = self.host_scope.get();
    if scope.is_null() {
      self.host_scope.set(HostScope { scope: env.open_escapable_scope(), calls: 1 });
    } else if calls >= CALLS_PER_SCOPE {
      env.close_escapable_scope(scope);
      self.host_scope.set(HostScope { scope: env.open_escapable_scope(), calls: 1 });
    } else {
      self.host_scope.set(HostScope { scope, calls: calls + 1 });
    }
  }

  /// Ends the handle scope of the host calls so far.
  pub fn end_host_scope(&self, env: RawEnv) {
    let HostScope { scope, .. } = self.host_scope.replace(HostScope::NONE);
    if !scope.is_null() {
      env.close_escapable_scope(scope);
    }
  }

  /// Detaches the views that wasm has made wrong by growing a memory, before JavaScript runs again.
  #[cold]
  fn check_views(&self) {
    if let Some(env) = self.state.env() {
      // An access is under way only if a panic passes through; then nobody will look at a view.
      let _ = self.with_even_closed(|ctx| self.detach_grown_views(env, ctx));
    }
  }

  /// Makes `caller` the active context while `f` runs JavaScript.
  #[inline]
  pub fn in_host_call<R>(&self, caller: &mut Caller<'_, StoreData>, slot: u32, f: impl FnOnce() -> R) -> R {
    struct Restore<'a>(&'a StoreInner, *mut Caller<'static, StoreData>, u32);
    impl Drop for Restore<'_> {
      fn drop(&mut self) {
        self.0.caller.set(self.1);
        self.0.caller_slot.set(self.2);
        self.0.busy.set(true);
      }
    }
    let previous = self.caller.replace(ptr::from_mut(caller).cast());
    let _restore = Restore(self, previous, self.caller_slot.replace(slot));
    self.busy.set(false);
    self.host_calls.set(self.host_calls.get().wrapping_add(1));
    f()
  }

  /// Changes whenever JavaScript runs inside a call into wasm.
  pub fn host_calls(&self) -> u64 {
    self.host_calls.get()
  }

  /// The JavaScript side's array number `part` (see `lib/store-core.ts`).
  pub fn holder_part(&self, env: RawEnv, part: u32) -> Result<Value, Failure> {
    let holder = env.dereference(self.holder.get());
    let holder = holder.ok_or_else(|| Failure::internal("the store's JavaScript side is gone"))?;
    env.get_element(holder, part).map_err(|_| Failure::Pending)
  }
}
