//! Measures the CPU time of a thread, independent of other load, for tests of how much work something takes.
//! Deadlines are measured by the code that waits for them.

use rustix::time::ClockId;
use rustix::time::clock_gettime;
use std::time::Duration;

/// A measurement of this thread's CPU time.
pub(crate) struct Effort {
    before: Duration,
}

impl Effort {
    /// Starts measuring.
    pub(crate) fn begin() -> Self {
        Self { before: computed() }
    }

    /// Returns the CPU time since the start.
    pub(crate) fn spent(&self) -> Duration {
        computed().saturating_sub(self.before)
    }
}

fn computed() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap()
}
