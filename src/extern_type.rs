//! Types of imports, exports and handles as plain objects, and as text for messages. Lives on: any thread, but for
//! [`extern_type`].

use napi::JsValue;
use napi::bindgen_prelude::{Env, Unknown};
use napi_derive::napi;
use wasmtime::{AsContextMut, ExternType, GlobalType, MemoryType, Mutability, TableType, TagType};

use crate::failure::Failure;
use crate::raw_env::{RawEnv, Value};
use crate::signature::{ref_type_name, signature_text, type_name};
use crate::store::StoreInner;

/// The type of something that can be imported or exported. Which fields there are depends on `kind`.
#[napi(object)]
#[derive(Clone, Default)]
pub struct ExternTypeInfo {
  /// `func`, `memory`, `global`, `table` or `tag`.
  pub kind: String,
  /// Functions and tags: types of the parameters.
  pub params: Option<Vec<String>>,
  /// Functions and tags: types of the results.
  pub results: Option<Vec<String>>,
  /// Globals: type of the value.
  pub content: Option<String>,
  /// Globals: whether it can be set.
  pub mutable: Option<bool>,
  /// Tables: type of the elements.
  pub element: Option<String>,
  /// Memories (pages) and tables (elements): the least size.
  pub minimum: Option<f64>,
  /// Memories (pages) and tables (elements): the greatest size, left out if there is none.
  pub maximum: Option<f64>,
  /// Memories and tables: whether indexes are i64.
  pub is64: Option<bool>,
  /// Memories: whether it can be shared between threads.
  pub shared: Option<bool>,
  /// Memories: bytes of a page.
  pub page_size: Option<f64>,
}

#[expect(clippy::cast_precision_loss, reason = "sizes of memories and tables stay far below 2^53")]
fn size(value: u64) -> f64 {
  value as f64
}

pub fn extern_info(ty: &ExternType) -> ExternTypeInfo {
  match ty {
    ExternType::Func(func) => ExternTypeInfo {
      kind: "func".into(),
      params: Some(func.params().map(|ty| type_name(&ty)).collect()),
      results: Some(func.results().map(|ty| type_name(&ty)).collect()),
      ..Default::default()
    },
    ExternType::Memory(memory) => memory_info(memory),
    ExternType::Global(global) => global_info(global),
    ExternType::Table(table) => table_info(table),
    ExternType::Tag(tag) => tag_info(tag),
  }
}

pub fn memory_info(memory: &MemoryType) -> ExternTypeInfo {
  ExternTypeInfo {
    kind: "memory".into(),
    minimum: Some(size(memory.minimum())),
    maximum: memory.maximum().map(size),
    is64: Some(memory.is_64()),
    shared: Some(memory.is_shared()),
    page_size: Some(size(memory.page_size())),
    ..Default::default()
  }
}

fn global_info(global: &GlobalType) -> ExternTypeInfo {
  ExternTypeInfo {
    kind: "global".into(),
    content: Some(type_name(global.content())),
    mutable: Some(global.mutability() == Mutability::Var),
    ..Default::default()
  }
}

fn table_info(table: &TableType) -> ExternTypeInfo {
  ExternTypeInfo {
    kind: "table".into(),
    element: Some(ref_type_name(table.element())),
    minimum: Some(size(table.minimum())),
    maximum: table.maximum().map(size),
    is64: Some(table.is_64()),
    ..Default::default()
  }
}

fn tag_info(tag: &TagType) -> ExternTypeInfo {
  ExternTypeInfo {
    kind: "tag".into(),
    params: Some(tag.ty().params().map(|ty| type_name(&ty)).collect()),
    results: Some(tag.ty().results().map(|ty| type_name(&ty)).collect()),
    ..Default::default()
  }
}

/// The type of what a handle of a store stands for.
#[napi(catch_unwind)]
pub fn extern_type(
  env: Env,
  #[napi(ts_arg_type = "StoreHandle")] store: Unknown,
  index: u32,
) -> napi::Result<ExternTypeInfo> {
  let raw = RawEnv(env.raw());
  let read = || {
    let store = StoreInner::of(raw, Value(store.raw()))?;
    let item = store.extern_at(index)?;
    if let Some(prepared) = store.export_func(index) {
      // Known also while the store is in use.
      // SAFETY: the store keeps it as long as it lives, and `store` pins that.
      let signature = unsafe { &*prepared }.signature();
      return Ok(extern_info(&ExternType::Func(signature.ty.clone())));
    }
    store.with(|mut ctx| extern_info(&item.ty(ctx.as_context_mut())))
  };
  read().map_err(|failure: Failure| failure.into_napi(raw))
}

/// A type in a message: `func (i32) i32`, `memory {min 1, max 2}`, `global mut i32`, `table funcref {min 10}`.
pub fn extern_text(ty: &ExternType) -> String {
  let limits = |minimum: u64, maximum: Option<u64>| match maximum {
    Some(maximum) => format!("{{min {minimum}, max {maximum}}}"),
    None => format!("{{min {minimum}}}"),
  };
  match ty {
    ExternType::Func(func) => format!("func {}", signature_text(func.params(), func.results())),
    ExternType::Memory(memory) => format!(
      "memory{}{} {}",
      if memory.is_64() { " i64" } else { "" },
      if memory.is_shared() { " shared" } else { "" },
      limits(memory.minimum(), memory.maximum())
    ),
    ExternType::Global(global) => format!(
      "global {}{}",
      if global.mutability() == Mutability::Var { "mut " } else { "" },
      type_name(global.content())
    ),
    ExternType::Table(table) => format!(
      "table{} {} {}",
      if table.is_64() { " i64" } else { "" },
      ref_type_name(table.element()),
      limits(table.minimum(), table.maximum())
    ),
    ExternType::Tag(tag) => format!("tag {}", signature_text(tag.ty().params(), tag.ty().results())),
  }
}
