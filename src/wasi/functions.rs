//! The functions of WASI as definitions of a linker. What they do is `wasmtime-wasi`'s; here is only how they are called.
//!
//! Wasmtime's own `add_to_linker` is not used for three reasons: single functions must be replaceable; in sync mode it
//! blocks the thread in a way that nothing can stop; and between a guest's write and its next step JavaScript has to be
//! called, with nothing of the store borrowed. Lives on: the JavaScript thread; the functions on whoever runs the guest.

use wasmtime::{Caller, FuncType, ValType};
use wasmtime_wasi::filesystem::WasiFilesystemCtx;

use super::calls::{Owner, as_trap, block_on, deliver, deliver_async, exit, fuel, swap_files, view, wait};
use crate::store::{Mode, StoreData};

/// One function of one of these modules.
#[derive(Clone, Copy)]
pub struct WasiFunc {
  name: &'static str,
  params: &'static [ValType],
  results: &'static [ValType],
  define: Define,
}

type Define = fn(&mut wasmtime::Linker<StoreData>, &str, &str, Mode) -> wasmtime::Result<()>;

impl WasiFunc {
  /// All functions of a module; none if it is not one of WASI.
  pub fn all(module: &str) -> &'static [Self] {
    match module {
      "wasi_snapshot_preview1" => preview1::FUNCTIONS,
      "wasi_unstable" => preview0::FUNCTIONS,
      _ => &[],
    }
  }

  pub fn name(&self) -> &'static str {
    self.name
  }

  pub fn ty(&self, engine: &wasmtime::Engine) -> FuncType {
    FuncType::new(engine, self.params.iter().cloned(), self.results.iter().cloned())
  }

  /// Defines it as `module.name`.
  pub fn define(
    &self,
    linker: &mut wasmtime::Linker<StoreData>,
    module: &str,
    name: &str,
    mode: Mode,
  ) -> wasmtime::Result<()> {
    (self.define)(linker, module, name, mode)
  }
}

macro_rules! val_type {
  (i32) => {
    ValType::I32
  };
  (i64) => {
    ValType::I64
  };
}

/// `now` are functions that never wait, `wait` those that may.
macro_rules! function {
  (now $api:path, $name:ident($($arg:ident: $ty:ident),*)) => {{
    use $api as api;
    fn define(linker: &mut wasmtime::Linker<StoreData>, module: &str, name: &str, _: Mode) -> wasmtime::Result<()> {
      linker.func_wrap(module, name, |mut caller: Caller<'_, StoreData>, $($arg: $ty),*| -> wasmtime::Result<i32> {
        let fuel = fuel(&mut caller);
        let memory = caller.get_export("memory");
        let (context, mut memory) = view(&mut caller, memory.as_ref(), fuel)?;
        api::$name(context, &mut memory, $($arg),*).map_err(as_trap)
      })?;
      Ok(())
    }
    define
  }};
  (wait $api:path, $name:ident($($arg:ident: $ty:ident),*)) => {{
    use $api as api;
    fn define(linker: &mut wasmtime::Linker<StoreData>, module: &str, name: &str, mode: Mode) -> wasmtime::Result<()> {
      if mode == Mode::Async {
        linker.func_wrap_async(module, name, |mut caller: Caller<'_, StoreData>, ($($arg,)*): ($($ty,)*)| {
          Box::new(async move {
            let owner = Owner::of(&caller);
            let fuel = fuel(&mut caller);
            let memory = caller.get_export("memory");
            let result = {
              let (context, mut memory) = view(&mut caller, memory.as_ref(), fuel)?;
              wait(owner, api::$name(context, &mut memory, $($arg),*)).await?
            };
            deliver_async(caller).await?;
            Ok(result)
          })
        })?;
        return Ok(());
      }
      linker.func_wrap(module, name, |mut caller: Caller<'_, StoreData>, $($arg: $ty),*| -> wasmtime::Result<i32> {
        let owner = Owner::of(&caller);
        let fuel = fuel(&mut caller);
        let memory = caller.get_export("memory");
        let result = {
          let (context, mut memory) = view(&mut caller, memory.as_ref(), fuel)?;
          let polls = stringify!($name) == "poll_oneoff";
          let mut files = WasiFilesystemCtx::default();
          if polls {
            swap_files(context, &mut files);
          }
          let result = block_on(owner.pointer(), api::$name(context, &mut memory, $($arg),*));
          if polls {
            swap_files(context, &mut files);
          }
          result?
        };
        deliver(caller)?;
        Ok(result)
      })?;
      Ok(())
    }
    define
  }};
}

