//! The ledger port: how the engine claims, settles and reads the nodes of one run.
//! Opening runs is left to `backend.rs`. The conformance suite checks every sentence of this contract.

use crate::model::{RunStatus, SkipReason};
use crate::state::id::{CallDigest, HostId, NodeId, Token};
use crate::state::{Error, ErrorKind, Hole, Notice, RunShape};
use async_trait::async_trait;
use bytes::Bytes;
use std::num::NonZeroU32;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;

/// The right of one host to settle one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The claimed node.
    pub node: NodeId,
    /// The token that settles the claim.
    pub token: Token,
    /// One plus the retries so far; of the current iteration, if the node repeats.
    pub attempt: u32,
    /// The step of the last retry; of the current iteration, if the node repeats. Zero before the first one. By its lowest four
    /// bits a node takes more of the elastic resource ([`RunShape::larger`]).
    pub step: u8,
    /// Number of stored iterations of the node, and so the position of the one to be computed. Zero unless the node
    /// repeats ([`crate::state::TaskShape::is_repeated`]).
    pub iteration: u32,
    /// Number of takeovers since the node's last settlement other than a release. A takeover means that the former
    /// holder lost its lease.
    pub takeovers: u32,
    /// The former holder, if this claim is a takeover.
    pub from: Option<HostId>,
    /// The node's stage.
    pub stage: Stage,
    /// A result that the node had under another plan, before an update. A host that would make the same call settles the
    /// node with [`Outcome::Accepted`]. Only in [`Stage::Ready`].
    pub offer: Option<Offer>,
    /// For a node that can be expanded: into how many elements other nodes of the task with as many indexes have been
    /// expanded. Zero for a task itself, and for nodes in other stages than [`Stage::Ready`] and [`Stage::Overdue`].
    pub elements: u32,
    /// Whether all elements have results of an earlier life, or were skipped, so that nothing below the node is new. Only in
    /// [`Stage::Expanded`].
    pub is_kept: bool,
    /// The task's deadline that passes first, if it has any. [`Stage::Ready`] and [`Stage::Overdue`] have it.
    pub deadline: Option<Deadline>,
}

/// The time that a deadline leaves a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// The position of the deadline in [`RunShape::deadlines`].
    pub position: u32,
    /// The time from the reply on. The holder of a claim stops its guest then, and settles the node as it settles one in
    /// [`Stage::Overdue`]. The ledger leaves nodes that are held to their holders.
    pub left: Duration,
}

/// The offer of a claim: a result of another plan, or iterations of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// The call that has led to it.
    pub call: CallDigest,
    /// Whether it is a result, or iterations alone.
    pub is_done: bool,
}

/// The stage of a claimed node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Everything that the node waits for has ended.
    Ready,
    /// Ready, but at least one dependency was skipped or has failed, so the node will most likely be skipped. The claim
    /// takes neither slots nor resources. If the node runs after all, its holder releases it; it is then handed out as
    /// [`Stage::Ready`] once there is capacity.
    Tainted,
    /// The node was expanded, and its elements have ended, or one has failed and the policy does not keep going. An
    /// element that was skipped because of a failure counts as failed here.
    Expanded {
        /// Number of elements.
        items: u32,
    },
    /// The node is [`crate::state::RunShape::closing`]: every included task has ended and none has failed. The holder decides
    /// whether the run succeeds, by [`Outcome::Passed`] or [`Outcome::Failed`]. The claim takes neither slots nor resources.
    Closing,
    /// A deadline of the node has passed, so it is not to be computed. The claim takes neither slots nor resources. The
    /// holder settles the node as failed, as left out of its list, as skipped, or as done with a failure as its value; or
    /// expands it into elements, which are overdue in turn.
    Overdue,
}

/// A settlement: a token and its outcome.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// The token of the claim.
    pub token: Token,
    /// The outcome of the node.
    pub outcome: Outcome,
    /// The call that has led to [`Outcome::Done`], [`Outcome::LeftOut`], [`Outcome::Iterated`] or [`Outcome::Accepted`]; all
    /// iterations of a node have one. Under another plan the result is offered with it. Without, it is removed.
    pub call: Option<CallDigest>,
}

