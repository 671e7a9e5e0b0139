//! Limits of one call while it runs: memory of all memories and tables, counts, log output, and the deadline.
//! The engine enforces fuel and stack; `wasi` enforces the quotas of single interfaces.

use crate::model::{Limits, Shortage, Size};
use crate::sandbox::compile::ModuleCounts;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::time::Instant;
use wasmtime::ResourceLimiter;

/// Maximum number of elements of one table, the same with and without the pool.
pub(crate) const TABLE_ELEMENTS: usize = 200_000;

/// Maximum number of core instances of one guest. Each costs the host memory that no linear memory accounts for.
pub(crate) const MOST_INSTANCES: usize = 1_000;

/// Maximum cost of all core instances of one guest to the host, in bytes.
///
/// Threat: a module may have millions of globals and functions, and each of its instances has them again.
const ALL_INSTANCES: u64 = 64 << 20;

/// Returns how many core instances a guest may have, given the largest of its modules.
pub(crate) fn most_instances(outline: ModuleCounts) -> usize {
    let most = ALL_INSTANCES / outline.instance.max(1);
    usize::try_from(most).unwrap_or(usize::MAX).min(MOST_INSTANCES)
}

/// Maximum number of linear memories of one guest. Each reserves gigabytes of address space, which all guests share.
pub(crate) const MOST_MEMORIES: usize = 100;

/// Maximum number of tables of one guest.
pub(crate) const MOST_TABLES: usize = 1_000;

/// Maximum number of handles of one guest: a usual limit of open files for a process, as each may be an open file.
pub(crate) const MOST_HANDLES: usize = 1_000;

/// Minimum number of bytes that a guest may always pass to one host call. Writes to files and streams are smaller.
pub(crate) const HANDED_AT_LEAST: usize = 16 << 20;

/// Cost of one table element to the host, in bytes.
const TABLE_ELEMENT: usize = 16;

/// Minimum size that a line counts as, in bytes.
///
/// Threat: listeners write some 190 bytes around each line, so a guest that writes only line ends would make the host
/// write two hundred times as much.
pub(crate) const LEAST_LINE: usize = 64;

/// Maximum limit that a message suggests, in bytes: no machine has more.
const MOST_ADVISED: u64 = 1 << 40;

/// Error: the guest hit a limit, and the call ends.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(crate) struct LimitHit(pub(crate) String);

impl LimitHit {
    /// Returns the error for a limit of bytes: its name, its value, and a suggestion if `wanted` bytes are plausible.
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

/// Doubles a limit, at least once, until it is at least `wanted`.
pub(crate) fn doubled(limit: u64, wanted: u64) -> u64 {
    let mut enough = limit.max(1).saturating_mul(2);
    while enough < wanted && enough < u64::MAX {
        enough = enough.saturating_mul(2);
    }
    enough
}

/// Error: the guest ran longer than its task's timeout.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the guest did not return in time")]
pub(crate) struct TimedOut;

/// Deadline of a call. Host work that a guest causes and that nothing else interrupts checks it regularly.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(pub(crate) Instant);

impl Deadline {
    /// Returns a deadline that no test reaches.
    #[cfg(any(test, feature = "test-support"))]
    pub(crate) fn far() -> Self {
        Self(Instant::now() + std::time::Duration::from_hours(24))
    }

    /// Fails if the deadline has passed.
    pub(crate) fn check(self) -> Result<(), TimedOut> {
        if Instant::now() >= self.0 { Err(TimedOut) } else { Ok(()) }
    }
}

/// Accounts for the memory of a call, over all of its memories and tables.
pub(crate) struct MemoryGuard {
    limit: Size,
    /// Memory of the host for all guests together, if that is less than the limit.
    budget: Option<Size>,
    instances: usize,
    used: u64,
    peak: u64,
}

impl MemoryGuard {
    /// Creates a guard with nothing allocated, on a host with `budget` for its guests.
    pub(crate) fn new(limits: &Limits, budget: Size, instances: usize) -> Self {
        let budget = (budget < limits.memory).then_some(budget);
        Self { limit: limits.memory, budget, instances, used: 0, peak: 0 }
    }

    /// Returns the peak of allocated memory, in bytes.
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
        // The guest's own maximum is no limit of ours: `memory.grow` returns -1, as WebAssembly specifies.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.grow(current, desired, "the guest's linear memories need more")
    }

    /// Fails the call if growth was allowed but impossible: otherwise the result would depend on the machine.
    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(cannot_grow("a linear memory", &error).into())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // The pool passes its own bound as `maximum` too. Maxima that a guest declares count only below that bound.
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

    /// Fails the call if growth was allowed but impossible.
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

/// Returns the error for growth that all limits allow, but the system or the pool refuses.
fn cannot_grow(what: &str, error: &wasmtime::Error) -> LimitHit {
    let help = error.chain().find_map(Shortage::from_error).map_or("", Shortage::help);
    LimitHit(
        format!("{what} of the guest cannot grow that far: {error:#}. {help}")
            .trim_end_matches([' ', '.'])
            .to_owned(),
    )
}

/// Returns the error for a guest that stays within its own limit but exceeds the host's memory.
fn over_budget(budget: Size, limit: Size, wanted: u64, what: &str) -> LimitHit {
    let enough = Size::bytes(doubled(budget.as_bytes(), wanted).min(limit.as_bytes()));
    LimitHit(format!(
        "the memory that this host has for its tasks, {budget}, reached: {what}, within `limits.memory` = {limit}; \
         raise it with `--memory {enough}`, or let a host that has as much take part"
    ))
}

/// Accounts for everything a call writes to its outputs and logs.
#[derive(Debug, Clone)]
pub(crate) struct LogGuard {
    limit: Size,
    used: Arc<AtomicU64>,
}

impl LogGuard {
    /// Creates a guard with nothing written.
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { limit: limits.logs, used: Arc::default() }
    }

    /// Counts a text of complete lines, each at least [`LEAST_LINE`] bytes.
    pub(crate) fn charge_lines(&self, text: &str) -> Result<(), LimitHit> {
        let lines = text.lines().map(|line| (line.len() + 1).max(LEAST_LINE));
        self.charge(lines.fold(0, usize::saturating_add).max(LEAST_LINE))
    }

    /// Counts `len` more bytes. Fails if the total exceeds `limits.logs`.
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
        call("elements of one table").says(&count(TABLE_ELEMENTS));
        call("handles").says(&count(MOST_HANDLES));
        call("bytes handed to one call").says(&size(HANDED_AT_LEAST));
        Page::of("limits").says(&format!("at least {LEAST_LINE} bytes"));
        // What a table's element counts is no bound, nor is what messages advise.
        has_no_other_limits(file!(), &["TABLE_ELEMENT", "MOST_ADVISED"]);
    }
}
