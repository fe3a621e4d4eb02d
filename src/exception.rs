//! Exceptions of wasm, on their way between JavaScript and the guest.
//!
//! A `WasmException` that a host function throws becomes the guest's exception, which its `catch` can catch; one of the
//! guest that nobody catches becomes a `WasmException`. Both are handles of the same exception object, so an exception that
//! passes through both worlds stays the same one. Lives on: the JavaScript thread, but for what says otherwise.

use std::fmt;

use wasmtime::{AsContext, AsContextMut, ExnRef, ExnRefPre, ExnType, OwnedRooted, RootScope, Rooted};
use wasmtime::{StoreContextMut, Tag, ThrownException, Val, WasmBacktrace};

use crate::core_dump::core_dump;
use crate::external_buffer::OutBytes;
use crate::failure::{Failure, FailureKind};
use crate::gc_handles::{GcObject, Root, address_of};
use crate::global::wrong_value;
use crate::raw_call::{ARGS, index_arg, raw_functions, store_arg};
use crate::raw_env::{RawEnv, Value};
use crate::reference::{JsReference, Owned};
use crate::store::{StoreData, StoreInner};
use crate::tag::tag_at;

/// An exception that a host function has thrown and that wasm does not know yet. Any thread may drop it.
pub struct Raised(OwnedRooted<ExnRef>);

impl Raised {
  pub fn new(exception: OwnedRooted<ExnRef>) -> Self {
    Self(exception)
  }
}

impl fmt::Debug for Raised {
  fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("an exception of a host function")
  }
}

impl fmt::Display for Raised {
  fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    fmt::Debug::fmt(self, f)
  }
}

impl std::error::Error for Raised {}

/// Has wasm throw the exception that an error carries, as the last step before the host function returns: between the two
/// nothing else may run in the store, which has one place for an exception under way. Lives on: whoever has the store.
#[cold]
pub fn raise(mut ctx: StoreContextMut<'_, StoreData>, error: wasmtime::Error) -> wasmtime::Error {
  let Some(Raised(exception)) = error.downcast_ref::<Raised>() else { return error };
  let rooted = exception.to_rooted(&mut ctx);
  match ctx.throw::<()>(rooted) {
    Ok(()) => error,
    Err(thrown) => thrown,
  }
}

/// An exception that nobody has caught, taken out of the store. Lives on: whoever has the store.
pub struct Uncaught {
  exception: OwnedRooted<ExnRef>,
  tag: Tag,
  payload: Vec<Owned>,
}

impl Uncaught {
  fn new(mut ctx: StoreContextMut<'_, StoreData>) -> wasmtime::Result<Option<Self>> {
    let mut scope = RootScope::new(&mut ctx);
    let Some(exception) = scope.as_context_mut().take_pending_exception() else { return Ok(None) };
    let tag = exception.tag(&mut scope)?;
    let vals: Vec<Val> = exception.fields(&mut scope)?.collect();
    let payload = vals.into_iter().map(|val| Owned::new(scope.as_context_mut(), val)).collect::<Result<_, _>>()?;
    Ok(Some(Self { exception: exception.to_owned_rooted(&mut scope)?, tag, payload }))
  }
}

/// What has ended a call, with what only the store could tell at that moment. Lives on: whoever has the store.
pub struct Broken {
  pub error: wasmtime::Error,
  /// How many frames of the error's trace belong to the calls that this one is nested in.
  pub outer_frames: usize,
  pub exception: Option<Uncaught>,
  pub coredump: Option<OutBytes>,
}

impl Broken {
  /// To be called as soon as the call has returned, for then the calls around it are on the stack, and the exception must
  /// not stay in the store.
  #[cold]
  pub fn new(mut ctx: StoreContextMut<'_, StoreData>, error: wasmtime::Error) -> Self {
    let outer_frames =
      if error.is::<WasmBacktrace>() { WasmBacktrace::force_capture(ctx.as_context_mut()).frames().len() } else { 0 };
    if !error.is::<ThrownException>() {
      let coredump = core_dump(&error, ctx);
      return Self { error, outer_frames, exception: None, coredump };
    }
    match Uncaught::new(ctx) {
      Ok(exception) => Self { error, outer_frames, exception, coredump: None },
      Err(error) => Self { error, outer_frames, exception: None, coredump: None },
    }
  }

  pub fn without_frames(error: wasmtime::Error) -> Self {
    Self { error, outer_frames: 0, exception: None, coredump: None }
  }
}

/// What has ended a call in sync mode: all that needs the store is done, for a close may have freed it by now.
pub struct End {
  broken: Broken,
  /// Of its exception.
  reference: Option<Result<JsReference, Failure>>,
}

impl StoreInner {
  /// To be called in the entry whose call has failed.
  #[cold]
  pub fn broken_off(&self, mut ctx: StoreContextMut<'_, StoreData>, error: wasmtime::Error) -> Box<End> {
    let broken = Broken::new(ctx.as_context_mut(), error);
    let reference = broken.exception.as_ref().map(|exception| {
      let env = self.state.env().ok_or(Failure::Pending)?;
      // The handles must outlive the entry.
      self.end_host_scope(env);
      self.uncaught_to_js(env, ctx, exception)
    });
    Box::new(End { broken, reference })
  }

  /// The failure, after the entry.
  #[cold]
  #[expect(clippy::boxed_local, reason = "boxed for the way here, on which results travel in registers")]
  pub fn ended(&self, end: Box<End>) -> Failure {
    let Some(env) = self.state.env() else { return Failure::Pending };
    let End { broken, reference } = *end;
    match reference {
      None => self.failure(env, broken),
      Some(Ok(reference)) => self.exception_failure(env, &broken.error, broken.outer_frames, reference),
      Some(Err(failure)) => failure,
    }
  }

