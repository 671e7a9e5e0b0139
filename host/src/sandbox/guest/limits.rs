//! The bounds of one call while it runs: memory over all memories and tables, how many there are, what it may write,
//! when it ends. Fuel and stack are bounded by the engine.

use crate::model::{Limits, Shortage, Size};
use crate::sandbox::compile::ModuleCounts;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::time::Instant;
use wasmtime::ResourceLimiter;

/// Elements of one table in the pool.
pub(crate) const TABLE_ELEMENTS: usize = 200_000;

/// Core instances of one guest: each costs the host memory that no linear memory counts.
pub(crate) const MOST_INSTANCES: usize = 1_000;

/// The most that the core instances of one guest may cost the host, in bytes: globals and functions, which a module may
/// have by the million, are part of each of its instances.
const ALL_INSTANCES: u64 = 64 << 20;

/// How many core instances a guest may have, by the largest of its modules.
pub(crate) fn most_instances(outline: ModuleCounts) -> usize {
    let most = ALL_INSTANCES / outline.instance.max(1);
    usize::try_from(most).unwrap_or(usize::MAX).min(MOST_INSTANCES)
}

/// Linear memories of one guest: each reserves gigabytes of address space, which all guests share.
pub(crate) const MOST_MEMORIES: usize = 100;

/// Tables of one guest.
pub(crate) const MOST_TABLES: usize = 1_000;

/// Handles that one guest may hold: as many as a process usually may have open, and each may be an open file.
pub(crate) const MOST_HANDLES: usize = 1_000;

/// What a guest may hand to one call of the host in any case, in bytes: the writes of files and streams are below.
pub(crate) const HANDED_AT_LEAST: usize = 16 << 20;

/// What one element of a table costs the host, in bytes.
const TABLE_ELEMENT: usize = 16;

/// What a line counts at least, in bytes: whoever is told of one writes some 190 around it, and a guest that writes nothing
/// but ends of lines would have the host write two hundred times as much.
pub(crate) const LEAST_LINE: usize = 64;

/// Nobody is advised to raise a limit to more than this many bytes: no machine has them.
const MOST_ADVISED: u64 = 1 << 40;

/// The guest passed a limit: the call ends here.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(crate) struct LimitHit(pub(crate) String);

impl LimitHit {
    /// The limit of that name and size, when `wanted` bytes would be needed.
    pub(crate) fn memory_limit(name: &str, limit: Size, wanted: u64, what: &str) -> Self {
        if wanted > MOST_ADVISED {
            return Self(format!("`limits.{name}` = {limit} reached: {what}"));
        }
        let enough = doubled(limit.as_bytes(), wanted);
        Self(format!(
            "`limits.{name}` = {limit} reached: {what}; raise it with `limits.{name} = \"{}\"`",
            Size::bytes(enough)
        ))
    }
}

/// A limit that was raised by doubling until it is at least `wanted`, and once at the least.
pub(crate) fn doubled(limit: u64, wanted: u64) -> u64 {
    let mut enough = limit.max(1).saturating_mul(2);
    while enough < wanted && enough < u64::MAX {
        enough = enough.saturating_mul(2);
    }
    enough
}

/// The guest runs for longer than its task may.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the guest did not return in time")]
pub(crate) struct TimedOut;

/// When a call must have ended. Work that a guest causes and that nothing else ends asks from time to time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(pub(crate) Instant);

impl Deadline {
    /// One that nobody waits for.
    #[cfg(any(test, feature = "test-support"))]
    pub(crate) fn far() -> Self {
        Self(Instant::now() + std::time::Duration::from_hours(24))
    }

    /// Fails once there is no time left.
    pub(crate) fn check(self) -> Result<(), TimedOut> {
        if Instant::now() >= self.0 { Err(TimedOut) } else { Ok(()) }
    }
}

/// Sums what a call allocates, over any number of memories and tables.
pub(crate) struct MemoryGuard {
    limit: Size,
    /// What the host has for all guests together, if that is less than the limit.
    budget: Option<Size>,
    instances: usize,
    used: u64,
    peak: u64,
}

impl MemoryGuard {
    /// Nothing allocated yet, on a host that has `budget` for its guests.
    pub(crate) fn new(limits: &Limits, budget: Size, instances: usize) -> Self {
        let budget = (budget < limits.memory).then_some(budget);
        Self { limit: limits.memory, budget, instances, used: 0, peak: 0 }
    }

    /// The most that was allocated at one time, in bytes.
    pub(crate) const fn peak(&self) -> u64 {
        self.peak
    }

