//! The last node of a run: checks whether the outputs can be computed from the results, and so whether the run succeeded.
//! `finish` computes the outputs.

use crate::engine::closed::Closed;
use crate::engine::context::Context;
use crate::engine::finish::{OutputValue, Outputs, outputs};
use crate::engine::settled::Settled;
use crate::events::{Fact, FailureFact};
use crate::model::FailureClass;
use crate::state::{Claim, Error, FailureRecord, Outcome, Token};
use std::sync::{MutexGuard, PoisonError};

/// Settles the claim that closes a run. Fails only if the state backend does.
pub(crate) async fn close(ctx: &Context, claim: Claim) -> Result<Settled, Error> {
    let outputs = outputs(&ctx.bound, ctx.ledger.as_ref(), &ctx.shown).await?;
    let failures: Vec<(String, FailureFact)> = outputs
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), output_failure(ctx, value)?)))
        .collect();
    let Some((_, first)) = failures.first() else {
        ctx.keep_outputs(claim.token, outputs);
        return Ok(Settled { claim, outcome: Outcome::Passed, facts: Vec::new(), call: None });
    };
    let messages: Vec<String> =
        failures.iter().map(|(name, failure)| format!("output `{name}`: {}", failure.error)).collect();
    let record = FailureRecord {
        class: first.class,
        message: messages.join("\n"),
        attempt: claim.attempt,
        item: None,
        error: None,
    };
    let facts = failures.into_iter().map(|(output, failure)| Fact::OutputFailed { output, failure });
    Ok(Settled { claim, outcome: Outcome::Failed(record.encode()), facts: facts.collect(), call: None })
}

/// Returns why an output cannot be computed although all tasks succeeded; none if it can.
fn output_failure(ctx: &Context, value: &OutputValue) -> Option<FailureFact> {
    match value {
        OutputValue::Value(..) | OutputValue::Skipped(_) => None,
        OutputValue::Faulty(FailureFact { class, error }) => {
            Some(FailureFact { class: *class, error: ctx.recorder.hide(error) })
        }
        // Every task has ended, and none has failed.
        OutputValue::Missing(_) => Some(FailureFact {
            class: FailureClass::Lost,
            error: "the state has lost a result that this output needs".to_owned(),
        }),
    }
}

impl Context {
    /// Keeps the outputs with which a claim is settled, so that they need not be computed again.
    fn keep_outputs(&self, token: Token, outputs: Outputs) {
        *self.closed() = Closed { computed: Some((token, outputs)), is_committed: false };
    }

    /// Marks the outputs as committed, if this token settled the claim that closes the run.
    pub(crate) fn commit_outputs(&self, token: Token) {
        let mut closed = self.closed();
        closed.is_committed = closed.computed.as_ref().is_some_and(|(closing, _)| *closing == token);
    }

    /// Returns the outputs with which the run was closed, if this host closed it.
    pub(crate) fn take_outputs(&self) -> Option<Outputs> {
        let closed = std::mem::take(&mut *self.closed());
        closed.computed.filter(|_| closed.is_committed).map(|(_, outputs)| outputs)
    }

    fn closed(&self) -> MutexGuard<'_, Closed> {
        self.shared.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
