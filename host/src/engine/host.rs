//! This host's part of a run between two waits: jobs are started, stopped and settled, and what happened is told.
//! When to do what is said by the loop in `run` and the counts in `dispatch`.

use crate::engine::Interrupt;
use crate::engine::context::Context;
use crate::engine::dispatch::Dispatcher;
use crate::engine::dispatch::Next;
use crate::engine::job::Settled;
use crate::engine::job::process;
use crate::events::Fact;
use crate::events::FailureFact;
use crate::events::Subject;
use crate::model::FailureClass;
use crate::model::TaskIdx;
use crate::plan::Plan;
use crate::state::Blocked;
use crate::state::Certainty;
use crate::state::Claim;
use crate::state::Error;
use crate::state::Loss;
use crate::state::NodeId;
use crate::state::Notice;
use crate::state::Outcome;
use crate::state::Reply;
use crate::state::Settlement;
use crate::state::Stage;
use crate::state::Token;
use crate::state::Verdict;
use crate::state::Version;
use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::Arc;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

/// A commit under way.
pub(crate) type Commit = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// What was to be committed, and what the ledger said.
pub(crate) struct Answer {
    batch: Vec<Settled>,
    reply: Result<Reply, Error>,
}

/// How a job ended, as its set tells it.
type Done = Result<(Id, Result<Settled, Error>), JoinError>;

/// This host's part of a run.
pub(crate) struct Host {
    /// What was started and has not ended.
    pub(crate) jobs: JoinSet<Result<Settled, Error>>,
    /// The last that the ledger told.
    pub(crate) version: Version,
    /// What its jobs share.
    pub(crate) ctx: Arc<Context>,
    dispatcher: Dispatcher,
    running: HashMap<Token, Running>,
    tokens: HashMap<Id, Token>,
    batch: Vec<Settled>,
    /// Claims that were told to be lost and are given back, in case that nobody else has them.
    given_up: HashSet<Token>,
    has_heard: bool,
}

/// A job that was started.
struct Running {
    claim: Claim,
    handle: AbortHandle,
    is_stopped: bool,
}

impl Host {
    /// A host that holds nothing and asks for `slots` guests at the same time.
    pub(crate) fn new(ctx: Context, slots: u32) -> Self {
        Self {
            jobs: JoinSet::new(),
            version: Version::default(),
            dispatcher: Dispatcher::new(Arc::clone(&ctx.shape), slots),
            ctx: Arc::new(ctx),
            running: HashMap::new(),
            tokens: HashMap::new(),
            batch: Vec::new(),
            given_up: HashSet::new(),
            has_heard: true,
        }
    }

    /// Tells which results were there before.
    pub(crate) fn tell_stored(&self, stored: &[TaskIdx]) {
        for task in stored {
            if let Some(subject) = self.subject(NodeId { task: *task, item: None }, None) {
                self.ctx.recorder.task(subject, Fact::TaskStored);
            }
        }
    }

    /// Somebody may have told this host to stop.
    pub(crate) fn interrupted(&mut self, interrupt: Interrupt) {
        self.dispatcher.interrupted(interrupt);
    }

    /// The ledger may have something for this host.
    pub(crate) const fn hears_news(&mut self) {
        self.has_heard = true;
    }

    /// Whether there is something to commit or to ask for.
    pub(crate) fn has_news(&self) -> bool {
        self.has_heard || !self.batch.is_empty()
    }

    /// What the loop is to do next.
    pub(crate) fn next(&self) -> Next {
        self.dispatcher.next()
    }

    /// Begins to commit what has ended and to ask for more.
    pub(crate) fn commit(&mut self) -> Commit {
        self.has_heard = false;
        let batch = std::mem::take(&mut self.batch);
        for settled in &batch {
            self.dispatcher.released(settled.claim.token);
        }
        let settlements = batch
            .iter()
            .map(|settled| Settlement { token: settled.claim.token, outcome: settled.outcome.clone() })
            .collect();
        let (ledger, want) = (Arc::clone(&self.ctx.ledger), self.dispatcher.want());
        Box::pin(async move {
            let reply = ledger.commit(settlements, want).await;
            Answer { batch, reply }
        })
    }

    /// Tells what was committed and starts what was handed out.
    pub(crate) fn answered(&mut self, answer: Answer) -> Result<(), Error> {
        self.tell_notices();
        let Reply { verdicts, claims, blocked, progress, version } = answer.reply?;
        for (settled, verdict) in answer.batch.into_iter().zip(verdicts) {
            self.tell(settled, verdict);
        }
        for blocked in blocked {
            self.tell_blocked(blocked);
        }
        self.dispatcher.progressed(progress);
        self.version = version;
        for claim in claims {
            self.start(claim);
        }
        Ok(())
    }

    fn start(&mut self, claim: Claim) {
        self.dispatcher.claimed(&claim);
        if let Some(from) = &claim.from {
            let fact = Fact::TaskTakenOver { from: from.0.to_string(), takeovers: claim.takeovers };
            self.record(&claim, fact);
        }
        let (token, held) = (claim.token, claim.clone());
        let ctx = Arc::clone(&self.ctx);
        let handle = self.jobs.spawn(async move { process(&ctx, claim).await });
        self.tokens.insert(handle.id(), token);
        self.running.insert(token, Running { claim: held, handle, is_stopped: false });
    }

