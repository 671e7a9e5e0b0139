//! The archive port: lists, inspects, cancels and removes stored runs, for processes that do not work on them.
//! Events, notes and logs are appended through `journal.rs`; the app decides how to show them.
//!
//! # Redis commands
//!
//! | question | commands, pipelined |
//! |---|---|
//! | `runs` | `ZREVRANGE cascade:runs 0 n`, then `run` per id; ids without `meta` have expired and are removed |
//! | `run` | `HMGET …:meta`, and the live hosts |
//! | `nodes` | per name `HSTRLEN …:results`; `HMGET` of `…:skipped`, `…:failed`, `…:notes`: sends no result |
//! | `failed_elements` | `HSCAN …:failed`, bounded |
//! | `log` | `HGET …:logs` |
//! | `cancel`, `claims` | one atomic step, by the script that hosts use |
//! | `remove` | one script: refuse while a host is alive, `UNLINK` the run's keys, `ZREM cascade:runs`, wake hosts |

use crate::model::{RunId, RunStatus, SkipReason, Timestamp};
use crate::state::{Error, HostId, LogPart, NodeId, Note};
use async_trait::async_trait;
use bytes::Bytes;
use std::time::Duration;

/// Read and removal access to stored runs. Nodes are named `task` or `task[i]`, as in the results.
///
/// Methods that take a run fail with [`crate::state::ErrorKind::NoRun`] if it does not exist.
#[async_trait]
pub trait Archive: Send + Sync {
    /// Returns the most recently active runs, newest first, at most `max`.
    async fn runs(&self, max: usize) -> Result<Vec<RunSummary>, Error>;

    /// Returns the summary of one run.
    async fn run(&self, run: &RunId) -> Result<RunSummary, Error>;

    /// Returns the stored state of each node, in the order of `names`. A node without stored state is open.
    async fn nodes(&self, run: &RunId, names: &[String]) -> Result<Vec<NodeView>, Error>;

    /// Returns the names of failed elements, at most `max`. If more have failed, the choice is unspecified.
    async fn failed_elements(&self, run: &RunId, max: usize) -> Result<Vec<String>, Error>;

    /// Returns the output of a node's guest, oldest first; empty if there is none.
    async fn log(&self, run: &RunId, name: &str) -> Result<Vec<LogPart>, Error>;

    /// Returns the current claims, at most `max`. Claims with an expired lease are left out.
    async fn claims(&self, run: &RunId, max: usize) -> Result<Vec<ClaimView>, Error>;

    /// Cancels a run on all its hosts and returns the status it had before.
    ///
    /// From now on no node is handed out, and each host stops its guests as soon as it learns of it. If no host works
    /// on the run, it ends at once. A run that had already ended is not changed.
    async fn cancel(&self, run: &RunId) -> Result<RunStatus, Error>;

    /// Removes a run and everything stored for it.
    ///
    /// Fails with [`crate::state::ErrorKind::Held`] while a host works on the run, except with [`Removal::Any`]. In
    /// that case its hosts are woken, and their next commit fails with [`crate::state::ErrorKind::NoRun`].
    async fn remove(&self, run: &RunId, removal: Removal) -> Result<(), Error>;
}

/// Summary of a stored run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSummary {
    /// The run's id.
    pub run: RunId,
    /// The manifest's name; none until the journal's first batch has stored it.
    pub name: Option<String>,
    /// The run's status. A run that is running without hosts was abandoned by them.
    pub status: RunStatus,
    /// The run's epoch.
    pub epoch: u64,
    /// The included tasks by outcome.
    pub counts: Counts,
    /// Time of creation.
    pub created: Timestamp,
    /// Time of the last write.
    pub active: Timestamp,
    /// The live hosts of the run.
    pub hosts: Vec<HostId>,
}

/// Wanted tasks of a run by outcome; elements are not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Tasks with a result.
    pub done: u32,
    /// Tasks that have failed.
    pub failed: u32,
    /// Tasks that were skipped.
    pub skipped: u32,
    /// Tasks that have not ended.
    pub open: u32,
}

impl Counts {
    /// Returns the number of included tasks.
    #[must_use]
    pub const fn total(&self) -> u32 {
        self.done.saturating_add(self.failed).saturating_add(self.skipped).saturating_add(self.open)
    }
}

/// The stored state of a node, without its result.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeView {
    /// The node's outcome.
    pub end: End,
    /// The host's note. It may be older than the end; none if nothing ran.
    pub note: Option<Note>,
}

/// A claim, as shown to readers outside the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimView {
    /// The claimed node.
    pub node: NodeId,
    /// The holder.
    pub host: HostId,
    /// One plus the retries so far.
    pub attempt: u32,
    /// Number of takeovers since the last settlement.
    pub takeovers: u32,
    /// The remaining lease, unless it is renewed.
    pub lease: Duration,
}

/// Outcome of a node, without its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Not ended.
    Open,
    /// Ended with a result.
    Done {
        /// The size of the result in bytes.
        bytes: u64,
    },
    /// Skipped, with the reason.
    Skipped(SkipReason),
    /// Failed, with the error record.
    Failed(Bytes),
}

/// Which runs may be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// Only runs without live hosts.
    Idle,
    /// Any run.
    Any,
}
