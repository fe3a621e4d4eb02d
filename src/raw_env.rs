//! A thin layer over the raw Node-API, for the hot paths that a `#[napi]` function would make several times slower.
//!
//! A [`RawEnv`] exists only on the JavaScript thread of a live environment: it comes from a callback that Node itself
//! made, or from an [`crate::env_state::EnvState`] that is still alive. [`Value`]s live until their handle scope closes;
//! both types are private to the crate, so that this can be kept by reading it. That is what every SAFETY comment
//! below means by "live env".

use std::ffi::{CStr, c_void};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use napi::sys;

/// A JavaScript value in the current handle scope. Lives on: the JavaScript thread.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Value(pub sys::napi_value);

/// A raw environment. Lives on: the JavaScript thread.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct RawEnv(pub sys::napi_env);

/// The environment refused (it is shutting down), or a JavaScript exception is pending.
#[derive(Debug, Clone, Copy)]
pub struct Refused;

/// The kinds of JavaScript value that Node-API tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
  Undefined,
  Null,
  Boolean,
  Number,
  String,
  Symbol,
  Object,
  Function,
  External,
  BigInt,
}

/// A mark that only this addon puts on objects.
pub type TypeTag = sys::napi_type_tag;

pub type Callback = unsafe extern "C" fn(sys::napi_env, sys::napi_callback_info) -> sys::napi_value;
pub type Finalizer = unsafe extern "C" fn(sys::napi_env, *mut c_void, *mut c_void);

/// Makes one call whose last argument is an out-pointer, and gives what was written there.
macro_rules! out {
  ($function:ident($($arg:expr),*) -> $initial:expr) => {{
    let mut result = $initial;
    // SAFETY: live env, handles of the current scope, and `result` outlives the call.
    let status = unsafe { sys::$function($($arg,)* &mut result) };
    if status == sys::Status::napi_ok { Ok(result) } else { Err(Refused) }
  }};
}

impl RawEnv {
  #[inline]
  pub fn undefined(self) -> Value {
    Value(out!(napi_get_undefined(self.0) -> ptr::null_mut()).unwrap_or(ptr::null_mut()))
  }

  pub fn null(self) -> Value {
    Value(out!(napi_get_null(self.0) -> ptr::null_mut()).unwrap_or(ptr::null_mut()))
  }

  pub fn boolean(self, value: bool) -> Value {
    Value(out!(napi_get_boolean(self.0, value) -> ptr::null_mut()).unwrap_or(ptr::null_mut()))
  }

  #[inline]
  pub fn int32(self, value: i32) -> Result<Value, Refused> {
    out!(napi_create_int32(self.0, value) -> ptr::null_mut()).map(Value)
  }

  pub fn uint32(self, value: u32) -> Result<Value, Refused> {
    out!(napi_create_uint32(self.0, value) -> ptr::null_mut()).map(Value)
  }

  #[inline]
  pub fn double(self, value: f64) -> Result<Value, Refused> {
    out!(napi_create_double(self.0, value) -> ptr::null_mut()).map(Value)
  }

  #[inline]
  pub fn bigint(self, value: i64) -> Result<Value, Refused> {
    out!(napi_create_bigint_int64(self.0, value) -> ptr::null_mut()).map(Value)
  }

  pub fn bigint_unsigned(self, value: u64) -> Result<Value, Refused> {
    out!(napi_create_bigint_uint64(self.0, value) -> ptr::null_mut()).map(Value)
  }

  pub fn string(self, text: &str) -> Result<Value, Refused> {
    self.string_bytes(text.as_bytes())
  }

  /// Bytes that are not UTF-8 become U+FFFD, as in `TextDecoder`.
  pub fn string_bytes(self, bytes: &[u8]) -> Result<Value, Refused> {
    let length = isize::try_from(bytes.len()).map_err(|_| Refused)?;
    let start = bytes.as_ptr().cast();
    out!(napi_create_string_utf8(self.0, start, length) -> ptr::null_mut()).map(Value)
  }

  /// One character per byte: the fast way for bytes that are ASCII.
  pub fn string_latin1(self, bytes: &[u8]) -> Result<Value, Refused> {
    let length = isize::try_from(bytes.len()).map_err(|_| Refused)?;
    let start = bytes.as_ptr().cast();
    out!(napi_create_string_latin1(self.0, start, length) -> ptr::null_mut()).map(Value)
  }