/// The outcome of a claimed node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The task is done, with this result.
    Done(Bytes),
    /// The task is skipped, for this reason.
    Skipped(SkipReason),
    /// The element has failed and is left out of its list. The [`crate::port::Hole`] is kept as a result is, and counts as one: nodes that
    /// wait for the element may start.
    LeftOut(Box<Hole>),
    /// The task has failed, and will not be retried; with this error record.
    Failed(Bytes),
    /// The attempt failed. The node is handed out again after the delay, with the next attempt number. Ledgers count at least
    /// 16,000,000 attempts.
    Retry {
        /// The delay.
        delay: Duration,
        /// A number for the next claims of the node ([`Claim::step`]), also if another host takes over.
        step: u8,
    },
    /// The node is handed out again at once, with the same attempt number.
    Release,
    /// The node has ended well, and nothing is stored: the run has succeeded, or all elements of the node are done and
    /// nobody reads them as one list. Settles [`Stage::Closing`] and [`Stage::Expanded`], and no other stage.
    Passed,
    /// The node is handed out again once these nodes have ended too.
    Await(Vec<NodeId>),
    /// An iteration of a node that repeats has this result. The result is stored under the node's name, `@` and
    /// [`Claim::iteration`]. The node is handed out again at once, for the next iteration, with attempt number one.
    Iterated(Bytes),
    /// What the claim offers is stored. The node is done, or if the offer has no result, it is handed out again at once for
    /// the next iteration. If the offer is gone, it is handed out again without.
    Accepted,
    /// Replaces the node by this many elements, each handed out separately once everything that it waits for has ended.
    /// The node itself follows once they have ended. Elements with a stored result are not handed out again; stored
    /// elements at or beyond `items` are ignored.
    ///
    /// A node other than a task itself is handed out again instead, if `items` and [`Claim::elements`] of that moment are
    /// more than [`RunShape::max_elements`]. Elements stored under nodes that have ended with a result count in later lives.
    Expand {
        /// Number of elements.
        items: u32,
        /// Most elements worked on at the same time, over all hosts: claimed, or expanded and not ended.
        max_parallel: Option<NonZeroU32>,
    },
}

impl Settlement {
    /// Creates the settlement of an outcome that no other plan can use.
    #[must_use]
    pub const fn new(token: Token, outcome: Outcome) -> Self {
        Self { token, outcome, call: None }
    }

    /// Fails with [`ErrorKind::Misuse`] for what the contract forbids: an outcome that does not suit the claimed node or
    /// its stage.
    ///
    /// Backends check a whole batch before they write anything. Tokens that hold nothing have no node to check.
    pub fn check(&self, shape: &RunShape, node: NodeId, stage: Stage) -> Result<(), Error> {
        let misuse = |doing: &str| Err(Error::new(ErrorKind::Misuse, doing));
        if !self.outcome.suits(stage) {
            return misuse("settling a claim with an outcome that its stage does not allow");
        }
        match &self.outcome {
            Outcome::Expand { .. } => {
                let can = shape.tasks.get(node.task.index()).is_some_and(|task| task.is_expandable(&node.at))
                    && !matches!(stage, Stage::Expanded { .. });
                if can { Ok(()) } else { misuse("expanding a node that has no elements") }
            }
            Outcome::Iterated(_) => {
                let can = stage == Stage::Ready
                    && shape.tasks.get(node.task.index()).is_some_and(|task| task.repeats(&node.at));
                if can { Ok(()) } else { misuse("storing an iteration of a node that does not repeat") }
            }
            Outcome::LeftOut(_) if node.at.level() == 0 => misuse("leaving out what is no element"),
            Outcome::Await(nodes)
                if nodes.iter().any(|node| shape.tasks.get(node.task.index()).is_none()) =>
            {
                misuse("waiting for a task that the run does not have")
            }
            Outcome::Await(_)
            | Outcome::Done(_)
            | Outcome::Skipped(_)
            | Outcome::LeftOut(_)
            | Outcome::Failed(_)
            | Outcome::Retry { .. }
            | Outcome::Passed
            | Outcome::Accepted
            | Outcome::Release => Ok(()),
        }
    }
}

