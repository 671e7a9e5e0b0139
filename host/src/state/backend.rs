//! The backend port: opens runs and reads what they have stored.
//! Work on an open run goes through `ledger.rs`. The conformance suite checks every sentence of this contract.

use crate::model::{Digest, FailurePolicy, RunId, TaskIdx};
use crate::state::Health;
use crate::state::archive::Archive;
use crate::state::buckets::Buckets;
use crate::state::error::Error;
use crate::state::id::HostId;
use crate::state::journal::Journal;
use crate::state::ledger::Ledger;
use crate::state::notice::Notice;
use crate::state::shape::RunShape;
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// A store of runs. There is one per URI and process, shared by all runs.
#[async_trait]
pub trait Backend: Archive + Journal {
    /// Creates, joins or resumes a run.
    ///
    /// A digest other than the stored one is rejected with [`crate::state::ErrorKind::OtherDigest`], unless
    /// [`OpenRequest::mode`] allows it. Stored results are kept, including those of elements. Stored skips and failures
    /// are cleared when a run is resumed that had ended or has no live host.
    ///
    /// The host works on the run until [`Opened::ledger`] is dropped. Other hosts may not notice that until its leases
    /// have expired. A host that joins adopts the included tasks and the policy of the run's creator. A request to update
    /// or restart a run that another host works on fails with [`crate::state::ErrorKind::Held`] and changes nothing.
    async fn open(&self, request: OpenRequest) -> Result<Opened, Error>;

    /// Returns the stored results of nodes named `task` or `task[i]`, in the order of `names`.
    ///
    /// Fails with [`crate::state::ErrorKind::NoRun`] if the run does not exist.
    async fn results(&self, run: &RunId, names: &[String]) -> Result<Vec<Option<Bytes>>, Error>;

    /// Returns the plan record of a run, as its creator stored it.
    async fn record(&self, run: &RunId) -> Result<Bytes, Error>;

    /// Checks the backend and returns notices for the user. Called once per run, before it is opened.
    ///
    /// Fails with [`crate::state::ErrorKind::Refused`] if the backend is unusable; the hint says what to change.
    async fn preflight(&self) -> Result<Vec<Notice>, Error>;

    /// Returns whether the backend is available, for progress messages during an outage; `None` if it cannot fail.
    fn health(&self) -> Option<watch::Receiver<Health>> {
        None
    }

    /// Returns the buckets of tasks, the same for all runs.
    fn buckets(&self) -> Arc<dyn Buckets>;

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
    /// The reaction to a failure; joining hosts follow the creator's policy.
    pub policy: FailurePolicy,
    /// The TTL of the run after its last write.
    pub ttl: Duration,
    /// The requesting host.
    pub host: HostId,
    /// The lease of a claim, unless it is renewed.
    pub lease: Duration,
    /// Returns whether a host is a process of this machine that has ended, so that its lease need not be awaited.
    /// Returns false for unknown hosts.
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
}

/// The state in which a run was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenKind {
    /// No stored run; it was created.
    Created,
    /// An earlier run, of which some task results were kept.
    Resumed {
        /// Number of task results that were kept.
        kept: u32,
    },
    /// A run with other live hosts.
    Joined,
}
