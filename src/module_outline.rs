//! What is in a module, read from its bytes without compiling: for the command line's `inspect`. Lives on: any thread, but
//! for [`outline_module`].

use std::collections::BTreeMap;

use napi::JsValue;
use napi::bindgen_prelude::{AsyncTask, Env, Task, Unknown};
use napi_derive::napi;
use wasmparser::{
  BinaryReaderError, CompositeInnerType, Export, ExternalKind, FuncType, GlobalType, HeapType, IndirectNameMap,
  KnownCustom, MemoryType, Name, NameMap, Parser, Payload, RefType, TableType, TypeRef, UnpackedIndex, ValType,
  Validator, WasmFeatures,
};

use crate::compile_pool::on_compile_thread;
use crate::extern_type::ExternTypeInfo;
use crate::failure::{ErrorDetail, Failure, FailureKind, TypedFailure};
use crate::module::{bytes_of, check_binary};
use crate::raw_env::{RawEnv, Value};
use crate::wasm_features;

/// One import or export, or a memory, table, global or tag.
#[napi(object)]
#[derive(Clone, Default)]
pub struct OutlineItem {
  /// Position in its index space.
  pub index: u32,
  /// Imports: the module that it is imported from.
  pub module: Option<String>,
  /// Imports and exports.
  pub name: Option<String>,
  /// What the name section calls it.
  pub symbol: Option<String>,
  #[napi(js_name = "type")]
  pub ty: ExternTypeInfo,
  /// Functions: what the name section calls the parameters, empty where it does not; empty if it names none.
  pub param_names: Vec<String>,
}

/// A function that the name section names.
#[napi(object)]
pub struct OutlineName {
  pub index: u32,
  pub name: String,
}

/// How many names of a kind there are.
#[napi(object)]
pub struct OutlineCount {
  pub kind: String,
  pub count: u32,
}

#[napi(object)]
pub struct OutlineSection {
  pub name: String,
  pub bytes: f64,
}

/// What is in a module.
#[napi(object)]
#[derive(Default)]
pub struct ModuleOutline {
  /// Of the name section.
  pub name: Option<String>,
  pub imports: Vec<OutlineItem>,
  pub exports: Vec<OutlineItem>,
  /// All memories, tables, globals and tags, imported ones first.
  pub memories: Vec<OutlineItem>,
  pub tables: Vec<OutlineItem>,
  pub globals: Vec<OutlineItem>,
  pub tags: Vec<OutlineItem>,
  pub imported_functions: u32,
  pub defined_functions: u32,
  /// Index of the function that instantiation runs.
  pub start: Option<u32>,
  pub data_segments: u32,
  pub element_segments: u32,
  pub code_bytes: f64,
  pub function_names: Vec<OutlineName>,
  /// How many names the name section has, by what they name.
  pub name_counts: Vec<OutlineCount>,
  pub custom_sections: Vec<OutlineSection>,
  /// Proposals without which the module is not valid.
  pub features: Vec<String>,
}

/// Why an outline cannot be made.
enum Stop {
  Malformed(BinaryReaderError),
  /// It would take more memory than this many bytes.
  TooLarge(usize),
}

impl From<BinaryReaderError> for Stop {
  fn from(error: BinaryReaderError) -> Self {
    Self::Malformed(error)
  }
}

/// How much memory an outline may take. A type, or a name, may be said once and used thousands of times, so what a short
/// module needs has no bound of its own.
struct Budget {
  limit: usize,
  used: usize,
}

impl Budget {
  /// Besides a part for everyone, what is said once needs some times its size in the module.
  const SHARED: usize = 64 << 20;
  const TIMES: usize = 8;
  /// What a text, and an item with its type, take besides their characters.
  const TEXT: usize = 32;
  const ITEM: usize = 512;

  fn of(bytes: &[u8]) -> Self {
    Self { limit: Self::SHARED.saturating_add(bytes.len().saturating_mul(Self::TIMES)), used: 0 }
  }

