//! A directory of compiled modules, which processes share.
//!
//! Code from it is run, so each entry has a message authentication code, made with a key that lies beside the entries and
//! that only its owner can read: what was damaged, or put there by somebody else, is compiled again. An entry's name is a
//! hash of the module, of all that Wasmtime's compiler depends on, and of this addon's version, and it is authenticated
//! too, so that entries cannot be exchanged. Files are written aside and renamed, so a reader sees all of one or nothing. A
//! directory that cannot be used is no error: modules are compiled then, and the reason is kept for who asks.
//! Lives on: any thread.

use std::fs::{self, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rand::TryRng;
use rand::rngs::SysRng;

use crate::artifact;
use crate::module::Compiled;

const KEY_FILE: &str = "key";
const ENTRY: &str = "cwasm";
const TEMPORARY: &str = "tmp";

/// How often a process looks for what is too old or too much.
const CLEAN_UP_EVERY: Duration = Duration::from_mins(1);

/// An entry that is used is marked so at most this often.
const TOUCH_EVERY: Duration = Duration::from_hours(1);

/// After this time nobody is still writing a temporary file.
const ABANDONED: Duration = Duration::from_hours(1);

const MAC: usize = blake3::OUT_LEN;

/// What a file in the directory is by its name, if that is one that the cache gives. Others belong to somebody else, whatever
/// their extensions: they are never removed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum OwnName {
  Entry,
  Temporary,
  Key,
}