  /// The first half of an uncaught exception's way to JavaScript; needs the store.
  pub fn uncaught_to_js(
    &self,
    env: RawEnv,
    ctx: StoreContextMut<'_, StoreData>,
    uncaught: &Uncaught,
  ) -> Result<JsReference, Failure> {
    let mut scope = RootScope::new(ctx);
    let exception = uncaught.exception.to_rooted(&mut scope);
    let mut payload = Vec::with_capacity(uncaught.payload.len());
    for owned in &uncaught.payload {
      let val = owned.to_val(scope.as_context_mut());
      payload.push(self.val_to_reference(env, scope.as_context_mut(), val)?);
    }
    self.exception_to_js(env, scope.as_context_mut(), exception, uncaught.tag, Some(payload))
  }

  /// The handle of an exception. Without a payload JavaScript asks for it when it wants it: exceptions may be nested in
  /// payloads to any depth.
  pub fn exception_to_js(
    &self,
    env: RawEnv,
    mut ctx: StoreContextMut<'_, StoreData>,
    exception: Rooted<ExnRef>,
    tag: Tag,
    payload: Option<Vec<JsReference>>,
  ) -> Result<JsReference, Failure> {
    let address = address_of(&ctx, &exception).map_err(internal)?;
    if let Some(known) = self.gc_handles.known(env, address) {
      return Ok(JsReference::Value(known));
    }
    let root = Root::Exception(exception.to_owned_rooted(&mut ctx).map_err(internal)?);
    let tag = self.register(tag.into(), ctx);
    Ok(JsReference::Object(GcObject { root, address, tag, payload }))
  }
}

fn internal(error: wasmtime::Error) -> Failure {
  Failure::internal(format!("{error:#}"))
}

/// Makes an exception; gives the number of its handle. Arguments: store handle, handle of the tag, array of the payload,
/// the object that becomes the handle.
fn new(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [handle, tag, payload, object, ..] = *args;
  let store = store_arg(env, handle)?;
  let tag = tag_at(&store, index_arg(env, tag)?)?;
  let ty = store.with(|ctx| tag.ty(ctx.as_context()))?;
  let types: Vec<_> = ty.ty().params().collect();
  let count = env.array_length(payload).map_err(|_| Failure::internal("expected an array"))?;
  if usize::try_from(count) != Ok(types.len()) {
    return Err(Failure::type_error(format!("payload: expected {} values, got {count}", types.len())));
  }
  let mut prepared = Vec::with_capacity(types.len());
  for (index, ty) in (0_u32..).zip(&types) {
    let value = env.get_element(payload, index).map_err(|_| Failure::Pending)?;
    let wrong = || wrong_value(env, &format!("payload[{index}]"), ty, value);
    prepared.push((value, store.prepare(env, ty, value)?.ok_or_else(wrong)?));
  }
  let mut mismatch = None;
  let made = store.with_allocating(|ctx| {
    let mut scope = RootScope::new(ctx);
    let mut vals = Vec::with_capacity(prepared.len());
    for (index, ((_, ready), ty)) in prepared.drain(..).zip(&types).enumerate() {
      let Some(val) = store.finish(scope.as_context_mut(), ty, ready)? else {
        mismatch = Some(index);
        return Ok(None);
      };
      vals.push(val);
    }
    let mut make = || -> wasmtime::Result<_> {
      let allocator = ExnRefPre::new(&mut scope, ExnType::from_tag_type(&ty)?);
      let exception = ExnRef::new(&mut scope, &allocator, &tag, &vals)?;
      let address = address_of(&scope, &exception)?;
      Ok(Some((exception.to_owned_rooted(&mut scope)?, address)))
    };
    make().map_err(|error| Failure::new(FailureKind::Limit, format!("the exception could not be made: {error:#}")))
  })??;
  let Some((exception, address)) = made else {
    let index = mismatch.unwrap_or_default();
    let ty = types.get(index).ok_or_else(|| Failure::internal("no such type"))?;
    let place = u32::try_from(index).unwrap_or(u32::MAX);
    let value = env.get_element(payload, place).map_err(|_| Failure::Pending)?;
    return Err(wrong_value(env, &format!("payload[{index}]"), ty, value));
  };
  let index = store.adopt_gc_handle(env, Root::Exception(exception), address, object)?;
  env.uint32(index).map_err(|_| Failure::Pending)
}

/// The values that an exception carries, as an array. Arguments: store handle, number of the handle.
fn payload(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [handle, index, ..] = *args;
  let store = store_arg(env, handle)?;
  let Some(Root::Exception(exception)) = store.gc_handles.root(index_arg(env, index)?) else {
    return Err(Failure::type_error("expected the handle of an exception"));
  };
  let references = store.with(|ctx| {
    let mut scope = RootScope::new(ctx);
    let exception = exception.to_rooted(&mut scope);
    let vals: Vec<Val> = exception.fields(&mut scope).map_err(internal)?.collect();
    vals
      .into_iter()
      .map(|val| store.val_to_reference(env, scope.as_context_mut(), val))
      .collect::<Result<Vec<_>, Failure>>()
  })??;
  store.array_of(env, references)
}

impl StoreInner {
  /// Values on their way to JavaScript as an array.
  pub fn array_of(&self, env: RawEnv, references: Vec<JsReference>) -> Result<Value, Failure> {
    let array = env.array(references.len()).map_err(|_| Failure::Pending)?;
    for (index, reference) in (0_u32..).zip(references) {
      let value = self.reference_value(env, reference)?;
      env.set_element(array, index, value).map_err(|_| Failure::Pending)?;
    }
    Ok(array)
  }
}

raw_functions! {
  "exceptionNew" => new;
  "exceptionPayload" => payload;
}
