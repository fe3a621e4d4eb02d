//! The core dump of a guest that has trapped, in the format of WebAssembly's tool conventions. It is written where the
//! trap comes out of wasm, before anything else can change the store, and refers to nothing afterwards.
//! Lives on: whoever has the store writes it; JavaScript gets the bytes on its own thread.

use std::panic::{AssertUnwindSafe, catch_unwind};

use wasmtime::{AsContextMut, HeapType, ValType, WasmCoreDump};

use crate::external_buffer::OutBytes;
use crate::store::StoreData;

/// The name of what was running, which the format wants.
const PROGRAM: &str = "node-wasmtime";

/// The dump that Wasmtime has attached to an error; `None` if there is none, if the store's memories are larger than the
/// engine allows for it, or if it holds what the format, or Wasmtime's writer, cannot express.
pub fn core_dump(error: &wasmtime::Error, mut ctx: impl AsContextMut<Data = StoreData>) -> Option<OutBytes> {
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
  Some(bytes.into())
}
