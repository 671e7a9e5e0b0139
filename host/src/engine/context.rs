//! What all jobs of a run on this host share: the doors to other modules, and what is made once for many jobs.
//! What each job does with it stands in `job`.

use crate::cache::Cache;
use crate::engine::Interrupt;
use crate::engine::closing::Closed;
use crate::engine::digests::Digests;
use crate::engine::expansion::Expansion;
use crate::engine::finish::Shown;
use crate::engine::resolve::Unresolved;
use crate::engine::single_flight::SingleFlight;
use crate::engine::verify::Verification;
use crate::events::{Fact, Recorder, Subject};
use crate::invoke::Invoker;
use crate::model::{Random, RunId, TaskIdx};
use crate::plan::Bound;
use crate::state::{Ledger, NodeId, RunShape, Token};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use tokio::sync::watch;
use tokio::time::Instant;

/// What all jobs of a run share.
pub(crate) struct Context {
    pub(crate) run: RunId,
    pub(crate) bound: Arc<Bound>,
    pub(crate) shape: Arc<RunShape>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) invoker: Arc<dyn Invoker>,
    pub(crate) cache: Option<Arc<dyn Cache>>,
    pub(crate) recorder: Recorder,
    pub(crate) interrupt: watch::Receiver<Interrupt>,
    pub(crate) epoch: u64,
    pub(crate) digests: Digests,
    pub(crate) single_flight: SingleFlight,
    pub(crate) verification: Verification,
    pub(crate) shown: Shown,
    /// Where jobs tell that they wait for others and need no room.
    pub(crate) slot_requests: UnboundedSender<SlotRequest>,
    pub(crate) shared: SharedCaches,
}

/// What jobs that wait for others tell the loop.
pub(crate) enum SlotRequest {
    /// The job needs no room while it waits.
    Release(Token),
    /// It needs room again: is there some?
    Reacquire(Token, oneshot::Sender<bool>),
}

/// What is made once for many jobs. Mutexes because jobs run on many threads.
pub(crate) struct SharedCaches {
    /// Each section is a look-up.
    expansions: Mutex<HashMap<TaskIdx, Arc<ExpansionCell>>>,
    /// Nodes of which it was told that they are ready when they were blocked; each section is a look-up.
    ready_emitted: Mutex<HashSet<NodeId>>,
    /// Tasks that were skipped, with those that their skips began with; each section is a look-up.
    root_causes: Mutex<HashMap<TaskIdx, TaskIdx>>,
    /// Each section is an assignment.
    pub(crate) closed: Mutex<Closed>,
    /// Each section is a draw.
    random: Mutex<Random>,
}

/// The expansion of one task. Whoever comes first makes it; its siblings wait rather than make it again.
type ExpansionCell = Mutex<Option<TimedExpansion>>;

/// An expansion, and when it was made.
type TimedExpansion = (Instant, Arc<Expansion>);

impl SharedCaches {
    /// Nothing yet; chance is seeded.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            expansions: Mutex::default(),
            ready_emitted: Mutex::default(),
            root_causes: Mutex::default(),
            closed: Mutex::default(),
            random: Mutex::new(Random::seeded(seed)),
        }
    }
}

impl Context {
    /// Whether nothing new is to be started.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.interrupt.borrow() != Interrupt::None
    }

    /// Whether a task belongs to this run.
    pub(crate) fn is_wanted(&self, task: TaskIdx) -> bool {
        self.shape.tasks.get(task.index()).is_some_and(|task| task.is_wanted)
    }

    /// The expansion of a task, made once for all its elements.
    pub(crate) fn expansion(
        &self,
        task: TaskIdx,
        make: impl FnOnce() -> Result<Expansion, Unresolved>,
    ) -> Result<Arc<Expansion>, Unresolved> {
        let mut expansions = self.shared.expansions.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = Arc::clone(expansions.entry(task).or_default());
        drop(expansions);
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, expansion)) = &*slot {
            return Ok(Arc::clone(expansion));
        }
        let expansion = Arc::new(make()?);
        *slot = Some((Instant::now(), Arc::clone(&expansion)));
        Ok(expansion)
    }

    /// Drops the expansion of a task whose elements have ended; gives how long ago it was made, zero where another
    /// host has made it.
    pub(crate) fn forget_expansion(&self, task: TaskIdx) -> Duration {
        let mut expansions = self.shared.expansions.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(slot) = expansions.remove(&task) else {
            return Duration::ZERO;
        };
        drop(expansions);
        let made = slot.lock().unwrap_or_else(PoisonError::into_inner);
        made.as_ref().map_or(Duration::ZERO, |(began, _)| began.elapsed())
    }

    /// Tells that a job waits for what another makes, so that its room may be given away until it ends.
    pub(crate) fn release_slot(&self, token: Token) {
        // A loop that has ended has no room to give.
        let _is_heard = self.slot_requests.send(SlotRequest::Release(token)).is_ok();
    }

    /// Asks for room for a job that has given its own away; whether there is some, which it has then.
    pub(crate) async fn reacquire_slot(&self, token: Token) -> bool {
        let (answer, answered) = oneshot::channel();
        self.slot_requests.send(SlotRequest::Reacquire(token, answer)).is_ok()
            && answered.await.unwrap_or(false)
    }

    /// A node of which it was told that it is ready will be handed out again: that need not be told twice.
    pub(crate) fn mark_ready_emitted(&self, node: NodeId) {
        self.ready_emitted().insert(node);
    }

    /// Tells that a node is ready, unless that was told when it was blocked.
    pub(crate) fn emit_ready(&self, node: NodeId, subject: Subject) {
        let mut announced = self.ready_emitted();
        let is_told = !announced.is_empty() && announced.remove(&node);
        drop(announced);
        if !is_told {
            self.recorder.task(subject, Fact::TaskReady);
        }
    }

    /// Tells that a node is ready and lacks a resource.
    pub(crate) fn emit_ready_blocked(&self, node: NodeId, subject: Subject, resource: String) {
        if self.ready_emitted().insert(node) {
            self.recorder.task(subject.clone(), Fact::TaskReady);
        }
        self.recorder.task(subject, Fact::TaskBlocked { resource });
    }

    fn ready_emitted(&self) -> MutexGuard<'_, HashSet<NodeId>> {
        self.shared.ready_emitted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The task with which the skip of another began, if this host has found that out.
    pub(crate) fn root_cause_of(&self, skipped: TaskIdx) -> Option<TaskIdx> {
        self.root_causes().get(&skipped).copied()
    }

    /// Keeps with which task the skip of another began, for those that are skipped after it.
    pub(crate) fn record_root_cause(&self, skipped: TaskIdx, culprit: TaskIdx) {
        self.root_causes().insert(skipped, culprit);
    }

    fn root_causes(&self) -> MutexGuard<'_, HashMap<TaskIdx, TaskIdx>> {
        self.shared.root_causes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Draws from the run's source of chance.
    pub(crate) fn with_random<T>(&self, draw: impl FnOnce(&mut Random) -> T) -> T {
        draw(&mut self.shared.random.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