  fn take(&mut self, bytes: usize) -> Result<(), Stop> {
    self.used = self.used.saturating_add(bytes);
    if self.used > self.limit { Err(Stop::TooLarge(self.limit)) } else { Ok(()) }
  }

  /// A copy of a text.
  fn text(&mut self, text: &str) -> Result<String, Stop> {
    self.take(text.len().saturating_add(Self::TEXT))?;
    Ok(text.to_owned())
  }
}

/// Collects an outline; names are looked up when all has been read, for they come last.
struct Reader {
  outline: ModuleOutline,
  budget: Budget,
  types: Vec<Option<FuncType>>,
  /// Index of the type of each function: what most of them need is no more than that.
  functions: Vec<u32>,
  symbols: BTreeMap<(&'static str, u32), String>,
  /// Positions and names of the parameters that have names, by function.
  params: BTreeMap<u32, Vec<(usize, String)>>,
  counts: Vec<(&'static str, u32)>,
}

#[expect(clippy::cast_precision_loss, reason = "sizes beyond 2^53 are shown, not used")]
fn number(size: u64) -> f64 {
  size as f64
}

/// As the text format writes it.
fn type_text(ty: ValType) -> String {
  match ty {
    ValType::Ref(reference) => ref_text(reference),
    other => other.to_string(),
  }
}

fn ref_text(ty: RefType) -> String {
  let null = if ty.is_nullable() { "null " } else { "" };
  match ty.heap_type() {
    HeapType::Concrete(UnpackedIndex::Module(index)) => format!("(ref {null}{index})"),
    HeapType::Exact(UnpackedIndex::Module(index)) => format!("(ref {null}(exact {index}))"),
    _ => ty.to_string(),
  }
}

fn func_info(budget: &mut Budget, kind: &str, func: Option<&FuncType>) -> Result<ExternTypeInfo, Stop> {
  let mut list = |types: Option<&[ValType]>| {
    let mut texts = Vec::new();
    for ty in types.unwrap_or_default() {
      let text = type_text(*ty);
      budget.take(text.len() + Budget::TEXT)?;
      texts.push(text);
    }
    Ok::<_, Stop>(Some(texts))
  };
  let (params, results) = (list(func.map(FuncType::params))?, list(func.map(FuncType::results))?);
  Ok(ExternTypeInfo { kind: kind.into(), params, results, ..Default::default() })
}

fn memory_info(memory: &MemoryType) -> ExternTypeInfo {
  ExternTypeInfo {
    kind: "memory".into(),
    minimum: Some(number(memory.initial)),
    maximum: memory.maximum.map(number),
    is64: Some(memory.memory64),
    shared: Some(memory.shared),
    page_size: Some(number(1_u64.checked_shl(memory.page_size_log2.unwrap_or(16)).unwrap_or(0))),
    ..Default::default()
  }
}

fn table_info(table: &TableType) -> ExternTypeInfo {
  ExternTypeInfo {
    kind: "table".into(),
    element: Some(ref_text(table.element_type)),
    minimum: Some(number(table.initial)),
    maximum: table.maximum.map(number),
    is64: Some(table.table64),
    ..Default::default()
  }
}

fn global_info(global: &GlobalType) -> ExternTypeInfo {
  ExternTypeInfo {
    kind: "global".into(),
    content: Some(type_text(global.content_type)),
    mutable: Some(global.mutable),
    ..Default::default()
  }
}

/// Adds something to its index space.
fn push(budget: &mut Budget, list: &mut Vec<OutlineItem>, ty: ExternTypeInfo) -> Result<u32, Stop> {
  budget.take(Budget::ITEM)?;
  let index = u32::try_from(list.len()).unwrap_or(u32::MAX);
  list.push(OutlineItem { index, ty, ..Default::default() });
  Ok(index)
}

impl Reader {
  fn new(bytes: &[u8]) -> Self {
    Self {
      outline: ModuleOutline::default(),
      budget: Budget::of(bytes),
      types: Vec::new(),
      functions: Vec::new(),
      symbols: BTreeMap::new(),
      params: BTreeMap::new(),
      counts: Vec::new(),
    }
  }

  /// The type of a function or tag.
  fn func_type(&mut self, kind: &str, index: u32) -> Result<ExternTypeInfo, Stop> {
    func_info(&mut self.budget, kind, self.types.get(index as usize).and_then(Option::as_ref))
  }

  fn push_function(&mut self, ty: u32) -> u32 {
    let index = u32::try_from(self.functions.len()).unwrap_or(u32::MAX);
    self.functions.push(ty);
    index
  }

  fn import(&mut self, module: &str, name: &str, ty: TypeRef) -> Result<(), Stop> {
    let (index, ty) = match ty {
      TypeRef::Func(ty) | TypeRef::FuncExact(ty) => {
        self.outline.imported_functions += 1;
        (self.push_function(ty), self.func_type("func", ty)?)
      }
      TypeRef::Memory(memory) => {
        (push(&mut self.budget, &mut self.outline.memories, memory_info(&memory))?, memory_info(&memory))
      }
      TypeRef::Table(table) => {
        (push(&mut self.budget, &mut self.outline.tables, table_info(&table))?, table_info(&table))
      }
      TypeRef::Global(global) => {
        (push(&mut self.budget, &mut self.outline.globals, global_info(&global))?, global_info(&global))
      }
      TypeRef::Tag(tag) => {
        let own = self.func_type("tag", tag.func_type_idx)?;
        (push(&mut self.budget, &mut self.outline.tags, own)?, self.func_type("tag", tag.func_type_idx)?)
      }
    };
    self.budget.take(Budget::ITEM)?;
    let (module, name) = (self.budget.text(module)?, self.budget.text(name)?);
    self.outline.imports.push(OutlineItem { index, module: Some(module), name: Some(name), ty, ..Default::default() });
    Ok(())
  }

  fn export(&mut self, export: Export<'_>) -> Result<(), Stop> {
    let place = export.index as usize;
    let outline = &self.outline;
    let ty = match export.kind {
      ExternalKind::Func | ExternalKind::FuncExact => match self.functions.get(place) {
        Some(ty) => Some(self.func_type("func", *ty)?),
        None => None,
      },
      ExternalKind::Memory => outline.memories.get(place).map(|item| item.ty.clone()),
      ExternalKind::Table => outline.tables.get(place).map(|item| item.ty.clone()),
      ExternalKind::Global => outline.globals.get(place).map(|item| item.ty.clone()),
      ExternalKind::Tag => {
        let tag = outline.tags.get(place).map(|item| &item.ty);
        let types = tag.map_or(0, |ty| ty.params.as_ref().map_or(0, Vec::len));
        self.budget.take(types.saturating_mul(2 * Budget::TEXT))?;
        tag.cloned()
      }
    };
    self.budget.take(Budget::ITEM)?;
    let name = self.budget.text(export.name)?;
    self.outline.exports.push(OutlineItem {
      index: export.index,
      name: Some(name),
      ty: ty.unwrap_or_default(),
      ..Default::default()
    });
    Ok(())
  }

  fn read(&mut self, bytes: &[u8]) -> Result<(), Stop> {
    for payload in Parser::new(0).parse_all(bytes) {
      match payload? {
        Payload::TypeSection(reader) => {
          for group in reader {
            for ty in group?.into_types() {
              let CompositeInnerType::Func(func) = ty.composite_type.inner else {
                self.types.push(None);
                continue;
              };
              self.types.push(Some(func));
            }
          }
        }
        Payload::ImportSection(reader) => {
          for import in reader.into_imports() {
            let import = import?;
            self.import(import.module, import.name, import.ty)?;
          }
        }
        Payload::FunctionSection(reader) => {
          self.outline.defined_functions = reader.count();
          for ty in reader {
            let ty = ty?;
            self.push_function(ty);
          }
        }
        Payload::TableSection(reader) => {
          for table in reader {
            push(&mut self.budget, &mut self.outline.tables, table_info(&table?.ty))?;
          }
        }
        Payload::MemorySection(reader) => {
          for memory in reader {
            push(&mut self.budget, &mut self.outline.memories, memory_info(&memory?))?;
          }
        }
        Payload::TagSection(reader) => {
          for tag in reader {
            let ty = self.func_type("tag", tag?.func_type_idx)?;
            push(&mut self.budget, &mut self.outline.tags, ty)?;
          }
        }
        Payload::GlobalSection(reader) => {
          for global in reader {
            push(&mut self.budget, &mut self.outline.globals, global_info(&global?.ty))?;
          }
        }
        Payload::ExportSection(reader) => {
          for export in reader {
            self.export(export?)?;
          }
        }
        Payload::StartSection { func, .. } => self.outline.start = Some(func),
        Payload::ElementSection(reader) => self.outline.element_segments = reader.count(),
        Payload::DataSection(reader) => self.outline.data_segments = reader.count(),
        Payload::CodeSectionStart { size, .. } => self.outline.code_bytes = f64::from(size),
        Payload::CustomSection(reader) => {
          if let KnownCustom::Name(names) = reader.as_known() {
            // Names are a help only: what is readable before the first error is kept.
            if let Err(stop @ Stop::TooLarge(_)) = self.names(names) {
              return Err(stop);
            }
          }
          let name = self.budget.text(reader.name())?;
          self.outline.custom_sections.push(OutlineSection { name, bytes: number(reader.data().len() as u64) });
        }
        _ => {}
      }
    }
    Ok(())
  }

  fn names(&mut self, names: wasmparser::NameSectionReader<'_>) -> Result<(), Stop> {
    for name in names {
      match name? {
        Name::Module { name, .. } => self.outline.name = Some(self.budget.text(name)?),
        Name::Function(map) => self.symbols("func", map)?,
        Name::Table(map) => self.symbols("table", map)?,
        Name::Memory(map) => self.symbols("memory", map)?,
        Name::Global(map) => self.symbols("global", map)?,
        Name::Tag(map) => self.symbols("tag", map)?,
        Name::Type(map) => self.count("type", map.count()),
        Name::Element(map) => self.count("element", map.count()),
        Name::Data(map) => self.count("data", map.count()),
        Name::Local(functions) => self.locals(functions)?,
        Name::Label(functions) => self.count_inner("label", functions)?,
        Name::Field(types) => self.count_inner("field", types)?,
        Name::Unknown { .. } => {}
      }
    }
    Ok(())
  }

  fn count(&mut self, kind: &'static str, count: u32) {
    self.counts.push((kind, count));
  }

  fn count_inner(&mut self, kind: &'static str, map: IndirectNameMap<'_>) -> Result<(), Stop> {
    let mut count = 0_u32;
    for group in map {
      count = count.saturating_add(group?.names.count());
    }
    self.count(kind, count);
    Ok(())
  }

  fn symbols(&mut self, kind: &'static str, map: NameMap<'_>) -> Result<(), Stop> {
    let mut count = 0;
    for naming in map {
      let naming = naming?;
      count += 1;
      let name = self.budget.text(naming.name)?;
      self.symbols.insert((kind, naming.index), name);
    }
    self.count(kind, count);
    Ok(())
  }

  /// The first locals of a function are its parameters.
  fn locals(&mut self, functions: IndirectNameMap<'_>) -> Result<(), Stop> {
    let mut count = 0_u32;
    for function in functions {
      let function = function?;
      let ty = self.functions.get(function.index as usize).and_then(|ty| self.types.get(*ty as usize));
      let params = ty.and_then(Option::as_ref).map_or(0, |ty| ty.params().len());
      let mut names = Vec::new();
      for naming in function.names {
        let naming = naming?;
        count = count.saturating_add(1);
        let place = naming.index as usize;
        if place < params {
          names.push((place, self.budget.text(naming.name)?));
        }
      }
      self.params.insert(function.index, names);
    }
    self.count("local", count);
    Ok(())
  }

  fn finish(mut self) -> Result<ModuleOutline, Stop> {
    let (outline, budget) = (&mut self.outline, &mut self.budget);
    let lists = [
      &mut outline.imports,
      &mut outline.exports,
      &mut outline.memories,
      &mut outline.tables,
      &mut outline.globals,
      &mut outline.tags,
    ];
    for item in lists.into_iter().flatten() {
      let kind = ["func", "memory", "table", "global", "tag"].into_iter().find(|kind| *kind == item.ty.kind);
      if let Some(symbol) = kind.and_then(|kind| self.symbols.get(&(kind, item.index))) {
        item.symbol = Some(budget.text(symbol)?);
      }
      if kind == Some("func") {
        for (place, name) in self.params.get(&item.index).into_iter().flatten() {
          let length = item.param_names.len().max(place + 1);
          budget.take((length - item.param_names.len()).saturating_mul(Budget::TEXT))?;
          item.param_names.resize(length, String::new());
          if let Some(entry) = item.param_names.get_mut(*place) {
            *entry = budget.text(name)?;
          }
        }
      }
    }
    outline.function_names = self
      .symbols
      .into_iter()
      .filter(|((kind, _), _)| *kind == "func")
      .map(|((_, index), name)| OutlineName { index, name })
      .collect();
    outline.name_counts =
      self.counts.into_iter().map(|(kind, count)| OutlineCount { kind: kind.to_owned(), count }).collect();
    Ok(self.outline)
  }
}

fn compile_error(error: &BinaryReaderError) -> Box<TypedFailure> {
  Box::new(TypedFailure {
    kind: FailureKind::Compile,
    message: format!("{error}"),
    detail: ErrorDetail { offset: u32::try_from(error.offset()).ok(), ..Default::default() },
  })
}

fn outline(bytes: &[u8]) -> Result<ModuleOutline, Box<TypedFailure>> {
  check_binary(bytes)?;
  // What is valid has indexes that lead somewhere, and sizes within the limits.
  Validator::new_with_features(WasmFeatures::all()).validate_all(bytes).map_err(|error| compile_error(&error))?;
  let mut reader = Reader::new(bytes);
  let mut outline = reader.read(bytes).and_then(|()| reader.finish()).map_err(|stop| match stop {
    Stop::Malformed(error) => compile_error(&error),
    Stop::TooLarge(limit) => Box::new(TypedFailure {
      kind: FailureKind::Limit,
      message: format!(
        "what the module imports, exports and names would take more than {} MiB: it repeats long types or names too often",
        limit >> 20
      ),
      detail: ErrorDetail::default(),
    }),
  })?;
  outline.features = wasm_features::needed(bytes).into_iter().map(str::to_owned).collect();
  Ok(outline)
}

/// Reads what is in a module on another thread.
pub struct OutlineTask {
  bytes: Vec<u8>,
  failure: Option<Box<TypedFailure>>,
}

impl Task for OutlineTask {
  type Output = ModuleOutline;
  type JsValue = ModuleOutline;

  fn compute(&mut self) -> napi::Result<Self::Output> {
    on_compile_thread(|| outline(&self.bytes)).map_err(|failure| {
      self.failure = Some(failure);
      napi::Error::from_reason("reading the module failed")
    })
  }

  fn resolve(&mut self, _: Env, output: Self::Output) -> napi::Result<Self::JsValue> {
    Ok(output)
  }

  fn reject(&mut self, env: Env, error: napi::Error) -> napi::Result<Self::JsValue> {
    match self.failure.take() {
      Some(failure) => Err(Failure::Typed(failure).into_rejection(RawEnv(env.raw()))),
      None => Err(error),
    }
  }
}

/// What is in a module of the binary format.
#[napi(catch_unwind, ts_return_type = "Promise<ModuleOutline>")]
pub fn outline_module(
  env: Env,
  #[napi(ts_arg_type = "Uint8Array | ArrayBufferLike")] bytes: Unknown,
) -> napi::Result<AsyncTask<OutlineTask>> {
  let raw = RawEnv(env.raw());
  let bytes = bytes_of(raw, Value(bytes.raw())).map_err(|failure| failure.into_napi(raw))?;
  Ok(AsyncTask::new(OutlineTask { bytes, failure: None }))
}
