//! Tables of references. Lives on: the JavaScript thread.

use napi::JsValue;
use napi::bindgen_prelude::{Env, Unknown};
use napi_derive::napi;
use wasmtime::{AsContextMut, Extern, Ref, Table, TableType, ValType};

use crate::failure::{Failure, FailureKind};
use crate::global::{read_val, with_ready};
use crate::raw_call::{ARGS, index_arg, number, raw_functions, size_arg, store_arg};
use crate::raw_env::{RawEnv, Value};
use crate::signature::parse_type_name;
use crate::store::{Parts, StoreInner, StorePin};
use crate::values::{describe, expectation};

fn table_at(store: &StoreInner, index: u32) -> Result<Table, Failure> {
  match store.extern_at(index)? {
    Extern::Table(table) => Ok(table),
    _ => Err(Failure::type_error("expected the handle of a table")),
  }
}

/// Type and limits of a table.
#[napi(object)]
pub struct TableConfig {
  pub element: String,
  pub minimum: f64,
  pub maximum: Option<f64>,
}

/// Runs `f` with a value converted to a table's element.
fn with_element<R>(
  env: RawEnv,
  store: &StoreInner,
  element: &ValType,
  value: Value,
  f: impl FnOnce(wasmtime::StoreContextMut<'_, crate::store::StoreData>, Ref) -> Result<R, Failure>,
) -> Result<R, Failure> {
  let wrong = || Failure::type_error(format!("value: expected {}, got {}", expectation(element), describe(env, value)));
  let ready = store.prepare(env, element, value)?.ok_or_else(wrong)?;
  with_ready(env, store, element, value, ready, |ctx, val| match val.ref_() {
    Some(reference) => f(ctx, reference),
    None => Err(wrong()),
  })
}

/// Makes a table in a store, filled with `init`; gives its handle.
#[napi(catch_unwind)]
pub fn table_new(
  env: Env,
  #[napi(ts_arg_type = "StoreHandle")] store: Unknown,
  config: TableConfig,
  #[napi(ts_arg_type = "unknown")] init: Unknown,
) -> napi::Result<u32> {
  let raw = RawEnv(env.raw());
  let make = || {
    let store = StoreInner::of(raw, Value(store.raw()))?;
    let Some(ValType::Ref(element)) = parse_type_name(&config.element) else {
      return Err(Failure::type_error(format!("element: expected a reference type, got \"{}\"", config.element)));
    };
    let ty = TableType::new(element.clone(), elements(config.minimum), config.maximum.map(elements));
    if ty.maximum().is_some_and(|maximum| maximum < ty.minimum()) {
      return Err(Failure::new(FailureKind::Range, "the table's maximum is less than its minimum"));
    }
    store.admit(Parts { tables: 1, ..Parts::default() })?;
    let index = with_element(raw, &store, &ValType::Ref(element), Value(init.raw()), |mut ctx, reference| {
      let made = StoreInner::make_parts(ctx.as_context_mut(), 1, |ctx| Table::new(ctx, ty, reference));
      Ok(made.map(|table| store.register(table.into(), ctx)))
    })?;
    store.report(raw);
    index.map_err(|error: wasmtime::Error| {
      let text = format!("the table could not be made: {error:#}");
      store.growth_failure(error).unwrap_or_else(|| Failure::new(FailureKind::Limit, text))
    })
  };
  make().map_err(|failure| failure.into_napi(raw))
}

/// A number of elements that JavaScript checked to be a whole number from 0 to 2^32 - 1.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the conversion saturates")]
fn elements(number: f64) -> u32 {
  number as u32
}

fn table_arg(env: RawEnv, args: &[Value; ARGS]) -> Result<(StorePin, Table, ValType), Failure> {
  let [handle, index, ..] = *args;
  let store = store_arg(env, handle)?;
  let table = table_at(&store, index_arg(env, index)?)?;
  let element = store.with(|ctx| ValType::Ref(table.ty(&ctx).element().clone()))?;
  Ok((store, table, element))
}

fn out_of_bounds() -> Failure {
  Failure::new(FailureKind::Range, "index: beyond the end of the table")
}

fn size(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let (store, table, _) = table_arg(env, args)?;
  let size = store.with(|ctx| table.size(&ctx))?;
  number(env, size)
}

fn get(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let (store, table, _) = table_arg(env, args)?;
  let [_, _, index, ..] = *args;
  let index = size_arg(env, index, "index")?;
  let value = read_val(env, &store, |ctx| Ok(table.get(ctx, index).map(wasmtime::Val::from)))?;
  value.ok_or_else(out_of_bounds)
}

fn set(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let (store, table, element) = table_arg(env, args)?;
  let [_, _, index, value, ..] = *args;
  let index = size_arg(env, index, "index")?;
  with_element(env, &store, &element, value, |ctx, reference| {
    if index >= table.size(&ctx) {
      return Err(out_of_bounds());
    }
    table.set(ctx, index, reference).map_err(|error| Failure::type_error(format!("{error:#}")))
  })?;
  Ok(env.undefined())
}

/// Gives the previous size, `undefined` if the table cannot grow that far.
fn grow(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let (store, table, element) = table_arg(env, args)?;
  let [_, _, delta, value, ..] = *args;
  let delta = size_arg(env, delta, "elements")?;
  let previous = with_element(env, &store, &element, value, |ctx, reference| Ok(table.grow(ctx, delta, reference)))?;
  store.report(env);
  match previous {
    Ok(previous) => number(env, previous),
    Err(error) => store.growth_failure(error).map_or_else(|| Ok(env.undefined()), Err),
  }
}

fn fill(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let (store, table, element) = table_arg(env, args)?;
  let [_, _, start, value, count] = *args;
  let start = size_arg(env, start, "index")?;
  let count = size_arg(env, count, "count")?;
  with_element(env, &store, &element, value, |ctx, reference| {
    table.fill(ctx, start, reference, count).map_err(|_| out_of_bounds())
  })?;
  Ok(env.undefined())
}

raw_functions! {
  "tableSize" => size;
  "tableGet" => get;
  "tableSet" => set;
  "tableGrow" => grow;
  "tableFill" => fill;
}
