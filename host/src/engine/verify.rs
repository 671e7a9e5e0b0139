//! Verification: compares a repeated call with an earlier result, so that users can prove that sharing is safe.
//! `job` decides what follows from a difference.

use crate::invoke::{Failure, Listener, Outcome, Returned, Stream, Usage};
use crate::model::FailureClass;
use crate::plan::{Bound, CacheRule, Task};
use crate::value::difference;

/// Whether shareable calls are executed once more and compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verification {
    /// No verification.
    #[default]
    None,
    /// Every call runs twice; a call with a cached result runs once.
    Twice,
}

/// Returns whether the results of a task may be shared: it is pure, or its author vouches for it.
pub(crate) fn is_shareable(bound: &Bound, task: &Task) -> bool {
    let is_pure = || bound.plan().function_of(task).is_some_and(|function| function.grants.is_pure());
    match task.cache {
        CacheRule::Shared(_) => true,
        CacheRule::Off => is_pure(),
        CacheRule::Impure => false,
    }
}

/// Result of comparing a repeated call.
pub(crate) enum Verified {
    /// Both calls agree. The usage covers both.
    Same(Returned),
    /// The calls differ. The text says how, as the end of a sentence.
    Differs(String),
    /// No answer: the repeated call was stopped for reasons that are not the guest's.
    Unknown(Failure),
}

/// Compares a repeated call with the expected result. `expected` has the usage of the first call, or none.
pub(crate) fn compare(expected: Returned, repeated: Result<Returned, Failure>) -> Verified {
    let repeated = match repeated {
        Ok(repeated) => repeated,
        Err(failure) => return failed(failure, expected.usage),
    };
    let usage = both(expected.usage, repeated.usage);
    match (&expected.outcome, &repeated.outcome) {
        (Outcome::Value(one), Outcome::Value(other)) | (Outcome::Error(one), Outcome::Error(other)) => {
            if one == other {
                return Verified::Same(Returned { usage, ..expected });
            }
            let path = difference(one, other).to_string();
            let place = if path.is_empty() { String::new() } else { format!(" at `{path}`") };
            Verified::Differs(format!("it returned another value, which differs{place}"))
        }
        (Outcome::Value(_), Outcome::Error(_)) => Verified::Differs("it returned an error".to_owned()),
        (Outcome::Error(_), Outcome::Value(_)) => Verified::Differs("it returned no error".to_owned()),
    }
}

/// Judges a repeated call that ended without a result. An end caused by the guest is a difference.
fn failed(failure: Failure, before: Usage) -> Verified {
    match failure.class {
        FailureClass::Error | FailureClass::Trap | FailureClass::Limit => {
            Verified::Differs(format!("it ended: {}", failure.message))
        }
        FailureClass::Timeout | FailureClass::Input | FailureClass::Lost | FailureClass::Cancelled => {
            Verified::Unknown(Failure { usage: both(before, failure.usage), ..failure })
        }
    }
}

/// Returns the cost of two consecutive calls.
fn both(one: Usage, other: Usage) -> Usage {
    Usage {
        duration: one.duration.saturating_add(other.duration),
        memory: one.memory.max(other.memory),
        fuel: match (one.fuel, other.fuel) {
            (Some(one), Some(other)) => Some(one.saturating_add(other)),
            (one, other) => one.or(other),
        },
    }
}

/// Listener that ignores output: the first call has emitted it.
pub(crate) struct IgnoreOutput;

impl Listener for IgnoreOutput {
    fn wrote(&self, _: Stream, _: &str) {}

    fn progressed(&self, _: f64, _: &str) {}
}