pub fn own_name(name: &str) -> Option<OwnName> {
  let all = |text: &str, allowed: fn(&u8) -> bool| !text.is_empty() && text.bytes().all(|byte| allowed(&byte));
  let hex = |text: &str, length| text.len() == length && all(text, |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
  if name == KEY_FILE {
    return Some(OwnName::Key);
  }
  let (stem, extension) = name.rsplit_once('.')?;
  match extension {
    ENTRY => hex(stem, 2 * blake3::OUT_LEN).then_some(OwnName::Entry),
    TEMPORARY => {
      let mut parts = stem.split('-');
      let numbers = parts.by_ref().take(2).filter(|part| all(part, u8::is_ascii_digit)).count();
      (numbers == 2 && parts.next().is_some_and(|part| hex(part, 16)) && parts.next().is_none())
        .then_some(OwnName::Temporary)
    }
    _ => None,
  }
}

pub struct ModuleCache {
  directory: PathBuf,
  max_bytes: u64,
  max_age: Duration,
  /// Who must own the directory and the key; `None` where files have no owners.
  owner: Option<u32>,
  cleaned: Mutex<Option<Instant>>,
  failure: Mutex<Option<String>>,
  pub counts: Counts,
}

/// What has happened since the engine was made.
#[derive(Default)]
pub struct Counts {
  pub hits: AtomicU32,
  pub misses: AtomicU32,
  /// Entries that were not what they should be, and were replaced.
  pub rejected: AtomicU32,
  pub written: AtomicU32,
  /// Entries that were too old or too many.
  pub removed: AtomicU32,
  pub failures: AtomicU32,
}

fn count(counter: &AtomicU32) {
  counter.fetch_add(1, Ordering::Relaxed);
}

/// Hashes what implements [`Hash`] with BLAKE3.
struct Digest(blake3::Hasher);

impl Hasher for Digest {
  fn finish(&self) -> u64 {
    0
  }

  fn write(&mut self, bytes: &[u8]) {
    self.0.update(bytes);
  }
}

/// Why something could not be done, for people.
type Reason = String;

fn reason(what: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Reason {
  move |error| format!("{what} {}: {error}", path.display())
}

impl ModuleCache {
  /// Nothing happens on disk yet.
  pub fn new(directory: PathBuf, max_bytes: u64, max_age: Duration, owner: Option<u32>) -> Self {
    Self {
      directory,
      max_bytes,
      max_age,
      owner,
      cleaned: Mutex::default(),
      failure: Mutex::default(),
      counts: Counts::default(),
    }
  }

  /// What has gone wrong since the last time that this was asked.
  pub fn take_failure(&self) -> Option<String> {
    self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
  }

  fn fail(&self, reason: Reason) {
    count(&self.counts.failures);
    *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
  }

  /// The compiled form of a module, from the cache or else from `compile`, whose result goes into the cache.
  pub fn get_or_compile<E>(
    &self,
    engine: &wasmtime::Engine,
    binary: &[u8],
    compile: impl FnOnce() -> Result<Compiled, E>,
  ) -> Result<Compiled, E> {
    let key = match self.key() {
      Ok(key) => key,
      Err(reason) => {
        self.fail(reason);
        return compile();
      }
    };
    let name = name_of(engine, binary);
    if let Some(compiled) = self.read(engine, &key, &name) {
      count(&self.counts.hits);
      return Ok(compiled);
    }
    count(&self.counts.misses);
    let compiled = compile()?;
    // What cannot be serialized is of no use to others, but it is compiled.
    let stored = artifact::serialize(&compiled)
      .map_err(|failure| failure.message)
      .and_then(|bytes| if bytes.len() as u64 > self.max_bytes { Ok(()) } else { self.write(&key, &name, bytes) });
    if let Err(reason) = stored {
      self.fail(reason);
    }
    Ok(compiled)
  }

  /// Why nothing in the directory can be used, if so; nothing is changed, made or run.
  pub fn problem(&self) -> Option<Reason> {
    let look = || {
      let data = fs::metadata(&self.directory).map_err(reason("cannot look at", &self.directory))?;
      self.check_owner(&data, 0o022, &self.directory, "chmod 700")?;
      let path = self.directory.join(KEY_FILE);
      self.read_key(&mut File::open(&path).map_err(reason("cannot read the key", &path))?, &path)
    };
    look().err()
  }

  /// The name of the module in an entry, if that is authentic; nothing is changed, made or run.
  pub fn examine(&self, name: &str) -> Option<String> {
    let path = self.directory.join(KEY_FILE);
    let key = self.read_key(&mut File::open(&path).ok()?, &path).ok()?;
    let bytes = fs::read(self.path(name)).ok()?;
    authentic(&key, name, &bytes).and_then(artifact::module_name)
  }

  fn path(&self, name: &str) -> PathBuf {
    self.directory.join(name).with_extension(ENTRY)
  }

  /// Reads an entry; `None` if there is none that can be used.
  fn read(&self, engine: &wasmtime::Engine, key: &[u8; MAC], name: &str) -> Option<Compiled> {
    let path = self.path(name);
    let mut file = match File::open(&path) {
      Ok(file) => file,
      Err(error) => {
        if error.kind() != ErrorKind::NotFound {
          self.fail(reason("cannot read", &path)(error));
        }
        return None;
      }
    };
    let mut bytes = Vec::new();
    // Read and not mapped: what is checked must be what is run, whoever writes to the file afterwards.
    if let Err(error) = file.read_to_end(&mut bytes) {
      self.fail(reason("cannot read", &path)(error));
      return None;
    }
    let genuine = authentic(key, name, &bytes);
    // SAFETY: who made the entry had the key, which this user alone can read, and made it for this name, that is from this
    // module with this compiler.
    let compiled = genuine.and_then(|artifact| unsafe { artifact::deserialize(engine, artifact) }.ok());
    if compiled.is_none() {
      count(&self.counts.rejected);
      return None;
    }
    let now = SystemTime::now();
    let age = file.metadata().and_then(|data| data.modified()).ok().and_then(|then| now.duration_since(then).ok());
    if age.is_some_and(|age| age > TOUCH_EVERY)
      && let Err(error) = OpenOptions::new().append(true).open(&path).and_then(|file| file.set_modified(now))
      && error.kind() != ErrorKind::NotFound
    {
      self.fail(reason("cannot mark as used", &path)(error));
    }
    compiled
  }

  fn write(&self, key: &[u8; MAC], name: &str, mut bytes: Vec<u8>) -> Result<(), Reason> {
    let mac = authenticate(key, name, &bytes);
    bytes.extend_from_slice(mac.as_bytes());
    let path = self.path(name);
    let (temporary, file) = self.temporary().map_err(reason("cannot write to", &self.directory))?;
    let result = put(file, &bytes).and_then(|()| fs::rename(&temporary, &path));
    if let Err(error) = result {
      // The first failure is what counts.
      let _ = fs::remove_file(&temporary);
      return Err(reason("cannot write", &path)(error));
    }
    count(&self.counts.written);
    self.clean_up()
  }

  /// A new file that only this process writes to, and only its owner reads.
  fn temporary(&self) -> std::io::Result<(PathBuf, File)> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("{}-{number}-{:016x}", std::process::id(), random());
    let path = self.directory.join(name).with_extension(TEMPORARY);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&path).map(|file| (path, file))
  }

  /// The directory's key, which is made if there is none.
  fn key(&self) -> Result<[u8; MAC], Reason> {
    self.make_directory()?;
    let path = self.directory.join(KEY_FILE);
    for _ in 0..3 {
      match File::open(&path) {
        Ok(mut file) => return self.read_key(&mut file, &path),
        Err(error) if error.kind() == ErrorKind::NotFound => self.write_key(&path)?,
        Err(error) => return Err(reason("cannot read the key", &path)(error)),
      }
    }
    Err(format!("the key {} is being removed as often as it is made", path.display()))
  }

  fn make_directory(&self) -> Result<(), Reason> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(&self.directory).map_err(reason("cannot make the directory", &self.directory))?;
    let data = fs::metadata(&self.directory).map_err(reason("cannot look at", &self.directory))?;
    // Whoever may write to it could exchange the key together with the entries.
    self.check_owner(&data, 0o022, &self.directory, "chmod 700")
  }

  /// Checks that nobody else can use a file in a way that matters.
  #[cfg_attr(not(unix), expect(clippy::unnecessary_wraps, reason = "what the system knows of it is looked at on Unix"))]
  fn check_owner(&self, data: &fs::Metadata, forbidden: u32, path: &Path, mend: &str) -> Result<(), Reason> {
    #[cfg(unix)]
    {
      use std::os::unix::fs::MetadataExt;
      if self.owner.is_some_and(|owner| owner != data.uid()) {
        return Err(format!("{} belongs to another user; use a directory of this user's own", path.display()));
      }
      if data.mode() & forbidden != 0 {
        return Err(format!("{} is open to other users; {mend} {}", path.display(), path.display()));
      }
    }
    #[cfg(not(unix))]
    let _ = (data, forbidden, path, mend, self.owner);
    Ok(())
  }

  fn read_key(&self, file: &mut File, path: &Path) -> Result<[u8; MAC], Reason> {
    let data = file.metadata().map_err(reason("cannot look at", path))?;
    self.check_owner(&data, 0o077, path, "remove it, and everything beside it, or chmod 600")?;
    let mut key = Vec::with_capacity(MAC);
    // One byte more than a key has, so that a longer one is noticed.
    file.take(MAC as u64 + 1).read_to_end(&mut key).map_err(reason("cannot read the key", path))?;
    <[u8; MAC]>::try_from(key).map_err(|_| format!("{} is not a key; remove it, and a new one is made", path.display()))
  }

  fn write_key(&self, path: &Path) -> Result<(), Reason> {
    let unwritable = || reason("cannot write the key", path);
    let mut key = [0; MAC];
    SysRng.try_fill_bytes(&mut key).map_err(|error| format!("the system has no random bytes for a key: {error}"))?;
    let (temporary, file) = self.temporary().map_err(unwritable())?;
    // A link, unlike a renamed file, never replaces what another process has made meanwhile.
    let made = put(file, &key).and_then(|()| fs::hard_link(&temporary, path));
    let _ = fs::remove_file(&temporary);
    match made {
      Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(unwritable()(error)),
      _ => Ok(()),
    }
  }

  /// Removes what is too old, and the oldest if there is too much.
  fn clean_up(&self) -> Result<(), Reason> {
    {
      let mut cleaned = self.cleaned.lock().unwrap_or_else(PoisonError::into_inner);
      if cleaned.is_some_and(|then| then.elapsed() < CLEAN_UP_EVERY) {
        return Ok(());
      }
      *cleaned = Some(Instant::now());
    }
    let now = SystemTime::now();
    let mut entries = Vec::new();
    let mut failure = None;
    for item in fs::read_dir(&self.directory).map_err(reason("cannot list", &self.directory))? {
      let Ok(item) = item else { continue };
      let Some(own) = item.file_name().to_str().and_then(own_name) else { continue };
      // Another process may have removed it meanwhile.
      let Ok(data) = item.metadata() else { continue };
      if !data.is_file() {
        continue;
      }
      let path = item.path();
      let age = data.modified().ok().and_then(|then| now.duration_since(then).ok()).unwrap_or_default();
      match own {
        OwnName::Temporary if age > ABANDONED => failure = failure.or(remove(&path).err()),
        OwnName::Entry => entries.push((age, data.len(), path)),
        OwnName::Temporary | OwnName::Key => {}
      }
    }
    // The youngest first: they stay as long as there is room.
    entries.sort_by_key(|(age, ..)| *age);
    let mut total = 0_u64;
    for (age, size, path) in entries {
      total = total.saturating_add(size);
      if age > self.max_age || total > self.max_bytes {
        match remove(&path) {
          Ok(()) => count(&self.counts.removed),
          Err(reason) => failure = failure.or(Some(reason)),
        }
      }
    }
    // What cannot be removed does not keep the rest.
    failure.map_or(Ok(()), Err)
  }
}