    /// A job has ended: with a settlement, with the backend's failure, or because it was stopped.
    pub(crate) fn ended(&mut self, done: Done) -> Result<(), Error> {
        match done {
            Ok((id, settled)) => {
                let settled = settled?;
                // A job whose lease was lost has been told of, and has nothing to settle.
                if self.forget(id).is_some() {
                    self.batch.push(settled);
                }
                Ok(())
            }
            Err(stopped) => {
                let id = stopped.id();
                if let Ok(panic) = stopped.try_into_panic() {
                    std::panic::resume_unwind(panic);
                }
                let stopped = self.forget(id).map(|running| given_back(running.claim));
                self.batch.extend(stopped);
                Ok(())
            }
        }
    }

    fn forget(&mut self, id: Id) -> Option<Running> {
        let token = self.tokens.remove(&id)?;
        self.running.remove(&token)
    }

    /// Stops guests if their results are not to be waited for. Jobs without a guest end by themselves.
    pub(crate) fn abort_if_told(&mut self) {
        if !self.dispatcher.must_abort() {
            return;
        }
        let plan = self.ctx.bound.plan();
        for running in self.running.values_mut().filter(|running| !running.is_stopped) {
            if running.claim.stage == Stage::Ready && is_call(plan, running.claim.node) {
                running.is_stopped = true;
                running.handle.abort();
            }
        }
    }

    /// A job waits for what another makes: others may have its room.
    pub(crate) fn parked(&mut self, token: Token) {
        if self.dispatcher.parked(token) {
            self.hears_news();
        }
    }

    /// Stops the guest of a claim that is lost. One that may be lost is given back, for whoever is there to have it.
    pub(crate) fn lost(&mut self, loss: Loss) {
        // What is not running any more was settled meanwhile, or its commit will tell that it was lost.
        let running = self.running.remove(&loss.token);
        if let Some(Running { claim, handle, .. }) = running {
            handle.abort();
            self.record(&claim, Fact::TaskLeaseLost);
            match loss.certainty {
                Certainty::Taken => self.hears_news(),
                Certainty::Unconfirmed => {
                    self.given_up.insert(loss.token);
                    self.batch.push(Settled { claim, outcome: Outcome::Release, facts: Vec::new() });
                }
            }
        }
        if loss.certainty == Certainty::Taken {
            self.dispatcher.released(loss.token);
        }
    }

    /// Stops what still runs, now that nobody waits for it: the run has ended without it, or its backend is lost.
    pub(crate) async fn close(&mut self) {
        self.jobs.shutdown().await;
        for (_, running) in std::mem::take(&mut self.running) {
            self.record(&running.claim, Fact::TaskLeaseLost);
        }
    }

    fn tell(&mut self, settled: Settled, verdict: Verdict) {
        if self.given_up.remove(&settled.claim.token) {
            return; // that it was lost was told when its guest was stopped
        }
        match verdict {
            Verdict::Committed | Verdict::Duplicate => {
                for fact in settled.facts {
                    self.record(&settled.claim, fact);
                }
            }
            Verdict::Fenced => self.record(&settled.claim, Fact::TaskLeaseLost),
        }
    }

    /// Tells what the backends have to say beside their answers.
    fn tell_notices(&self) {
        let cache = self.ctx.cache.iter().flat_map(|cache| cache.notices());
        for notice in self.ctx.ledger.notices().into_iter().chain(cache) {
            self.ctx.recorder.run(match notice {
                Notice::Reconnected => Fact::StateReconnected,
                Notice::Warning { code, message } => Fact::Warning { code, message },
            });
        }
    }

    fn tell_blocked(&self, blocked: Blocked) {
        if let Some(subject) = self.subject(blocked.node, None) {
            let resource = self.ctx.shape.resources.get(blocked.resource);
            let resource = resource.map(|resource| resource.name.to_string()).unwrap_or_default();
            self.ctx.announce_blocked(blocked.node, subject, resource);
        }
    }

    fn record(&self, claim: &Claim, fact: Fact) {
        let is_attempt = has_attempt(&fact) && is_call(self.ctx.bound.plan(), claim.node);
        let attempt = is_attempt.then_some(claim.attempt);
        if let Some(subject) = self.subject(claim.node, attempt) {
            self.ctx.recorder.task(subject, fact);
        }
    }

    fn subject(&self, node: NodeId, attempt: Option<u32>) -> Option<Subject> {
        let task = self.ctx.bound.plan().task(node.task)?;
        Some(Subject { task: task.name.clone(), item: node.item, attempt })
    }
}

/// Whether a node is a call, rather than the task around its elements.
fn is_call(plan: &Plan, node: NodeId) -> bool {
    node.item.is_some() || plan.task(node.task).is_some_and(|task| !task.is_for_each())
}

/// What becomes of a node whose guest was stopped.
fn given_back(claim: Claim) -> Settled {
    let failure = FailureFact {
        class: FailureClass::Cancelled,
        error: "stopped before it had finished; it will run again when the run is resumed".to_owned(),
    };
    Settled { claim, outcome: Outcome::Release, facts: vec![Fact::TaskFailed(failure)] }
}

/// Whether a fact is about an attempt, rather than about a node of which none was made.
const fn has_attempt(fact: &Fact) -> bool {
    match fact {
        Fact::TaskStarted
        | Fact::TaskFinished { .. }
        | Fact::TaskFailed(_)
        | Fact::TaskRetrying { .. }
        | Fact::TaskTakenOver { .. }
        | Fact::TaskLeaseLost
        | Fact::TaskProgress { .. }
        | Fact::TaskLog { .. } => true,
        Fact::RunStarted { .. }
        | Fact::RunResumed { .. }
        | Fact::RunFinished { .. }
        | Fact::TaskReady
        | Fact::TaskCached { .. }
        | Fact::TaskStored
        | Fact::TaskSkipped { .. }
        | Fact::TaskBlocked { .. }
        | Fact::StateReconnected
        | Fact::Warning { .. } => false,
    }
}
