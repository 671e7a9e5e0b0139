//! State of this host in a run: claims held, settlements to commit, and every change of either.
//! The loop in `run` starts and awaits jobs; `shared_run` gives them access to this state.

use crate::engine::context::{Context, SlotRequest};
use crate::engine::deadline::subtract_wait;
use crate::engine::dispatch::{Action, Dispatcher};
use crate::engine::growth::memory_of;
use crate::engine::interrupt::Interrupt;
use crate::engine::prefetch::PrefetchPolicy;
use crate::engine::settled::Settled;
use crate::events::{Fact, FailureFact};
use crate::model::{FailureClass, show_duration, to_usize};
use crate::state::{
    Certainty, Claim, Error, Loss, Outcome, Reply, Settlement, Stage, Token, Verdict, Version,
};
use rustc_hash::FxHashMap;
use std::collections::{HashSet, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, Id};
use tokio::time::Instant;

/// A commit under way.
pub(crate) type Commit = Pin<Box<dyn Future<Output = CommitReply> + Send>>;

/// Settlements that were committed, and the ledger's reply.
pub(crate) struct CommitReply {
    batch: Vec<PendingSettlement>,
    reply: Result<Reply, Error>,
}

/// A claim that is being settled, and the facts to emit once it is.
struct PendingSettlement {
    claim: Claim,
    facts: Vec<Fact>,
}

/// State of this host in a run.
pub(crate) struct RunState {
    ctx: Arc<Context>,
    dispatcher: Dispatcher,
    /// Claims that are neither settled nor lost.
    running: FxHashMap<Token, Running>,
    /// Running claims that need a slot and have no job yet.
    waiting: VecDeque<Token>,
    /// Running claims that need no slot and have no job yet.
    without_slot: VecDeque<Token>,
    /// Running claims whose job waits for a slot, because it is its turn at a resource.
    called: VecDeque<(Token, oneshot::Sender<bool>)>,
    prefetch: PrefetchPolicy,
    batch: Vec<Settled>,
    /// Claims reported as possibly lost, and released in case no other host has them.
    returned: HashSet<Token>,
    /// Latest version that the ledger reported.
    version: Version,
    ledger_changed: bool,
    is_committing: bool,
    /// Time at which the commit under way was sent; none if the reply came at once.
    sent: Option<Instant>,
}

/// A claim that this host holds.
struct Running {
    claim: Claim,
    /// The job that works on it; none before one has started.
    job: Option<AbortHandle>,
    /// Time at which the job started or the claim began to wait; none if prefetching needs no times.
    since: Option<Instant>,
    /// Time at which a claim with a deadline came; none for others.
    received: Option<Instant>,
    is_stopped: bool,
}

impl RunState {
    /// Creates the state of a host with `slots` slots and no claims.
    pub(crate) fn new(ctx: Arc<Context>, slots: u32) -> Self {
        Self {
            dispatcher: Dispatcher::new(Arc::clone(&ctx.shape), slots),
            prefetch: PrefetchPolicy::new(ctx.ledger.max_claims()),
            ctx,
            running: FxHashMap::default(),
            waiting: VecDeque::new(),
            without_slot: VecDeque::new(),
            called: VecDeque::new(),
            batch: Vec::new(),
            returned: HashSet::new(),
            version: Version::default(),
            ledger_changed: true,
            is_committing: false,
            sent: None,
        }
    }

    /// Takes note of the interrupt in force.
    pub(crate) fn heed_interrupts(&mut self) {
        if self.dispatcher.is_at_ending() {
            self.ctx.interrupts.heed_at_ending();
        }
        let in_force = self.ctx.interrupts.in_force();
        if self.dispatcher.set_interrupt(in_force) != Interrupt::None && in_force == Interrupt::None {
            // There is room for claims again.
            self.mark_ledger_changed();
        }
        self.tell_if_stopping();
    }

    /// Returns whether an interrupt cancels the run, which has finally tasks for that.
    pub(crate) fn is_cancelled_by_interrupt(&self) -> bool {
        self.ctx.shape.first_finally.is_some() && self.ctx.interrupts.cancels()
    }

    /// Goes on with the finally tasks of a run that this host has cancelled.
    pub(crate) fn go_on_with_ending(&mut self) {
        self.ctx.interrupts.heed_at_ending();
        self.heed_interrupts();
    }

    /// Tells the jobs that wait for their turn whether something new may start. At its ending, a stopped run starts its
    /// finally tasks.
    fn tell_if_stopping(&self) {
        let now = self.dispatcher.is_stopping();
        self.ctx.stopping.send_if_modified(|is_stopping| std::mem::replace(is_stopping, now) != now);
    }

