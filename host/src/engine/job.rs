//! A job: takes one claimed node from claim to settlement. Decides, looks up, calls, and classifies the result.
//! The loop in `run` commits the settlement and emits its events.

use crate::cache::Stored;
use crate::engine::closing::close;
use crate::engine::context::Context;
use crate::engine::deadline::due;
use crate::engine::elements::check_together;
use crate::engine::expansion::Expansion;
use crate::engine::forecast::output;
use crate::engine::in_flight::{Acquired, InFlight, acquire};
use crate::engine::keys;
use crate::engine::repeat::{Next, next};
use crate::engine::reserving::Place;
use crate::engine::resolve::{Known, Scope};
use crate::engine::root_cause::{Skip, SkippedAt, find_root_cause, skip_causes};
use crate::engine::settled::{Settled, Verdict, accepted, left_out};
use crate::engine::skipping::{skip_reason, sources};
use crate::engine::turn::Turn;
use crate::engine::unresolved::Unresolved;
use crate::engine::verdicts::Job;
use crate::engine::verify::{Verification, Verified, call_twice, compare, is_shareable};
use crate::events::{CallFact, Fact, Subject};
use crate::invoke;
use crate::model::{Digest, FailureClass, SkipReason, TaskIdx};
use crate::plan::FanOut;
use crate::state::{Claim, Error, Hole, NodeId, Offer, Outcome, Stage};
use bytes::Bytes;
use rustc_hash::FxHashSet;
use std::sync::{Arc, OnceLock};

/// Brings a claim to its settlement. Fails only if the state backend or the cache does.
pub(crate) async fn process(ctx: &Context, claim: Claim) -> Result<Settled, Error> {
    if claim.stage == Stage::Closing {
        return Box::pin(close(ctx, claim)).await;
    }
    let Some(task) = ctx.bound.plan().task(claim.node.task) else {
        return Ok(Settled { claim, outcome: Outcome::Release, facts: Vec::new(), call: None });
    };
    let run = if ctx.shape.is_finally(claim.node.task) { Some(ctx.run_facts().await?) } else { None };
    let job = Job { ctx, task, claim: &claim, made: OnceLock::new(), due: due(&claim), run: run.as_deref() };
    job.recall_last_attempt().await;
    // A task that was lost with several hosts in a row probably crashes them, so it is not started again.
    let (outcome, facts) = if claim.takeovers > task.policy.max_lost_hosts {
        let hosts = if claim.takeovers == 1 {
            "1 host".to_owned()
        } else {
            format!("{} hosts in a row", claim.takeovers)
        };
        let message =
            format!("{hosts} lost this task; its `max-lost-hosts` allows {}", task.policy.max_lost_hosts);
        job.failed(FailureClass::Lost, &message, None)
    } else {
        match claim.stage {
            Stage::Expanded { items } => job.join(items).await?,
            Stage::Overdue => Box::pin(job.end_overdue()).await?,
            Stage::Ready | Stage::Tainted | Stage::Closing => {
                match job.until_stopped(Box::pin(job.advance())).await {
                    Some(verdict) => verdict?,
                    None => job.overdue(),
                }
            }
        }
    };
    job.forget_last_attempt(&outcome);
    let call = job.made.into_inner();
    Ok(Settled { claim, outcome, facts, call })
}

/// Decision about a node, once everything it depends on is known.
pub(crate) enum Decision {
    Skip(SkipReason),
    /// Into this many elements.
    Expand(u32),
    Call(Vec<Bytes>),
}

