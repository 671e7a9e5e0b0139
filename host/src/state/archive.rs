//! The archive port: lists, inspects, cancels and removes stored runs, for processes that do not work on them.
//! Events, notes and logs are appended through `journal.rs`; the app decides how to show them.

use crate::model::{RunId, RunStatus, SkipReason, TaskIdx, Timestamp};
use crate::state::{EpochNote, Error, HostId, LogPart, NodeId, Note, NotesPage};
use async_trait::async_trait;
use bytes::Bytes;
use std::time::Duration;

/// Read and removal access to stored runs. Nodes are named `task` or `task[i]`, as in the results, and
/// iterations `task@i` or `task[i]@j`.
///
/// Every read sees all commits that were answered before it began, from any process. Only notes, events and logs may lag,
/// and `hosts` may show a dead host until its lease has passed. Methods that take a run fail with
/// [`crate::state::ErrorKind::NoRun`] if it does not exist.
#[async_trait]
pub trait Archive: Send + Sync {
    /// Returns the most recently active runs, newest first, at most `max`.
    async fn runs(&self, max: usize) -> Result<Vec<RunSummary>, Error>;

    /// Returns the ids of stored runs that begin with `prefix`, in order, at most `max`. If there are more, the choice is
    /// unspecified.
    async fn runs_with_prefix(&self, prefix: &str, max: usize) -> Result<Vec<RunId>, Error>;

    /// Returns the summary of one run.
    async fn run(&self, run: &RunId) -> Result<RunSummary, Error>;

    /// Returns the stored state of each node, in the order of `names`. A node without stored state is open.
    ///
    /// The name of an iteration is that of a node that is done once the iteration is stored, and has no note.
    ///
    /// A name may be any text; one that names no node is open. [`crate::state::CLOSING`] names the closing node, of which
    /// only a failure is stored; it is no task, and is not counted.
    async fn nodes(&self, run: &RunId, names: &[String]) -> Result<Vec<NodeView>, Error>;

    /// Returns which of these tasks have ended well. Those whose elements have the results store none themselves.
    async fn ended_well(&self, run: &RunId, tasks: &[TaskIdx]) -> Result<Vec<bool>, Error>;

    /// Returns the names of elements that have failed, also of those left out for it ([`SkipReason::ElementFailed`]), at most
    /// `max`. If there are more, the choice is unspecified.
    async fn failed_elements(&self, run: &RunId, max: usize) -> Result<Vec<String>, Error>;

    /// Returns the names of the nodes that run again ([`crate::port::OpenRequest::rerun`]) and have not been in a run that
    /// has succeeded since.
    async fn rerun(&self, run: &RunId) -> Result<Vec<String>, Error>;

    /// Returns the time that is left until each deadline that runs, with the name of its task or pipeline; none for that of
    /// the run. Empty unless hosts work on the run.
    async fn deadlines(&self, run: &RunId) -> Result<Vec<(Option<String>, Duration)>, Error>;

    /// Returns the output of a node's guest, oldest first; empty if there is none.
    async fn log(&self, run: &RunId, name: &str) -> Result<Vec<LogPart>, Error>;

    /// Returns the output of some nodes' guests, in no order, from `after`: none for the first page.
    ///
    /// Following [`LogsPage::next`] returns each log that does not change meanwhile, some of them more than once.
    async fn logs(&self, run: &RunId, after: Option<&str>) -> Result<LogsPage, Error>;

    /// Returns the kept notes of a node, oldest first: see [`crate::state::Journal::append`].
    async fn history(&self, run: &RunId, name: &str) -> Result<Vec<Note>, Error>;

    /// Returns some nodes with their kept notes, in no order, from `after`: none for the first page.
    ///
    /// Following [`NotesPage::next`] returns each node whose notes do not change meanwhile, some of them more than once.
    async fn notes(&self, run: &RunId, after: Option<&str>) -> Result<NotesPage, Error>;

    /// Returns how the epochs of the run began, in order, as far as that is stored.
    async fn epochs(&self, run: &RunId) -> Result<Vec<EpochNote>, Error>;

    /// Returns the current claims, at most `max`. Claims with an expired lease are left out.
    async fn claims(&self, run: &RunId, max: usize) -> Result<Vec<ClaimView>, Error>;

    /// Cancels a run on all its hosts and returns the status it had before.
    ///
    /// From now on no node is handed out, and each host stops its guests as soon as it learns of it. If no host works
    /// on the run, it ends at once, or waits for a host that runs its finally tasks. These are stopped by another cancellation.
    /// A run that had already ended is not changed.
    async fn cancel(&self, run: &RunId) -> Result<RunStatus, Error>;

    /// Removes a run and everything stored for it.
    ///
    /// Fails with [`crate::state::ErrorKind::Held`] if the run is busy, except with [`Removal::Any`]. In that case its
    /// hosts are woken, and their next commit fails with [`crate::state::ErrorKind::NoRun`].
    async fn remove(&self, run: &RunId, removal: Removal) -> Result<(), Error>;
}

/// The output of some nodes' guests, and where the next ones begin.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogsPage {
    /// Names of nodes, each with its output, oldest first.
    pub nodes: Vec<(String, Vec<LogPart>)>,
    /// What to pass for the next page; none if this is the last one.
    pub next: Option<String>,
}

/// Summary of a stored run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSummary {
    /// The run's id.
    pub run: RunId,
    /// The manifest's name; none until the journal's first batch has stored it.
    pub name: Option<String>,
    /// The run's status. If it is [`RunStatus::Running`] and there are no hosts, all hosts have left or died.
    pub status: RunStatus,
    /// The ending of a run that is at its finally tasks; none for others.
    pub ending: Option<RunStatus>,
    /// The run's epoch.
    pub epoch: u64,
    /// The included tasks by outcome.
    pub counts: Counts,
    /// Time of creation.
    pub created: Timestamp,
    /// Time of the last commit, or of a later heartbeat.
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
    /// Number of stored iterations of the node.
    pub iteration: u32,
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
    /// Only runs that are not busy, as [`crate::state::Backend::open`] defines it: ended, or without live hosts.
    Idle,
    /// Any run.
    Any,
}
