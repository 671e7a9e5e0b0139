//! Verification: compares a repeated call with an earlier result, so that users can prove that sharing is safe.
//! `job` decides what follows from a difference.

use crate::invoke::{Call, Failure, Invoker, LastOutput, Listener, Outcome, Returned, Stream, Usage};
use crate::model::FailureClass;
use crate::plan::{Bound, CacheRule, Function, Task};
use crate::value::difference;
use std::sync::Arc;

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
    let is_pure = || bound.plan().function_of(task).is_some_and(Function::is_pure);
    match task.cache {
        CacheRule::Shared(_) | CacheRule::Builtin => true,
        CacheRule::Off => is_pure(),
        CacheRule::Impure => false,
    }
}

/// Calls the guest twice. If the results differ, sets `differs` and returns a failure, so that nothing is shared.
pub(crate) async fn call_twice(
    invoker: &dyn Invoker,
    call: Arc<Call>,
    differs: &mut Option<String>,
) -> Result<Returned, Failure> {
    let again = Arc::new(Call { listener: Arc::new(IgnoreOutput), ..(*call).clone() });
    let first = invoker.invoke(call).await?;
    let usage = first.usage;
    match compare(first, invoker.invoke(again).await) {
        Verified::Same(returned) => Ok(returned),
        Verified::Unknown(failure) => Err(failure),
        Verified::Differs(difference) => {
            let message = difference.clone();
            *differs = Some(difference);
            let last = LastOutput::default();
            Err(Failure {
                class: FailureClass::Error,
                hit_memory: false,
                message,
                last,
                backtrace: None,
                usage,
            })
        }
    }
}

/// Result of comparing a repeated call.
pub(crate) enum Verified {
    /// Both calls agree. The usage covers both.
    Same(Returned),
    /// The calls differ. The text describes the repeated call as a clause.
    Differs(String),
    /// No answer: the repeated call was stopped for a reason outside of the guest.
    Unknown(Failure),
}

/// Compares a repeated call with the expected result. `expected` has the usage of the first call, or none.
pub(crate) fn compare(expected: Returned, repeated: Result<Returned, Failure>) -> Verified {
    let repeated = match repeated {
        Ok(repeated) => repeated,
        Err(failure) => return compare_failure(failure, expected.usage),
    };
    let usage = combined_usage(expected.usage, repeated.usage);
    match (&expected.outcome, &repeated.outcome) {
        (Outcome::Value(first), Outcome::Value(second)) | (Outcome::Error(first), Outcome::Error(second)) => {
            if first == second {
                return Verified::Same(Returned { usage, ..expected });
            }
            let path = difference(first, second).to_string();
            let position =
                if path.is_empty() { String::new() } else { format!(" (first difference: `{path}`)") };
            Verified::Differs(format!("it returned another value{position}"))
        }
        (Outcome::Value(_), Outcome::Error(_)) => {
            Verified::Differs("it returned an error instead of a value".to_owned())
        }
        (Outcome::Error(_), Outcome::Value(_)) => {
            Verified::Differs("it returned a value instead of an error".to_owned())
        }
    }
}

/// Judges a repeated call that ended without a result. An end caused by the guest is a difference.
fn compare_failure(failure: Failure, before: Usage) -> Verified {
    match failure.class {
        FailureClass::Error | FailureClass::Trap | FailureClass::Limit => {
            Verified::Differs(format!("it failed: {}", failure.message))
        }
        FailureClass::Timeout | FailureClass::Input | FailureClass::Lost | FailureClass::Cancelled => {
            Verified::Unknown(Failure { usage: combined_usage(before, failure.usage), ..failure })
        }
    }
}

/// Returns the cost of two consecutive calls.
fn combined_usage(first: Usage, second: Usage) -> Usage {
    Usage {
        duration: first.duration.saturating_add(second.duration),
        memory: first.memory.max(second.memory),
        fuel: match (first.fuel, second.fuel) {
            (Some(first), Some(second)) => Some(first.saturating_add(second)),
            (first, second) => first.or(second),
        },
    }
}

/// Listener that ignores output: the first call has emitted it.
struct IgnoreOutput;

impl Listener for IgnoreOutput {
    fn on_output(&self, _: Stream, _: &str) {}

    fn on_progress(&self, _: f64, _: &str) {}
}
