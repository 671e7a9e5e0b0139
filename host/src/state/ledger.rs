//! The contract between the engine and whoever keeps a run: claim, commit, read.
//! Every sentence here is a case of the conformance suite, which each backend runs unchanged.

use crate::model::Digest;
use crate::model::FailurePolicy;
use crate::model::RunId;
use crate::model::RunStatus;
use crate::model::SkipReason;
use crate::model::TaskIdx;
use crate::state::Archive;
use crate::state::Buckets;
use crate::state::Error;
use crate::state::Health;
use crate::state::Journal;
use crate::state::Notice;
use crate::state::RunShape;
use async_trait::async_trait;
use bytes::Bytes;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
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

/// One incarnation of a host process; never used twice.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostId(pub Arc<str>);

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

/// A task, or an element of a `for-each` task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId {
    /// The task.
    pub task: TaskIdx,
    /// The element.
    pub item: Option<u32>,
}

/// The right to settle a node once. Another claim of the same node has another token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub u64);

/// A node that was handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Which node.
    pub node: NodeId,
    /// The right to settle it.
    pub token: Token,
    /// One plus the retries so far.
    pub attempt: u32,
    /// How often the node was taken over from a host that lost its lease, since it was last settled otherwise than by a
    /// release.
    pub takeovers: u32,
    /// From whom it was taken over now.
    pub from: Option<HostId>,
    /// How far the node has come.
    pub stage: Stage,
}

/// How far a claimed node has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// All that it waits for has ended.
    Ready,
    /// The same, and something that it waits for was skipped or has failed: most likely it will be skipped too. The
    /// claim takes neither slots nor resources. If the node is to run after all, its holder releases it, and it is
    /// handed out as [`Stage::Ready`] when there is room.
    Tainted,
    /// It was expanded, and its elements have ended; or one has failed and the policy does not keep going.
    Expanded {
        /// How many elements it has.
        items: u32,
    },
    /// The node is [`Shape::closing`]: every wanted task has ended and none has failed. Whether the run has succeeded is
    /// for its holder to say, by [`Outcome::Passed`] or [`Outcome::Failed`]. The claim takes neither slots nor resources.
    Closing,
}

/// How the holder of a token settles its node.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// The right to do so.
    pub token: Token,
    /// The settlement.
    pub outcome: Outcome,
}

/// What becomes of a claimed node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The task is done: put its result.
    Done(Bytes),
    /// The task is skipped: mark why.
    Skipped(SkipReason),
    /// The task has failed for good: put its error record.
    Failed(Bytes),
    /// The attempt failed; the node is handed out again after the delay, with the next attempt number.
    Retry(Duration),
    /// The node is handed out again at once, with the same attempt number.
    Release,
    /// The run has succeeded; nothing is stored. Settles [`Stage::Closing`], and no other stage.
    Passed,
    /// The node is handed out again once these tasks have ended too.
    Await(Vec<TaskIdx>),
    /// The node becomes this many elements, each handed out on its own; the node itself follows once they have ended.
    /// Elements that are stored already are not handed out again.
    Expand {
        /// How many elements.
        items: u32,
        /// How many may be claimed at the same time, over all hosts.
        max_parallel: Option<NonZeroU32>,
    },
}

impl Outcome {
    /// Whether a claim of this stage may be settled so.
    pub(crate) const fn suits(&self, stage: Stage) -> bool {
        match self {
            Self::Passed => matches!(stage, Stage::Closing),
            Self::Failed(_) | Self::Release => true,
            Self::Done(_) | Self::Skipped(_) | Self::Retry(_) | Self::Await(_) | Self::Expand { .. } => {
                !matches!(stage, Stage::Closing)
            }
        }
    }
}

/// What a host asks for along with its settlements.
#[derive(Debug, Clone, Default)]
pub struct Want {
    /// At most this many nodes.
    pub slots: u32,
    /// What is free of each resource that hosts have themselves, by position in the shape; shared ones are ignored.
    /// Fewer entries stand for nothing free. A host that asks for more nodes than it can begin with may tell more than
    /// it has; it is handed no node for which all that it has is too little, but as [`crate::state::Scope`] says.
    pub free: Vec<u32>,
}