    /// Records that the ledger may have work for this host.
    pub(crate) const fn mark_ledger_changed(&mut self) {
        self.ledger_changed = true;
    }

    /// Returns the latest version that the ledger reported.
    pub(crate) const fn version(&self) -> Version {
        self.version
    }

    /// Returns whether any claim is neither settled nor lost.
    pub(crate) fn is_busy(&self) -> bool {
        !self.running.is_empty()
    }

    /// Returns what the run loop does next.
    pub(crate) fn next_action(&self) -> Action {
        self.dispatcher.next()
    }

    /// Begins to commit settlements and to ask for claims. Returns none if there is no reason to, or a commit is
    /// under way.
    pub(crate) fn commit(&mut self) -> Option<Commit> {
        let has_work = self.ledger_changed || !self.batch.is_empty();
        if self.is_committing || !has_work {
            return None;
        }
        self.ledger_changed = false;
        self.is_committing = true;
        let batch = std::mem::take(&mut self.batch);
        // Settled claims free their capacity in this request already, so one reply brings their successors.
        for settled in &batch {
            self.dispatcher.remove(settled.claim.token);
        }
        self.serve_waiting_jobs();
        let (settlements, batch) = batch.into_iter().map(split_facts).unzip();
        let ahead = self.prefetch.prefetch_count(self.dispatcher.slots());
        let (ledger, want) = (Arc::clone(&self.ctx.ledger), self.dispatcher.want(ahead));
        Some(Box::pin(async move {
            let reply = ledger.commit(settlements, want).await;
            CommitReply { batch, reply }
        }))
    }

    /// Records that the reply to a commit did not come at once, so that its round trip is timed.
    pub(crate) fn mark_reply_awaited(&mut self) {
        self.sent = Some(Instant::now());
    }

    /// Handles the reply to a commit: emits the facts of committed settlements and adds the new claims.
    pub(crate) fn handle_reply(&mut self, reply: CommitReply) -> Result<(), Error> {
        self.is_committing = false;
        // The time from sending to the reply sets how far to prefetch; a reply at once clears it.
        self.prefetch.record_round_trip(self.sent.take().map(|sent| sent.elapsed()));
        self.ctx.emit_notices();
        let Reply { verdicts, claims, blocked, progress, version } = reply.reply?;
        for (settled, verdict) in reply.batch.into_iter().zip(verdicts) {
            self.emit_verdict(settled, verdict);
        }
        for blocked in blocked {
            self.ctx.emit_blocked(blocked);
        }
        self.dispatcher.set_progress(progress);
        self.tell_if_stopping();
        self.ctx.shared.run_deadline.set(progress.left);
        self.ctx.note_ending(progress);
        self.version = version;
        for claim in claims {
            self.add_claim(claim);
        }
        Ok(())
    }

    fn add_claim(&mut self, claim: Claim) {
        // An attempt that is given more memory than the first one keeps it from others while it waits for it.
        let task = self.ctx.bound.plan().task(claim.node.task);
        let memory = task.and_then(|task| memory_of(&claim, task));
        self.dispatcher.add(&claim, memory);
        if let Some(from) = &claim.from {
            let fact = Fact::TaskTakenOver { from: from.0.to_string(), takeovers: claim.takeovers };
            self.ctx.emit(&claim, fact);
        }
        // Clock reads are saved if the ledger is too fast for prefetching.
        // Nor is such a claim returned: it would only come back.
        let since = (memory.is_none() && self.prefetch.is_worthwhile()).then(Instant::now);
        let received = claim.deadline.map(|_| Instant::now());
        if claim.stage == Stage::Ready {
            self.waiting.push_back(claim.token);
        } else {
            self.without_slot.push_back(claim.token);
        }
        self.running.insert(claim.token, Running { claim, job: None, since, received, is_stopped: false });
    }

