//! The bytes that a module is made of.

/// A generator of repeatable bytes (splitmix64).
pub struct SeedBytes {
  state: u64,
}

impl SeedBytes {
  pub fn new(seed: u64, attempt: u64) -> Self {
    let mut bytes = Self { state: seed };
    bytes.state = bytes.next() ^ attempt.wrapping_mul(0x2545_f491_4f6c_dd1d);
    bytes
  }

  /// Between 2 and 64 KiB. When wasm-smith has used them up it comes to an end, so their number bounds the module.
  pub fn fill(&mut self) -> Vec<u8> {
    let words = 256 + self.next() % 7936;
    (0..words).flat_map(|_| self.next().to_le_bytes()).collect()
  }

  fn next(&mut self) -> u64 {
    self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = self.state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
  }
}
