//! Limits of one call while it runs: memory of all memories, tables and collected heaps, counts, log output, and the deadline.
//! The engine enforces fuel and stack; `wasi` enforces the quotas of single interfaces.

use crate::model::{Limits, Shortage, Size, Stack};
use crate::sandbox::compile::ModuleCounts;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::time::Instant;
use wasmtime::ResourceLimiter;

/// Maximum number of elements of one table, the same with and without the pool.
pub(crate) const TABLE_ELEMENTS: usize = 200_000;

/// Maximum number of core instances of one guest. Each costs the host memory that no linear memory accounts for.
pub(crate) const MAX_INSTANCES: usize = 1_000;

/// Maximum cost of all core instances of one guest to the host, in bytes.
///
/// Threat: a module may have millions of globals and functions, and each of its instances has them again.
const ALL_INSTANCES: u64 = 64 << 20;

/// Returns how many core instances a guest may have, given the largest of its modules.
pub(crate) fn max_instances(counts: ModuleCounts) -> usize {
    let max = ALL_INSTANCES / counts.instance.max(1);
    usize::try_from(max).unwrap_or(usize::MAX).min(MAX_INSTANCES)
}

/// Maximum number of linear memories of one guest. Each reserves gigabytes of address space, which all guests share.
pub(crate) const MAX_MEMORIES: usize = 100;

/// Maximum number of tables of one guest.
pub(crate) const MAX_TABLES: usize = 1_000;

/// Maximum number of handles of one guest: a usual limit of open files for a process, as each may be an open file.
pub(crate) const MAX_HANDLES: usize = 1_000;

/// Maximum number of calls inside of a guest that wait at the same time, each on a stack of its own.
///
/// Threat: an async function may call others of its composition without waiting for them. One that blocks keeps its stack,
/// which no linear memory accounts for. A function with callbacks has none while it waits.
pub(crate) const MAX_WAITING: u32 = 32;

/// Maximum size of the stacks of these calls together, in bytes.
const ALL_STACKS: u64 = 64 << 20;

/// Returns how many calls inside of a guest may wait at the same time on stacks of this size.
pub(crate) fn max_waiting(stack: Stack) -> u32 {
    let fitting = ALL_STACKS / stack.size().as_bytes().max(1);
    u32::try_from(fitting).unwrap_or(u32::MAX).min(MAX_WAITING)
}

/// Minimum number of bytes that a guest may always pass to one host call. Writes to files and streams are smaller.
pub(crate) const MIN_HOSTCALL_LIMIT: usize = 16 << 20;

/// Cost of one table element to the host, in bytes.
const TABLE_ELEMENT: usize = 16;

/// Minimum size that a line counts as, in bytes.
///
/// Threat: listeners write some 190 bytes around each line, so a guest that writes only line ends would make the host
/// write two hundred times as much.
pub(crate) const MIN_LINE_COST: usize = 64;

/// Maximum limit that a message suggests, in bytes: no machine has more.
const MAX_SUGGESTED: u64 = 1 << 40;

/// Error: the guest hit a limit, and the call ends.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum LimitHit {
    /// The memory of the call: another attempt may have more.
    #[error("{0}")]
    Memory(String),
    /// Any other limit.
    #[error("{0}")]
    Other(String),
}

impl LimitHit {
    /// Returns the error for a limit of bytes: its name, its value, and a suggestion if `needed` bytes are plausible.
    pub(crate) fn memory_limit(name: &str, limit: Size, needed: u64, reason: &str) -> Self {
        if needed > MAX_SUGGESTED {
            return Self::Other(format!("`limits.{name}` = {limit} reached: {reason}"));
        }
        let suggested = doubled(limit.as_bytes(), needed);
        Self::Other(format!(
            "`limits.{name}` = {limit} reached: {reason}; raise it with `limits.{name} = \"{}\"`",
            Size::bytes(suggested)
        ))
    }
}

/// Doubles a limit, at least once, until it is at least `needed`.
pub(crate) fn doubled(limit: u64, needed: u64) -> u64 {
    let mut suggested = limit.max(1).saturating_mul(2);
    while suggested < needed && suggested < u64::MAX {
        suggested = suggested.saturating_mul(2);
    }
    suggested
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
    #[cfg(any(test, feature = "internals"))]
    pub(crate) fn far() -> Self {
        Self(Instant::now() + std::time::Duration::from_hours(24))
    }

    /// Fails if the deadline has passed.
    pub(crate) fn check(self) -> Result<(), TimedOut> {
        if Instant::now() >= self.0 { Err(TimedOut) } else { Ok(()) }
    }
}

