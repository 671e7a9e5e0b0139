//! Interrupts: how urgently this host must stop, and which of them a run that nobody resumes has heeded already.
//! Signals become interrupts in `cli`; `dispatch` obeys them.

use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;

/// Urgency with which this host must stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Interrupt {
    /// Not interrupted.
    #[default]
    None,
    /// Stop guests now; another run takes the place of this one, which nobody resumes.
    Supersede,
    /// Start nothing new; finish and commit running nodes.
    Drain,
    /// Stop guests now.
    Abort,
}

/// The state of a run whose host is interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenInterrupted {
    /// It stays as it is, for somebody to resume.
    Kept,
    /// It is cancelled: nobody resumes it. Its finally tasks follow, unless the interrupt is [`Interrupt::Abort`].
    Cancelled,
}

/// The interrupts of one run on this host.
pub(crate) struct Interrupts {
    requested: watch::Receiver<Interrupt>,
    when_interrupted: WhenInterrupted,
    /// Whether the run is at the ending that an interrupt has brought about, or that came before it.
    is_heeded: AtomicBool,
}

impl Interrupts {
    /// Creates the interrupts of a run.
    pub(crate) const fn new(
        requested: watch::Receiver<Interrupt>,
        when_interrupted: WhenInterrupted,
    ) -> Self {
        Self { requested, when_interrupted, is_heeded: AtomicBool::new(false) }
    }

    /// Returns a receiver that waits for changes.
    pub(crate) fn changes(&self) -> watch::Receiver<Interrupt> {
        self.requested.clone()
    }

    /// Returns the interrupt in force: the latest one, unless the run has heeded it.
    pub(crate) fn in_force(&self) -> Interrupt {
        let requested = *self.requested.borrow();
        if requested < Interrupt::Abort && self.is_heeded.load(Ordering::Acquire) {
            return Interrupt::None;
        }
        requested
    }

    /// Returns whether the interrupt in force cancels the run.
    pub(crate) fn cancels(&self) -> bool {
        let in_force = self.in_force();
        self.when_interrupted == WhenInterrupted::Cancelled
            && in_force != Interrupt::None
            && in_force < Interrupt::Abort
    }

    /// Heeds the interrupts of a run that is at its ending and that nobody resumes: its finally tasks run in spite of them.
    pub(crate) fn heed_at_ending(&self) {
        if self.when_interrupted == WhenInterrupted::Cancelled {
            self.is_heeded.store(true, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ending_of_a_run_that_nobody_resumes_is_only_aborted() {
        for (when, at_ending) in
            [(WhenInterrupted::Kept, Interrupt::Drain), (WhenInterrupted::Cancelled, Interrupt::None)]
        {
            let (stop, requested) = watch::channel(Interrupt::None);
            let interrupts = Interrupts::new(requested, when);
            assert!(!interrupts.cancels());
            stop.send_replace(Interrupt::Drain);
            assert_eq!(interrupts.in_force(), Interrupt::Drain);
            assert_eq!(interrupts.cancels(), when == WhenInterrupted::Cancelled);
            interrupts.heed_at_ending();
            assert_eq!(interrupts.in_force(), at_ending);
            stop.send_replace(Interrupt::Abort);
            assert_eq!((interrupts.in_force(), interrupts.cancels()), (Interrupt::Abort, false));
        }
    }
}