impl Outcome {
    /// Whether a claim of this stage may be settled so.
    const fn suits(&self, stage: Stage) -> bool {
        match self {
            Self::Accepted => matches!(stage, Stage::Ready),
            Self::Passed => matches!(stage, Stage::Closing | Stage::Expanded { .. }),
            Self::Failed(_) | Self::Release => true,
            Self::Done(_) | Self::Skipped(_) | Self::LeftOut(_) | Self::Expand { .. } => {
                !matches!(stage, Stage::Closing)
            }
            Self::Retry { .. } | Self::Await(_) | Self::Iterated(_) => {
                !matches!(stage, Stage::Closing | Stage::Overdue)
            }
        }
    }
}

/// Maximum number of claims without a slot in one reply. A wide graph of skipped tasks must neither go to one host alone
/// nor fill its memory.
pub const MAX_SLOTLESS_CLAIMS: u32 = 256;

/// A host's request for claims, sent along with its settlements.
#[derive(Debug, Clone, Default)]
pub struct Want {
    /// Maximum number of nodes with a slot to claim.
    ///
    /// Slotless claims (all stages but [`Stage::Ready`]) come first and in addition, at most
    /// [`crate::port::limits::MAX_SLOTLESS_CLAIMS`]. The others follow by rank, then in the order in which they became
    /// ready. A blocked node is passed over for nodes of other classes.
    pub slots: u32,
    /// The free amount of each resource, by position in the shape. Shared resources are ignored; missing entries count
    /// as zero. For prefetch, a host may report more than is free. The host is never handed a node that needs more than
    /// its total amount, except as [`crate::state::ResourceScope`] says.
    pub free: Vec<u32>,
}

/// The answer to a commit.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The verdict on each settlement, in order.
    pub verdicts: Vec<Verdict>,
    /// Claimed nodes, in the order that [`Want::slots`] describes. Slotless ones take no resources either. After a failure
    /// that stops the run, only these are handed out; after a cancellation or the run's deadline, none.
    pub claims: Vec<Claim>,
    /// Nodes that were held back for lack of a resource. Each is reported once, to one host. Of the elements of a task
    /// only the next one is reported.
    pub blocked: Vec<Blocked>,
    /// The run's progress.
    pub progress: Progress,
    /// The version to pass to [`Ledger::changed`].
    pub version: Version,
}

/// A node that waits for a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocked {
    /// The waiting node.
    pub node: NodeId,
    /// The first resource that was short, by position in the shape.
    pub resource: usize,
}

/// The verdict on a settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Committed; dependents may start.
    Committed,
    /// The token was settled before, with whatever outcome. Nothing was written.
    Duplicate,
    /// The token was lost to another claim, or belongs to an earlier life. Nothing was written.
    Fenced,
}

/// The progress of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Running, or how the run ended. The run ends when no claim is left and either all included tasks have ended or the
    /// run was stopped. It succeeds only after its closing node, if any, has passed. Its finally tasks, if any, come last.
    pub status: RunStatus,
    /// The reason why no new node is handed out, if there is one.
    pub stop: Option<Stop>,
    /// Number of included tasks that have not ended.
    pub open: u32,
    /// Number of included tasks.
    pub total: u32,
    /// The time left until the run's deadline, if it has one that still binds it.
    pub left: Option<Duration>,
    /// The ending of a run whose finally tasks are handed out. None before that, and in a run without.
    pub ending: Option<RunStatus>,
}

/// The reason why a run hands out no new nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// A task failed and the policy lets running tasks finish.
    Failure,
    /// A task failed and the policy stops running tasks.
    FailFast,
    /// The run was cancelled.
    Cancelled,
    /// The run's deadline has passed.
    TimedOut,
}

