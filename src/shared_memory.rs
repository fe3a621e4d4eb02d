//! Memories that threads share: making, sharing, growing, waiting. Reading and writing are in `shared_access.rs`.
//!
//! A shared memory belongs to an engine, not to a store, and never moves. The JavaScript object owns a count of it; a raw
//! function gets it by an external value that points to the class instance, which the object holds beside it.
//! Lives on: the JavaScript thread of each environment that has one; the memory itself on any.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use napi::JsValue;
use napi::bindgen_prelude::{Env, Unknown};
use napi_derive::napi;
use wasmtime::{Extern, MemoryTypeBuilder, WaitResult};

use crate::engine::{Engine, EngineParts};
use crate::extern_type::{ExternTypeInfo, memory_info};
use crate::failure::{Failure, FailureKind};
use crate::map_budget::{Maps, OF_MEMORY};
use crate::memory::{MemoryConfig, pages};
use crate::raw_call::{ARGS, number, raw_functions, size_arg};
use crate::raw_env::{Kind, RawEnv, Value};
use crate::shared_handles::SharedHandles;
use crate::store::StoreInner;

static SHARED: SharedHandles<Shared> = SharedHandles::new();

/// What the JavaScript objects of one memory own together.
struct Shared {
  memory: wasmtime::SharedMemory,
  engine: Arc<EngineParts>,
  _maps: Maps,
}

/// A memory that threads share.
#[napi]
pub struct SharedMemory {
  /// `None` after `close`.
  shared: RefCell<Option<Arc<Shared>>>,
}

impl SharedMemory {
  fn shared(&self) -> Result<Arc<Shared>, Failure> {
    self.shared.borrow().clone().ok_or_else(|| Failure::closed("shared memory"))
  }

  /// The memory, if it belongs to the engine.
  pub fn in_engine(&self, engine: &wasmtime::Engine) -> Result<wasmtime::SharedMemory, Failure> {
    let shared = self.shared()?;
    if wasmtime::Engine::same(&shared.engine.inner, engine) {
      Ok(shared.memory.clone())
    } else {
      Err(Failure::type_error("the shared memory belongs to another engine"))
    }
  }
}

#[napi]
impl SharedMemory {
  #[napi(constructor, catch_unwind)]
  pub fn new(env: Env, engine: &Engine, config: MemoryConfig) -> napi::Result<Self> {
    let make = || {
      let ty = MemoryTypeBuilder::new()
        .min(pages(config.minimum))
        .max(config.maximum.map(pages))
        .memory64(config.is64.unwrap_or(false))
        .shared(true)
        .build()
        .map_err(|error| Failure::new(FailureKind::Range, format!("the memory's limits are impossible: {error:#}")))?;
      let limit = |error| Failure::new(FailureKind::Limit, format!("the memory could not be made: {error:#}"));
      let maps = Maps::take(OF_MEMORY).map_err(limit)?;
      let memory = wasmtime::SharedMemory::new(&engine.inner, ty).map_err(limit)?;
      let shared = Shared { memory, engine: engine.parts(), _maps: maps };
      Ok(Self { shared: RefCell::new(Some(Arc::new(shared))) })
    };
    make().map_err(|failure: Failure| failure.into_napi(RawEnv(env.raw())))
  }

  /// What the raw functions take. Only as long as this object lives.
  #[napi(catch_unwind, ts_return_type = "SharedMemoryHandle")]
  pub fn handle(&self, env: Env) -> napi::Result<Unknown<'static>> {
    let raw = RawEnv(env.raw());
    let data = std::ptr::from_ref(self).cast_mut().cast();
    let handle = raw.external(data).map_err(|_| napi::Error::from_reason("the environment is going down"))?;
    // SAFETY: a handle of this environment and of the running callback's scope.
    Ok(unsafe { Unknown::from_raw_unchecked(raw.0, handle.0) })
  }

  /// Where its bytes are: the same number for the same memory.
  #[napi(catch_unwind)]
  pub fn address(&self, env: Env) -> napi::Result<f64> {
    let shared = self.shared().map_err(|failure| failure.into_napi(RawEnv(env.raw())))?;
    #[expect(clippy::cast_precision_loss, reason = "addresses of a process stay below 2^53")]
    let address = shared.memory.data().as_ptr().addr() as f64;
    Ok(address)
  }

  /// Its limits.
  #[napi(catch_unwind)]
  pub fn memory_type(&self, env: Env) -> napi::Result<ExternTypeInfo> {
    let shared = self.shared().map_err(|failure| failure.into_napi(RawEnv(env.raw())))?;
    Ok(memory_info(&shared.memory.ty()))
  }

  /// Makes it known under an id to all threads of the process, as long as one of them has it.
  #[napi(catch_unwind)]
  pub fn share(&self, env: Env, id: String) -> napi::Result<()> {
    let shared = self.shared().map_err(|failure| failure.into_napi(RawEnv(env.raw())))?;
    SHARED.add(id, &shared);
    Ok(())
  }

  /// The memory that has been shared under an id, null if there is none.
  #[napi(catch_unwind)]
  pub fn attach(id: String) -> Option<SharedMemory> {
    SHARED.get(&id).map(|shared| SharedMemory { shared: RefCell::new(Some(shared)) })
  }

  /// Lets go of the memory, which lives on as long as others have it.
  #[napi(catch_unwind)]
  pub fn close(&self) {
    self.shared.take();
  }
}

