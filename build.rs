//! Sets up the Node-API link options and tells the addon which version of Wasmtime it was built with.

use std::fs;

fn main() {
  napi_build::setup();
  println!("cargo::rerun-if-changed=Cargo.lock");
  let lock = fs::read_to_string("Cargo.lock").unwrap_or_default();
  let version = lock
    .split("[[package]]")
    .find(|package| package.contains("name = \"wasmtime\"\n"))
    .and_then(|package| package.split("version = \"").nth(1))
    .and_then(|rest| rest.split('"').next())
    .unwrap_or("unknown");
  println!("cargo::rustc-env=WASMTIME_VERSION={version}");
}