    fn grow(&mut self, current: usize, desired: usize, what: &str) -> wasmtime::Result<bool> {
        let more = u64::try_from(desired.saturating_sub(current)).unwrap_or(u64::MAX);
        let wanted = self.used.saturating_add(more);
        if wanted > self.limit.as_bytes() {
            return Err(LimitHit::memory_limit("memory", self.limit, wanted, what).into());
        }
        if let Some(budget) = self.budget.filter(|budget| wanted > budget.as_bytes()) {
            return Err(over_budget(budget, self.limit, wanted, what).into());
        }
        self.used = wanted;
        self.peak = self.peak.max(wanted);
        Ok(true)
    }
}

impl ResourceLimiter for MemoryGuard {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.grow(current, desired, "the guest's linear memories need more")
    }

    /// Growth that was allowed and is not possible: the guest must not go on in a way that depends on the machine.
    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(cannot_grow("a linear memory", &error).into())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // A bound of the pool's looks like one that the guest declared. Those are smaller.
        if maximum.is_some_and(|maximum| desired > maximum && maximum < TABLE_ELEMENTS) {
            return Ok(false);
        }
        if desired > TABLE_ELEMENTS {
            let message = format!("a table of the guest would have more than {TABLE_ELEMENTS} elements");
            return Err(LimitHit(message).into());
        }
        let bytes = |elements: usize| elements.saturating_mul(TABLE_ELEMENT);
        self.grow(bytes(current), bytes(desired), "the guest's tables need more")
    }

    /// Growth that no table has room for.
    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(cannot_grow("a table", &error).into())
    }

    fn instances(&self) -> usize {
        self.instances
    }

    fn memories(&self) -> usize {
        MOST_MEMORIES
    }

    fn tables(&self) -> usize {
        MOST_TABLES
    }
}

/// What is said of growth that every limit allows and the system or the pool does not.
fn cannot_grow(what: &str, error: &wasmtime::Error) -> LimitHit {
    let help = error.chain().find_map(Shortage::from_error).map_or("", Shortage::help);
    LimitHit(
        format!("{what} of the guest cannot grow that far: {error:#}. {help}")
            .trim_end_matches([' ', '.'])
            .to_owned(),
    )
}

/// What is said of a guest that stays within its own limit and not within what this host has.
fn over_budget(budget: Size, limit: Size, wanted: u64, what: &str) -> LimitHit {
    let enough = Size::bytes(doubled(budget.as_bytes(), wanted).min(limit.as_bytes()));
    LimitHit(format!(
        "the memory that this host has for its tasks, {budget}, reached: {what}, within `limits.memory` = {limit}; \
         raise it with `--memory {enough}`, or let a host that has as much take part"
    ))
}

/// Counts what a call writes, over all of its outputs.
#[derive(Debug, Clone)]
pub(crate) struct LogGuard {
    limit: Size,
    used: Arc<AtomicU64>,
}

impl LogGuard {
    /// Nothing written yet.
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { limit: limits.logs, used: Arc::default() }
    }

    /// Counts a text of whole lines.
    pub(crate) fn charge_lines(&self, text: &str) -> Result<(), LimitHit> {
        let lines = text.lines().map(|line| (line.len() + 1).max(LEAST_LINE));
        self.charge(lines.fold(0, usize::saturating_add).max(LEAST_LINE))
    }

    /// Counts `len` more bytes.
    pub(crate) fn charge(&self, len: usize) -> Result<(), LimitHit> {
        let len = u64::try_from(len).unwrap_or(u64::MAX);
        let before = self.used.fetch_add(len, Ordering::Relaxed);
        let wanted = before.saturating_add(len);
        if wanted > self.limit.as_bytes() {
            return Err(LimitHit::memory_limit(
                "logs",
                self.limit,
                wanted,
                "the guest writes more to its outputs",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::{Page, count, has_no_other_limits, size};

    #[test]
    fn the_manual_has_the_bounds_of_this_file() {
        let call = |limit| Page::of("limits").section("Limits of a call").line(limit).cell(1);
        call("core instances").says(&count(MOST_INSTANCES));
        call("memory of core instances").says(&size(ALL_INSTANCES));
        call("linear memories; tables").says(&count(MOST_MEMORIES));
        call("linear memories; tables").says(&count(MOST_TABLES));
        call("handles").says(&count(MOST_HANDLES));
        call("bytes handed to one call").says(&size(HANDED_AT_LEAST));
        Page::of("limits").says(&format!("at least {LEAST_LINE} bytes"));
        // What a table's element counts is no bound, nor is what messages advise.
        has_no_other_limits(file!(), &["TABLE_ELEMENT", "MOST_ADVISED"]);
    }
}
