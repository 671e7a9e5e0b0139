//! The backend port: opens runs and reads what they have stored.
//! Work on an open run goes through `ledger.rs`. The conformance suite checks every sentence of this contract.

use crate::model::{Digest, FailurePolicy, RunId, TaskIdx};
use crate::state::Health;
use crate::state::archive::Archive;
use crate::state::buckets::Buckets;
use crate::state::error::Error;
use crate::state::id::{HostId, NodeId};
use crate::state::journal::Journal;
use crate::state::ledger::Ledger;
use crate::state::notice::Notice;
use crate::state::reservations::Reservations;
use crate::state::shape::RunShape;
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// A store of runs. There is one per URI and process, shared by all runs; several objects may share a store.
///
/// # Calls
///
/// For each run: [`Self::buckets`], [`Self::preflight`], [`Self::open`], then those of the [`Ledger`]. A backend that
/// [outlives the process](Journal::outlives_process) gets [`Journal::append`] in parallel. `doctor` calls
/// [`Self::preflight`] and [`Self::describe`]; other commands read by [`Archive`] and [`Journal::follow`].
///
/// # Threads and runtimes
///
/// As in [`Ledger`]: methods are called on tokio runtimes, must not block, and may be dropped.
#[async_trait]
pub trait Backend: Archive + Journal {
    /// Creates, joins or resumes a run.
    ///
    /// A host is *live* while it has the ledger open, and has neither left nor let its host lease pass. The ledger renews that
    /// lease from its opening on, for [`OpenRequest::lease`] each time. Hosts for which [`OpenRequest::is_gone`] returns true do
    /// not count, and their claims may be taken over at once. A run is *busy* if its status is
    /// [`crate::model::RunStatus::Running`] and at least one host is live; otherwise it is *idle*.
    ///
    /// | mode | no run | idle, same digest | idle, other digest | busy, same digest | busy, other digest |
    /// |---|---|---|---|---|---|
    /// | [`Mode::Resume`] | Created | Resumed | [`OtherDigest`] | Joined | [`OtherDigest`] |
    /// | [`Mode::Update`] | Created | Resumed | Resumed, new epoch | Joined | [`Held`] |
    /// | [`Mode::Fresh`] | Created | Created, new epoch | Created, new epoch | [`Held`] | [`Held`] |
    ///
    /// [`OpenRequest::rerun`] names nodes that run again. Such a request needs an idle run: without a run it fails with
    /// [`NoRun`], and on a busy one with [`Held`]. It begins a new epoch, and discards, besides what the table says, the results
    /// and iterations of these nodes, of all nodes below them, and of the nodes around them, whose lists contain them. No offer
    /// is made to them either. All openings return the nodes ([`Opened::rerun`]) until a run that includes their tasks has
    /// succeeded, or [`Mode::Fresh`] discards it; under another plan they are found by name.
    ///
    /// A request that fails changes nothing. Joining keeps everything that is stored, and adopts the included tasks and the
    /// policy of the request that began the life. Resuming begins a new life: it keeps results, including those of
    /// elements. Stored skips and failures are cleared when the request resumes a run that has ended or has no live host.
    ///
    /// Results are stored by name, because positions of tasks change with the plan. With another digest, the new life keeps
    /// the result of a task, and of its elements, if a task of that name has the same fingerprint. Of the other tasks it offers
    /// the results and iterations that were stored with a [`crate::port::CallDigest`], if a task of that name has elements in the same
    /// places. All others are removed. An offer is no result: it is not read, and nobody waits for it. It is handed out with
    /// its node ([`crate::port::Claim::offer`]) until it is accepted, or the node is done otherwise; later lives offer it
    /// again, whatever their plan. A run that has succeeded offers nothing any more.
    ///
    /// The host works on the run until [`Opened::ledger`] is dropped. Other hosts may not notice that until its leases
    /// have expired.
    ///
    /// [`OtherDigest`]: crate::state::ErrorKind::OtherDigest
    /// [`Held`]: crate::state::ErrorKind::Held
    /// [`NoRun`]: crate::state::ErrorKind::NoRun
    async fn open(&self, request: OpenRequest) -> Result<Opened, Error>;

