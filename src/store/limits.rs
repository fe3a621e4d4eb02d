//! What a store may take: counts memories and tables, and refuses what goes beyond the limits.
//! Lives on: whoever has the store; `admit` on the JavaScript thread.

use std::sync::atomic::{AtomicU32, Ordering};

use napi_derive::napi;
use wasmtime::{AsContextMut, StoreContextMut};

use super::usage::{RefusalInfo, double};
use super::{StoreData, StoreInner};
use crate::failure::{ErrorDetail, Failure, FailureKind, TypedFailure};
use crate::host_call::HostFailure;
use crate::map_budget::{Maps, OF_MEMORY};

/// Elements that a table may have: the limit of the browsers, from the JavaScript API of WebAssembly.
const MAX_TABLE_ELEMENTS: usize = 10_000_000;

/// Wasmtime's word for a growth that it has not asked about before, since the memory's type forbids it.
const FORBIDDEN_BY_TYPE: &str = "memory growth exceeds memory type's limits";

/// The same for tables.
const OVERFLOWS: &str = "overflow calculating new table size";

/// Limits of a store; what is left out has none. `lib/limits.ts` documents and checks them.
#[napi(object)]
#[derive(Default)]
pub struct LimitsConfig {
  pub memory_bytes: Option<f64>,
  pub table_elements: Option<f64>,
  pub instances: Option<u32>,
  pub memories: Option<u32>,
  pub tables: Option<u32>,
  /// Whether JavaScript is asked as well; the function is `onGrow` of the `StoreCore`.
  pub on_grow: Option<bool>,
}

/// The limits of a store, and what Wasmtime's last question was about.
#[derive(Default)]
pub struct Limits {
  memory_bytes: Option<u64>,
  table_elements: Option<u64>,
  pub instances: Option<u32>,
  pub memories: Option<u32>,
  pub tables: Option<u32>,
  pub on_grow: bool,
  /// What was added last, until it is known to have failed.
  last_bytes: u64,
  last_elements: u64,
  /// What is being made: the memories and tables of an instance, or one by itself.
  making: Option<Making>,
}

/// Memories and tables that are made together, or not at all.
struct Making {
  /// Memories and tables that have not been asked for yet.
  parts: u32,
  bytes: u64,
  elements: u64,
}

/// What can grow.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Growable {
  Memory,
  Table,
}

/// A question of Wasmtime's.
#[derive(Clone, Copy)]
pub struct Growth {
  pub what: Growable,
  pub current: usize,
  pub desired: usize,
  pub maximum: Option<usize>,
}

impl From<LimitsConfig> for Limits {
  #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "JavaScript checked that it is whole")]
  fn from(config: LimitsConfig) -> Self {
    Self {
      memory_bytes: config.memory_bytes.map(|bytes| bytes as u64),
      table_elements: config.table_elements.map(|count| count as u64),
      instances: config.instances,
      memories: config.memories,
      tables: config.tables,
      on_grow: config.on_grow.unwrap_or(false),
      ..Self::default()
    }
  }
}

/// A refusal as an error.
fn refusal_failure(refusal: &RefusalInfo, message: String) -> TypedFailure {
  let detail = ErrorDetail { limit: Some(refusal.clone()), ..ErrorDetail::default() };
  TypedFailure { kind: FailureKind::Limit, message, detail }
}

impl StoreData {
  fn inner(&self) -> &StoreInner {
    // SAFETY: the store inner owns the store whose data this is, so it is alive.
    unsafe { &*self.inner }
  }

  /// So many memories and tables are about to be made; all, or none.
  pub fn begin_making(&mut self, parts: u32) {
    let usage = &self.inner().usage;
    let bytes = usage.memory_bytes.load(Ordering::Relaxed);
    let elements = usage.table_elements.load(Ordering::Relaxed);
    // With none, whatever Wasmtime asks is about growth.
    self.limits.making = (parts > 0).then_some(Making { parts, bytes, elements });
  }

  /// What Wasmtime asks from now on is about growth.
  pub fn end_making(&mut self) {
    self.limits.making = None;
  }