fn remove(path: &Path) -> Result<(), Reason> {
  match fs::remove_file(path) {
    Err(error) if error.kind() != ErrorKind::NotFound => Err(reason("cannot remove", path)(error)),
    _ => Ok(()),
  }
}

fn put(mut file: File, bytes: &[u8]) -> std::io::Result<()> {
  file.write_all(bytes)
}

/// Keeps names of temporary files apart; it need not be secret.
fn random() -> u64 {
  use std::hash::BuildHasher;
  std::hash::RandomState::new().hash_one(Instant::now())
}

/// Names an entry by all that decides what it holds.
fn name_of(engine: &wasmtime::Engine, binary: &[u8]) -> String {
  let mut digest = Digest(blake3::Hasher::new_derive_key("node-wasmtime 2026-11-24 name of a cached module"));
  engine.precompile_compatibility_hash().hash(&mut digest);
  (env!("CARGO_PKG_VERSION"), crate::WASMTIME_VERSION).hash(&mut digest);
  digest.write(binary);
  digest.0.finalize().to_hex().to_string()
}

/// The artifact in an entry, if whoever made that had the key.
fn authentic<'a>(key: &[u8; MAC], name: &str, entry: &'a [u8]) -> Option<&'a [u8]> {
  let (artifact, mac) = entry.split_last_chunk::<MAC>()?;
  // The comparison takes the same time wherever they differ.
  (authenticate(key, name, artifact) == blake3::Hash::from_bytes(*mac)).then_some(artifact)
}

fn authenticate(key: &[u8; MAC], name: &str, artifact: &[u8]) -> blake3::Hash {
  let mut hasher = blake3::Hasher::new_keyed(key);
  // All names have the same length.
  hasher.update(name.as_bytes());
  hasher.update(artifact);
  hasher.finalize()
}
