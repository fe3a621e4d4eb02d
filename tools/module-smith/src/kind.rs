//! What kinds of modules there are.

use arbitrary::{Arbitrary, Result, Unstructured};
use wasm_smith::Config;

#[derive(Clone, Copy)]
pub enum Kind {
  /// What V8 of Node.js 20 has too, and nothing whose outcome may differ: NaNs are canonical, memories and tables have
  /// maxima that every engine can give.
  V8,
  /// All proposals that the addon supports, those that are off by default too.
  All,
  /// As `All`, but for references to garbage-collected types, and with many imports of types that a host can give.
  Imports,
}

impl Kind {
  pub fn from_name(name: &str) -> Option<Self> {
    match name {
      "v8" => Some(Self::V8),
      "all" => Some(Self::All),
      "imports" => Some(Self::Imports),
      _ => None,
    }
  }

  /// A random configuration within the bounds of the kind.
  pub fn config(self, input: &mut Unstructured<'_>) -> Result<Config> {
    let mut config = Config::arbitrary(input)?;

    // Large enough for a module to do something, small enough to make and compile thousands of them.
    config.min_types = input.int_in_range(2..=8)?;
    config.max_types = 20;
    config.min_funcs = input.int_in_range(1..=10)?;
    config.max_funcs = 20;
    config.max_globals = input.int_in_range(0..=12)?;
    config.max_instructions = input.int_in_range(10..=250)?;
    config.max_imports = input.int_in_range(0..=8)?;
    config.max_memories = input.int_in_range(1..=2)?;
    config.min_memories = u32::from(input.ratio(3, 4)?);
    config.max_tables = input.int_in_range(1..=3)?;
    config.min_tables = u32::from(input.ratio(1, 2)?);
    config.max_element_segments = input.int_in_range(0..=6)?;
    config.max_elements = input.int_in_range(0..=12)?;
    config.max_data_segments = input.int_in_range(0..=6)?;
    config.max_tags = input.int_in_range(0..=4)?;
    config.allow_start_export = input.ratio(1, 4)?;
    config.disallow_traps = input.ratio(1, 4)?;
    config.export_everything = true;

    // The limits of hosts are not what is compared, and memory of the machine is not to be used up.
    config.max_memory32_bytes = 16 << 16;
    config.max_memory64_bytes = 16 << 16;
    config.memory_max_size_required = true;
    config.max_table_elements = 200;
    config.table_max_size_required = true;
    config.limit_arrays_in_const_exprs = true;

    config.canonicalize_nans = true;
    config.shared_everything_threads_enabled = false;
    config.custom_descriptors_enabled = false;

    match self {
      Self::V8 => {
        config.max_memories = 1;
        config.relaxed_simd_enabled = false;
        config.exceptions_enabled = false;
        config.threads_enabled = false;
        config.gc_enabled = false;
        config.memory64_enabled = false;
        config.extended_const_enabled = false;
        config.custom_page_sizes_enabled = false;
        config.wide_arithmetic_enabled = false;
        config.max_tags = 0;
      }
      Self::All => {
        config.custom_page_sizes_enabled = input.arbitrary()?;
        config.wide_arithmetic_enabled = input.arbitrary()?;
      }
      Self::Imports => {
        config.gc_enabled = false;
        config.exceptions_enabled = false;
        config.max_tags = 0;
        config.threads_enabled = false;
        config.min_imports = 2;
        config.max_imports = 30;
        config.max_memories = 3;
        config.max_tables = 4;
      }
    }
    Ok(config)
  }
}