/// The memory of a call: what its memories, its tables and its private disk take together. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct MemoryAccount(Arc<Account>);

#[derive(Debug)]
struct Account {
    limit: Size,
    /// Memory of the host for all guests together, if that is less than the limit.
    budget: Option<Size>,
    // Atomic, because streams may move between threads; no two threads charge at the same time.
    used: AtomicU64,
    peak: AtomicU64,
}

impl MemoryAccount {
    /// Creates an account with nothing allocated, on a host with `budget` for its guests.
    pub(crate) fn new(limits: &Limits, budget: Size) -> Self {
        let budget = (budget < limits.memory).then_some(budget);
        let (used, peak) = (AtomicU64::default(), AtomicU64::default());
        Self(Arc::new(Account { limit: limits.memory, budget, used, peak }))
    }

    /// Counts `growth` more bytes. Fails if the total exceeds the limit or the host's memory.
    pub(crate) fn charge<T: AsRef<str>>(
        &self,
        growth: u64,
        reason: impl FnOnce() -> T,
    ) -> Result<(), LimitHit> {
        let Account { limit, budget, used, peak } = &*self.0;
        let needed = used.load(Ordering::Relaxed).saturating_add(growth);
        if needed > limit.as_bytes() {
            let hit = LimitHit::memory_limit("memory", *limit, needed, reason().as_ref());
            return Err(LimitHit::Memory(hit.to_string()));
        }
        if let Some(budget) = budget.filter(|budget| needed > budget.as_bytes()) {
            return Err(over_budget(budget, *limit, needed, reason().as_ref()));
        }
        used.store(needed, Ordering::Relaxed);
        peak.fetch_max(needed, Ordering::Relaxed);
        Ok(())
    }

    /// Returns whether `bytes` more would fit.
    pub(crate) fn has_room(&self, bytes: u64) -> bool {
        let most = self.0.budget.unwrap_or(self.0.limit);
        self.0.used.load(Ordering::Relaxed).saturating_add(bytes) <= most.as_bytes()
    }

    /// Counts `bytes` less.
    pub(crate) fn release(&self, bytes: u64) {
        let used = self.0.used.load(Ordering::Relaxed);
        self.0.used.store(used.saturating_sub(bytes), Ordering::Relaxed);
    }
}

/// Accounts for the memory of a call, over all of its memories and tables.
pub(crate) struct MemoryGuard {
    account: MemoryAccount,
    instances: usize,
    /// Why the collected heap could not grow when something last could not. wasmtime drops that error, since a collection
    /// may free enough; otherwise, an allocation fails, with an error that does not say why.
    heap_refusal: Option<LimitHit>,
}

impl MemoryGuard {
    /// Creates a guard with nothing allocated, on a host with `budget` for its guests.
    pub(crate) fn new(limits: &Limits, budget: Size, instances: usize) -> Self {
        Self { account: MemoryAccount::new(limits, budget), instances, heap_refusal: None }
    }

    /// Returns the account, which the private disk charges too.
    pub(crate) const fn account(&self) -> &MemoryAccount {
        &self.account
    }

    /// Returns the peak of allocated memory, in bytes.
    pub(crate) fn peak(&self) -> u64 {
        self.account.0.peak.load(Ordering::Relaxed)
    }

    /// Returns why the collected heap is full, if it is, by the host's limits or those of the system.
    pub(crate) fn heap_refusal(&self) -> Option<&LimitHit> {
        self.heap_refusal.as_ref()
    }

    fn grow(&mut self, current: usize, desired: usize, reason: &str) -> wasmtime::Result<bool> {
        let growth = u64::try_from(desired.saturating_sub(current)).unwrap_or(u64::MAX);
        if let Err(hit) = self.account.charge(growth, || reason) {
            let heap = || "the guest's collected heap needs more";
            self.heap_refusal = self.account.charge(growth, heap).err();
            return Err(hit.into());
        }
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
        // The guest's own maximum is no limit of the host: `memory.grow` returns -1, as WebAssembly specifies.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.grow(current, desired, "the guest's linear memories need more")
    }

