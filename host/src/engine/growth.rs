//! Limits that grow by attempt: lists of `limits.memory` and `timeout`, and how far a node has come in them.
//! The ledger keeps the step of a node as a number; `retry` decides about all other repetitions.

use crate::engine::shape::mebibytes;
use crate::invoke::Failure;
use crate::model::{FailureClass, Limits, Size};
use crate::plan::Task;
use crate::state::{Claim, Stage};
use std::borrow::Cow;
use std::time::Duration;

/// How often attempts of a node have hit the memory limit, and the timeout, and could be given more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    memory: u8,
    timeout: u8,
}

/// Bits of each count in the number of a step: lists have at most [`crate::model::MAX_BY_ATTEMPT`] entries.
const BITS: u8 = 4;

/// What an attempt was short of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shortfall {
    /// Memory.
    Memory,
    /// Time.
    Time,
}

impl Shortfall {
    /// Returns what a failed call was short of; none if more would not have helped.
    pub(crate) fn of(failure: &Failure) -> Option<Self> {
        match failure.class {
            FailureClass::Limit if failure.hit_memory => Some(Self::Memory),
            FailureClass::Timeout => Some(Self::Time),
            _ => None, // the guest's own failure, another limit, or none of the call
        }
    }
}

impl Step {
    /// Returns the step of a claim.
    pub(crate) const fn of(claim: &Claim) -> Self {
        Self { memory: claim.step & ((1 << BITS) - 1), timeout: claim.step >> BITS }
    }

    /// Returns the number that the ledger keeps.
    pub(crate) const fn number(self) -> u8 {
        self.timeout << BITS | self.memory
    }

    /// Returns the step with the next entry of a list; none at its end.
    pub(crate) fn after(self, shortfall: Shortfall, task: &Task) -> Option<Self> {
        let (taken, further) = match shortfall {
            Shortfall::Memory => (self.memory, task.policy.larger_memory.len()),
            Shortfall::Time => (self.timeout, task.policy.longer_timeouts.len()),
        };
        (usize::from(taken) < further).then(|| match shortfall {
            Shortfall::Memory => Self { memory: taken + 1, ..self },
            Shortfall::Time => Self { timeout: taken + 1, ..self },
        })
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

/// How the message of a memory limit ends: it advises a larger value.
const ADVICE: &str = "; raise it with `limits.memory = ";

/// Fits the message of a memory limit to a task whose limit is a list: the next entry needs no advice, and after the last one
/// another entry helps.
pub(crate) fn with_list_advice<'m>(message: &'m str, task: &Task, grown: Option<Step>) -> Cow<'m, str> {
    let is_list = !task.policy.larger_memory.is_empty();
    let advice = message.split_once(ADVICE).filter(|_| is_list);
    let Some((before, (larger, rest))) =
        advice.and_then(|(before, advice)| Some((before, advice.split_once('`')?)))
    else {
        return Cow::Borrowed(message);
    };
    Cow::Owned(match grown {
        Some(_) => format!("{before}{rest}"),
        None => format!("{before}; add `{larger}` to the list `limits.memory`{rest}"),
    })
}

/// Returns the entry of a list without its first one. A node that has run under a longer list has the last one.
fn entry<T: Copy>(further: &[T], taken: u8) -> Option<T> {
    let position = usize::from(taken).min(further.len()).checked_sub(1)?;
    further.get(position).copied()
}
