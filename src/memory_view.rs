//! Zero-copy views of linear memory.
//!
//! A view is an external `ArrayBuffer` over the memory's own bytes. It is detached when the memory grows (whoever grew it)
//! and when the store closes. JavaScript can move the buffer's content to another buffer (`transfer()`), which cannot be
//! detached from here; so the memory's mapping, that is the whole Wasmtime store, stays until V8 has freed the last
//! backing store, and views are only made of memories that cannot move. Lives on: the JavaScript thread.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::rc::Rc;

use napi::sys;
use wasmtime::{AsContextMut, Extern, Memory, StoreContextMut};

use crate::failure::{Failure, FailureKind};
use crate::raw_call::{ARGS, index_arg, raw_functions, store_arg};
use crate::raw_env::{External, RawEnv, Refused, Value};
use crate::store::{Mode, StoreData, StoreInner};

/// Part of the holder array where the views are, by handle of the memory: one at a time, so that all who ask share what
/// must be detached.
const VIEWS: u32 = 5;

/// Where a closed store waits for V8 to free the last view of its memories.
#[derive(Default)]
pub struct Grave(RefCell<Option<wasmtime::Store<StoreData>>>);

struct View {
  index: u32,
  memory: Memory,
  /// Weak.
  buffer: sys::napi_ref,
  size: usize,
}

/// The views of one store.
#[derive(Default)]
pub struct Views {
  list: RefCell<Vec<View>>,
  any: Cell<bool>,
  grave: Rc<Grave>,
}

impl Views {
  #[inline]
  pub fn any(&self) -> bool {
    self.any.get()
  }

  /// Ends a store, when no view needs its memory any more.
  pub fn bury(&self, store: wasmtime::Store<StoreData>) {
    if Rc::strong_count(&self.grave) > 1 {
      *self.grave.0.borrow_mut() = Some(store);
    }
  }
}

impl StoreInner {
  /// Detaches the views of memories that have grown.
  #[cold]
  pub fn detach_grown_views(&self, env: RawEnv, mut ctx: StoreContextMut<'_, StoreData>) {
    let grown =
      |view: &View, ctx: &mut StoreContextMut<'_, StoreData>| view.memory.data_size(ctx.as_context_mut()) != view.size;
    let mut list = self.views.list.borrow_mut();
    let (gone, kept): (Vec<_>, Vec<_>) = list.drain(..).partition(|view| grown(view, &mut ctx));
    *list = kept;
    self.views.any.set(!list.is_empty());
    drop(list);
    self.detach(env, gone);
  }

  /// Whether a memory has a view that is good. Forgets one whose content JavaScript has moved to another buffer.
  fn has_view(&self, env: RawEnv, index: u32) -> bool {
    let mut list = self.views.list.borrow_mut();
    let Some(place) = list.iter().position(|view| view.index == index) else { return false };
    let moved =
      list.get(place).is_none_or(|view| env.dereference(view.buffer).is_none_or(|buffer| env.is_detached(buffer)));
    if moved {
      self.state.release(list.swap_remove(place).buffer);
      self.views.any.set(!list.is_empty());
    }
    !moved
  }

  /// Detaches all views.
  #[cold]
  pub fn detach_views(&self, env: RawEnv) {
    self.views.any.set(false);
    let gone = self.views.list.take();
    self.detach(env, gone);
  }

  /// Detaches views, unless JavaScript cannot run any more: then nobody will look at them, and the mapping stays until
  /// V8 has freed them.
  fn detach(&self, env: RawEnv, views: Vec<View>) {
    let parts = if views.is_empty() { None } else { self.holder_part(env, VIEWS).ok() };
    for view in views {
      // Node's `napi_detach_arraybuffer` ends the process while a Worker is being terminated; setting an element fails
      // then, and so tells.
      let alive = parts.is_some_and(|parts| env.set_element(parts, view.index, env.undefined()).is_ok());
      if alive && let Some(buffer) = env.dereference(view.buffer) {
        env.detach(buffer);
      }
      self.state.release(view.buffer);
    }
  }
}

unsafe extern "C" fn on_freed(_: sys::napi_env, _: *mut c_void, hint: *mut c_void) {
  // SAFETY: `view` made the count into this pointer; V8 frees a backing store once, and Node tells of it on this thread.
  drop(unsafe { Rc::from_raw(hint.cast_const().cast::<Grave>()) });
}

fn view(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [handle, index, ..] = *args;
  let store = store_arg(env, handle)?;
  let index = index_arg(env, index)?;
  if store.decided_mode(env)? == Mode::Async {
    return Err(Failure::type_error(
      "view: the store is in async mode, where a guest may use its memory on another thread; use read() and readInto()",
    ));
  }
  let Extern::Memory(memory) = store.extern_at(index)? else {
    return Err(Failure::type_error("expected the handle of a memory"));
  };
  store.with(|ctx| store.detach_grown_views(env, ctx))?;
  let views = store.holder_part(env, VIEWS)?;
  if store.has_view(env, index) {
    return env.get_element(views, index).map_err(|_| Failure::Pending);
  }
  let (movable, start, size) = store.with(|ctx| {
    let ty = memory.ty(&ctx);
    let limit = ty.maximum().map_or(u64::MAX, |pages| pages.saturating_mul(ty.page_size()));
    let limit = if ty.is_64() { limit } else { limit.min(1 << 32) };
    let movable = store.memory_may_move && limit > store.memory_reservation;
    (movable, memory.data_ptr(&ctx), memory.data_size(&ctx))
  })?;
  if movable {
    return Err(Failure::type_error(
      "view: this memory may move when it grows; give it a maximum within memoryReservation, or use read() and readInto()",
    ));
  }
  if size == 0 {
    return env.bytes(0, |_| ()).map_err(|_| Failure::Pending);
  }
  if !store.state.external_buffers {
    return Err(forbidden());
  }
  let hint = Rc::into_raw(Rc::clone(&store.views.grave)).cast_mut().cast::<c_void>();
  // SAFETY: the grave keeps the memory until `on_freed` runs, and there is no other view of it (see above).
  let buffer = unsafe { env.external_array_buffer(start.cast(), size, on_freed, hint) }.map_err(|refusal| {
    if refusal == External::Forbidden {
      // SAFETY: where there is a memory cage Node refuses before it looks at anything, so the count is still ours.
      drop(unsafe { Rc::from_raw(hint.cast_const().cast::<Grave>()) });
      return forbidden();
    }
    // After any other failure Node calls `on_freed`, or has done so (for a buffer that is too large), so the count is not ours
    // any more. If there is a way to fail without that, what it costs is a grave that is not freed.
    Failure::Pending
  })?;
  let make = || {
    let array = env.uint8_array(buffer, size)?;
    let reference = env.reference(buffer, 0)?;
    env.set_element(views, index, array)?;
    store.views.list.borrow_mut().push(View { index, memory, buffer: reference, size });
    store.views.any.set(true);
    Ok(array)
  };
  // If that fails, nobody has seen the buffer, and V8 frees it some time.
  make().map_err(|_: Refused| Failure::Pending)
}

#[cold]
fn forbidden() -> Failure {
  Failure::new(
    FailureKind::Type,
    "view: external buffers are not allowed in this environment (Electron's V8 memory cage forbids them); \
     use read(), readInto() and the typed accessors, which copy",
  )
}

raw_functions! {
  "memoryView" => view;
}
