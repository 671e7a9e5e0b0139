//! This host's part of a run: what it holds, what has ended, what is to be committed; and how each of these changes.
//! Jobs are started and awaited by the loop in `run`; how they come by this state is for `floor`.

use crate::engine::Interrupt;
use crate::engine::context::Context;
use crate::engine::context::Parking;
use crate::engine::dispatch::Dispatcher;
use crate::engine::dispatch::Next;
use crate::engine::job::Settled;
use crate::engine::pace::Pace;
use crate::events::Fact;
use crate::events::FailureFact;
use crate::model::FailureClass;
use crate::model::to_usize;
use crate::state::Certainty;
use crate::state::Claim;
use crate::state::Error;
use crate::state::Loss;
use crate::state::Outcome;
use crate::state::Reply;
use crate::state::Settlement;
use crate::state::Stage;
use crate::state::Token;
use crate::state::Verdict;
use crate::state::Version;
use rustc_hash::FxHashMap;
use std::collections::{HashSet, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use tokio::task::{AbortHandle, Id};
use tokio::time::Instant;

/// A commit under way.
pub(crate) type Commit = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// What was to be committed, and what the ledger said.
pub(crate) struct Answer {
    batch: Vec<Told>,
    reply: Result<Reply, Error>,
}

/// A claim that is being settled, and what is to be told once it is.
struct Told {
    claim: Claim,
    facts: Vec<Fact>,
}

/// This host's part of a run.
pub(crate) struct Host {
    ctx: Arc<Context>,
    dispatcher: Dispatcher,
    /// What was claimed and is neither settled nor lost.
    running: FxHashMap<Token, Running>,
    /// Those of them that no job has begun with, and that take a place.
    waiting: VecDeque<Token>,
    /// The same, of those that take none.
    light: VecDeque<Token>,
    pace: Pace,
    batch: Vec<Settled>,
    /// Claims that were told to be lost and are given back, in case that nobody else has them.
    given_up: HashSet<Token>,
    /// The last that the ledger told.
    version: Version,
    has_heard: bool,
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

impl Host {
    /// A host that holds nothing and asks for `slots` guests at the same time.
    pub(crate) fn new(ctx: Arc<Context>, slots: u32) -> Self {
        Self {
            dispatcher: Dispatcher::new(Arc::clone(&ctx.shape), slots),
            ctx,
            running: FxHashMap::default(),
            waiting: VecDeque::new(),
            light: VecDeque::new(),
            pace: Pace::default(),
            batch: Vec::new(),
            given_up: HashSet::new(),
            version: Version::default(),
            has_heard: true,
            is_committing: false,
            sent: None,
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

    /// The last that the ledger told.
    pub(crate) const fn version(&self) -> Version {
        self.version
    }

    /// Whether something is claimed and neither settled nor lost.
    pub(crate) fn is_busy(&self) -> bool {
        !self.running.is_empty()
    }

    /// What the loop is to do next.
    pub(crate) fn next(&self) -> Next {
        self.dispatcher.next()
    }

    /// Begins to commit what has ended and to ask for more; nothing if there is neither, or a commit is under way.
    pub(crate) fn commit(&mut self) -> Option<Commit> {
        let has_news = self.has_heard || !self.batch.is_empty();
        if self.is_committing || !has_news {
            return None;
        }
        self.has_heard = false;
        self.is_committing = true;
        let batch = std::mem::take(&mut self.batch);
        for settled in &batch {
            self.dispatcher.released(settled.claim.token);
        }
        let (settlements, batch) = batch.into_iter().map(apart).unzip();
        let ahead = self.pace.ahead(self.dispatcher.slots());
        let (ledger, want) = (Arc::clone(&self.ctx.ledger), self.dispatcher.want(ahead));
        Some(Box::pin(async move {
            let reply = ledger.commit(settlements, want).await;
            Answer { batch, reply }
        }))
    }

    /// The answer to a commit is not there at once.
    pub(crate) fn waits_for_answer(&mut self) {
        self.sent = Some(Instant::now());
    }

    /// Tells what was committed, and holds what was handed out until jobs begin with it.
    pub(crate) fn answered(&mut self, answer: Answer) -> Result<(), Error> {
        self.is_committing = false;
        self.pace.answered(self.sent.take().map(|sent| sent.elapsed()));
        self.ctx.tell_notices();
        let Reply { verdicts, claims, blocked, progress, version } = answer.reply?;
        for (settled, verdict) in answer.batch.into_iter().zip(verdicts) {
            self.tell(settled, verdict);
        }
        for blocked in blocked {
            self.ctx.tell_blocked(blocked);
        }
        self.dispatcher.progressed(progress);
        self.version = version;
        for claim in claims {
            self.claimed(claim);
        }
        Ok(())
    }

    fn claimed(&mut self, claim: Claim) {
        self.dispatcher.claimed(&claim);
        if let Some(from) = &claim.from {
            let fact = Fact::TaskTakenOver { from: from.0.to_string(), takeovers: claim.takeovers };
            self.ctx.tell(&claim, fact);
        }
        let since = self.pace.asks().then(Instant::now);
        if claim.stage == Stage::Ready {
            self.waiting.push_back(claim.token);
        } else {
            self.light.push_back(claim.token);
        }
        self.running.insert(claim.token, Running { claim, job: None, since, is_stopped: false });
    }

    /// Whether there are claims that the loop is to begin with or to give back.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.light.is_empty() || self.surplus() > 0 || self.first_with_place().is_some()
    }

    fn next_waiting(&mut self) -> Option<Token> {
        if let Some(token) = self.light.pop_front() {
            return Some(token);
        }
        self.first_with_place().and_then(|at| self.waiting.remove(at))
    }

    fn first_with_place(&self) -> Option<usize> {
        if self.dispatcher.is_full() || self.dispatcher.is_stopping() {
            return None;
        }
        let may_begin = |token: &Token| self.dispatcher.has_place_for(*token) && !self.is_held_back(*token);
        self.waiting.iter().position(may_begin)
    }

    /// What was taken over may be what killed the host that had it. It is begun with only when the ledger knows that this
    /// host holds nothing but what runs: what is held together with a task that kills hosts is held to kill them too.
    fn is_held_back(&self, token: Token) -> bool {
        let is_taken_over = || self.running.get(&token).is_some_and(|running| running.claim.takeovers > 0);
        (self.is_committing || self.dispatcher.ahead() > 0) && is_taken_over()
    }

    /// Whether claims are asked for ahead of the places.
    pub(crate) fn claims_ahead(&self) -> bool {
        self.pace.ahead(self.dispatcher.slots()) > 0
    }

    /// Whether a commit is under way.
    pub(crate) const fn is_committing(&self) -> bool {
        self.is_committing
    }

    /// When claims that wait for a place are to be left to others, unless the first of them is begun with before.
    pub(crate) fn patience_ends(&self) -> Option<Instant> {
        let oldest = self.waiting.front().and_then(|token| self.running.get(token));
        Some(oldest?.since? + self.pace.patience())
    }

    /// Gives back claims that wait for a place and are not to have one.
    pub(crate) fn give_back_waiting(&mut self) {
        let mut surplus = self.surplus();
        if self.patience_ends().is_some_and(|end| end <= Instant::now()) {
            self.pace.stalled();
            surplus = self.waiting.len();
        }
        for token in self.waiting.split_off(self.waiting.len() - surplus) {
            let running = self.running.remove(&token);
            self.batch.extend(running.map(|running| released(running.claim)));
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
        if is_surplus { to_usize(self.dispatcher.ahead()).min(self.waiting.len()) } else { 0 }
    }

    /// The next claim to begin with, for the job that `begin` starts or is.
    pub(crate) fn begin(&mut self, begin: impl FnOnce(&Claim) -> AbortHandle) -> Option<Claim> {
        while let Some(token) = self.next_waiting() {
            // What was lost meanwhile is not begun with.
            if let Some(running) = self.running.get_mut(&token) {
                self.dispatcher.begun(token);
                running.since = self.pace.asks().then(Instant::now);
                running.job = Some(begin(&running.claim));
                return Some(running.claim.clone());
            }
        }
        None
    }

    /// A job has settled its claim: it is to be committed. Gives the job back if it may begin with another.
    pub(crate) fn settled(&mut self, settled: Settled) -> Option<AbortHandle> {
        // A job whose claim was lost has been told of, and has nothing to settle.
        let Running { job, since, is_stopped, .. } = self.running.remove(&settled.claim.token)?;
        self.dispatcher.ended(settled.claim.token);
        since.inspect(|since| self.pace.ended(since.elapsed()));
        self.batch.push(settled);
        job.filter(|_| !is_stopped)
    }

    /// A job was stopped before it had settled its claim.
    pub(crate) fn stopped(&mut self, job: Id) {
        let has_job = |running: &Running| running.job.as_ref().is_some_and(|handle| handle.id() == job);
        let token = self.running.iter().find(|(_, running)| has_job(running)).map(|(token, _)| *token);
        let running = token.and_then(|token| self.running.remove(&token));
        token.inspect(|token| self.dispatcher.ended(*token));
        self.batch.extend(running.map(|running| given_back(running.claim)));
    }

    /// Whether guests are to be stopped, their results not being waited for.
    pub(crate) fn must_abort(&self) -> bool {
        self.dispatcher.must_abort()
    }

    /// Stops guests if that was told. Jobs without a guest end by themselves.
    pub(crate) fn abort_if_told(&mut self) {
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
    pub(crate) fn parked(&mut self, parking: Parking) {
        match parking {
            Parking::Gives(token) => {
                if self.dispatcher.parked(token) {
                    self.hears_news();
                }
            }
            Parking::Asks(token, answer) => {
                // A commit under way may have asked for a node that is to have the same room.
                let has_room = !self.is_committing && self.dispatcher.unparked(token);
                let _is_heard = answer.send(has_room).is_ok();
            }
        }
    }

    /// Stops the guest of a claim that is lost. One that may be lost is given back, for whoever is there to have it.
    pub(crate) fn lost(&mut self, loss: Loss) {
        // What is not running any more was settled meanwhile, or its commit will tell that it was lost.
        if let Some(Running { claim, job, .. }) = self.running.remove(&loss.token) {
            job.inspect(AbortHandle::abort);
            self.dispatcher.ended(loss.token);
            self.ctx.tell(&claim, Fact::TaskLeaseLost);
            match loss.certainty {
                Certainty::Taken => self.hears_news(),
                Certainty::Unconfirmed => {
                    self.given_up.insert(loss.token);
                    self.batch.push(released(claim));
                }
            }
        }
        if loss.certainty == Certainty::Taken {
            self.dispatcher.released(loss.token);
        }
    }

    /// Tells what nobody waits for any more: the run has ended without it, or its backend is lost.
    pub(crate) fn close(&mut self) {
        for (_, running) in std::mem::take(&mut self.running) {
            self.ctx.tell(&running.claim, Fact::TaskLeaseLost);
        }
    }

    fn tell(&mut self, settled: Told, verdict: Verdict) {
        if self.given_up.remove(&settled.claim.token) {
            return; // that it was lost was told when its guest was stopped
        }
        match verdict {
            Verdict::Committed | Verdict::Duplicate => {
                if settled.claim.stage == Stage::Closing {
                    self.ctx.commit_outputs(settled.claim.token);
                }
                for fact in settled.facts {
                    self.ctx.tell(&settled.claim, fact);
                }
            }
            Verdict::Fenced => self.ctx.tell(&settled.claim, Fact::TaskLeaseLost),
        }
    }
}

/// What the ledger is to know, and what this host keeps until it knows.
fn apart(settled: Settled) -> (Settlement, Told) {
    let Settled { claim, outcome, facts } = settled;
    (Settlement { token: claim.token, outcome }, Told { claim, facts })
}

/// A node that is left to whoever wants it.
const fn released(claim: Claim) -> Settled {
    Settled { claim, outcome: Outcome::Release, facts: Vec::new() }
}

/// What becomes of a node whose guest was stopped.
fn given_back(claim: Claim) -> Settled {
    let failure = FailureFact {
        class: FailureClass::Cancelled,
        error: "stopped before it had finished; it will run again when the run is resumed".to_owned(),
    };
    Settled { claim, outcome: Outcome::Release, facts: vec![Fact::TaskFailed(failure)] }
}
