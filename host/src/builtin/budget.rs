//! The bounds of one call: memory and output as they grow, and whether it was told to stop.
//! `invoker` keeps the time and tells it.

use crate::model::{FailureClass, Limits, Size, excerpt, to_usize};
use crate::value::ValueFault;
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};

/// Steps between two looks at whether the call was stopped: some microseconds of work.
const STEPS: usize = 1 << 12;

/// Bytes that count as a step.
const BYTES: usize = 1 << 4;

/// Maximum length of a message in characters: it may name a key or a column of any length.
const MAX_MESSAGE: usize = 1000;

/// Reason why a call ends without a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The arguments do not allow a result: why, and where.
    Input(String),
    /// The call would take more memory than this limit.
    Memory(Size),
    /// The result is larger than this limit.
    Output(Size),
    /// The call was told to stop.
    Stopped,
}

impl Stop {
    /// Returns the fault of an argument.
    pub(crate) fn of_argument(name: &str, fault: &ValueFault) -> Self {
        Self::Input(format!("argument `{name}`: {fault}"))
    }

    /// Returns the class and the message of the failure; none if the call was told to stop.
    pub(crate) fn failure(&self) -> Option<(FailureClass, String)> {
        let limit = |name: &str, limit: Size, reason: &str| {
            let raised = Size::bytes(limit.as_bytes().max(1).saturating_mul(2));
            let message = format!(
                "`limits.{name}` = {limit} reached: {reason}; raise it with `limits.{name} = \"{raised}\"`"
            );
            Some((FailureClass::Limit, message))
        };
        match self {
            Self::Input(message) => Some((FailureClass::Input, excerpt(message, MAX_MESSAGE).into_owned())),
            Self::Memory(memory) => limit("memory", *memory, "the call needs more"),
            Self::Output(output) => limit("output", *output, "the result is larger"),
            Self::Stopped => None,
        }
    }
}

/// What is left to one call.
///
/// It counts what the call allocates: its result and its tables. Arguments were counted by the tasks that made them.
pub(crate) struct Budget<'a> {
    limits: Limits,
    is_stopped: &'a AtomicBool,
    // Cells, because a task and the writer that it gives to serde_json share the budget, on one thread.
    steps: Cell<usize>,
    held: Cell<u64>,
    peak: Cell<u64>,
}

impl<'a> Budget<'a> {
    pub(crate) const fn new(limits: Limits, is_stopped: &'a AtomicBool) -> Self {
        Self { limits, is_stopped, steps: Cell::new(0), held: Cell::new(0), peak: Cell::new(0) }
    }

    /// Counts an element and its bytes. Fails if the call was told to stop.
    pub(crate) fn step(&self, bytes: usize) -> Result<(), Stop> {
        let steps = self.steps.get().saturating_add(1).saturating_add(bytes / BYTES);
        if steps < STEPS {
            self.steps.set(steps);
            return Ok(());
        }
        self.steps.set(0);
        if self.is_stopped.load(Ordering::Relaxed) { Err(Stop::Stopped) } else { Ok(()) }
    }

    /// Counts memory beside the result, which is held until the call ends.
    pub(crate) fn hold(&self, bytes: usize) -> Result<(), Stop> {
        self.held.set(self.held.get().saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX)));
        self.count(0)
    }

    /// Counts the result as it is now.
    pub(crate) fn written(&self, out: &Vec<u8>) -> Result<(), Stop> {
        self.allow(out.len())?;
        self.count(out.capacity())
    }

    /// Fails if a result of this many bytes is larger than the limit, or than any value can be.
    pub(crate) fn allow(&self, len: usize) -> Result<(), Stop> {
        if len > self.limits.output.as_usize().min(to_usize(u32::MAX)) {
            return Err(Stop::Output(self.limits.output));
        }
        Ok(())
    }

    /// Counts a result of this many bytes, which is made elsewhere.
    pub(crate) fn count(&self, bytes: usize) -> Result<(), Stop> {
        let used = self.held.get().saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        self.peak.set(self.peak.get().max(used));
        if used > self.limits.memory.as_bytes() {
            return Err(Stop::Memory(self.limits.memory));
        }
        Ok(())
    }

    /// Returns the most that the call has taken, in bytes.
    pub(crate) fn peak(&self) -> u64 {
        self.peak.get()
    }
}
