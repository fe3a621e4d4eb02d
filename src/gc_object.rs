//! Reading structs and arrays through their handles. Lives on: the JavaScript thread.

use wasmtime::{ArrayRef, AsContextMut, Rooted, StructRef, Val};

use crate::failure::{Failure, FailureKind};
use crate::gc_handles::Root;
use crate::global::read_val;
use crate::raw_call::{ARGS, index_arg, number, raw_functions, size_arg, store_arg};
use crate::raw_env::{RawEnv, Value};
use crate::store::{StoreData, StorePin};

enum Object {
  Struct(Rooted<StructRef>),
  Array(Rooted<ArrayRef>),
}

impl Object {
  fn new(mut ctx: impl AsContextMut<Data = StoreData>, root: &Root) -> Result<Self, Failure> {
    let object = match root {
      Root::Struct(object) => object.to_rooted(&mut ctx).as_struct(&ctx).map(|object| object.map(Self::Struct)),
      Root::Array(object) => object.to_rooted(&mut ctx).as_array(&ctx).map(|object| object.map(Self::Array)),
      Root::Exception(_) => Ok(None),
    };
    object
      .map_err(|error| Failure::internal(format!("{error:#}")))?
      .ok_or_else(|| Failure::type_error("expected the handle of a struct or array"))
  }
}

fn handle_arg(env: RawEnv, args: &[Value; ARGS]) -> Result<(StorePin, Root), Failure> {
  let [handle, index, ..] = *args;
  let store = store_arg(env, handle)?;
  let root = store.gc_handles.root(index_arg(env, index)?);
  let root = root.ok_or_else(|| Failure::type_error("the handle is not one of this store"))?;
  Ok((store, root))
}

/// How many fields or elements there are. Arguments: store handle, number of the handle.
fn length(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let (store, root) = handle_arg(env, args)?;
  let length = store.with(|ctx| {
    let mut scope = wasmtime::RootScope::new(ctx);
    match Object::new(&mut scope, &root)? {
      Object::Struct(object) => Ok(object.ty(&scope).map(|ty| ty.fields().len() as u64)),
      Object::Array(object) => Ok(object.len(&scope).map(u64::from)),
    }
  })??;
  number(env, length.map_err(|error: wasmtime::Error| Failure::internal(format!("{error:#}")))?)
}

/// A field or an element. Arguments: store handle, number of the handle, index.
fn get(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let (store, root) = handle_arg(env, args)?;
  let [_, _, index, ..] = *args;
  let index = size_arg(env, index, "index")?;
  let value = read_val(env, &store, |mut ctx| {
    let found: wasmtime::Result<Option<Val>> = match Object::new(ctx.as_context_mut(), &root)? {
      Object::Struct(object) => match object.ty(&ctx).map(|ty| ty.fields().len()) {
        Ok(length) => {
          usize::try_from(index).ok().filter(|at| *at < length).map(|at| object.field(&mut ctx, at)).transpose()
        }
        Err(error) => Err(error),
      },
      Object::Array(object) => match object.len(&ctx) {
        Ok(length) => {
          u32::try_from(index).ok().filter(|at| *at < length).map(|at| object.get(&mut ctx, at)).transpose()
        }
        Err(error) => Err(error),
      },
    };
    found.map_err(|error| Failure::internal(format!("{error:#}")))
  })?;
  value.ok_or_else(|| Failure::new(FailureKind::Range, "index: beyond the end of the object"))
}

raw_functions! {
  "gcLength" => length;
  "gcGet" => get;
}
