//! Fuel: what a store has, and what a call may use of it. Lives on: the JavaScript thread.
//!
//! Wasmtime counts down one number. While calls with a budget run, the number is what is left of the innermost budget, and
//! the rest of the store's fuel is withheld here.

use std::cell::Cell;

use wasmtime::StoreContextMut;

use super::{StoreData, StoreInner};
use crate::failure::Failure;
use crate::raw_call::{ARGS, raw_functions, store_arg};
use crate::raw_env::{RawEnv, Value};

/// What a store begins with: no bound that any program could reach.
pub const UNBOUNDED: u64 = u64::MAX;

/// Beside Wasmtime's own count.
#[derive(Default)]
pub struct Fuel {
  /// What budgets keep from the calls under way.
  withheld: Cell<u64>,
  /// What the innermost budget began with, if one is in force.
  budget: Cell<Option<u64>>,
  /// The budget in force is not that of a call that waits.
  lifted: Cell<bool>,
}

/// A budget in force; it must be ended after those that began in it.
pub struct FuelBudget {
  outer_budget: Option<u64>,
  outer_left: u64,
}

/// The budgets of calls that wait, while a call runs that is no part of them; it must be given back.
pub struct OuterFuel {
  left: u64,
  budget: Option<u64>,
}

/// A budget that ends by itself, for calls on the native stack.
pub struct FuelLimit<'a> {
  store: &'a StoreInner,
  budget: Option<FuelBudget>,
  outer: Option<OuterFuel>,
  outer_lifted: bool,
}

impl Drop for FuelLimit<'_> {
  fn drop(&mut self) {
    self.store.end_fuel_budget(self.budget.take());
    self.store.fuel.lifted.set(self.outer_lifted);
    if let Some(outer) = self.outer.take() {
      self.store.restore_fuel_budgets(outer);
    }
  }
}

impl StoreInner {
  pub fn check_fuel(&self) -> Result<(), Failure> {
    if self.counts_fuel {
      return Ok(());
    }
    Err(Failure::type_error(
      "this engine does not count fuel; make it with fuel: true (new Runtime({ fuel: true }) or new Engine({ fuel: true }))",
    ))
  }

