//! What a module says about itself beyond its types: names, function signatures, custom sections. Wasmtime keeps little
//! of it, so it is parsed once from the bytes. Lives on: any thread.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use wasmparser::{BinaryReaderError, KnownCustom, Name, NameMap, Parser, Payload, TypeRef};

#[derive(Serialize, Deserialize)]
pub struct CustomSection {
  pub name: String,
  pub data: Box<[u8]>,
}

/// Its serialized form is part of an artifact: a change of the fields needs another number in `artifact.rs`.
#[derive(Default, Serialize, Deserialize)]
pub struct ModuleInfo {
  name: Option<String>,
  /// Types of functions in wazero's form, by type index.
  types: Vec<String>,
  /// Type index of each function, imported ones first.
  functions: Vec<u32>,
  /// Names of the name section, for functions that are imported or exported, and the start function.
  pub function_names: BTreeMap<u32, String>,
  /// Names of parameters (the first locals) of the same functions.
  pub local_names: BTreeMap<u32, Vec<(u32, String)>>,
  /// Function index of each exported function, in the order of the exports.
  pub exported: Vec<(String, u32)>,
  pub imported_count: u32,
  /// The function that instantiation runs.
  pub start: Option<u32>,
  pub custom_sections: Vec<CustomSection>,
}

impl ModuleInfo {
  /// Parses what has been validated already; a name section that is broken is ignored, as the specification wants.
  pub fn parse(bytes: &[u8]) -> Result<Self, BinaryReaderError> {
    let mut info = Self::default();
    for payload in Parser::new(0).parse_all(bytes) {
      match payload? {
        Payload::TypeSection(reader) => {
          for group in reader {
            for ty in group?.into_types() {
              info.types.push(type_text(&ty));
            }
          }
        }
        Payload::ImportSection(reader) => {
          for import in reader.into_imports() {
            if let TypeRef::Func(ty) | TypeRef::FuncExact(ty) = import?.ty {
              info.functions.push(ty);
            }
          }
          info.imported_count = u32::try_from(info.functions.len()).unwrap_or(u32::MAX);
        }
        Payload::FunctionSection(reader) => {
          for ty in reader {
            info.functions.push(ty?);
          }
        }
        Payload::StartSection { func, .. } => info.start = Some(func),
        Payload::ExportSection(reader) => {
          for export in reader {
            let export = export?;
            if export.kind == wasmparser::ExternalKind::Func {
              info.exported.push((export.name.to_owned(), export.index));
            }
          }
        }
        Payload::CustomSection(reader) => {
          if let KnownCustom::Name(names) = reader.as_known() {
            // Names are a help only: what is readable before the first error is kept.
            let _ = info.read_names(names);
          }
          info
            .custom_sections
            .push(CustomSection { name: reader.name().to_owned(), data: reader.data().to_vec().into_boxed_slice() });
        }
        _ => {}
      }
    }
    Ok(info)
  }

  fn read_names(&mut self, names: wasmparser::NameSectionReader<'_>) -> Result<(), BinaryReaderError> {
    let wanted: std::collections::HashSet<u32> =
      self.exported.iter().map(|(_, index)| *index).chain(self.start).chain(0..self.imported_count).collect();
    for name in names {
      match name? {
        Name::Module { name, .. } => self.name = Some(name.to_owned()),
        Name::Function(map) => {
          each_name(map, |index, name| {
            if wanted.contains(&index) {
              self.function_names.insert(index, name.to_owned());
            }
          })?;
        }
        Name::Local(functions) => {
          for function in functions {
            let function = function?;
            if wanted.contains(&function.index) {
              let mut locals = Vec::new();
              each_name(function.names, |index, name| locals.push((index, name.to_owned())))?;
              self.local_names.insert(function.index, locals);
            }
          }
        }
        _ => {}
      }
    }
    Ok(())
  }

  /// The name of the name section, empty if there is none.
  pub fn name(&self) -> &str {
    self.name.as_deref().unwrap_or_default()
  }

  /// A function's signature in wazero's form, by function index.
  pub fn signature_text(&self, function: u32) -> Option<String> {
    let ty = *self.functions.get(function as usize)?;
    self.types.get(ty as usize).cloned()
  }

  /// Bytes that this takes, for the collector.
  pub fn weight(&self) -> usize {
    let sections: usize = self.custom_sections.iter().map(|section| section.data.len()).sum();
    sections + self.functions.len() * size_of::<u32>()
  }
}

fn each_name(map: NameMap<'_>, mut f: impl FnMut(u32, &str)) -> Result<(), BinaryReaderError> {
  for naming in map {
    let naming = naming?;
    f(naming.index, naming.name);
  }
  Ok(())
}

fn type_text(ty: &wasmparser::SubType) -> String {
  let wasmparser::CompositeInnerType::Func(func) = &ty.composite_type.inner else { return String::new() };
  let list = |types: &[wasmparser::ValType]| {
    let mut text = String::new();
    for (index, ty) in types.iter().enumerate() {
      let _ = write!(text, "{}{ty}", if index > 0 { "," } else { "" });
    }
    text
  };
  let params = list(func.params());
  match func.results() {
    [] => format!("({params})"),
    [result] => format!("({params}) {result}"),
    results => format!("({params}) ({})", list(results)),
  }
}
