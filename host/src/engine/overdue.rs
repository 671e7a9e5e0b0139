//! The end of a node whose deadline has passed, and the time that a deadline leaves its call.
//! The ledger keeps the clocks, and hands out the nodes that nobody holds.

use crate::engine::job::Decision;
use crate::engine::on_error::{CallFailure, spares_task};
use crate::engine::resolve::Known;
use crate::engine::settled::{Verdict, left_out};
use crate::engine::unresolved::Unresolved;
use crate::engine::verdicts::Job;
use crate::invoke;
use crate::model::{FailureClass, before_output, show_duration, to_usize};
use crate::state::{Deadline, DeadlineScope, Error, Hole, NodeId, Outcome};
use rustc_hash::FxHashSet;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Time after a deadline in which a guest that is stopped reports what it used and wrote last. Work that takes longer is
/// dropped.
const GRACE: Duration = Duration::from_secs(1);

impl Job<'_> {
    /// Does work until the deadline of the node passes.
    pub(crate) async fn until_due<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        match self.due {
            Some(due) => timeout_at(due, work).await.ok(),
            None => Some(work.await),
        }
    }

    /// Does work that stops itself when the deadline passes, and drops it if it does not.
    pub(crate) async fn until_stopped<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        match self.due.and_then(|due| due.checked_add(GRACE)) {
            Some(due) => timeout_at(due, work).await.ok(),
            None => Some(work.await),
        }
    }

    /// Returns the time limit of a call that begins now, of which an attempt may take as long as `timeout`.
    pub(crate) fn timeout(&self, timeout: Duration) -> Duration {
        self.due.map_or(timeout, |due| timeout.min(due.saturating_duration_since(Instant::now())))
    }

    /// Returns whether the deadline of the node has passed.
    pub(crate) fn is_overdue(&self) -> bool {
        self.due.is_some_and(|due| due <= Instant::now())
    }

    /// Ends a node that nobody held when its deadline passed, by what has ended until then: as skipped or left out if that
    /// is decided, or by its elements if `on-error` spares the task their failures. Any other node is overdue.
    pub(crate) async fn end_overdue(&self) -> Result<Verdict, Error> {
        let spares_task = spares_task(self.task, self.claim.node.at.level());
        let mut known = Known::default();
        self.fetch_entries(&mut known, self.flows_from()).await?;
        loop {
            match self.decide(&known) {
                Ok(Decision::Skip(reason)) | Err(Unresolved::Skip(reason)) => {
                    return Box::pin(self.skip(reason, known)).await;
                }
                Ok(Decision::Expand(items)) if spares_task => return Ok(self.expand(items)),
                Err(Unresolved::LeftOut { level, cause }) => {
                    return Ok(left_out(Hole { level, cause, failure: None }));
                }
                // What was fetched and is open is not waited for.
                Err(Unresolved::Needs(nodes)) if nodes.iter().all(|node| !known.contains_key(node)) => {
                    let nodes: FxHashSet<NodeId> = nodes.into_iter().collect();
                    self.fetch_entries(&mut known, nodes.into_iter().collect()).await?;
                }
                Ok(Decision::Expand(_) | Decision::Call(_))
                | Err(Unresolved::Needs(_) | Unresolved::Input(_) | Unresolved::Limit(_)) => {
                    return Ok(self.overdue());
                }
            }
        }
    }

    /// Ends a node that is not computed because its deadline has passed.
    pub(crate) fn overdue(&self) -> Verdict {
        self.stopped_at_deadline(&invoke::LastOutput::default(), invoke::Usage::default())
    }

    /// Ends the node because its deadline has passed, as `on-error` says. It is not retried.
    pub(crate) fn stopped_at_deadline(&self, last: &invoke::LastOutput, usage: invoke::Usage) -> Verdict {
        let hide = |text: &str| self.ctx.recorder.hide(text);
        let message = self.with_last_attempt(self.overdue_message());
        let message = before_output(&message, &hide(&last.stderr), &hide(&last.stdout));
        self.end_failed_call(&CallFailure { class: FailureClass::Timeout, usage, message, error: None })
    }

    /// Looks up how the attempt before has failed, if another host has made it: its note may be there.
    pub(crate) async fn recall_last_attempt(&self) {
        let (claim, kept) = (self.claim, &self.ctx.shared.last_attempts);
        let before = claim.attempt.saturating_sub(1);
        if claim.deadline.is_none() || before == 0 || !kept.lacks(claim.node) {
            return;
        }
        let (Some(notes), Some(name)) = (&self.ctx.notes, self.ctx.shape.name_of(claim.node)) else { return };
        // Without it the message only counts the attempts.
        let Ok(views) = notes.nodes(&self.ctx.run, &[name]).await else { return };
        let note = views.into_iter().find_map(|view| view.note).filter(|note| note.attempts == before);
        if let Some((class, message)) = note.and_then(|note| note.failure) {
            kept.keep(claim.node, before, (class, &self.ctx.recorder.hide(&message)));
        }
    }

    /// Adds how the attempt before has failed: the deadline may only have ended its repetitions.
    fn with_last_attempt(&self, message: String) -> String {
        let before = self.claim.attempt.saturating_sub(1);
        match self.ctx.shared.last_attempts.of(self.claim.node) {
            Some(failure) => format!("{message}; {failure}"),
            // On another host, which left no note.
            None if before > 0 => format!("{message}; attempt {before} had failed"),
            None => message,
        }
    }

    /// Forgets how the last attempt of the node has failed, unless the node is handed out again.
    pub(crate) fn forget_last_attempt(&self, outcome: &Outcome) {
        let is_returned = matches!(outcome, Outcome::Retry { .. } | Outcome::Release | Outcome::Await(_));
        if self.claim.attempt > 1 && !is_returned && self.claim.deadline.is_some() {
            self.ctx.shared.last_attempts.forget(self.claim.node);
        }
    }

    fn overdue_message(&self) -> String {
        let position = self.claim.deadline.map(|Deadline { position, .. }| to_usize(position));
        let Some(passed) = position.and_then(|position| self.ctx.shape.deadlines.get(position)) else {
            return "a deadline of the task has passed".to_owned();
        };
        let limit = show_duration(passed.limit);
        match passed.scope {
            DeadlineScope::Task => format!("`deadline` = {limit} reached: the task had not ended"),
            DeadlineScope::Pipeline => {
                format!("`deadline` = {limit} of `{}` reached: the task had not ended", passed.name)
            }
        }
    }
}