/// The answer to a commit.
#[derive(Debug, Clone)]
pub struct Reply {
    /// What became of each settlement, in order.
    pub verdicts: Vec<Verdict>,
    /// Nodes handed out, best first. Nodes that a skip or failure made ready, and expanded ones, come before all
    /// others and take neither slots nor resources; after a failure that stops the run only they are handed out.
    pub claims: Vec<Claim>,
    /// Nodes that would have been handed out, had there been more of a resource; each is named once, to one host. Of
    /// the elements of a task only the next one is.
    pub blocked: Vec<Blocked>,
    /// Where the run stands.
    pub progress: Progress,
    /// For [`Ledger::changed`].
    pub version: Version,
}

/// A node that waits for a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocked {
    /// Which node.
    pub node: NodeId,
    /// The first resource that was short.
    pub resource: usize,
}

/// What became of a settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is committed; dependents may start.
    Committed,
    /// The same settlement was committed before: the answer was lost, the result was not.
    Duplicate,
    /// The token was lost to another claim, or the epoch has ended; nothing was written.
    Fenced,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Running, or how it ended. It ends when nothing is claimed any more and every wanted task has ended, or a failure
    /// or a request has stopped it; and it has succeeded only once its closing node, if it has one, has passed.
    pub status: RunStatus,
    /// Why nothing new is handed out, if so.
    pub stop: Option<Stop>,
    /// Wanted tasks that have not ended.
    pub open: u32,
    /// Wanted tasks.
    pub total: u32,
}

/// Why a run hands out nothing new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// A task failed and the policy lets running tasks finish.
    Failure,
    /// A task failed and the policy stops running tasks.
    FailFast,
    /// Somebody cancelled the run.
    Cancelled,
}

/// A point in the life of a run, for waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Version(pub u64);

/// What is stored of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Nothing yet.
    Open,
    /// Its result.
    Done(Bytes),
    /// Why it was skipped.
    Skipped(SkipReason),
    /// Its error record.
    Failed(Bytes),
}

/// A claim that a door which keeps its claims has lost all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// What held it.
    pub token: Token,
    /// How certain that is.
    pub certainty: Certainty,
}

/// How certain it is that a claim was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    /// Another has the node, or the life of the run is over: a settlement will be fenced.
    Taken,
    /// The lease has passed by this host's own clock, and the backend has confirmed no other: somebody may have the
    /// node by now. While nobody has, a settlement counts.
    Unconfirmed,
}

/// One run as one host sees it.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Settles nodes and claims others, in one step: either all of it happens or none.
    ///
    /// Results are stored before any dependent is handed out, to anyone. Repeating a commit whose answer was lost
    /// is safe: what was committed is answered with [`Verdict::Duplicate`].
    async fn commit(&self, batch: Vec<Settlement>, want: Want) -> Result<Reply, Error>;

    /// What is stored of each node, in order.
    async fn fetch(&self, nodes: &[NodeId]) -> Result<Vec<Entry>, Error>;

    /// Keeps all that this host has claimed and will claim, from now on until it is settled, lost or left with the door:
    /// the ledger renews leases by itself, however busy or blocked the threads of this process are, and counts as the
    /// host's sign of life.
    ///
    /// What is lost all the same is told here, once and as soon as it is known; its guest is to be stopped. Called once
    /// for a door; fails only where this process cannot do it. A host that does not keep its claims renews them.
    fn keep_leases(&self) -> Result<UnboundedReceiver<Loss>, Error>;

    /// Holds claims for another lease; gives those that were lost. A claim whose lease has passed is lost once the
    /// node was handed out to another holder, not before.
    async fn renew(&self, held: &[Token]) -> Result<Vec<Token>, Error>;

    /// Waits until a node may have become claimable, or the run's progress may have changed, since `seen`.
    ///
    /// May wake for nothing. Cancel safe: dropping the future loses no wake-up.
    async fn changed(&self, seen: Version) -> Result<(), Error>;

    /// Cancels the run for all its hosts.
    async fn cancel(&self) -> Result<(), Error>;

    /// Works on the run no more, as dropping the door does, and waits until the backend has been told, if that takes
    /// no longer than a second or so.
    async fn leave(&self) {}

    /// What happened to the backend since the last time somebody asked; each notice is given once.
    fn notices(&self) -> Vec<Notice> {
        Vec::new()
    }
}
