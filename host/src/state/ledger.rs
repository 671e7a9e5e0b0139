//! The contract between the engine and whoever keeps a run: claim, commit, read.
//! Every sentence here is a case of the conformance suite, which each backend runs unchanged.

use crate::model::{RunStatus, SkipReason, TaskIdx};
use crate::state::id::{HostId, NodeId, Token};
use crate::state::{Error, Notice};
use async_trait::async_trait;
use bytes::Bytes;
use std::num::NonZeroU32;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;

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
