//! Limits that grow by attempt: lists of `limits.memory` and `timeout`, and how far a node has come in them.
//! The ledger keeps the step of a node as a number; `retry` decides about all other repetitions.

use crate::engine::shape::mebibytes;
use crate::model::{FailureClass, Limits, Size};
use crate::plan::Task;
use crate::state::{Claim, Stage};
use std::time::Duration;

/// How often attempts of a node have hit the memory limit, and the timeout, and could be given more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    memory: u8,
    timeout: u8,
}

/// Bits of each count in the number of a step: lists have at most [`crate::model::MAX_BY_ATTEMPT`] entries.
const BITS: u8 = 4;

impl Step {
    /// Returns the step of a claim.
    pub(crate) const fn of(claim: &Claim) -> Self {
        Self { memory: claim.step & ((1 << BITS) - 1), timeout: claim.step >> BITS }
    }

    /// Returns the number that the ledger keeps.
    pub(crate) const fn number(self) -> u8 {
        self.timeout << BITS | self.memory
    }

    /// Returns the step after a failure that the next entry of a list may avoid; none for any other failure.
    pub(crate) fn after(self, task: &Task, class: FailureClass, hit_memory: bool) -> Option<Self> {
        let has_next = |taken: u8, further: usize| usize::from(taken) < further;
        match class {
            FailureClass::Limit if hit_memory && has_next(self.memory, task.policy.larger_memory.len()) => {
                Some(Self { memory: self.memory + 1, ..self })
            }
            FailureClass::Timeout if has_next(self.timeout, task.policy.longer_timeouts.len()) => {
                Some(Self { timeout: self.timeout + 1, ..self })
            }
            _ => None, // more of neither would help
        }
    }

    /// Returns the number of attempts that were repeated with more. They do not count as attempts of `retry`.
    pub(crate) fn repetitions(self) -> u32 {
        u32::from(self.memory) + u32::from(self.timeout)
    }

    /// Returns the limits of the attempt.
    pub(crate) fn limits(self, task: &Task) -> Limits {
        let memory = entry(&task.policy.larger_memory, self.memory).unwrap_or(task.limits.memory);
        Limits { memory, ..task.limits }
    }

    /// Returns the timeout of the attempt.
    pub(crate) fn timeout(self, task: &Task) -> Duration {
        entry(&task.policy.longer_timeouts, self.timeout).unwrap_or(task.policy.timeout)
    }

    /// Returns what is larger than at another step: the memory, and the timeout.
    pub(crate) fn grown_since(self, before: Self, task: &Task) -> (Option<Size>, Option<Duration>) {
        let memory = (self.memory != before.memory).then(|| self.limits(task).memory);
        let timeout = (self.timeout != before.timeout).then(|| self.timeout(task));
        (memory, timeout)
    }
}

/// Returns the memory of the host that a claim takes, in MiB, if it is more than the first attempt takes.
pub(crate) fn memory_of(claim: &Claim, task: &Task) -> Option<u32> {
    let step = Step::of(claim);
    (claim.stage == Stage::Ready && step.memory > 0).then(|| mebibytes(step.limits(task).host_memory()))
}

/// Returns the entry of a list without its first one. A node that has run under a longer list has the last one.
fn entry<T: Copy>(further: &[T], taken: u8) -> Option<T> {
    let position = usize::from(taken).min(further.len()).checked_sub(1)?;
    further.get(position).copied()
}