    /// Returns the stored results of nodes named `task` or `task[i]`, in the order of `names`. A name may be any text; one
    /// that names no node has no result.
    ///
    /// Fails with [`crate::state::ErrorKind::NoRun`] if the run does not exist.
    async fn results(&self, run: &RunId, names: &[String]) -> Result<Vec<Option<Bytes>>, Error>;

    /// Returns the plan record of a run, as its creator stored it.
    async fn record(&self, run: &RunId) -> Result<Bytes, Error>;

    /// Checks the backend and returns notices for the user. Called once per run, before it is opened, and by `doctor`.
    ///
    /// Fails with [`crate::state::ErrorKind::Refused`] if the backend is unusable; the hint says what to change.
    async fn preflight(&self) -> Result<Vec<Notice>, Error>;

    /// Returns whether the backend is available, for progress messages during an outage; `None` if it cannot fail.
    fn health(&self) -> Option<watch::Receiver<Health>> {
        None
    }

    /// Returns the buckets of tasks, the same for all runs. Called before [`Self::preflight`], and must not block.
    fn buckets(&self) -> Arc<dyn Buckets>;

    /// Returns the resources that all runs share; `None` if the backend has none. Then runs that need them are refused. Must not
    /// block.
    fn reservations(&self) -> Option<Arc<dyn Reservations>> {
        None
    }

    /// Describes the backend for people, as names and values; empty if there is nothing to show.
    async fn describe(&self) -> Result<Vec<(&'static str, String)>, Error> {
        Ok(Vec::new())
    }
}

/// A host's request to open a run.
#[derive(Clone)]
pub struct OpenRequest {
    /// The run.
    pub run: RunId,
    /// The digest of everything that determines the run's results.
    pub digest: Digest,
    /// The plan record, stored with the run and returned to a host that opens it with another digest.
    pub record: Bytes,
    /// The plan as counts and edges, with this host's amounts of each resource.
    pub shape: Arc<RunShape>,
    /// The treatment of what is already stored.
    pub mode: Mode,
    /// Nodes that run again although they have results, with all nodes below them. [`Mode::Fresh`] ignores them.
    pub rerun: Vec<NodeId>,
    /// The reaction to a failure; joining hosts follow the creator's policy.
    pub policy: FailurePolicy,
    /// The TTL: a run without writes for this long reads as absent ([`crate::state::ErrorKind::NoRun`]), and its id is free.
    ///
    /// Commits, renewals and heartbeats count as writes, so a run with a live host does not expire. Appends to the journal
    /// need not count. The TTL is that of the request that began the life; joining does not change it. An expired run's data
    /// is removed by a later `open` or `runs` at the latest. A backend that does not outlive the process may ignore the TTL.
    pub ttl: Duration,
    /// The requesting host.
    pub host: HostId,
    /// The lease of each claim and of the host itself, unless they are renewed.
    pub lease: Duration,
    /// Returns whether a host is a process of this machine that has ended, so that nobody has to wait for its lease to
    /// expire. Returns false for unknown hosts.
    pub is_gone: fn(&HostId) -> bool,
}

/// The treatment of what is already stored under a run id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Keeps results and rejects another digest.
    #[default]
    Resume,
    /// Accepts another digest under a new epoch, and keeps the result of each task whose fingerprint is unchanged.
    Update,
    /// Discards everything and starts a new epoch.
    Fresh,
}

/// A run that was opened.
pub struct Opened {
    /// The run's ledger, as this host sees it.
    pub ledger: Arc<dyn Ledger>,
    /// The state in which the run was found.
    pub kind: OpenKind,
    /// The run's epoch.
    pub epoch: u64,
    /// The policy in force.
    pub policy: FailurePolicy,
    /// The included tasks that already have a result, in ascending order.
    pub stored: Vec<TaskIdx>,
    /// Nodes that run again: those of this request, and of earlier ones that no run has included and succeeded since. Only the
    /// outermost, in ascending order.
    pub rerun: Vec<NodeId>,
}

/// The state in which a run was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenKind {
    /// No stored run, or one that [`Mode::Fresh`] has discarded; the run was created.
    Created,
    /// An earlier run, of which some task results were kept.
    Resumed {
        /// Number of included tasks whose results were kept; elements are not counted.
        kept: u32,
    },
    /// A run with other live hosts.
    Joined,
}