/// The shared memory of a handle of a store.
#[napi(catch_unwind)]
pub fn shared_memory_of(
  env: Env,
  #[napi(ts_arg_type = "StoreHandle")] store: Unknown,
  index: u32,
) -> napi::Result<SharedMemory> {
  let raw = RawEnv(env.raw());
  let find = || {
    let store = StoreInner::of(raw, Value(store.raw()))?;
    match store.extern_at(index)? {
      Extern::SharedMemory(memory) => {
        let shared = Shared { memory, engine: Arc::clone(&store.parts), _maps: Maps::default() };
        Ok(SharedMemory { shared: RefCell::new(Some(Arc::new(shared))) })
      }
      _ => Err(Failure::type_error("expected the handle of a shared memory")),
    }
  };
  find().map_err(|failure: Failure| failure.into_napi(raw))
}

/// Runs `f` on the memory that the first argument stands for.
#[inline]
pub fn with_memory<R>(
  env: RawEnv,
  handle: Value,
  f: impl FnOnce(&wasmtime::SharedMemory) -> Result<R, Failure>,
) -> Result<R, Failure> {
  let data = env.get_external(handle).map_err(|_| Failure::type_error("expected the handle of a shared memory"))?;
  // SAFETY: the package's own TypeScript passes only externals that `handle` made (they never leave a private field), and
  // holds the instance to which they point beside them.
  let memory = unsafe { &*data.cast_const().cast::<SharedMemory>() };
  let shared = memory.shared()?;
  f(&shared.memory)
}

/// Bytes that it has now. Argument: handle.
fn byte_size(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [handle, ..] = *args;
  number(env, with_memory(env, handle, |memory| Ok(memory.data_size() as u64))?)
}

/// Pages that it has now. Argument: handle.
fn page_count(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [handle, ..] = *args;
  number(env, with_memory(env, handle, |memory| Ok(memory.size()))?)
}

/// Adds pages; gives the number before, `undefined` if it cannot grow that far. Arguments: handle, how many.
fn grow(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [handle, delta, ..] = *args;
  let delta = size_arg(env, delta, "pages")?;
  match with_memory(env, handle, |memory| Ok(memory.grow(delta)))? {
    Ok(previous) => number(env, previous),
    Err(_) => Ok(env.undefined()),
  }
}

fn trapped(trap: wasmtime::Trap) -> Failure {
  Failure::new(FailureKind::Range, format!("offset: {}", trap.to_string().trim_start_matches("wasm trap: ")))
}

/// Waits until the value at an offset is notified: 0 it was, 1 it is another value, 2 the time is over. Arguments: handle,
/// offset, the value (a number for 32 bits, a bigint for 64), milliseconds or `undefined`.
fn wait(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [handle, offset, expected, timeout, ..] = *args;
  let offset = size_arg(env, offset, "offset")?;
  let timeout = match env.kind(timeout) {
    Kind::Undefined => None,
    _ => match env.get_double(timeout) {
      Ok(milliseconds) => Duration::try_from_secs_f64(milliseconds.max(0.0) / 1000.0).ok(),
      Err(_) => return Err(Failure::type_error("timeoutMs: expected a number")),
    },
  };
  #[expect(clippy::cast_sign_loss, reason = "the bits are compared")]
  let outcome = with_memory(env, handle, |memory| {
    if env.kind(expected) == Kind::BigInt {
      let expected = env.get_bigint(expected).map_err(|_| Failure::Pending)?;
      memory.atomic_wait64(offset, expected as u64, timeout).map_err(trapped)
    } else {
      let expected =
        env.get_int32(expected).map_err(|_| Failure::type_error("expected: expected a number or a bigint"))?;
      memory.atomic_wait32(offset, expected as u32, timeout).map_err(trapped)
    }
  })?;
  let code = match outcome {
    WaitResult::Ok => 0,
    WaitResult::Mismatch => 1,
    WaitResult::TimedOut => 2,
  };
  env.uint32(code).map_err(|_| Failure::Pending)
}

/// Wakes threads that wait at an offset; gives how many. Arguments: handle, offset, how many at most.
fn notify(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [handle, offset, count, ..] = *args;
  let offset = size_arg(env, offset, "offset")?;
  let count = u32::try_from(size_arg(env, count, "count")?).unwrap_or(u32::MAX);
  let woken = with_memory(env, handle, |memory| memory.atomic_notify(offset, count).map_err(trapped))?;
  env.uint32(woken).map_err(|_| Failure::Pending)
}

raw_functions! {
  "sharedByteSize" => byte_size;
  "sharedPages" => page_count;
  "sharedGrow" => grow;
  "sharedWait" => wait;
  "sharedNotify" => notify;
}
