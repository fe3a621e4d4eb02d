//! Conversion of references, after the JavaScript API of WebAssembly: functions, any JavaScript value as an `externref` or
//! `anyref`, small integers as `i31ref`, structs, arrays and exceptions as handles.
//!
//! Lives on: the JavaScript thread, but for [`StoreInner::finish_reference`] and [`Owned`].

use wasmtime::{AnyRef, AsContextMut, ExnRef, ExternRef, Func, HeapType, I31, OwnedRooted, RefType, Rooted};
use wasmtime::{StoreContextMut, Val, ValType};

use crate::extern_ref::{ExternSlot, FUNCTIONS};
use crate::failure::Failure;
use crate::gc_handles::{GcObject, Root, address_of};
use crate::raw_env::{Kind, RawEnv, Value};
use crate::signature::type_name;
use crate::store::{CORE, StoreData, StoreInner};
use crate::values::Ready;

/// A reference whose conversion so far has run all the JavaScript that it may run.
pub enum ReadyReference {
  /// Null, or a function whose type is still to be checked.
  Val(Val),
  /// Kept for an `externref` that is still to be made.
  Extern(ExternSlot),
  /// The same, as an `anyref`.
  ExternAsAny(ExternSlot),
  I31(I31),
  Any(OwnedRooted<AnyRef>),
  /// A struct or array as an `externref`.
  AnyAsExtern(OwnedRooted<AnyRef>),
  Exception(OwnedRooted<ExnRef>),
}

/// A reference on its way to JavaScript.
pub enum JsReference {
  Value(Value),
  /// The handle of a function.
  Func(u32),
  Object(GcObject),
}

/// A value that needs no scope of the store. Lives on: whoever has the store.
pub enum Owned {
  Val(Val),
  Extern(OwnedRooted<ExternRef>),
  Any(OwnedRooted<AnyRef>),
  Exception(OwnedRooted<ExnRef>),
}

impl Owned {
  pub fn new(mut ctx: StoreContextMut<'_, StoreData>, val: Val) -> wasmtime::Result<Self> {
    Ok(match val {
      Val::ExternRef(Some(rooted)) => Self::Extern(rooted.to_owned_rooted(&mut ctx)?),
      Val::AnyRef(Some(rooted)) => Self::Any(rooted.to_owned_rooted(&mut ctx)?),
      Val::ExnRef(Some(rooted)) => Self::Exception(rooted.to_owned_rooted(&mut ctx)?),
      val => Self::Val(val),
    })
  }

  /// The value again, rooted in the scope of `ctx`.
  pub fn to_val(&self, mut ctx: StoreContextMut<'_, StoreData>) -> Val {
    match self {
      Self::Val(val) => *val,
      Self::Extern(owned) => Val::ExternRef(Some(owned.to_rooted(&mut ctx))),
      Self::Any(owned) => Val::AnyRef(Some(owned.to_rooted(&mut ctx))),
      Self::Exception(owned) => Val::ExnRef(Some(owned.to_rooted(&mut ctx))),
    }
  }
}

fn internal(error: wasmtime::Error) -> Failure {
  Failure::internal(format!("{error:#}"))
}

/// A number that is an `i31ref`: an integer that fits into 31 bits, and not -0.
fn small_integer(env: RawEnv, value: Value) -> Option<I31> {
  let number = env.get_double(value).ok()?;
  #[expect(clippy::cast_possible_truncation, reason = "the bits are compared below")]
  let integer = number as i32;
  (f64::from(integer).to_bits() == number.to_bits()).then(|| I31::new_i32(integer)).flatten()
}

impl StoreInner {
  /// The function handle that a JavaScript function or `Func` stands for; `None` if it is not one of this store.
  pub fn func_of_value(&self, env: RawEnv, value: Value) -> Result<Option<Func>, Failure> {
    if !matches!(env.kind(value), Kind::Function | Kind::Object) {
      return Ok(None);
    }
    let (Some(store_key), Some(index_key)) = (self.state.store_key(env), self.state.index_key(env)) else {
      return Ok(None);
    };
    let core = self.holder_part(env, CORE)?;
    let owner = env.get_property(value, store_key).map_err(|_| Failure::Pending)?;
    if !env.strict_equals(owner, core) {
      return Ok(None);
    }
    let index = env.get_property(value, index_key).map_err(|_| Failure::Pending)?;
    match env.get_int32(index).ok().and_then(|index| u32::try_from(index).ok()) {
      // The index is only looked up, so a forged one gives another function of this store at worst.
      Some(index) => Ok(self.func_at(index).ok()),
      None => Ok(None),
    }
  }

