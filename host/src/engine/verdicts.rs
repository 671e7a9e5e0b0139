//! Verdicts on a claimed node: what its call, its error, its failure or an iteration makes of it.
//! `job` decides what is called; the ledger gets the settlements.

use crate::engine::context::Context;
use crate::engine::exit_status::{ProgramError, program_error};
use crate::engine::failure_text::{error_json, failure_of, shown_error};
use crate::engine::forecast::output;
use crate::engine::growth::{Shortfall, Step, with_list_advice};
use crate::engine::on_error::{CallFailure, Ending, ending};
use crate::engine::repeat::is_last;
use crate::engine::retry::{Attempted, delay_after, next_delay};
use crate::engine::run_facts::RunFacts;
use crate::engine::settled::{Verdict, finished, iterated, left_out, repeated};
use crate::events::{Fact, FailureFact, Subject};
use crate::invoke;
use crate::model::{FailureClass, Size, after_output, before_output, own_words};
use crate::plan::{Function, OnError, Repeat, Task};
use crate::state::{CallDigest, Claim, FailureRecord, Hole, Outcome, Stage};
use crate::value::{Type, case_name};
use bytes::Bytes;
use std::sync::OnceLock;
use std::time::Duration;
use tokio::time::Instant;

/// Work on one claimed node.
pub(crate) struct Job<'a> {
    pub(crate) ctx: &'a Context,
    pub(crate) task: &'a Task,
    pub(crate) claim: &'a Claim,
    /// The call of the node, once its arguments are known.
    pub(crate) made: OnceLock<CallDigest>,
    /// When the deadline of the node passes, if it has any.
    pub(crate) due: Option<Instant>,
    /// The values of the run, for finally tasks; none for any other.
    pub(crate) run: Option<&'a RunFacts>,
}

