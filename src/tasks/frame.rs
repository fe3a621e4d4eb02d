//! A call from a guest to a JavaScript function, in async mode: the future on which its fiber waits.
//!
//! It never calls JavaScript itself. It tells the driver that a call is wanted, and waits for the reply; meanwhile it
//! runs the operations that are begun on it. Lives on: whoever polls the store's task.

use std::future::{poll_fn, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use napi::sys;
use wasmtime::{AsContextMut, Caller, StoreContextMut, Val};

use super::notice::Notice;
use super::{Operation, Signal, Tasks};
use crate::exception::raise;
use crate::host_call::HostBinding;
use crate::store::StoreData;

/// The array that a call in the stack style uses.
pub enum StackUse {
  None,
  /// The function's own.
  Shared,
  /// One for this call, because the function's own is in use.
  Own(sys::napi_ref),
}

/// A call under way. The store's task knows its address while its function runs, or it waits.
pub struct HostFrame {
  pub caller: *mut Caller<'static, StoreData>,
  binding: *const HostBinding,
  params: *const [Val],
  results: *mut [Val],
  pub stack: StackUse,
  /// The function has returned a promise that is not settled, so it may still use its stack.
  pub waits: bool,
  /// The function runs in the middle of the poll.
  pub direct: bool,
  pub reply: Option<wasmtime::Result<()>>,
  /// What to run before the reply.
  pub command: Option<Command>,
}

// SAFETY: what the pointers lead to lies in a future beside the frame, or belongs to the store, and travels with them.
unsafe impl Send for HostFrame {}

impl HostFrame {
  /// The frame at an address that a store's task knows. It is not kept beyond the next poll.
  pub fn at<'a>(frame: *mut Self) -> &'a mut Self {
    // SAFETY: a frame is on the list as long as it stays where it is: in the call that makes the future, while the function
    // runs in the middle of the poll, or in the future, which is suspended while the driver runs.
    unsafe { &mut *frame }
  }

  pub fn binding<'a>(&self) -> &'a HostBinding {
    // SAFETY: the closure that owns the binding lives as long as the store.
    unsafe { &*self.binding }
  }

  pub fn params<'a>(&self) -> &'a [Val] {
    // SAFETY: the parameters lie beside the frame, which waits.
    unsafe { &*self.params }
  }

  pub fn results<'a>(&self) -> &'a mut [Val] {
    // SAFETY: as above, and nobody else has them while the frame waits.
    unsafe { &mut *self.results }
  }

  pub fn context<'a>(&self) -> &'a mut Caller<'static, StoreData> {
    // SAFETY: as above.
    unsafe { &mut *self.caller }
  }
}

impl Drop for HostFrame {
  fn drop(&mut self) {
    // The array of one that was given up stays in use, and later calls get arrays of their own.
    if !self.waits || !matches!(self.stack, StackUse::Shared) {
      self.binding().release_stack(&mut self.stack);
    }
  }
}

/// Keeps a frame on the list.
pub struct Listed<'a>(&'a Tasks, *mut HostFrame);
// SAFETY: as for `HostFrame`; the tasks are those of the store that polls.
unsafe impl Send for Listed<'_> {}

impl<'a> Listed<'a> {
  pub fn new(tasks: &'a Tasks, frame: *mut HostFrame) -> Self {
    tasks.push_frame(frame);
    Self(tasks, frame)
  }
}

impl Drop for Listed<'_> {
  fn drop(&mut self) {
    self.0.remove_frame(self.1);
  }
}

