//! How much a thread computes, whatever else the machine does meanwhile: for tests of how much work something is.
//! Until when something is to happen is told by the clocks of those who wait for it.

use rustix::time::ClockId;
use rustix::time::clock_gettime;
use std::time::Duration;

/// What this thread computes from a moment on.
pub(crate) struct Effort {
    before: Duration,
}

impl Effort {
    /// Begins to count.
    pub(crate) fn begin() -> Self {
        Self { before: computed() }
    }

    /// How long the thread has computed since.
    pub(crate) fn spent(&self) -> Duration {
        computed().saturating_sub(self.before)
    }
}

fn computed() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap()
}
