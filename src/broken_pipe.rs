//! What becomes of a process whose output nobody reads any more. Lives on: the JavaScript thread.

use napi_derive::napi;

/// Has the process end by SIGPIPE, as programs do by default, where Node.js has it go on with an error. For the command line
/// alone: it holds for the whole process. Nothing happens where there are no such signals.
#[napi(catch_unwind)]
pub fn end_by_broken_pipe() {
  #[cfg(unix)]
  // SAFETY: this sets the default action, so no code of ours runs in a handler; that the process ends is what is wanted.
  unsafe {
    libc::signal(libc::SIGPIPE, libc::SIG_DFL);
  }
}
