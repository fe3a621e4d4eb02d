//! From the options of JavaScript to what `wasmtime-wasi` works with. Lives on: the JavaScript thread.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;
use rand::SeedableRng;
use rand::rngs::StdRng;
use wasmtime_wasi::cli::{stderr, stdin, stdout};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p2::pipe::MemoryInputPipe;
use wasmtime_wasi::{FsPerms, HostMonotonicClock, HostWallClock, WasiCtx, WasiView};

use super::input::{Input, InputPipe};
use super::output::{Output, OutputPipe};
use crate::failure::Failure;

/// Options of WASI, as `lib/wasi-options.ts` has checked them.
#[napi(object)]
pub struct WasiConfig {
  pub args: Vec<String>,
  /// Names and values, one after the other.
  pub env: Vec<String>,
  pub preopens: Vec<PreopenConfig>,
  /// `empty`, `inherit`, `bytes` or `pieces`.
  pub stdin: String,
  pub stdin_bytes: Option<Uint8Array>,
  /// `buffer`, `pieces`, `inherit` or `ignore`.
  pub stdout: String,
  pub stderr: String,
  /// Bytes that a buffer keeps.
  pub stdout_limit: f64,
  pub stderr_limit: f64,
  /// Seconds and nanoseconds at which the clock stands still.
  pub fixed_clock: Option<Vec<f64>>,
  /// The seed of all randomness, 32 bits a number, the lower ones first.
  pub seed: Option<Vec<u32>>,
  /// Whether it is for a store in async mode.
  pub is_async: bool,
}

/// A directory of the host that the guest sees.
#[napi(object)]
pub struct PreopenConfig {
  pub guest: String,
  pub host: String,
  pub write: bool,
}

/// Files, directories, streams and timers that a guest may have at once: those of the process are for all.
const MAX_RESOURCES: usize = 1024;

/// What the guest's streams lead to in JavaScript.
pub struct Streams {
  pub stdin: Option<Arc<Input>>,
  pub stdout: Option<Arc<Output>>,
  pub stderr: Option<Arc<Output>>,
  /// What the guest has given `proc_exit`.
  pub exit_code: OnceLock<u32>,
}

pub fn make_context(config: &WasiConfig) -> Result<(WasiP1Ctx, Streams), Failure> {
  let mut builder = WasiCtx::builder();
  // In sync mode the thread waits for a file anyway. In async mode another thread does, and the event loop goes on.
  builder.allow_blocking_current_thread(!config.is_async);
  builder.args(&config.args);
  for pair in config.env.chunks(2) {
    if let [name, value] = pair {
      builder.env(name, value);
    }
  }
  for PreopenConfig { guest, host, write } in &config.preopens {
    let perms = if *write { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
    builder.preopened_dir(host, guest, perms).map_err(|error| {
      Failure::type_error(format!(
        "wasi.preopens[{guest:?}] must lead to a directory of the host, but {host:?} cannot be opened as one: {error:#}"
      ))
    })?;
  }
  let stdin = match config.stdin.as_str() {
    "inherit" => {
      builder.stdin(stdin());
      None
    }
    "bytes" => {
      let bytes = config.stdin_bytes.as_ref().map(|bytes| Bytes::copy_from_slice(bytes)).unwrap_or_default();
      builder.stdin(MemoryInputPipe::new(bytes));
      None
    }
    "pieces" => {
      let input = Arc::<Input>::default();
      builder.stdin(InputPipe(Arc::clone(&input)));
      Some(input)
    }
    _ => None,
  };
  let stdout = match output(&config.stdout, "stdout", config.stdout_limit) {
    Some(output) => {
      builder.stdout(OutputPipe(Arc::clone(&output)));
      Some(output)
    }
    None if config.stdout == "inherit" => {
      builder.stdout(stdout());
      None
    }
    None => None,
  };
  let stderr = match output(&config.stderr, "stderr", config.stderr_limit) {
    Some(output) => {
      builder.stderr(OutputPipe(Arc::clone(&output)));
      Some(output)
    }
    None if config.stderr == "inherit" => {
      builder.stderr(stderr());
      None
    }
    None => None,
  };
  if let Some([seconds, nanoseconds]) = config.fixed_clock.as_deref() {
    builder.wall_clock(FixedClock(duration(*seconds, *nanoseconds)));
    builder.monotonic_clock(SteppingClock(AtomicU64::new(0)));
  }
  if let Some(seed) = &config.seed {
    let seed = seed.iter().rev().fold(0, |seed, part| seed << 32 | u64::from(*part));
    builder.secure_random(StdRng::seed_from_u64(seed));
    builder.insecure_random(StdRng::seed_from_u64(!seed));
    builder.insecure_random_seed(u128::from(seed));
  }
  let mut context = builder.build_p1();
  context.ctx().table.set_max_capacity(MAX_RESOURCES);
  Ok((context, Streams { stdin, stdout, stderr, exit_code: OnceLock::new() }))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be a whole number up to 2^53")]
fn output(kind: &str, name: &'static str, limit: f64) -> Option<Arc<Output>> {
  match kind {
    "buffer" => Some(Output::new(name, Some(limit as usize))),
    "pieces" => Some(Output::new(name, None)),
    _ => None,
  }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be whole numbers in range")]
fn duration(seconds: f64, nanoseconds: f64) -> Duration {
  Duration::new(seconds as u64, nanoseconds as u32)
}

/// It always shows the same time.
struct FixedClock(Duration);

impl HostWallClock for FixedClock {
  fn resolution(&self) -> Duration {
    STEP
  }

  fn now(&self) -> Duration {
    self.0
  }
}

/// It goes on by a step whenever it is read, so that a guest which waits for a time to come does not wait for ever.
struct SteppingClock(AtomicU64);

const STEP: Duration = Duration::from_millis(1);

impl HostMonotonicClock for SteppingClock {
  fn resolution(&self) -> u64 {
    1_000_000
  }

  fn now(&self) -> u64 {
    self.0.fetch_add(1_000_000, Ordering::Relaxed)
  }
}
