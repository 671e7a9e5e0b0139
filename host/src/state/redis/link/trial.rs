//! One request that is tried again and again: since when, until when, and who is told of it.
//! Sending it is for the link; how long to wait in between is for `retry`.

use crate::state::redis::link::command::Need;
use crate::state::redis::link::monitor::{Monitor, Patient};
use std::time::Duration;
use tokio::time::Instant;

/// For how long a request is tried.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// Until the server has answered for the first time; connecting and all else taken together.
    pub(super) at_start: Duration,
    /// Once it has answered.
    pub(super) later: Duration,
}

/// Whether a server has answered anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nothing yet.
    Never,
    /// Something.
    Before,
}

/// A request that has no answer yet.
pub(super) struct Trial<'a> {
    monitor: &'a Monitor,
    terms: Terms,
    began: Instant,
    /// When the first attempt was made that has failed since the server has answered for the first time.
    first: Option<Instant>,
    need: Need,
    patient: Option<Patient<'a>>,
}

impl<'a> Trial<'a> {
    /// A request that is about to be sent.
    pub(super) fn new(monitor: &'a Monitor, terms: Terms, need: Need) -> Self {
        Self { monitor, terms, began: Instant::now(), first: None, need, patient: None }
    }

    /// When a server is given up that has never answered.
    pub(super) fn start_ends(&self) -> Instant {
        self.began + self.terms.at_start
    }

    /// An attempt that was made then has failed, or has no answer so far; gives when the request is given up.
    pub(super) fn failed(&mut self, sent: Instant, cause: String, heard: Heard) -> Instant {
        let ends = match heard {
            Heard::Never => self.start_ends(),
            Heard::Before => *self.first.get_or_insert(sent) + self.terms.later,
        };
        // Nothing ends with a request that is made aside.
        if self.need == Need::Answer {
            self.patient = Some(self.monitor.wait(ends));
        }
        self.monitor.failed(sent, cause);
        ends
    }

    /// For how long the server has not served this request.
    pub(super) fn elapsed(&self) -> Duration {
        self.first.unwrap_or(self.began).elapsed()
    }
}
