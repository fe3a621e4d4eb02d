//! The threads that compile: Cranelift and the text parser recurse, so they run on stacks of a known size, whichever
//! thread asked. One pool for the process; it holds nothing of any environment. Lives on: any thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::failure::TypedFailure;

const STACK_SIZE: usize = 16 * 1024 * 1024;

/// Runs `work` on a compile thread and waits for it; Wasmtime's parallel compilation stays in the same pool.
///
/// A panic, which is a bug of the compiler, becomes an error: who waits may be a thread that Node made, where it would be the
/// end of the process.
pub fn on_compile_thread<R: Send>(
  work: impl FnOnce() -> Result<R, Box<TypedFailure>> + Send,
) -> Result<R, Box<TypedFailure>> {
  static POOL: OnceLock<Option<ThreadPool>> = OnceLock::new();
  let pool = POOL.get_or_init(|| {
    ThreadPoolBuilder::new().stack_size(STACK_SIZE).thread_name(|index| format!("node-wasmtime-{index}")).build().ok()
  });
  let run = || match pool {
    Some(pool) => pool.install(work),
    // No thread can be had: compile here rather than not at all.
    None => work(),
  };
  catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|payload| Err(Box::new(TypedFailure::panic(&*payload))))
}
