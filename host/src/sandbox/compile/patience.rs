//! Reports of a compilation that takes long: after a second, every second after that, and at its end.
//! `code` makes the reports of a component; the command line shows them.

use crate::model::Size;
use std::cell::Cell;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;
use tokio::time::Instant;

/// Time after which a person would wonder, and between two reports.
const INTERVAL: Duration = Duration::from_secs(1);

/// A compilation that takes longer than a second.
#[derive(Debug, Clone, Copy)]
pub struct SlowCompilation<'a> {
    /// Name of the component.
    pub name: &'a str,
    /// Size of the component.
    pub size: Size,
    /// Current stage.
    pub stage: Stage,
    /// Time since its start.
    pub elapsed: Duration,
}

/// Stages of a compilation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Another host of this machine compiles the component, and this one waits for the code.
    Waiting,
    /// This host compiles it.
    Compiling,
    /// This host has compiled it.
    Compiled,
    /// Another host has compiled it.
    Received,
    /// Neither was possible.
    Failed,
}

/// Reports on one compilation, over all attempts. A short one is not reported.
pub(crate) struct Patience<'a> {
    start: Instant,
    /// Number of reports so far.
    reports: Cell<u32>,
    report: &'a dyn Fn(Stage, Duration),
}

impl<'a> Patience<'a> {
    /// Starts the clock.
    pub(crate) fn new(report: &'a dyn Fn(Stage, Duration)) -> Self {
        Self { start: Instant::now(), reports: Cell::new(0), report }
    }

    /// Returns the time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Receives the end of a compiler, for at most `time`, and reports meanwhile.
    pub(crate) fn wait<T>(&self, end: &Receiver<T>, time: Duration) -> Result<T, RecvTimeoutError> {
        let wait_until = self.elapsed().saturating_add(time);
        loop {
            let left = wait_until.saturating_sub(self.elapsed());
            let pause = self.next_report().saturating_sub(self.elapsed());
            match end.recv_timeout(pause.min(left)) {
                Err(RecvTimeoutError::Timeout) if pause < left => self.report_if_due(Stage::Compiling),
                ended => return ended,
            }
        }
    }

    /// Reports the stage if the last report was a second ago.
    pub(crate) fn report_if_due(&self, stage: Stage) {
        let elapsed = self.elapsed();
        if elapsed >= self.next_report() {
            let seconds = elapsed.as_secs() / INTERVAL.as_secs();
            self.reports.set(u32::try_from(seconds).unwrap_or(u32::MAX));
            (self.report)(stage, elapsed);
        }
    }

    /// Reports the end, if there was a report before.
    pub(crate) fn end(&self, stage: Stage) {
        if self.reports.get() > 0 {
            (self.report)(stage, self.elapsed());
        }
    }

    /// Returns the time of the next report.
    fn next_report(&self) -> Duration {
        INTERVAL.saturating_mul(self.reports.get().saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::sync::mpsc;

    #[test]
    fn slow_compilation_is_reported_every_second_and_at_its_end() {
        let told = RefCell::new(Vec::new());
        let report = |stage, elapsed: Duration| told.borrow_mut().push((stage, elapsed.as_secs()));
        let patience = Patience::new(&report);
        let (sender, receiver) = mpsc::channel::<()>();
        assert!(patience.wait(&receiver, Duration::from_millis(1)).is_err());
        patience.end(Stage::Compiled);
        assert_eq!(*told.borrow(), []);
        // Two attempts at compiling are one compilation.
        assert!(patience.wait(&receiver, INTERVAL + Duration::from_millis(500)).is_err());
        patience.report_if_due(Stage::Waiting);
        assert_eq!(*told.borrow(), [(Stage::Compiling, 1)]);
        assert!(patience.wait(&receiver, INTERVAL).is_err());
        patience.end(Stage::Failed);
        assert_eq!(*told.borrow(), [(Stage::Compiling, 1), (Stage::Compiling, 2), (Stage::Failed, 2)]);
        drop(sender);
    }
}