  /// The first half of a reference's conversion; may run JavaScript. `Ok(None)` if the value is not of the type.
  pub fn prepare_reference(&self, env: RawEnv, ty: &RefType, value: Value) -> Result<Option<ReadyReference>, Failure> {
    let heap = ty.heap_type();
    if env.kind(value) == Kind::Null {
      return Ok(ty.is_nullable().then(|| ReadyReference::Val(Val::null_ref(heap))));
    }
    Ok(match heap {
      HeapType::Func | HeapType::ConcreteFunc(_) => {
        self.func_of_value(env, value)?.map(|func| ReadyReference::Val(Val::FuncRef(Some(func))))
      }
      HeapType::Extern => Some(match self.own_gc_root_of(env, value)? {
        Some(Root::Struct(object) | Root::Array(object)) => ReadyReference::AnyAsExtern(object),
        _ => ReadyReference::Extern(self.keep_extern(env, value)?),
      }),
      HeapType::Any
      | HeapType::Eq
      | HeapType::I31
      | HeapType::Struct
      | HeapType::Array
      | HeapType::ConcreteStruct(_)
      | HeapType::ConcreteArray(_) => {
        let small = if env.kind(value) == Kind::Number { small_integer(env, value) } else { None };
        match (small, self.gc_root_of(env, value)?) {
          (Some(small), _) => Some(ReadyReference::I31(small)),
          (None, Some(Root::Struct(object) | Root::Array(object))) => Some(ReadyReference::Any(object)),
          _ if matches!(heap, HeapType::Any) => Some(ReadyReference::ExternAsAny(self.keep_extern(env, value)?)),
          _ => None,
        }
      }
      HeapType::Exn | HeapType::ConcreteExn(_) => match self.gc_root_of(env, value)? {
        Some(Root::Exception(exception)) => Some(ReadyReference::Exception(exception)),
        _ => None,
      },
      _ => None,
    })
  }

  /// The second half: see [`StoreInner::finish`].
  pub fn finish_reference(
    &self,
    mut ctx: StoreContextMut<'_, StoreData>,
    ty: &ValType,
    ready: ReadyReference,
  ) -> wasmtime::Result<Option<Val>> {
    let val = match ready {
      // Null was made of the type.
      ReadyReference::Val(val) if !matches!(val, Val::FuncRef(Some(_))) => return Ok(Some(val)),
      ReadyReference::Val(val) => val,
      ReadyReference::Extern(slot) => return Ok(Some(Val::ExternRef(Some(self.extern_ref(ctx, slot)?)))),
      ReadyReference::ExternAsAny(slot) => {
        let outside = self.extern_ref(ctx.as_context_mut(), slot)?;
        return Ok(Some(Val::AnyRef(Some(AnyRef::convert_extern(&mut ctx, outside)?))));
      }
      ReadyReference::AnyAsExtern(object) => {
        let object = object.to_rooted(&mut ctx);
        return Ok(Some(Val::ExternRef(Some(ExternRef::convert_any(&mut ctx, object)?))));
      }
      ReadyReference::I31(small) => Val::AnyRef(Some(AnyRef::from_i31(&mut ctx, small))),
      ReadyReference::Any(object) => Val::AnyRef(Some(object.to_rooted(&mut ctx))),
      ReadyReference::Exception(exception) => Val::ExnRef(Some(exception.to_rooted(&mut ctx))),
    };
    Ok(val.matches_ty(&mut ctx, ty)?.then_some(val))
  }

