//! The end of a node whose deadline has passed, and the time that a deadline leaves its call.
//! The ledger keeps the clocks, and hands out the nodes that nobody holds.

use crate::engine::on_error::CallFailure;
use crate::engine::settled::Verdict;
use crate::engine::verdicts::Job;
use crate::invoke;
use crate::model::{FailureClass, before_output, show_duration, to_usize};
use crate::state::{Deadline, DeadlineScope};
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

    /// Ends a node that is not computed because its deadline has passed.
    pub(crate) fn overdue(&self) -> Verdict {
        self.stopped_at_deadline(&invoke::LastOutput::default(), invoke::Usage::default())
    }

    /// Ends the node because its deadline has passed, as `on-error` says. It is not retried.
    pub(crate) fn stopped_at_deadline(&self, last: &invoke::LastOutput, usage: invoke::Usage) -> Verdict {
        let hide = |text: &str| self.ctx.recorder.hide(text);
        let message = before_output(&self.overdue_message(), &hide(&last.stderr), &hide(&last.stdout));
        self.end_failed_call(&CallFailure { class: FailureClass::Timeout, usage, message, error: None })
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