/// What wasm waits for when it calls a host function. The function may have been called when this returns.
///
/// # Safety
/// `binding` outlives the store that runs the call.
pub unsafe fn host_future<'a>(
  binding: *const HostBinding,
  mut caller: Caller<'a, StoreData>,
  params: &'a [Val],
  results: &'a mut [Val],
) -> Box<dyn Future<Output = wasmtime::Result<()>> + Send + 'a> {
  // SAFETY: the store inner owns the store that runs this call.
  let store = unsafe { &*caller.data().inner };
  let Some(tasks) = store.tasks() else {
    return Box::new(ready(Err(wasmtime::Error::msg("an asynchronous host function in a synchronous store"))));
  };
  // SAFETY: this function's own contract.
  if unsafe { &*binding }.is_notify() && tasks.has_room_for_notice() {
    tasks.add_notice(Notice::new(binding, params));
    return Box::new(Done);
  }
  let mut frame = HostFrame {
    caller: (&raw mut caller).cast(),
    binding,
    params,
    results,
    stack: StackUse::None,
    waits: false,
    direct: false,
    reply: None,
    command: None,
  };
  match store.call_directly(tasks, &raw mut frame) {
    Some(signal) => Box::new(wait(tasks, caller, frame, signal)),
    None => match frame.reply.take() {
      Some(Err(error)) => Box::new(ready(Err(raise(caller.as_context_mut(), error)))),
      _ => Box::new(Done),
    },
  }
}

/// What there is to wait for after most calls. It has no size, so a box of it is not allocated.
struct Done;

impl Future for Done {
  type Output = wasmtime::Result<()>;

  fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
    Poll::Ready(Ok(()))
  }
}

/// Suspends the fiber with `signal`, until the driver has put the reply into the frame.
async fn wait(
  tasks: &Tasks,
  mut caller: Caller<'_, StoreData>,
  mut frame: HostFrame,
  mut signal: Signal,
) -> wasmtime::Result<()> {
  frame.caller = (&raw mut caller).cast();
  let pointer = Pointer(&raw mut frame);
  let _listed = Listed::new(tasks, pointer.0);
  loop {
    match next(tasks, &pointer, signal).await {
      Event::Reply(reply) => return reply.map_err(|error| raise(caller.as_context_mut(), error)),
      Event::Command(Command::Operation(operation)) => {
        // Boxed, because it is large and rare.
        // SAFETY: an operation stays where it is while it is under way.
        Box::pin(unsafe { Operation::run(operation, caller.as_context_mut()) }).await;
        signal = Signal::Finished;
      }
      Event::Command(Command::Access(access)) => {
        // SAFETY: `with_allocating` waits for this poll with the closure on its stack.
        unsafe { (*access)(caller.as_context_mut()) };
        signal = Signal::Finished;
      }
    }
  }
}

struct Pointer(*mut HostFrame);
// SAFETY: as for `HostFrame`, beside which it lies.
unsafe impl Send for Pointer {}
// SAFETY: as above; only who polls uses it.
unsafe impl Sync for Pointer {}

/// What the driver has a suspended frame do.
pub enum Command {
  Operation(*mut Operation),
  /// An access to the store that may collect wasm's garbage.
  Access(*mut dyn FnMut(StoreContextMut<'_, StoreData>)),
}

// SAFETY: the operation belongs to the store whose task polls this; an access is polled on the thread that has made it.
unsafe impl Send for Command {}

enum Event {
  Reply(wasmtime::Result<()>),
  Command(Command),
}

/// Tells the driver how things are, and waits until it has put something into the frame. It always leaves the poll, so
/// that whoever has had a command run gets its turn before a reply that is there already.
fn next<'a>(tasks: &'a Tasks, frame: &'a Pointer, signal: Signal) -> impl Future<Output = Event> + Send + use<'a> {
  let mut told = false;
  poll_fn(move |_| {
    if !told {
      told = true;
      tasks.signal.set(signal);
      return Poll::Pending;
    }
    // SAFETY: the frame lies in the future that is polled now, and nobody else uses it meanwhile.
    let frame = unsafe { &mut *frame.0 };
    if let Some(operation) = frame.command.take() {
      return Poll::Ready(Event::Command(operation));
    }
    frame.reply.take().map_or(Poll::Pending, |reply| Poll::Ready(Event::Reply(reply)))
  })
}
