//! A compiled module. Compilation runs on the compile threads, also when JavaScript waits for it.
//! Lives on: the JavaScript thread; the compiled code and the information inside are shared.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::sync::Arc;

use napi::JsValue;
use napi::bindgen_prelude::{AsyncTask, Env, Task, Unknown};
use napi_derive::napi;

use crate::artifact;
use crate::compile_pool::on_compile_thread;
use crate::engine::{Engine, EngineParts, compile_failure};
use crate::engine_counts::CountedCode;
use crate::extern_type::{ExternTypeInfo, extern_info};
use crate::external_buffer::OutBuffer;
use crate::failure::{ErrorDetail, Failure, FailureKind, TypedFailure};
use crate::module_info::ModuleInfo;
use crate::raw_env::{Kind, RawEnv, Value};
use crate::shared_handles::SharedHandles;

/// A compiled module.
#[napi]
pub struct Module {
  engine: Arc<EngineParts>,
  compiled: RefCell<Option<Arc<Compiled>>>,
  weight: Cell<i64>,
  /// Until it is closed.
  counted: Cell<Option<CountedCode>>,
}

/// What compiling gives. Cloning shares it.
#[derive(Clone)]
pub struct Compiled {
  pub module: wasmtime::Module,
  pub info: Arc<ModuleInfo>,
}

/// The modules that have been shared, by the id in their handle.
static SHARED: SharedHandles<Compiled> = SharedHandles::new();

/// What compiling can fail with: plain data, since it comes from another thread.
type CompileError = Box<TypedFailure>;

/// Where a module comes from.
enum Source {
  Binary(Vec<u8>),
  Text(String),
  File(PathBuf),
}

/// An import of a module.
#[napi(object)]
pub struct ImportInfo {
  pub module: String,
  pub name: String,
  #[napi(js_name = "type")]
  pub ty: ExternTypeInfo,
}

/// An export of a module.
#[napi(object)]
pub struct ExportInfo {
  pub name: String,
  #[napi(js_name = "type")]
  pub ty: ExternTypeInfo,
}

/// A function that a module imports or exports, with its names.
#[napi(object)]
pub struct FunctionInfo {
  /// Index in the module's function index space.
  pub index: u32,
  /// Name of the name section, empty if there is none.
  pub name: String,
  pub param_names: Vec<String>,
}

/// A custom section.
#[napi(object, object_from_js = false)]
pub struct CustomSectionInfo {
  pub name: String,
  #[napi(ts_type = "Buffer")]
  pub data: OutBuffer,
}

/// A copy of what a buffer shows.
pub fn bytes_of(env: RawEnv, value: Value) -> Result<Vec<u8>, Failure> {
  let Some((data, length)) = env.buffer_source(value) else {
    return Err(Failure::type_error(format!(
      "expected a module as Uint8Array, ArrayBuffer or WAT text, got {}",
      crate::values::describe(env, value)
    )));
  };
  let mut bytes = vec![0_u8; length];
  if length > 0 && !data.is_null() {
    // SAFETY: Node-API says that `length` bytes can be read at `data`, and no JavaScript runs in between. Should
    // another thread write to shared memory meanwhile, the copy holds some mixture, which is then validated.
    unsafe { std::ptr::copy_nonoverlapping(data.cast_const(), bytes.as_mut_ptr(), length) };
  }
  Ok(bytes)
}

impl Source {
  /// Text is WAT, a buffer is the binary format.
  fn of(env: RawEnv, value: Value) -> Result<Self, Failure> {
    if env.kind(value) == Kind::String {
      return env.get_string(value).map(Self::Text).map_err(|_| Failure::Pending);
    }
    bytes_of(env, value).map(Self::Binary)
  }

