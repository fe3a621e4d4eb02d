//! `module-smith <kind> <first seed> <count> <folder>`: writes `<kind>-<seed>.wasm` into the folder for each seed.
//!
//! The same kind and seed give the same bytes with the same version of this tool. What each kind is for is said in
//! `kind.rs`. Modules end by themselves: every function and loop takes one unit from a global, which is exported as
//! `FUEL_EXPORT`, and traps when none is left.

mod fuel_export;
mod kind;
mod seed_bytes;

use std::error::Error;
use std::path::Path;

use arbitrary::Unstructured;
use wasm_smith::Module;

use crate::fuel_export::export_fuel;
use crate::kind::Kind;
use crate::seed_bytes::SeedBytes;

const USAGE: &str = "usage: module-smith v8|all|imports <first seed> <count> <folder>";

/// Units that a new instance has.
const FUEL: u32 = 1000;

/// How often another module is tried for a seed, in case wasm-smith cannot make one of its bytes.
const ATTEMPTS: u64 = 100;

fn main() -> Result<(), Box<dyn Error>> {
  let args: Vec<String> = std::env::args().skip(1).collect();
  let [kind, first, count, folder] = args.as_slice() else {
    return Err(USAGE.into());
  };
  let name = kind.as_str();
  let kind = Kind::from_name(name).ok_or(USAGE)?;
  let first: u64 = first.parse()?;
  let count: u64 = count.parse()?;
  std::fs::create_dir_all(folder)?;
  for seed in first..first.saturating_add(count) {
    let bytes = make(kind, seed)?;
    std::fs::write(Path::new(folder).join(format!("{name}-{seed}.wasm")), bytes)?;
  }
  Ok(())
}

fn make(kind: Kind, seed: u64) -> Result<Vec<u8>, Box<dyn Error>> {
  let mut last: Box<dyn Error> = USAGE.into();
  for attempt in 0..ATTEMPTS {
    let mut source = SeedBytes::new(seed, attempt);
    let bytes = source.fill();
    let mut input = Unstructured::new(&bytes);
    let config = kind.config(&mut input)?;
    match Module::new(config, &mut input) {
      Ok(mut module) => {
        let fuel = module.ensure_termination(FUEL)?;
        return export_fuel(&module.to_bytes(), fuel);
      }
      Err(error) => last = error.into(),
    }
  }
  Err(format!("no module for seed {seed}: {last}").into())
}
