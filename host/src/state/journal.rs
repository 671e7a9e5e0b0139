//! The port for what happens in a run besides its results: events, notes of tasks, what guests wrote.
//! What happens is decided by the engine and gathered by the application; a journal is lost without harm.
//!
//! # What Redis keeps
//!
//! One script appends a batch. It writes nothing where `…:meta` does not exist, or where the field `#<host>` of
//! `…:notes` is not below the batch's number; it re-arms the TTL of the keys that it writes to.
//!
//! | key | type | content |
//! |---|---|---|
//! | `cascade:run:<id>:meta` | hash | field `name`: the manifest's name |
//! | `cascade:run:<id>:events` | stream | an entry per event: field `json`, a line of `--events` without its end; `MAXLEN ~` [`MAX_EVENTS`] |
//! | `cascade:run:<id>:notes` | hash | node → [`Note`], MessagePack; `#<host>` → the number of its last batch |
//! | `cascade:run:<id>:logs` | hash | node → pieces of its log, see [`crate::state::Piece`]; `#bytes` → their size together |
//!
//! A node's log keeps its newest [`MAX_LOG`] bytes: whole pieces are dropped at its beginning, and a nil (`c0`) stands
//! there instead. Once a run has [`MAX_LOGS`] bytes, a nil is put at the end of a node's log, once, in place of what
//! does not fit.

use crate::model::{RunId, RunStatus};
use crate::state::{Error, HostId, Note, Piece};
use async_trait::async_trait;
use bytes::Bytes;

/// About how many events of a run are kept, the newest: a run of a million tasks must not fill its backend with them.
pub const MAX_EVENTS: usize = 10_000;

/// How many bytes of a node's log are kept, the newest: a guest must not fill the backend. It is what one attempt may
/// write by default, and what is stored beside each line.
pub const MAX_LOG: usize = 2 << 20;

/// How many bytes of logs a run keeps: neither must all its guests together.
pub const MAX_LOGS: usize = 64 << 20;

/// Keeps what hosts tell of a run, for as long as the run.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Whether what is appended outlives this process. Otherwise nobody needs to.
    fn outlives_process(&self) -> bool;

    /// Appends a batch, all of it or nothing. A batch that a host repeats under the same number is appended once.
    ///
    /// Fails with [`crate::state::ErrorKind::NoRun`] where there is no such run; the run does not come to be by it.
    async fn append(&self, run: &RunId, batch: &Batch) -> Result<(), Error>;

    /// Follows what is told of a run, from the oldest event that is kept.
    fn follow(&self, run: &RunId) -> Box<dyn Follow>;
}

/// A reader of one run's events.
#[async_trait]
pub trait Follow: Send {
    /// Waits for what is told after the last answer, or until the run may have changed, for some seconds at most.
    ///
    /// A connection that is lost is made anew, and nothing is told twice. Fails with
    /// [`crate::state::ErrorKind::NoRun`] where there is no such run, or none any more.
    async fn next(&mut self) -> Result<JournalPage, Error>;
}

/// What a reader was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalPage {
    /// Events in order: lines of `--events` without their ends. There may be more at once.
    pub events: Vec<Bytes>,
    /// Where the run stood then, or later.
    pub status: RunStatus,
    /// Who worked on it.
    pub hosts: Vec<HostId>,
}

/// What a host tells of a run at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Who tells it.
    pub host: HostId,
    /// Grows by one with each batch of the host for the run, from one.
    pub number: u64,
    /// The manifest's name, where it is told.
    pub name: Option<String>,
    /// What happened, in order: lines of `--events` without their ends.
    pub events: Vec<Bytes>,
    /// The latest of each node.
    pub notes: Vec<(String, Note)>,
    /// What guests wrote, at most one piece a node.
    pub logs: Vec<(String, Piece)>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::{Page, count, has_no_other_limits, size};

    #[test]
    fn the_manual_has_the_bounds_of_this_file() {
        let kept = |what| Page::of("limits").section("Logs and errors").line(what).cell(1);
        kept("log of one task").says(&size(MAX_LOG));
        kept("logs of one run").says(&size(MAX_LOGS));
        kept("events of a run").says(&count(MAX_EVENTS));
        Page::of("events").section("Files of events").line("stored events").says(&count(MAX_EVENTS));
        has_no_other_limits(file!(), &[]);
    }
}
