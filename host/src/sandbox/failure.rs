//! Classification of a guest's failure in the terms of the port `invoke`: limit, trap, timeout or input.
//! The engine decides whether the call is retried; `backtrace` formats the frames.

use crate::invoke::{Call, Failure, LastOutput, Usage};
use crate::model::{FailureClass, Limits, Shortage, Size, Stack, one_line, show_duration};
use crate::sandbox::backtrace::{backtrace, has_names};
use crate::sandbox::codec::{MalformedArgument, TooLarge};
use crate::sandbox::compile::stubbed;
use crate::sandbox::component::traps::trapped_call;
use crate::sandbox::guest::{
    Exit, LimitHit, MAX_FIELDS, MAX_HANDLES, MAX_INSTANCES, MAX_MEMORIES, MAX_TABLES, MAX_UNGRANTED,
    MIN_HOSTCALL_LIMIT, TimedOut, doubled,
};
use std::time::Duration;
use wasmtime::component::ResourceTableError;
use wasmtime::{ThrownException, Trap, WasmBacktrace};

/// wasmtime's text if a guest passes too much to a host function. Its limit errors have private types.
const HOSTCALL_FUEL: &str = "fuel allocated for hostcalls has been exhausted";

/// wasmtime's text if a guest holds or lends too many handles.
const HANDLES: &str = "store handle limit exceeded";

/// wasmtime's text if a request's headers are too large.
const FIELDS: &str = "total size of fields exceeds limit";

/// wasmtime's text if a guest has too many of something, up to the word for it.
const COUNT: &str = "resource limit exceeded: ";

/// Converts an error of a call to a failure.
pub(crate) fn from_error(error: &wasmtime::Error, call: &Call, usage: Usage) -> Failure {
    let (class, message) = if error.is::<TimedOut>() {
        (FailureClass::Timeout, timeout_message(call.timeout))
    } else {
        classify(error, &call.limits)
    };
    // A limit has a reason of its own, so that frames without names add nothing. A trap may have nothing else.
    let is_shown = |trace: &&WasmBacktrace| class == FailureClass::Trap || has_names(trace);
    let backtrace = error.downcast_ref().filter(is_shown).and_then(backtrace);
    let hit_memory = has_hit_memory(error);
    let message = one_line(&message);
    Failure { class, hit_memory, message, last: LastOutput::default(), backtrace, usage }
}

/// Converts an error of a guest to a failure. Its last output belongs to a trap: the other failures have a reason.
pub(crate) fn of_guest(error: &wasmtime::Error, call: &Call, last: LastOutput, usage: Usage) -> Failure {
    let failure = from_error(error, call, usage);
    if failure.class == FailureClass::Trap { Failure { last, ..failure } } else { failure }
}

/// Builds a failure that is no trap: it happened before or around the guest's code.
pub(crate) fn without_trap(class: FailureClass, message: impl Into<String>, usage: Usage) -> Failure {
    let (message, last) = (message.into(), LastOutput::default());
    Failure { class, hit_memory: false, message, last, backtrace: None, usage }
}

/// Returns whether the call has hit its memory limit.
pub(crate) fn has_hit_memory(error: &wasmtime::Error) -> bool {
    matches!(error.downcast_ref(), Some(LimitHit::Memory(_)))
}

// From the most specific error to the least: this host's types, wasmtime's types, system errors, and texts last.
fn classify(error: &wasmtime::Error, limits: &Limits) -> (FailureClass, String) {
    if let Some(hit) = error.downcast_ref::<LimitHit>() {
        return (FailureClass::Limit, hit.to_string());
    }
    if error.is::<TooLarge>() {
        return (FailureClass::Limit, output_message(limits));
    }
    if let Some(refused) = error.downcast_ref::<MalformedArgument>() {
        return (FailureClass::Input, refused.to_string());
    }
    if let Some(exit) = error.downcast_ref::<Exit>() {
        return (FailureClass::Trap, exit.to_string());
    }
    if let Some(import) = called_stub(error) {
        return (FailureClass::Trap, trapped_call(&import));
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return classify_trap(*trap, limits);
    }
    if error.is::<ThrownException>() {
        return (FailureClass::Trap, "the guest threw an exception that nothing caught".to_owned());
    }
    if let Some(ResourceTableError::Full) = error.root_cause().downcast_ref() {
        return (FailureClass::Limit, handles_message());
    }
    if let Some(shortage) = error.chain().find_map(Shortage::from_error) {
        return (FailureClass::Limit, shortage_message(error, shortage));
    }
    let cause = error.root_cause().to_string();
    match limit_message(&cause, limits) {
        Some(limit) => (FailureClass::Limit, limit),
        None => (FailureClass::Trap, cause),
    }
}