    /// Returns whether the loop has claims to start or to return.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.without_slot.is_empty() || self.surplus() > 0 || self.first_startable().is_some()
    }

    fn take_startable(&mut self) -> Option<Token> {
        if let Some(token) = self.without_slot.pop_front() {
            return Some(token);
        }
        self.first_startable().and_then(|index| self.waiting.remove(index))
    }

    fn first_startable(&self) -> Option<usize> {
        if self.dispatcher.is_full() || self.dispatcher.is_stopping() {
            return None;
        }
        let may_start =
            |token: &Token| self.dispatcher.has_slot_for(*token) && !self.must_start_alone(*token);
        self.waiting.iter().position(may_start)
    }

    /// Returns whether a claim must start while no other is queued on this host.
    ///
    /// A taken-over task may have crashed its last host. So it starts only when the ledger knows that this host holds
    /// nothing but running claims; otherwise the queued ones would be blamed too.
    fn must_start_alone(&self, token: Token) -> bool {
        let is_taken_over = || self.running.get(&token).is_some_and(|running| running.claim.takeovers > 0);
        (self.is_committing || self.dispatcher.prefetched() > 0) && is_taken_over()
    }

    /// Returns whether nodes are prefetched at present.
    pub(crate) fn is_prefetching(&self) -> bool {
        self.prefetch.prefetch_count(self.dispatcher.slots()) > 0
    }

    /// Returns whether a commit is under way.
    pub(crate) const fn is_committing(&self) -> bool {
        self.is_committing
    }

    /// Returns when waiting claims must be returned to other hosts, unless the first of them starts earlier.
    pub(crate) fn prefetch_deadline(&self) -> Option<Instant> {
        let oldest = self.waiting.front().and_then(|token| self.running.get(token));
        Some(oldest?.since? + self.prefetch.max_wait())
    }

    /// Returns waiting claims that will get no slot to the ledger.
    pub(crate) fn return_prefetched(&mut self) {
        let mut surplus = self.surplus();
        if self.prefetch_deadline().is_some_and(|end| end <= Instant::now()) {
            // A claim waited too long: tasks have become longer than the averages say.
            self.prefetch.record_stall();
            surplus = self.waiting.len();
        }
        for token in self.waiting.split_off(self.waiting.len() - surplus) {
            let running = self.running.remove(&token);
            self.batch.extend(running.map(|running| release_settlement(running.claim)));
        }
    }

    /// Counts the waiting claims to return: all if nothing new may start; the prefetched ones if a claim was taken
    /// over.
    fn surplus(&self) -> usize {
        if self.dispatcher.is_stopping() {
            return self.waiting.len();
        }
        // Claims being returned count as held until they are committed.
        let is_surplus = self.dispatcher.has_taken_over() && !self.is_committing;
        if is_surplus { to_usize(self.dispatcher.prefetched()).min(self.waiting.len()) } else { 0 }
    }

    /// Takes the next claim that may start, for the job that `start` starts or returns.
    pub(crate) fn start_next(&mut self, start: impl FnOnce(&Claim) -> AbortHandle) -> Option<Claim> {
        while let Some(token) = self.take_startable() {
            // A claim that was lost meanwhile has no entry and is not started.
            if let Some(running) = self.running.get_mut(&token) {
                self.dispatcher.assign_slot(token);
                subtract_wait(&mut running.claim, running.received.take());
                running.since = self.prefetch.is_worthwhile().then(Instant::now);
                running.job = Some(start(&running.claim));
                return Some(running.claim.clone());
            }
        }
        None
    }

    /// Adds a settlement to the batch. Returns the job if it may continue with another claim.
    pub(crate) fn settle_job(&mut self, settled: Settled) -> Option<AbortHandle> {
        // A lost claim was reported when its lease was lost; its job has nothing to settle.
        let Running { job, since, is_stopped, .. } = self.running.remove(&settled.claim.token)?;
        self.dispatcher.free_slot(settled.claim.token);
        since.inspect(|since| self.prefetch.record_task(since.elapsed()));
        self.batch.push(settled);
        job.filter(|_| !is_stopped)
    }

    /// Releases the claim of a job that was aborted before it settled.
    pub(crate) fn handle_stopped_job(&mut self, job: Id) {
        let has_job = |running: &Running| running.job.as_ref().is_some_and(|handle| handle.id() == job);
        let token = self.running.iter().find(|(_, running)| has_job(running)).map(|(token, _)| *token);
        let running = token.and_then(|token| self.running.remove(&token));
        token.inspect(|token| self.dispatcher.free_slot(*token));
        let why = match self.ctx.shape.deadline {
            Some(deadline) if self.dispatcher.is_timed_out() => Stopped::AtDeadline(deadline),
            _ if self.dispatcher.is_superseded() => Stopped::Superseded,
            _ => Stopped::Early,
        };
        let settlement = |running: Running| cancelled_settlement(running.claim, why);
        self.batch.extend(running.map(settlement));
    }

    /// Returns whether guests must be stopped without waiting for their results.
    pub(crate) fn must_abort(&self) -> bool {
        self.dispatcher.must_abort()
    }

    /// Aborts jobs that run guests, if that was requested. Jobs without a guest end by themselves.
    pub(crate) fn abort_if_requested(&mut self) {
        if !self.must_abort() {
            return;
        }
        for running in self.running.values_mut().filter(|running| !running.is_stopped) {
            if let Some(job) = &running.job
                // Only jobs with a guest are aborted: joins and skips settle quickly and may commit.
                && running.claim.stage == Stage::Ready
                && self.ctx.is_call(running.claim.node)
            {
                running.is_stopped = true;
                job.abort();
            }
        }
    }

    /// Handles a job that releases its slot while it waits, or wants it back.
    pub(crate) fn handle_slot_request(&mut self, request: SlotRequest) {
        match request {
            SlotRequest::Release(token) => {
                if self.dispatcher.release_slot(token) {
                    self.mark_ledger_changed();
                }
            }
            SlotRequest::Reacquire(token, reply) => {
                // A commit under way may have asked for a node to fill this slot, so the slot cannot be promised.
                let has_slot = !self.is_committing && self.dispatcher.reacquire_slot(token);
                let _is_received = reply.send(has_slot).is_ok();
            }
            SlotRequest::Queue(token, resources) => {
                self.dispatcher.queue(token, resources);
                self.mark_ledger_changed();
            }
            // The next step of the loop gives it one.
            SlotRequest::Wait(token, reply) => self.called.push_back((token, reply)),
        }
    }

    /// Gives free slots to jobs whose turn it is, before other claims start. A commit under way may have asked for nodes to
    /// fill these slots, so they cannot be promised then.
    pub(crate) fn serve_waiting(&mut self) {
        if !self.is_committing {
            self.serve_waiting_jobs();
        }
    }

    fn serve_waiting_jobs(&mut self) {
        while let Some((token, reply)) = self.called.pop_front() {
            // A job that gave up has dropped the receiver.
            if reply.is_closed() {
                continue;
            }
            if !self.dispatcher.reacquire_slot(token) {
                self.called.push_front((token, reply));
                return;
            }
            if reply.send(true).is_err() {
                self.dispatcher.free_slot(token);
            }
        }
    }

    /// Stops the guest of a lost claim. A claim that is only possibly lost is released, for any host to take.
    pub(crate) fn handle_loss(&mut self, loss: Loss) {
        // A claim without an entry was settled meanwhile; its commit reports whether it was fenced.
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

    /// Emits the loss of every claim still held: the run has ended without them, or the backend is lost.
    pub(crate) fn close(&mut self) {
        for (_, running) in std::mem::take(&mut self.running) {
            self.ctx.emit(&running.claim, Fact::TaskLeaseLost);
        }
    }

    fn emit_verdict(&mut self, settled: PendingSettlement, verdict: Verdict) {
        if self.returned.remove(&settled.claim.token) {
            return; // the loss was emitted when the guest was stopped
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
            // Fencing: the token was lost, so the ledger refused the result.
            Verdict::Fenced => self.ctx.emit(&settled.claim, Fact::TaskLeaseLost),
        }
    }
}

