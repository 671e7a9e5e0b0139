//! The port for looking at stored runs and for removing them, for whoever does not work on them.
//! What a run wrote beside its results comes through [`crate::state::Journal`]; how it is shown is for others.
//!
//! # What Redis answers from
//!
//! | question | commands, pipelined |
//! |---|---|
//! | `runs` | `ZREVRANGE cascade:runs 0 n`, then per id what `run` asks; ids without `meta` have expired and are taken out of the list |
//! | `run` | `HMGET …:meta`, and the hosts that are alive |
//! | `nodes` | per name `HSTRLEN …:results`; `HMGET …:skipped`, `HMGET …:failed`, `HMGET …:notes`: no value is sent |
//! | `failed_elements` | `HSCAN …:failed`, bounded |
//! | `log` | `HGET …:logs` |
//! | `cancel`, `claims` | one step of the run, by the script of its hosts |
//! | `remove` | one script: refuse while a host is alive, then `UNLINK` all keys of the run and `ZREM cascade:runs`; where hosts work on it, `wake` tells them for an hour |

use crate::model::{RunId, RunStatus, SkipReason, Timestamp};
use crate::state::{Error, HostId, LogPart, NodeId, Note};
use async_trait::async_trait;
use bytes::Bytes;
use std::time::Duration;

/// Stored runs, to be looked at and removed. Names of nodes are `task` or `task[i]`, as for results.
///
/// Whatever asks for one run fails with [`crate::state::ErrorKind::NoRun`] where there is no such run.
#[async_trait]
pub trait Archive: Send + Sync {
    /// The runs with the latest activity, newest first, at most `most`.
    async fn runs(&self, most: usize) -> Result<Vec<RunSummary>, Error>;

    /// One run.
    async fn run(&self, run: &RunId) -> Result<RunSummary, Error>;

    /// What is stored of each node, in the order of `names`. A node that nothing is stored of is open.
    async fn nodes(&self, run: &RunId, names: &[String]) -> Result<Vec<NodeView>, Error>;

    /// Names of elements that have failed, at most `most`; which ones is not said if there are more.
    async fn failed_elements(&self, run: &RunId, most: usize) -> Result<Vec<String>, Error>;

    /// What the guest of a node wrote, oldest first. Nothing where it wrote nothing.
    async fn log(&self, run: &RunId, name: &str) -> Result<Vec<LogPart>, Error>;

    /// Who holds which node at this moment, at most `most` of them. Leases that have passed are not told.
    async fn claims(&self, run: &RunId, most: usize) -> Result<Vec<ClaimView>, Error>;

    /// Cancels a run for all its hosts: from now on nothing is handed out, and each host stops what it has as soon as it
    /// hears of it; where no host works on it, the run has ended. Gives where the run stood; one that had ended is left
    /// as it was.
    async fn cancel(&self, run: &RunId) -> Result<RunStatus, Error>;

    /// Removes a run with all that was stored for it.
    ///
    /// Fails with [`crate::state::ErrorKind::Held`] while a host works on it, unless that is to be done anyway. Hosts
    /// that work on it are woken then, and what they commit fails with [`crate::state::ErrorKind::NoRun`].
    async fn remove(&self, run: &RunId, removal: Removal) -> Result<(), Error>;
}

/// A stored run in a few figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSummary {
    /// Its id.
    pub run: RunId,
    /// The manifest's name, once its journal was begun.
    pub name: Option<String>,
    /// Where it stands. A run that is running and that no host works on was left by its hosts.
    pub status: RunStatus,
    /// Its epoch.
    pub epoch: u64,
    /// Its wanted tasks.
    pub counts: Counts,
    /// When it was created.
    pub created: Timestamp,
    /// When something was last written to it.
    pub active: Timestamp,
    /// Who works on it.
    pub hosts: Vec<HostId>,
}

/// Wanted tasks of a run by how they have ended; elements are not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Those with a result.
    pub done: u32,
    /// Those that have failed.
    pub failed: u32,
    /// Those that are skipped.
    pub skipped: u32,
    /// Those that have not ended.
    pub open: u32,
}

impl Counts {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u32 {
        self.done.saturating_add(self.failed).saturating_add(self.skipped).saturating_add(self.open)
    }
}

/// What is stored of a node.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeView {
    /// How it has ended.
    pub end: End,
    /// What its host noted. A note may be older than the end, and is missing where nothing ran.
    pub note: Option<Note>,
}

/// A claim as those see it who do not work on the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimView {
    /// The node.
    pub node: NodeId,
    /// Who holds it.
    pub host: HostId,
    /// One plus the retries so far.
    pub attempt: u32,
    /// How often it was taken over since its last settlement.
    pub takeovers: u32,
    /// How long the lease lasts if it is not renewed.
    pub lease: Duration,
}

/// How a node has ended, without its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It has not.
    Open,
    /// With a result.
    Done {
        /// The size of the result in bytes.
        bytes: u64,
    },
    /// It is skipped.
    Skipped(SkipReason),
    /// It has failed: its error record.
    Failed(Bytes),
}

/// Which runs may be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// Those that no host works on.
    Idle,
    /// All.
    Any,
}
