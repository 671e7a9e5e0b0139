//! A claim with its outcome, to be committed next.
//! Jobs create it; `run_state` commits it.

use crate::events::{Fact, FailureFact};
use crate::invoke::Usage;
use crate::state::{CallDigest, Claim, Hole, Offer, Outcome};
use bytes::Bytes;
use std::time::Duration;

/// A claim with its outcome, and the facts to emit after the commit.
pub(crate) struct Settled {
    pub(crate) claim: Claim,
    pub(crate) outcome: Outcome,
    pub(crate) facts: Vec<Fact>,
    /// The call that the outcome is of, if it is of one.
    pub(crate) call: Option<CallDigest>,
}

/// An outcome, and the facts to emit after its commit.
pub(crate) type Verdict = (Outcome, Vec<Fact>);

/// Settles a call, or the task around elements, with its output.
pub(crate) fn finished(output: Bytes, usage: Usage) -> Verdict {
    let fact = finish(&output, usage, None);
    (Outcome::Done(output), vec![fact])
}

/// Settles a call with a result that is stored already. After iterations alone, the work goes on.
pub(crate) fn accepted(offer: Offer) -> Verdict {
    (Outcome::Accepted, if offer.is_done { vec![Fact::TaskStored] } else { Vec::new() })
}

/// Settles an iteration with its result.
pub(crate) fn iterated(value: Bytes, usage: Usage) -> Verdict {
    let fact = finish(&value, usage, None);
    (Outcome::Iterated(value), vec![fact])
}

/// Settles a node that repeats with its output, after this many iterations that took this host so long.
pub(crate) fn repeated(output: Bytes, iterations: u32, duration: Duration) -> Verdict {
    let fact = finish(&output, Usage { duration, ..Usage::default() }, Some(iterations));
    (Outcome::Done(output), vec![fact])
}

/// Leaves a node out of a list.
pub(crate) fn left_out(hole: Hole) -> Verdict {
    let failure = hole.failure.as_ref();
    let fact = Fact::TaskSkipped {
        reason: hole.reason(),
        cause: failure.is_none().then(|| hole.cause.clone()),
        failure: failure.map(|record| FailureFact { class: record.class, error: record.message.clone() }),
    };
    (Outcome::LeftOut(Box::new(hole)), vec![fact])
}

fn finish(output: &Bytes, usage: Usage, iterations: Option<u32>) -> Fact {
    Fact::TaskFinished {
        duration_ms: millis(usage.duration),
        output_bytes: u64::try_from(output.len()).unwrap_or(u64::MAX),
        memory_bytes: usage.memory,
        fuel: usage.fuel,
        iterations,
    }
}

/// Returns milliseconds, rounded to the microsecond.
fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
