//! State that all jobs of a run on this host share: handles to other modules, and caches of values computed once.
//! `job` uses them.

use crate::cache::Cache;
use crate::engine::begun::Begun;
use crate::engine::closed::Closed;
use crate::engine::deadline::RunDeadline;
use crate::engine::digests::Digests;
use crate::engine::expansion::Expansion;
use crate::engine::finish::Shown;
use crate::engine::interrupt::{Interrupt, Interrupts};
use crate::engine::last_attempts::LastAttempts;
use crate::engine::left_out::LeftOutByTask;
use crate::engine::list_cache::ListCache;
use crate::engine::reserving::Reserving;
use crate::engine::run_facts::AtEnd;
use crate::engine::single_flight::SingleFlight;
use crate::engine::unresolved::Unresolved;
use crate::engine::verify::Verification;
use crate::events::{Fact, Recorder, Subject};
use crate::invoke::Invoker;
use crate::model::{Random, RunId, TaskIdx};
use crate::plan::Bound;
use crate::state::{Backend, Ledger, NodeId, Rerun, RunShape, Token};
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use tokio::sync::watch;
use tokio::time::Instant;

/// Shared state of all jobs of one run on this host.
pub(crate) struct Context {
    pub(crate) run: RunId,
    pub(crate) bound: Arc<Bound>,
    pub(crate) shape: Arc<RunShape>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) invoker: Arc<dyn Invoker>,
    pub(crate) cache: Option<Arc<dyn Cache>>,
    pub(crate) recorder: Recorder,
    pub(crate) interrupts: Interrupts,
    pub(crate) epoch: u64,
    /// Nodes that run again: the cache has no result for them.
    pub(crate) rerun: Rerun,
    pub(crate) digests: Digests,
    pub(crate) single_flight: SingleFlight,
    pub(crate) verification: Verification,
    pub(crate) notes: Option<Arc<dyn Backend>>,
    pub(crate) shown: Shown,
    /// Channel on which jobs release their slot while they wait for others, and ask for it again.
    pub(crate) slot_requests: UnboundedSender<SlotRequest>,
    /// Resources that attempts reserve; none if the plan has none.
    pub(crate) reserving: Option<Reserving>,
    /// Whether nothing new may start, for jobs that wait for their turn.
    pub(crate) stopping: watch::Sender<bool>,
    pub(crate) shared: SharedCaches,
}

/// A job's request to the run loop about its slot.
pub(crate) enum SlotRequest {
    /// Releases the slot: the job waits for another job or host.
    Release(Token),
    /// Asks for a slot again. The reply is true if the job now has one.
    Reacquire(Token, oneshot::Sender<bool>),
    /// Releases the slot: the job waits for its turn at these resources.
    Queue(Token, Arc<[usize]>),
    /// Waits for a slot, before claims that have not started. The reply comes once the job has one.
    Wait(Token, oneshot::Sender<bool>),
}

/// Values computed once for many jobs. Each has a mutex, because jobs run on many threads.
pub(crate) struct SharedCaches {
    /// Expansions of `for-each` tasks. Each critical section is one lookup.
    expansions: Mutex<FxHashMap<NodeId, Arc<ExpansionCell>>>,
    /// Elements of pipelines that run over lists.
    pub(crate) lists: ListCache,
    /// Nodes for which `task.ready` was emitted before they started. Each critical section is one lookup.
    ready_emitted: Mutex<FxHashSet<NodeId>>,
    /// Skipped tasks with the root causes of their skips. Each critical section is one lookup.
    root_causes: Mutex<FxHashMap<NodeId, NodeId>>,
    /// When this host began to work on each node that repeats.
    pub(crate) begun: Begun,
    /// The elements that are left out, until a warning names them.
    pub(crate) left_out: LeftOutByTask,
    /// How attempts of nodes with a deadline have failed.
    pub(crate) last_attempts: LastAttempts,
    /// Outputs that close the run. Each critical section is one assignment.
    pub(crate) closed: Mutex<Closed>,
    /// The run's deadline.
    pub(crate) run_deadline: RunDeadline,
    /// The run's ending.
    pub(crate) at_end: AtEnd,
    /// Source of randomness. Each critical section is one draw.
    random: Mutex<Random>,
}

/// Single-flight cell for the expansion of one node: the first job computes it while its siblings wait.
type ExpansionCell = Mutex<Option<TimedExpansion>>;

/// An expansion, and when it was computed.
type TimedExpansion = (Instant, Arc<Expansion>);

impl SharedCaches {
    /// Creates empty caches and a random source with this seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            expansions: Mutex::default(),
            lists: ListCache::default(),
            ready_emitted: Mutex::default(),
            root_causes: Mutex::default(),
            begun: Begun::default(),
            left_out: LeftOutByTask::default(),
            last_attempts: LastAttempts::default(),
            closed: Mutex::default(),
            run_deadline: RunDeadline::default(),
            at_end: AtEnd::default(),
            random: Mutex::new(Random::seeded(seed)),
        }
    }
}

impl Context {
    /// Returns whether this host must start nothing new.
    pub(crate) fn is_stopping(&self) -> bool {
        self.interrupts.in_force() != Interrupt::None
    }

