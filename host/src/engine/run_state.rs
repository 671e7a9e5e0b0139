//! This host's part of a run: what it holds, what has ended, what is to be committed; and how each of these changes.
//! Jobs are started and awaited by the loop in `run`; how they come by this state is for `shared_run`.

use crate::engine::Interrupt;
use crate::engine::context::{Context, SlotRequest};
use crate::engine::dispatch::{Action, Dispatcher};
use crate::engine::job::Settled;
use crate::engine::prefetch::PrefetchPolicy;
use crate::events::{Fact, FailureFact};
use crate::model::{FailureClass, to_usize};
use crate::state::{
    Certainty, Claim, Error, Loss, Outcome, Reply, Settlement, Stage, Token, Verdict, Version,
};
use rustc_hash::FxHashMap;
use std::collections::{HashSet, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use tokio::task::{AbortHandle, Id};
use tokio::time::Instant;

/// A commit under way.
pub(crate) type Commit = Pin<Box<dyn Future<Output = CommitReply> + Send>>;

/// What was to be committed, and what the ledger said.
pub(crate) struct CommitReply {
    batch: Vec<PendingSettlement>,
    reply: Result<Reply, Error>,
}

/// A claim that is being settled, and what is to be told once it is.
struct PendingSettlement {
    claim: Claim,
    facts: Vec<Fact>,
}

/// This host's part of a run.
pub(crate) struct RunState {
    ctx: Arc<Context>,
    dispatcher: Dispatcher,
    /// What was claimed and is neither settled nor lost.
    running: FxHashMap<Token, Running>,
    /// Those of them that no job has begun with, and that take a place.
    waiting: VecDeque<Token>,
    /// The same, of those that take none.
    without_slot: VecDeque<Token>,
    prefetch: PrefetchPolicy,
    batch: Vec<Settled>,
    /// Claims that were told to be lost and are given back, in case that nobody else has them.
    returned: HashSet<Token>,
    /// The last that the ledger told.
    version: Version,
    ledger_changed: bool,
    is_committing: bool,
    /// Since when an answer is waited for; none where it came at once.
    sent: Option<Instant>,
}

/// A claim that this host works on.
struct Running {
    claim: Claim,
    /// The job that has it; none before one has begun with it.
    job: Option<AbortHandle>,
    /// When the job began, or when the claim began to wait for one; none while the pace does not ask for it.
    since: Option<Instant>,
    is_stopped: bool,
}

impl RunState {
    /// A host that holds nothing and asks for `slots` guests at the same time.
    pub(crate) fn new(ctx: Arc<Context>, slots: u32) -> Self {
        Self {
            dispatcher: Dispatcher::new(Arc::clone(&ctx.shape), slots),
            ctx,
            running: FxHashMap::default(),
            waiting: VecDeque::new(),
            without_slot: VecDeque::new(),
            prefetch: PrefetchPolicy::default(),
            batch: Vec::new(),
            returned: HashSet::new(),
            version: Version::default(),
            ledger_changed: true,
            is_committing: false,
            sent: None,
        }
    }

    /// Somebody may have told this host to stop.
    pub(crate) fn set_interrupt(&mut self, interrupt: Interrupt) {
        self.dispatcher.set_interrupt(interrupt);
    }

    /// The ledger may have something for this host.
    pub(crate) const fn mark_ledger_changed(&mut self) {
        self.ledger_changed = true;
    }

    /// The last that the ledger told.
    pub(crate) const fn version(&self) -> Version {
        self.version
    }

    /// Whether something is claimed and neither settled nor lost.
    pub(crate) fn is_busy(&self) -> bool {
        !self.running.is_empty()
    }

    /// What the loop is to do next.
    pub(crate) fn next_action(&self) -> Action {
        self.dispatcher.next()
    }

    /// Begins to commit what has ended and to ask for more; nothing if there is neither, or a commit is under way.
    pub(crate) fn commit(&mut self) -> Option<Commit> {
        let has_news = self.ledger_changed || !self.batch.is_empty();
        if self.is_committing || !has_news {
            return None;
        }
        self.ledger_changed = false;
        self.is_committing = true;
        let batch = std::mem::take(&mut self.batch);
        for settled in &batch {
            self.dispatcher.remove(settled.claim.token);
        }
        let (settlements, batch) = batch.into_iter().map(split_facts).unzip();
        let ahead = self.prefetch.prefetch_count(self.dispatcher.slots());
        let (ledger, want) = (Arc::clone(&self.ctx.ledger), self.dispatcher.want(ahead));
        Some(Box::pin(async move {
            let reply = ledger.commit(settlements, want).await;
            CommitReply { batch, reply }
        }))
    }

    /// The answer to a commit is not there at once.
    pub(crate) fn mark_reply_awaited(&mut self) {
        self.sent = Some(Instant::now());
    }

    /// Tells what was committed, and holds what was handed out until jobs begin with it.
    pub(crate) fn handle_reply(&mut self, answer: CommitReply) -> Result<(), Error> {
        self.is_committing = false;
        self.prefetch.record_round_trip(self.sent.take().map(|sent| sent.elapsed()));
        self.ctx.emit_notices();
        let Reply { verdicts, claims, blocked, progress, version } = answer.reply?;
        for (settled, verdict) in answer.batch.into_iter().zip(verdicts) {
            self.emit_verdict(settled, verdict);
        }
        for blocked in blocked {
            self.ctx.emit_blocked(blocked);
        }
        self.dispatcher.set_progress(progress);
        self.version = version;
        for claim in claims {
            self.add_claim(claim);
        }
        Ok(())
    }

    fn add_claim(&mut self, claim: Claim) {
        self.dispatcher.add(&claim);
        if let Some(from) = &claim.from {
            let fact = Fact::TaskTakenOver { from: from.0.to_string(), takeovers: claim.takeovers };
            self.ctx.emit(&claim, fact);
        }
        let since = self.prefetch.is_worthwhile().then(Instant::now);
        if claim.stage == Stage::Ready {
            self.waiting.push_back(claim.token);
        } else {
            self.without_slot.push_back(claim.token);
        }
        self.running.insert(claim.token, Running { claim, job: None, since, is_stopped: false });
    }

    /// Whether there are claims that the loop is to begin with or to give back.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.without_slot.is_empty() || self.surplus() > 0 || self.first_startable().is_some()
    }

    fn take_startable(&mut self) -> Option<Token> {
        if let Some(token) = self.without_slot.pop_front() {
            return Some(token);
        }
        self.first_startable().and_then(|at| self.waiting.remove(at))
    }

    fn first_startable(&self) -> Option<usize> {
        if self.dispatcher.is_full() || self.dispatcher.is_stopping() {
            return None;
        }
        let may_begin =
            |token: &Token| self.dispatcher.has_slot_for(*token) && !self.must_start_alone(*token);
        self.waiting.iter().position(may_begin)
    }

    /// What was taken over may be what killed the host that had it. It is begun with only when the ledger knows that this
    /// host holds nothing but what runs: what is held together with a task that kills hosts is held to kill them too.
    fn must_start_alone(&self, token: Token) -> bool {
        let is_taken_over = || self.running.get(&token).is_some_and(|running| running.claim.takeovers > 0);
        (self.is_committing || self.dispatcher.prefetched() > 0) && is_taken_over()
    }

    /// Whether claims are asked for ahead of the places.
    pub(crate) fn is_prefetching(&self) -> bool {
        self.prefetch.prefetch_count(self.dispatcher.slots()) > 0
    }

    /// Whether a commit is under way.
    pub(crate) const fn is_committing(&self) -> bool {
        self.is_committing
    }

    /// When claims that wait for a place are to be left to others, unless the first of them is begun with before.
    pub(crate) fn prefetch_deadline(&self) -> Option<Instant> {
        let oldest = self.waiting.front().and_then(|token| self.running.get(token));
        Some(oldest?.since? + self.prefetch.max_wait())
    }

    /// Gives back claims that wait for a place and are not to have one.
    pub(crate) fn return_prefetched(&mut self) {
        let mut surplus = self.surplus();
        if self.prefetch_deadline().is_some_and(|end| end <= Instant::now()) {
            self.prefetch.record_stall();
            surplus = self.waiting.len();
        }
        for token in self.waiting.split_off(self.waiting.len() - surplus) {
            let running = self.running.remove(&token);
            self.batch.extend(running.map(|running| release_settlement(running.claim)));
        }
    }

    /// How many of those that wait are not to have a place: all if nothing new is to be begun; those without one, if
    /// something was taken over.
    fn surplus(&self) -> usize {
        if self.dispatcher.is_stopping() {
            return self.waiting.len();
        }
        // What is being given back is counted as held until the commit is made.
        let is_surplus = self.dispatcher.has_taken_over() && !self.is_committing;
        if is_surplus { to_usize(self.dispatcher.prefetched()).min(self.waiting.len()) } else { 0 }
    }

    /// The next claim to begin with, for the job that `begin` starts or is.
    pub(crate) fn start_next(&mut self, begin: impl FnOnce(&Claim) -> AbortHandle) -> Option<Claim> {
        while let Some(token) = self.take_startable() {
            // What was lost meanwhile is not begun with.
            if let Some(running) = self.running.get_mut(&token) {
                self.dispatcher.assign_slot(token);
                running.since = self.prefetch.is_worthwhile().then(Instant::now);
                running.job = Some(begin(&running.claim));
                return Some(running.claim.clone());
            }
        }
        None
    }

    /// A job has settled its claim: it is to be committed. Gives the job back if it may begin with another.
    pub(crate) fn settle_job(&mut self, settled: Settled) -> Option<AbortHandle> {
        // A job whose claim was lost has been told of, and has nothing to settle.
        let Running { job, since, is_stopped, .. } = self.running.remove(&settled.claim.token)?;
        self.dispatcher.free_slot(settled.claim.token);
        since.inspect(|since| self.prefetch.record_task(since.elapsed()));
        self.batch.push(settled);
        job.filter(|_| !is_stopped)
    }

    /// A job was stopped before it had settled its claim.
    pub(crate) fn handle_stopped_job(&mut self, job: Id) {
        let has_job = |running: &Running| running.job.as_ref().is_some_and(|handle| handle.id() == job);
        let token = self.running.iter().find(|(_, running)| has_job(running)).map(|(token, _)| *token);
        let running = token.and_then(|token| self.running.remove(&token));
        token.inspect(|token| self.dispatcher.free_slot(*token));
        self.batch.extend(running.map(|running| cancelled_settlement(running.claim)));
    }

    /// Whether guests are to be stopped, their results not being waited for.
    pub(crate) fn must_abort(&self) -> bool {
        self.dispatcher.must_abort()
    }

    /// Stops guests if that was told. Jobs without a guest end by themselves.
    pub(crate) fn abort_if_requested(&mut self) {
        if !self.must_abort() {
            return;
        }
        for running in self.running.values_mut().filter(|running| !running.is_stopped) {
            if let Some(job) = &running.job
                && running.claim.stage == Stage::Ready
                && self.ctx.is_call(running.claim.node)
            {
                running.is_stopped = true;
                job.abort();
            }
        }
    }

    /// A job waits for what another makes, and others may have its room; or it is to run after all.
    pub(crate) fn handle_slot_request(&mut self, parking: SlotRequest) {
        match parking {
            SlotRequest::Release(token) => {
                if self.dispatcher.release_slot(token) {
                    self.mark_ledger_changed();
                }
            }
            SlotRequest::Reacquire(token, answer) => {
                // A commit under way may have asked for a node that is to have the same room.
                let has_room = !self.is_committing && self.dispatcher.reacquire_slot(token);
                let _is_heard = answer.send(has_room).is_ok();
            }
        }
    }

    /// Stops the guest of a claim that is lost. One that may be lost is given back, for whoever is there to have it.
    pub(crate) fn handle_loss(&mut self, loss: Loss) {
        // What is not running any more was settled meanwhile, or its commit will tell that it was lost.
        if let Some(Running { claim, job, .. }) = self.running.remove(&loss.token) {
            job.inspect(AbortHandle::abort);
            self.dispatcher.free_slot(loss.token);
            self.ctx.emit(&claim, Fact::TaskLeaseLost);
            match loss.certainty {
                Certainty::Taken => self.mark_ledger_changed(),
                Certainty::Unconfirmed => {
                    self.returned.insert(loss.token);
                    self.batch.push(release_settlement(claim));
                }
            }
        }
        if loss.certainty == Certainty::Taken {
            self.dispatcher.remove(loss.token);
        }
    }

    /// Tells what nobody waits for any more: the run has ended without it, or its backend is lost.
    pub(crate) fn close(&mut self) {
        for (_, running) in std::mem::take(&mut self.running) {
            self.ctx.emit(&running.claim, Fact::TaskLeaseLost);
        }
    }

    fn emit_verdict(&mut self, settled: PendingSettlement, verdict: Verdict) {
        if self.returned.remove(&settled.claim.token) {
            return; // that it was lost was told when its guest was stopped
        }
        match verdict {
            Verdict::Committed | Verdict::Duplicate => {
                if settled.claim.stage == Stage::Closing {
                    self.ctx.commit_outputs(settled.claim.token);
                }
                for fact in settled.facts {
                    self.ctx.emit(&settled.claim, fact);
                }
            }
            Verdict::Fenced => self.ctx.emit(&settled.claim, Fact::TaskLeaseLost),
        }
    }
}

/// What the ledger is to know, and what this host keeps until it knows.
fn split_facts(settled: Settled) -> (Settlement, PendingSettlement) {
    let Settled { claim, outcome, facts } = settled;
    (Settlement { token: claim.token, outcome }, PendingSettlement { claim, facts })
}

/// A node that is left to whoever wants it.
const fn release_settlement(claim: Claim) -> Settled {
    Settled { claim, outcome: Outcome::Release, facts: Vec::new() }
}

/// What becomes of a node whose guest was stopped.
fn cancelled_settlement(claim: Claim) -> Settled {
    let failure = FailureFact {
        class: FailureClass::Cancelled,
        error: "stopped before it had finished; it will run again when the run is resumed".to_owned(),
    };
    Settled { claim, outcome: Outcome::Release, facts: vec![Fact::TaskFailed(failure)] }
}