  pub fn array(self, length: usize) -> Result<Value, Refused> {
    out!(napi_create_array_with_length(self.0, length) -> ptr::null_mut()).map(Value)
  }

  /// A new `ArrayBuffer` and the address of its bytes, which are zero.
  pub fn array_buffer(self, length: usize) -> Result<(Value, *mut u8), Refused> {
    let mut data: *mut c_void = ptr::null_mut();
    let mut buffer = ptr::null_mut();
    // SAFETY: live env; both out-pointers outlive the call.
    let status = unsafe { sys::napi_create_arraybuffer(self.0, length, &raw mut data, &raw mut buffer) };
    if status != sys::Status::napi_ok || (data.is_null() && length > 0) {
      return Err(Refused);
    }
    Ok((Value(buffer), data.cast()))
  }

  /// A new `Uint8Array` with its own buffer, filled by `fill`.
  pub fn bytes(self, length: usize, fill: impl FnOnce(&mut [u8])) -> Result<Value, Refused> {
    let (buffer, data) = self.array_buffer(length)?;
    if length > 0 {
      // SAFETY: `data` is the start of `length` bytes, which nobody else sees yet.
      fill(unsafe { std::slice::from_raw_parts_mut(data, length) });
    }
    self.uint8_array(buffer, length)
  }

  #[inline]
  pub fn kind(self, value: Value) -> Kind {
    match out!(napi_typeof(self.0, value.0) -> 0) {
      Ok(sys::ValueType::napi_null) => Kind::Null,
      Ok(sys::ValueType::napi_boolean) => Kind::Boolean,
      Ok(sys::ValueType::napi_number) => Kind::Number,
      Ok(sys::ValueType::napi_string) => Kind::String,
      Ok(sys::ValueType::napi_symbol) => Kind::Symbol,
      Ok(sys::ValueType::napi_object) => Kind::Object,
      Ok(sys::ValueType::napi_function) => Kind::Function,
      Ok(sys::ValueType::napi_external) => Kind::External,
      Ok(sys::ValueType::napi_bigint) => Kind::BigInt,
      _ => Kind::Undefined,
    }
  }

  /// The number modulo 2^32, as the JavaScript API of WebAssembly converts it. Refused if it is not a number.
  #[inline]
  pub fn get_int32(self, value: Value) -> Result<i32, Refused> {
    if COERCES.load(Ordering::Relaxed) && self.kind(value) != Kind::Number {
      return Err(Refused);
    }
    out!(napi_get_value_int32(self.0, value.0) -> 0)
  }

  /// Finds out in which ways the runtime's Node-API is not that of Node.js.
  pub fn learn(self) -> Result<(), Refused> {
    let text = self.string("1")?;
    let coerces = out!(napi_get_value_int32(self.0, text.0) -> 0).is_ok();
    COERCES.store(coerces, Ordering::Relaxed);
    Ok(())
  }

  #[inline]
  pub fn get_double(self, value: Value) -> Result<f64, Refused> {
    out!(napi_get_value_double(self.0, value.0) -> 0.0)
  }

  /// The bigint modulo 2^64. Refused if it is not a bigint.
  #[inline]
  pub fn get_bigint(self, value: Value) -> Result<i64, Refused> {
    let mut result = 0;
    let mut lossless = false;
    // SAFETY: live env; both out-pointers outlive the call.
    let status = unsafe { sys::napi_get_value_bigint_int64(self.0, value.0, &raw mut result, &raw mut lossless) };
    if status == sys::Status::napi_ok { Ok(result) } else { Err(Refused) }
  }

  #[inline]
  pub fn get_external(self, value: Value) -> Result<*mut c_void, Refused> {
    out!(napi_get_value_external(self.0, value.0) -> ptr::null_mut())
  }

  /// The string's UTF-8 bytes; a lone surrogate becomes U+FFFD. Refused if it is not a string.
  pub fn get_string(self, value: Value) -> Result<String, Refused> {
    let length = out_string(self, value, ptr::null_mut(), 0)?;
    let mut bytes = vec![0_u8; length.checked_add(1).ok_or(Refused)?];
    let capacity = bytes.len();
    let written = out_string(self, value, bytes.as_mut_ptr(), capacity)?;
    bytes.truncate(written);
    Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
  }