    /// Returns whether a task belongs to this run.
    pub(crate) fn is_included(&self, task: TaskIdx) -> bool {
        self.shape.tasks.get(task.index()).is_some_and(|task| task.is_included)
    }

    /// Returns the expansion of a node, computed once for all its elements.
    pub(crate) fn expansion(
        &self,
        node: NodeId,
        compute: impl FnOnce() -> Result<Expansion, Unresolved>,
    ) -> Result<Arc<Expansion>, Unresolved> {
        let mut expansions = self.shared.expansions.lock().unwrap_or_else(PoisonError::into_inner);
        let cell = Arc::clone(expansions.entry(node).or_default());
        drop(expansions);
        let mut computed = cell.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, expansion)) = &*computed {
            return Ok(Arc::clone(expansion));
        }
        let expansion = Arc::new(compute()?);
        *computed = Some((Instant::now(), Arc::clone(&expansion)));
        Ok(expansion)
    }

    /// Drops the expansion of a node whose elements have ended.
    ///
    /// Returns the time since it was computed, or zero if another host computed it.
    pub(crate) fn forget_expansion(&self, node: NodeId) -> Duration {
        let mut expansions = self.shared.expansions.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(cell) = expansions.remove(&node) else {
            return Duration::ZERO;
        };
        drop(expansions);
        let computed = cell.lock().unwrap_or_else(PoisonError::into_inner);
        computed.as_ref().map_or(Duration::ZERO, |(when, _)| when.elapsed())
    }

    /// Releases the slot of a job that waits for a result computed elsewhere.
    pub(crate) fn release_slot(&self, token: Token) {
        // A run loop that has ended has no slots to hand out, so a closed channel is no error.
        let _is_received = self.slot_requests.send(SlotRequest::Release(token)).is_ok();
    }

    /// Asks for a slot for a job that released its own. Returns whether the job now has one.
    pub(crate) async fn reacquire_slot(&self, token: Token) -> bool {
        let (reply, receiver) = oneshot::channel();
        self.slot_requests.send(SlotRequest::Reacquire(token, reply)).is_ok()
            && receiver.await.unwrap_or(false)
    }

    /// Releases the slot of a job that waits for its turn at these resources.
    pub(crate) fn queue(&self, token: Token, resources: &Arc<[usize]>) {
        let request = SlotRequest::Queue(token, Arc::clone(resources));
        let _is_received = self.slot_requests.send(request).is_ok();
    }

    /// Waits for a slot for a job that released its own. Returns whether the job now has one. Cancel safe: a slot that nobody
    /// awaits is not given.
    pub(crate) async fn wait_for_slot(&self, token: Token) -> bool {
        let (reply, receiver) = oneshot::channel();
        self.slot_requests.send(SlotRequest::Wait(token, reply)).is_ok() && receiver.await.unwrap_or(false)
    }

    /// Waits until nothing new may start. Cancel safe.
    pub(crate) async fn stopped(&self) {
        // The sender is in `self`, so waiting cannot fail.
        drop(self.stopping.subscribe().wait_for(|is_stopping| *is_stopping).await);
    }

    /// Remembers that `task.ready` was emitted for this node, so that the next claim does not emit it again.
    pub(crate) fn mark_ready_emitted(&self, node: NodeId) {
        self.ready_emitted().insert(node);
    }

    /// Emits `task.ready`, unless it was emitted earlier for this node.
    pub(crate) fn emit_ready(&self, node: NodeId, subject: Subject) {
        let mut emitted = self.ready_emitted();
        let was_emitted = !emitted.is_empty() && emitted.remove(&node);
        drop(emitted);
        if !was_emitted {
            self.recorder.task(subject, Fact::TaskReady);
        }
    }

    /// Emits that a node is ready but blocked by a lack of `resource`.
    pub(crate) fn emit_ready_blocked(&self, node: NodeId, subject: Subject, resource: String) {
        // A further iteration may be short of a resource too.
        if self.ready_emitted().insert(node) && !self.shared.begun.contains(node) {
            self.recorder.task(subject.clone(), Fact::TaskReady);
        }
        self.recorder.task(subject, Fact::TaskBlocked { resource, shortage: None });
    }

    fn ready_emitted(&self) -> MutexGuard<'_, FxHashSet<NodeId>> {
        self.shared.ready_emitted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the root cause of a skip, if this host has determined it.
    pub(crate) fn root_cause_of(&self, skipped: NodeId) -> Option<NodeId> {
        self.root_causes().get(&skipped).copied()
    }

    /// Remembers the root cause of a task's skip for the tasks skipped after it.
    pub(crate) fn record_root_cause(&self, skipped: NodeId, cause: NodeId) {
        self.root_causes().insert(skipped, cause);
    }

    fn root_causes(&self) -> MutexGuard<'_, FxHashMap<NodeId, NodeId>> {
        self.shared.root_causes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Draws from the run's source of randomness.
    pub(crate) fn with_random<T>(&self, draw: impl FnOnce(&mut Random) -> T) -> T {
        draw(&mut self.shared.random.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
