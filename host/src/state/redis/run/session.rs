//! One host's session on a run: each request is one script call, repeated until its outcome is known.
//! The transitions are in `scripts`, background loops in `heartbeat.rs` and `lease_renewal.rs`.

use crate::model::SkipReason;
use crate::state::redis::keys::RunKeys;
use crate::state::redis::link::{Answer, Command, Line, Link, Request};
use crate::state::redis::notices::Notices;
use crate::state::redis::run::calls::encode;
use crate::state::redis::run::claims::Claims;
use crate::state::redis::run::ending;
use crate::state::redis::run::open::{Entered, Open, OpenReason};
use crate::state::redis::run::result_cache::ResultCache;
use crate::state::redis::run::wakeups::Wakeups;
use crate::state::redis::run::wire::{
    Committed, Step, Stored, amounts_text, first_deadline, outcome, read_reply, read_token, shortest_delay,
    token_text, with_result,
};
use crate::state::redis::scripts::STEP;
use crate::state::{
    CallDigest, Entry, Error, ErrorKind, MAX_SLOTLESS_CLAIMS, NodeId, Notice, OpenRequest, Outcome, Reply,
    Settlement, Token, Verdict, Want,
};
use bytes::Bytes;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Maximum number of times that one commit may find the run lost before the host gives up.
const MAX_LIVES: u32 = 10;

/// Timeout of leaving. If the server is unreachable, the lease expires instead.
pub(crate) const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

/// Maximum interval between two heartbeats, however long the lease.
const MAX_HEARTBEAT: Duration = Duration::from_secs(20);

/// Number of nodes that one command reads.
const CHUNK: usize = 500;

/// A run as one host works on it, shared with its background tasks.
pub(crate) struct Run {
    pub(crate) link: Arc<Link>,
    pub(crate) keys: RunKeys,
    pub(crate) request: OpenRequest,
    pub(crate) wakeups: Wakeups,
    notices: Notices,
    // A mutex because renewals and commits go on at the same time; sections are look-ups.
    state: Mutex<State>,
    // Serializes commits: the server remembers only the last one, by its number.
    committing: tokio::sync::Mutex<()>,
    // One permit: new claims arrived late, with much of their lease already over.
    late: Notify,
}

/// The reply to a heartbeat.
pub(crate) struct HeartbeatReply {
    /// Whether the life of the run that the host knows continues.
    pub(crate) is_known: bool,
    /// The time until the next timer is due.
    pub(crate) due: Option<Duration>,
}

struct State {
    life: String,
    epoch: u64,
    results: u64,
    /// The number of the last commit.
    number: u64,
    /// The number of the last commit that was answered in this life; 0 if none was.
    answered: u64,
    claims: Claims,
    cache: ResultCache,
}

