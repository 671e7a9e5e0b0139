//! The loop of one host on one run: commit what has ended, claim what is ready, start it, wait.
//! What a node needs is found out in `job`; who may have which node is the ledger's to say.

use crate::cache::Cache;
use crate::engine::dispatch::Dispatcher;
use crate::engine::dispatch::Next;
use crate::engine::expansion::Expansion;
use crate::engine::job::Settled;
use crate::engine::job::process;
use crate::engine::resolve::Stuck;
use crate::events::Fact;
use crate::events::FailureFact;
use crate::events::Recorder;
use crate::events::Subject;
use crate::invoke::Invoker;
use crate::model::FailureClass;
use crate::model::Random;
use crate::model::RunId;
use crate::model::RunStatus;
use crate::model::TaskIdx;
use crate::plan::Bound;
use crate::state::Blocked;
use crate::state::Claim;
use crate::state::Error;
use crate::state::Ledger;
use crate::state::NodeId;
use crate::state::Outcome;
use crate::state::Reply;
use crate::state::Settlement;
use crate::state::Shape;
use crate::state::Token;
use crate::state::Verdict;
use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinError, JoinSet};

/// How urgently this host was told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Interrupt {
    /// It was not.
    #[default]
    None,
    /// Start nothing new; finish and commit what runs.
    Drain,
    /// Stop guests now.
    Abort,
}

/// What the engine works with; everything is shared with the application.
pub struct Engine {
    /// Calls functions.
    pub invoker: Arc<dyn Invoker>,
    /// Shares results between runs; none if that is off.
    pub cache: Option<Arc<dyn Cache>>,
    /// Is told what happens.
    pub recorder: Recorder,
    /// Tells when to stop.
    pub interrupt: watch::Receiver<Interrupt>,
}

/// One run to work on.
pub struct Settings {
    /// The run.
    pub run: RunId,
    /// What it computes.
    pub bound: Arc<Bound>,
    /// The door to where it is kept.
    pub ledger: Arc<dyn Ledger>,
    /// The shape that the ledger was opened with.
    pub shape: Arc<Shape>,
    /// The run's epoch.
    pub epoch: u64,
    /// How many guests run at the same time.
    pub slots: u32,
    /// How long a claim is held without being renewed.
    pub lease: Duration,
    /// Seeds the jitter of retries.
    pub seed: u64,
}

/// How this host's part of a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The run itself has ended so.
    Run(RunStatus),
    /// This host was told to stop before; the run can be resumed.
    Interrupted,
}

/// Works on a run until it has ended, or until this host is told to stop.
///
/// Fails only if the state backend or the cache does; guests are stopped then, and nothing is lost that was committed.
pub async fn run(engine: Engine, settings: Settings) -> Result<Ended, Error> {
    let dispatcher = Dispatcher::new(Arc::clone(&settings.shape), settings.slots);
    let lease = settings.lease;
    let mut interrupt = engine.interrupt.clone();
    let ctx = Arc::new(Context {
        run: settings.run,
        bound: settings.bound,
        ledger: settings.ledger,
        invoker: engine.invoker,
        cache: engine.cache,
        recorder: engine.recorder,
        interrupt: engine.interrupt,
        epoch: settings.epoch,
        expansions: Mutex::default(),
        announced: Mutex::default(),
        random: Mutex::new(Random::seeded(settings.seed)),
    });
    let mut host =
        Host { ctx, dispatcher, shape: settings.shape, jobs: JoinSet::new(), running: HashMap::new() };
    let mut renewal = tokio::time::interval(lease / 3);
    renewal.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut batch = Vec::new();
    loop {
        host.dispatcher.interrupted(*interrupt.borrow_and_update());
        let version = host.commit(std::mem::take(&mut batch)).await?;
        match host.dispatcher.next() {
            Next::Ended(status) => return Ok(Ended::Run(status)),
            Next::Interrupted => return Ok(Ended::Interrupted),
            Next::Abort => {
                batch = host.abort_all().await;
                continue;
            }
            Next::Wait => {}
        }
        tokio::select! {
            Some(done) = host.jobs.join_next() => {
                batch.extend(host.ended(done)?);
                while let Some(done) = host.jobs.try_join_next() {
                    batch.extend(host.ended(done)?);
                }
            }
            changed = host.ctx.ledger.changed(version) => changed?,
            changed = interrupt.changed() => {
                if changed.is_err() {
                    // Whoever could interrupt is gone: from now on nobody will.
                    std::future::pending::<()>().await;
                }
            }
            _ = renewal.tick() => host.renew().await?,
        }
    }
}

/// What all jobs of a run share.
pub(crate) struct Context {
    pub(crate) run: RunId,
    pub(crate) bound: Arc<Bound>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) invoker: Arc<dyn Invoker>,
    pub(crate) cache: Option<Arc<dyn Cache>>,
    pub(crate) recorder: Recorder,
    pub(crate) epoch: u64,
    interrupt: watch::Receiver<Interrupt>,
    // Mutexes because jobs run on many threads; each section is a look-up.
    expansions: Mutex<HashMap<TaskIdx, Arc<Expansion>>>,
    announced: Mutex<HashSet<NodeId>>,
    random: Mutex<Random>,
}