impl Stop {
    /// Returns the status of a run that ends without further claims, because it was stopped so; none after a failure, which
    /// skipped and expanded nodes may follow.
    #[must_use]
    pub const fn ends_as(self) -> Option<RunStatus> {
        match self {
            Self::Failure | Self::FailFast => None,
            Self::Cancelled => Some(RunStatus::Cancelled),
            Self::TimedOut => Some(RunStatus::TimedOut),
        }
    }
}

/// A version of the run's state; grows with each change that can wake a waiter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Version(pub u64);

/// The stored state of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Not ended.
    Open,
    /// Done, with the result.
    Done(Bytes),
    /// Left out of its list.
    LeftOut(Box<Hole>),
    /// Skipped, with the reason.
    Skipped(SkipReason),
    /// Failed, with the error record.
    Failed(Bytes),
}

impl Entry {
    /// Returns what is stored as a result: a result, or a hole.
    pub(crate) fn of_stored(stored: Bytes) -> Self {
        Hole::decode(&stored).map_or(Self::Done(stored), |hole| Self::LeftOut(Box::new(hole)))
    }
}

/// A claim that was lost despite lease renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// The token of the claim.
    pub token: Token,
    /// The certainty of the loss.
    pub certainty: Certainty,
}

/// Certainty that a claim was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    /// Another host has claimed the node, the run has ended, or its life is over. A settlement will be fenced.
    Taken,
    /// The lease has expired by this host's clock, and the last attempt to renew it got no reply. Another host may have
    /// claimed the node; until one has, a settlement is accepted.
    Unconfirmed,
}

