//! Events about nodes and backends: builds facts with their subjects and hands them to the recorder.
//! `run_state` and `job` decide when each event is due.

use crate::engine::context::Context;
use crate::events::{CallFact, Fact, Subject};
use crate::model::{Digest, TaskIdx};
use crate::plan::Task;
use crate::state::{Blocked, Claim, NodeId, Notice, Stage};

impl Context {
    /// Emits which results were already stored.
    pub(crate) fn emit_stored(&self, stored: &[TaskIdx]) {
        for task in stored {
            if let Some(subject) = self.subject(NodeId::of_task(*task), None) {
                self.recorder.task(subject, Fact::TaskStored);
            }
        }
    }

    /// Emits the warnings of failed elements of tasks that this host has not ended.
    pub(crate) fn emit_left_out(&self) {
        for (task, left_out) in self.shared.left_out.take() {
            let name = self.shape.name_of(NodeId::of_task(task)).unwrap_or_default();
            left_out.warning(&name).into_iter().for_each(|warning| self.recorder.run(warning));
        }
    }

    /// Emits the notices of the ledger and the cache, such as a reconnect.
    pub(crate) fn emit_notices(&self) {
        let cache = self.cache.iter().flat_map(|cache| cache.notices());
        for notice in self.ledger.notices().into_iter().chain(cache) {
            let Notice { code, message } = notice;
            self.recorder.run(Fact::Warning { code: code.into(), message });
        }
    }

    /// Emits that a node waits for a resource.
    pub(crate) fn emit_blocked(&self, blocked: Blocked) {
        if let Some(subject) = self.subject(blocked.node, None) {
            let resource = self.shape.resources.get(blocked.resource);
            let resource = resource.map(|resource| resource.name.to_string()).unwrap_or_default();
            self.emit_ready_blocked(blocked.node, subject, resource);
        }
    }

    /// Emits a fact about a claimed node.
    pub(crate) fn emit(&self, claim: &Claim, fact: Fact) {
        let is_call = claim.stage != Stage::Overdue && self.is_call(claim.node);
        let is_attempt = has_attempt(&fact) && is_call;
        let attempt = is_attempt.then_some(claim.attempt);
        let iteration = self.iteration(claim).filter(|_| is_of_iteration(&fact));
        let subject = self.subject(claim.node, attempt).map(|subject| Subject { iteration, ..subject });
        match (subject, &fact) {
            (Some(subject), _) => self.recorder.task(subject, fact),
            (None, Fact::OutputFailed { .. }) => self.recorder.run(fact),
            (None, _) => {} // the node that closes the run has no other events
        }
    }

    /// Returns what a call with arguments of these digests depends on; none if no sink stores it.
    pub(crate) fn call_fact(&self, node: NodeId, (task, args): (&Task, &[Digest])) -> Option<CallFact> {
        if !self.recorder.stores_calls() {
            return None;
        }
        let bound = &self.bound;
        let is_secret = |position| bound.is_secret_arg(node.task, position);
        let arg =
            |(position, digest): (usize, &Digest)| if is_secret(position) { 0 } else { digest.prefix() };
        let callee = bound.callees().get(task.function).map_or(0, Digest::prefix);
        Some(CallFact { callee, args: args.iter().enumerate().map(arg).collect(), cached_from: None })
    }

    /// Returns whether a node is a call, rather than the task around its elements.
    pub(crate) fn is_call(&self, node: NodeId) -> bool {
        self.shape.tasks.get(node.task.index()).is_some_and(|task| !task.is_expandable(&node.at))
    }

    /// Returns the iteration that a claim computes; none if its task does not repeat, or has no further one.
    pub(crate) fn iteration(&self, claim: &Claim) -> Option<u32> {
        let task = self.bound.plan().task(claim.node.task).filter(|_| self.is_call(claim.node))?;
        let max = task.repeat.as_ref()?.max;
        (claim.iteration < max).then_some(claim.iteration)
    }

    fn subject(&self, node: NodeId, attempt: Option<u32>) -> Option<Subject> {
        let (task, item) = self.shape.tasks.get(node.task.index())?.subject(&node.at);
        Some(Subject { task, item, iteration: None, attempt })
    }
}

/// Returns whether a fact of a task that repeats is about one iteration.
const fn is_of_iteration(fact: &Fact) -> bool {
    match fact {
        Fact::TaskFinished { iterations, .. } => iterations.is_none(),
        Fact::TaskCached { .. } => true,
        other => has_attempt(other),
    }
}

/// Returns whether a fact is about an attempt, rather than about a node that was not attempted.
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
        | Fact::RunEnding { .. }
        | Fact::TaskReady
        | Fact::TaskCached { .. }
        | Fact::TaskStored
        | Fact::TaskSkipped { .. }
        | Fact::TaskBlocked { .. }
        | Fact::OutputFailed { .. }
        | Fact::StateReconnected
        | Fact::Warning { .. } => false,
    }
}
