//! The bounds of one call while it runs: memory over all memories and tables, and what it may write.
//! Time is bounded by the caller, fuel and stack by the engine.

use crate::model::Limits;
use crate::model::Size;
use crate::sandbox::engine::TABLE_ELEMENTS;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use wasmtime::ResourceLimiter;

/// What one element of a table costs the host, in bytes.
const TABLE_ELEMENT: usize = 16;

/// The guest passed a limit: the call ends here.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(crate) struct LimitHit(pub(crate) String);

impl LimitHit {
    /// The limit of that name and size.
    pub(crate) fn of(name: &str, limit: Size, what: &str) -> Self {
        Self(format!("`limits.{name}` = {limit} reached: {what}"))
    }
}

/// Sums what a call allocates, over any number of memories and tables.
pub(crate) struct MemoryGuard {
    limit: Size,
    used: u64,
    peak: u64,
}

impl MemoryGuard {
    /// Nothing allocated yet.
    pub(crate) const fn new(limits: &Limits) -> Self {
        Self { limit: limits.memory, used: 0, peak: 0 }
    }

    /// The most that was allocated at one time, in bytes.
    pub(crate) const fn peak(&self) -> u64 {
        self.peak
    }

    fn grow(&mut self, current: usize, desired: usize, what: &str) -> wasmtime::Result<bool> {
        let more = u64::try_from(desired.saturating_sub(current)).unwrap_or(u64::MAX);
        let wanted = self.used.saturating_add(more);
        if wanted > self.limit.as_bytes() {
            return Err(LimitHit::of("memory", self.limit, what).into());
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
    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(LimitHit::of("memory", self.limit, "a linear memory of the guest cannot grow that far").into())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let is_refused = maximum.is_some_and(|maximum| desired > maximum);
        // A bound of the pool's looks like one that the guest declared. Those are smaller.
        if is_refused && maximum.is_some_and(|maximum| maximum < TABLE_ELEMENTS) {
            return Ok(false);
        }
        let bytes = |elements: usize| elements.saturating_mul(TABLE_ELEMENT);
        self.grow(bytes(current), bytes(desired), "the guest's tables need more")?;
        if is_refused {
            return Err(
                LimitHit(format!("a table of the guest has more than {TABLE_ELEMENTS} elements")).into()
            );
        }
        Ok(true)
    }

    /// Growth that no table has room for.
    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(LimitHit::of("memory", self.limit, "a table of the guest cannot grow that far").into())
    }
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

    /// Counts `len` more bytes.
    pub(crate) fn charge(&self, len: usize) -> Result<(), LimitHit> {
        let len = u64::try_from(len).unwrap_or(u64::MAX);
        let before = self.used.fetch_add(len, Ordering::Relaxed);
        if before.saturating_add(len) > self.limit.as_bytes() {
            return Err(LimitHit::of("logs", self.limit, "the guest writes more to its outputs"));
        }
        Ok(())
    }
}
