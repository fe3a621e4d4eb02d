//! Compiled code as bytes: Wasmtime's own image, which is an ELF file, and behind it what [`ModuleInfo`] knows and the image
//! does not. Readers of ELF files look from the front, so the whole can be mapped as it is. Lives on: any thread.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use wasmtime::{Engine, Precompiled};

use crate::failure::{ErrorDetail, FailureKind, TypedFailure};
use crate::module::Compiled;
use crate::module_info::ModuleInfo;

/// Ends every artifact; the number is that of the layout.
const MAGIC: [u8; 16] = *b"node-wasmtime\0\0\x02";

/// The magic, and before it the lengths of the image and of the information.
const TRAILER: usize = 16 + MAGIC.len();

type ArtifactError = Box<TypedFailure>;

#[cold]
fn refused(reason: impl std::fmt::Display) -> ArtifactError {
  Box::new(TypedFailure {
    kind: FailureKind::Compile,
    message: format!("the precompiled module cannot be used: {reason}"),
    detail: ErrorDetail::default(),
  })
}

#[cold]
fn foreign() -> ArtifactError {
  refused("these are not bytes that serialize() or precompile() of this version has given")
}

/// Puts an image and what belongs to it together.
pub fn join(image: Vec<u8>, info: &ModuleInfo) -> Result<Vec<u8>, ArtifactError> {
  let info = postcard::to_allocvec(info).map_err(refused)?;
  let mut bytes = image;
  let image = bytes.len() as u64;
  bytes.reserve_exact(info.len() + TRAILER);
  bytes.extend_from_slice(&info);
  bytes.extend_from_slice(&image.to_le_bytes());
  bytes.extend_from_slice(&(info.len() as u64).to_le_bytes());
  bytes.extend_from_slice(&MAGIC);
  Ok(bytes)
}

pub fn serialize(compiled: &Compiled) -> Result<Vec<u8>, ArtifactError> {
  let image = compiled.module.serialize().map_err(|error| refused(format!("{error:#}")))?;
  // The image of a mapped file is all of that file.
  if split(&image).is_some() { Ok(image) } else { join(image, &compiled.info) }
}

/// The lengths of the image and of the information.
fn lengths(trailer: &[u8]) -> Option<(usize, usize)> {
  let rest = trailer.strip_suffix(&MAGIC)?;
  let (rest, info) = rest.split_last_chunk()?;
  let (_, image) = rest.split_last_chunk()?;
  Some((usize::try_from(u64::from_le_bytes(*image)).ok()?, usize::try_from(u64::from_le_bytes(*info)).ok()?))
}

/// Splits an artifact into the image and the information.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
  let (image, info) = lengths(bytes)?;
  if image.checked_add(info)?.checked_add(TRAILER)? != bytes.len() {
    return None;
  }
  let (image, rest) = bytes.split_at_checked(image)?;
  Some((image, rest.get(..info)?))
}

/// Whether the bytes are an artifact; not whether this machine and version can use it.
pub fn is_artifact(bytes: &[u8]) -> bool {
  split(bytes).is_some_and(|(image, _)| Engine::detect_precompiled(image) == Some(Precompiled::Module))
}

fn read_info(bytes: &[u8]) -> Result<Arc<ModuleInfo>, ArtifactError> {
  postcard::from_bytes(bytes).map(Arc::new).map_err(|_| foreign())
}

/// The name of the module that an artifact holds, empty if it has none; `None` if the bytes are no artifact.
pub fn module_name(bytes: &[u8]) -> Option<String> {
  let (_, info) = split(bytes)?;
  postcard::from_bytes::<ModuleInfo>(info).ok().map(|info| info.name().to_owned())
}

/// # Safety
/// The bytes are what [`serialize`] or [`join`] gave, unchanged: the code in them is run.
pub unsafe fn deserialize(engine: &Engine, bytes: &[u8]) -> Result<Compiled, ArtifactError> {
  let (image, info) = split(bytes).ok_or_else(foreign)?;
  let info = read_info(info)?;
  // SAFETY: the image is one that Wasmtime has made, as the caller promises.
  let module = unsafe { wasmtime::Module::deserialize(engine, image) };
  Ok(Compiled { module: module.map_err(|error| refused(format!("{error:#}")))?, info })
}

/// As [`deserialize`]; the file is mapped, not read.
///
/// # Safety
/// The file has what [`serialize`] or [`join`] gave, unchanged, and stays so as long as the module is used.
pub unsafe fn deserialize_file(engine: &Engine, path: &Path) -> Result<Compiled, ArtifactError> {
  let unreadable = |error: std::io::Error| refused(format!("cannot read {}: {error}", path.display()));
  let mut file = File::open(path).map_err(unreadable)?;
  let size = file.metadata().map_err(unreadable)?.len();
  let mut trailer = [0; TRAILER];
  let start = size.checked_sub(TRAILER as u64).ok_or_else(foreign)?;
  file.seek(SeekFrom::Start(start)).map_err(unreadable)?;
  file.read_exact(&mut trailer).map_err(unreadable)?;
  let (image, info) = lengths(&trailer).ok_or_else(foreign)?;
  if (image as u64).checked_add(info as u64) != Some(start) {
    return Err(foreign());
  }
  let mut bytes = vec![0; info];
  file.seek(SeekFrom::Start(image as u64)).map_err(unreadable)?;
  file.read_exact(&mut bytes).map_err(unreadable)?;
  let info = read_info(&bytes)?;
  // SAFETY: as the caller promises.
  let module = unsafe { wasmtime::Module::deserialize_open_file(engine, file) };
  Ok(Compiled { module: module.map_err(|error| refused(format!("{error:#}")))?, info })
}
