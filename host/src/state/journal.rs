//! The journal port: the events of a run, notes on its nodes, and the logs of its guests.
//! The engine decides what happens, and the app collects it. Losing the journal harms no run: results are in
//! `ledger.rs`.

use crate::model::{RunId, RunStatus};
use crate::state::{EpochNote, Error, HostId, Note, Piece};
use async_trait::async_trait;
use bytes::Bytes;

/// Approximate number of events that a run keeps, the newest ones. Bounds the storage of a run with a million tasks.
pub const MAX_EVENTS: usize = 10_000;

/// Maximum size of a node's log; the newest bytes are kept. Bounds the storage of one guest: the default output of one
/// attempt, with the metadata of each line.
pub const MAX_LOG: usize = 2 << 20;

/// Maximum size of all logs of a run. Bounds the storage of all its guests together.
pub const MAX_LOGS: usize = 64 << 20;

/// The journal of runs: hosts append to it, and readers follow it.
///
/// The journal stays through resuming and updating, and is discarded by [`crate::state::Mode::Fresh`] and
/// [`crate::state::Archive::remove`]. Losing it does not affect results.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Returns whether the store outlives this process.
    ///
    /// If not, hosts append no events, notes and logs, and hints say that the results of a run are lost with the process.
    fn outlives_process(&self) -> bool;

    /// Appends a batch atomically. It is ignored if its number is not above the last one of this host.
    ///
    /// About the last [`MAX_EVENTS`] events are kept. Of each node, the latest note is kept, with the last
    /// [`crate::state::MAX_FAILED_ATTEMPTS`] failed attempts of its epoch and the last note of the epoch before. A node's log is kept by
    /// [`Piece::append_to`], with [`MAX_LOG`] as the bound. Once all logs of the run hold [`MAX_LOGS`], pieces are dropped,
    /// and their log is ended by [`Piece::end`].
    ///
    /// Fails with [`crate::state::ErrorKind::NoRun`] if the run does not exist; the run is not created.
    async fn append(&self, run: &RunId, batch: &Batch) -> Result<(), Error>;

    /// Returns a reader that starts at the oldest event kept. Returns at once; the reader connects when it is polled.
    fn follow(&self, run: &RunId) -> Box<dyn Follow>;
}

/// A reader of one run's events.
#[async_trait]
pub trait Follow: Send {
    /// Waits for new events or a change of the run, for a few seconds at most.
    ///
    /// Reconnects after a lost connection; no event is returned twice. Fails with [`crate::state::ErrorKind::NoRun`] if
    /// the run does not exist or was removed.
    async fn next(&mut self) -> Result<JournalPage, Error>;
}

/// The new events and the run's current state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalPage {
    /// New events in order: lines of `--events` without newlines. The next call may return further events without waiting.
    pub events: Vec<Bytes>,
    /// The run's status, read after these events were stored.
    pub status: RunStatus,
    /// The run's live hosts at that moment.
    pub hosts: Vec<HostId>,
}

/// Entries that a host appends to the journal in one step.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The writing host.
    pub host: HostId,
    /// The batch's number: counts the host's batches for the run, from one.
    pub number: u64,
    /// The manifest's name, if it is to be stored.
    pub name: Option<String>,
    /// New events in order: lines of `--events` without newlines.
    pub events: Vec<Bytes>,
    /// How the epoch began, if that is to be stored. The first one stored is kept.
    pub epoch: Option<EpochNote>,
    /// New notes of nodes, in order. Their host is the batch's.
    pub notes: Vec<(String, Note)>,
    /// Guest output, at most one piece per node.
    pub logs: Vec<(String, Piece)>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::{Page, count, has_no_other_limits, size};

    #[test]
    fn the_manual_has_the_bounds_of_this_file() {
        let limit = |what| Page::of("limits").section("Logs and errors").line(what).cell(1);
        limit("log of one task").says(&size(MAX_LOG));
        limit("logs of one run").says(&size(MAX_LOGS));
        limit("events of a run").says(&count(MAX_EVENTS));
        Page::of("events").section("Files of events").line("stored events").says(&count(MAX_EVENTS));
        has_no_other_limits(file!(), &[]);
    }
}
