//! The figures of one task: counts, times, memory.
//! `mod.rs` adds notes up.

use crate::app::figures::histogram::Histogram;

/// The figures of a task and its elements.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct TaskFigures {
    /// The name.
    pub name: String,
    /// Nodes by phase of their last note.
    pub done: u64,
    /// Results from the cache.
    pub cached: u64,
    /// Nodes that failed.
    pub failed: u64,
    /// Nodes that have not ended.
    pub open: u64,
    /// Failed attempts that were followed by another one.
    pub retried: u64,
    /// Time of calls that returned, in microseconds.
    pub durations: Histogram,
    /// Time from being handed out to the start, in microseconds: for a slot, memory or a resource.
    pub waits: Histogram,
    /// Peak memory of calls, in bytes.
    pub memory: Histogram,
    /// First start and last end, in microseconds since 1970.
    pub time: Option<(i64, i64)>,
}

impl TaskFigures {
    /// Returns the time that results from the cache have saved, in microseconds: estimated by the mean of the calls that this
    /// run has made of the task. None if it has made none.
    pub(crate) fn saved(&self) -> Option<u64> {
        (self.cached > 0)
            .then(|| self.durations.mean())
            .flatten()
            .map(|mean| mean.saturating_mul(self.cached))
    }
}
