//! Checks of a task's policy against its function: errors as values, permanent errors, caching.
//! The engine applies policies; here they are only compared with the signature and the grants.

use crate::manifest;
use crate::manifest::{Action, CachePolicy, Grants, OnError};
use crate::model::{Fault, Limits, Span};
use crate::plan::CacheRule;
use crate::plan::scope::Scope;
use crate::value::{Signature, Type};

/// Reports policies that the signature of the function, called at `span`, cannot satisfy.
pub(crate) fn check(scope: &mut Scope<'_>, task: &manifest::Task, (span, signature): (&Span, &Signature)) {
    let result = match &signature.result {
        Some(Type::Result(result)) if !is_builtin(task) => Some(result),
        _ => None, // only a `result` has an `err`, and that of a built-in task is a value that it was given
    };
    if task.on_error == OnError::Value && result.is_none() {
        let message = "`on-error = \"value\"` needs a function that returns a `result`";
        let fault = Fault::spanned(span.clone(), message).note(format!("the signature is `{signature}`"));
        scope.fault(fault);
    }
    let cases: Vec<&str> = match result.and_then(|result| result.err.as_ref()) {
        Some(Type::Variant(cases)) => cases.iter().map(|case| &*case.name).collect(),
        Some(Type::Enum(names)) => names.iter().map(|name| &**name).collect(),
        _ => Vec::new(), // errors of other types have no cases
    };
    let retry = &task.policy.retry;
    for permanent in retry.permanent.iter().filter(|_| !retry.inherits_permanent) {
        if !cases.contains(&&*permanent.value) {
            let message = format!("the function's error has no case `{}`", permanent.value);
            let fault = Fault::spanned(permanent.span.clone(), message)
                .suggest(&permanent.value, cases.iter().copied())
                .note(format!("the signature is `{signature}`"));
            scope.fault(fault);
        }
    }
}

/// Returns whether results are shared between runs.
pub(crate) fn cache_rule(task: &manifest::Task, grants: Option<&Grants>) -> CacheRule {
    if is_builtin(task) {
        return CacheRule::Builtin;
    }
    match task.policy.cache {
        CachePolicy::Never => CacheRule::Off,
        CachePolicy::Always => CacheRule::Shared(None),
        CachePolicy::For(ttl) => CacheRule::Shared(Some(ttl)),
        CachePolicy::IfPure if grants.is_none_or(Grants::is_pure) => CacheRule::Shared(None),
        CachePolicy::IfPure => CacheRule::Impure,
    }
}

/// Returns the limits of a task's calls. What `[defaults]` says of guests alone means nothing to a built-in task.
pub(crate) fn limits(task: &manifest::Task) -> Limits {
    let limits = task.policy.limits;
    if is_builtin(task) {
        return Limits { memory: limits.memory, output: limits.output, ..Limits::default() };
    }
    limits
}

fn is_builtin(task: &manifest::Task) -> bool {
    task.action.as_ref().is_some_and(|action| matches!(action.value, Action::Builtin(_)))
}