  /// First half of the way back: needs the store, runs no JavaScript.
  pub fn reference_to_js(
    &self,
    env: RawEnv,
    mut ctx: StoreContextMut<'_, StoreData>,
    val: Val,
  ) -> Result<JsReference, Failure> {
    match val {
      Val::ExternRef(None) | Val::FuncRef(None) | Val::AnyRef(None) | Val::ExnRef(None) => {
        Ok(JsReference::Value(env.null()))
      }
      Val::FuncRef(Some(func)) => Ok(JsReference::Func(self.register(func.into(), ctx))),
      Val::ExternRef(Some(reference)) => self.extern_to_js(env, ctx, reference),
      Val::AnyRef(Some(reference)) => self.any_to_js(env, ctx, reference),
      Val::ExnRef(Some(reference)) => {
        let tag = reference.tag(&mut ctx).map_err(internal)?;
        self.exception_to_js(env, ctx, reference, tag, None)
      }
      other => {
        let name = other.ty(ctx).map(|ty| type_name(&ty)).unwrap_or_default();
        Err(Failure::type_error(format!("a value of type {name} cannot be shown to JavaScript")))
      }
    }
  }

  fn extern_to_js(
    &self,
    env: RawEnv,
    mut ctx: StoreContextMut<'_, StoreData>,
    reference: Rooted<ExternRef>,
  ) -> Result<JsReference, Failure> {
    let data = reference.data(&ctx).map_err(internal)?;
    if let Some(slot) = data.and_then(|data| data.downcast_ref::<ExternSlot>()) {
      return self.kept_value(env, slot).map(JsReference::Value);
    }
    let inside = AnyRef::convert_extern(&mut ctx, reference).map_err(internal)?;
    self.object_to_js(env, ctx, inside)?.ok_or_else(|| Failure::internal("an externref without a value"))
  }

  fn any_to_js(
    &self,
    env: RawEnv,
    mut ctx: StoreContextMut<'_, StoreData>,
    reference: Rooted<AnyRef>,
  ) -> Result<JsReference, Failure> {
    if let Some(object) = self.object_to_js(env, ctx.as_context_mut(), reference)? {
      return Ok(object);
    }
    let outside = ExternRef::convert_any(&mut ctx, reference).map_err(internal)?;
    let data = outside.data(&ctx).map_err(internal)?;
    let slot = data.and_then(|data| data.downcast_ref::<ExternSlot>());
    let slot = slot.ok_or_else(|| Failure::internal("an anyref without a value"))?;
    self.kept_value(env, slot).map(JsReference::Value)
  }

  /// What `any` is besides a JavaScript value.
  fn object_to_js(
    &self,
    env: RawEnv,
    mut ctx: StoreContextMut<'_, StoreData>,
    reference: Rooted<AnyRef>,
  ) -> Result<Option<JsReference>, Failure> {
    if let Some(small) = reference.as_i31(&ctx).map_err(internal)? {
      return env.int32(small.get_i32()).map(|number| Some(JsReference::Value(number))).map_err(|_| Failure::Pending);
    }
    let make = if reference.is_struct(&ctx).map_err(internal)? {
      Root::Struct
    } else if reference.is_array(&ctx).map_err(internal)? {
      Root::Array
    } else {
      return Ok(None);
    };
    let address = address_of(&ctx, &reference).map_err(internal)?;
    if let Some(known) = self.gc_handles.known(env, address) {
      return Ok(Some(JsReference::Value(known)));
    }
    let root = make(reference.to_owned_rooted(&mut ctx).map_err(internal)?);
    Ok(Some(JsReference::Object(GcObject::new(root, address))))
  }

  /// Second half: what is new gets its JavaScript object, made by the package's own TypeScript.
  pub fn reference_value(&self, env: RawEnv, reference: JsReference) -> Result<Value, Failure> {
    let index = match reference {
      JsReference::Value(value) => return Ok(value),
      JsReference::Object(object) => return self.gc_handle(env, object),
      JsReference::Func(index) => index,
    };
    let functions = self.holder_part(env, FUNCTIONS)?;
    let known = env.get_element(functions, index).map_err(|_| Failure::Pending)?;
    if env.kind(known) == Kind::Object {
      return Ok(known);
    }
    let core = self.holder_part(env, CORE)?;
    let wrap = self.state.wrap_func(env).ok_or_else(|| Failure::internal("the environment is not registered"))?;
    let index = env.uint32(index).map_err(|_| Failure::Pending)?;
    env.call(env.undefined(), wrap, &[core, index]).map_err(|_| Failure::Pending)
  }
}

impl From<ReadyReference> for Ready {
  fn from(reference: ReadyReference) -> Self {
    Self::Reference(reference)
  }
}