/// One run, as one host sees it.
///
/// # Calls
///
/// A host calls [`Self::keep_leases`] first. Then it calls [`Self::commit`], one at a time, beside [`Self::fetch`] (many)
/// and [`Self::changed`] (one, dropped and renewed). At the end it may call [`Self::claim_end`], calls [`Self::leave`] and
/// drops the ledger.
///
/// # Threads and runtimes
///
/// Methods are called on a tokio runtime with timers and I/O. They must not block: put blocking work on
/// `spawn_blocking` or a thread of your own. Calls may come from several runtimes, so nothing may depend on the runtime
/// of the first call. Any future may be dropped; a step that has begun then happens completely or not at all. Dropping
/// the ledger must not block.
///
/// # Time
///
/// Leases, delays and deadlines use one clock that all hosts of the store see alike and that does not jump: the server's,
/// or for a store on one machine a monotonic clock. Wall time is only for what people read.
///
/// # Deadlines
///
/// When a deadline of tasks passes, their open nodes are handed out as [`Stage::Overdue`], as [`crate::port::DeadlineScope`]
/// says; so are those that are queued later, unless they are tainted or expanded. When the run's deadline passes, the run
/// is stopped as by a cancellation, and ends as [`RunStatus::TimedOut`]. After another stop, deadlines of tasks do nothing.
///
/// Time passes while hosts have the run open. A life that follows an interrupted one, under the same digest, goes on with
/// the time that has passed. Under another digest, and after a run that has ended, all time begins anew; so does that of
/// a deadline that has passed, or of which a task has failed.
///
/// # Ending
///
/// If the shape has finally tasks, the run does not end at once. [`Progress::ending`] says from then on how it will. What
/// is queued is dropped, claims of other nodes that have expired are lost, and the stop and the run's deadline no longer
/// hold. Then the finally tasks are handed out, to any host. Whatever becomes of one, those that do not need it go on.
/// Once all have ended, or after another cancellation, the run ends as the ending says.
///
/// A life that follows an interrupted ending under the same digest goes on with its open finally tasks alone, unless it
/// includes tasks that the former one did not. So does one that follows a success, if it has nothing else to run. In any
/// other life the finally tasks run again: what they did before is discarded, and not offered.
///
/// # Lives
///
/// A life of a run lasts from an opening that does not join to the next such opening, or to a loss of data. A ledger that
/// detects a loss opens the run again by itself: it answers the settlements of the ended life with [`Verdict::Fenced`],
/// reports the claims of that life as [`Certainty::Taken`], and goes on in the new life.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Settles claims and claims new nodes in one atomic step.
    ///
    /// Results are stored before any dependent is handed out to any host. Each settlement gets a verdict; fenced and
    /// duplicate ones write nothing and do not affect the others. If one is forbidden ([`Settlement::check`]), the commit
    /// fails and writes nothing.
    ///
    /// The caller does not repeat a commit: an error ends the host's work. So a backend repeats lost requests itself, and
    /// returns the original reply with its claims. A second commit of settled tokens gets [`Verdict::Duplicate`], at least
    /// for the tokens of this host's last commit in this life, whatever the outcome.
    ///
    /// The first poll may happen under a lock and with a waker that does nothing. Return `Pending` from it unless the reply
    /// needs no I/O; a later poll brings a real waker.
    async fn commit(&self, batch: Vec<Settlement>, want: Want) -> Result<Reply, Error>;

    /// Returns how many nodes with a slot one commit hands out, if as many are ready and fit. Asking for more is safe, but
    /// the ledger need not hand out more at once, and may take longer for each. Never changes.
    fn max_claims(&self) -> u32;

    /// Returns the stored state of each node, in order.
    async fn fetch(&self, nodes: &[NodeId]) -> Result<Vec<Entry>, Error>;

    /// Returns the nodes that have failed, in any order; also the closing node. Those left out of their list are not among
    /// them.
    async fn failed(&self) -> Result<Vec<NodeId>, Error>;

    /// Returns the stored result of one iteration of a node; none if it is not stored.
    ///
    /// The iterations of a node are stored in order, without gaps. A resumed run keeps them as it keeps results, whether
    /// or not the node has ended, and goes on after the last one.
    async fn fetch_iteration(&self, node: NodeId, iteration: u32) -> Result<Option<Bytes>, Error>;

    /// Starts the heartbeat: renews the leases of all present and future claims of this host until they are settled,
    /// lost, or abandoned because the ledger was dropped. Renewal does not depend on how busy or blocked this process's
    /// threads are.
    ///
    /// Losses are sent on the returned channel as soon as they are known, and the host stops their guests: for each token
    /// at most one [`Certainty::Unconfirmed`], then at most one [`Certainty::Taken`]. `Unconfirmed` is sent after a failed
    /// attempt to renew a lease that has expired by this host's clock.
    ///
    /// Called at most once per ledger. Fails only if this process cannot renew leases.
    fn keep_leases(&self) -> Result<UnboundedReceiver<Loss>, Error>;

    /// Renews the leases of `held` once and returns the claims that were lost. A claim with an expired lease is lost only
    /// once the node has been handed out to another holder.
    ///
    /// Hosts of this crate call [`Self::keep_leases`] instead. The conformance suite calls this to control the time.
    async fn renew(&self, held: &[Token]) -> Result<Vec<Token>, Error>;

    /// Waits until a node may have become claimable, or the run's progress may have changed, since `seen`.
    ///
    /// Spurious wake-ups are possible. Cancel safe: dropping the future loses no wake-up.
    async fn changed(&self, seen: Version) -> Result<(), Error>;

    /// Cancels the run for all its hosts, as [`crate::port::Archive::cancel`] does.
    ///
    /// Hosts of this crate call it for a run that another run takes the place of; the command `cancel` uses the archive.
    async fn cancel(&self) -> Result<(), Error>;

    /// Returns whether this host is the one that tells others of the end of the run: once the run has ended in this life,
    /// the first host that asks, however often it does. False for all hosts if the run has succeeded in the life before and
    /// again in this one, which has stored no result.
    async fn claim_end(&self) -> Result<bool, Error>;

    /// Stops working on the run, as dropping the ledger does, and waits up to about a second for the backend to confirm
    /// it. Only dropping follows; other hosts may then take over this host's claims at once. The default does nothing, which
    /// suffices if dropping takes effect at once.
    async fn leave(&self) {}

    /// Returns the backend's notices since the last call; each is returned once.
    fn notices(&self) -> Vec<Notice> {
        Vec::new()
    }
}