  pub fn is_array(self, value: Value) -> bool {
    out!(napi_is_array(self.0, value.0) -> false).unwrap_or(false)
  }

  pub fn is_promise(self, value: Value) -> bool {
    out!(napi_is_promise(self.0, value.0) -> false).unwrap_or(false)
  }

  pub fn array_length(self, value: Value) -> Result<u32, Refused> {
    out!(napi_get_array_length(self.0, value.0) -> 0)
  }

  /// May run JavaScript (an array's element can be a getter).
  pub fn get_element(self, array: Value, index: u32) -> Result<Value, Refused> {
    out!(napi_get_element(self.0, array.0, index) -> ptr::null_mut()).map(Value)
  }

  pub fn set_element(self, array: Value, index: u32, value: Value) -> Result<(), Refused> {
    // SAFETY: live env and handles of the current scope.
    let status = unsafe { sys::napi_set_element(self.0, array.0, index, value.0) };
    if status == sys::Status::napi_ok { Ok(()) } else { Err(Refused) }
  }

  /// May run JavaScript (a getter or a proxy).
  pub fn get_property(self, object: Value, key: Value) -> Result<Value, Refused> {
    out!(napi_get_property(self.0, object.0, key.0) -> ptr::null_mut()).map(Value)
  }

  /// May run JavaScript (a getter or a proxy).
  pub fn get_named(self, object: Value, key: &CStr) -> Result<Value, Refused> {
    out!(napi_get_named_property(self.0, object.0, key.as_ptr()) -> ptr::null_mut()).map(Value)
  }

  pub fn set_named(self, object: Value, key: &CStr, value: Value) -> Result<(), Refused> {
    // SAFETY: live env, handles of the current scope, and a key that ends with NUL.
    let status = unsafe { sys::napi_set_named_property(self.0, object.0, key.as_ptr(), value.0) };
    if status == sys::Status::napi_ok { Ok(()) } else { Err(Refused) }
  }

  pub fn strict_equals(self, left: Value, right: Value) -> bool {
    out!(napi_strict_equals(self.0, left.0, right.0) -> false).unwrap_or(false)
  }

  /// A reference; with `count` 0 it is weak.
  pub fn reference(self, value: Value, count: u32) -> Result<sys::napi_ref, Refused> {
    out!(napi_create_reference(self.0, value.0, count) -> ptr::null_mut())
  }

  /// The value of a reference; `None` if it was weak and has been collected, and for null.
  #[inline]
  pub fn dereference(self, reference: sys::napi_ref) -> Option<Value> {
    if reference.is_null() {
      return None;
    }
    match out!(napi_get_reference_value(self.0, reference) -> ptr::null_mut()) {
      Ok(value) if !value.is_null() => Some(Value(value)),
      _ => None,
    }
  }

  pub fn delete_reference(self, reference: sys::napi_ref) {
    // SAFETY: live env; every reference is deleted by its one owner.
    unsafe { sys::napi_delete_reference(self.0, reference) };
  }

  /// Calls a JavaScript function; on `Err` an exception is pending (or the environment is going down).
  #[inline]
  pub fn call(self, receiver: Value, function: Value, args: &[Value]) -> Result<Value, Refused> {
    // `Value` is `repr(transparent)`, so a slice of them is a slice of handles.
    out!(napi_call_function(self.0, receiver.0, function.0, args.len(), args.as_ptr().cast()) -> ptr::null_mut())
      .map(Value)
  }

  pub fn is_exception_pending(self) -> bool {
    out!(napi_is_exception_pending(self.0) -> false).unwrap_or(false)
  }

  /// Takes the pending exception, `None` if there is none.
  pub fn take_exception(self) -> Option<Value> {
    if !self.is_exception_pending() {
      return None;
    }
    out!(napi_get_and_clear_last_exception(self.0) -> ptr::null_mut()).ok().map(Value)
  }

  /// As an error that nobody catches: the process's `uncaughtException`.
  pub fn fatal_exception(self, error: Value) {
    // SAFETY: live env and a handle of the current scope.
    unsafe { sys::napi_fatal_exception(self.0, error.0) };
  }

  pub fn throw(self, error: Value) {
    // SAFETY: live env and a handle of the current scope.
    unsafe { sys::napi_throw(self.0, error.0) };
  }