impl Job<'_> {
    /// Decides what the node needs, fetching other tasks' entries until that is possible, and does it.
    async fn advance(&self) -> Result<Verdict, Error> {
        let mut known = Known::default();
        self.fetch_entries(&mut known, self.flows_from()).await?;
        loop {
            let needs = match self.decide(&known) {
                Ok(Decision::Skip(reason)) | Err(Unresolved::Skip(reason)) => {
                    // Boxed, so that the other futures of this function are not as large as this one.
                    return Box::pin(self.skip(reason, known)).await;
                }
                Ok(_) if self.is_to_be_released() => return Ok((Outcome::Release, Vec::new())),
                Ok(Decision::Expand(items)) => return Ok(self.expand(items)),
                Ok(Decision::Call(args)) => {
                    let digests = self.ctx.digests.digests_of(&args);
                    return match self.offer(&digests) {
                        Some(offer) => Ok(accepted(offer)),
                        None => self.call_next(args, digests).await,
                    };
                }
                Err(Unresolved::Input(message)) => {
                    return Ok(self.unresolved(FailureClass::Input, &message));
                }
                Err(Unresolved::Limit(message)) => {
                    return Ok(self.unresolved(FailureClass::Limit, &message));
                }
                Err(Unresolved::LeftOut { level, cause }) => {
                    return Ok(left_out(Hole { level, cause, failure: None }));
                }
                Err(Unresolved::Needs(needs)) => needs,
            };
            // A needed task that was fetched and is still open has not ended: the node must wait for it.
            let needs: Vec<NodeId> = needs.into_iter().collect::<FxHashSet<_>>().into_iter().collect();
            let open: Vec<NodeId> = needs.iter().copied().filter(|node| known.contains_key(node)).collect();
            if let Some(excluded) = open.iter().find(|node| !self.ctx.is_included(node.task)) {
                return Ok(self.failed(FailureClass::Input, &self.excluded(excluded.task), None));
            }
            if !open.is_empty() {
                return Ok((Outcome::Await(open), Vec::new()));
            }
            self.fetch_entries(&mut known, needs).await?;
        }
    }

    fn excluded(&self, task: TaskIdx) -> String {
        let name = self.ctx.bound.plan().task(task).map_or("?", |task| task.name.as_str());
        format!("the task needs task `{name}`, which is not a target of this run")
    }

    /// Returns the elements of other tasks that this one flows from: it needs those in any case.
    pub(crate) fn flows_from(&self) -> Vec<NodeId> {
        let (plan, node) = (self.ctx.bound.plan(), self.claim.node);
        let (Some(flow), Some((around, item))) = (&self.task.flow, node.at.split_last()) else {
            return Vec::new();
        };
        if node.at.level() < self.task.depth() {
            return Vec::new();
        }
        let element = |source| match source {
            FanOut::Task(task) => {
                let level = plan.common_level(task, &self.task.around);
                Some(NodeId { task, at: around.prefix(level).child(item) })
            }
            FanOut::Pipeline(_) => None,
        };
        flow.distinct_sources().into_iter().filter_map(element).collect()
    }

    pub(crate) async fn fetch_entries(&self, known: &mut Known, nodes: Vec<NodeId>) -> Result<(), Error> {
        if nodes.is_empty() {
            return Ok(());
        }
        let entries = self.ctx.ledger.fetch(&nodes).await?;
        known.extend(nodes.into_iter().zip(entries));
        Ok(())
    }

    pub(crate) fn decide(&self, known: &Known) -> Result<Decision, Unresolved> {
        let (node, task) = (self.claim.node, self.task);
        let mut items: Vec<Vec<Bytes>> = Vec::with_capacity(node.at.level());
        // From the outside in: the element of each list around the node, by which the next list is known.
        let mut innermost = None;
        for (level, item) in node.at.as_slice().iter().enumerate() {
            let around = NodeId { at: node.at.prefix(level), ..node };
            let scope = self.scope(known, around, &items);
            let expansion = self.ctx.expansion(around, || Expansion::new(&scope, node.task, task))?;
            let values = expansion.element_values(&scope, *item)?;
            items.push(values);
            innermost = Some(expansion);
        }
        let scope = self.scope(known, node, &items);
        if node.at.level() <= task.around.len()
            && let Some(reason) = skip_reason(&scope, task)?
        {
            return Ok(Decision::Skip(reason));
        }
        if node.at.level() < task.depth() {
            // A node whose elements wait for others is tainted if those have ended without any.
            let may_lack_sources = matches!(self.claim.stage, Stage::Tainted | Stage::Overdue);
            if may_lack_sources && let Some(reason) = sources(&scope, node.task)? {
                return Ok(Decision::Skip(reason));
            }
            return self.elements_of(&scope).map(Decision::Expand);
        }
        match innermost {
            Some(expansion) => expansion.args(&scope, task).map(Decision::Call),
            None => scope.resolve_all(task.args.iter()).map(Decision::Call),
        }
    }

    /// Returns into how many elements the node in `scope` is expanded. Those of an overdue one need no arguments.
    fn elements_of(&self, scope: &Scope<'_>) -> Result<u32, Unresolved> {
        let (node, task) = (self.claim.node, self.task);
        match self.ctx.bound.plan().fan_out(node.task, node.at.level() + 1) {
            Some(of) if self.claim.stage == Stage::Overdue => Ok(scope.elements(of)?.len()),
            _ => Ok(self.ctx.expansion(node, || Expansion::new(scope, node.task, task))?.len()),
        }
    }

    /// Returns the scope of a node of the task.
    fn scope<'s>(&'s self, known: &'s Known, node: NodeId, items: &'s [Vec<Bytes>]) -> Scope<'s> {
        let around = self.task.around.get(..node.at.level()).unwrap_or(&self.task.around);
        Scope {
            bound: &self.ctx.bound,
            known,
            lists: &self.ctx.shared.lists,
            at: node.at,
            around,
            items,
            limits: self.task.limits,
            run: self.run,
        }
    }

    /// Skips the node. `known` holds the entries by which that was decided.
    pub(crate) async fn skip(&self, reason: SkipReason, known: Known) -> Result<Verdict, Error> {
        let causes: FxHashSet<NodeId> =
            skip_causes(self.ctx.bound.plan(), self.claim.node, reason).into_iter().collect();
        // Of a task that lies in elements, one of them may be the cause.
        let is_cause = |node: &NodeId| {
            let around = std::iter::successors(Some(*node), |node| node.parent());
            around.into_iter().any(|around| causes.contains(&around))
        };
        let before = known.keys().copied().filter(is_cause).collect();
        self.skipped(reason, before, known).await
    }

    pub(crate) async fn skipped(
        &self,
        reason: SkipReason,
        before: Vec<NodeId>,
        known: Known,
    ) -> Result<Verdict, Error> {
        let ctx = self.ctx;
        let plan = ctx.bound.plan();
        let known_cause = |node| ctx.root_cause_of(node);
        let at = if self.run.is_some() { SkippedAt::Ending } else { SkippedAt::Run };
        let skip = Skip { reason, at };
        let of = (&**plan, ctx.ledger.as_ref());
        let root_cause = find_root_cause(of, skip, before, known, known_cause).await?;
        // Those of elements are found again from each: there may be millions of them.
        if let (Some(root_cause), None) = (root_cause, self.claim.node.parent()) {
            ctx.record_root_cause(self.claim.node, root_cause);
        }
        let cause = root_cause.and_then(|node| ctx.shape.name_of(node));
        Ok((Outcome::Skipped(reason), vec![Fact::TaskSkipped { reason, cause, failure: None }]))
    }

    /// Returns whether the claim must be released without a start: its inputs are tainted, or this host is stopping.
    fn is_to_be_released(&self) -> bool {
        self.claim.stage == Stage::Tainted || self.ctx.is_stopping()
    }

    pub(crate) fn expand(&self, len: u32) -> Verdict {
        self.ctx.recorder.task(self.subject(None), Fact::TaskReady);
        let (plan, node) = (self.ctx.bound.plan(), self.claim.node);
        let lists = plan.fan_out(node.task, node.at.level() + 1).and_then(|of| plan.lists(of));
        let max_parallel = lists.and_then(|lists| lists.max_parallel);
        let others = self.claim.elements;
        if let Err(Unresolved::Limit(message)) = check_together(len, others, self.ctx.shape.max_elements) {
            return self.failed(FailureClass::Limit, &message, None);
        }
        (Outcome::Expand { items: len, max_parallel }, Vec::new())
    }

    /// Determines the call of the node. Returns what the claim offers, if it is of the same call.
    fn offer(&self, args: &[Digest]) -> Option<Offer> {
        let call = keys::call_digest(&self.ctx.bound, self.task, args)?;
        let call = *self.made.get_or_init(|| call);
        self.claim.offer.filter(|offer| offer.call == call)
    }

    /// Calls the function, or ends the node after its last iteration.
    async fn call_next(&self, args: Vec<Bytes>, digests: Vec<Digest>) -> Result<Verdict, Error> {
        let Some(repeat) = &self.task.repeat else {
            if self.claim.attempt == 1 {
                self.ctx.emit_ready(self.claim.node, self.subject(None));
            }
            return self.call(args, &digests).await;
        };
        // Iterations may have been made by other hosts, or before this run was resumed.
        if self.ctx.shared.begun.begin(self.claim.node) {
            self.ctx.emit_ready(self.claim.node, self.subject(None));
        }
        match next(self.ctx, (self.task, repeat), self.claim, args).await? {
            Next::Call(args) => {
                let digests = self.ctx.digests.digests_of(&args);
                self.call(args, &digests).await
            }
            Next::Done(value) => Ok(self.done(output(self.task, value), self.claim.iteration)),
            Next::Failed(class, message) => Ok(self.unresolved(class, &message)),
        }
    }

    async fn call(&self, args: Vec<Bytes>, digests: &[Digest]) -> Result<Verdict, Error> {
        let fact = self.ctx.call_fact(self.claim.node, (self.task, digests));
        // The cache key depends on the arguments, so it is known only now.
        let shared = self.ctx.cache.as_ref().and_then(|_| keys::shared(&self.ctx.bound, self.task, digests));
        // Single-flight: a cached result, a result that another job computes, or the duty to call.
        let Some(acquired) = self.until_due(acquire(self.ctx, self.claim, shared)).await else {
            return Ok(self.overdue());
        };
        let flight = match acquired? {
            Acquired::Stored(key, stored) if self.is_verified() => {
                return match self.turn().await? {
                    Turn::Starts(place) => {
                        let verifying = async { Ok(self.verify_stored((key, stored), args, fact).await) };
                        self.while_held(place, verifying).await
                    }
                    Turn::Ends(verdict) => Ok(verdict),
                };
            }
            Acquired::Stored(key, stored) => {
                let from = stored.run.as_ref().map(ToString::to_string);
                self.record_call(fact.map(|fact| CallFact { cached_from: from, ..fact }));
                let facts = vec![Fact::TaskCached { key: key.to_string() }];
                return Ok(match &self.task.repeat {
                    Some(repeat) => {
                        let value = stored.value;
                        self.settle_iteration(repeat, value, |value| (Outcome::Iterated(value), facts))
                    }
                    None => (Outcome::Done(output(self.task, stored.value)), facts),
                });
            }
            Acquired::Again => return Ok((Outcome::Release, Vec::new())),
            Acquired::Call(flight) => flight,
        };
        // Only a call that is made takes resources. Others may wait for its result meanwhile.
        let turn = match &flight {
            Some(flight) => flight.keep_during(self.turn()).await?,
            None => self.turn().await?,
        };
        match turn {
            Turn::Starts(None) => self.make(flight, args, fact).await,
            Turn::Starts(place) => self.while_held(place, Box::pin(self.make(flight, args, fact))).await,
            Turn::Ends(verdict) => {
                if let Some(flight) = flight {
                    flight.abandon().await?;
                }
                Ok(verdict)
            }
        }
    }

    /// Records that the attempt starts. Returns its subject.
    fn start(&self, fact: Option<CallFact>) -> Subject {
        self.record_call(fact);
        let subject = self.subject(Some(self.claim.attempt));
        self.ctx.recorder.task(subject.clone(), Fact::TaskStarted);
        subject
    }

    fn record_call(&self, fact: Option<CallFact>) {
        if let Some(fact) = fact {
            self.ctx.recorder.call(&self.subject(None), &fact);
        }
    }

    /// Makes the call.
    async fn make(
        &self,
        flight: Option<InFlight<'_>>,
        args: Vec<Bytes>,
        fact: Option<CallFact>,
    ) -> Result<Verdict, Error> {
        let subject = self.start(fact);
        let call = self.invocation(args, self.listener(subject));
        // Waiters of a shared key must hear of the end of the call, so a flight wraps the call in every case.
        match (flight, self.is_verified()) {
            (None, false) => Ok(self.settle_returned(self.ctx.invoker.invoke(call).await)),
            (Some(flight), false) => {
                Ok(self.settle_returned(flight.run(self.ctx.invoker.invoke(call)).await?))
            }
            (flight, true) => self.verify(flight, call).await,
        }
    }

    /// Does work while the attempt holds what it has reserved. The work is stopped if that is lost, and the node handed out again.
    async fn while_held(
        &self,
        place: Option<Place<'_>>,
        work: impl Future<Output = Result<Verdict, Error>>,
    ) -> Result<Verdict, Error> {
        let Some(mut place) = place else { return work.await };
        place.begin();
        tokio::select! {
            verdict = work => verdict,
            () = place.lost() => {
                self.ctx.mark_ready_emitted(self.claim.node);
                Ok((Outcome::Release, vec![Fact::TaskLeaseLost]))
            }
        }
    }

    /// Calls the guest twice, and accepts the result only if both calls agree.
    async fn verify(&self, flight: Option<InFlight<'_>>, call: Arc<invoke::Call>) -> Result<Verdict, Error> {
        let mut differs = None;
        let both_calls = call_twice(self.ctx.invoker.as_ref(), call, &mut differs);
        let returned = match flight {
            Some(flight) => flight.run(both_calls).await?,
            None => both_calls.await,
        };
        Ok(match differs {
            Some(difference) => {
                self.fail_unverified(&format!("of two identical calls, the second differs: {difference}"))
            }
            None => self.settle_returned(returned),
        })
    }

    fn is_verified(&self) -> bool {
        self.ctx.verification == Verification::Twice && is_shareable(&self.ctx.bound, self.task)
    }

    /// Calls the guest for a result that the cache has, and compares the two.
    async fn verify_stored(
        &self,
        (key, stored): (Digest, Stored),
        args: Vec<Bytes>,
        fact: Option<CallFact>,
    ) -> Verdict {
        let subject = self.start(fact);
        let call = self.invocation(args, self.listener(subject));
        let usage = invoke::Usage::default();
        let (outcome, last) = (invoke::Outcome::Value(stored.value), invoke::LastOutput::default());
        let expected = invoke::Returned { outcome, last, exit: None, usage };
        match compare(expected, self.ctx.invoker.invoke(call).await) {
            Verified::Same(returned) => self.settle_returned(Ok(returned)),
            Verified::Unknown(failure) => self.settle_failure(failure),
            Verified::Differs(difference) => self.fail_unverified(&format!(
                "a repeated call differs from the cached result with key {key}: {difference}"
            )),
        }
    }

    /// Fails a task whose result is not deterministic. No retry: that would only hide it.
    fn fail_unverified(&self, reason: &str) -> Verdict {
        self.failed(FailureClass::Error, &format!("not deterministic: {reason}"), None)
    }
}
