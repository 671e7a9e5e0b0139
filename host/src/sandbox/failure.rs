//! Classification of a guest's failure in the terms of the port `invoke`: limit, trap, timeout or input.
//! The engine decides whether the call is retried; `backtrace` formats the frames.

use crate::invoke::{Call, Failure, Usage};
use crate::model::{FailureClass, Limits, Shortage, Size, one_line, show_duration};
use crate::sandbox::backtrace::backtrace;
use crate::sandbox::codec::{Refused, TooLarge};
use crate::sandbox::engine::STACK;
use crate::sandbox::guest::{
    HANDED_AT_LEAST, LimitHit, MAX_FIELDS, MOST_HANDLES, MOST_INSTANCES, MOST_MEMORIES, MOST_TABLES,
    TimedOut, USELESS, doubled,
};
use std::time::Duration;
use wasmtime::Trap;
use wasmtime::component::ResourceTableError;
use wasmtime_wasi::I32Exit;

/// wasmtime's text if a guest passes too much to a host function. Its limit errors have private types.
const HOSTCALL_FUEL: &str = "fuel allocated for hostcalls has been exhausted";

/// wasmtime's text if a guest holds or lends too many handles.
const HANDLES: &str = "store handle limit exceeded";

/// wasmtime's text if a request's headers are too large.
const FIELDS: &str = "total size of fields exceeds limit";

/// wasmtime's text if a guest has too many of something, up to the word for it.
const COUNT: &str = "resource limit exceeded: ";

/// Converts an error of a call to a failure.
pub(crate) fn of_error(error: &wasmtime::Error, call: &Call, usage: Usage) -> Failure {
    let (class, message) = if error.is::<TimedOut>() {
        (FailureClass::Timeout, timed_out(call.timeout))
    } else {
        classify(error, &call.limits)
    };
    let backtrace = error.downcast_ref().and_then(backtrace);
    Failure { class, message: one_line(&message), stderr: String::new(), backtrace, usage }
}

/// Builds a failure that is no trap: it happened before or around the guest's code.
pub(crate) fn plain(class: FailureClass, message: impl Into<String>, usage: Usage) -> Failure {
    Failure { class, message: message.into(), stderr: String::new(), backtrace: None, usage }
}

// From the most specific error to the least: our own types, wasmtime's types, system errors, and texts last.
fn classify(error: &wasmtime::Error, limits: &Limits) -> (FailureClass, String) {
    if let Some(hit) = error.downcast_ref::<LimitHit>() {
        return (FailureClass::Limit, hit.0.clone());
    }
    if error.is::<TooLarge>() {
        return (FailureClass::Limit, output(limits));
    }
    if let Some(refused) = error.downcast_ref::<Refused>() {
        return (FailureClass::Input, refused.to_string());
    }
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return (FailureClass::Trap, format!("the guest called exit({})", exit.0));
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return of_trap(*trap, limits);
    }
    if let Some(ResourceTableError::Full) = error.root_cause().downcast_ref() {
        return (FailureClass::Limit, handles());
    }
    if let Some(shortage) = error.chain().find_map(Shortage::from_error) {
        return (FailureClass::Limit, short(error, shortage));
    }
    let cause = error.root_cause().to_string();
    match named(&cause, limits) {
        Some(limit) => (FailureClass::Limit, limit),
        None => (FailureClass::Trap, cause),
    }
}

/// Returns the message if the system refuses what the guest needs.
fn short(error: &wasmtime::Error, shortage: Shortage) -> String {
    format!("this host cannot give the guest what it needs: {}. {}", error.root_cause(), shortage.help())
}

/// Translates wasmtime's text about a limit to our own terms; `None` if the text names no limit.
fn named(cause: &str, limits: &Limits) -> Option<String> {
    if cause.contains(HOSTCALL_FUEL) {
        return Some(handed(limits));
    }
    if cause.contains(HANDLES) {
        return Some(handles());
    }
    if cause.contains(FIELDS) {
        let [granted, useless] =
            [MAX_FIELDS, USELESS].map(|most| Size::bytes(u64::try_from(most).unwrap_or(u64::MAX)));
        return Some(format!(
            "the headers of a request have more than {granted} ({useless} without a grant)"
        ));
    }
    let counted = cause.strip_prefix(COUNT)?;
    let (most, what) = match counted.split(' ').next()? {
        "instance" => return Some(instances(counted)),
        "memory" => (MOST_MEMORIES, "linear memories"),
        "table" => (MOST_TABLES, "tables"),
        _ => return None, // wasmtime counts nothing else
    };
    Some(format!("the guest has more than {most} {what}"))
}

/// Returns the message for too many core instances; `counted` ends with their number.
fn instances(counted: &str) -> String {
    match counted.rsplit(' ').next().and_then(|count| count.parse::<usize>().ok()) {
        Some(count) if count <= MOST_INSTANCES => {
            format!("the guest would have {count} core instances of modules so large that it may have fewer")
        }
        Some(_) | None => format!("the guest has more than {MOST_INSTANCES} core instances"),
    }
}

fn handles() -> String {
    format!("the guest holds more than {MOST_HANDLES} handles")
}

/// Returns the message for passing too much to the host at once. The size of a result is always allowed.
fn handed(limits: &Limits) -> String {
    let what = "the guest hands more to one call of the host";
    if limits.output.as_usize() >= HANDED_AT_LEAST {
        return LimitHit::memory_limit("output", limits.output, 0, what).0;
    }
    let floor = Size::bytes(u64::try_from(HANDED_AT_LEAST).unwrap_or(u64::MAX));
    let enough = Size::bytes(floor.as_bytes().saturating_mul(2));
    format!(
        "the least that may be handed over, {floor}, reached: {what}; raise it with `limits.output = \"{enough}\"`"
    )
}

fn timed_out(timeout: Duration) -> String {
    let shown = show_duration(timeout);
    format!("`timeout` = {shown} reached: the guest did not return")
}

fn of_trap(trap: Trap, limits: &Limits) -> (FailureClass, String) {
    match trap {
        Trap::OutOfFuel => {
            let fuel = limits.fuel.unwrap_or_default();
            let enough = doubled(fuel, 0);
            let what = "the guest computes for longer; raise it with";
            (FailureClass::Limit, format!("`limits.fuel` = {fuel} reached: {what} `limits.fuel = {enough}`"))
        }
        Trap::StackOverflow => {
            let stack = Size::bytes(u64::try_from(STACK).unwrap_or(u64::MAX));
            (FailureClass::Limit, format!("the guest's stack ({stack}) overflowed"))
        }
        other => {
            // All other traps are the guest's own.
            let words = other.to_string();
            (FailureClass::Trap, words.strip_prefix("wasm trap: ").unwrap_or(&words).to_owned())
        }
    }
}

/// Returns the message for a result that is too large.
pub(crate) fn output(limits: &Limits) -> String {
    LimitHit::memory_limit("output", limits.output, 0, "the result is larger").0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_does_not_give_is_a_limit_and_no_trap_of_the_guest() {
        for (number, says) in [(12, "`ulimit -v`"), (24, "`ulimit -n`")] {
            let error = wasmtime::Error::from(std::io::Error::from_raw_os_error(number));
            let (class, message) = classify(&error.context("around it"), &Limits::default());
            assert!(class == FailureClass::Limit && message.contains(says), "{message}");
        }
    }
}
