//! A job: takes one claimed node from claim to settlement. Decides, looks up, calls, and classifies the result.
//! The loop in `run` commits the settlement and emits its events.

use crate::cache::Stored;
use crate::engine::closing::close;
use crate::engine::context::Context;
use crate::engine::elements::check_together;
use crate::engine::exit_status::{ProgramError, program_error};
use crate::engine::expansion::Expansion;
use crate::engine::failure_text::{failure_of, shown_error};
use crate::engine::forecast::output;
use crate::engine::in_flight::{Acquired, InFlight, acquire};
use crate::engine::keys;
use crate::engine::repeat::{Next, next};
use crate::engine::resolve::{Known, Scope};
use crate::engine::retry::{Attempted, next_delay};
use crate::engine::root_cause::{find_root_cause, skip_causes};
use crate::engine::settled::{Settled, Verdict, accepted, finished, iterated, repeated};
use crate::engine::skipping::{skip_reason, sources};
use crate::engine::unresolved::Unresolved;
use crate::engine::verify::{Verification, Verified, call_twice, compare, is_shareable};
use crate::events::{Fact, FailureFact, Subject};
use crate::invoke;
use crate::model::{Digest, FailureClass, SkipReason, TaskIdx, after_output, before_output, to_usize};
use crate::plan::{Function, OnError, Task};
use crate::state::{CallDigest, Claim, Entry, Error, FailureRecord, NodeId, Offer, Outcome, Stage};
use crate::value::{ListBuilder, Type, case_name, compose_case};
use bytes::Bytes;
use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

/// Number of elements fetched per request when their list is built. Fetching all at once would hold them twice.
const JOIN_CHUNK: u32 = 10_000;

/// Brings a claim to its settlement. Fails only if the state backend or the cache does.
pub(crate) async fn process(ctx: &Context, claim: Claim) -> Result<Settled, Error> {
    if claim.stage == Stage::Closing {
        return Box::pin(close(ctx, claim)).await;
    }
    let Some(task) = ctx.bound.plan().task(claim.node.task) else {
        return Ok(Settled { claim, outcome: Outcome::Release, facts: Vec::new(), call: None });
    };
    let job = Job { ctx, task, claim: &claim, made: OnceLock::new() };
    // A task that was lost with several hosts in a row probably crashes them, so it is not started again.
    let (outcome, facts) = if claim.takeovers > task.max_lost_hosts {
        let hosts = if claim.takeovers == 1 {
            "1 host".to_owned()
        } else {
            format!("{} hosts in a row", claim.takeovers)
        };
        let message = format!("{hosts} lost this task; its `max-lost-hosts` allows {}", task.max_lost_hosts);
        job.failed(FailureClass::Lost, &message, None)
    } else {
        match claim.stage {
            Stage::Expanded { items } => job.join(items).await?,
            Stage::Ready | Stage::Tainted | Stage::Closing => job.advance().await?,
        }
    };
    let call = job.made.into_inner();
    Ok(Settled { claim, outcome, facts, call })
}

/// Decision about a node, once everything it depends on is known.
enum Decision {
    Skip(SkipReason),
    Expand(Arc<Expansion>),
    Call(Vec<Bytes>),
}

pub(crate) struct Job<'a> {
    pub(crate) ctx: &'a Context,
    pub(crate) task: &'a Task,
    pub(crate) claim: &'a Claim,
    /// The call of the node, once its arguments are known.
    made: OnceLock<CallDigest>,
}