/// Splits a settlement into what the ledger gets and what this host keeps until the reply.
fn split_facts(settled: Settled) -> (Settlement, PendingSettlement) {
    let Settled { claim, outcome, facts, call } = settled;
    (Settlement { token: claim.token, outcome, call }, PendingSettlement { claim, facts })
}

/// Releases a claim for any host to take.
const fn release_settlement(claim: Claim) -> Settled {
    Settled { claim, outcome: Outcome::Release, facts: Vec::new(), call: None }
}

/// Why a guest was stopped.
#[derive(Clone, Copy)]
enum Stopped {
    /// By an interrupt, a cancellation, or another task that failed.
    Early,
    /// By the run's deadline.
    AtDeadline(Duration),
    /// By a run that takes the place of this one.
    Superseded,
}

/// Releases a claim whose guest was stopped, with the fact that says so.
fn cancelled_settlement(claim: Claim, why: Stopped) -> Settled {
    let failure = FailureFact {
        class: FailureClass::Cancelled,
        error: match why {
            Stopped::Early => {
                "stopped before it had finished; it will run again when the run is resumed".to_owned()
            }
            Stopped::AtDeadline(deadline) => format!(
                "stopped at the run's `deadline` = {}; it will run again when the run is resumed",
                show_duration(deadline)
            ),
            Stopped::Superseded => {
                "stopped before it had finished: the run after the change computes it anew".to_owned()
            }
        },
    };
    Settled { claim, outcome: Outcome::Release, facts: vec![Fact::TaskFailed(failure)], call: None }
}
