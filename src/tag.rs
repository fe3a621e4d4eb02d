//! Tags: the kinds of exceptions. Lives on: the JavaScript thread.

use napi::JsValue;
use napi::bindgen_prelude::{Env, Unknown};
use napi_derive::napi;
use wasmtime::{AsContextMut, Extern, Tag, TagType};

use crate::failure::Failure;
use crate::raw_env::{RawEnv, Value};
use crate::signature::parse_func_type;
use crate::store::StoreInner;

pub fn tag_at(store: &StoreInner, index: u32) -> Result<Tag, Failure> {
  match store.extern_at(index)? {
    Extern::Tag(tag) => Ok(tag),
    _ => Err(Failure::type_error("expected the handle of a tag")),
  }
}

/// Makes a tag in a store; gives its handle.
#[napi(catch_unwind)]
pub fn tag_new(
  env: Env,
  #[napi(ts_arg_type = "StoreHandle")] store: Unknown,
  params: Vec<String>,
) -> napi::Result<u32> {
  let raw = RawEnv(env.raw());
  let make = || {
    let store = StoreInner::of(raw, Value(store.raw()))?;
    let ty = TagType::new(parse_func_type(&store.engine, &params, &[]).map_err(Failure::type_error)?);
    store.with(|mut ctx| {
      let tag = Tag::new(ctx.as_context_mut(), &ty).map_err(|error| Failure::type_error(format!("{error:#}")))?;
      Ok(store.register(tag.into(), ctx))
    })?
  };
  make().map_err(|failure: Failure| failure.into_napi(raw))
}
