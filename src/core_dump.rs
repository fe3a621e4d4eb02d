//! The core dump of a guest that has trapped, in the format of WebAssembly's tool conventions. It is written where the
//! trap comes out of wasm, before anything else can change the store, and refers to nothing afterwards.
//! Lives on: whoever has the store writes it; JavaScript gets the bytes on its own thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use napi::bindgen_prelude::{FromNapiValue, ToNapiValue, TypeName, Uint8Array, ValidateNapiValue};
use napi::{ValueType, sys};
use wasmtime::{AsContextMut, HeapType, ValType, WasmCoreDump};

use crate::store::StoreData;

/// The name of what was running, which the format wants.
const PROGRAM: &str = "node-wasmtime";

/// A dump on its way to JavaScript.
#[derive(Clone)]
pub struct CoreDump(Arc<Vec<u8>>);

impl CoreDump {
  /// The dump that Wasmtime has attached to an error; `None` if there is none, if the store's memories are larger than
  /// the engine allows for it, or if it holds what the format, or Wasmtime's writer, cannot express.
  pub fn of(error: &wasmtime::Error, mut ctx: impl AsContextMut<Data = StoreData>) -> Option<Self> {
    let dump = error.downcast_ref::<WasmCoreDump>()?;
    let mut ctx = ctx.as_context_mut();
    // SAFETY: the store inner owns the store whose context this is.
    let store = unsafe { &*ctx.data().inner };
    if store.memory_bytes() > store.coredump_limit {
      return None;
    }
    // Wasmtime's writer panics at a global of these types.
    let expressible = dump.globals().iter().all(|global| match global.ty(&ctx).content() {
      ValType::Ref(reference) => {
        matches!(reference.heap_type().top(), HeapType::Extern | HeapType::Func | HeapType::Any)
      }
      _ => true,
    });
    if !expressible {
      return None;
    }
    // The trap must reach its caller, whatever the writer cannot cope with.
    let bytes = catch_unwind(AssertUnwindSafe(|| dump.serialize(ctx.as_context_mut(), PROGRAM))).ok()?;
    Some(Self(Arc::new(bytes)))
  }
}

impl TypeName for CoreDump {
  fn type_name() -> &'static str {
    "Uint8Array"
  }

  fn value_type() -> ValueType {
    ValueType::Object
  }
}

impl ValidateNapiValue for CoreDump {}

impl ToNapiValue for CoreDump {
  unsafe fn to_napi_value(env: sys::napi_env, value: Self) -> napi::Result<sys::napi_value> {
    // SAFETY: this function's own contract.
    unsafe { Uint8Array::to_napi_value(env, Uint8Array::from(Arc::unwrap_or_clone(value.0))) }
  }
}

impl FromNapiValue for CoreDump {
  unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> napi::Result<Self> {
    // SAFETY: this function's own contract.
    let bytes = unsafe { Uint8Array::from_napi_value(env, value) }?;
    Ok(Self(Arc::new(bytes.to_vec())))
  }
}