  fn with_fuel<R>(
    &self,
    run: impl FnOnce(StoreContextMut<'_, StoreData>) -> wasmtime::Result<R>,
  ) -> Result<R, Failure> {
    self.check_fuel()?;
    self.with_even_closed(run)?.map_err(|error| Failure::internal(error.to_string()))
  }

  /// What the store has left, that which budgets withhold included.
  fn fuel(&self) -> Result<u64, Failure> {
    Ok(self.with_fuel(|ctx| ctx.get_fuel())?.saturating_add(self.fuel.withheld.get()))
  }

  /// Sets what the store has left. The budgets of calls under way stay in force.
  fn set_fuel(&self, amount: u64) -> Result<(), Failure> {
    let Fuel { withheld, budget, .. } = &self.fuel;
    self.with_fuel(|mut ctx| {
      let left = ctx.get_fuel()?;
      let new = if budget.get().is_some() { left.min(amount) } else { amount };
      ctx.set_fuel(new)?;
      withheld.set(amount - new);
      // It was not used.
      budget.set(budget.get().map(|budget| budget.saturating_sub(left.saturating_sub(new))));
      Ok(())
    })
  }

  /// Has what runs from now on use at most `amount`, and no more than the budgets around it leave.
  pub fn begin_fuel_budget(&self, amount: u64) -> Result<FuelBudget, Failure> {
    let Fuel { withheld, budget, .. } = &self.fuel;
    self.with_fuel(|mut ctx| {
      let left = ctx.get_fuel()?;
      let new = left.min(amount);
      ctx.set_fuel(new)?;
      withheld.set(withheld.get().saturating_add(left - new));
      Ok(FuelBudget { outer_budget: budget.replace(Some(new)), outer_left: left })
    })
  }

  /// Ends a budget, if there is one: the store has what it had, minus what was used.
  pub fn end_fuel_budget(&self, ended: Option<FuelBudget>) {
    let Fuel { withheld, budget, .. } = &self.fuel;
    let Some(FuelBudget { outer_budget, outer_left }) = ended else { return };
    // A store that is gone has no fuel to give back.
    let _ = self.with_fuel(|mut ctx| {
      let left = ctx.get_fuel()?;
      let used = budget.get().unwrap_or(left).saturating_sub(left);
      let total = left.saturating_add(withheld.get());
      let outer = outer_left.saturating_sub(used);
      // Without a budget around, what JavaScript has added meanwhile is there at once.
      let new = if outer_budget.is_some() { outer.min(total) } else { total };
      ctx.set_fuel(new)?;
      withheld.set(total - new);
      budget.set(outer_budget.map(|budget| budget.saturating_sub(outer.saturating_sub(new))));
      Ok(())
    });
  }

  /// Lifts the budgets of calls that wait, for one that is no part of them; only once for each of those.
  pub fn lift_fuel_budgets(&self) -> Option<OuterFuel> {
    let Fuel { withheld, budget, lifted } = &self.fuel;
    if self.is_running() || lifted.get() || budget.get().is_none() {
      return None;
    }
    lifted.set(true);
    let lift = self.with_fuel(|mut ctx| {
      let left = ctx.get_fuel()?;
      ctx.set_fuel(left.saturating_add(withheld.take()))?;
      Ok(OuterFuel { left, budget: budget.take() })
    });
    if lift.is_err() {
      lifted.set(false);
    }
    lift.ok()
  }

  /// Puts them in force again; what was used meanwhile is taken from what they withhold.
  pub fn restore_fuel_budgets(&self, outer: OuterFuel) {
    let Fuel { withheld, budget, lifted } = &self.fuel;
    lifted.set(false);
    // A store that is gone has no fuel.
    let _ = self.with_fuel(|mut ctx| {
      let total = ctx.get_fuel()?.saturating_add(withheld.get());
      let left = outer.left.min(total);
      ctx.set_fuel(left)?;
      withheld.set(total - left);
      budget.set(outer.budget.map(|budget| budget.saturating_sub(outer.left - left)));
      Ok(())
    });
  }

  /// As `begin_fuel_budget`, until what is returned is dropped.
  pub fn limit_fuel(&self, amount: u64) -> Result<FuelLimit<'_>, Failure> {
    let outer = self.lift_fuel_budgets();
    let outer_lifted = self.fuel.lifted.replace(true);
    let mut limit = FuelLimit { store: self, budget: None, outer, outer_lifted };
    limit.budget = Some(self.begin_fuel_budget(amount)?);
    Ok(limit)
  }
}

/// An amount of fuel, of which JavaScript has checked that it is a bigint from 0 to 2^64 - 1.
pub fn fuel_arg(env: RawEnv, value: Value) -> Result<u64, Failure> {
  let bits = env.get_bigint(value).map_err(|_| Failure::type_error("fuel: expected a bigint"))?;
  Ok(bits.cast_unsigned())
}

/// What a store has left. Argument: store handle.
fn get(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [handle, ..] = *args;
  let fuel = store_arg(env, handle)?.open_fuel()?;
  env.bigint_unsigned(fuel).map_err(|_| Failure::Pending)
}

/// Sets what a store has left. Arguments: store handle, amount.
fn set(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [handle, amount, ..] = *args;
  let store = store_arg(env, handle)?;
  store.open_fuel()?;
  store.set_fuel(fuel_arg(env, amount)?)?;
  Ok(env.undefined())
}

/// Adds to what a store has left, up to 2^64 - 1. Arguments: store handle, amount.
fn add(env: RawEnv, args: &[Value; ARGS]) -> Result<Value, Failure> {
  let [handle, amount, ..] = *args;
  let store = store_arg(env, handle)?;
  store.set_fuel(store.open_fuel()?.saturating_add(fuel_arg(env, amount)?))?;
  Ok(env.undefined())
}

impl StoreInner {
  /// As `fuel`, refused when the store is closed.
  fn open_fuel(&self) -> Result<u64, Failure> {
    if self.is_closed() {
      return Err(Failure::closed("store"));
    }
    self.fuel()
  }
}

raw_functions! {
  "storeFuel" => get;
  "storeSetFuel" => set;
  "storeAddFuel" => add;
}
