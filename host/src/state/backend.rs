//! The port of a process to a place where runs live: opening runs, and what they have stored.
//! Every sentence here is a case of the conformance suite, which each backend runs unchanged.

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

/// A place where runs live; one per URI and process, shared by all its runs.
#[async_trait]
pub trait Backend: Archive + Journal {
    /// Creates the run, joins it or resumes it.
    ///
    /// A run that exists with another digest is refused with [`crate::state::ErrorKind::OtherDigest`] unless the
    /// mode says otherwise. Stored results are kept, those of elements too; stored skips and failures are forgotten
    /// when a run that had ended, or that no host works on, is resumed. A host works on a run until its
    /// [`Opened::ledger`] is dropped; others may learn of that as late as its leases pass.
    ///
    /// A host that joins works on what the creator wanted, under the creator's policy. A run that another host works
    /// on is neither changed nor begun anew under it: that is refused with [`crate::state::ErrorKind::Held`].
    async fn open(&self, request: OpenRequest) -> Result<Opened, Error>;

    /// The stored results of a run by task name, `task` or `task[i]`, in the order of `names`.
    ///
    /// Fails with [`crate::state::ErrorKind::NoRun`] where there is no such run.
    async fn results(&self, run: &RunId, names: &[String]) -> Result<Vec<Option<Bytes>>, Error>;

    /// The plan record of a run, as its creator gave it.
    async fn record(&self, run: &RunId) -> Result<Bytes, Error>;

    /// What users are to know of the backend before they trust it with a run; asked once per run.
    ///
    /// Fails with [`crate::state::ErrorKind::Refused`] where it cannot be used, with a hint that says what to change.
    async fn preflight(&self) -> Result<Vec<Notice>, Error>;

    /// Whether it serves, for those who tell people while its answers are waited for; none where it cannot fail to.
    fn health(&self) -> Option<watch::Receiver<Health>> {
        None
    }

    /// The buckets of tasks, the same for all runs.
    fn buckets(&self) -> Arc<dyn Buckets>;

    /// What the backend says of itself: names and values, for people. Nothing, where there is nothing to say.
    async fn describe(&self) -> Result<Vec<(&'static str, String)>, Error> {
        Ok(Vec::new())
    }
}

/// How a host asks for a run.
#[derive(Clone)]
pub struct OpenRequest {
    /// The run.
    pub run: RunId,
    /// What determines its results.
    pub digest: Digest,
    /// The plan in words, stored with the run and given back to whoever comes with another digest.
    pub record: Bytes,
    /// The plan as counts and edges, and what of its resources the host that asks has.
    pub shape: Arc<RunShape>,
    /// What to do with what is stored.
    pub mode: Mode,
    /// What a failure does; hosts that join follow the creator.
    pub policy: FailurePolicy,
    /// How long the run is kept after the last write.
    pub ttl: Duration,
    /// Who asks.
    pub host: HostId,
    /// How long a claim is held without being renewed.
    pub lease: Duration,
    /// Tells whether a host is a process of this machine that has ended: its lease is not waited for. Of hosts that
    /// nothing is known of it says no.
    pub is_gone: fn(&HostId) -> bool,
}

/// What to do with what is stored under a run id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Keep results; refuse another digest.
    #[default]
    Resume,
    /// Accept another digest under a new epoch; keep each result whose task has an unchanged fingerprint.
    Update,
    /// Start over under a new epoch.
    Fresh,
}

/// A run that was opened.
pub struct Opened {
    /// The door to it.
    pub ledger: Arc<dyn Ledger>,
    /// What was found.
    pub how: OpenHow,
    /// The run's epoch.
    pub epoch: u64,
    /// The policy in force.
    pub policy: FailurePolicy,
    /// The wanted tasks whose results were there already, in ascending order.
    pub stored: Vec<TaskIdx>,
}

/// What was found under a run id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenHow {
    /// Nothing; the run is new.
    Created,
    /// An earlier run, of which this many task results are kept.
    Resumed {
        /// Results kept.
        kept: u32,
    },
    /// A run that another host works on.
    Joined,
}