macro_rules! functions {
  ($api:path, $($kind:ident $name:ident($($arg:ident: $ty:ident),*);)*) => {
    pub const FUNCTIONS: &[WasiFunc] = &[
      $(WasiFunc {
        name: stringify!($name),
        params: &[$(val_type!($ty)),*],
        results: &[ValType::I32],
        define: function!($kind $api, $name($($arg: $ty),*)),
      },)*
      WasiFunc {
        name: "proc_exit",
        params: &[ValType::I32],
        results: &[],
        define: |linker, module, name, _| {
          linker.func_wrap(module, name, |code: i32| -> wasmtime::Result<()> { Err(exit(code)) })?;
          Ok(())
        },
      },
    ];
  };
}

/// The functions that both versions have.
macro_rules! both {
  ($api:path, $($more:tt)*) => {
    functions! {
      $api,
      now args_get(a: i32, b: i32);
      now args_sizes_get(a: i32, b: i32);
      now environ_get(a: i32, b: i32);
      now environ_sizes_get(a: i32, b: i32);
      now clock_res_get(a: i32, b: i32);
      now clock_time_get(a: i32, b: i64, c: i32);
      wait fd_advise(a: i32, b: i64, c: i64, d: i32);
      now fd_allocate(a: i32, b: i64, c: i64);
      wait fd_close(a: i32);
      wait fd_datasync(a: i32);
      wait fd_fdstat_get(a: i32, b: i32);
      now fd_fdstat_set_flags(a: i32, b: i32);
      now fd_fdstat_set_rights(a: i32, b: i64, c: i64);
      wait fd_filestat_get(a: i32, b: i32);
      wait fd_filestat_set_size(a: i32, b: i64);
      wait fd_filestat_set_times(a: i32, b: i64, c: i64, d: i32);
      wait fd_pread(a: i32, b: i32, c: i32, d: i64, e: i32);
      now fd_prestat_get(a: i32, b: i32);
      now fd_prestat_dir_name(a: i32, b: i32, c: i32);
      wait fd_pwrite(a: i32, b: i32, c: i32, d: i64, e: i32);
      wait fd_read(a: i32, b: i32, c: i32, d: i32);
      wait fd_readdir(a: i32, b: i32, c: i32, d: i64, e: i32);
      wait fd_renumber(a: i32, b: i32);
      wait fd_seek(a: i32, b: i64, c: i32, d: i32);
      wait fd_sync(a: i32);
      now fd_tell(a: i32, b: i32);
      wait fd_write(a: i32, b: i32, c: i32, d: i32);
      wait path_create_directory(a: i32, b: i32, c: i32);
      wait path_filestat_get(a: i32, b: i32, c: i32, d: i32, e: i32);
      wait path_filestat_set_times(a: i32, b: i32, c: i32, d: i32, e: i64, f: i64, g: i32);
      wait path_link(a: i32, b: i32, c: i32, d: i32, e: i32, f: i32, g: i32);
      wait path_open(a: i32, b: i32, c: i32, d: i32, e: i32, f: i64, g: i64, h: i32, i: i32);
      wait path_readlink(a: i32, b: i32, c: i32, d: i32, e: i32, f: i32);
      wait path_remove_directory(a: i32, b: i32, c: i32);
      wait path_rename(a: i32, b: i32, c: i32, d: i32, e: i32, f: i32);
      wait path_symlink(a: i32, b: i32, c: i32, d: i32, e: i32);
      wait path_unlink_file(a: i32, b: i32, c: i32);
      wait poll_oneoff(a: i32, b: i32, c: i32, d: i32);
      now proc_raise(a: i32);
      now random_get(a: i32, b: i32);
      now sched_yield();
      now sock_recv(a: i32, b: i32, c: i32, d: i32, e: i32, f: i32);
      now sock_send(a: i32, b: i32, c: i32, d: i32, e: i32);
      now sock_shutdown(a: i32, b: i32);
      $($more)*
    }
  };
}

mod preview1 {
  use super::{
    Caller, Mode, Owner, StoreData, ValType, WasiFilesystemCtx, WasiFunc, as_trap, block_on, deliver, deliver_async,
    exit, fuel, swap_files, view, wait,
  };

  both! {
    wasmtime_wasi::p1::wasi_snapshot_preview1,
    now sock_accept(a: i32, b: i32, c: i32);
  }
}

mod preview0 {
  use super::{
    Caller, Mode, Owner, StoreData, ValType, WasiFilesystemCtx, WasiFunc, as_trap, block_on, deliver, deliver_async,
    exit, fuel, swap_files, view, wait,
  };

  both! { wasmtime_wasi::p0::wasi_unstable, }
}