  /// Answers a question of Wasmtime's.
  fn ask(&mut self, growth: Growth) -> wasmtime::Result<bool> {
    let Growth { what, current, desired, maximum } = growth;
    if maximum.is_some_and(|maximum| desired > maximum) {
      // It would fail in any case.
      return Ok(false);
    }
    let delta = desired.saturating_sub(current) as u64;
    let making = if current == 0 { self.limits.making.take() } else { None };
    let refusal = match self.refusal(growth, delta) {
      Ok(refusal) => refusal,
      Err(error) => {
        self.unmake(making);
        return Err(error);
      }
    };
    if let Some((refusal, message)) = refusal {
      self.inner().usage.refuse(refusal.clone());
      if making.is_none() {
        // It grows, perhaps from nothing; or Wasmtime makes it by itself, and has its own words.
        return Ok(false);
      }
      self.unmake(making);
      return Err(wasmtime::Error::new(HostFailure(refusal_failure(&refusal, message))));
    }
    self.limits.making =
      making.filter(|making| making.parts > 1).map(|making| Making { parts: making.parts - 1, ..making });
    if what == Growable::Memory {
      self.limits.last_bytes = delta;
      self.inner().usage.memory_bytes.fetch_add(delta, Ordering::Relaxed);
    } else {
      self.limits.last_elements = delta;
      self.inner().usage.table_elements.fetch_add(delta, Ordering::Relaxed);
    }
    Ok(true)
  }

  /// An instance is not made: what it had already is freed with it.
  fn unmake(&mut self, making: Option<Making>) {
    let Some(Making { bytes, elements, .. }) = making else { return };
    let usage = &self.inner().usage;
    let freed = usage.memory_bytes.swap(bytes, Ordering::Relaxed).saturating_sub(bytes);
    let removed = usage.table_elements.swap(elements, Ordering::Relaxed).saturating_sub(elements);
    self.weigh_less(freed.saturating_add(removed.saturating_mul(ELEMENT)));
  }

  /// Why a growth must not be, if so.
  fn refusal(&self, growth: Growth, delta: u64) -> wasmtime::Result<Option<(RefusalInfo, String)>> {
    let usage = &self.inner().usage;
    let (name, limit, used) = match growth.what {
      Growable::Memory => ("memoryBytes", self.limits.memory_bytes, &usage.memory_bytes),
      Growable::Table => ("tableElements", self.limits.table_elements, &usage.table_elements),
    };
    let used = used.load(Ordering::Relaxed);
    let total = used.saturating_add(delta);
    if let Some(limit) = limit
      && total > limit
    {
      let unit = if growth.what == Growable::Memory { "bytes" } else { "elements" };
      let refusal = RefusalInfo { limit: name.to_owned(), value: Some(double(limit)), requested: double(total) };
      let message = format!(
        "limits.{name} of the store is {limit}: {used} {unit} are in use, and {delta} more were asked for ({total} in all)"
      );
      return Ok(Some((refusal, message)));
    }
    if self.limits.on_grow && !super::grow_request::ask(self.inner(), growth)? {
      let what = if growth.what == Growable::Memory { "a memory" } else { "a table" };
      let refusal = RefusalInfo { limit: "onGrow".to_owned(), value: None, requested: double(growth.desired as u64) };
      let message = format!("limits.onGrow of the store has refused {what} of {}", growth.desired);
      return Ok(Some((refusal, message)));
    }
    Ok(None)
  }

  fn weigh_more(&mut self, bytes: u64) {
    self.inner().bytes.fetch_add(i64::try_from(bytes).unwrap_or(i64::MAX), Ordering::Relaxed);
  }

  fn weigh_less(&mut self, bytes: u64) {
    self.inner().bytes.fetch_sub(i64::try_from(bytes).unwrap_or(i64::MAX), Ordering::Relaxed);
  }
}

const ELEMENT: u64 = size_of::<usize>() as u64;