impl Job<'_> {
    /// Ends a node that repeats with its output.
    pub(crate) fn done(&self, output: Bytes, iterations: u32) -> Verdict {
        repeated(output, iterations, self.ctx.shared.begun.end(self.claim.node))
    }

    pub(crate) fn settle_returned(&self, returned: Result<invoke::Returned, invoke::Failure>) -> Verdict {
        match returned {
            Ok(invoke::Returned { outcome: invoke::Outcome::Value(value), usage, .. }) => {
                if let Some(repeat) = &self.task.repeat {
                    return self.settle_iteration(repeat, value, |value| iterated(value, usage));
                }
                finished(output(self.task, value), usage)
            }
            Ok(invoke::Returned { outcome: invoke::Outcome::Error(payload), last, exit, usage }) => {
                self.settle_error(payload, exit, (&last, usage))
            }
            Err(failure) => self.settle_failure(failure),
        }
    }

    /// Settles an iteration, which fails if its result does not say whether it is the last one.
    pub(crate) fn settle_iteration(
        &self,
        repeat: &Repeat,
        value: Bytes,
        settle: impl FnOnce(Bytes) -> Verdict,
    ) -> Verdict {
        match is_last(self.task, repeat, &value) {
            Ok(_) => settle(value),
            Err((class, message)) => self.unresolved(class, &message),
        }
    }

    /// Settles a call that returned an `err`: by a retry, or for good.
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
            Some(ProgramError { message, payload }) => (Some(message), payload),
            None => (None, payload),
        };
        let json = error_json(self.task.error.as_ref(), (&payload, exit), hide);
        let message = message.unwrap_or_else(|| shown_error(json.as_deref(), exit));
        let message = before_output(&message, &hide(&last.stderr), &hide(&last.stdout));
        if let Some(retry) = self.retry((FailureClass::Error, None), case.as_deref(), &message) {
            return retry;
        }
        let error = Some((payload, json));
        self.end_failed_call(&CallFailure { class: FailureClass::Error, usage, message, error })
    }

    /// Settles a call that ended without a result: by a retry, or for good.
    pub(crate) fn settle_failure(&self, failure: invoke::Failure) -> Verdict {
        let shortfall = Shortfall::of(&failure);
        let invoke::Failure { class, hit_memory: _, message, last, backtrace, usage } = failure;
        if class == FailureClass::Timeout && self.is_overdue() {
            return self.stopped_at_deadline(&last, usage);
        }
        let [stderr, stdout] = [&last.stderr, &last.stdout].map(|text| self.ctx.recorder.hide(text));
        let mut message = match class {
            FailureClass::Trap => after_output(&stderr, &stdout, &message),
            _ => before_output(&message, &stderr, &stdout), // the host's reason says more than the guest's lines
        };
        if let Some(backtrace) = backtrace {
            message = format!("{message}\n{backtrace}");
        }
        self.retry((class, shortfall), None, &message).unwrap_or_else(|| {
            let message = self.ctx.recorder.hide(&with_list_advice(&message, self.task, None));
            self.end_failed_call(&CallFailure { class, usage, message, error: None })
        })
    }

    /// Settles a node whose arguments cannot be computed, or whose iterations do not end.
    pub(crate) fn unresolved(&self, class: FailureClass, message: &str) -> Verdict {
        let (message, usage) = (self.ctx.recorder.hide(message), invoke::Usage::default());
        self.end_failed_call(&CallFailure { class, usage, message, error: None })
    }

    /// Settles a call that failed for good as `on-error` says.
    pub(crate) fn end_failed_call(&self, failure: &CallFailure) -> Verdict {
        match ending(self.task, self.claim.node.at.level(), failure) {
            // The iteration that failed is the end of the task, and none that is stored.
            Ending::Output(output) if self.task.repeat.is_some() => self.done(output, self.claim.iteration),
            Ending::Output(output) => {
                let mut verdict = finished(output, failure.usage);
                verdict.1.extend(self.failure_value_warning(failure));
                verdict
            }
            Ending::LeftOut(level) => {
                let cause = self.ctx.shape.name_of(self.claim.node).unwrap_or_default();
                let record = self.failure_record(failure.class, &failure.message, failure.payload());
                left_out(Hole { level, cause, failure: Some(record) })
            }
            Ending::Fails => self.failed(failure.class, &failure.message, failure.payload()),
        }
    }

    /// Returns the warning of a task whose failure is its output. Those of elements are counted with their list.
    fn failure_value_warning(&self, failure: &CallFailure) -> Option<Fact> {
        let is_counted = self.claim.node.at.level() > 0 || self.task.on_error != OnError::Failure;
        let (name, class, words) = (&self.task.name, failure.class, own_words(&failure.message));
        let line = words.lines().next().unwrap_or_default();
        let message = format!(
            "`{name}` failed, and `on-error = \"failure\"` makes a value of that: {class}: {line}; `--rerun {name}` calls \
             it again"
        );
        (!is_counted).then_some(Fact::Warning { code: "failures-as-values".into(), message })
    }

    /// Repeats a failed attempt, if its limit can grow or the retry policy says so.
    fn retry(
        &self,
        (class, shortfall): (FailureClass, Option<Shortfall>),
        case: Option<&str>,
        message: &str,
    ) -> Option<Verdict> {
        let (before, policy) = (Step::of(self.claim), &self.task.policy.retry);
        let grown = shortfall.and_then(|shortfall| before.after(shortfall, self.task));
        let number = self.claim.attempt.saturating_sub(before.repetitions());
        let attempted = Attempted { number, class, case };
        let delay = self.ctx.with_random(|random| match grown {
            Some(_) => Some(delay_after(policy, number, random)),
            None => next_delay(policy, &attempted, random),
        })?;
        let message = &*with_list_advice(message, self.task, grown);
        let step = grown.unwrap_or(before);
        let (memory, timeout) = step.grown_since(before, self.task);
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let fact = Fact::TaskRetrying {
            delay_ms: millis(delay),
            memory_bytes: memory.map(Size::as_bytes),
            timeout_ms: timeout.map(millis),
            failure: FailureFact { class, error: message.to_owned() },
        };
        if self.claim.deadline.is_some() {
            let failure = (class, &*self.ctx.recorder.hide(message));
            self.ctx.shared.last_attempts.keep(self.claim.node, self.claim.attempt, failure);
        }
        Some((Outcome::Retry { delay, step: step.number() }, vec![fact]))
    }

    pub(crate) fn failed(&self, class: FailureClass, message: &str, error: Option<Bytes>) -> Verdict {
        let record = self.failure_record(class, message, error);
        let fact = Fact::TaskFailed(FailureFact { class, error: self.ctx.recorder.hide(message) });
        (Outcome::Failed(record.encode()), vec![fact])
    }

    fn failure_record(&self, class: FailureClass, message: &str, error: Option<Bytes>) -> FailureRecord {
        let message = self.ctx.recorder.hide(message);
        let iteration = self.ctx.iteration(self.claim);
        if self.task.repeat.is_some() {
            self.ctx.shared.begun.end(self.claim.node);
        }
        FailureRecord {
            class,
            message: match iteration {
                Some(number) => failure_of(&format!("iteration {number}"), &message),
                None => message,
            },
            // An overdue node was not attempted once more.
            attempt: match self.claim.stage {
                Stage::Overdue => self.claim.attempt.saturating_sub(1).max(1),
                Stage::Ready | Stage::Tainted | Stage::Expanded { .. } | Stage::Closing => self.claim.attempt,
            },
            item: self.claim.node.at.last(),
            error: error.map(|error| error.to_vec()),
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
