//! Instances, by their slot in a store. Lives on: the JavaScript thread.

use wasmtime::Extern;

use crate::failure::Failure;
use crate::raw_call::{ARGS, index_arg, raw_functions, store_arg};
use crate::raw_env::{Kind, RawEnv, Value};
use crate::store::StoreInner;

/// What a handle stands for, as `lib/native.ts` knows it.
fn kind_number(item: &Extern) -> u32 {
  match item {
    Extern::Func(_) => 0,
    Extern::Memory(_) => 1,
    Extern::Global(_) => 2,
    Extern::Table(_) => 3,
    Extern::Tag(_) => 4,
    Extern::SharedMemory(_) => 5,
  }
}

/// The handle of an export and its kind, as `handle * 8 + kind`; `undefined` if there is none of that name.
/// Arguments: store handle, slot, name.
fn export(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [handle, slot, name, ..] = *args;
  let store = store_arg(env, handle)?;
  let index = index_arg(env, slot)?;
  let slot = store.slot(index).ok_or_else(|| Failure::type_error("expected an instance of this store"))?;
  if let Some(code) = slot.exit_code() {
    return Err(Failure::exit(code));
  }
  if env.kind(name) != Kind::String {
    return Err(Failure::type_error(format!("name: expected a string, got {}", crate::values::describe(env, name))));
  }
  let name = env.get_string(name).map_err(|_| Failure::Pending)?;
  match slot.export(&store, index, &name)? {
    Some(handle) => packed(env, &store, handle),
    None => Ok(env.undefined()),
  }
}

fn packed(env: RawEnv, store: &StoreInner, handle: u32) -> Result<Value, Failure> {
  let kind = kind_number(&store.extern_at(handle)?);
  env.double(f64::from(handle) * 8.0 + f64::from(kind)).map_err(|_| Failure::Pending)
}

/// The kind of a handle. Arguments: store handle, handle.
fn extern_kind(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [handle, index, ..] = *args;
  let store = store_arg(env, handle)?;
  packed(env, &store, index_arg(env, index)?)
}

/// How an instance has ended: its exit code, -1 if it was closed without one, `undefined` while it is open. Arguments:
/// store handle, slot.
fn exit_code(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [handle, slot, ..] = *args;
  let tomb = StoreInner::tomb_of(env, handle)?;
  let code = match store_arg(env, handle) {
    Ok(store) => match store.slot(index_arg(env, slot)?).and_then(crate::instance_slot::InstanceSlot::exit_code) {
      Some(code) => Some(code),
      None if store.is_closed() => None,
      None => return Ok(env.undefined()),
    },
    Err(_) => tomb.exit_code(),
  };
  env.double(code.map_or(-1.0, f64::from)).map_err(|_| Failure::Pending)
}

/// Closes an instance; the first code wins. Arguments: store handle, slot, exit code.
fn close(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [handle, slot, code, ..] = *args;
  if let Ok(store) = store_arg(env, handle)
    && let Some(slot) = store.slot(index_arg(env, slot)?)
  {
    slot.close(index_arg(env, code)?, &store.state);
  }
  Ok(env.undefined())
}

raw_functions! {
  "instanceExport" => export;
  "instanceExitCode" => exit_code;
  "instanceClose" => close;
  "externKind" => extern_kind;
}