  #[inline]
  pub fn open_scope(self) -> sys::napi_handle_scope {
    out!(napi_open_handle_scope(self.0) -> ptr::null_mut()).unwrap_or(ptr::null_mut())
  }

  #[inline]
  pub fn close_scope(self, scope: sys::napi_handle_scope) {
    // SAFETY: live env; scopes are closed in the reverse order of their opening by the code that opened them.
    unsafe { sys::napi_close_handle_scope(self.0, scope) };
  }

  /// A scope out of which one handle can be taken.
  #[inline]
  pub fn open_escapable_scope(self) -> sys::napi_escapable_handle_scope {
    out!(napi_open_escapable_handle_scope(self.0) -> ptr::null_mut()).unwrap_or(ptr::null_mut())
  }

  #[inline]
  pub fn close_escapable_scope(self, scope: sys::napi_escapable_handle_scope) {
    // SAFETY: as in `close_scope`.
    unsafe { sys::napi_close_escapable_handle_scope(self.0, scope) };
  }

  /// A handle of the outer scope; once for each scope.
  pub fn escape(self, scope: sys::napi_escapable_handle_scope, value: Value) -> Result<Value, Refused> {
    out!(napi_escape_handle(self.0, scope, value.0) -> ptr::null_mut()).map(Value)
  }

  /// Marks an object.
  pub fn tag(self, object: Value, tag: &TypeTag) -> Result<(), Refused> {
    // SAFETY: live env, a handle of the current scope, and a tag that Node only reads.
    let status = unsafe { sys::napi_type_tag_object(self.0, object.0, tag) };
    if status == sys::Status::napi_ok { Ok(()) } else { Err(Refused) }
  }

  /// Whether a value is an object with this mark. Runs no JavaScript, also for a proxy.
  pub fn has_tag(self, value: Value, tag: &TypeTag) -> bool {
    self.kind(value) == Kind::Object && out!(napi_check_object_type_tag(self.0, value.0, tag) -> false).unwrap_or(false)
  }

  /// A value that stands for `data` and owns nothing.
  pub fn external(self, data: *mut c_void) -> Result<Value, Refused> {
    out!(napi_create_external(self.0, data, None, ptr::null_mut()) -> ptr::null_mut()).map(Value)
  }

  /// Has `finalizer` run with `data` some time after `object` was collected, or when the environment ends.
  pub fn wrap(self, object: Value, data: *mut c_void, finalizer: Finalizer) -> Result<(), Refused> {
    // SAFETY: live env and a handle of the current scope; no reference is asked for.
    let status = unsafe { sys::napi_wrap(self.0, object.0, data, Some(finalizer), ptr::null_mut(), ptr::null_mut()) };
    if status == sys::Status::napi_ok { Ok(()) } else { Err(Refused) }
  }

  /// Takes back what `wrap` did; false if the object has no finaliser.
  pub fn remove_wrap(self, object: Value) -> bool {
    out!(napi_remove_wrap(self.0, object.0) -> ptr::null_mut()).is_ok()
  }

  /// An `ArrayBuffer` over memory that is not JavaScript's. `finalizer` runs with `hint` once V8 has freed the buffer's
  /// backing store, whichever buffer has it by then.
  ///
  /// # Safety
  /// The memory is valid until `finalizer` runs, and no other buffer shows it.
  pub unsafe fn external_array_buffer(
    self,
    data: *mut c_void,
    length: usize,
    finalizer: Finalizer,
    hint: *mut c_void,
  ) -> Result<Value, External> {
    let mut buffer = ptr::null_mut();
    // SAFETY: live env, the out-pointer outlives the call, and this function's own contract.
    let status =
      unsafe { sys::napi_create_external_arraybuffer(self.0, data, length, Some(finalizer), hint, &raw mut buffer) };
    External::of(status, buffer)
  }

  /// The same as a Node.js `Buffer`.
  ///
  /// # Safety
  /// As for [`RawEnv::external_array_buffer`].
  pub unsafe fn external_buffer(
    self,
    data: *mut c_void,
    length: usize,
    finalizer: Finalizer,
    hint: *mut c_void,
  ) -> Result<Value, External> {
    let mut buffer = ptr::null_mut();
    // SAFETY: live env, the out-pointer outlives the call, and this function's own contract.
    let status =
      unsafe { sys::napi_create_external_buffer(self.0, length, data, Some(finalizer), hint, &raw mut buffer) };
    External::of(status, buffer)
  }

