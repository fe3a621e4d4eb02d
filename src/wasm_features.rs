//! Which proposals a module needs: those without which it is not valid. Lives on: any thread.

use wasmparser::{Validator, WasmFeatures};

type Proposal = (WasmFeatures, &'static str);

/// In the order in which they became part of WebAssembly, or may.
const PROPOSALS: [Proposal; 20] = [
  (WasmFeatures::MUTABLE_GLOBAL, "mutable-global"),
  (WasmFeatures::SATURATING_FLOAT_TO_INT, "saturating-float-to-int"),
  (WasmFeatures::SIGN_EXTENSION, "sign-extension"),
  (WasmFeatures::MULTI_VALUE, "multi-value"),
  (WasmFeatures::BULK_MEMORY, "bulk-memory"),
  (WasmFeatures::REFERENCE_TYPES, "reference-types"),
  (WasmFeatures::SIMD, "simd"),
  (WasmFeatures::RELAXED_SIMD, "relaxed-simd"),
  (WasmFeatures::TAIL_CALL, "tail-call"),
  (WasmFeatures::EXTENDED_CONST, "extended-const"),
  (WasmFeatures::FUNCTION_REFERENCES, "function-references"),
  (WasmFeatures::GC, "gc"),
  (WasmFeatures::EXCEPTIONS, "exceptions"),
  (WasmFeatures::MULTI_MEMORY, "multi-memory"),
  (WasmFeatures::MEMORY64, "memory64"),
  (WasmFeatures::THREADS, "threads"),
  (WasmFeatures::CUSTOM_PAGE_SIZES, "custom-page-sizes"),
  (WasmFeatures::WIDE_ARITHMETIC, "wide-arithmetic"),
  (WasmFeatures::STACK_SWITCHING, "stack-switching"),
  (WasmFeatures::LEGACY_EXCEPTIONS, "legacy-exceptions"),
];

/// The proposals that a module needs. It must be valid with all of them.
pub fn needed(bytes: &[u8]) -> Vec<&'static str> {
  search(bytes, &PROPOSALS)
}

/// Looks for what is needed in groups: what is not needed is found out in a few passes over the module, and a pass that
/// misses something ends where that is used first.
fn search(bytes: &[u8], group: &[Proposal]) -> Vec<&'static str> {
  let without = group.iter().fold(WasmFeatures::all(), |features, (proposal, _)| features.difference(*proposal));
  if Validator::new_with_features(without).validate_all(bytes).is_ok() {
    return Vec::new();
  }
  if let [(_, name)] = group {
    return vec![name];
  }
  let (first, second) = group.split_at(group.len() / 2);
  let (mut found, rest) = rayon::join(|| search(bytes, first), || search(bytes, second));
  found.extend(rest);
  found
}