impl Job<'_> {
    /// Decides what the node needs, fetching other tasks' entries until that is possible, and does it.
    async fn advance(&self) -> Result<Verdict, Error> {
        let mut known = Known::new();
        loop {
            let needs = match self.decide(&known) {
                Ok(Decision::Skip(reason)) | Err(Unresolved::Skip(reason)) => {
                    // Boxed, so that the other futures of this function are not as large as this one.
                    return Box::pin(self.skip(reason, known)).await;
                }
                Ok(_) if self.is_to_be_released() => return Ok((Outcome::Release, Vec::new())),
                Ok(Decision::Expand(expansion)) => return Ok(self.expand(&expansion)),
                Ok(Decision::Call(args)) => {
                    return match self.offer(&args) {
                        Some(offer) => Ok(accepted(offer)),
                        None => self.call_next(args).await,
                    };
                }
                Err(Unresolved::Input(message)) => {
                    return Ok(self.failed(FailureClass::Input, &message, None));
                }
                Err(Unresolved::Limit(message)) => {
                    return Ok(self.failed(FailureClass::Limit, &message, None));
                }
                Err(Unresolved::Needs(needs)) => needs,
            };
            // A needed task that was fetched and is still open has not ended: the node must wait for it.
            let needs: HashSet<NodeId> = needs.into_iter().collect();
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

    async fn fetch_entries(&self, known: &mut Known, nodes: HashSet<NodeId>) -> Result<(), Error> {
        let nodes: Vec<NodeId> = nodes.into_iter().collect();
        let entries = self.ctx.ledger.fetch(&nodes).await?;
        known.extend(nodes.into_iter().zip(entries));
        Ok(())
    }

    fn decide(&self, known: &Known) -> Result<Decision, Unresolved> {
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
            if let (Stage::Tainted, Some(reason)) = (self.claim.stage, sources(&scope, node.task)?) {
                return Ok(Decision::Skip(reason));
            }
            let expansion = self.ctx.expansion(node, || Expansion::new(&scope, node.task, task));
            return expansion.map(Decision::Expand);
        }
        match innermost {
            Some(expansion) => expansion.args(&scope, task).map(Decision::Call),
            None => scope.resolve_all(task.args.iter()).map(Decision::Call),
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
        }
    }

    /// Skips the node. `known` holds the entries by which that was decided.
    async fn skip(&self, reason: SkipReason, known: Known) -> Result<Verdict, Error> {
        let mut before = skip_causes(self.ctx.bound.plan(), self.claim.node, reason);
        before.retain(|node| known.contains_key(node));
        self.skipped(reason, before, known).await
    }

    async fn skipped(&self, reason: SkipReason, before: Vec<NodeId>, known: Known) -> Result<Verdict, Error> {
        let ctx = self.ctx;
        let plan = ctx.bound.plan();
        let known_cause = |node| ctx.root_cause_of(node);
        let root_cause =
            find_root_cause((plan, ctx.ledger.as_ref()), reason, before, known, known_cause).await?;
        // Those of elements are found again from each: there may be millions of them.
        if let (Some(root_cause), None) = (root_cause, self.claim.node.parent()) {
            ctx.record_root_cause(self.claim.node, root_cause);
        }
        let cause = root_cause.and_then(|node| ctx.shape.name_of(node));
        Ok((Outcome::Skipped(reason), vec![Fact::TaskSkipped { reason, cause }]))
    }

    /// Returns whether the claim must be released without a start: its inputs are tainted, or this host is stopping.
    fn is_to_be_released(&self) -> bool {
        self.claim.stage == Stage::Tainted || self.ctx.is_stopping()
    }

    fn expand(&self, expansion: &Expansion) -> Verdict {
        self.ctx.recorder.task(self.subject(None), Fact::TaskReady);
        let (plan, node) = (self.ctx.bound.plan(), self.claim.node);
        let lists = plan.fan_out(node.task, node.at.level() + 1).and_then(|of| plan.lists(of));
        let max_parallel = lists.and_then(|lists| lists.max_parallel);
        let (len, others) = (expansion.len(), self.claim.elements);
        if let Err(Unresolved::Limit(message)) = check_together(len, others, self.ctx.shape.max_elements) {
            return self.failed(FailureClass::Limit, &message, None);
        }
        (Outcome::Expand { items: len, max_parallel }, Vec::new())
    }

    /// Determines the call of the node. Returns what the claim offers, if it is of the same call.
    fn offer(&self, args: &[Bytes]) -> Option<Offer> {
        let call = keys::call_digest(&self.ctx.bound, self.task, args, &self.ctx.digests)?;
        let call = *self.made.get_or_init(|| call);
        self.claim.offer.filter(|offer| offer.call == call)
    }

    /// Calls the function, or ends the node after its last iteration.
    async fn call_next(&self, args: Vec<Bytes>) -> Result<Verdict, Error> {
        let Some(repeat) = &self.task.repeat else {
            return self.call(args).await;
        };
        self.ctx.shared.begun.begin(self.claim.node);
        match next(self.ctx, (self.task, repeat), self.claim, args).await? {
            Next::Call(args) => self.call(args).await,
            Next::Done(value) => Ok(self.done(output(self.task, value), self.claim.iteration)),
            Next::Failed(class, message) => Ok(self.failed(class, &message, None)),
        }
    }

    /// Ends a node that repeats with its output.
    fn done(&self, output: Bytes, iterations: u32) -> Verdict {
        repeated(output, iterations, self.ctx.shared.begun.end(self.claim.node))
    }

    async fn call(&self, args: Vec<Bytes>) -> Result<Verdict, Error> {
        if (self.claim.attempt, self.claim.iteration) == (1, 0) {
            self.ctx.emit_ready(self.claim.node, self.subject(None));
        }
        // The cache key depends on the arguments, so it is known only now.
        let shared = self
            .ctx
            .cache
            .as_ref()
            .and_then(|_| keys::shared(&self.ctx.bound, self.task, &args, &self.ctx.digests));
        // Single-flight: a cached result, a result that another job computes, or the duty to call.
        let flight = match acquire(self.ctx, self.claim, shared).await? {
            Acquired::Stored(key, stored) if self.is_verified() => {
                return Ok(self.verify_stored(key, stored, args).await);
            }
            Acquired::Stored(key, stored) => {
                let outcome = match &self.task.repeat {
                    Some(_) => Outcome::Iterated(stored.value),
                    None => Outcome::Done(output(self.task, stored.value)),
                };
                return Ok((outcome, vec![Fact::TaskCached { key: key.to_string() }]));
            }
            Acquired::Again => return Ok((Outcome::Release, Vec::new())),
            Acquired::Call(flight) => flight,
        };
        let subject = self.subject(Some(self.claim.attempt));
        self.ctx.recorder.task(subject.clone(), Fact::TaskStarted);
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

    fn settle_returned(&self, returned: Result<invoke::Returned, invoke::Failure>) -> Verdict {
        match returned {
            Ok(invoke::Returned { outcome: invoke::Outcome::Value(value), usage, .. }) => {
                if self.task.repeat.is_some() {
                    return iterated(value, usage);
                }
                finished(output(self.task, value), usage)
            }
            Ok(invoke::Returned { outcome: invoke::Outcome::Error(payload), last, exit, usage }) => {
                self.settle_error(payload, exit, (&last, usage))
            }
            Err(failure) => self.settle_failure(failure),
        }
    }

    fn is_verified(&self) -> bool {
        self.ctx.verification == Verification::Twice && is_shareable(&self.ctx.bound, self.task)
    }

    /// Calls the guest for a result that the cache has, and compares the two.
    async fn verify_stored(&self, key: Digest, stored: Stored, args: Vec<Bytes>) -> Verdict {
        let subject = self.subject(Some(self.claim.attempt));
        self.ctx.recorder.task(subject.clone(), Fact::TaskStarted);
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

    /// Settles a call that returned an `err`: retry, failure, or the error as a value.
    fn settle_error(
        &self,
        payload: Bytes,
        exit: Option<u8>,
        (last, usage): (&invoke::LastOutput, invoke::Usage),
    ) -> Verdict {
        let case = self.task.error.as_ref().and_then(|ty| match ty {
            Type::Variant(_) | Type::Enum(_) => case_name(ty, &payload).map(str::to_owned),
            _ => None, // errors of other types have no cases
        });
        let command = self.ctx.bound.plan().function_of(self.task).and_then(Function::command);
        let hide = |text: &str| self.ctx.recorder.hide(text);
        let error = command.and_then(|command| program_error(command, &payload, hide));
        let (message, payload) = match error {
            Some(ProgramError { message, payload }) => (message, payload),
            None => (shown_error(self.task.error.as_ref(), (&payload, exit), hide), payload),
        };
        let message = before_output(&message, &hide(&last.stderr), &hide(&last.stdout));
        if let Some(retry) = self.retry(FailureClass::Error, case.as_deref(), &message) {
            return retry;
        }
        match self.task.on_error {
            OnError::Value if self.task.repeat.is_some() => {
                self.done(compose_case("err", &payload), self.claim.iteration.saturating_add(1))
            }
            OnError::Value => finished(compose_case("err", &payload), usage),
            OnError::Fail => self.failed(FailureClass::Error, &message, Some(payload)),
        }
    }

    /// Settles a call that ended without a result: retry or failure.
    fn settle_failure(&self, failure: invoke::Failure) -> Verdict {
        let invoke::Failure { class, message, last, backtrace, usage: _ } = failure;
        let [stderr, stdout] = [&last.stderr, &last.stdout].map(|text| self.ctx.recorder.hide(text));
        let mut message = match class {
            FailureClass::Trap => after_output(&stderr, &stdout, &message),
            _ => before_output(&message, &stderr, &stdout), // the host's reason says more than the guest's lines
        };
        if let Some(backtrace) = backtrace {
            message = format!("{message}\n{backtrace}");
        }
        self.retry(class, None, &message).unwrap_or_else(|| self.failed(class, &message, None))
    }

    fn retry(&self, class: FailureClass, case: Option<&str>, message: &str) -> Option<Verdict> {
        let attempted = Attempted { number: self.claim.attempt, class, case };
        let delay = self.ctx.with_random(|random| next_delay(&self.task.retry, &attempted, random))?;
        let fact = Fact::TaskRetrying {
            delay_ms: u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
            failure: FailureFact { class, error: message.to_owned() },
        };
        Some((Outcome::Retry(delay), vec![fact]))
    }

    fn failed(&self, class: FailureClass, message: &str, error: Option<Bytes>) -> Verdict {
        let message = self.ctx.recorder.hide(message);
        let iteration = self.ctx.iteration(self.claim);
        if self.task.repeat.is_some() {
            self.ctx.shared.begun.end(self.claim.node);
        }
        let record = FailureRecord {
            class,
            message: iteration.map_or_else(
                || message.clone(),
                |number| failure_of(&format!("iteration {number}"), &message),
            ),
            attempt: self.claim.attempt,
            item: self.claim.node.at.last(),
            error: error.map(|error| error.to_vec()),
        };
        let fact = Fact::TaskFailed(FailureFact { class, error: message });
        (Outcome::Failed(record.encode()), vec![fact])
    }

    /// Builds the list of a `for-each` from the results of its elements. The elements of a pipeline make no list: who
    /// reads them puts it together.
    async fn join(&self, items: u32) -> Result<Verdict, Error> {
        let around = self.claim.node;
        let duration = self.ctx.forget_expansion(around);
        let is_list = around.at.level() + 1 == self.task.depth() && self.task.is_for_each();
        let element = match &self.task.output {
            Some(Type::List(element)) => element,
            _ => &Type::Bool, // elements without a value are stored as nil, and the list copies them unread
        };
        let mut list = ListBuilder::new(element, to_usize(items));
        let (mut skipped, mut missing): (Option<SkipReason>, Option<u32>) = (None, None);
        let mut has_done = false;
        let mut first = 0;
        // Results are fetched in chunks and appended, so that the peak is one list and one chunk.
        while first < items {
            let end = items.min(first.saturating_add(JOIN_CHUNK));
            let nodes: Vec<NodeId> = (first..end).map(|item| around.child(item)).collect();
            for (item, entry) in (first..end).zip(self.ctx.ledger.fetch(&nodes).await?) {
                match entry {
                    Entry::Done(_) if !is_list => has_done = true,
                    Entry::Done(value) => {
                        if let Err(fault) = list.push(&value) {
                            return Ok(self.failed(FailureClass::Input, &fault.to_string(), None));
                        }
                    }
                    // A failure outweighs a skip, as it does within one element.
                    Entry::Skipped(SkipReason::UpstreamFailed) => skipped = Some(SkipReason::UpstreamFailed),
                    Entry::Skipped(reason) => skipped = skipped.or(Some(reason)),
                    Entry::Failed(record) => return Ok(self.element_failed(item, &record)),
                    // An element that was expanded itself, and has ended well, stores nothing.
                    Entry::Open if !is_list && around.at.level() + 1 < self.task.depth() => has_done = true,
                    Entry::Open => missing = missing.or(Some(item)),
                }
            }
            first = end;
        }
        // The elements of a pipeline stand for themselves: one that its condition skips does not skip the others.
        let skipped = skipped.filter(|reason| !has_done || *reason == SkipReason::UpstreamFailed);
        Ok(match (missing, skipped) {
            // After a failure that stops the run, elements are missing that would have followed.
            (None, Some(reason)) | (Some(_), Some(reason @ SkipReason::UpstreamFailed)) => {
                let before = skip_causes(self.ctx.bound.plan(), around, reason);
                return Box::pin(self.skipped(reason, before, Known::new())).await;
            }
            (Some(item), _) => {
                let message = format!("the state has lost the result of element {item}");
                self.failed(FailureClass::Lost, &message, None)
            }
            (None, None) => {
                let list = if is_list { list.finish() } else { Bytes::new() };
                let (outcome, facts) = finished(list, invoke::Usage { duration, ..invoke::Usage::default() });
                (if is_list { outcome } else { Outcome::Passed }, facts)
            }
        })
    }

    /// Fails as an element did. Only the innermost elements are named: a node around them passes the message on.
    fn element_failed(&self, item: u32, record: &[u8]) -> Verdict {
        let (node, depth) = (self.claim.node.child(item), self.task.depth());
        let name = self.ctx.shape.name_of(node).filter(|_| depth > 1);
        let element = name.map_or_else(|| format!("element {item}"), |name| format!("element `{name}`"));
        match FailureRecord::decode(record) {
            Some(record) if node.at.level() < depth => self.failed(record.class, &record.message, None),
            // The backtrace was emitted with the element.
            Some(record) => self.failed(record.class, &failure_of(&element, &record.message), None),
            None => self.failed(FailureClass::Error, &format!("{element} failed"), None),
        }
    }

    pub(crate) fn subject(&self, attempt: Option<u32>) -> Subject {
        let shape = self.ctx.shape.tasks.get(self.claim.node.task.index());
        let (task, item) =
            shape.map_or_else(|| (self.task.name.clone(), None), |shape| shape.subject(&self.claim.node.at));
        let iteration = self.ctx.iteration(self.claim).filter(|_| attempt.is_some());
        Subject { task, item, iteration, attempt }
    }
}