  /// A new `Buffer` with a copy of these bytes.
  pub fn buffer_copy(self, bytes: &[u8]) -> Result<Value, Refused> {
    let mut buffer = ptr::null_mut();
    let start = bytes.as_ptr().cast();
    // SAFETY: live env; Node-API only reads `bytes`, and need not tell where the copy is.
    let status = unsafe { sys::napi_create_buffer_copy(self.0, bytes.len(), start, ptr::null_mut(), &raw mut buffer) };
    if status == sys::Status::napi_ok { Ok(Value(buffer)) } else { Err(Refused) }
  }

  /// A `Uint8Array` over all of an `ArrayBuffer`.
  pub fn uint8_array(self, buffer: Value, length: usize) -> Result<Value, Refused> {
    out!(napi_create_typedarray(self.0, sys::TypedarrayType::uint8_array, length, buffer.0, 0) -> ptr::null_mut())
      .map(Value)
  }

  /// A `BigUint64Array` over all of an `ArrayBuffer`.
  pub fn biguint64_array(self, buffer: Value, length: usize) -> Result<Value, Refused> {
    let kind = sys::TypedarrayType::biguint64_array;
    out!(napi_create_typedarray(self.0, kind, length, buffer.0, 0) -> ptr::null_mut()).map(Value)
  }

  /// Whether an `ArrayBuffer` has no memory any more.
  pub fn is_detached(self, buffer: Value) -> bool {
    out!(napi_is_detached_arraybuffer(self.0, buffer.0) -> false).unwrap_or(false)
  }

  /// Takes an `ArrayBuffer` its memory.
  pub fn detach(self, buffer: Value) {
    // SAFETY: live env and a handle of the current scope.
    unsafe { sys::napi_detach_arraybuffer(self.0, buffer.0) };
  }

  pub fn function(self, name: &str, callback: Callback, data: *mut c_void) -> Result<Value, Refused> {
    let length = isize::try_from(name.len()).map_err(|_| Refused)?;
    let start = name.as_ptr().cast();
    out!(napi_create_function(self.0, start, length, Some(callback), data) -> ptr::null_mut()).map(Value)
  }

  /// Defines properties that can be neither changed, deleted nor enumerated.
  pub fn define_hidden<const N: usize>(self, object: Value, pairs: [(Value, Value); N]) -> Result<(), Refused> {
    let descriptors = pairs.map(|(key, value)| sys::napi_property_descriptor {
      utf8name: ptr::null(),
      name: key.0,
      method: None,
      getter: None,
      setter: None,
      value: value.0,
      attributes: sys::PropertyAttributes::default,
      data: ptr::null_mut(),
    });
    // SAFETY: live env, handles of the current scope, and `descriptors` outlives the call.
    let status = unsafe { sys::napi_define_properties(self.0, object.0, N, descriptors.as_ptr()) };
    if status == sys::Status::napi_ok { Ok(()) } else { Err(Refused) }
  }

  /// Tells the garbage collector how much native memory its objects stand for.
  pub fn adjust_external_memory(self, change: i64) {
    if change != 0 {
      let _ = out!(napi_adjust_external_memory(self.0, change) -> 0_i64);
    }
  }

  /// Start and length in bytes of what a typed array, `DataView` or `ArrayBuffer` shows. The memory is JavaScript's: it
  /// may be used only until JavaScript runs again, and may be shared with other threads.
  pub fn buffer_source(self, value: Value) -> Option<(*mut u8, usize)> {
    if out!(napi_is_typedarray(self.0, value.0) -> false) == Ok(true) {
      return self.typed_array(value).map(|(data, length, kind)| (data, length.saturating_mul(element_size(kind))));
    }
    let mut data: *mut c_void = ptr::null_mut();
    let mut length = 0_usize;
    if out!(napi_is_dataview(self.0, value.0) -> false) == Ok(true) {
      // SAFETY: live env; the out-pointers outlive the call and the others may be null.
      let status = unsafe {
        sys::napi_get_dataview_info(self.0, value.0, &raw mut length, &raw mut data, ptr::null_mut(), ptr::null_mut())
      };
      return (status == sys::Status::napi_ok).then_some((data.cast(), length));
    }
    if out!(napi_is_arraybuffer(self.0, value.0) -> false) == Ok(true) {
      // SAFETY: live env; the out-pointers outlive the call.
      let status = unsafe { sys::napi_get_arraybuffer_info(self.0, value.0, &raw mut data, &raw mut length) };
      return (status == sys::Status::napi_ok).then_some((data.cast(), length));
    }
    None
  }

