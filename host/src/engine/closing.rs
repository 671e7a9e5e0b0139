//! The last node of a run: whether its outputs can be made of what its tasks have yielded, and so whether it has succeeded.
//! Making them is for `finish`.

use crate::engine::closed::Closed;
use crate::engine::context::Context;
use crate::engine::finish::{OutputValue, Outputs, outputs};
use crate::engine::settled::Settled;
use crate::events::{Fact, FailureFact};
use crate::model::FailureClass;
use crate::state::{Claim, Error, FailureRecord, Outcome, Token};
use std::sync::{MutexGuard, PoisonError};

/// Settles the claim that closes a run. Fails only where the state backend does.
pub(crate) async fn close(ctx: &Context, claim: Claim) -> Result<Settled, Error> {
    let outputs = outputs(&ctx.bound, ctx.ledger.as_ref(), &ctx.shown).await?;
    let faulty: Vec<(String, FailureFact)> =
        outputs.iter().filter_map(|(name, value)| Some((name.clone(), fault(ctx, value)?))).collect();
    let Some((_, first)) = faulty.first() else {
        ctx.keep_outputs(claim.token, outputs);
        return Ok(Settled { claim, outcome: Outcome::Passed, facts: Vec::new() });
    };
    let messages: Vec<String> =
        faulty.iter().map(|(name, failure)| format!("output `{name}`: {}", failure.error)).collect();
    let record = FailureRecord {
        class: first.class,
        message: messages.join("\n"),
        attempt: claim.attempt,
        item: None,
        error: None,
    };
    let facts = faulty.into_iter().map(|(output, failure)| Fact::OutputFailed { output, failure });
    Ok(Settled { claim, outcome: Outcome::Failed(record.encode()), facts: facts.collect() })
}

/// What keeps an output of a run whose tasks have all succeeded from being made.
fn fault(ctx: &Context, value: &OutputValue) -> Option<FailureFact> {
    match value {
        OutputValue::Value(..) | OutputValue::Skipped(_) => None,
        OutputValue::Faulty(FailureFact { class, error }) => {
            Some(FailureFact { class: *class, error: ctx.recorder.hide(error) })
        }
        // Every task has ended, and none has failed.
        OutputValue::Missing(_) => Some(FailureFact {
            class: FailureClass::Lost,
            error: "the state has lost a result that it is made of".to_owned(),
        }),
    }
}

impl Context {
    /// Keeps the outputs that a claim is settled by, so that they need not be made again.
    fn keep_outputs(&self, token: Token, outputs: Outputs) {
        *self.closed() = Closed { made: Some((token, outputs)), is_committed: false };
    }

    /// The settlement of a claim that closes the run is committed.
    pub(crate) fn commit_outputs(&self, token: Token) {
        let mut closed = self.closed();
        closed.is_committed = closed.made.as_ref().is_some_and(|(made, _)| *made == token);
    }

    /// The outputs by which this host has closed the run, if it was this host.
    pub(crate) fn take_outputs(&self) -> Option<Outputs> {
        let closed = std::mem::take(&mut *self.closed());
        closed.made.filter(|_| closed.is_committed).map(|(_, outputs)| outputs)
    }

    fn closed(&self) -> MutexGuard<'_, Closed> {
        self.shared.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
