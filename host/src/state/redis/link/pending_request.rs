//! A request between its first attempt and its reply: its start, its deadline, and its reports to the monitor.
//! The link sends it; `retry` sets the backoff.

use crate::state::redis::link::command::Need;
use crate::state::redis::link::monitor::{Monitor, Waiter};
use std::time::Duration;
use tokio::time::Instant;

/// Time limits of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimeLimits {
    /// Until the server has replied for the first time, connecting included.
    pub(super) at_start: Duration,
    /// After the first reply.
    pub(super) later: Duration,
}

/// Whether a server has ever replied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contact {
    /// No reply yet.
    Never,
    /// At least one reply.
    Established,
}

/// A request without a reply yet.
pub(super) struct PendingRequest<'a> {
    monitor: &'a Monitor,
    limits: TimeLimits,
    start: Instant,
    /// The time of the first failed attempt since the server's first reply.
    first: Option<Instant>,
    need: Need,
    waiter: Option<Waiter<'a>>,
}

impl<'a> PendingRequest<'a> {
    /// Creates a request that is about to be sent.
    pub(super) fn new(monitor: &'a Monitor, limits: TimeLimits, need: Need) -> Self {
        Self { monitor, limits, start: Instant::now(), first: None, need, waiter: None }
    }

    /// Returns the deadline for a server that has never replied.
    pub(super) fn start_deadline(&self) -> Instant {
        self.start + self.limits.at_start
    }

    /// Records that the attempt at `sent` failed or has no reply so far; returns the deadline of the request.
    pub(super) fn failed(&mut self, sent: Instant, cause: String, contact: Contact) -> Instant {
        let ends = match contact {
            Contact::Never => self.start_deadline(),
            Contact::Established => *self.first.get_or_insert(sent) + self.limits.later,
        };
        // Nothing depends on the deadline of a best-effort request.
        if self.need == Need::Required {
            self.waiter = Some(self.monitor.wait(ends));
        }
        self.monitor.failed(sent, cause);
        ends
    }

    /// Returns how long the request has failed so far.
    pub(super) fn elapsed(&self) -> Duration {
        self.first.unwrap_or(self.start).elapsed()
    }
}