  fn binary(&self) -> Result<Cow<'_, [u8]>, CompileError> {
    match self {
      Self::Binary(bytes) => check_binary(bytes).map(|()| Cow::Borrowed(bytes.as_slice())),
      Self::Text(text) => parse_checked(text),
      Self::File(path) => {
        let bytes =
          std::fs::read(path).map_err(|error| compile_error(format!("cannot read {}: {error}", path.display())))?;
        if bytes.starts_with(b"\0asm") {
          return check_binary(&bytes).map(|()| Cow::Owned(bytes));
        }
        match String::from_utf8(bytes) {
          Ok(text) => parse_checked(&text),
          Err(error) => check_binary(error.as_bytes()).map(|()| Cow::Borrowed(&[][..])),
        }
      }
    }
  }

  fn compile(&self, engine: &EngineParts) -> Result<Compiled, CompileError> {
    on_compile_thread(|| {
      let binary = self.binary()?;
      match &engine.cache {
        Some(cache) => cache.get_or_compile(&engine.inner, &binary, || Self::compile_binary(&engine.inner, &binary)),
        None => Self::compile_binary(&engine.inner, &binary),
      }
    })
  }

  fn compile_binary(engine: &wasmtime::Engine, binary: &[u8]) -> Result<Compiled, CompileError> {
    let module = wasmtime::Module::from_binary(engine, binary).map_err(|error| {
      // The compiler hides what is wrong in a function body behind its own words; validation says it plainly.
      let plain = wasmtime::Module::validate(engine, binary).err();
      Box::new(compile_failure(&plain.unwrap_or(error)))
    })?;
    Ok(Compiled { module, info: Arc::new(info_of(binary)?) })
  }

  /// Compiles without making it ready to run.
  fn precompile(&self, engine: &wasmtime::Engine) -> Result<Vec<u8>, CompileError> {
    on_compile_thread(|| {
      let binary = self.binary()?;
      let image = engine.precompile_module(&binary).map_err(|error| {
        let plain = wasmtime::Module::validate(engine, &binary).err();
        Box::new(compile_failure(&plain.unwrap_or(error)))
      })?;
      artifact::join(image, &info_of(&binary)?)
    })
  }

  fn validate(&self, engine: &wasmtime::Engine) -> Result<(), CompileError> {
    on_compile_thread(|| {
      let binary = self.binary()?;
      wasmtime::Module::validate(engine, &binary).map_err(|error| Box::new(compile_failure(&error)))
    })
  }
}

fn compile_error(message: impl Into<String>) -> CompileError {
  Box::new(TypedFailure { kind: FailureKind::Compile, message: message.into(), detail: ErrorDetail::default() })
}

/// Text can describe a component, too.
fn parse_checked(text: &str) -> Result<Cow<'static, [u8]>, CompileError> {
  let bytes = parse_text(text)?;
  check_binary(&bytes)?;
  Ok(Cow::Owned(bytes))
}

fn info_of(binary: &[u8]) -> Result<ModuleInfo, CompileError> {
  ModuleInfo::parse(binary).map_err(|error| compile_error(format!("cannot read the module's sections: {error}")))
}

/// The binary format of a text.
pub fn parse_text(text: &str) -> Result<Vec<u8>, CompileError> {
  wat::parse_str(text).map_err(|error| compile_error(format!("invalid WAT: {error}")))
}