    /// Fails the call if growth was allowed but impossible: otherwise the result would depend on the machine.
    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.heap_refusal = Some(cannot_grow("the collected heap", &error));
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
            return Err(LimitHit::Other(message).into());
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
        MAX_MEMORIES
    }

    fn tables(&self) -> usize {
        MAX_TABLES
    }
}

/// Returns the error for growth that all limits allow, but the system or the pool refuses.
fn cannot_grow(subject: &str, error: &wasmtime::Error) -> LimitHit {
    let help = error.chain().find_map(Shortage::from_error).map_or("", Shortage::help);
    LimitHit::Other(
        format!("{subject} of the guest cannot grow: {error:#}. {help}")
            .trim_end_matches([' ', '.'])
            .to_owned(),
    )
}

/// Returns the error for a guest that stays within its own limit but exceeds the host's memory.
fn over_budget(budget: Size, limit: Size, needed: u64, reason: &str) -> LimitHit {
    let suggested = Size::bytes(doubled(budget.as_bytes(), needed).min(limit.as_bytes()));
    LimitHit::Memory(format!(
        "the memory of this host for its tasks, {budget}, reached: {reason}, within `limits.memory` = {limit}; \
         raise it with `--memory {suggested}`, or add a host with that much memory to the run"
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

    /// Counts a text of complete lines, each at least [`MIN_LINE_COST`] bytes.
    pub(crate) fn charge_lines(&self, text: &str) -> Result<(), LimitHit> {
        let lines = text.lines().map(|line| (line.len() + 1).max(MIN_LINE_COST));
        self.charge(lines.fold(0, usize::saturating_add).max(MIN_LINE_COST))
    }

    /// Returns the last lines of a text that fit what is left of `limits.logs`, after a mark if that is not all of it;
    /// none if nothing fits.
    pub(crate) fn last_lines(&self, text: &str) -> Option<String> {
        let used = self.used.load(Ordering::Relaxed);
        let mut room = usize::try_from(self.limit.as_bytes().saturating_sub(used)).unwrap_or(usize::MAX);
        let mut start = text.len();
        for line in text.split_inclusive('\n').rev() {
            let Some(rest) = room.checked_sub(line.len().max(MIN_LINE_COST)) else { break };
            (room, start) = (rest, start.saturating_sub(line.len()));
        }
        let end = text.get(start..).filter(|end| !end.is_empty())?;
        Some(if start == 0 { end.to_owned() } else { format!("…\n{end}") })
    }

    /// Counts `len` more bytes. Fails if the total exceeds `limits.logs`.
    pub(crate) fn charge(&self, len: usize) -> Result<(), LimitHit> {
        let len = u64::try_from(len).unwrap_or(u64::MAX);
        let before = self.used.fetch_add(len, Ordering::Relaxed);
        let needed = before.saturating_add(len);
        if needed > self.limit.as_bytes() {
            return Err(LimitHit::memory_limit(
                "logs",
                self.limit,
                needed,
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
    fn manual_names_the_limits_of_this_file() {
        let call = |limit| Page::of("limits").section("Limits of a call").line(limit).cell(1);
        call("core instances").says(&count(MAX_INSTANCES));
        call("memory of core instances").says(&size(ALL_INSTANCES));
        call("linear memories; tables").says(&count(MAX_MEMORIES));
        call("linear memories; tables").says(&count(MAX_TABLES));
        call("elements of one table").says(&count(TABLE_ELEMENTS));
        call("handles").says(&count(MAX_HANDLES));
        let waiting = call("calls inside");
        waiting.says(&MAX_WAITING.to_string());
        let large = Stack::Large.size().as_bytes();
        waiting.says(&format!("{} with a stack of {}", ALL_STACKS / large, Stack::Large.size()));
        call("bytes handed to one call").says(&size(MIN_HOSTCALL_LIMIT));
        Page::of("limits").says(&format!("at least {MIN_LINE_COST} bytes"));
        // The cost of a table element is no limit, nor is the maximum that messages suggest.
        has_no_other_limits(file!(), &["TABLE_ELEMENT", "MAX_SUGGESTED"]);
    }
}
