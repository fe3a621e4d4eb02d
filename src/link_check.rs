//! Compares what a module imports with what a linker defines, for all imports at once, so that one error can list
//! everything that is wrong. The rules are those of the specification's import matching. Lives on: any thread.

use std::fmt::Write as _;

use wasmtime::{AsContext, Extern, ExternType, FuncType, HeapType, Mutability, RefType, StoreContextMut, ValType};

use crate::extern_type::extern_text;
use crate::failure::LinkProblemInfo;
use crate::store::StoreData;

/// Whether something of type `actual` can be imported as `expected`.
fn fits(expected: &ExternType, actual: &ExternType, size: Option<u64>) -> bool {
  let limits = |min: u64, max: Option<u64>, actual_min: u64, actual_max: Option<u64>| {
    size.unwrap_or(actual_min) >= min && max.is_none_or(|max| actual_max.is_some_and(|actual| actual <= max))
  };
  match (expected, actual) {
    (ExternType::Func(expected), ExternType::Func(actual)) => func_fits(expected, actual),
    (ExternType::Global(expected), ExternType::Global(actual)) => {
      expected.mutability() == actual.mutability()
        && match expected.mutability() {
          Mutability::Const => actual.content().matches(expected.content()),
          Mutability::Var => ValType::eq(actual.content(), expected.content()),
        }
    }
    (ExternType::Memory(expected), ExternType::Memory(actual)) => {
      expected.is_64() == actual.is_64()
        && expected.is_shared() == actual.is_shared()
        && expected.page_size() == actual.page_size()
        && limits(expected.minimum(), expected.maximum(), actual.minimum(), actual.maximum())
    }
    (ExternType::Table(expected), ExternType::Table(actual)) => {
      expected.is_64() == actual.is_64()
        && RefType::eq(expected.element(), actual.element())
        && limits(expected.minimum(), expected.maximum(), actual.minimum(), actual.maximum())
    }
    (ExternType::Tag(expected), ExternType::Tag(actual)) => wasmtime::FuncType::eq(expected.ty(), actual.ty()),
    _ => false,
  }
}

/// Types are the same by their declaration, not by their form: whether one is final, its supertypes and its recursion group
/// count. `FuncType::matches` compares nothing but parameters and results.
fn func_fits(expected: &FuncType, actual: &FuncType) -> bool {
  FuncType::eq(expected, actual)
    || HeapType::ConcreteFunc(actual.clone()).matches(&HeapType::ConcreteFunc(expected.clone()))
}

/// Added to a mismatch of signatures that look the same; `lib/linking.ts` has the same words.
const DECLARED_DIFFERENTLY: &str = ", whose type is declared differently (final, supertype or recursion group)";

/// What is wrong with importing something of type `actual` as `expected`; `None` if nothing is.
pub fn mismatch(
  module: &str,
  name: &str,
  expected: &ExternType,
  actual: &ExternType,
  size: Option<u64>,
) -> Option<LinkProblemInfo> {
  if fits(expected, actual, size) {
    return None;
  }
  let mut actual_text = extern_text(actual);
  if let Some(size) = size {
    let _ = write!(actual_text, " of size {size}");
  }
  Some(LinkProblemInfo {
    module: module.to_owned(),
    name: name.to_owned(),
    reason: "mismatch".into(),
    expected: Some(extern_text(expected)),
    actual: Some(actual_text),
  })
}

/// The current size of a memory or table: that is what an import's minimum is compared with.
pub fn current_size(item: &Extern, ctx: &StoreContextMut<'_, StoreData>) -> Option<u64> {
  match item {
    Extern::Memory(memory) => Some(memory.size(ctx.as_context())),
    Extern::Table(table) => Some(table.size(ctx.as_context())),
    _ => None,
  }
}

/// The message that lists all problems.
pub fn describe_problems(problems: &[LinkProblemInfo]) -> String {
  let mut text = match problems.len() {
    1 => String::new(),
    count => format!("{count} imports cannot be linked:\n"),
  };
  for (index, problem) in problems.iter().enumerate() {
    if index > 0 {
      text.push('\n');
    }
    let LinkProblemInfo { reason, expected, actual, .. } = problem;
    // A guest chooses these names; control characters must not forge lines of a log.
    let (module, name) = (plain(&problem.module), plain(&problem.name));
    let expected = expected.as_deref().unwrap_or("anything");
    let actual = actual.as_deref().unwrap_or("something else");
    let _ = match reason.as_str() {
      "missing" => write!(text, "import {module}.{name} is not defined; expected {expected}"),
      "wrong-store" => {
        write!(text, "import {module}.{name} belongs to another store than the instance; expected {expected}")
      }
      "mismatch" => match (expected.strip_prefix("func "), actual.strip_prefix("func ")) {
        (Some(expected), Some(actual)) => {
          let note = if expected == actual { DECLARED_DIFFERENTLY } else { "" };
          write!(text, "import func[{module}.{name}]: signature mismatch: {expected} != {actual}{note}")
        }
        _ => write!(text, "import {module}.{name}: type mismatch: {expected} != {actual}"),
      },
      _ => write!(text, "import {module}.{name}: {actual}"),
    };
  }
  text
}

fn plain(name: &str) -> String {
  let mut text = String::with_capacity(name.len());
  for char in name.chars() {
    if char.is_control() { text.extend(char.escape_unicode()) } else { text.push(char) }
  }
  text
}
