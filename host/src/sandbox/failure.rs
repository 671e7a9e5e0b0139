//! What ended a guest, in the words of the port: which limit, which trap, and where in the guest.
//! Whether the call is repeated is for the engine.

use crate::invoke::Call;
use crate::invoke::Failure;
use crate::invoke::Usage;
use crate::model::FailureClass;
use crate::model::Limits;
use crate::model::Shortage;
use crate::model::Size;
use crate::model::show_duration;
use crate::sandbox::engine::STACK;
use crate::sandbox::guard::HANDED_AT_LEAST;
use crate::sandbox::guard::LimitHit;
use crate::sandbox::guard::MOST_HANDLES;
use crate::sandbox::guard::MOST_INSTANCES;
use crate::sandbox::guard::MOST_MEMORIES;
use crate::sandbox::guard::MOST_TABLES;
use crate::sandbox::guard::TimedOut;
use crate::sandbox::guard::doubled;
use crate::sandbox::lift::TooLarge;
use crate::sandbox::lower::Refused;
use std::time::Duration;
use wasmtime::component::ResourceTableError;
use wasmtime::{Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

/// What wasmtime says where a guest hands too much to a host function. Its errors of limits are of private types.
const HOSTCALL_FUEL: &str = "fuel allocated for hostcalls has been exhausted";

/// What it says where a guest holds or lends too many handles.
const HANDLES: &str = "store handle limit exceeded";

/// What it says where a guest has too many of something, before the word for it.
const COUNT: &str = "resource limit exceeded: ";

/// The most characters of a line of a failure: names of functions and files are the guest's, of any length.
const MAX_LINE: usize = 400;

/// The failure that an error of the engine stands for.
pub(crate) fn of_error(error: &wasmtime::Error, call: &Call, usage: Usage) -> Failure {
    let (class, message) = if error.is::<TimedOut>() {
        (FailureClass::Timeout, timed_out(call.timeout))
    } else {
        classify(error, &call.limits)
    };
    Failure { class, message: cut(&message), backtrace: error.downcast_ref().and_then(backtrace), usage }
}

/// A failure that is no trap, before the guest ran or around it.
pub(crate) fn plain(class: FailureClass, message: impl Into<String>, usage: Usage) -> Failure {
    Failure { class, message: message.into(), backtrace: None, usage }
}

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
    if let Some(shortage) = error.chain().find_map(Shortage::of) {
        return (FailureClass::Limit, short(error, shortage));
    }
    let cause = error.root_cause().to_string();
    match named(&cause, limits) {
        Some(limit) => (FailureClass::Limit, limit),
        None => (FailureClass::Trap, cause),
    }
}

/// What is said of a host that the system does not give what a guest needs.
fn short(error: &wasmtime::Error, shortage: Shortage) -> String {
    format!("this host cannot give the guest what it needs: {}. {}", error.root_cause(), shortage.help())
}

/// The limit that wasmtime speaks of, in our words.
fn named(cause: &str, limits: &Limits) -> Option<String> {
    if cause.contains(HOSTCALL_FUEL) {
        return Some(handed(limits));
    }
    if cause.contains(HANDLES) {
        return Some(handles());
    }
    let counted = cause.strip_prefix(COUNT)?;
    let (most, what) = match counted.split(' ').next()? {
        "instance" => return Some(instances(counted)),
        "memory" => (MOST_MEMORIES, "linear memories"),
        "table" => (MOST_TABLES, "tables"),
        _ => return None, // it counts nothing else
    };
    Some(format!("the guest has more than {most} {what}"))
}

/// What is said of too many core instances; `counted` ends with how many there would be.
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

/// What is said of a guest that hands too much to the host at once: as much as its result may have is always allowed.
fn handed(limits: &Limits) -> String {
    let what = "the guest hands more to one call of the host";
    if limits.output.as_usize() >= HANDED_AT_LEAST {
        return LimitHit::of("output", limits.output, 0, what).0;
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
            // All others are the guest's own doing.
            let words = other.to_string();
            (FailureClass::Trap, words.strip_prefix("wasm trap: ").unwrap_or(&words).to_owned())
        }
    }
}

/// What is said of a result that is too large.
pub(crate) fn output(limits: &Limits) -> String {
    LimitHit::of("output", limits.output, 0, "the result is larger").0
}

/// The guest's frames, a line each, innermost first.
fn backtrace(trace: &WasmBacktrace) -> Option<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in trace.to_string().lines().skip(1).map(str::trim) {
        match lines.last_mut() {
            Some(frame) if line.starts_with("at ") => {
                frame.push(' ');
                frame.push_str(line);
            }
            _ => lines.push(line.to_owned()), // a frame of its own, or a function that was inlined into it
        }
    }
    let lines: Vec<_> = folded(&lines).iter().map(|line| cut(line)).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// Frames without the repetitions of a recursion.
fn folded(frames: &[String]) -> Vec<String> {
    // `12: 0x3f8 - basic.wasm!recurse at src/lib.rs:7`: what follows the address is the place.
    let place = |frame: &str| frame.split_once(" - ").map_or(frame, |(_, place)| place).to_owned();
    let mut shown: Vec<String> = Vec::new();
    let mut repeated = 0;
    for (at, frame) in frames.iter().enumerate() {
        let is_again = at
            .checked_sub(1)
            .and_then(|before| frames.get(before))
            .is_some_and(|before| place(before) == place(frame));
        if is_again {
            repeated += 1;
            continue;
        }
        if repeated > 0 {
            shown.push(format!("… and {repeated} more of it"));
            repeated = 0;
        }
        shown.push(frame.clone());
    }
    if repeated > 0 {
        shown.push(format!("… and {repeated} more of it"));
    }
    shown
}

fn cut(line: &str) -> String {
    match line.char_indices().nth(MAX_LINE) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line.to_owned(),
    }
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

    #[test]
    fn a_recursion_is_told_once() {
        let frames =
            ["0: 0x1 - a!f at f.rs:1", "1: 0x9 - a!f at f.rs:1", "2: 0x9 - a!f at f.rs:1", "3: 0x2 - a!main"];
        let shown = folded(&frames.map(str::to_owned));
        assert_eq!(shown, ["0: 0x1 - a!f at f.rs:1", "… and 2 more of it", "3: 0x2 - a!main"]);
    }
}
