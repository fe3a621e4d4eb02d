//! Makes the fuel global reachable from outside.

use std::error::Error;
use std::ops::Range;

use wasm_encoder::{ExportKind, ExportSection, Module, RawSection, SectionId};
use wasmparser::{ExternalKind, Parser, Payload};

/// What the fuel is exported as.
pub const FUEL_EXPORT: &str = "module-smith fuel";

/// Adds an export of the global `fuel`. `Module::ensure_termination` says which one it is but does not export it, and
/// whoever calls more than one function has to fill it up in between.
pub fn export_fuel(wasm: &[u8], fuel: u32) -> Result<Vec<u8>, Box<dyn Error>> {
  let mut module = Module::new();
  let mut exports = Some(ExportSection::new());
  for payload in Parser::new(0).parse_all(wasm) {
    let payload = payload?;
    if let Payload::ExportSection(section) = &payload {
      if let Some(list) = &mut exports {
        for export in section.clone() {
          let export = export?;
          list.export(export.name, kind_of(export.kind)?, export.index);
        }
      }
      continue;
    }
    let Some((id, range)) = payload.as_section() else {
      continue;
    };
    if comes_after_exports(id)
      && let Some(list) = exports.take()
    {
      add(&mut module, list, fuel);
    }
    module.section(&RawSection { id, data: section_data(wasm, range)? });
  }
  if let Some(list) = exports.take() {
    add(&mut module, list, fuel);
  }
  Ok(module.finish())
}

fn add(module: &mut Module, mut exports: ExportSection, fuel: u32) {
  exports.export(FUEL_EXPORT, ExportKind::Global, fuel);
  module.section(&exports);
}

/// The sections that stand behind the exports. Custom sections may stand anywhere, so they say nothing.
fn comes_after_exports(id: u8) -> bool {
  [SectionId::Start, SectionId::Element, SectionId::DataCount, SectionId::Code, SectionId::Data]
    .into_iter()
    .any(|after| after as u8 == id)
}

fn section_data(wasm: &[u8], range: Range<usize>) -> Result<&[u8], Box<dyn Error>> {
  wasm.get(range).ok_or_else(|| "a section beyond the end".into())
}

fn kind_of(kind: ExternalKind) -> Result<ExportKind, Box<dyn Error>> {
  Ok(match kind {
    ExternalKind::Func => ExportKind::Func,
    ExternalKind::Table => ExportKind::Table,
    ExternalKind::Memory => ExportKind::Memory,
    ExternalKind::Global => ExportKind::Global,
    ExternalKind::Tag => ExportKind::Tag,
    ExternalKind::FuncExact => return Err("exact functions are not made".into()),
  })
}