impl Run {
    /// Creates the session of a run that was just opened.
    pub(crate) fn new(link: Arc<Link>, keys: RunKeys, request: OpenRequest, entered: &Entered) -> Self {
        // A life after a loss has them all again.
        let request = OpenRequest { rerun: entered.rerun.clone(), ..request };
        let state = State {
            life: entered.life.clone(),
            epoch: entered.epoch,
            results: entered.results,
            number: 0,
            answered: 0,
            claims: Claims::new(),
            cache: ResultCache::default(),
        };
        Self {
            link,
            keys,
            request,
            wakeups: Wakeups::new(entered.version),
            notices: Notices::default(),
            state: Mutex::new(state),
            committing: tokio::sync::Mutex::new(()),
            late: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn doing(&self, action: &str) -> String {
        format!("{action} run `{}`", self.request.run)
    }

    /// Creates a call of the step script.
    fn step(&self, command_name: &str) -> Command {
        let life = self.state().life.clone();
        Command::script(&STEP, self.keys.all())
            .arg(command_name)
            .arg(self.request.host.0.as_bytes())
            .arg(life)
            .arg(self.request.lease.as_millis().max(1).to_string())
    }

    async fn take(&self, doing: &str, command: Command) -> Result<Step<Vec<Answer>>, Error> {
        Ok(step(self.link.ask(&self.doing(doing), Request::write([command])).await?))
    }

    /// Opens the run again after its life has ended. All its claims are lost.
    async fn reopen(&self, found: Option<u64>) -> Result<(), Error> {
        let (life, epoch, results) = {
            let state = self.state();
            (state.life.clone(), state.epoch, state.results)
        };
        let why = OpenReason::Lost { life: &life, epoch, version: self.wakeups.version() };
        let opening = Open { link: &self.link, keys: &self.keys, request: &self.request, why };
        let entered = opening.open_run().await?;
        let lost = found.unwrap_or(results).max(results).saturating_sub(entered.results);
        if entered.epoch != epoch {
            let epoch = entered.epoch;
            self.notices.push(Notice {
                code: "state-lost",
                message: format!(
                    "the state backend lost {lost} results of run `{}`; their tasks run again, under epoch {epoch}",
                    self.request.run
                ),
            });
        }
        let mut state = self.state();
        state.life = entered.life;
        state.epoch = entered.epoch;
        state.results = entered.results;
        state.answered = 0;
        state.claims.end_life();
        state.cache.clear();
        drop(state);
        // All claims are lost, and their guests must be stopped: lease renewal reports them.
        self.late.notify_one();
        self.wakeups.restart_at(entered.version);
        Ok(())
    }

    // Commits a batch. If the life has ended, all settlements of the batch are fenced, and the next round claims in a
    // new life.
    pub(crate) async fn commit(&self, batch: Vec<Settlement>, want: Want) -> Result<Reply, Error> {
        let _committing = self.committing.lock().await;
        {
            let state = self.state();
            batch.iter().try_for_each(|settlement| state.claims.check(&self.request.shape, settlement))?;
        }
        let mut batch = batch;
        let mut fenced = 0;
        // The first round sends the batch. Further rounds only claim, because `batch` was taken.
        for _ in 0..MAX_LIVES {
            let tokens: Vec<(Token, Option<Stored>)> = batch.iter().map(with_result).collect();
            let delay = shortest_delay(&batch);
            let command = self.commit_command(std::mem::take(&mut batch), &want);
            let sent = Instant::now();
            match self.take("working on", command).await? {
                Step::Taken(parts) => {
                    let bytes = parts.into_iter().next().and_then(Answer::bytes).unwrap_or_default();
                    let done = read_reply(&bytes).ok_or_else(|| self.invalid_reply())?;
                    // A retry of this batch may be due before the next heartbeat: set the timer.
                    self.wakeups.due(delay);
                    self.wakeups.due(first_deadline(&done));
                    let mut reply = self.committed(tokens, done, sent);
                    reply.verdicts.extend(std::iter::repeat_n(Verdict::Fenced, fenced));
                    return Ok(reply);
                }
                Step::Layout => return Err(self.other_layout()),
                Step::Lost(found) => {
                    fenced += tokens.len();
                    self.reopen(found).await?;
                }
            }
        }
        Err(Error::new(ErrorKind::Unavailable, self.doing("working on"))
            .hint("Redis keeps losing the run; check its `maxmemory-policy`."))
    }

    fn invalid_reply(&self) -> Error {
        Error::new(ErrorKind::Refused, format!("{}: the server's reply is invalid", self.doing("working on")))
    }

    fn other_layout(&self) -> Error {
        let opening =
            Open { link: &self.link, keys: &self.keys, request: &self.request, why: OpenReason::NeededGrant };
        opening.other_layout()
    }

    // Draws tokens for every node that the reply may hand out.
    fn commit_command(&self, batch: Vec<Settlement>, want: &Want) -> Command {
        let command = self.step("commit");
        let mut state = self.state();
        let calls: Vec<(NodeId, CallDigest)> =
            batch.iter().filter_map(|settlement| state.claims.call(settlement)).collect();
        state.number += 1;
        let (prefix, first) = state.claims.draw(want.slots.saturating_add(MAX_SLOTLESS_CLAIMS));
        let mut command = command
            .arg(state.number.to_string())
            .arg(format!("{prefix:08x}"))
            .arg(first.to_string())
            .arg(want.slots.to_string())
            .arg(amounts_text(&want.free))
            .arg(amounts_text(&self.request.shape.amounts()))
            .arg(state.answered.to_string())
            .arg(state.results.to_string())
            .arg(if calls.is_empty() { Vec::new() } else { encode(&calls) });
        for Settlement { token, outcome: result, call: _ } in batch {
            let shape = &self.request.shape;
            let name = state.claims.node(token).and_then(|(node, iteration)| match &result {
                Outcome::Iterated(_) => shape.iteration_name(node, iteration),
                _ => shape.name_of(node), // no other settlement is of an iteration
            });
            let name = name.unwrap_or_default();
            let (kind, payload) = outcome(result, shape.max_elements);
            command = command.arg(token_text(token)).arg(kind).arg(name).arg(payload);
        }
        command
    }

    fn committed(&self, tokens: Vec<(Token, Option<Stored>)>, done: Committed, sent: Instant) -> Reply {
        let Committed { settled, claims, blocked, progress, version, results } = done;
        let until = self.held_until(sent);
        let mut state = self.state();
        // Results are cached only if committed under a node that this host held.
        (state.answered, state.results) = (state.number, results);
        let mut verdicts = Vec::with_capacity(tokens.len());
        for ((token, result), answer) in tokens.into_iter().zip(settled) {
            let node = state.claims.node(token);
            let verdict = state.claims.record_settled(token, answer);
            match (verdict, node, result) {
                (Verdict::Committed, Some((node, _)), Some(Stored::Node(result))) => {
                    state.cache.insert((node, None), result);
                }
                (Verdict::Committed, Some((node, iteration)), Some(Stored::Iteration(result))) => {
                    state.cache.insert((node, Some(iteration)), result);
                }
                _ => {} // nothing was stored
            }
            verdicts.push(verdict);
        }
        claims.iter().for_each(|claim| state.claims.record_claim(claim, until));
        Reply { verdicts, claims, blocked, progress, version }
    }

    /// Returns when the lease of claims requested at `sent` expires. If the reply was slow, lease renewal is asked to
    /// confirm them at once, and they are trusted for a third of a lease meanwhile.
    fn held_until(&self, sent: Instant) -> Instant {
        let (lease, now) = (self.request.lease, Instant::now());
        let (until, min_until) = (sent + lease, now + lease * 2 / 3);
        if until < min_until {
            self.late.notify_one();
        }
        until.max(now + lease / 3)
    }

    /// Returns the heartbeat interval: a third of the lease, or of the run's TTL if that is shorter.
    pub(crate) fn heartbeat_interval(&self) -> Duration {
        let shorter = self.request.lease.min(self.request.ttl);
        (shorter / 3).clamp(Duration::from_millis(1), MAX_HEARTBEAT)
    }

    /// Waits until claims have arrived late. Cancel safe.
    pub(crate) async fn late(&self) {
        self.late.notified().await;
    }

    /// Returns when the first unconfirmed lease expires.
    pub(crate) fn next_end(&self) -> Option<Instant> {
        self.state().claims.next_end()
    }

    /// Takes the claims that were lost with their life; each is returned once.
    pub(crate) fn ended_leases(&self) -> Vec<Token> {
        self.state().claims.ended_leases()
    }

    /// Takes the claims whose lease has expired by the host's clock; each is returned once.
    pub(crate) fn doubtful(&self) -> Vec<Token> {
        self.state().claims.doubtful(Instant::now())
    }

    /// Renews all claims and sends a heartbeat, once, on a separate line and within a bound. Returns the lost claims;
    /// none without a reply.
    pub(crate) async fn renew_leases(&self, line: &Line, within: Duration) -> Option<Vec<Token>> {
        let held = self.state().claims.tokens();
        let sent = Instant::now();
        let request = Request::write([self.renewal(&held)]);
        let answers = self.link.ask_within(line, request, within).await.ok()?;
        let lost = self.renewed(&held, step(answers)).ok()?;
        self.state().claims.kept(&held, sent + self.request.lease);
        Some(lost)
    }

    fn renewal(&self, held: &[Token]) -> Command {
        self.step("renew").args(held.iter().map(|token| token_text(*token)))
    }

    pub(crate) async fn renew(&self, held: &[Token]) -> Result<Vec<Token>, Error> {
        if held.is_empty() {
            return Ok(Vec::new());
        }
        let step = self.take("renewing the leases of", self.renewal(held)).await?;
        self.renewed(held, step)
    }

    /// Reads the reply to a renewal and returns the lost claims.
    fn renewed(&self, held: &[Token], step: Step<Vec<Answer>>) -> Result<Vec<Token>, Error> {
        let lost = match step {
            Step::Taken(parts) => {
                let lost = parts.into_iter().next().map(Answer::list).unwrap_or_default().into_iter();
                let lost = lost.filter_map(Answer::bytes);
                lost.filter_map(|token| read_token(std::str::from_utf8(&token).ok()?)).collect()
            }
            Step::Layout => return Err(self.other_layout()),
            // The next commit opens the run again; until then nothing is held.
            Step::Lost(_) => {
                self.wakeups.nudge();
                held.to_vec()
            }
        };
        let mut state = self.state();
        lost.iter().for_each(|token| state.claims.lost(*token));
        Ok(lost)
    }

    /// Sends a heartbeat.
    pub(crate) async fn heartbeat(&self) -> Result<HeartbeatReply, Error> {
        let command = self.step("heartbeat").arg(amounts_text(&self.request.shape.amounts()));
        match step(
            self.link
                .ask(&self.doing("sending the heartbeat of"), Request::write([command]).best_effort())
                .await?,
        ) {
            Step::Taken(parts) => {
                let due = parts.get(1).and_then(|due| u64::try_from(due.number()?).ok());
                Ok(HeartbeatReply { is_known: true, due: due.map(Duration::from_millis) })
            }
            Step::Layout => Err(self.other_layout()),
            Step::Lost(_) => {
                self.wakeups.nudge();
                Ok(HeartbeatReply { is_known: false, due: None })
            }
        }
    }

    /// Claims the right to tell of the end of the run. A life that is over is told of by nobody.
    pub(crate) async fn claim_end(&self) -> Result<bool, Error> {
        match self.take("ending", self.step("claim_end")).await? {
            Step::Taken(parts) => Ok(parts.first().and_then(Answer::number) == Some(1)),
            Step::Layout => Err(self.other_layout()),
            Step::Lost(_) => Ok(false),
        }
    }

    /// Leaves the run. Returns whether the run still existed.
    pub(crate) async fn leave(&self) -> Result<bool, Error> {
        let held = self.state().claims.tokens();
        let command = self.step("leave").args(held.into_iter().map(token_text));
        let answers = self.link.ask(&self.doing("leaving"), Request::write([command]).best_effort()).await?;
        Ok(matches!(step(answers), Step::Taken(_)))
    }

    pub(crate) async fn cancel(&self) -> Result<(), Error> {
        for _ in 0..MAX_LIVES {
            match self.take("cancelling", self.step("cancel")).await? {
                Step::Taken(_) => return Ok(()),
                Step::Layout => return Err(self.other_layout()),
                // Opening the run changes the life, so no commit may run at the same time.
                Step::Lost(found) => {
                    let _committing = self.committing.lock().await;
                    self.reopen(found).await?;
                }
            }
        }
        Err(Error::new(ErrorKind::Unavailable, self.doing("cancelling")))
    }

    // Takes what it can from the result cache, and reads the rest from the server.
    pub(crate) async fn fetch(&self, nodes: &[NodeId]) -> Result<Vec<Entry>, Error> {
        let mut entries: Vec<Option<Entry>> = {
            let state = self.state();
            nodes.iter().map(|node| state.cache.get((*node, None)).map(Entry::of_stored)).collect()
        };
        let absent = nodes.iter().zip(&entries).filter(|(_, entry)| entry.is_none());
        let absent: Vec<NodeId> = absent.map(|(node, _)| *node).collect();
        let mut read = self.read(&absent).await?.into_iter();
        entries.iter_mut().filter(|entry| entry.is_none()).for_each(|entry| *entry = read.next());
        Ok(entries.into_iter().map(|entry| entry.unwrap_or(Entry::Open)).collect())
    }

    pub(crate) async fn failed(&self) -> Result<Vec<NodeId>, Error> {
        let command = Command::new("HKEYS").arg(self.keys.key("failed"));
        let answers = self.link.ask(&self.doing("reading"), Request::read([command])).await?;
        let names = answers.into_iter().next().map(Answer::list).unwrap_or_default().into_iter();
        let names = names.filter_map(|name| String::from_utf8(name.bytes()?.to_vec()).ok());
        Ok(ending::nodes(&self.request.shape, names))
    }

    pub(crate) async fn fetch_iteration(&self, node: NodeId, iteration: u32) -> Result<Option<Bytes>, Error> {
        if let Some(result) = self.state().cache.get((node, Some(iteration))) {
            return Ok(Some(result));
        }
        let name = self.request.shape.iteration_name(node, iteration).unwrap_or_default();
        let command = Command::new("HGET").arg(self.keys.key("results")).arg(name);
        let answers = self.link.ask(&self.doing("reading"), Request::read([command])).await?;
        Ok(answers.into_iter().next().and_then(Answer::bytes))
    }

    /// Reads the stored state of each node from the server, in order.
    async fn read(&self, nodes: &[NodeId]) -> Result<Vec<Entry>, Error> {
        let fields: Vec<String> =
            nodes.iter().map(|node| self.request.shape.name_of(*node).unwrap_or_default()).collect();
        let mut entries = Vec::with_capacity(nodes.len());
        for chunk in fields.chunks(CHUNK) {
            let read = |key: &str| Command::new("HMGET").arg(self.keys.key(key)).args(chunk);
            let request = Request::read(["results", "skipped", "failed"].map(read));
            let mut answers =
                self.link.ask(&self.doing("reading"), request).await?.into_iter().map(Answer::list);
            let mut column = || answers.next().unwrap_or_default().into_iter().map(Answer::bytes);
            let columns = column().zip(column()).zip(column());
            entries.extend(columns.map(|((result, skipped), failed)| match (result, skipped, failed) {
                (Some(bytes), _, _) => Entry::of_stored(bytes),
                (None, Some(reason), _) => SkipReason::parse(&reason).map_or(Entry::Open, Entry::Skipped),
                (None, None, Some(record)) => Entry::Failed(record),
                (None, None, None) => Entry::Open,
            }));
        }
        Ok(entries)
    }

    pub(crate) fn notices(&self) -> Vec<Notice> {
        self.notices.take()
    }
}

/// Reads the reply of a step.
fn step(answers: Vec<Answer>) -> Step<Vec<Answer>> {
    let mut parts = answers.into_iter().next().map(Answer::list).unwrap_or_default().into_iter();
    let word = parts.next().and_then(Answer::bytes).unwrap_or_default();
    match &*word {
        b"OK" => Step::Taken(parts.collect()),
        b"LAYOUT" => Step::Layout,
        b"LOST" => Step::Lost(parts.next().and_then(|found| u64::try_from(found.number()?).ok())),
        _ => Step::Lost(None), // the run does not exist, or has begun another life
    }
}
