//! A function's signature, prepared once so that no call has to look at Wasmtime's types again.

use std::fmt::Write as _;

use wasmtime::{Engine, FuncType, HeapType, RefType, ValType};

/// How one value crosses the border.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
  I32,
  I64,
  F32,
  F64,
  V128,
  /// Any reference: needs the store, so it takes the slow path.
  Reference,
}

impl ValueKind {
  fn of(ty: &ValType) -> Self {
    match ty {
      ValType::I32 => Self::I32,
      ValType::I64 => Self::I64,
      ValType::F32 => Self::F32,
      ValType::F64 => Self::F64,
      ValType::V128 => Self::V128,
      ValType::Ref(_) => Self::Reference,
    }
  }

  /// Slots of 64 bits on a raw stack.
  pub fn slots(self) -> usize {
    if self == Self::V128 { 2 } else { 1 }
  }
}

#[derive(Debug)]
pub struct Signature {
  pub params: Box<[ValueKind]>,
  pub results: Box<[ValueKind]>,
  /// Nothing but numbers and vectors: the unchecked calls of Wasmtime can be used.
  pub numeric: bool,
  pub ty: FuncType,
}

impl Signature {
  pub fn new(ty: FuncType) -> Self {
    let params: Box<[_]> = ty.params().map(|ty| ValueKind::of(&ty)).collect();
    let results: Box<[_]> = ty.results().map(|ty| ValueKind::of(&ty)).collect();
    let numeric = !params.iter().chain(&results).any(|kind| *kind == ValueKind::Reference);
    Self { params, results, numeric, ty }
  }

  /// Values that a call's array must have room for.
  pub fn width(&self) -> usize {
    self.params.len().max(self.results.len())
  }

  /// wazero's form: `(i32,i32) i32`.
  pub fn text(&self) -> String {
    signature_text(self.ty.params(), self.ty.results())
  }
}

/// wazero's form of a signature: `(i32,i64) i32`, `() (i32,i32)`.
pub fn signature_text(params: impl Iterator<Item = ValType>, results: impl Iterator<Item = ValType>) -> String {
  let mut text = String::from("(");
  let list = |text: &mut String, types: &mut dyn Iterator<Item = ValType>| {
    let mut count = 0_usize;
    for ty in types {
      let _ = write!(text, "{}{}", if count > 0 { "," } else { "" }, type_name(&ty));
      count += 1;
    }
    count
  };
  list(&mut text, &mut { params });
  text.push(')');
  let mut tail = String::new();
  match list(&mut tail, &mut { results }) {
    0 => {}
    1 => {
      text.push(' ');
      text.push_str(&tail);
    }
    _ => {
      let _ = write!(text, " ({tail})");
    }
  }
  text
}

/// `i32`, `externref`, ... and the text format's form for types without a short name.
pub fn type_name(ty: &ValType) -> String {
  match ty {
    ValType::Ref(reference) => ref_type_name(reference),
    number => number.to_string(),
  }
}

pub fn ref_type_name(ty: &RefType) -> String {
  if ty.is_nullable() {
    match ty.heap_type() {
      HeapType::Extern => return "externref".into(),
      HeapType::Func => return "funcref".into(),
      HeapType::Any => return "anyref".into(),
      HeapType::Exn => return "exnref".into(),
      HeapType::Eq => return "eqref".into(),
      HeapType::I31 => return "i31ref".into(),
      HeapType::Struct => return "structref".into(),
      HeapType::Array => return "arrayref".into(),
      HeapType::None => return "nullref".into(),
      HeapType::NoExtern => return "nullexternref".into(),
      HeapType::NoFunc => return "nullfuncref".into(),
      HeapType::NoExn => return "nullexnref".into(),
      _ => {}
    }
  }
  ty.to_string()
}

/// The heap types that have a name of their own, in the text format's words.
fn parse_heap_type(name: &str) -> Option<HeapType> {
  Some(match name {
    "extern" => HeapType::Extern,
    "func" => HeapType::Func,
    "any" => HeapType::Any,
    "eq" => HeapType::Eq,
    "i31" => HeapType::I31,
    "struct" => HeapType::Struct,
    "array" => HeapType::Array,
    "exn" => HeapType::Exn,
    "none" => HeapType::None,
    "noextern" => HeapType::NoExtern,
    "nofunc" => HeapType::NoFunc,
    "noexn" => HeapType::NoExn,
    _ => return None,
  })
}

/// The type that a JavaScript name stands for; `None` if there is none of that name.
pub fn parse_type_name(name: &str) -> Option<ValType> {
  if let Some(heap) = name.strip_prefix("(ref ").and_then(|rest| rest.strip_suffix(')')) {
    return parse_heap_type(heap).map(|heap| RefType::new(false, heap).into());
  }
  Some(match name {
    "i32" => ValType::I32,
    "i64" => ValType::I64,
    "f32" => ValType::F32,
    "f64" => ValType::F64,
    "v128" => ValType::V128,
    "nullref" => RefType::new(true, HeapType::None).into(),
    "nullexternref" => RefType::new(true, HeapType::NoExtern).into(),
    "nullfuncref" => RefType::new(true, HeapType::NoFunc).into(),
    "nullexnref" => RefType::new(true, HeapType::NoExn).into(),
    _ => RefType::new(true, parse_heap_type(name.strip_suffix("ref")?).filter(|_| !name.starts_with("no"))?).into(),
  })
}

/// A function type from JavaScript's names; the error names the first bad one.
pub fn parse_func_type(engine: &Engine, params: &[String], results: &[String]) -> Result<FuncType, String> {
  let parse = |names: &[String]| {
    names
      .iter()
      .map(|name| parse_type_name(name).ok_or_else(|| format!("\"{name}\" is not a value type")))
      .collect::<Result<Vec<_>, _>>()
  };
  Ok(FuncType::new(engine, parse(params)?, parse(results)?))
}