impl Context {
    /// Whether nothing new is to be started.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.interrupt.borrow() != Interrupt::None
    }

    /// The expansion of a task, made once for all its elements.
    pub(crate) fn expansion(
        &self,
        task: TaskIdx,
        make: impl FnOnce() -> Result<Expansion, Stuck>,
    ) -> Result<Arc<Expansion>, Stuck> {
        let lock = || self.expansions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(expansion) = lock().get(&task) {
            return Ok(Arc::clone(expansion));
        }
        let expansion = Arc::new(make()?);
        lock().insert(task, Arc::clone(&expansion));
        Ok(expansion)
    }

    /// Drops the expansion of a task whose elements have ended.
    pub(crate) fn forget_expansion(&self, task: TaskIdx) {
        let mut expansions = self.expansions.lock().unwrap_or_else(PoisonError::into_inner);
        expansions.remove(&task);
    }

    /// Tells that a node is ready, unless that was told when it was blocked.
    pub(crate) fn announce(&self, node: NodeId, subject: Subject) {
        let mut announced = self.announced.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = announced.remove(&node);
        drop(announced);
        if !is_known {
            self.recorder.task(subject, Fact::TaskReady);
        }
    }

    /// Draws from the run's source of chance.
    pub(crate) fn with_random<T>(&self, draw: impl FnOnce(&mut Random) -> T) -> T {
        draw(&mut self.random.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// This host's part of a run.
struct Host {
    ctx: Arc<Context>,
    dispatcher: Dispatcher,
    shape: Arc<Shape>,
    jobs: JoinSet<Result<Settled, Error>>,
    running: HashMap<Token, (Claim, AbortHandle)>,
}

impl Host {
    /// Commits what has ended, starts what is handed out for it, and tells both.
    async fn commit(&mut self, batch: Vec<Settled>) -> Result<crate::state::Version, Error> {
        let settlements = batch
            .iter()
            .map(|settled| Settlement { token: settled.claim.token, outcome: settled.outcome.clone() })
            .collect();
        for settled in &batch {
            self.dispatcher.released(settled.claim.token);
        }
        let reply = self.ctx.ledger.commit(settlements, self.dispatcher.want()).await?;
        for (settled, verdict) in batch.into_iter().zip(&reply.verdicts) {
            self.tell(settled, *verdict);
        }
        let Reply { claims, blocked, progress, version, .. } = reply;
        blocked.into_iter().for_each(|blocked| self.tell_blocked(blocked));
        self.dispatcher.progressed(progress);
        claims.into_iter().for_each(|claim| self.start(claim));
        Ok(version)
    }

    fn start(&mut self, claim: Claim) {
        self.dispatcher.claimed(&claim);
        if claim.takeovers > 0 {
            self.record(&claim, Fact::TaskTakenOver { takeovers: claim.takeovers });
        }
        let (token, held) = (claim.token, claim.clone());
        let ctx = Arc::clone(&self.ctx);
        let handle = self.jobs.spawn(async move { process(&ctx, claim).await });
        self.running.insert(token, (held, handle));
    }

    /// A job has ended: with a settlement, with the backend's failure, or because it was stopped.
    fn ended(&mut self, done: Result<Result<Settled, Error>, JoinError>) -> Result<Option<Settled>, Error> {
        match done {
            Ok(settled) => {
                let settled = settled?;
                self.running.remove(&settled.claim.token);
                Ok(Some(settled))
            }
            Err(stopped) => match stopped.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_cancelled) => Ok(None),
            },
        }
    }

    /// Stops every guest; gives back what they were working on, and what had just ended.
    async fn abort_all(&mut self) -> Vec<Settled> {
        self.jobs.abort_all();
        let mut batch = Vec::new();
        while let Some(done) = self.jobs.join_next().await {
            if let Ok(Some(settled)) = self.ended(done) {
                batch.push(settled);
            }
        }
        let stopped: Vec<(Claim, AbortHandle)> = self.running.drain().map(|(_, running)| running).collect();
        for (claim, _) in stopped {
            let failure = FailureFact {
                class: FailureClass::Cancelled,
                error: "stopped before it had finished; it will run again when the run is resumed".to_owned(),
            };
            batch.push(Settled { claim, outcome: Outcome::Release, facts: vec![Fact::TaskFailed(failure)] });
        }
        batch
    }

    async fn renew(&mut self) -> Result<(), Error> {
        let held = self.dispatcher.held();
        if held.is_empty() {
            return Ok(());
        }
        for lost in self.ctx.ledger.renew(&held).await? {
            self.dispatcher.released(lost);
            if let Some((claim, handle)) = self.running.remove(&lost) {
                handle.abort();
                self.record(&claim, Fact::TaskLeaseLost);
            }
        }
        Ok(())
    }

    fn tell(&self, settled: Settled, verdict: Verdict) {
        match verdict {
            Verdict::Committed | Verdict::Duplicate => {
                for fact in settled.facts {
                    self.record(&settled.claim, fact);
                }
            }
            Verdict::Fenced => self.record(&settled.claim, Fact::TaskLeaseLost),
        }
    }

    fn tell_blocked(&self, blocked: Blocked) {
        let Some(subject) = self.subject(blocked.node, None) else {
            return;
        };
        let resource = self.shape.resources.get(blocked.resource).map(|resource| resource.name.to_string());
        self.ctx.announce(blocked.node, subject.clone());
        self.ctx.announced.lock().unwrap_or_else(PoisonError::into_inner).insert(blocked.node);
        self.ctx.recorder.task(subject, Fact::TaskBlocked { resource: resource.unwrap_or_default() });
    }

    fn record(&self, claim: &Claim, fact: Fact) {
        if let Some(subject) = self.subject(claim.node, Some(claim.attempt)) {
            self.ctx.recorder.task(subject, fact);
        }
    }

    fn subject(&self, node: NodeId, attempt: Option<u32>) -> Option<Subject> {
        let task = self.ctx.bound.plan().task(node.task)?;
        Some(Subject { task: task.name.clone(), item: node.item, attempt })
    }
}