impl wasmtime::ResourceLimiter for StoreData {
  fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
    let maps = if current == 0 {
      // It is being made, or gets its first page.
      Maps::take(OF_MEMORY).inspect_err(|_| {
        let making = self.limits.making.take();
        self.unmake(making);
      })?
    } else {
      Maps::default()
    };
    self.limits.last_bytes = 0;
    let allowed = self.ask(Growth { what: Growable::Memory, current, desired, maximum })?;
    if allowed {
      self.maps.join(maps);
      self.weigh_more(self.limits.last_bytes);
    }
    Ok(allowed)
  }

  fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
    if error.to_string() != FORBIDDEN_BY_TYPE {
      let bytes = std::mem::take(&mut self.limits.last_bytes);
      self.inner().usage.memory_bytes.fetch_sub(bytes, Ordering::Relaxed);
      self.weigh_less(bytes);
    }
    Ok(())
  }

  /// Tables that no real program has are refused in any case: their elements are allocated, not only reserved, so one
  /// instruction could take all memory of the machine.
  fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
    if desired > MAX_TABLE_ELEMENTS {
      return Ok(false);
    }
    self.limits.last_elements = 0;
    let allowed = self.ask(Growth { what: Growable::Table, current, desired, maximum })?;
    if allowed {
      self.weigh_more(self.limits.last_elements.saturating_mul(ELEMENT));
    }
    Ok(allowed)
  }

  fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
    if error.to_string() != OVERFLOWS {
      let elements = std::mem::take(&mut self.limits.last_elements);
      self.inner().usage.table_elements.fetch_sub(elements, Ordering::Relaxed);
      self.weigh_less(elements.saturating_mul(ELEMENT));
    }
    Ok(())
  }

  fn instances(&self) -> usize {
    self.limits.instances.map_or(wasmtime::DEFAULT_INSTANCE_LIMIT, |limit| limit as usize)
  }

  fn tables(&self) -> usize {
    self.limits.tables.map_or(wasmtime::DEFAULT_TABLE_LIMIT, |limit| limit as usize)
  }

  fn memories(&self) -> usize {
    self.limits.memories.map_or(wasmtime::DEFAULT_MEMORY_LIMIT, |limit| limit as usize)
  }
}

/// Instances, memories and tables to be made.
#[derive(Clone, Copy, Default)]
pub struct Parts {
  pub instances: u32,
  pub memories: u32,
  pub tables: u32,
}

impl StoreInner {
  /// Counts what is about to be made, or refuses it. A closed store has no limits; it refuses by itself.
  pub fn admit(&self, parts: Parts) -> Result<(), Failure> {
    let Ok(limits) = self.with_even_closed(|ctx| {
      let limits = &ctx.data().limits;
      [limits.instances, limits.memories, limits.tables]
    }) else {
      return Ok(());
    };
    let [instances, memories, tables] = limits;
    let usage = &self.usage;
    let counts: [(&str, Option<u32>, &AtomicU32, u32); 3] = [
      ("instances", instances, &usage.instances, parts.instances),
      ("memories", memories, &usage.memories, parts.memories),
      ("tables", tables, &usage.tables, parts.tables),
    ];
    for (name, limit, count, more) in counts {
      let have = count.load(Ordering::Relaxed);
      let total = have.saturating_add(more);
      if let Some(limit) = limit
        && more > 0
        && total > limit
      {
        let refusal =
          RefusalInfo { limit: name.to_owned(), value: Some(f64::from(limit)), requested: f64::from(total) };
        usage.refuse(refusal.clone());
        let message = format!(
          "limits.{name} of the store is {limit}: it has {have}, and {more} more were asked for ({total} in all)"
        );
        return Err(Failure::Typed(Box::new(refusal_failure(&refusal, message))));
      }
    }
    for (_, _, count, more) in counts {
      count.fetch_add(more, Ordering::Relaxed);
    }
    Ok(())
  }

  /// Makes so many memories and tables: an instance's, or one by itself.
  pub fn make_parts<R>(
    mut ctx: StoreContextMut<'_, StoreData>,
    parts: u32,
    make: impl FnOnce(StoreContextMut<'_, StoreData>) -> R,
  ) -> R {
    ctx.data_mut().begin_making(parts);
    let result = make(ctx.as_context_mut());
    ctx.data_mut().end_making();
    result
  }

  /// As `admit`, for an instance of a module; gives how many memories and tables will be made with it.
  pub fn admit_instance(&self, module: &wasmtime::Module) -> Result<u32, Failure> {
    let needed = module.resources_required();
    let (memories, tables) = (needed.num_memories, needed.num_tables);
    self.admit(Parts { instances: 1, memories, tables })?;
    Ok(memories.saturating_add(tables))
  }
}