  /// Start, length in elements and Node-API type of a typed array.
  pub fn typed_array(self, value: Value) -> Option<(*mut u8, usize, sys::napi_typedarray_type)> {
    let mut kind = 0;
    let mut length = 0_usize;
    let mut data: *mut c_void = ptr::null_mut();
    // SAFETY: live env; the out-pointers outlive the call and the others may be null.
    let status = unsafe {
      sys::napi_get_typedarray_info(
        self.0,
        value.0,
        &raw mut kind,
        &raw mut length,
        &raw mut data,
        ptr::null_mut(),
        ptr::null_mut(),
      )
    };
    (status == sys::Status::napi_ok).then_some((data.cast(), length, kind))
  }
}

/// Whether the runtime makes an i32 of any value, by its `valueOf`, where Node.js refuses what is no number: Deno does.
static COERCES: AtomicBool = AtomicBool::new(false);

/// Why there is no buffer over memory that is not JavaScript's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum External {
  /// V8 has a memory cage.
  Forbidden,
  /// An exception is pending, or JavaScript cannot run any more.
  Refused,
}

impl External {
  fn of(status: sys::napi_status, buffer: sys::napi_value) -> Result<Value, Self> {
    match status {
      sys::Status::napi_ok => Ok(Value(buffer)),
      sys::Status::napi_no_external_buffers_allowed => Err(Self::Forbidden),
      _ => Err(Self::Refused),
    }
  }
}

impl PartialEq for Refused {
  fn eq(&self, _: &Self) -> bool {
    true
  }
}

fn out_string(env: RawEnv, value: Value, buffer: *mut u8, capacity: usize) -> Result<usize, Refused> {
  out!(napi_get_value_string_utf8(env.0, value.0, buffer.cast(), capacity) -> 0)
}

fn element_size(kind: sys::napi_typedarray_type) -> usize {
  use sys::TypedarrayType as T;
  match kind {
    T::int16_array | T::uint16_array => 2,
    T::int32_array | T::uint32_array | T::float32_array => 4,
    T::float64_array | T::bigint64_array | T::biguint64_array => 8,
    _ => 1,
  }
}

/// The arguments of a callback, without allocation for up to `N` of them.
pub struct CallbackInfo<const N: usize> {
  pub count: usize,
  inline: [Value; N],
  pub data: *mut c_void,
}

impl<const N: usize> CallbackInfo<N> {
  #[inline]
  pub const fn new() -> Self {
    Self { count: N, inline: [Value(ptr::null_mut()); N], data: ptr::null_mut() }
  }

  /// Fetches the arguments, in place: moving them would read back in one piece what Node has written in several, which
  /// stalls the processor.
  ///
  /// # Safety
  /// `env` and `info` are those that Node passed to the running callback.
  #[inline]
  pub unsafe fn load(&mut self, env: sys::napi_env, info: sys::napi_callback_info) {
    self.count = N;
    let args = self.inline.as_mut_ptr().cast();
    // SAFETY: there is room for the `count` handles; missing ones are filled with `undefined`.
    unsafe { sys::napi_get_cb_info(env, info, &raw mut self.count, args, ptr::null_mut(), &raw mut self.data) };
  }

  /// The first `N` arguments; missing ones are `undefined`.
  #[inline]
  pub fn args(&self) -> &[Value; N] {
    &self.inline
  }

  /// All the arguments of a call with more than `N` of them.
  ///
  /// # Safety
  /// As for [`CallbackInfo::load`].
  pub unsafe fn all(&self, env: sys::napi_env, info: sys::napi_callback_info) -> Vec<Value> {
    let mut count = self.count;
    let mut args = vec![Value(ptr::null_mut()); count];
    // SAFETY: `args` has room for the `count` handles.
    unsafe {
      sys::napi_get_cb_info(env, info, &raw mut count, args.as_mut_ptr().cast(), ptr::null_mut(), ptr::null_mut());
    }
    args
  }
}