/// Returns the import of a core module whose stub trapped, as `module.name`.
fn called_stub(error: &wasmtime::Error) -> Option<String> {
    let Some(Trap::UnreachableCodeReached) = error.downcast_ref::<Trap>() else { return None };
    let innermost = error.downcast_ref::<WasmBacktrace>()?.frames().first()?;
    stubbed(innermost.func_name()?).map(str::to_owned)
}

/// Returns the message if the system refuses what the guest needs.
fn shortage_message(error: &wasmtime::Error, shortage: Shortage) -> String {
    format!("the system refused a resource that the guest needs: {}. {}", error.root_cause(), shortage.help())
}

/// Translates wasmtime's text about a limit to our own terms; `None` if the text names no limit.
fn limit_message(cause: &str, limits: &Limits) -> Option<String> {
    if cause.contains(HOSTCALL_FUEL) {
        return Some(hostcall_message(limits));
    }
    if cause.contains(HANDLES) {
        return Some(handles_message());
    }
    if cause.contains(FIELDS) {
        let [granted, ungranted] =
            [MAX_FIELDS, MAX_UNGRANTED].map(|max| Size::bytes(u64::try_from(max).unwrap_or(u64::MAX)));
        return Some(format!(
            "the headers of a request exceed {granted} ({ungranted} without the grant `http`)"
        ));
    }
    let counted = cause.strip_prefix(COUNT)?;
    let (max, items) = match counted.split(' ').next()? {
        "instance" => return Some(instances_message(counted)),
        "memory" => (MAX_MEMORIES, "linear memories"),
        "table" => (MAX_TABLES, "tables"),
        _ => return None, // wasmtime counts nothing else
    };
    Some(format!("the guest has more than {max} {items}"))
}

/// Returns the message for too many core instances; `counted` ends with their number.
fn instances_message(counted: &str) -> String {
    match counted.rsplit(' ').next().and_then(|count| count.parse::<usize>().ok()) {
        Some(count) if count <= MAX_INSTANCES => {
            format!("the guest would have {count} core instances, more than its large modules allow")
        }
        Some(_) | None => format!("the guest has more than {MAX_INSTANCES} core instances"),
    }
}

fn handles_message() -> String {
    format!("the guest holds more than {MAX_HANDLES} handles")
}

/// Returns the message for passing too much to the host at once. The size of a result is always allowed.
fn hostcall_message(limits: &Limits) -> String {
    let reason = "the guest passes more to one host call";
    if limits.output.as_usize() >= MIN_HOSTCALL_LIMIT {
        return LimitHit::memory_limit("output", limits.output, 0, reason).to_string();
    }
    let minimum = Size::bytes(u64::try_from(MIN_HOSTCALL_LIMIT).unwrap_or(u64::MAX));
    let suggested = Size::bytes(minimum.as_bytes().saturating_mul(2));
    format!(
        "the limit of one host call, {minimum}, reached: {reason}; raise it with `limits.output = \"{suggested}\"`"
    )
}

fn timeout_message(timeout: Duration) -> String {
    let shown = show_duration(timeout);
    format!("`timeout` = {shown} reached: the guest did not return")
}

fn classify_trap(trap: Trap, limits: &Limits) -> (FailureClass, String) {
    match trap {
        Trap::OutOfFuel => {
            let fuel = limits.fuel.unwrap_or_default();
            let suggested = doubled(fuel, 0);
            let reason = "the guest computes for longer; raise it with";
            (
                FailureClass::Limit,
                format!("`limits.fuel` = {fuel} reached: {reason} `limits.fuel = {suggested}`"),
            )
        }
        Trap::StackOverflow => (FailureClass::Limit, stack_message(limits.stack)),
        other => {
            // All other traps are the guest's own.
            let text = other.to_string();
            (FailureClass::Trap, text.strip_prefix("wasm trap: ").unwrap_or(&text).to_owned())
        }
    }
}

/// Returns the message for a stack that overflowed. The largest one cannot be raised.
fn stack_message(stack: Stack) -> String {
    let reached = format!("`limits.stack` = {} reached: the guest's calls nest deeper", stack.size());
    match stack.larger() {
        Some(larger) => format!("{reached}; raise it with `limits.stack = \"{}\"`", larger.size()),
        None => format!("{reached}, and no larger stack exists"),
    }
}

/// Returns the message for a result that is too large.
pub(crate) fn output_message(limits: &Limits) -> String {
    LimitHit::memory_limit("output", limits.output, 0, "the result is larger").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resource_refused_by_the_system_is_a_limit_and_no_trap() {
        for (number, says) in [(12, "`ulimit -v`"), (24, "`ulimit -n`")] {
            let error = wasmtime::Error::from(std::io::Error::from_raw_os_error(number));
            let (class, message) = classify(&error.context("around it"), &Limits::default());
            assert!(class == FailureClass::Limit && message.contains(says), "{message}");
        }
    }
}