/// Tells the common mistakes apart before Wasmtime sees the bytes.
pub fn check_binary(bytes: &[u8]) -> Result<(), CompileError> {
  let fail = |text: &str| Err(compile_error(text));
  match bytes {
    [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => Ok(()),
    [0, b'a', b's', b'm', _, _, 1, 0, ..] => fail(
      "this is a WebAssembly component, not a core module; compile its core module, or make one with a non-component target",
    ),
    [0, b'a', b's', b'm', ..] => fail("invalid version header: expected version 1 of the WebAssembly binary format"),
    [] => fail("invalid magic number: the module is empty"),
    _ => fail("invalid magic number: expected the WebAssembly binary format (\\0asm); pass WAT text as a string"),
  }
}

impl Module {
  fn from_compiled(env: RawEnv, engine: &Arc<EngineParts>, compiled: Compiled) -> Self {
    engine.counts.compiled();
    Self::from_shared(env, engine, Arc::new(compiled))
  }

  /// Every environment counts the code as its own, for each of them keeps it alive.
  fn from_shared(env: RawEnv, engine: &Arc<EngineParts>, compiled: Arc<Compiled>) -> Self {
    let code = compiled.module.image_range();
    let weight =
      i64::try_from(code.end.addr().saturating_sub(code.start.addr()).saturating_add(compiled.info.weight()))
        .unwrap_or(i64::MAX);
    env.adjust_external_memory(weight);
    let counted = Cell::new(Some(engine.counts.code(&compiled.module)));
    Self { engine: Arc::clone(engine), compiled: RefCell::new(Some(compiled)), weight: Cell::new(weight), counted }
  }

  pub(crate) fn compiled(&self) -> Result<Compiled, Failure> {
    self.compiled.borrow().as_deref().cloned().ok_or_else(|| {
      Failure::new(FailureKind::Closed, "source module must be compiled before instantiation: it is closed")
    })
  }

  pub(crate) fn engine(&self) -> &wasmtime::Engine {
    &self.engine.inner
  }
}

#[napi]
impl Module {
  /// Compiles on other threads; the promise gives the module.
  #[napi(catch_unwind, ts_return_type = "Promise<Module>")]
  pub fn compile(
    env: Env,
    engine: &Engine,
    #[napi(ts_arg_type = "Uint8Array | ArrayBufferLike | string")] source: Unknown,
  ) -> napi::Result<AsyncTask<CompileTask>> {
    let raw = RawEnv(env.raw());
    let source = Source::of(raw, Value(source.raw())).map_err(|failure| failure.into_napi(raw))?;
    Ok(AsyncTask::new(CompileTask { engine: engine.parts(), source, failure: None }))
  }

  /// Compiles a file on other threads; the promise gives the module.
  #[napi(catch_unwind, ts_return_type = "Promise<Module>")]
  pub fn compile_file(engine: &Engine, path: String) -> AsyncTask<CompileTask> {
    AsyncTask::new(CompileTask { engine: engine.parts(), source: Source::File(path.into()), failure: None })
  }

  /// Compiles while JavaScript waits.
  #[napi(catch_unwind)]
  pub fn compile_sync(
    env: Env,
    engine: &Engine,
    #[napi(ts_arg_type = "Uint8Array | ArrayBufferLike | string")] source: Unknown,
  ) -> napi::Result<Module> {
    let raw = RawEnv(env.raw());
    Source::of(raw, Value(source.raw()))
      .and_then(|source| source.compile(engine).map_err(Failure::Typed))
      .map(|compiled| Module::from_compiled(raw, &engine.parts(), compiled))
      .map_err(|failure| failure.into_napi(raw))
  }

  /// Checks a module without compiling it; throws what is wrong with it.
  #[napi(catch_unwind)]
  pub fn validate(
    env: Env,
    engine: &Engine,
    #[napi(ts_arg_type = "Uint8Array | ArrayBufferLike | string")] source: Unknown,
  ) -> napi::Result<()> {
    let raw = RawEnv(env.raw());
    Source::of(raw, Value(source.raw()))
      .and_then(|source| source.validate(&engine.inner).map_err(Failure::Typed))
      .map_err(|failure| failure.into_napi(raw))
  }

  /// The compiled code as bytes.
  #[napi(catch_unwind, ts_return_type = "Buffer")]
  pub fn serialize(&self, env: Env) -> napi::Result<OutBuffer> {
    let raw = RawEnv(env.raw());
    self
      .compiled()
      .and_then(|compiled| artifact::serialize(&compiled).map_err(Failure::Typed))
      .map(OutBuffer::from)
      .map_err(|failure| failure.into_napi(raw))
  }

  /// The module of bytes that `serialize` or `precompile` gave. They are trusted.
  #[napi(catch_unwind)]
  pub fn unsafe_deserialize(
    env: Env,
    engine: &Engine,
    #[napi(ts_arg_type = "Uint8Array | ArrayBufferLike")] bytes: Unknown,
  ) -> napi::Result<Module> {
    let raw = RawEnv(env.raw());
    let read = || {
      let bytes = bytes_of(raw, Value(bytes.raw()))?;
      // SAFETY: the JavaScript caller vouches for the bytes, as the name of the function says.
      unsafe { artifact::deserialize(&engine.inner, &bytes) }.map_err(Failure::Typed)
    };
    read()
      .map(|compiled| Module::from_compiled(raw, &engine.parts(), compiled))
      .map_err(|failure| failure.into_napi(raw))
  }

  /// As `unsafeDeserialize`, from a file, which is mapped.
  #[napi(catch_unwind)]
  pub fn unsafe_deserialize_file(env: Env, engine: &Engine, path: String) -> napi::Result<Module> {
    let raw = RawEnv(env.raw());
    // SAFETY: the JavaScript caller vouches for the file, as the name of the function says.
    unsafe { artifact::deserialize_file(&engine.inner, path.as_ref()) }
      .map(|compiled| Module::from_compiled(raw, &engine.parts(), compiled))
      .map_err(|failure| Failure::Typed(failure).into_napi(raw))
  }

  /// Compiles on other threads; the promise gives the bytes that `unsafeDeserialize` takes.
  #[napi(catch_unwind, ts_return_type = "Promise<Buffer>")]
  pub fn precompile(
    env: Env,
    engine: &Engine,
    #[napi(ts_arg_type = "Uint8Array | ArrayBufferLike | string")] source: Unknown,
  ) -> napi::Result<AsyncTask<PrecompileTask>> {
    let raw = RawEnv(env.raw());
    let source = Source::of(raw, Value(source.raw())).map_err(|failure| failure.into_napi(raw))?;
    Ok(AsyncTask::new(PrecompileTask { engine: engine.inner.clone(), source, failure: None }))
  }

  /// Whether bytes are what `serialize` or `precompile` gave, by their form.
  #[napi(catch_unwind)]
  pub fn is_precompiled(
    env: Env,
    #[napi(ts_arg_type = "Uint8Array | ArrayBufferLike")] bytes: Unknown,
  ) -> napi::Result<bool> {
    let raw = RawEnv(env.raw());
    bytes_of(raw, Value(bytes.raw()))
      .map(|bytes| artifact::is_artifact(&bytes))
      .map_err(|failure| failure.into_napi(raw))
  }

  /// Makes the module known under an id, by which other threads of the process can attach to it while it is not closed.
  #[napi(catch_unwind)]
  pub fn share(&self, env: Env, id: String) -> napi::Result<()> {
    let raw = RawEnv(env.raw());
    match &*self.compiled.borrow() {
      Some(compiled) => SHARED.add(id, compiled),
      None => return Err(Failure::closed("module").into_napi(raw)),
    }
    Ok(())
  }

  /// The module that is known under an id, for an engine of this environment; null if there is none.
  #[napi(catch_unwind)]
  pub fn attach(env: Env, engine: &Engine, id: String) -> napi::Result<Option<Module>> {
    let raw = RawEnv(env.raw());
    let Some(compiled) = SHARED.get(&id) else { return Ok(None) };
    if !wasmtime::Engine::same(compiled.module.engine(), &engine.inner) {
      return Err(
        Failure::type_error(
          "the module was compiled by another engine; share that engine too, and attach to it before the module",
        )
        .into_napi(raw),
      );
    }
    Ok(Some(Module::from_shared(raw, &engine.parts(), compiled)))
  }

  /// Name of the name section.
  #[napi(getter, catch_unwind)]
  pub fn name(&self, env: Env) -> napi::Result<Option<String>> {
    self.read(&env, |compiled| compiled.module.name().map(str::to_owned))
  }

  #[napi(getter, catch_unwind)]
  pub fn imports(&self, env: Env) -> napi::Result<Vec<ImportInfo>> {
    self.read(&env, |compiled| {
      compiled
        .module
        .imports()
        .map(|import| ImportInfo {
          module: import.module().to_owned(),
          name: import.name().to_owned(),
          ty: extern_info(&import.ty()),
        })
        .collect()
    })
  }

  #[napi(getter, catch_unwind)]
  pub fn exports(&self, env: Env) -> napi::Result<Vec<ExportInfo>> {
    self.read(&env, |compiled| {
      compiled
        .module
        .exports()
        .map(|export| ExportInfo { name: export.name().to_owned(), ty: extern_info(&export.ty()) })
        .collect()
    })
  }

  /// The functions of the imports, in their order.
  #[napi(getter, catch_unwind)]
  pub fn imported_functions(&self, env: Env) -> napi::Result<Vec<FunctionInfo>> {
    self.read(&env, |compiled| {
      (0..compiled.info.imported_count).map(|index| function_info(&compiled.info, index)).collect()
    })
  }

  /// The functions of the exports, in their order.
  #[napi(getter, catch_unwind)]
  pub fn exported_functions(&self, env: Env) -> napi::Result<Vec<FunctionInfo>> {
    self.read(&env, |compiled| {
      compiled.info.exported.iter().map(|(_, index)| function_info(&compiled.info, *index)).collect()
    })
  }

  /// The function that instantiation runs.
  #[napi(getter, catch_unwind)]
  pub fn start_function(&self, env: Env) -> napi::Result<Option<FunctionInfo>> {
    self.read(&env, |compiled| compiled.info.start.map(|index| function_info(&compiled.info, index)))
  }

  /// The custom sections, of one name or all.
  #[napi(catch_unwind)]
  pub fn custom_sections(&self, env: Env, name: Option<String>) -> napi::Result<Vec<CustomSectionInfo>> {
    self.read(&env, |compiled| {
      compiled
        .info
        .custom_sections
        .iter()
        .filter(|section| name.as_ref().is_none_or(|name| *name == section.name))
        .map(|section| CustomSectionInfo { name: section.name.clone(), data: section.data.to_vec().into() })
        .collect()
    })
  }

  /// Frees the compiled code once no instance uses it. Idempotent.
  #[napi(catch_unwind)]
  pub fn close(&self, env: Env) {
    self.compiled.borrow_mut().take();
    self.counted.take();
    RawEnv(env.raw()).adjust_external_memory(-self.weight.replace(0));
  }

  #[napi(getter, catch_unwind)]
  pub fn closed(&self) -> bool {
    self.compiled.borrow().is_none()
  }

  fn read<R>(&self, env: &Env, f: impl FnOnce(&Compiled) -> R) -> napi::Result<R> {
    self.compiled().map(|compiled| f(&compiled)).map_err(|failure| failure.into_napi(RawEnv(env.raw())))
  }
}

fn function_info(info: &ModuleInfo, index: u32) -> FunctionInfo {
  let mut param_names = Vec::new();
  for (local, name) in info.local_names.get(&index).into_iter().flatten() {
    let local = *local as usize;
    // Locals beyond the parameters have names too; JavaScript cuts the list at the number of parameters.
    if local < 1000 {
      if param_names.len() <= local {
        param_names.resize(local + 1, String::new());
      }
      if let Some(place) = param_names.get_mut(local) {
        place.clone_from(name);
      }
    }
  }
  FunctionInfo { index, name: info.function_names.get(&index).cloned().unwrap_or_default(), param_names }
}

/// A compilation in the background.
pub struct CompileTask {
  engine: Arc<EngineParts>,
  source: Source,
  failure: Option<CompileError>,
}

impl Task for CompileTask {
  type Output = Compiled;
  type JsValue = Module;

  fn compute(&mut self) -> napi::Result<Self::Output> {
    self.source.compile(&self.engine).map_err(|failure| {
      self.failure = Some(failure);
      napi::Error::from_reason("compilation failed")
    })
  }

  fn resolve(&mut self, env: Env, output: Self::Output) -> napi::Result<Self::JsValue> {
    Ok(Module::from_compiled(RawEnv(env.raw()), &self.engine, output))
  }

  fn reject(&mut self, env: Env, error: napi::Error) -> napi::Result<Self::JsValue> {
    match self.failure.take() {
      Some(failure) => Err(Failure::Typed(failure).into_rejection(RawEnv(env.raw()))),
      None => Err(error),
    }
  }
}

/// A compilation in the background, to bytes.
pub struct PrecompileTask {
  engine: wasmtime::Engine,
  source: Source,
  failure: Option<CompileError>,
}

impl Task for PrecompileTask {
  type Output = Vec<u8>;
  type JsValue = OutBuffer;

  fn compute(&mut self) -> napi::Result<Self::Output> {
    self.source.precompile(&self.engine).map_err(|failure| {
      self.failure = Some(failure);
      napi::Error::from_reason("compilation failed")
    })
  }

  fn resolve(&mut self, _: Env, output: Self::Output) -> napi::Result<Self::JsValue> {
    Ok(output.into())
  }

  fn reject(&mut self, env: Env, error: napi::Error) -> napi::Result<Self::JsValue> {
    match self.failure.take() {
      Some(failure) => Err(Failure::Typed(failure).into_rejection(RawEnv(env.raw()))),
      None => Err(error),
    }
  }
}
