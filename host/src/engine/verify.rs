//! Calls whose results may be shared, executed once more and compared: so that a user can prove that sharing is safe.
//! What follows from a difference is for `job`.

use crate::invoke::{Failure, Listener, Outcome, Returned, Stream, Usage};
use crate::model::FailureClass;
use crate::plan::{Bound, CacheRule, Task};
use crate::value::difference;

/// Whether calls whose results may be shared are executed once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verification {
    /// They are not.
    #[default]
    None,
    /// They are: a call twice, one with a cached result once.
    Twice,
}

/// Whether the results of a task may be shared: it is pure, or its author vouches for it.
pub(crate) fn is_shareable(bound: &Bound, task: &Task) -> bool {
    let is_pure = || bound.plan().function_of(task).is_some_and(|function| function.grants.is_pure());
    match task.cache {
        CacheRule::Shared(_) => true,
        CacheRule::Off => is_pure(),
        CacheRule::Impure => false,
    }
}

/// What a repeated call shows.
pub(crate) enum Verified {
    /// The same, at the cost of both.
    Same(Returned),
    /// Something else: what, as the end of a sentence.
    Differs(String),
    /// Nothing: it was stopped, for reasons that are not the guest's.
    Unknown(Failure),
}

/// Holds a repeated call against what it must return. `expected` has the usage of the first call, or none.
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

/// A repeated call that ended without a result: a guest's own end is another one than before.
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

/// What two calls cost, one after the other.
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

/// Hears nothing: what a guest writes is told once.
pub(crate) struct IgnoreOutput;

impl Listener for IgnoreOutput {
    fn wrote(&self, _: Stream, _: &str) {}

    fn progressed(&self, _: f64, _: &str) {}
}
